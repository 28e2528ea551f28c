#include "proxy/metrics_endpoint.h"

#include <civetweb.h>
#include <fmt/format.h>

#include <array>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::proxy {
namespace {

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

class EndpointImpl final : public MetricsEndpoint {
 public:
  explicit EndpointImpl(Source source) : source_(std::move(source)) {}
  ~EndpointImpl() override {
    if (server_ != nullptr) mg_stop(server_);
  }

  bool listen(const std::string& address, std::string& error) {
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
    // What strangers send is no business of the log.
    callbacks.log_message = [](const mg_connection*, const char*) { return 1; };
    mg_init_data init{};
    init.callbacks = &callbacks;
    init.user_data = this;
    init.configuration_options = options.data();
    std::array<char, 256> text{};
    mg_error_data failure{};
    failure.text = text.data();
    failure.text_buffer_size = text.size();
    server_ = mg_start2(&init, &failure);
    if (server_ == nullptr) {
      error = fmt::format("cannot listen on {}: {}", address, text.data());
      return false;
    }
    mg_server_port port{};
    if (mg_get_server_ports(server_, 1, &port) == 1) port_ = port.port;
    return true;
  }
  [[nodiscard]] int port() const noexcept override { return port_; }

 private:
  static int on_request(mg_connection* connection) {
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

  Answer answer(std::string_view method, std::string_view path) {
    if (method != "GET" && method != "HEAD") return {.code = 405, .body = "GET and HEAD only\n"};
    if (path == "/metrics") {
      return {.body = metrics_page(source_()), .type = "text/plain; version=0.0.4; charset=utf-8"};
    }
    if (path == "/healthz") {
      HealthAnswer health = health_of(source_());
      return {.code = health.good ? 200 : 503, .body = std::move(health.text)};
    }
    return {.code = 404, .body = "try /metrics or /healthz\n"};
  }

  const Source source_;
  mg_context* server_ = nullptr;
  int port_ = 0;
};

}  // namespace

std::unique_ptr<MetricsEndpoint> MetricsEndpoint::start(const std::string& address, Source source,
                                                        std::string& error) {
  mg_init_library(MG_FEATURES_DEFAULT);  // counts its users and is never ended: it holds nothing
  auto endpoint = std::make_unique<EndpointImpl>(std::move(source));
  if (!endpoint->listen(address, error)) return nullptr;
  return endpoint;
}

}  // namespace ringway::proxy
