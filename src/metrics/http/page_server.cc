#include "metrics/http/page_server.h"

#include <civetweb.h>
#include <fmt/format.h>

#include <array>
#include <mutex>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

namespace ringway::metrics::http {
namespace {

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

class PageServerImpl final : public PageServer {
 public:
  explicit PageServerImpl(Pages& pages) : pages_(pages) {}
  ~PageServerImpl() override {
    if (server_ != nullptr) mg_stop(server_);
  }

  // Empty, or why not.
  std::string listen(const std::string& address);
  [[nodiscard]] int port() const noexcept override { return port_; }

 private:
  static int on_request(mg_connection* connection);
  static int on_log(const mg_connection* connection, const char* text);
  [[nodiscard]] Answer answer(std::string_view method, std::string_view path);

  Pages& pages_;
  std::mutex log_mutex_;
  bool starting_ = true;       // guarded by log_mutex_
  std::string start_trouble_;  // what the library said meanwhile; likewise
  mg_context* server_ = nullptr;
  int port_ = 0;
};

std::string PageServerImpl::listen(const std::string& address) {
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
  callbacks.begin_request = &PageServerImpl::on_request;
  callbacks.log_message = &PageServerImpl::on_log;
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
  if (server_ == nullptr) {
    return fmt::format("cannot listen on {}: {}", address,
                       start_trouble_.empty() ? text.data() : start_trouble_);
  }
  mg_server_port port{};
  if (mg_get_server_ports(server_, 1, &port) == 1) port_ = port.port;
  return "";
}

// The library's own words matter when it cannot start; later they are about what strangers send.
int PageServerImpl::on_log(const mg_connection* connection, const char* text) {
  const mg_context* server = mg_get_context(connection);
  auto* self = static_cast<PageServerImpl*>(mg_get_user_data(server));
  if (self == nullptr) return 1;
  const std::scoped_lock lock(self->log_mutex_);
  if (self->starting_) {
    if (self->start_trouble_.empty()) self->start_trouble_ = text;
  } else {
    log_debug("metrics", "{}", text);
  }
  return 1;
}

int PageServerImpl::on_request(mg_connection* connection) {
  const mg_request_info* request = mg_get_request_info(connection);
  auto* self = static_cast<PageServerImpl*>(request->user_data);
  const std::string_view method = request->request_method;
  const std::string_view path = request->local_uri != nullptr ? request->local_uri : "";
  const Answer answer = self->answer(method, path);
  self->pages_.answered(path, answer.code);
  std::string bytes = fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n"
      "Connection: close\r\n\r\n",
      answer.code, phrase_of(answer.code), answer.type, answer.body.size());
  if (method != "HEAD") bytes += answer.body;
  (void)mg_write(connection, bytes.data(), bytes.size());
  return answer.code;  // not zero: it is answered
}

Answer PageServerImpl::answer(std::string_view method, std::string_view path) {
  if (method == "GET" || method == "HEAD") return pages_.get(path);
  return {.code = 405, .body = "GET and HEAD only\n"};
}

}  // namespace

std::unique_ptr<PageServer> PageServer::start(const std::string& address, Pages& pages,
                                              std::string& error) {
  mg_init_library(MG_FEATURES_DEFAULT);  // counts its users and is never ended: it holds nothing
  auto server = std::make_unique<PageServerImpl>(pages);
  error = server->listen(address);
  return error.empty() ? std::move(server) : nullptr;
}

}  // namespace ringway::metrics::http
