// A small MTProto server on a loopback port, for tests of the client room: transports, key
// exchange, and as much of the service messages as the client uses. One thread serves all
// connections; keys made on one connection are known to all.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "client/objects.h"
#include "crypto/rsa.h"
#include "mtproto/handshake.h"
#include "mtproto/message.h"
#include "mtproto/transport.h"
#include "net/owned_fd.h"

namespace ringway::testing {

struct TestServerOptions {
  // Misbehaviour to order.
  bool refuse_first_salt = false;  // each session's first message gets bad_server_salt
  bool never_quick_ack = false;
  bool silent = false;             // reads, never answers
  int32_t error_on_encrypted = 0;  // instead of serving: this transport error, then close
  int refuse_exchanges = 0;        // so many req_pq are answered with -429 and close
  uint64_t lose_counted = 0;       // so many counted messages are acknowledged and forgotten
};

class TestServer {
 public:
  explicit TestServer(TestServerOptions options = {});
  ~TestServer();
  TestServer(const TestServer&) = delete;
  TestServer& operator=(const TestServer&) = delete;

  [[nodiscard]] std::string address() const;
  [[nodiscard]] const std::shared_ptr<const crypto::RsaKey>& key() const { return key_; }
  [[nodiscard]] uint64_t messages_opened() const { return messages_opened_; }
  [[nodiscard]] uint64_t connections() const { return connections_made_; }
  [[nodiscard]] uint64_t bad_messages() const { return bad_messages_; }
  [[nodiscard]] uint64_t source_addresses() const { return source_addresses_; }

 private:
  struct SessionState {
    int64_t last_msg_id = 0;
    int32_t content_count = 0;
    bool greeted = false;
    bool salt_refused = false;
    client::Tally tally;
  };
  struct Connection;

  void serve();
  bool read_from(Connection& connection);
  bool on_frame(Connection& connection, const mtproto::Frame& frame);
  bool on_unencrypted(Connection& connection, ByteSpan bytes);
  bool settle(Connection& connection, mtproto::HandshakeOutcome outcome);
  bool on_encrypted(Connection& connection, ByteSpan bytes, bool quick_ack);
  void on_object(Connection& connection, const mtproto::OpenJob& message, int64_t msg_id,
                 ByteView object);
  void count(SessionState& session, int64_t sequence);
  void push(Connection& connection, const mtproto::OpenJob& message, ByteView body, bool content);
  void send_payload(Connection& connection, ByteView payload);
  bool refuse(Connection& connection, int32_t code);
  [[nodiscard]] int64_t next_msg_id(SessionState& session) const;

  const TestServerOptions options_;
  const std::shared_ptr<const crypto::RsaKey> key_;
  mtproto::HandshakeConfig handshake_config_;
  mtproto::TransportConfig transport_config_;
  net::OwnedFd listener_;
  uint16_t port_ = 0;
  std::map<int64_t, mtproto::CreatedKey> keys_;
  std::map<std::pair<int64_t, int64_t>, SessionState> sessions_;
  std::vector<std::unique_ptr<Connection>> connections_;
  int exchanges_to_refuse_ = 0;
  uint64_t counted_to_lose_ = 0;
  std::atomic<uint64_t> messages_opened_{0};
  std::atomic<uint64_t> connections_made_{0};
  std::atomic<uint64_t> bad_messages_{0};
  std::set<uint32_t> sources_;
  std::atomic<uint64_t> source_addresses_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace ringway::testing
