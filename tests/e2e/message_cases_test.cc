// Encrypted messages against the running gateway: what is refused reaches nobody, what is accepted
// reaches the shard once, and keys have their limits.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>

#include "base/hex.h"
#include "base/limits.h"
#include "client/load.h"
#include "crypto/random.h"
#include "e2e/gateway_test.h"
#include "mtproto/message.h"
#include "mtproto/tl.h"

namespace ringway::testing {
namespace {

constexpr size_t kMsgKeyOffset = 8;
constexpr size_t kEncryptedOffset = 24;

SessionKey unknown_key() {
  SessionKey key;
  crypto::random_bytes(key.key.span());
  key.auth_key_id = mtproto::auth_key_id(key.key);
  return key;
}

class MessageTest : public GatewayTest {
 protected:
  static std::string session_field(int64_t session_id) {
    return " session_id=" + std::to_string(session_id);
  }
  static std::vector<std::string> forwarded(const RawSession& session) {
    return stack().record(session_field(session.session_id()) + " ");
  }
  // The next quick ack; service messages before it are passed over.
  static void expect_quick_ack(BlockingClient& client, uint32_t token) {
    Arrival arrival;
    do {
      arrival = client.wait();
    } while (arrival.kind == Arrival::Kind::kEncrypted);
    ASSERT_EQ(arrival.kind, Arrival::Kind::kQuickAck) << arrival.to_string();
    EXPECT_EQ(arrival.quick_ack_token, token);
  }
  static void expect_dropped(RawSession& session, ByteView frame) {
    auto client = connect("intermediate");
    ASSERT_TRUE(client->send_frame(frame).ok());
    expect_closed_without_a_word(*client);
    EXPECT_TRUE(forwarded(session).empty());
  }
};

class MessageCases : public MessageTest {
 protected:
  static void SetUpTestSuite() {
    start_stack({.ringway_yaml = kGenerousLimits, .shard_arguments = {"--push-echo"}});
  }
};

// Case 39.
TEST_F(MessageCases, ABitFlippedAnywhereClosesAndForwardsNothing) {
  RawSession session(key());
  const uint64_t refused = stack().counter("messages_refused");
  const Sealed ping = session.ping();
  for (size_t at = kMsgKeyOffset; at < ping.frame.size(); ++at) {
    Bytes frame = ping.frame;
    frame[at] ^= static_cast<uint8_t>(1U << at % 8);
    expect_dropped(session, frame);
    ASSERT_FALSE(HasFailure()) << "byte " << at;
  }
  EXPECT_EQ(stack().counter("messages_refused") - refused, ping.frame.size() - kMsgKeyOffset);
  // The untouched frame is good.
  auto client = connect("intermediate");
  ASSERT_TRUE(client->send_frame(ping.frame).ok());
  expect_pong(*client, session, ping.msg_id);
}

// Case 40.
TEST_F(MessageCases, PaddingAndLengthMustFit) {
  RawSession session(key());
  const Bytes ping = client::make_ping(1);         // 12 bytes: 44 of plaintext
  const Bytes body_21 = client::make_echo(1, 20);  // 20 bytes: 52 of plaintext
  // Too little: 4 and 11 (a length that is one too large is tested with it).
  expect_dropped(session, session.seal_odd(ping, 4).frame);
  expect_dropped(session, session.seal_odd(ping, 20, 12 + 12).frame);    // leaves 8
  expect_dropped(session, session.seal_odd(body_21, 12, 20 + 4).frame);  // leaves 8
  // Too much.
  expect_dropped(session, session.seal_odd(ping, 1028).frame);
  expect_dropped(session, session.seal_odd(ping, 1044).frame);
  // Lengths that are no words, none, negative or near the end of 32 bits.
  for (const uint32_t length : {13U, 0U, 0xffff'fff0U, 0x8000'0000U, 0x7fff'fffcU, 64U}) {
    SCOPED_TRACE(length);
    expect_dropped(session, session.seal_odd(ping, 20, length).frame);
  }
  // The borders of what is allowed.
  auto client = connect("intermediate");
  for (const size_t padding : {20U, 1012U}) {
    const Sealed good = session.seal_odd(ping, padding);
    ASSERT_TRUE(client->send_frame(good.frame).ok());
    expect_pong(*client, session, good.msg_id);
  }
  const Bytes body_24 = client::make_echo(1, 24);  // 56 of plaintext
  RawSession other(key());
  const Sealed largest = other.seal_odd(body_24, 1016);
  ASSERT_TRUE(client->send_frame(largest.frame).ok());
  ASSERT_TRUE(wait_until([&] { return forwarded(other).size() == 1; }, 3000));
  // Eleven bytes are one too few: a body of 37 bytes is no TL object, so the length lies.
  RawSession eleven(key());
  expect_dropped(eleven, eleven.seal_odd(client::make_echo(1, 36), 12, 37).frame);
}

// Case 41.
TEST_F(MessageCases, ShortAndRaggedCiphertextsClose) {
  RawSession session(key());
  const Sealed ping = session.ping();
  for (const size_t encrypted : {0U, 16U, 32U}) {
    SCOPED_TRACE(encrypted);
    expect_dropped(session, ByteView(ping.frame).first(kEncryptedOffset + encrypted));
  }
  // 47 bytes only fit a transport that allows any length.
  for (const size_t encrypted : {47U, 33U, 17U}) {
    auto client = connect("padded");
    Bytes frame = client->transport().opening();
    ByteAppender out(frame);
    out.u32(static_cast<uint32_t>(kEncryptedOffset + encrypted));
    out.bytes(ByteView(ping.frame).first(kEncryptedOffset + encrypted));
    ASSERT_TRUE(client->send_bytes(frame).ok());
    expect_closed_without_a_word(*client);
  }
  for (const size_t extra : {4U, 8U, 12U}) {
    Bytes longer = ping.frame;
    longer.resize(longer.size() + extra);
    expect_dropped(session, longer);
  }
  // Less than a key id.
  auto client = connect("abridged");
  ASSERT_TRUE(client->send_bytes(*from_hex("ef 01 01020304")).ok());
  expect_closed_without_a_word(*client);
}

// Case 42.
TEST_F(MessageCases, MessagesOfTheFirstProtocolVersionAreDropped) {
  RawSession session(key());
  expect_dropped(session, session.seal_v1(client::make_ping(1)).frame);
}

// Case 43.
TEST_F(MessageCases, FurtherKeysOnAConnectionUpToTheLimit) {
  auto client = connect("intermediate");
  std::vector<std::unique_ptr<RawSession>> sessions;
  for (size_t i = 0; i <= kKeysPerConnection; ++i) {
    auto maker = connect("intermediate");
    const auto made = maker->exchange(stack().handshake());
    ASSERT_TRUE(made.ok()) << maker->problem();
    sessions.push_back(std::make_unique<RawSession>(SessionKey::from(*made)));
  }
  for (size_t i = 0; i < kKeysPerConnection; ++i) {
    const Sealed ping = sessions[i]->ping();
    ASSERT_TRUE(client->send_frame(ping.frame).ok());
    expect_pong(*client, *sessions[i], ping.msg_id);
    ASSERT_FALSE(HasFailure()) << "key " << i;
  }
  // All of them, in turn, over the same connection.
  for (size_t i = 0; i < kKeysPerConnection; ++i) {
    const Sealed ping = sessions[i]->ping();
    ASSERT_TRUE(client->send_frame(ping.frame).ok());
    expect_pong(*client, *sessions[i], ping.msg_id);
  }
  ASSERT_TRUE(client->send_frame(sessions.back()->ping().frame).ok());
  EXPECT_TRUE(client->wait_end(5 * kNsPerSecond).is_end());
  EXPECT_TRUE(forwarded(*sessions.back()).empty());
  EXPECT_GE(stack().counter("keys_per_connection_limited"), 1U);
}

// A new key is made on the connection that already carries another one's traffic.
TEST_F(MessageCases, KeyMadeOnALiveConnectionWorksThere) {
  auto client = connect_with_key("padded");
  ASSERT_TRUE(client->ping().ok());
  const auto made = client->make_key(stack().handshake());
  ASSERT_TRUE(made.ok()) << client->problem();
  EXPECT_TRUE(client->ping().ok()) << client->problem();
}

// An unknown key: one question to the shard, and -404.
TEST_F(MessageCases, UnknownKeyIsAskedForOnceAndRefused) {
  const SessionKey stranger = unknown_key();
  RawSession session(stranger);
  Bytes stream;
  auto client = connect("intermediate");
  for (int i = 0; i < 5; ++i) {
    const Bytes frame = client->frame_bytes(session.ping().frame);
    stream.insert(stream.end(), frame.begin(), frame.end());
  }
  ASSERT_TRUE(client->send_bytes(stream).ok());
  expect_error_then_close(*client, -404);
  const std::string query = "query_auth_key auth_key_id=" + std::to_string(stranger.auth_key_id);
  EXPECT_EQ(stack().record(query).size(), 1U);
}

// Many connections with one key that the gateway does not know yet share one question.
TEST_F(MessageCases, OneQuestionForAllConnectionsOfAKey) {
  stack().stop_gateway();
  stack().start_gateway();
  const std::string query = "query_auth_key auth_key_id=" + std::to_string(key().auth_key_id);
  const size_t before = stack().record(query).size();
  std::vector<std::unique_ptr<BlockingClient>> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(connect_with_key("intermediate"));
  std::vector<client::RequestId> requests;
  for (auto& client : clients) {
    const auto request = client->send(client::make_ping(1), {.content_related = false});
    ASSERT_TRUE(request.ok());
    requests.push_back(*request);
  }
  for (size_t i = 0; i < clients.size(); ++i) {
    const Arrival pong = clients[i]->wait_for(requests[i]);
    ASSERT_EQ(pong.kind, Arrival::Kind::kEvent) << pong.to_string();
    EXPECT_EQ(pong.event.kind, client::SessionEvent::Kind::kPong);
  }
  EXPECT_EQ(stack().record(query).size(), before + 1);
  SetUp();  // the healthy connection ended with the first gateway
}

// Two connections, one session: its close comes after the second one's, and it is announced once.
TEST_F(MessageCases, SessionClosesWithItsLastConnection) {
  RawSession session(key());
  auto first = connect("intermediate");
  auto second = connect("abridged");
  for (auto* client : {first.get(), second.get(), first.get()}) {
    const Sealed ping = session.ping();
    ASSERT_TRUE(client->send_frame(ping.frame).ok());
    // The pong goes to the connection that talked last.
    expect_pong(*client, session, ping.msg_id);
  }
  const std::string mark = session_field(session.session_id());
  const auto lines_of = [&](const std::string& kind) {
    std::vector<std::string> lines;
    for (const std::string& line : stack().record(kind)) {
      if (line.ends_with(mark) || line.find(mark + " ") != std::string::npos) lines.push_back(line);
    }
    return lines;
  };
  const auto sends = lines_of("send_data ");
  ASSERT_EQ(sends.size(), 3U);
  EXPECT_EQ(field(sends[0], "conn_type"), "1");
  EXPECT_EQ(field(sends[1], "conn_type"), "0");
  EXPECT_EQ(field(sends[2], "conn_type"), "0");
  first->close();
  sleep_ms(300);
  EXPECT_TRUE(lines_of("close ").empty()) << "the second connection still lives";
  second->close();
  EXPECT_TRUE(wait_until([&] { return lines_of("close ").size() == 1; }, 3000));
  sleep_ms(100);
  EXPECT_EQ(lines_of("close ").size(), 1U);
}

// Every session that a connection carried is closed, not only the latest.
TEST_F(MessageCases, AllSessionsOfAConnectionAreClosed) {
  auto client = connect("intermediate");
  std::vector<std::unique_ptr<RawSession>> sessions;
  for (int i = 0; i < 3; ++i) {
    sessions.push_back(std::make_unique<RawSession>(key()));
    const Sealed ping = sessions.back()->ping();
    ASSERT_TRUE(client->send_frame(ping.frame).ok());
    expect_pong(*client, *sessions.back(), ping.msg_id);
  }
  client->socket().abort();
  for (const auto& session : sessions) {
    const std::string mark = session_field(session->session_id());
    EXPECT_TRUE(wait_until(
        [&] {
          const auto lines = stack().record("close ");
          return std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
            return line.ends_with(mark) || line.find(mark + " ") != std::string::npos;
          });
        },
        3000));
  }
}

// Messages above the slicing limit, up to the largest frame, keep their place in the order.
TEST_F(MessageCases, LargeMessagesKeepTheirOrder) {
  for (const char* name : {"intermediate", "obfuscated-padded"}) {
    SCOPED_TRACE(name);
    auto client = connect(name);
    RawSession session(key());
    std::vector<int64_t> sent;
    for (const size_t bytes : {100UL, 512UL * 1024, 64UL, 40UL * 1024, 1UL << 20, 16UL}) {
      const Sealed message = session.seal(client::make_padded_ack(bytes));
      ASSERT_TRUE(client->send_frame(message.frame, true).ok());
      sent.push_back(message.msg_id);
      expect_quick_ack(*client, message.quick_ack_token);
      ASSERT_FALSE(HasFailure()) << bytes;
    }
    // And without waiting for each.
    Bytes stream;
    for (const size_t bytes : {300UL * 1024, 64UL, 300UL * 1024, 64UL}) {
      const Sealed message = session.seal(client::make_padded_ack(bytes));
      sent.push_back(message.msg_id);
      const Bytes frame = client->frame_bytes(message.frame);
      stream.insert(stream.end(), frame.begin(), frame.end());
    }
    ASSERT_TRUE(client->send_bytes(stream).ok());
    ASSERT_TRUE(wait_until([&] { return forwarded(session).size() == sent.size(); }, 10'000))
        << forwarded(session).size();
    const auto lines = forwarded(session);
    for (size_t i = 0; i < sent.size(); ++i) {
      EXPECT_EQ(field(lines[i], "msg_id"), std::to_string(sent[i])) << i;
    }
  }
}

// A frame at the limit is taken, one above it closes.
TEST_F(MessageCases, FrameLimitIsExact) {
  RawSession session(key());
  Bytes body = client::make_padded_ack(16);
  const size_t room = kFrameBytesMax - kMessageHeaderBytes - kMessagePrefixBytes;
  body.resize(room - 12 - (kFrameBytesMax - kMessageHeaderBytes) % 16);
  while (mtproto::sealed_bytes(kMessagePrefixBytes + body.size()) > kFrameBytesMax) {
    body.resize(body.size() - 4);
  }
  const Sealed largest = session.seal(body);
  auto client = connect("intermediate");
  ASSERT_TRUE(client->send_frame(largest.frame, true).ok());
  expect_quick_ack(*client, largest.quick_ack_token);
  auto other = connect("intermediate");
  Bytes stream = other->transport().opening();
  ByteAppender out(stream);
  out.u32(static_cast<uint32_t>(kFrameBytesMax + 16));
  ASSERT_TRUE(other->send_bytes(stream).ok());
  expect_closed_without_a_word(*other);
}

// A client that asks and never reads is bounded, and only it is closed.
TEST_F(MessageCases, ClientThatDoesNotReadIsClosed) {
  const uint64_t before = stack().gateway().resident_kib();
  auto client = connect("intermediate");
  RawSession session(key());
  bool closed = false;
  uint64_t resident_max = 0;
  const int64_t deadline_ns = read_clocks().mono_ns + 30 * kNsPerSecond;
  for (int32_t id = 1; !closed; ++id) {
    ASSERT_LT(read_clocks().mono_ns, deadline_ns) << "still open";
    const Sealed echo = session.seal(client::make_echo(id, 64 * 1024), 2 * id - 1);
    const auto sent = client->socket().send_all(client->frame_bytes(echo.frame), 5 * kNsPerSecond);
    closed = !sent.ok() && sent.error() != Error::kTimeout;
    resident_max = std::max(resident_max, stack().gateway().resident_kib());
  }
  EXPECT_GE(stack().counter("send_queue_overflows"), 1U);
  EXPECT_LT(resident_max, before + kMemoryFactor * 96 * 1024);
}

// A shard that does not answer for a key is no reason to make a client throw it away.
class KeyLookUpFails : public MessageTest {
 protected:
  static void SetUpTestSuite() {
    start_stack({.ringway_yaml = std::string(kGenerousLimits) +
                                 "  Timeouts: {KeyLookup: 2s}\n"
                                 "  Session: {NoShardTimeout: 2s}\n"});
  }
};

TEST_F(KeyLookUpFails, UnavailableShardClosesWithoutAWord) {
  stack().stop_shard();
  stack().start_shard({"--fault", "query-unavailable"});
  RawSession stranger(unknown_key());
  auto client = connect("intermediate");
  ASSERT_TRUE(client->send_frame(stranger.ping().frame).ok());
  expect_closed_without_a_word(*client, 10 * kNsPerSecond);
  stack().stop_shard();
  // No shard at all: the same, when the time for one to appear is over.
  auto again = connect("abridged");
  ASSERT_TRUE(again->send_frame(stranger.ping().frame).ok());
  expect_closed_without_a_word(*again, 10 * kNsPerSecond);
  stack().start_shard({});
  EXPECT_TRUE(wait_until(
      [] {
        auto probe = connect_with_key("abridged");
        return probe->ping(2 * kNsPerSecond).ok();
      },
      15'000));
}

// Unknown keys by the thousand from one address: -429.
class UnknownKeyBudget : public MessageTest {
 protected:
  static void SetUpTestSuite() {
    start_stack({.ringway_yaml = "  Limits: {UnknownKeysPerAddressPerSecond: 10,"
                                 " HandshakesPerAddressPerSecond: 0}\n"});
  }
};

TEST_F(UnknownKeyBudget, FloodOfUnknownKeysIsAnsweredWithItsError) {
  int floods = 0;
  int unknown = 0;
  for (int i = 0; i < 60; ++i) {
    auto client = connect("intermediate");
    RawSession stranger(unknown_key());
    ASSERT_TRUE(client->send_frame(stranger.ping().frame).ok());
    const Arrival arrival = client->wait();
    ASSERT_EQ(arrival.kind, Arrival::Kind::kTransportError) << arrival.to_string();
    if (arrival.error_code == -429) {
      ++floods;
    } else {
      EXPECT_EQ(arrival.error_code, -404);
      ++unknown;
    }
  }
  EXPECT_GE(floods, 1);
  EXPECT_GE(unknown, 10);
  EXPECT_EQ(stack().counter("unknown_keys_limited"), static_cast<uint64_t>(floods));
}

// What is quick-acked reaches the shard, though it was away meanwhile.
class ShardAway : public MessageTest {
 protected:
  static void SetUpTestSuite() { start_stack({.ringway_yaml = kGenerousLimits}); }
};

TEST_F(ShardAway, QuickAckedMessagesAreNotLostWithTheShard) {
  auto client = connect("intermediate");
  RawSession session(key());
  const Sealed first = session.ping();
  ASSERT_TRUE(client->send_frame(first.frame).ok());
  expect_pong(*client, session, first.msg_id);
  stack().shard().signal(SIGKILL);
  ASSERT_TRUE(stack().shard().wait(5000).has_value());
  std::vector<int64_t> acked;
  for (int i = 0; i < 20; ++i) {
    const Sealed message = session.seal(client::make_padded_ack(64));
    ASSERT_TRUE(client->send_frame(message.frame, true).ok());
    expect_quick_ack(*client, message.quick_ack_token);
    acked.push_back(message.msg_id);
  }
  stack().start_shard({});
  EXPECT_TRUE(wait_until([&] { return forwarded(session).size() >= 1 + acked.size(); }, 20'000));
  std::vector<std::string> seen;
  for (const std::string& line : forwarded(session)) seen.push_back(field(line, "msg_id"));
  for (const int64_t msg_id : acked) {
    EXPECT_EQ(std::count(seen.begin(), seen.end(), std::to_string(msg_id)), 1) << msg_id;
  }
}

}  // namespace
}  // namespace ringway::testing
