// client/load_plot: a run as a picture, drawn by gnuplot, which need not be installed otherwise.
#pragma once

#include <string>

#include "client/load.h"

namespace ringway::client {

// An empty string, or why nothing can be drawn here: gnuplot is missing.
[[nodiscard]] std::string plot_problem();

// Latency over percentiles, latency over time and throughput over time, as SVG. Waits for gnuplot.
// An empty string, or what failed.
[[nodiscard]] std::string write_plot(const std::string& path, const LoadOptions& options,
                                     const LoadReport& report);

// What gnuplot is told; it reads nothing else.
[[nodiscard]] std::string plot_script(const std::string& path, const LoadOptions& options,
                                      const LoadReport& report);

}  // namespace ringway::client
