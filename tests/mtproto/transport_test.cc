// Detection, the known bytes of every framing, and hostile streams.
#include "mtproto/transport.h"

#include <algorithm>

#include "mtproto/framing.h"
#include "transport_testing.h"

namespace ringway::mtproto::testing {
namespace {

constexpr std::string_view kOpenExchangeInit =
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
    "30"
    "313233343536373832bc95851d234c44";
constexpr std::string_view kOpenExchangeFrame =
    "4b329c72f3eeb903f45b84d437c742b0500c525f8415a9e3a35b7aeee8e4477aee651ff1f4e4e36b05627d41bf6fd5"
    "05"
    "38f1aa7d12b131110a33ebccedb5b1bfd5e6be911095e8a4c97ed691d64a96ff1f4bd5edec95a99355";

Seen feed_hex(std::string_view text, const TransportConfig& config = {}) {
  return feed(config, hex(text));
}

// Detection.

TEST(Detection, OneByteDecidesAbridgedAndOneByteOfAnotherMagicWaits) {
  EXPECT_EQ(feed_hex("ef").kind, TransportKind::kAbridged);
  for (const std::string_view start :
       {"ee", "eeee", "eeeeee", "dd", "dddddd", "50", "504f53", "41"}) {
    const Seen seen = feed_hex(start);
    EXPECT_EQ(seen.kind, TransportKind::kUndecided) << start;
    EXPECT_EQ(seen.error, Error::kNone) << start;
  }
  EXPECT_EQ(feed_hex("eeeeeeee").kind, TransportKind::kIntermediate);
  EXPECT_EQ(feed_hex("dddddddd").kind, TransportKind::kPadded);
}

TEST(Detection, BytesFourToSevenZeroAreTheFullTransport) {
  EXPECT_EQ(feed_hex("640000000000").kind, TransportKind::kUndecided);
  EXPECT_EQ(feed_hex("6400000000000000").kind, TransportKind::kFull);
  EXPECT_EQ(feed_hex("6400000000000001").kind, TransportKind::kUndecided);
}

TEST(Detection, HttpHasNoDoorHere) {
  for (const std::string_view verb :
       {"POST /api HTTP/1.1\r\n", "GET /apiws", "HEAD", "OPTIONS *"}) {
    EXPECT_EQ(feed({}, as_bytes(verb)).error, Error::kBadTransport) << verb;
  }
  EXPECT_EQ(feed({}, as_bytes("GETS")).error, Error::kNone);
}

TEST(Detection, AnythingElseWaitsForSixtyFourBytes) {
  std::mt19937_64 random(1);
  Bytes start = random_payload(random, 64);
  start[0] = 0x41;
  start[4] = 0x41;
  const Seen waiting = feed({}, ByteView(start).first(63));
  EXPECT_EQ(waiting.error, Error::kNone);
  EXPECT_EQ(waiting.kind, TransportKind::kUndecided);
  EXPECT_EQ(feed({}, start).error, Error::kBadTransport);  // the tag is one of three in 2^32
  EXPECT_EQ(feed_bytewise({}, start).error, Error::kBadTransport);
}

// An obfuscated stream may begin with anything that is not reserved, near misses included.
TEST(Detection, NearMissesOfReservedOpeningsAreObfuscated) {
  for (const std::string_view start :
       {"eeeeee41", "16030101", "16030102", "50567247", "dddddd00", "474554ff"}) {
    Bytes drawn(64, 0x33);
    const Bytes prefix = hex(start);
    std::copy(prefix.begin(), prefix.end(), drawn.begin());
    ClientTransportOptions options = *client_transport_by_name("obfuscated-abridged");
    ClientTransport client(options, std::span<const uint8_t, 64>(drawn));
    Bytes stream = client.opening();
    client.write_frame(hex(kPingHex), false, stream);
    for (const Seen& seen : {feed({}, stream), feed_bytewise({}, stream)}) {
      EXPECT_EQ(seen.error, Error::kNone) << start;
      EXPECT_TRUE(seen.obfuscated) << start;
      EXPECT_EQ(seen.kind, TransportKind::kAbridged) << start;
      EXPECT_EQ(seen.frames.size(), 1u) << start;
    }
  }
}

TEST(Detection, DcNumbersAreReportedAndNeverRefused) {
  std::mt19937_64 random(2);
  for (const int16_t dc : {int16_t{0}, int16_t{-10002}, static_cast<int16_t>(random())}) {
    ClientTransportOptions options = *client_transport_by_name("obfuscated-padded");
    options.dc = dc;
    const Seen seen = feed({}, ClientTransport(options).opening());
    EXPECT_EQ(seen.error, Error::kNone);
    EXPECT_EQ(seen.kind, TransportKind::kPadded);
    EXPECT_EQ(seen.dc, dc);
  }
}

TEST(Detection, SecretsAreTriedInTurnAndLeavePlainTransportsAlone) {
  TransportConfig config;
  config.secrets.emplace_back(
      std::span<const uint8_t, 16>(hex("000102030405060708090a0b0c0d0e0f")));
  config.secrets.emplace_back(
      std::span<const uint8_t, 16>(hex("8a96ef6e42a18c21837580cd1c91c5a8")));
  const Seen second = feed_hex(
      "f5768f50b731260a46be1027c2eeaa39350624f0b6da59eba56c81fe4510c2e0"
      "b61d3dd323ee02388633e3837a0c1c24fa6f29ccd724be6fbea2dde16dc59dd2",
      config);
  EXPECT_EQ(second.kind, TransportKind::kPadded);
  EXPECT_TRUE(second.obfuscated);
  EXPECT_EQ(feed_hex(kOpenExchangeInit, config).error, Error::kBadTransport);
  EXPECT_EQ(feed_hex("ef", config).kind, TransportKind::kAbridged);
}

TEST(Detection, ATransportThatIsSwitchedOffIsRefused) {
  struct Case {
    bool TransportConfig::*flag;
    std::string_view opening;
  };
  for (const Case& c :
       {Case{&TransportConfig::abridged, "ef"}, Case{&TransportConfig::intermediate, "eeeeeeee"},
        Case{&TransportConfig::padded, "dddddddd"},
        Case{&TransportConfig::full, "1000000000000000"},
        Case{&TransportConfig::obfuscated, kOpenExchangeInit}}) {
    TransportConfig config;
    config.*c.flag = false;
    EXPECT_EQ(feed_hex(c.opening, config).error, Error::kBadTransport) << c.opening;
    EXPECT_EQ(feed_bytewise(config, hex(c.opening)).error, Error::kBadTransport) << c.opening;
    EXPECT_EQ(feed_hex(c.opening).error, Error::kNone) << c.opening;
  }
}

TEST(Detection, PlainSwitchesDoNotReachInsideObfuscation) {
  TransportConfig config;
  config.abridged = config.intermediate = config.padded = config.full = false;
  EXPECT_EQ(feed_hex(kOpenExchangeInit, config).kind, TransportKind::kAbridged);
}

TEST(Detection, WithoutObfuscationNothingIsWaitedForThatCannotCome) {
  TransportConfig config;
  config.obfuscated = false;
  EXPECT_EQ(feed_hex("41414141", config).error,
            Error::kNone);  // might be the length of a full frame
  EXPECT_EQ(feed_hex("4141414141", config).error, Error::kBadTransport);
  EXPECT_EQ(feed_hex("414141410000", config).error, Error::kNone);
  config.full = false;
  EXPECT_EQ(feed_hex("41", config).error, Error::kBadTransport);
  EXPECT_EQ(feed_hex("eeee", config).error, Error::kNone);
  EXPECT_EQ(feed_hex("eeeeee41", config).error, Error::kBadTransport);
  EXPECT_EQ(feed_hex("eeeeeeee", config).kind, TransportKind::kIntermediate);
}

// Known bytes.

std::string with_payload(std::string_view before, std::string_view after = "") {
  return std::string(before) + std::string(kPingHex) + std::string(after);
}

TEST(Frames, KnownBytesOfEveryFraming) {
  struct Case {
    std::string stream;
    TransportKind kind;
    bool quick_ack;
    size_t payload_bytes;
  };
  for (const Case& c :
       {Case{with_payload("ef16"), TransportKind::kAbridged, false, 88},
        Case{with_payload("ef96"), TransportKind::kAbridged, true, 88},
        Case{with_payload("eeeeeeee58000000"), TransportKind::kIntermediate, false, 88},
        Case{with_payload("eeeeeeee58000080"), TransportKind::kIntermediate, true, 88},
        Case{with_payload("dddddddd5d000000", "0102030405"), TransportKind::kPadded, false, 93},
        Case{with_payload("dddddddd5d000080", "0102030405"), TransportKind::kPadded, true, 93},
        Case{with_payload("6400000000000000", "fd395d09"), TransportKind::kFull, false, 88}}) {
    const Seen seen = feed_hex(c.stream);
    ASSERT_EQ(seen.error, Error::kNone) << c.stream;
    EXPECT_EQ(seen.kind, c.kind);
    ASSERT_EQ(seen.frames.size(), 1u);
    EXPECT_EQ(seen.frames[0].quick_ack, c.quick_ack);
    EXPECT_EQ(seen.frames[0].payload.size(), c.payload_bytes);
    EXPECT_EQ(to_hex(ByteView(seen.frames[0].payload).first(88)), kPingHex);
  }
}

TEST(Frames, AbridgedHeaderGrowsAt508Bytes) {
  ClientTransport client(*client_transport_by_name("abridged"));
  Bytes frame;
  client.write_frame(Bytes(504), false, frame);
  EXPECT_EQ(to_hex(ByteView(frame).first(1)), "7e");
  frame.clear();
  client.write_frame(Bytes(508), false, frame);
  EXPECT_EQ(to_hex(ByteView(frame).first(4)), "7f7f0000");
  frame.clear();
  client.write_frame(Bytes(508), true, frame);
  EXPECT_EQ(to_hex(ByteView(frame).first(4)), "ff7f0000");
  const Seen seen = feed({}, concat({hex("ef"), frame}));
  ASSERT_EQ(seen.frames.size(), 1u);
  EXPECT_TRUE(seen.frames[0].quick_ack);
  EXPECT_EQ(seen.frames[0].payload.size(), 508u);
}

TEST(Frames, ThreePipelinedFramesComeInOrder) {
  const Seen seen = feed_hex("ef01aaaaaaaa81bbbbbbbb01cccccccc");
  const std::vector<SeenFrame> expected = {
      {hex("aaaaaaaa"), false}, {hex("bbbbbbbb"), true}, {hex("cccccccc"), false}};
  EXPECT_EQ(seen.frames, expected);
}

TEST(Frames, FullChecksumOfAPublishedFrame) {
  const Bytes frame = hex("0f000000010000006162634ed66d94");
  EXPECT_TRUE(checksum_matches(frame));
  Bytes unsealed = frame;
  std::fill(unsealed.end() - 4, unsealed.end(), uint8_t{0});
  EXPECT_FALSE(checksum_matches(unsealed));
  write_checksum(unsealed);
  EXPECT_EQ(unsealed, frame);
}

TEST(Frames, WholeObfuscatedExchange) {
  const TransportConfig config;
  ServerTransport transport(&config);
  Bytes stream = concat({hex(kOpenExchangeInit), hex(kOpenExchangeFrame)});
  transport.receive(stream);
  Frame frame;
  ASSERT_EQ(transport.next(frame), Event::kFrame);
  EXPECT_EQ(transport.kind(), TransportKind::kAbridged);
  EXPECT_TRUE(transport.obfuscated());
  EXPECT_EQ(transport.dc(), -10002);
  EXPECT_TRUE(frame.quick_ack);
  EXPECT_EQ(to_hex(frame.payload), kPingHex);
  EXPECT_TRUE(frame.storage.empty());  // it lay in one piece
  EXPECT_EQ(transport.next(frame), Event::kNeedMore);
  EXPECT_EQ(to_hex(server_quick_ack(transport, kPingToken)), "572e6c7e");
  EXPECT_EQ(
      to_hex(server_frame(transport, hex(kPongHex))),
      "fc2416172f22518d713eaaec99dfa6750197802f06296b42658ef4a8be46ddba25a0af12f0f23686b41a531c279b"
      "293ae176cb6d6ce4b6ad9a5c9094af2a22dd1b32f7a005a80f6e4e6ffb5028f278bce7a79ec2d4853a3523");
}

// Sending.

constexpr std::string_view kFullOpening = "10000000000000006cfeffff0d2f4107";

ServerTransport opened_as(const TransportConfig& config, TransportKind kind) {
  switch (kind) {
    case TransportKind::kAbridged:
      return opened(config, hex("ef"));
    case TransportKind::kIntermediate:
      return opened(config, hex("eeeeeeee"));
    case TransportKind::kPadded:
      return opened(config, hex("dddddddd"));
    default:
      return opened(config, ByteView(hex(kFullOpening)).first(8));
  }
}

TEST(Sending, QuickAckInEachFraming) {
  const TransportConfig config;
  ServerTransport abridged = opened_as(config, TransportKind::kAbridged);
  EXPECT_EQ(to_hex(server_quick_ack(abridged, kPingToken)), "afa37404");
  ServerTransport intermediate = opened_as(config, TransportKind::kIntermediate);
  EXPECT_EQ(to_hex(server_quick_ack(intermediate, kPingToken)), "0474a3af");
  ServerTransport full = opened_as(config, TransportKind::kFull);
  EXPECT_TRUE(server_quick_ack(full, kPingToken).empty());
  ServerTransport padded = opened_as(config, TransportKind::kPadded);
  for (int i = 0; i < 200; ++i) {
    const Bytes ack = server_quick_ack(padded, kPingToken);
    EXPECT_EQ(load_le<uint32_t>(ack.data()), ack.size() - 4);
    EXPECT_EQ(to_hex(ByteView(ack).subspan(4, 8)), "ffffffff0474a3af");
    EXPECT_LT(ack.size() - 4, 12u);  // or old clients take it for a message
  }
}

TEST(Sending, TransportErrorsInEachFraming) {
  const TransportConfig config;
  struct Case {
    int32_t code;
    std::string_view hex, full;
  };
  for (const Case& c : {Case{kErrorUnknownKey, "6cfeffff", "10000000000000006cfeffff0d2f4107"},
                        Case{kErrorFlood, "53feffff", "100000000000000053fefffffac709af"},
                        Case{kErrorWrongDc, "44feffff", "100000000000000044feffffdca8c762"}}) {
    uint8_t payload[4];
    store_le(payload, c.code);
    ServerTransport abridged = opened_as(config, TransportKind::kAbridged);
    EXPECT_EQ(to_hex(server_frame(abridged, payload)), "01" + std::string(c.hex));
    ServerTransport intermediate = opened_as(config, TransportKind::kIntermediate);
    EXPECT_EQ(to_hex(server_frame(intermediate, payload)), "04000000" + std::string(c.hex));
    ServerTransport full = opened_as(config, TransportKind::kFull);
    EXPECT_EQ(to_hex(server_frame(full, payload)), c.full);
    ServerTransport padded = opened_as(config, TransportKind::kPadded);
    for (int i = 0; i < 100; ++i) {
      const Bytes frame = server_frame(padded, payload);
      EXPECT_LE(frame.size(), 11u);
      EXPECT_EQ(load_le<uint32_t>(frame.data()), frame.size() - 4);
      EXPECT_EQ(to_hex(ByteView(frame).subspan(4, 4)), c.hex);
    }
  }
}

// And no other: Telethon, behind an MTProxy secret, cuts off what is beyond a multiple of four and
// takes the rest for the message.
TEST(Sending, PaddingTakesEveryValueUpToThree) {
  const TransportConfig config;
  ServerTransport padded = opened_as(config, TransportKind::kPadded);
  std::vector<int> seen(4, 0);
  for (int i = 0; i < 1000; ++i) {
    const ServerTransport::Plan plan = padded.plan(88);
    ASSERT_GE(plan.frame_bytes, 92u);
    ASSERT_LE(plan.frame_bytes, 95u);
    ++seen[plan.frame_bytes - 92];
  }
  EXPECT_EQ(std::count(seen.begin(), seen.end(), 0), 0);
}

TEST(Sending, FullFramesCountUp) {
  const TransportConfig config;
  ServerTransport full = opened_as(config, TransportKind::kFull);
  const Bytes pong = hex(kPongHex);
  for (uint32_t sequence = 0; sequence < 5; ++sequence) {
    const Bytes frame = server_frame(full, pong);
    EXPECT_EQ(load_le<uint32_t>(frame.data()), 100u);
    EXPECT_EQ(load_le<uint32_t>(frame.data() + 4), sequence);
    EXPECT_TRUE(checksum_matches(frame));
  }
}

// Hostile streams.

TEST(Hostile, LengthsThatNoFrameHas) {
  struct Case {
    std::string_view stream;
    Error error;
  };
  for (const Case& c :
       {Case{"ef00", Error::kBadLength}, Case{"ef80", Error::kBadLength},
        Case{"ef7f010000", Error::kBadLength}, Case{"ef7f7e0000", Error::kBadLength},
        Case{"efff000000", Error::kBadLength}, Case{"ef7fffffff", Error::kTooLarge},
        Case{"eeeeeeee00000000", Error::kBadLength}, Case{"eeeeeeee00000080", Error::kBadLength},
        Case{"eeeeeeee05000000", Error::kBadLength}, Case{"eeeeeeeeffffff7f", Error::kBadLength},
        Case{"eeeeeeeefcffff7f", Error::kTooLarge}, Case{"eeeeeeeefcffffff", Error::kTooLarge},
        Case{"dddddddd00000000", Error::kBadLength}, Case{"ddddddddffffffff", Error::kTooLarge},
        Case{"0800000000000000", Error::kBadLength}, Case{"0c00000000000000", Error::kBadLength},
        Case{"0d00000000000000", Error::kBadLength}, Case{"0000000000000000", Error::kBadLength},
        Case{"fcffffff00000000", Error::kTooLarge}}) {
    EXPECT_EQ(feed_hex(c.stream).error, c.error) << c.stream;
    EXPECT_EQ(feed_bytewise({}, hex(c.stream)).error, c.error) << c.stream;
    EXPECT_TRUE(feed_hex(c.stream).frames.empty());
  }
}

TEST(Hostile, TheLimitIsExactInEveryFraming) {
  TransportConfig config;
  config.frame_bytes_max = 1024;
  for (ClientTransportOptions options : all_client_options()) {
    if (options.secret) config.secrets = {*options.secret};
    for (const size_t bytes : {size_t{1024}, size_t{1028}}) {
      // Padding counts, so leave room for it.
      const size_t payload_bytes =
          options.kind == TransportKind::kPadded && bytes == 1024 ? bytes - 16 : bytes;
      ClientTransport client(options);
      Bytes stream = client.opening();
      client.write_frame(Bytes(payload_bytes, 7), false, stream);
      const Seen seen = feed(config, stream);
      EXPECT_EQ(seen.error, bytes == 1024 ? Error::kNone : Error::kTooLarge);
      EXPECT_EQ(seen.frames.size(), bytes == 1024 ? 1u : 0u);
    }
    config.secrets.clear();
  }
}

TEST(Hostile, FullTransportChecksSequenceAndChecksum) {
  ClientTransport client(*client_transport_by_name("full"));
  Bytes stream;
  client.write_frame(hex(kPingHex), false, stream);
  const size_t frame_bytes = stream.size();
  client.write_frame(hex(kPingHex), false, stream);
  EXPECT_EQ(feed({}, stream).frames.size(), 2u);

  for (size_t i = 8; i < frame_bytes; ++i) {
    Bytes flipped = stream;
    flipped[i] = static_cast<uint8_t>(flipped[i] ^ 0x10);
    const Seen seen = feed({}, flipped);
    EXPECT_EQ(seen.error, Error::kBadChecksum) << i;
    EXPECT_TRUE(seen.frames.empty());
  }
  // The first frame again: its sequence number has been used.
  const Bytes repeated =
      concat({ByteView(stream).first(frame_bytes), ByteView(stream).first(frame_bytes)});
  const Seen twice = feed({}, repeated);
  EXPECT_EQ(twice.error, Error::kBadSequence);
  EXPECT_EQ(twice.frames.size(), 1u);
  // A stream that begins at 1 is no full transport at all.
  EXPECT_EQ(feed({}, ByteView(stream).subspan(frame_bytes)).error, Error::kBadTransport);
}

TEST(Hostile, AnErrorIsFinal) {
  const TransportConfig config;
  ServerTransport transport(&config);
  Bytes bad = hex("ef01aaaaaaaa00");
  transport.receive(bad);
  Frame frame;
  EXPECT_EQ(transport.next(frame), Event::kFrame);
  EXPECT_EQ(transport.next(frame), Event::kError);
  EXPECT_EQ(transport.error(), Error::kBadLength);
  Bytes good = hex("01aaaaaaaa");
  transport.receive(good);
  EXPECT_EQ(transport.next(frame), Event::kError);
  EXPECT_EQ(transport.error(), Error::kBadLength);
  EXPECT_EQ(transport.buffered_bytes(), 0u);
  EXPECT_FALSE(transport.mid_frame());
}

}  // namespace
}  // namespace ringway::mtproto::testing
