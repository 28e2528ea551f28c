// The real gateway and the real reference shard as child processes on free ports, for the
// end-to-end tests. The programs' paths come from the environment: RINGWAY_BIN, RINGWAY_SHARD_BIN.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "client/blocking_client.h"
#include "crypto/rsa.h"
#include "support/process.h"

namespace ringway::testing {

struct StackOptions {
  std::string ringway_yaml;  // lines below "Ringway:", indented by two
  unsigned workers = 2;
  std::vector<std::string> shard_arguments;
  std::string cluster_yaml;  // in place of a Session section that names the shard
};

class Stack {
 public:
  // Starts both and waits until they listen; fails the test when they do not.
  explicit Stack(StackOptions options = {});
  ~Stack();
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;

  [[nodiscard]] std::string address() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] uint16_t service_port() const { return service_port_; }
  [[nodiscard]] uint16_t shard_port() const { return shard_port_; }
  [[nodiscard]] ChildProcess& gateway() { return *gateway_; }
  [[nodiscard]] ChildProcess& shard() { return *shard_; }
  [[nodiscard]] const std::shared_ptr<const crypto::RsaKey>& key() const { return key_; }
  [[nodiscard]] const TempDir& directory() const { return directory_; }

  // A key exchange's options for this gateway.
  [[nodiscard]] client::HandshakeOptions handshake() const;

  // Stopping asserts a clean exit.
  void start_shard(const std::vector<std::string>& arguments);
  void stop_shard();
  void start_gateway();
  void stop_gateway();

  // The gateway's counters now, by name.
  [[nodiscard]] std::map<std::string, uint64_t> counters();
  [[nodiscard]] uint64_t counter(const std::string& name);
  // Waits until a counter has grown to `at_least`.
  [[nodiscard]] bool wait_counter(const std::string& name, uint64_t at_least,
                                  int timeout_ms = 3000);
  // The lines of the shard's record that contain `text`.
  [[nodiscard]] std::vector<std::string> record(const std::string& text) const;
  [[nodiscard]] std::string gateway_log() const {
    return read_text(directory_.file("gateway.log"));
  }

 private:
  StackOptions options_;
  TempDir directory_;
  std::shared_ptr<const crypto::RsaKey> key_;
  uint16_t port_ = 0;
  uint16_t service_port_ = 0;
  uint16_t shard_port_ = 0;
  std::unique_ptr<ChildProcess> shard_;
  std::unique_ptr<ChildProcess> gateway_;
};

// One field of a record line: "msg_id=5" -> "5"; empty when it is not there.
[[nodiscard]] std::string field(const std::string& line, const std::string& name);

[[nodiscard]] mtproto::ClientTransportOptions transport(std::string_view name);

inline constexpr const char* kTransports[] = {"abridged",
                                              "intermediate",
                                              "padded",
                                              "full",
                                              "obfuscated-abridged",
                                              "obfuscated-intermediate",
                                              "obfuscated-padded"};

}  // namespace ringway::testing
