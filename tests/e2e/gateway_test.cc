#include "e2e/gateway_test.h"

#include <algorithm>

#include "base/limits.h"
#include "client/inbound.h"
#include "crypto/aes_ige.h"
#include "crypto/random.h"
#include "crypto/sha.h"
#include "mtproto/framing.h"
#include "mtproto/message.h"
#include "mtproto/message_v1.h"
#include "mtproto/tl.h"

namespace ringway::testing {
namespace {

constexpr size_t kMsgKeyBytes = 16;

// Header, then the plaintext encrypted in place.
Bytes encrypt(const SessionKey& key, ByteView msg_key, Bytes plaintext,
              const crypto::IgeKeyIv& key_iv) {
  const crypto::IgeJob job{&key_iv, plaintext};
  crypto::ige_encrypt_many({&job, 1});
  Bytes frame;
  ByteAppender out(frame);
  out.i64(key.auth_key_id);
  out.bytes(msg_key);
  out.bytes(plaintext);
  return frame;
}

}  // namespace

RawSession::RawSession(const SessionKey& key) : key_(key) {
  uint8_t raw[8];
  crypto::random_bytes(raw);
  session_id_ = load_le<int64_t>(raw);
}

Bytes RawSession::plaintext(ByteView body, int64_t msg_id, int32_t seq_no, uint32_t length) const {
  Bytes plain;
  ByteAppender out(plain);
  out.i64(key_.salt);
  out.i64(session_id_);
  out.i64(msg_id);
  out.i32(seq_no);
  out.u32(length);
  out.bytes(body);
  return plain;
}

Sealed RawSession::seal(ByteView body, int32_t seq_no) {
  return seal_as(next_msg_id(), body, seq_no);
}

Sealed RawSession::seal_as(int64_t msg_id, ByteView body, int32_t seq_no) {
  Sealed sealed;
  sealed.msg_id = msg_id;
  const Bytes plain = plaintext(body, sealed.msg_id, seq_no, static_cast<uint32_t>(body.size()));
  sealed.frame.resize(mtproto::sealed_bytes(plain.size()));
  std::copy(plain.begin(), plain.end(), sealed.frame.begin() + kMessageHeaderBytes);
  mtproto::SealJob job;
  job.key = &key_.key;
  job.auth_key_id = key_.auth_key_id;
  job.out = sealed.frame;
  job.plaintext_bytes = plain.size();
  job.sender = mtproto::Sender::kClient;
  mtproto::seal_many({&job, 1});
  sealed.quick_ack_token = job.quick_ack_token;
  return sealed;
}

Sealed RawSession::seal_odd(ByteView body, size_t padding_bytes, std::optional<uint32_t> length) {
  Sealed sealed;
  sealed.msg_id = msg_ids_.next(read_clocks().unix_ns);
  Bytes plain =
      plaintext(body, sealed.msg_id, 0, length.value_or(static_cast<uint32_t>(body.size())));
  plain.resize(plain.size() + padding_bytes, 0xee);
  EXPECT_EQ(plain.size() % crypto::kAesBlockBytes, 0U) << "a test must choose whole blocks";
  const auto large = crypto::sha256({ByteView(key_.key.view()).subspan(88, 32), plain});
  const auto msg_key = std::span(large).subspan<8, kMsgKeyBytes>();
  crypto::IgeKeyIv key_iv;
  mtproto::derive_key_iv(key_.key, msg_key, mtproto::Sender::kClient, key_iv);
  sealed.frame = encrypt(key_, msg_key, std::move(plain), key_iv);
  return sealed;
}

Sealed RawSession::seal_v1(ByteView body) {
  Sealed sealed;
  sealed.msg_id = msg_ids_.next(read_clocks().unix_ns);
  Bytes plain = plaintext(body, sealed.msg_id, 0, static_cast<uint32_t>(body.size()));
  const auto hash = crypto::sha1({plain});
  const auto msg_key = std::span(hash).subspan<4, kMsgKeyBytes>();
  const size_t blocks = (plain.size() + crypto::kAesBlockBytes - 1) / crypto::kAesBlockBytes;
  plain.resize(blocks * crypto::kAesBlockBytes, 0xee);
  crypto::IgeKeyIv key_iv;
  mtproto::derive_key_iv_v1(key_.key, msg_key, key_iv);
  sealed.frame = encrypt(key_, msg_key, std::move(plain), key_iv);
  return sealed;
}

void GatewayTest::start_stack(StackOptions options) {
  stack_ = std::make_unique<Stack>(std::move(options));
  healthy_.reset();
}

void GatewayTest::SetUp() {
  ASSERT_NE(stack_, nullptr);
  ASSERT_TRUE(stack_->gateway().running()) << stack_->gateway_log();
  if (healthy_ == nullptr) {
    healthy_ = connect("intermediate");
    const auto made = healthy_->make_key(stack_->handshake());
    ASSERT_TRUE(made.ok()) << healthy_->problem();
    ASSERT_TRUE(healthy_->ping().ok()) << healthy_->problem();
    key_ = healthy_->session().key();
    return;
  }
  // A connection of its own for each test, so that idle times do not add up.
  healthy_ = connect_with_key("intermediate");
  ASSERT_TRUE(healthy_->ping().ok()) << healthy_->problem();
}

void GatewayTest::TearDown() {
  ASSERT_TRUE(stack_->gateway().running()) << stack_->gateway_log();
  ASSERT_NE(healthy_, nullptr);
  EXPECT_TRUE(healthy_->ping().ok()) << "the healthy connection: " << healthy_->problem();
  EXPECT_TRUE(connect_with_key("abridged")->ping().ok()) << "a new connection";
}

std::unique_ptr<BlockingClient> GatewayTest::connect(std::string_view transport_name) {
  return connect(transport(transport_name));
}

std::unique_ptr<BlockingClient> GatewayTest::connect(
    const mtproto::ClientTransportOptions& options) {
  auto client = std::make_unique<BlockingClient>(options);
  EXPECT_TRUE(client->connect(stack_->address()).ok()) << client->problem();
  return client;
}

std::unique_ptr<BlockingClient> GatewayTest::connect_with_key(std::string_view transport_name) {
  auto client = connect(transport_name);
  client->use_key(key_);
  return client;
}

Bytes GatewayTest::read_to_end(BlockingClient& client, int64_t timeout_ns) {
  Bytes all;
  Bytes buffer(64 * 1024);
  const int64_t deadline_ns = read_clocks().mono_ns + timeout_ns;
  for (;;) {
    const auto got =
        client.socket().receive(buffer, std::max<int64_t>(0, deadline_ns - read_clocks().mono_ns));
    if (!got.ok()) {
      EXPECT_NE(got.error(), Error::kTimeout) << "the connection stays open";
      return all;
    }
    all.insert(all.end(), buffer.begin(), buffer.begin() + static_cast<ptrdiff_t>(*got));
  }
}

Bytes GatewayTest::read_exactly(BlockingClient& client, size_t count) {
  Bytes all(count);
  size_t have = 0;
  while (have < count) {
    const auto got = client.socket().receive(ByteSpan(all).subspan(have), 5 * kNsPerSecond);
    EXPECT_TRUE(got.ok()) << client.socket().last_error();
    if (!got.ok()) break;
    have += *got;
  }
  all.resize(have);
  return all;
}

void GatewayTest::expect_closed_without_a_word(BlockingClient& client, int64_t timeout_ns) {
  EXPECT_EQ(read_to_end(client, timeout_ns).size(), 0U);
}

void GatewayTest::expect_error_then_close(BlockingClient& client, int32_t code) {
  const Arrival arrival = client.wait(5 * kNsPerSecond);
  EXPECT_EQ(arrival.kind, Arrival::Kind::kTransportError) << arrival.to_string();
  EXPECT_EQ(arrival.error_code, code);
  const Arrival end = client.wait(5 * kNsPerSecond);
  EXPECT_TRUE(end.is_end()) << end.to_string();
}

void GatewayTest::expect_pong(BlockingClient& client, const RawSession& session,
                              int64_t ping_msg_id) {
  const int64_t deadline_ns = read_clocks().mono_ns + 10 * kNsPerSecond;
  for (;;) {
    Arrival arrival = client.wait(deadline_ns - read_clocks().mono_ns);
    ASSERT_EQ(arrival.kind, Arrival::Kind::kEncrypted) << arrival.to_string();
    if (brings_pong(arrival.payload, session, ping_msg_id)) return;
    ASSERT_FALSE(HasFailure());
  }
}

bool GatewayTest::brings_pong(ByteSpan frame, const RawSession& session, int64_t ping_msg_id) {
  mtproto::OpenJob job;
  job.key = &session.key().key;
  job.frame = frame;
  job.sender = mtproto::Sender::kServer;
  mtproto::open_many({&job, 1});
  EXPECT_EQ(job.error, Error::kNone);
  if (job.error != Error::kNone) return false;
  EXPECT_EQ(job.header.session_id, session.session_id());
  std::vector<client::InboundPart> parts;
  EXPECT_TRUE(client::split_message(
                  {job.header.msg_id, job.header.seq_no, ByteView(job.payload).subspan(16)}, parts)
                  .ok());
  return std::any_of(parts.begin(), parts.end(), [&](const client::InboundPart& part) {
    const auto pong = client::read_pong(part.body);
    return pong.ok() && pong->msg_id == ping_msg_id;
  });
}

void GatewayTest::expect_open(BlockingClient& client) {
  EXPECT_EQ(client.wait(kShortWaitNs).kind, Arrival::Kind::kTimeout) << client.problem();
}

}  // namespace ringway::testing
