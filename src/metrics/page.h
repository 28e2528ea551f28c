// metrics/page: everything there is to know, as Prometheus' text format.
//
// A pure function of values: gnetway's metrics under gnetway's names, so that dashboards go on
// working, ours beside them, and those of the process that every Prometheus client has.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.h"
#include "gateway/status.h"
#include "metrics/process_use.h"

namespace ringway::metrics {

// Answers of the endpoint itself.
inline constexpr std::array<std::string_view, 4> kHttpPaths = {"metrics", "healthz", "readyz",
                                                               "other"};
inline constexpr std::array<int, 4> kHttpCodes = {200, 404, 405, 503};
struct HttpTally {
  std::array<std::array<uint64_t, kHttpCodes.size()>, kHttpPaths.size()> answers{};
};

// Labels of ringway_build_info.
struct BuildInfo {
  std::string version;
  std::string aes_kernel;
  std::string sha_kernel;
};

[[nodiscard]] std::string metrics_page(const gateway::GatewayStatus& status,
                                       const ProcessUse& process, const LogTally& log,
                                       const HttpTally& http, const BuildInfo& build);

}  // namespace ringway::metrics
