#include "metrics/endpoint.h"

#include <civetweb.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "metrics/health.h"

namespace ringway::metrics {
namespace {

constexpr size_t kMetricsPath = 0;
constexpr size_t kHealthPath = 1;
constexpr size_t kReadyPath = 2;
constexpr size_t kOtherPath = 3;
static_assert(kOtherPath + 1 == kHttpPaths.size());

struct Answer {
  int code = 200;
  std::string body;
  std::string_view type = "text/plain; charset=utf-8";
};

std::string_view phrase_of(int code) noexcept {
  switch (code) {
    case 200:
      return "OK";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    default:
      return "Service Unavailable";
  }
}

Answer answer_of(const Health& health) {
  return {.code = health.good ? 200 : 503, .body = health.reason + "\n"};
}

class EndpointImpl final : public Endpoint {
 public:
  EndpointImpl(std::string path, BuildInfo build)
      : path_(std::move(path)), build_(std::move(build)) {}
  ~EndpointImpl() override {
    if (server_ != nullptr) mg_stop(server_);
  }

  std::string listen(const config::Prometheus& config);
  void attach(Source source) override {
    const std::scoped_lock lock(mutex_);
    source_ = std::move(source);
  }
  void detach() override { attach(nullptr); }

 private:
  static int on_request(mg_connection* connection);
  static int on_log(const mg_connection* connection, const char* text);

  [[nodiscard]] Answer answer(std::string_view method, std::string_view path);
  [[nodiscard]] Answer ask(size_t path);
  [[nodiscard]] std::optional<gateway::GatewayStatus> status();
  [[nodiscard]] size_t path_index(std::string_view path) const noexcept;
  void count(size_t path, int code) noexcept;
  [[nodiscard]] HttpTally tally() const noexcept;

  const std::string path_;
  const BuildInfo build_;
  std::mutex mutex_;
  Source source_;
  std::array<std::array<std::atomic<uint64_t>, kHttpCodes.size()>, kHttpPaths.size()> answers_{};
  std::mutex log_mutex_;
  bool starting_ = true;
  std::string start_trouble_;  // what the library said meanwhile
  mg_context* server_ = nullptr;
};

std::string EndpointImpl::listen(const config::Prometheus& config) {
  const std::string address = config::to_string(config::Endpoint{config.host, config.port});
  const std::array<std::pair<std::string, std::string>, 9> settings = {{
      {"listening_ports", address},
      {"num_threads", std::to_string(kMetricsThreads)},
      {"connection_queue", std::to_string(kMetricsQueueMax)},
      {"listen_backlog", std::to_string(kMetricsBacklog)},
      {"max_request_size", std::to_string(kMetricsRequestBytesMax)},
      {"request_timeout_ms", std::to_string(kMetricsRequestTimeoutNs / kNsPerMs)},
      {"enable_keep_alive", "no"},
      {"enable_directory_listing", "no"},
      {"tcp_nodelay", "1"},
  }};
  std::vector<const char*> options;
  for (const auto& [name, value] : settings) {
    options.push_back(name.c_str());
    options.push_back(value.c_str());
  }
  options.push_back(nullptr);
  mg_callbacks callbacks{};
  callbacks.begin_request = &EndpointImpl::on_request;
  callbacks.log_message = &EndpointImpl::on_log;
  mg_init_data init{};
  init.callbacks = &callbacks;
  init.user_data = this;
  init.configuration_options = options.data();
  std::array<char, 256> text{};
  mg_error_data failure{};
  failure.text = text.data();
  failure.text_buffer_size = text.size();
  server_ = mg_start2(&init, &failure);
  const std::scoped_lock lock(log_mutex_);
  starting_ = false;
  if (server_ != nullptr) return "";
  return fmt::format("cannot listen on {}: {}", address,
                     start_trouble_.empty() ? text.data() : start_trouble_);
}

// The library's own words matter when it cannot start; later they are about what strangers send.
int EndpointImpl::on_log(const mg_connection* connection, const char* text) {
  const mg_context* server = mg_get_context(connection);
  auto* self = static_cast<EndpointImpl*>(mg_get_user_data(server));
  if (self == nullptr) return 1;
  const std::scoped_lock lock(self->log_mutex_);
  if (self->starting_) {
    if (self->start_trouble_.empty()) self->start_trouble_ = text;
  } else {
    log_debug("metrics", "{}", text);
  }
  return 1;
}

int EndpointImpl::on_request(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  auto* self = static_cast<EndpointImpl*>(request->user_data);
  const std::string_view method = request->request_method;
  const std::string_view path = request->local_uri != nullptr ? request->local_uri : "";
  const Answer answer = self->answer(method, path);
  std::string bytes = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "Connection: close\r\n\r\n",
      answer.code, phrase_of(answer.code), answer.type, answer.body.size());
  if (method != "HEAD") bytes += answer.body;
  (void)mg_write(connection, bytes.data(), bytes.size());
  return answer.code;  // not zero: it is answered
}

size_t EndpointImpl::path_index(std::string_view path) const noexcept {
  if (path == path_) return kMetricsPath;
  if (path == "/healthz") return kHealthPath;
  if (path == "/readyz") return kReadyPath;
  return kOtherPath;
}

Answer EndpointImpl::answer(std::string_view method, std::string_view path) {
  const size_t index = path_index(path);
  Answer answer;
  if (method != "GET" && method != "HEAD") {
    answer = {.code = 405, .body = "GET and HEAD only\n"};
  } else if (index == kOtherPath) {
    answer = {.code = 404, .body = fmt::format("try {}, /healthz or /readyz\n", path_)};
  } else {
    answer = ask(index);
  }
  count(index, answer.code);
  return answer;
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
          .type = "text/plain; version=0.0.4; charset=utf-8"};
}

// Under the lock, so that detach() knows when nobody asks any more.
std::optional<gateway::GatewayStatus> EndpointImpl::status() {
  const std::scoped_lock lock(mutex_);
  if (source_ == nullptr) return std::nullopt;
  return source_();
}

void EndpointImpl::count(size_t path, int code) noexcept {
  const auto found = std::find(kHttpCodes.begin(), kHttpCodes.end(), code);
  if (found == kHttpCodes.end()) return;
  answers_[path][static_cast<size_t>(found - kHttpCodes.begin())].fetch_add(
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
  mg_init_library(MG_FEATURES_DEFAULT);  // counts its users and is never ended: it holds nothing
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
