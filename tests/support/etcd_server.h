// Debian's etcd as child processes on free loopback ports, for tests: one member or several, plain
// or with TLS, started, killed, stopped and started again on the same data. The ports are known
// before anything is started, so that etcd can also be away.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "support/process.h"

namespace ringway::testing {

struct EtcdServerOptions {
  size_t members = 1;
  bool tls = false;                    // clients need a certificate of the test's own authority
  std::vector<std::string> arguments;  // further ones, for each member
};

class EtcdServer {
 public:
  explicit EtcdServer(EtcdServerOptions options = {});

  // All members, until they serve; fails the test when they do not.
  void start();
  void start_member(size_t member);
  // SIGKILL, and waits.
  void kill(size_t member = 0);
  void kill_all();
  // SIGSTOP, until all of its threads have stopped; and SIGCONT.
  void freeze(size_t member = 0);
  void thaw(size_t member = 0);
  // All that a member ever knew.
  void forget(size_t member = 0);
  [[nodiscard]] bool serves() const;

  // 127.0.0.1:PORT of each member.
  [[nodiscard]] std::vector<std::string> hosts() const;
  [[nodiscard]] std::string host(size_t member = 0) const { return hosts().at(member); }
  // PEM files, with TLS: "ca.pem", "client.pem", "client.key", and "stranger.pem", which is another
  // authority.
  [[nodiscard]] std::string file(const std::string& name) const { return directory_.file(name); }

  // Runs etcdctl with these arguments against the members that live; its output. Fails the test
  // when etcdctl does.
  std::string ctl(const std::vector<std::string>& arguments) const;
  // The keys below `prefix`/ and their values, in lines of "key value".
  [[nodiscard]] std::string keys(const std::string& prefix) const;
  [[nodiscard]] std::optional<std::string> only_value(const std::string& prefix) const;
  // The last part of the one key below `prefix`/.
  [[nodiscard]] std::string only_id(const std::string& prefix) const;
  void compact() const;

 private:
  struct Member {
    uint16_t client_port = 0;
    uint16_t peer_port = 0;
    std::unique_ptr<ChildProcess> process;
  };

  [[nodiscard]] std::string url(uint16_t port, bool tls) const;
  void make_certificates() const;
  std::string etcdctl(const std::vector<std::string>& arguments) const;
  std::string run(const std::vector<std::string>& arguments, const std::string& output) const;

  const EtcdServerOptions options_;
  TempDir directory_;
  std::vector<Member> members_;
};

}  // namespace ringway::testing
