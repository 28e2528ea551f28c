#include "metrics/endpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>

#include "base/clock.h"
#include "base/log.h"
#include "metrics/health.h"
#include "metrics/http/page_server.h"

namespace ringway::metrics {
namespace {

using http::Answer;

constexpr size_t kMetricsPath = 0;
constexpr size_t kHealthPath = 1;
constexpr size_t kReadyPath = 2;
constexpr size_t kOtherPath = 3;
static_assert(kOtherPath + 1 == kHttpPaths.size());

Answer answer_of(const Health& health) {
  return {.code = health.good ? 200 : 503, .body = health.reason + "\n"};
}

class EndpointImpl final : public Endpoint, private http::Pages {
 public:
  EndpointImpl(std::string path, BuildInfo build)
      : path_(std::move(path)), build_(std::move(build)) {}

  // Empty, or why not.
  std::string listen(const config::Prometheus& config);
  void attach(Source source) override {
    const std::scoped_lock lock(mutex_);
    source_ = std::move(source);
  }
  void detach() override { attach(nullptr); }

 private:
  Answer get(std::string_view path) override;
  void answered(std::string_view path, int code) noexcept override;
  [[nodiscard]] Answer ask(size_t path);
  [[nodiscard]] std::optional<gateway::GatewayStatus> status();
  [[nodiscard]] size_t path_index(std::string_view path) const noexcept;
  [[nodiscard]] HttpTally tally() const noexcept;

  const std::string path_;
  const BuildInfo build_;
  std::mutex mutex_;
  Source source_;
  std::array<std::array<std::atomic<uint64_t>, kHttpCodes.size()>, kHttpPaths.size()> answers_{};
  std::unique_ptr<http::PageServer> server_;  // the last: its threads ask for all of this
};

std::string EndpointImpl::listen(const config::Prometheus& config) {
  std::string error;
  server_ = http::PageServer::start(config::to_string(config::Endpoint{config.host, config.port}),
                                    *this, error);
  return error;
}

size_t EndpointImpl::path_index(std::string_view path) const noexcept {
  if (path == path_) return kMetricsPath;
  if (path == "/healthz") return kHealthPath;
  if (path == "/readyz") return kReadyPath;
  return kOtherPath;
}

Answer EndpointImpl::get(std::string_view path) {
  const size_t index = path_index(path);
  if (index != kOtherPath) return ask(index);
  return {.code = 404, .body = fmt::format("try {}, /healthz or /readyz\n", path_)};
}

Answer EndpointImpl::ask(size_t path) {
  const std::optional<gateway::GatewayStatus> now = status();
  if (!now) {
    if (path == kHealthPath) return {.body = "starting\n"};
    return {.code = 503, .body = "the gateway is not running\n"};
  }
  if (path == kHealthPath) return answer_of(judge_liveness(*now, read_clocks().mono_ns));
  if (path == kReadyPath) return answer_of(judge_readiness(*now, read_clocks().mono_ns));
  return {.body = metrics_page(*now, read_process_use(), log_tally(), tally(), build_),
          .type = http::kMetricsType};
}

// Under the lock, so that detach() knows when nobody asks any more.
std::optional<gateway::GatewayStatus> EndpointImpl::status() {
  const std::scoped_lock lock(mutex_);
  if (source_ == nullptr) return std::nullopt;
  return source_();
}

void EndpointImpl::answered(std::string_view path, int code) noexcept {
  const auto found = std::find(kHttpCodes.begin(), kHttpCodes.end(), code);
  if (found == kHttpCodes.end()) return;
  answers_[path_index(path)][static_cast<size_t>(found - kHttpCodes.begin())].fetch_add(
      1, std::memory_order_relaxed);
}

HttpTally EndpointImpl::tally() const noexcept {
  HttpTally tally;
  for (size_t path = 0; path < kHttpPaths.size(); ++path) {
    for (size_t code = 0; code < kHttpCodes.size(); ++code) {
      tally.answers[path][code] = answers_[path][code].load(std::memory_order_relaxed);
    }
  }
  return tally;
}

}  // namespace

std::unique_ptr<Endpoint> Endpoint::start(const config::Prometheus& config, std::string_view place,
                                          BuildInfo build, std::string& error) {
  auto endpoint = std::make_unique<EndpointImpl>(config.path, std::move(build));
  if (const std::string why = endpoint->listen(config); !why.empty()) {
    error = fmt::format("{}: {}", place, why);
    return nullptr;
  }
  log_info("metrics", "metrics on http://{}{}, health on /healthz and /readyz",
           config::to_string(config::Endpoint{config.host, config.port}), config.path);
  return endpoint;
}

}  // namespace ringway::metrics
