// proxy/server: the gRPC server of the proxy: its sessions to callers of any language.
//
// gRPC's own threads serve the callers; the sessions' accounts live on the loop's thread, which is
// the program's. Order of things: make the loop, the accounts and journals; start(); run the loop
// on its thread; stop() from another thread while the loop still turns; then end the loop, which
// does what is posted; then let go of the server.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "client/account/loop.h"
#include "proxy/access.h"
#include "proxy/errors.h"
#include "proxy/limits.h"
#include "proxy/metrics_page.h"
#include "proxy/session.h"
#include "proxy/tokens.h"

namespace ringway::proxy {

struct ServerOptions {
  std::string listen = "127.0.0.1:11011";  // port 0: any; see Server::port()
  std::string tls_certificate_file;        // PEM; both files or none
  std::string tls_key_file;                // belongs to the certificate
  // Needed for any other address than a loopback's, unless `insecure`.
  std::shared_ptr<const Tokens> tokens;
  bool insecure = false;
  // Of callers when there are no tokens.
  Access access;
  std::vector<std::string> unavailable_errors = default_unavailable_errors();
  int64_t heartbeat_ns = kHeartbeatNs;  // of listeners
  std::string metrics_listen;           // HOST:PORT of /metrics and /healthz; empty: none
};

class Server {
 public:
  // What start() would refuse before it listens, so that it is known before a sign-in: empty, or
  // which option is wrong and what would be right. Reads the files.
  [[nodiscard]] static std::string check(const ServerOptions& options);
  // Null with `error` set: it names the option and what would be right. Serves from then on.
  [[nodiscard]] static std::unique_ptr<Server> start(const ServerOptions& options,
                                                     client::EventLoop& loop,
                                                     std::vector<SessionSetup> sessions,
                                                     std::string& error);
  // Stops, when that has not been done.
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  [[nodiscard]] int port() const noexcept;
  // By the order in which they were given. Any thread.
  [[nodiscard]] const SessionTally& tally(size_t session) const noexcept;
  [[nodiscard]] size_t listeners() const;
  [[nodiscard]] int metrics_port() const noexcept;  // 0: none
  [[nodiscard]] ProxyStatus status() const;
  // Any thread: what the metrics and /healthz say of a session's account, until the next time.
  void set_account_status(size_t session, AccountStatus status);
  // Reads the certificate and its key anew, where there are any: connections that come from now on
  // get it, open ones go on. Empty; or what is wrong, and all stays as it was. Any thread.
  [[nodiscard]] std::string reload_tls();
  // Any thread. Null is refused by what start() has checked: tokens can be changed, not dropped.
  void set_tokens(std::shared_ptr<const Tokens> tokens);

  // Takes no new calls, waits for those that run, and breaks them off after that time. Not on the
  // loop's thread, which has to turn meanwhile. Afterwards the accounts and journals may go: the
  // metrics are no longer served, and status() is nobody's to call.
  void stop(int64_t timeout_ns = kStopTimeoutNs);

 private:
  struct Impl;
  explicit Server(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::proxy
