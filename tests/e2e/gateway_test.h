// What the end-to-end tests share: one stack per suite, a client key, a healthy second connection
// that must go on working whatever a test does, and messages sealed by hand.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>

#include "client/blocking_client.h"
#include "client/objects.h"
#include "e2e/stack.h"

namespace ringway::testing {

using client::Arrival;
using client::BlockingClient;
using client::SessionKey;

inline constexpr int64_t kShortWaitNs = 300 * kNsPerMs;
// AddressSanitizer keeps freed memory for a while, and surrounds what is in use.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr uint64_t kMemoryFactor = 4;
#else
inline constexpr uint64_t kMemoryFactor = 1;
#endif
// No budget of these bites, unless a suite asks for it.
inline constexpr const char* kGenerousLimits =
    "  Limits: {HandshakesPerAddressPerSecond: 0, UnknownKeysPerAddressPerSecond: 0, "
    "TlsHandshakesPerAddressPerSecond: 0}\n";

// One frame sealed by hand.
struct Sealed {
  Bytes frame;
  uint32_t quick_ack_token = 0;
  int64_t msg_id = 0;
};

// A session without client/session's good manners.
class RawSession {
 public:
  explicit RawSession(const SessionKey& key);

  [[nodiscard]] Sealed seal(ByteView body, int32_t seq_no = 0);
  // The same under a msg_id that was drawn before, for bodies that depend on it.
  [[nodiscard]] Sealed seal_as(int64_t msg_id, ByteView body, int32_t seq_no = 0);
  [[nodiscard]] int64_t next_msg_id() { return msg_ids_.next(read_clocks().unix_ns); }
  // With a given padding and, when set, a given message_data_length; msg_key is right. The
  // plaintext is cut or filled to whole cipher blocks as `padding_bytes` says: it must fit.
  [[nodiscard]] Sealed seal_odd(ByteView body, size_t padding_bytes,
                                std::optional<uint32_t> length = std::nullopt);
  // MTProto 1.0.
  [[nodiscard]] Sealed seal_v1(ByteView body);
  [[nodiscard]] Sealed ping() { return seal(client::make_ping(++pings_)); }

  [[nodiscard]] int64_t session_id() const { return session_id_; }
  [[nodiscard]] const SessionKey& key() const { return key_; }

 private:
  [[nodiscard]] Bytes plaintext(ByteView body, int64_t msg_id, int32_t seq_no,
                                uint32_t length) const;
  SessionKey key_;
  int64_t session_id_ = 0;
  int64_t pings_ = 0;
  client::ClientMsgId msg_ids_;
};

class GatewayTest : public ::testing::Test {
 protected:
  static void start_stack(StackOptions options);
  static void TearDownTestSuite() {
    healthy_.reset();
    stack_.reset();
  }
  void SetUp() override;
  // The gateway runs, the healthy connection still works, and a new one too.
  void TearDown() override;

  static Stack& stack() { return *stack_; }
  static const SessionKey& key() { return key_; }

  // A connected client; with a key, its session is begun.
  static std::unique_ptr<BlockingClient> connect(std::string_view transport_name);
  static std::unique_ptr<BlockingClient> connect_with_key(std::string_view transport_name);
  static std::unique_ptr<BlockingClient> connect(const mtproto::ClientTransportOptions& options);

  // Bytes until the server closes; fails the test if it does not.
  static Bytes read_to_end(BlockingClient& client, int64_t timeout_ns = 5 * kNsPerSecond);
  // Exactly `count` bytes.
  static Bytes read_exactly(BlockingClient& client, size_t count);
  static void expect_closed_without_a_word(BlockingClient& client,
                                           int64_t timeout_ns = 5 * kNsPerSecond);
  static void expect_error_then_close(BlockingClient& client, int32_t code);
  // The next arrival is the pong of the raw session's ping (service messages around it are
  // skipped).
  static void expect_pong(BlockingClient& client, const RawSession& session, int64_t ping_msg_id);
  // Whether a frame of the server's brings that pong; fails the test when it cannot be opened.
  static bool brings_pong(ByteSpan frame, const RawSession& session, int64_t ping_msg_id);
  static void expect_open(BlockingClient& client);

 private:
  static inline std::unique_ptr<Stack> stack_;
  static inline std::unique_ptr<BlockingClient> healthy_;
  static inline SessionKey key_;
};

}  // namespace ringway::testing
