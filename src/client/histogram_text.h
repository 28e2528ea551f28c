// client/histogram_text: a histogram as the text that HdrHistogram's tools write and its plotters
// read (.hgrm).
//
// Pure. Values are divided by `unit` (1e6 turns nanoseconds into milliseconds). Five lines for each
// halving of the distance to 100%, as HdrHistogram's own writers do by default.
#pragma once

#include <string>

#include "client/histogram.h"

namespace ringway::client {

[[nodiscard]] std::string to_hgrm(const Histogram& histogram, double unit);

}  // namespace ringway::client
