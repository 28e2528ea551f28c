// Hostile and unusual streams against the running gateway: detection, framing, quick acks,
// transport errors, deadlines and memory.
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "base/hex.h"
#include "base/limits.h"
#include "crypto/random.h"
#include "e2e/gateway_test.h"
#include "mtproto/framing.h"
#include "mtproto/unencrypted.h"

namespace ringway::testing {
namespace {

constexpr uint64_t kFlatKib =
    kMemoryFactor * 24 * 1024;  // far below what the announced frames would need

Bytes random_bytes(size_t count) {
  Bytes bytes(count);
  crypto::random_bytes(bytes);
  return bytes;
}

Bytes joined(ByteView a, ByteView b) {
  Bytes all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

bool has_quick_ack(std::string_view transport_name) { return transport_name != "full"; }

class TransportCases : public GatewayTest {
 protected:
  static void SetUpTestSuite() { start_stack({.ringway_yaml = std::string(kGenerousLimits)}); }

  // Sends with a pause after each piece, so that the pieces arrive apart.
  static void send_in_pieces(BlockingClient& client, ByteView bytes, size_t piece, int pause_us) {
    while (!bytes.empty()) {
      const size_t count = std::min(piece, bytes.size());
      ASSERT_TRUE(client.send_bytes(bytes.first(count)).ok());
      bytes = bytes.subspan(count);
      const timespec pause{0, pause_us * 1000L};
      nanosleep(&pause, nullptr);
    }
  }

  // A stream of two messages, the first with a quick ack; returns the pong's msg_id and the token.
  static Bytes make_stream(BlockingClient& client, RawSession& session, Sealed& acked,
                           Sealed& ping) {
    acked = session.seal(client::make_padded_ack(100));
    ping = session.ping();
    const Bytes first = client.frame_bytes(acked.frame, true);
    return joined(first, client.frame_bytes(ping.frame));
  }

  static void expect_quick_ack(BlockingClient& client, uint32_t token) {
    const Arrival arrival = client.wait();
    ASSERT_EQ(arrival.kind, Arrival::Kind::kQuickAck) << arrival.to_string();
    EXPECT_EQ(arrival.quick_ack_token, token);
  }

  static void expect_close_after(ByteView bytes) {
    auto client = connect("abridged");
    ASSERT_TRUE(client->send_bytes(bytes).ok());
    expect_closed_without_a_word(*client);
  }
};

// Case 1.
TEST_F(TransportCases, BytesOneAtATimeAreTheSameAsOneWrite) {
  for (const char* name : kTransports) {
    SCOPED_TRACE(name);
    for (const size_t piece : {SIZE_MAX, size_t{1}}) {
      auto client = connect(name);
      RawSession session(key());
      Sealed acked;
      Sealed ping;
      const Bytes stream = make_stream(*client, session, acked, ping);
      ASSERT_GE(stream.size(), 200U);
      send_in_pieces(*client, stream, piece, 100);
      if (has_quick_ack(name)) expect_quick_ack(*client, acked.quick_ack_token);
      expect_pong(*client, session, ping.msg_id);
    }
  }
}

// Case 2, the part that needs no deadline: a lone first byte is no error.
TEST_F(TransportCases, WaitsForTheRestOfAMagic) {
  for (const auto& [name, first] : {std::pair{"abridged", 1}, {"intermediate", 1}, {"padded", 3}}) {
    SCOPED_TRACE(name);
    auto client = connect(name);
    RawSession session(key());
    const Sealed ping = session.ping();
    const Bytes stream = client->frame_bytes(ping.frame);
    const auto split = static_cast<size_t>(first);
    ASSERT_TRUE(client->send_bytes(ByteView(stream).first(split)).ok());
    expect_open(*client);
    ASSERT_TRUE(client->send_bytes(ByteView(stream).subspan(split)).ok());
    expect_pong(*client, session, ping.msg_id);
  }
}

// Cases 3 and 4: beginnings that only resemble a magic are obfuscation.
TEST_F(TransportCases, LookalikeBeginningsAreObfuscated) {
  for (const char* beginning : {"eeeeee41", "dddddd41", "16030101", "16030102", "47455421"}) {
    SCOPED_TRACE(beginning);
    std::array<uint8_t, kObfuscationInitBytes> init;
    crypto::random_bytes(init);
    const Bytes start = *from_hex(beginning);
    std::copy(start.begin(), start.end(), init.begin());
    BlockingClient client(transport("obfuscated-padded"), init);
    ASSERT_TRUE(client.connect(stack().address()).ok());
    RawSession session(key());
    const Sealed ping = session.ping();
    const Bytes stream = client.frame_bytes(ping.frame);
    if (!std::equal(start.begin(), start.end(), stream.begin())) {
      // A client never begins with this; the init was drawn anew, so there is nothing to test.
      ASSERT_STREQ(beginning, "16030102");
      continue;
    }
    ASSERT_TRUE(client.send_bytes(stream).ok());
    expect_pong(client, session, ping.msg_id);
  }
}

// Case 5.
TEST_F(TransportCases, ZeroSecondWordIsTheFullTransport) {
  auto client = connect("full");
  RawSession session(key());
  const Sealed ping = session.ping();
  const Bytes stream = client->frame_bytes(ping.frame);
  EXPECT_EQ(load_le<uint32_t>(stream.data() + 4), 0U);
  send_in_pieces(*client, stream, 8, 1000);
  expect_pong(*client, session, ping.msg_id);
}

TEST_F(TransportCases, RandomBytesWaitForTheirTagAndAreDroppedSilently) {
  auto client = connect("abridged");
  Bytes noise = random_bytes(64);
  noise[0] = 0x42;
  noise[4] |= 1;
  ASSERT_TRUE(client->send_bytes(ByteView(noise).first(63)).ok());
  expect_open(*client);
  ASSERT_TRUE(client->send_bytes(ByteView(noise).subspan(63)).ok());
  expect_closed_without_a_word(*client);
}

// Case 6.
TEST_F(TransportCases, AnyDataCenterInTheObfuscationHeaderIsFine) {
  for (const int16_t dc : {int16_t{0}, int16_t{-10002}, int16_t{10002}, int16_t{0x5eed}}) {
    SCOPED_TRACE(dc);
    auto options = transport("obfuscated-abridged");
    options.dc = dc;
    auto client = connect(options);
    client->use_key(key());
    EXPECT_TRUE(client->ping().ok()) << client->problem();
  }
}

// Case 8.
TEST_F(TransportCases, PipelinedFramesStayInOrder) {
  for (const char* name : kTransports) {
    SCOPED_TRACE(name);
    auto client = connect(name);
    RawSession session(key());
    Bytes stream;
    std::vector<Sealed> pings;
    for (int i = 0; i < 3; ++i) {
      pings.push_back(session.ping());
      stream = joined(stream, client->frame_bytes(pings.back().frame));
    }
    ASSERT_TRUE(client->send_bytes(stream).ok());
    expect_pong(*client, session, pings.back().msg_id);
    std::vector<std::string> seen;
    const std::string session_field = " session_id=" + std::to_string(session.session_id());
    ASSERT_TRUE(wait_until([&] { return stack().record(session_field).size() >= 3; }, 3000));
    for (const std::string& line : stack().record(session_field)) {
      seen.push_back(field(line, "msg_id"));
    }
    ASSERT_EQ(seen.size(), 3U);
    for (size_t i = 0; i < 3; ++i) EXPECT_EQ(seen[i], std::to_string(pings[i].msg_id));
  }
}

// Case 9.
TEST_F(TransportCases, QuickAckSurvivesEverySplit) {
  for (const char* name : kTransports) {
    if (!has_quick_ack(name)) continue;
    SCOPED_TRACE(name);
    auto client = connect(name);
    RawSession session(key());
    // The opening goes ahead, so that all splits fall into frames.
    const Sealed first = session.ping();
    ASSERT_TRUE(client->send_frame(first.frame).ok());
    expect_pong(*client, session, first.msg_id);
    const size_t frame_bytes = client->frame_bytes(session.ping().frame).size();
    // That frame was never sent: a new connection, for the streams must agree.
    client = connect(name);
    const Sealed again = session.ping();
    ASSERT_TRUE(client->send_frame(again.frame).ok());
    expect_pong(*client, session, again.msg_id);
    for (size_t split = 1; split < frame_bytes; ++split) {
      const Sealed message = session.seal(client::make_padded_ack(16));
      const Bytes stream = client->frame_bytes(message.frame, true);
      // Padding is random, so a frame may be shorter than the one that was measured.
      const size_t cut = std::min(split, stream.size() - 1);
      ASSERT_TRUE(client->send_bytes(ByteView(stream).first(cut)).ok());
      const timespec pause{0, 300'000};
      nanosleep(&pause, nullptr);
      ASSERT_TRUE(client->send_bytes(ByteView(stream).subspan(cut)).ok());
      expect_quick_ack(*client, message.quick_ack_token);
      ASSERT_FALSE(HasFailure()) << "split at " << split;
    }
    // Exactly one each: nothing but the pong is left.
    const Sealed last = session.ping();
    ASSERT_TRUE(client->send_frame(last.frame).ok());
    expect_pong(*client, session, last.msg_id);
  }
}

// Cases 10, 11.
TEST_F(TransportCases, BadAbridgedLengthsClose) {
  expect_close_after(*from_hex("ef 00"));
  expect_close_after(*from_hex("ef 80"));
  expect_close_after(*from_hex("ef 7f010000"));
  expect_close_after(*from_hex("ef 7f7e0000"));
  expect_close_after(*from_hex("ef 7fffffff"));
}

// Case 12.
TEST_F(TransportCases, LongAbridgedHeaderCarriesTheQuickAckBit) {
  auto client = connect("abridged");
  RawSession session(key());
  const Sealed message = session.seal(client::make_padded_ack(2000));
  ASSERT_GE(message.frame.size() / 4, 0x7fU);
  const Bytes stream = client->frame_bytes(message.frame, true);
  ASSERT_EQ(stream[1], 0xff);
  ASSERT_TRUE(client->send_bytes(stream).ok());
  expect_quick_ack(*client, message.quick_ack_token);
}

// Case 13.
TEST_F(TransportCases, BadIntermediateLengthsCloseAndAllocateNothing) {
  const uint64_t before = stack().gateway().resident_kib();
  for (int i = 0; i < 10; ++i) {
    expect_close_after(*from_hex("eeeeeeee 00000000"));
    expect_close_after(*from_hex("eeeeeeee 05000000"));
    expect_close_after(*from_hex("eeeeeeee ffffff7f"));
    expect_close_after(*from_hex("eeeeeeee ffffffff"));
    expect_close_after(*from_hex("dddddddd ffffff7f"));
  }
  EXPECT_LT(stack().gateway().resident_kib(), before + kFlatKib);
}

// Case 14.
TEST_F(TransportCases, PaddedFramesTakeAnyPadding) {
  auto client = connect("padded");
  RawSession session(key());
  ASSERT_TRUE(client->send_bytes(client->transport().opening()).ok());
  for (uint32_t padding = 0; padding <= 15; ++padding) {
    const Sealed ping = session.ping();
    Bytes frame(4);
    store_le<uint32_t>(frame.data(), static_cast<uint32_t>(ping.frame.size()) + padding);
    frame = joined(joined(frame, ping.frame), random_bytes(padding));
    ASSERT_TRUE(client->send_bytes(frame).ok());
    expect_pong(*client, session, ping.msg_id);
    ASSERT_FALSE(HasFailure()) << "padding " << padding;
  }
}

TEST_F(TransportCases, PaddedUnencryptedFramesTakeTwoHundredFiftySixMore) {
  for (const size_t padding : {0U, 1U, 15U, 255U, 256U}) {
    SCOPED_TRACE(padding);
    auto client = connect("padded");
    client::ExchangeValues values;
    client::make_nonces(values, &crypto::random_bytes);
    client::ClientMsgId ids;
    const Bytes message =
        mtproto::write_unencrypted(ids.next(read_clocks().unix_ns), client::make_req_pq(values));
    Bytes frame = client->transport().opening();
    ByteAppender out(frame);
    out.u32(static_cast<uint32_t>(message.size() + padding));
    out.bytes(message);
    out.bytes(random_bytes(padding));
    ASSERT_TRUE(client->send_bytes(frame).ok());
    const Arrival answer = client->wait();
    ASSERT_EQ(answer.kind, Arrival::Kind::kUnencrypted) << answer.to_string();
    const client::ServerKey keys[] = {{stack().key(), stack().key()->fingerprint()}};
    EXPECT_TRUE(client::take_res_pq(answer.payload, keys, values).ok());
  }
}

// Case 15.
TEST_F(TransportCases, PaddedFrameShorterThanItsMessageCloses) {
  client::ExchangeValues values;
  client::make_nonces(values, &crypto::random_bytes);
  client::ClientMsgId ids;
  Bytes message =
      mtproto::write_unencrypted(ids.next(read_clocks().unix_ns), client::make_req_pq(values));
  store_le<uint32_t>(message.data() + 16, load_le<uint32_t>(message.data() + 16) + 4);
  Bytes stream = *from_hex("dddddddd");
  ByteAppender out(stream);
  out.u32(static_cast<uint32_t>(message.size()));
  out.bytes(message);
  auto client = connect("padded");
  ASSERT_TRUE(client->send_bytes(stream).ok());
  EXPECT_TRUE(client->wait_end().is_end());
}

// Case 16.
TEST_F(TransportCases, FullTransportChecksEverything) {
  RawSession session(key());
  const auto frame_with = [&](auto change) {
    BlockingClient client(transport("full"));
    Bytes bytes = client.frame_bytes(session.ping().frame);
    change(bytes);
    return bytes;
  };
  {
    auto client = connect("full");
    const Bytes good = frame_with([](Bytes&) {});
    ASSERT_TRUE(client->send_bytes(good).ok());
    EXPECT_EQ(client->wait().kind, Arrival::Kind::kEncrypted) << "the unchanged frame is good";
  }
  expect_close_after(frame_with([](Bytes& bytes) { bytes.back() ^= 1; }));  // CRC
  expect_close_after(frame_with([](Bytes& bytes) { bytes[20] ^= 1; }));     // what it covers
  expect_close_after(*from_hex("08000000 00000000"));                       // length 8
  expect_close_after(*from_hex("0d000000 00000000 00000000 00"));           // length % 4
  expect_close_after(*from_hex("ffffff7f 00000000"));
  // A first frame with number 1 has no zero second word, so it would be taken for obfuscation: the
  // second frame is where a wrong number can be seen.
  auto client = connect("full");
  const Sealed ping = session.ping();
  ASSERT_TRUE(client->send_frame(ping.frame).ok());
  expect_pong(*client, session, ping.msg_id);
  ASSERT_TRUE(client->send_bytes(frame_with([](Bytes&) {})).ok());  // number 0 again
  expect_closed_without_a_word(*client);
}

TEST_F(TransportCases, FullFrameWithNumberOneFirstIsNotServed) {
  RawSession session(key());
  BlockingClient maker(transport("full"));
  static_cast<void>(maker.frame_bytes(session.ping().frame));
  const Bytes second = maker.frame_bytes(session.ping().frame);
  ASSERT_EQ(load_le<uint32_t>(second.data() + 4), 1U);
  auto client = connect("full");
  ASSERT_TRUE(client->send_bytes(second).ok());
  expect_closed_without_a_word(*client);
}

// Case 17.
TEST_F(TransportCases, QuickAckBytesOfEachFraming) {
  RawSession session(key());
  const auto answer = [&](std::string_view name, Sealed& message, size_t count) {
    auto client = connect(name);
    message = session.seal(client::make_padded_ack(64));
    EXPECT_TRUE(client->send_bytes(client->frame_bytes(message.frame, true)).ok());
    return read_exactly(*client, count);
  };
  Sealed message;
  Bytes got = answer("abridged", message, 4);
  ASSERT_EQ(got.size(), 4U);
  EXPECT_EQ((uint32_t{got[0]} << 24 | uint32_t{got[1]} << 16 | uint32_t{got[2]} << 8 | got[3]),
            message.quick_ack_token);
  EXPECT_NE(got[0] & 0x80, 0);
  got = answer("intermediate", message, 4);
  ASSERT_EQ(got.size(), 4U);
  EXPECT_EQ(load_le<uint32_t>(got.data()), message.quick_ack_token);
  got = answer("padded", message, 12);
  ASSERT_EQ(got.size(), 12U);
  EXPECT_GE(load_le<uint32_t>(got.data()), 8U);
  EXPECT_LE(load_le<uint32_t>(got.data()), 16U);
  EXPECT_EQ(load_le<uint32_t>(got.data() + 4), 0xffff'ffffU);
  EXPECT_EQ(load_le<uint32_t>(got.data() + 8), message.quick_ack_token);
}

// Case 18.
TEST_F(TransportCases, UnknownKeyIsToldInEachFraming) {
  SessionKey stranger;
  crypto::random_bytes(stranger.key.span());
  stranger.auth_key_id = mtproto::auth_key_id(stranger.key);
  const auto answer = [&](std::string_view name) {
    auto client = connect(name);
    RawSession session(stranger);
    EXPECT_TRUE(client->send_frame(session.ping().frame).ok());
    return read_to_end(*client);
  };
  EXPECT_EQ(to_hex(answer("abridged")), "016cfeffff");
  EXPECT_EQ(to_hex(answer("intermediate")), "040000006cfeffff");
  EXPECT_EQ(to_hex(answer("full")), "10000000000000006cfeffff0d2f4107");
  for (int i = 0; i < 10; ++i) {
    const Bytes padded = answer("padded");
    ASSERT_GE(padded.size(), 8U);
    EXPECT_LE(padded.size() - 4, 11U);
    EXPECT_EQ(load_le<uint32_t>(padded.data()), padded.size() - 4);
    EXPECT_EQ(load_le<int32_t>(padded.data() + 4), -404);
  }
  for (const char* name : {"obfuscated-abridged", "obfuscated-intermediate", "obfuscated-padded"}) {
    auto client = connect(name);
    RawSession session(stranger);
    ASSERT_TRUE(client->send_frame(session.ping().frame).ok());
    expect_error_then_close(*client, -404);
  }
}

// A stranger's frame, an empty connection and a half-closed one leave nothing behind.
TEST_F(TransportCases, ConnectionsLeaveNoDescriptorsBehind) {
  const size_t before = stack().gateway().open_files();
  for (int i = 0; i < 50; ++i) {
    auto client = connect("abridged");
    if (i % 3 == 0) client->socket().abort();
    if (i % 3 == 1) client->socket().finish_sending();
  }
  EXPECT_TRUE(wait_until([&] { return stack().gateway().open_files() <= before; }, 5000))
      << stack().gateway().open_files() << " open, before: " << before;
}

// --- Secrets ---

class SecretCases : public GatewayTest {
 protected:
  static constexpr const char* kSecrets[] = {"00112233445566778899aabbccddeeff",
                                             "0f1e2d3c4b5a69788796a5b4c3d2e1f0"};
  static void SetUpTestSuite() {
    start_stack({.ringway_yaml = std::string(kGenerousLimits) + "  Transports: {Secrets: [\"" +
                                 kSecrets[0] + "\", \"dd" + kSecrets[1] + "\"]}\n"});
  }
  static std::unique_ptr<BlockingClient> connect_with_secret(std::string_view name,
                                                             ByteView secret) {
    auto options = transport(name);
    options.secret.emplace(secret.first<kTransportSecretBytes>());
    auto client = connect(options);
    client->use_key(key());
    return client;
  }
};

// Case 7.
TEST_F(SecretCases, AnyOfTheSecretsOpensTheStream) {
  for (const char* secret : kSecrets) {
    for (const char* name :
         {"obfuscated-abridged", "obfuscated-intermediate", "obfuscated-padded"}) {
      SCOPED_TRACE(std::string(name) + " " + secret);
      auto client = connect_with_secret(name, *from_hex(secret));
      EXPECT_TRUE(client->ping().ok()) << client->problem();
    }
  }
}

TEST_F(SecretCases, OtherSecretsAndNoneAreRefusedSilently) {
  auto stranger = connect_with_secret("obfuscated-padded", Bytes(kTransportSecretBytes, 7));
  RawSession session(key());
  ASSERT_TRUE(stranger->send_frame(session.ping().frame).ok());
  expect_closed_without_a_word(*stranger);
  auto plain = connect("obfuscated-padded");
  ASSERT_TRUE(plain->send_frame(session.ping().frame).ok());
  expect_closed_without_a_word(*plain);
}

// --- Deadlines ---

class DeadlineCases : public GatewayTest {
 protected:
  static void SetUpTestSuite() {
    start_stack(
        {.ringway_yaml =
             std::string(kGenerousLimits) +
             "  Timeouts: {FirstByte: 1500ms, Detection: 800ms, Frame: 1200ms, Idle: 20s}\n"});
  }
  static double seconds_to_close(BlockingClient& client) {
    const int64_t begin_ns = read_clocks().mono_ns;
    expect_closed_without_a_word(client, 10 * kNsPerSecond);
    return static_cast<double>(read_clocks().mono_ns - begin_ns) / 1e9;
  }
};

TEST_F(DeadlineCases, SilentConnectionIsClosed) {
  auto client = connect("abridged");
  const double seconds = seconds_to_close(*client);
  EXPECT_GT(seconds, 1.2);
  EXPECT_LT(seconds, 4);
}

// Case 2, the part with a deadline: `ef` is a decision, `ee` is not yet one.
TEST_F(DeadlineCases, OneByteDecidesAbridgedOnly) {
  auto waiting = connect("intermediate");
  ASSERT_TRUE(waiting->send_bytes(*from_hex("ee")).ok());
  auto decided = connect("abridged");
  ASSERT_TRUE(decided->send_bytes(*from_hex("ef")).ok());
  EXPECT_LT(seconds_to_close(*waiting), 3);
  // Well past the deadline of detection, the abridged connection is still there.
  sleep_ms(300);
  RawSession session(key());
  const Sealed ping = session.ping();
  const Bytes stream = decided->frame_bytes(ping.frame);
  ASSERT_TRUE(decided->send_bytes(ByteView(stream).subspan(1)).ok());
  expect_pong(*decided, session, ping.msg_id);
}

// Case 19: a byte now and then does not extend a frame's time.
TEST_F(DeadlineCases, SlowLorisIsClosedAndCostsNoMemory) {
  constexpr int kLorises = 150;
  const uint64_t before = stack().gateway().resident_kib();
  std::vector<std::unique_ptr<BlockingClient>> lorises;
  for (int i = 0; i < kLorises; ++i) {
    lorises.push_back(connect("intermediate"));
    ASSERT_TRUE(lorises.back()->send_bytes(*from_hex("eeeeeeee 00")).ok());
  }
  // A frame of 64 KiB, one byte every 200 ms.
  const Bytes rest = *from_hex("000100");
  const int64_t begin_ns = read_clocks().mono_ns;
  size_t closed = 0;
  for (size_t sent = 0; closed < lorises.size(); ++sent) {
    ASSERT_LT(read_clocks().mono_ns - begin_ns, 10 * kNsPerSecond) << closed << " closed";
    closed = 0;
    for (auto& loris : lorises) {
      uint8_t byte = sent < rest.size() ? rest[sent] : 0x55;
      static_cast<void>(loris->socket().send_all({&byte, 1}, 0).ok());
      const auto got = loris->socket().receive({&byte, 1}, 0);
      if (!got.ok() && got.error() != Error::kTimeout) ++closed;
    }
    EXPECT_LT(stack().gateway().resident_kib(), before + kFlatKib);
    sleep_ms(200);
  }
  EXPECT_GE(stack().counter("timeout_frame"), static_cast<uint64_t>(kLorises));
}

// Case 20.
TEST_F(DeadlineCases, AnnouncedFramesAllocateNothingAndTimeOut) {
  constexpr int kConnections = 100;
  const uint64_t before = stack().gateway().resident_kib();
  std::vector<std::unique_ptr<BlockingClient>> clients;
  for (int i = 0; i < kConnections; ++i) {
    clients.push_back(connect("intermediate"));
    Bytes stream = *from_hex("eeeeeeee");
    ByteAppender out(stream);
    out.u32(static_cast<uint32_t>(kFrameBytesMax));
    ASSERT_TRUE(clients.back()->send_bytes(stream).ok());
  }
  sleep_ms(300);
  EXPECT_LT(stack().gateway().resident_kib(), before + kFlatKib);
  for (auto& client : clients) EXPECT_LT(seconds_to_close(*client), 5);
}

// A frame that does arrive, slowly but in time, is taken.
TEST_F(DeadlineCases, FrameWithinItsTimeIsTaken) {
  auto client = connect("intermediate");
  RawSession session(key());
  const Sealed ping = session.ping();
  const Bytes stream = client->frame_bytes(ping.frame);
  for (size_t i = 0; i < stream.size(); i += 20) {
    ASSERT_TRUE(
        client->send_bytes(ByteView(stream).subspan(i, std::min<size_t>(20, stream.size() - i)))
            .ok());
    sleep_ms(50);
  }
  expect_pong(*client, session, ping.msg_id);
}

}  // namespace
}  // namespace ringway::testing
