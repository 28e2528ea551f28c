// Hostile and unusual bytes at every door of the running gateway: split at every byte, wrong in
// every way that the protocols name, replayed, and too slow.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "base/hex.h"
#include "door/websocket.h"
#include "e2e/door_test.h"
#include "mtproto/framing.h"
#include "tls/fake_client_hello.h"

namespace ringway::testing {
namespace {

constexpr uint64_t kFlatKib = kMemoryFactor * 24 * 1024;
constexpr std::string_view kMask = "a1b2c3d4";

// A client's frame of any first byte, masked.
Bytes ws_frame(uint8_t first, ByteView payload) {
  Bytes frame = {first};
  if (payload.size() <= door::kWsControlBytesMax) {
    frame.push_back(static_cast<uint8_t>(0x80 | payload.size()));
  } else {
    frame.insert(frame.end(), {0xfe, static_cast<uint8_t>(payload.size() >> 8),
                               static_cast<uint8_t>(payload.size())});
  }
  const Bytes mask = *from_hex(kMask);
  frame.insert(frame.end(), mask.begin(), mask.end());
  for (size_t i = 0; i < payload.size(); ++i) frame.push_back(payload[i] ^ mask[i % mask.size()]);
  return frame;
}

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kContinuation = 0;
constexpr uint8_t kText = 1;
constexpr uint8_t kBinary = 2;
constexpr uint8_t kClose = 8;
constexpr uint8_t kPing = 9;

std::string request(std::string_view path = "/apiws", std::string_view protocol = "binary") {
  return fmt::format(
      "GET {} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Protocol: {}\r\n\r\n",
      path, protocol);
}

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

class DoorHostile : public DoorTest {
 protected:
  static void SetUpTestSuite() { start_doors(all_doors()); }
};

// --- WebSocket ---

// Case 49, each whole and byte by byte.
TEST_F(DoorHostile, WrongFramesAreClosedWithTheirCode) {
  const Bytes one = {0x55};
  const Bytes open_message = ws_frame(kBinary, one);
  const struct {
    const char* name;
    Bytes bytes;
    uint16_t code;
  } wrong[] = {
      {"unmasked", *from_hex("82 01 55"), 1002},
      {"RSV1", ws_frame(kFin | 0x40 | kBinary, one), 1002},
      {"RSV2", ws_frame(kFin | 0x20 | kBinary, one), 1002},
      {"RSV3", ws_frame(kFin | 0x10 | kBinary, one), 1002},
      {"a ping of 126 bytes", ws_frame(kFin | kPing, Bytes(126, 1)), 1002},
      {"a ping in fragments", ws_frame(kPing, one), 1002},
      {"a lone continuation", ws_frame(kFin | kContinuation, one), 1002},
      {"a message inside a message", joined(open_message, ws_frame(kFin | kBinary, one)), 1002},
      {"a reserved opcode", ws_frame(kFin | 0x3, one), 1002},
      {"a reserved control opcode", ws_frame(kFin | 0xb, one), 1002},
      {"a length of 16 bits for 1", *from_hex("82 fe 0001 a1b2c3d4 55"), 1002},
      {"a length of 64 bits for 1", *from_hex("82 ff 0000000000000001 a1b2c3d4 55"), 1002},
      {"a length above 2^63", *from_hex("82 ff 8000000000000000 a1b2c3d4 55"), 1002},
      {"a close of one byte", ws_frame(kFin | kClose, one), 1002},
      {"a close with 1005", ws_frame(kFin | kClose, *from_hex("03ed")), 1002},
      {"text", ws_frame(kFin | kText, one), 1003},
      {"text in fragments", ws_frame(kText, one), 1003},
  };
  const uint64_t before = stack().counter("websocket_errors");
  uint64_t tried = 0;
  for (const auto& [name, bytes, code] : wrong) {
    for (const size_t piece : {SIZE_MAX, size_t{1}}) {
      SCOPED_TRACE(name);
      auto client = enter(door("websocket"));
      send_raw(*client, bytes, piece);
      EXPECT_EQ(to_hex(read_to_end(*client)), fmt::format("8802{:04x}", code));
      ++tried;
    }
  }
  EXPECT_EQ(stack().counter("websocket_errors"), before + tried);
}

TEST_F(DoorHostile, CloseIsAnsweredOnceWithItsCode) {
  for (const auto& [payload, answer] :
       {std::pair{"", "880203e8"}, {"03e8", "880203e8"}, {"03e9627965", "880203e9"}}) {
    for (const size_t piece : {SIZE_MAX, size_t{1}}) {
      auto client = enter(door("websocket"));
      // What stands behind a close is nobody's.
      send_raw(*client,
               joined(ws_frame(kFin | kClose, *from_hex(payload)), ws_frame(kFin | kPing, {})),
               piece);
      EXPECT_EQ(to_hex(read_to_end(*client)), answer) << payload;
    }
  }
}

// Case 50.
TEST_F(DoorHostile, FramesAndTheStreamHaveNothingToDoWithEachOther) {
  for (const size_t piece : {SIZE_MAX, size_t{1}}) {
    auto client = enter(door("websocket"));
    RawSession session(key());
    Sealed ping = session.ping();
    Bytes frames;
    for (const uint8_t byte : client->frame_bytes(ping.frame)) {
      frames = joined(frames, ws_frame(kFin | kBinary, {&byte, 1}));
    }
    send_raw(*client, frames, piece);
    expect_pong(*client, session, ping.msg_id);

    // Two in one, and then one over fragments of which some are empty.
    const Bytes first = client->frame_bytes(session.ping().frame);
    ping = session.ping();
    const Bytes both = joined(first, client->frame_bytes(ping.frame));
    send_raw(*client, ws_frame(kFin | kBinary, both), piece);
    expect_pong(*client, session, ping.msg_id);
    ping = session.ping();
    const Bytes stream = client->frame_bytes(ping.frame);
    frames = ws_frame(kBinary, {});
    for (const uint8_t& byte : stream) {
      frames = joined(frames, ws_frame(kContinuation, {&byte, 1}));
    }
    send_raw(*client, joined(frames, ws_frame(kFin | kContinuation, {})), piece);
    expect_pong(*client, session, ping.msg_id);
  }
}

// Case 51: at once, and not when the message is complete.
TEST_F(DoorHostile, PingsAreAnsweredBetweenFragments) {
  for (const size_t piece : {SIZE_MAX, size_t{1}}) {
    auto client = enter(door("websocket"));
    RawSession session(key());
    const Sealed ping = session.ping();
    const Bytes stream = client->frame_bytes(ping.frame);
    send_raw(*client, ws_frame(kBinary, ByteView(stream).first(70)), piece);
    const Bytes largest(door::kWsControlBytesMax, 0x77);
    for (const Bytes& payload : {Bytes(), text_bytes("are you there?"), largest}) {
      send_raw(*client, ws_frame(kFin | kPing, payload), piece);
      const Bytes pong = joined(Bytes{0x8a, static_cast<uint8_t>(payload.size())}, payload);
      EXPECT_EQ(to_hex(read_exactly(*client, pong.size())), to_hex(pong));
    }
    send_raw(*client, ws_frame(kFin | kContinuation, ByteView(stream).subspan(70)), piece);
    expect_pong(*client, session, ping.msg_id);
  }
}

// --- HTTP ---

// The rest of case 51, and whatever else is asked in vain.
TEST_F(DoorHostile, RequestsInVainGetTheirStatus) {
  const std::string long_uri = "/apiws?" + std::string(2000, 'x');
  const std::string long_field = "X-Long: " + std::string(9 * 1024, 'x') + "\r\nHost:";
  const struct {
    std::string text;
    int status;
  } wrong[] = {
      {request("/"), 404},
      {request("/apiw1"), 404},
      {request("/apiws/"), 404},
      {request("/apiws", "text"), 400},
      {replaced(request(), "Sec-WebSocket-Protocol: binary\r\n", ""), 400},
      {replaced(request(), "Upgrade: websocket\r\n", ""), 400},
      {replaced(request(), "Connection: Upgrade", "Connection: close"), 400},
      {replaced(request(), "Version: 13", "Version: 8"), 426},
      {replaced(request(), "dGhlIHNhbXBsZSBub25jZQ==", "c2hvcnQ="), 400},
      {replaced(request(), "HTTP/1.1", "HTTP/1.0"), 400},
      {replaced(request(), "HTTP/1.1", "HTTP/2.0"), 505},
      {replaced(request(), "Host:", "Transfer-Encoding: chunked\r\nHost:"), 400},
      {replaced(request(), "Host:", "Content-Length: 4\r\nHost:"), 400},
      {replaced(request(), "GET", "HEAD"), 405},
      {replaced(request(), "GET", "POST"), 405},
      {replaced(request(), "GET", "OPTIONS"), 405},
      {"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nabcd", 404},
      {"GET  HTTP/1.1\r\n\r\n", 400},
      {"GET /apiws\r\n\r\n", 505},
      {"GET /apiws HTTP/1.1\nHost: x\n\n", 400},
      {request(long_uri), 414},
      {replaced(request(), "Host:", long_field), 431},
  };
  for (const char* name : {"websocket", "auto"}) {
    const uint64_t before = stack().counter("http_requests_refused");
    uint64_t tried = 0;
    for (const auto& [text, status] : wrong) {
      // Posts are asked for there; http_cases_test has those in vain.
      const bool of_posts =
          text.find(" /api ") != std::string::npos || text.find(" /apiw1 ") != std::string::npos;
      if (of_posts && std::string_view(name) == "auto") continue;
      for (const size_t piece : {SIZE_MAX, size_t{1}}) {
        SCOPED_TRACE(std::string(name) + ": " + text.substr(0, 60));
        if (piece == 1 && text.size() > 1000) continue;  // their bytes are one like the other
        auto client = knock(door(name));
        send_raw(*client, text_bytes(text), piece);
        const std::string head = read_head(*client);
        EXPECT_EQ(head.substr(0, 13), fmt::format("HTTP/1.1 {} ", status)) << head;
        EXPECT_NE(head.find("\r\nConnection: close\r\n"), std::string::npos) << head;
        EXPECT_NE(head.find("\r\nContent-Length: 0\r\n"), std::string::npos) << head;
        EXPECT_EQ(read_to_end(*client).size(), 0U);
        ++tried;
      }
    }
    EXPECT_EQ(stack().counter("http_requests_refused"), before + tried);
  }
}

TEST_F(DoorHostile, UpgradesAreTakenHoweverTheyArrive) {
  RawSession session(key());
  // The stream begins in the very write that asks for the upgrade.
  const auto whole = [&session](BlockingClient& client, int64_t& msg_id) {
    const Sealed ping = session.ping();
    msg_id = ping.msg_id;
    return joined(text_bytes(request("/apiws_test?x=1", "chat, binary")),
                  ws_frame(kFin | kBinary, client.frame_bytes(ping.frame)));
  };
  const auto expect_served = [&session](BlockingClient& client, int64_t msg_id) {
    const std::string head = read_head(client);
    ASSERT_EQ(head.substr(0, 13), "HTTP/1.1 101 ") << head;
    EXPECT_NE(head.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
              std::string::npos)
        << head;
    EXPECT_NE(head.find("Sec-WebSocket-Protocol: binary\r\n"), std::string::npos) << head;
    EXPECT_EQ(head.find("Extensions"), std::string::npos) << head;
    for (bool found = false; !found;) {
      const Bytes header = read_exactly(client, 2);
      ASSERT_EQ(header.size(), 2U);
      ASSERT_EQ(header[0], kFin | kBinary);
      size_t size = header[1];
      if (size == 126) {
        const Bytes length = read_exactly(client, 2);
        ASSERT_EQ(length.size(), 2U);
        size = size_t{length[0]} << 8 | length[1];
      }
      Bytes payload = read_exactly(client, size);
      client.transport().receive(payload);
      mtproto::ServerEvent event;
      ASSERT_EQ(client.transport().next(event), mtproto::ServerTransport::Event::kFrame);
      found = brings_pong(event.payload, session, msg_id);
      ASSERT_FALSE(HasFailure());
      // The transport wants to be asked until it needs more.
      ASSERT_EQ(client.transport().next(event), mtproto::ServerTransport::Event::kNeedMore);
    }
  };
  for (const char* name : {"websocket", "auto"}) {
    const size_t head_bytes = request("/apiws_test?x=1", "chat, binary").size();
    for (size_t split = 1; split <= head_bytes + 8; ++split) {
      auto client = knock(door(name), "obfuscated-intermediate");
      int64_t msg_id = 0;
      send_split(*client, whole(*client, msg_id), split);
      expect_served(*client, msg_id);
      ASSERT_FALSE(HasFailure()) << name << " split at " << split;
    }
    auto client = knock(door(name), "obfuscated-intermediate");
    int64_t msg_id = 0;
    send_raw(*client, whole(*client, msg_id), 1);
    expect_served(*client, msg_id);
  }
}

// --- PROXY protocol ---

// Case 55.
TEST_F(DoorHostile, ProxyHeadersAreTakenHoweverTheyAreSplit) {
  RawSession session(key());
  const Bytes v2_local = *from_hex("0d0a0d0a000d0a515549540a 20 00 0000");
  const Bytes v2_tlvs =
      *from_hex("0d0a0d0a000d0a515549540a 21 11 0013 cb007107 c0000201 1267 01bb 04 0004 00000000");
  const Bytes v2_unix = joined(*from_hex("0d0a0d0a000d0a515549540a 21 31 00d8"), Bytes(216, '/'));
  for (const Bytes& header :
       {text_bytes("PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"),
        text_bytes("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n"),
        text_bytes("PROXY UNKNOWN\r\n"), text_bytes("PROXY UNKNOWN anything at all\r\n"), v2_local,
        v2_tlvs, v2_unix}) {
    for (size_t split = 1; split <= header.size() + 1; ++split) {
      auto client = knock(door("PROXY v1"));
      const Sealed ping = session.ping();
      const Bytes stream = joined(header, client->frame_bytes(ping.frame));
      ASSERT_EQ(stream[header.size()], 0xef);
      send_split(*client, stream, split);
      expect_pong(*client, session, ping.msg_id);
      ASSERT_FALSE(HasFailure()) << to_hex(header) << " split at " << split;
    }
    auto client = knock(door("PROXY v1"));
    const Sealed ping = session.ping();
    send_raw(*client, joined(header, client->frame_bytes(ping.frame)), 1);
    expect_pong(*client, session, ping.msg_id);
  }
}

TEST_F(DoorHostile, BrokenProxyHeadersClose) {
  const std::string endless = "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n";
  ASSERT_EQ(endless.size(), 108U);
  const uint64_t before = stack().counter("proxy_headers_refused");
  uint64_t tried = 0;
  for (const Bytes& header :
       {text_bytes(endless), text_bytes("PROXY TCP4 203.0.113.7 192.0.2.1\r\n"),
        text_bytes("PROXY TCP4 203.0.113.256 192.0.2.1 1 2\r\n"),
        text_bytes("PROXY TCP5 203.0.113.7 192.0.2.1 1 2\r\n"),
        *from_hex("0d0a0d0a000d0a515549540a 31 11 000c"),
        *from_hex("0d0a0d0a000d0a515549540a 22 11 000c"),
        *from_hex("0d0a0d0a000d0a515549540a 21 11 0801"),
        *from_hex("0d0a0d0a000d0a515549540a 21 11 0004 cb007107")}) {
    for (const size_t piece : {SIZE_MAX, size_t{1}}) {
      SCOPED_TRACE(to_hex(header));
      auto client = knock(door("PROXY v1"));
      send_raw(*client, header, piece);
      expect_closed_without_a_word(*client);
      ++tried;
    }
  }
  EXPECT_EQ(stack().counter("proxy_headers_refused"), before + tried);
  // Where nobody is believed a header is nothing but a client's first bytes.
  auto client = knock(door("tcp"));
  send_raw(*client,
           joined(text_bytes("PROXY TCP4 203.0.113.7 192.0.2.1 4711 443\r\n"), Bytes(64, 0x55)));
  expect_closed_without_a_word(*client);
  EXPECT_EQ(stack().counter("proxy_headers_refused"), before + tried);
}

// --- Fake TLS ---

class FakeTlsHostile : public DoorHostile {
 protected:
  static tls::FakeClientHello hello(int64_t age_seconds = 0, size_t bytes = 517) {
    return tls::make_fake_client_hello(fake_tls_secret(),
                                       read_clocks().unix_seconds() - age_seconds, bytes);
  }
  // The whole flight, from its first byte to the last of its last record.
  static void expect_flight(BlockingClient& client, const tls::FakeClientHello& hello) {
    Bytes flight;
    for (int record = 0; record < 3; ++record) {
      const Bytes header = read_exactly(client, 5);
      ASSERT_EQ(header.size(), 5U);
      flight =
          joined(joined(flight, header), read_exactly(client, size_t{header[3]} << 8 | header[4]));
    }
    const auto size = tls::read_fake_flight(flight, fake_tls_secret(), hello.random);
    ASSERT_TRUE(size.ok());
    EXPECT_EQ(*size, flight.size());
  }
};

// Case 56: good ones.
TEST_F(FakeTlsHostile, HellosAreTakenHoweverTheyAreSplit) {
  for (size_t split = 1; split < hello().record.size(); ++split) {
    auto client = knock(door("fake TLS"));
    const tls::FakeClientHello one = hello();
    send_split(*client, one.record, split);
    expect_flight(*client, one);
    ASSERT_FALSE(HasFailure()) << "split at " << split;
  }
  for (const size_t bytes : {size_t{517}, size_t{1500}, size_t{4000}, size_t{16'000}}) {
    for (const size_t piece : {SIZE_MAX, size_t{1}}) {
      if (piece == 1 && bytes > 4000) continue;  // their bytes are one like the other
      auto client = knock(door("fake TLS"));
      const tls::FakeClientHello one = hello(0, bytes);
      send_raw(*client, one.record, piece);
      expect_flight(*client, one);
      ASSERT_FALSE(HasFailure()) << bytes << " bytes";
    }
  }
}

// Case 56: the others get nothing, so that nobody learns what stands here.
TEST_F(FakeTlsHostile, StrangersGetNoAnswer) {
  const auto expect_refused = [](ByteView bytes, const char* counter) {
    for (const size_t piece : {SIZE_MAX, size_t{1}}) {
      SCOPED_TRACE(counter);
      const uint64_t before = stack().counter(counter);
      auto client = knock(door("fake TLS"));
      send_raw(*client, bytes, piece);
      expect_closed_without_a_word(*client);
      EXPECT_EQ(stack().counter(counter), before + 1);
    }
  };
  const tls::FakeClientHello one = hello();
  auto client = knock(door("fake TLS"));
  send_raw(*client, one.record);
  expect_flight(*client, one);
  expect_refused(one.record, "fake_tls_replays");
  expect_refused(hello(3600).record, "fake_tls_refused");
  expect_refused(hello(-60).record, "fake_tls_refused");
  tls::FakeTlsSecret stranger = fake_tls_secret();
  stranger.key = transport_secret(kPaddedSecret);
  expect_refused(tls::make_fake_client_hello(stranger, read_clocks().unix_seconds()).record,
                 "fake_tls_refused");
  tls::FakeTlsSecret elsewhere = fake_tls_secret();
  elsewhere.domain = "elsewhere.example";
  expect_refused(tls::make_fake_client_hello(elsewhere, read_clocks().unix_seconds()).record,
                 "fake_tls_refused");
  Bytes flipped = hello().record;
  flipped.back() ^= 1;
  expect_refused(flipped, "fake_tls_refused");
}

TEST_F(FakeTlsHostile, WrongRecordsClose) {
  const uint64_t before = stack().counter("fake_tls_errors");
  uint64_t tried = 0;
  const Bytes change = *from_hex("140303000101");
  for (const Bytes& bytes :
       {*from_hex("150303000102"), *from_hex("1403030002"), joined(change, change),
        joined(change, *from_hex("1703014000")), joined(change, *from_hex("170303ffff")),
        joined(change, *from_hex("160303"))}) {
    for (const size_t piece : {SIZE_MAX, size_t{1}}) {
      SCOPED_TRACE(to_hex(bytes));
      auto client = knock(door("fake TLS"));
      const tls::FakeClientHello one = hello();
      send_raw(*client, one.record);
      expect_flight(*client, one);
      send_raw(*client, bytes, piece);
      expect_closed_without_a_word(*client);
      ++tried;
    }
  }
  EXPECT_EQ(stack().counter("fake_tls_errors"), before + tried);
}

// --- TLS ---

TEST_F(DoorHostile, NoTlsIsNoStream) {
  for (const char* name : {"tls", "wss"}) {
    SCOPED_TRACE(name);
    const uint64_t before = stack().counter("tls_handshakes_failed");
    auto plain = knock(door(name));
    send_raw(*plain, text_bytes(request()));
    // OpenSSL says in plain text that this was HTTP, or in an alert that it was nothing.
    EXPECT_LT(read_to_end(*plain).size(), 64U);
    EXPECT_TRUE(stack().wait_counter("tls_handshakes_failed", before + 1));
  }
}

// --- Those who do not read ---

// Whatever stands around the stream, a client that asks and never reads is bounded, and closed.
TEST_F(DoorHostile, WhoDoesNotReadIsClosed) {
  for (const char* name : {"websocket", "wss", "tls", "fake TLS", "PROXY v2"}) {
    SCOPED_TRACE(name);
    const uint64_t overflows = stack().counter("send_queue_overflows");
    const uint64_t resident = stack().gateway().resident_kib();
    auto client = enter(door(name));
    RawSession session(key());
    const int64_t deadline_ns = read_clocks().mono_ns + 30 * kNsPerSecond;
    for (int32_t id = 1;; ++id) {
      ASSERT_LT(read_clocks().mono_ns, deadline_ns) << "still open";
      const Sealed echo = session.seal(client::make_echo(id, 64 * 1024), 2 * id - 1);
      const auto sent = client->send_bytes(client->frame_bytes(echo.frame));
      if (!sent.ok()) {
        EXPECT_NE(sent.error(), Error::kTimeout);
        break;
      }
      ASSERT_LT(stack().gateway().resident_kib(), resident + kMemoryFactor * 96 * 1024);
    }
    EXPECT_GT(stack().counter("send_queue_overflows"), overflows);
  }
}

// --- Deadlines ---

class DoorDeadlines : public DoorTest {
 protected:
  static void SetUpTestSuite() {
    start_doors(all_doors(), std::string(kGenerousLimits) +
                                 "  Timeouts: {FirstByte: 1500ms, Detection: 800ms, Idle: 20s}\n");
  }
};

// Case 19 at each door: a byte now and then does not extend the time for the beginning.
TEST_F(DoorDeadlines, SlowLorisIsClosedAndCostsNoMemory) {
  constexpr int kEach = 25;
  const Bytes hello =
      tls::make_fake_client_hello(fake_tls_secret(), read_clocks().unix_seconds()).record;
  struct Loris {
    std::unique_ptr<BlockingClient> client;
    const Bytes* bytes;
    bool through_doors = false;
    size_t sent = 0;
  };
  const Bytes proxy_line = text_bytes("PROXY TCP6 2001:db8::7 2001:db8::1 4711 443\r\n");
  const Bytes proxy_v2 = joined(*from_hex("0d0a0d0a000d0a515549540a 21 11 0800"), Bytes(2048, 1));
  const Bytes head = text_bytes(replaced(request(), "Host", "Cookie: " + std::string(4000, 'x')));
  const Bytes stream(40, 0x42);  // of an obfuscated stream that never has its 64
  std::vector<Loris> lorises;
  const uint64_t resident = stack().gateway().resident_kib();
  const uint64_t timeouts = stack().counter("timeout_first_byte");
  for (int i = 0; i < kEach; ++i) {
    lorises.push_back({knock(door("PROXY v1")), &proxy_line});
    lorises.push_back({knock(door("PROXY v1, websocket")), &proxy_v2});
    lorises.push_back({knock(door("websocket")), &head});
    lorises.push_back({knock(door("auto")), &head});
    lorises.push_back({knock(door("tls")), &hello});
    lorises.push_back({knock(door("wss")), &hello});
    lorises.push_back({knock(door("fake TLS")), &hello});
    lorises.push_back({enter(door("websocket")), &stream, true});
    lorises.push_back({enter(door("wss")), &stream, true});
    lorises.push_back({enter(door("fake TLS")), &stream, true});
  }
  const int64_t begin_ns = read_clocks().mono_ns;
  size_t open = lorises.size();
  while (open > 0) {
    ASSERT_LT(read_clocks().mono_ns - begin_ns, 15 * kNsPerSecond) << open << " are open";
    open = 0;
    for (Loris& loris : lorises) {
      const ByteView next = ByteView(*loris.bytes).subspan(loris.sent, 1);
      static_cast<void>(loris.through_doors ? loris.client->send_bytes(next).ok()
                                            : loris.client->socket().send_all(next, 0).ok());
      loris.sent = std::min(loris.sent + 1, loris.bytes->size() - 1);
      std::array<uint8_t, 1024> last{};  // a request that took too long is told so
      const auto got = loris.client->socket().receive(last, 0);
      if (got.ok() || got.error() == Error::kTimeout) ++open;
    }
    EXPECT_LT(stack().gateway().resident_kib(), resident + kFlatKib);
    sleep_ms(100);
  }
  EXPECT_GE(stack().counter("timeout_first_byte"), timeouts + lorises.size());
}

// Who says nothing at all behind an open door has no more time than anybody.
TEST_F(DoorDeadlines, SilenceIsClosedAtEveryDoor) {
  std::vector<std::unique_ptr<BlockingClient>> silent;
  for (const Door& door : doors()) silent.push_back(enter(door));
  for (const Door& door : doors()) silent.push_back(knock(door));
  for (const auto& client : silent) static_cast<void>(read_to_end(*client, 10 * kNsPerSecond));
  for (const Door& door : doors()) {
    EXPECT_TRUE(enter_with_key(door)->ping().ok()) << door.name;
  }
}

}  // namespace
}  // namespace ringway::testing
