// metrics/http/page_server: a small HTTP server for those who look at us: pages of metrics and
// answers about health.
//
// It runs on threads of its own (civetweb's). Requests are bounded in size, time and number:
// kMetricsRequestBytesMax, kMetricsRequestTimeoutNs, kMetricsThreads at work and kMetricsQueueMax
// waiting. GET and HEAD only; every answer ends its connection. There is neither encryption nor a
// password: it belongs in the private network.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace ringway::metrics::http {

struct Answer {
  int code = 200;  // 200, 404, 405 or 503
  std::string body;
  std::string_view type = "text/plain; charset=utf-8";
};

// Of what Prometheus reads.
inline constexpr std::string_view kMetricsType = "text/plain; version=0.0.4; charset=utf-8";

// What there is to see. On the server's threads, several at once.
class Pages {
 public:
  virtual Answer get(std::string_view path) = 0;
  // Every answer, those included that are none of get()'s.
  virtual void answered(std::string_view path, int code) noexcept {
    static_cast<void>(path);
    static_cast<void>(code);
  }

 protected:
  ~Pages() = default;
};

class PageServer {
 public:
  // `address` is HOST:PORT, with port 0 for any; `pages` must outlive it. Null when it cannot
  // listen: `error` says why.
  static std::unique_ptr<PageServer> start(const std::string& address, Pages& pages,
                                           std::string& error);
  // Ends the threads.
  virtual ~PageServer() = default;

  [[nodiscard]] virtual int port() const noexcept = 0;
};

}  // namespace ringway::metrics::http
