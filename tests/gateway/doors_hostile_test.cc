// Doors and bytes that no client of ours sends: each comes to the same end however it is cut, with
// its counter, and with what the peer is owed.
#include <string>

#include "crypto/random.h"
#include "gateway/doors_testing.h"
#include "tls/fake_client_hello.h"

namespace ringway::gateway {
namespace {

using config::Protocol;
using testing::Arrival;
using testing::at_random;
using testing::bytes_of;
using testing::Cut;
using testing::Entrance;
using testing::in_pieces_of;
using testing::kUnixSeconds;
using testing::make_stack;
using testing::payload_of;
using testing::Stack;
using testing::Talk;
using testing::operator+;

// What raw bytes have come to.
struct End {
  Bytes stream;
  Bytes sent;
  bool plain = false;
  bool failed = false;
  unsigned begins = 0;
  unsigned headers_done = 0;
  std::optional<net::PeerAddress> peer;
  uint64_t counted = 0;
  bool operator==(const End&) const = default;
};

End come(const config::Listener& listener, const Bytes& wire, Counter counter, bool believed,
         const Cut& cut, size_t held_max = kFakeHelloBytesMax) {
  Entrance entrance(listener);
  Arrival arrival(entrance, believed);
  feed(arrival, wire, cut);
  EXPECT_LE(arrival.most_held, held_max);
  if (arrival.failed) {
    EXPECT_EQ(arrival.doors().buffered_bytes(), 0U);
    TurnBytes kept;
    Bytes more = payload_of(20);
    const auto again =
        arrival.doors().receive(more, testing::kNow, kept, entrance.counters, arrival.sent);
    EXPECT_TRUE(again.failed);
    EXPECT_TRUE(again.stream.empty());
  }
  return {arrival.stream, arrival.sent,         arrival.plain, arrival.failed,
          arrival.begins, arrival.headers_done, arrival.peer,  arrival.count(counter)};
}

// At once, byte by byte and at random: the same.
End come_all_ways(const config::Listener& listener, const Bytes& wire, Counter counter,
                  bool believed = true, size_t held_max = kFakeHelloBytesMax) {
  End whole = come(listener, wire, counter, believed, in_pieces_of(SIZE_MAX), held_max);
  EXPECT_EQ(come(listener, wire, counter, believed, in_pieces_of(1), held_max), whole);
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    EXPECT_EQ(come(listener, wire, counter, believed, at_random(seed, 300), held_max), whole);
  }
  return whole;
}

config::Listener listener_of(Protocol protocol) { return make_stack("", protocol).listener; }

// --- HTTP

constexpr std::string_view kKey = "dGhlIHNhbXBsZSBub25jZQ==";

std::string request(std::string_view line, std::string_view protocol = "binary",
                    std::string_view version = "13") {
  std::string text(line);
  text += " HTTP/1.1\r\nHost: gateway.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  text += "Sec-WebSocket-Key: " + std::string(kKey) + "\r\n";
  text += "Sec-WebSocket-Version: " + std::string(version) + "\r\n";
  if (!protocol.empty()) text += "Sec-WebSocket-Protocol: " + std::string(protocol) + "\r\n";
  return text + "\r\n";
}

TEST(DoorsHostile, OtherRequestsThanAnUpgradeAreRefusedWithTheirStatus) {
  const std::pair<std::string, unsigned> kRequests[] = {
      {request("GET /apiwss"), 404},
      {request("GET /"), 404},
      {request("HEAD /apiws"), 405},
      {request("POST /apiws"), 405},
      {"POST /apiw1 HTTP/1.1\r\nHost: a\r\nContent-Length: 40\r\n\r\n", 404},
      {"OPTIONS /apiw1 HTTP/1.1\r\nHost: a\r\n\r\n", 404},
      {request("GET /apiws", ""), 400},
      {request("GET /apiws", "text"), 400},
      {request("GET /apiws", "binary", "8"), 426},
      {"GET /apiws HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"GET /" + std::string(kHttpUriBytesMax, 'a') + " HTTP/1.1\r\n\r\n", 414},
      {"GET /apiws HTTP/2.0\r\n\r\n", 505},
      {"GET /apiws HTTP/1.1\r\nA: " + std::string(kHttpHeadBytesMax, 'a') + "\r\n\r\n", 431},
      {"POST /apiws HTTP/1.1\rX: y\r\n\r\n", 400},
  };
  for (const Protocol protocol : {Protocol::kWebsocket, Protocol::kAuto}) {
    for (const auto& [text, status] : kRequests) {
      SCOPED_TRACE(text.substr(0, 60));
      // Where both are served it is a request like others.
      if (protocol == Protocol::kAuto && text.find("/apiw1 ") != std::string::npos) continue;
      const End end = come_all_ways(listener_of(protocol), bytes_of(text),
                                    Counter::kHttpRequestsRefused, true, kHttpHeadBytesMax);
      EXPECT_TRUE(end.failed);
      EXPECT_EQ(end.counted, 1U);
      EXPECT_EQ(end.begins, 0U);
      EXPECT_TRUE(end.stream.empty());
      const std::string said(as_text(end.sent));
      EXPECT_TRUE(said.starts_with("HTTP/1.1 " + std::to_string(status) + " ")) << said;
      EXPECT_TRUE(said.ends_with("\r\n\r\n")) << said;
      EXPECT_EQ(said.find("HTTP/1.1", 1), std::string::npos) << "answered twice";
    }
  }
}

// Behind TLS the refusal is sealed, and TLS says goodbye behind it.
TEST(DoorsHostile, ARefusalReachesAClientBehindTls) {
  Stack stack = testing::with_tls(testing::with_websocket(make_stack("", Protocol::kWebsocket)));
  stack.client.path = "/elsewhere";
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  Talk talk(stack.client);
  ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
  talk.run(arrival, in_pieces_of(700));
  EXPECT_TRUE(arrival.failed);
  EXPECT_EQ(talk.result.error(), Error::kMalformed);
  EXPECT_EQ(talk.client.problem(), "WebSocket: the server says 'HTTP/1.1 404 Not Found'");
}

// A listener that takes only WebSocket has no other transport to offer.
TEST(DoorsHostile, AStreamOfItsOwnIsNoRequest) {
  const End end = come_all_ways(listener_of(Protocol::kWebsocket), payload_of(64),
                                Counter::kHttpRequestsRefused);
  EXPECT_TRUE(end.failed);
  EXPECT_EQ(end.begins, 0U);
  EXPECT_TRUE(as_text(end.sent).starts_with("HTTP/1.1 400 "));
}

// What only begins like a request is a stream, from its first byte on.
TEST(DoorsHostile, WhatOnlyBeginsLikeARequestIsAStream) {
  for (const std::string_view text :
       {"POSS0123", "GEX00000", "HEAR....", "OPT0....", "GET\t0000"}) {
    const Bytes wire = bytes_of(text);
    const End end =
        come_all_ways(listener_of(Protocol::kAuto), wire, Counter::kHttpRequestsRefused);
    EXPECT_TRUE(end.plain) << text;
    EXPECT_FALSE(end.failed);
    EXPECT_EQ(end.begins, 1U);
    EXPECT_EQ(end.stream, wire) << text;
    EXPECT_EQ(end.counted, 0U);
  }
}

// --- WebSocket

Bytes frame(door::WsOpcode opcode, Bytes payload, bool masked = true) {
  const door::WsMask mask = {0x37, 0xfa, 0x21, 0x3d};
  Bytes out(masked ? door::ws_masked_header_bytes(payload.size())
                   : door::ws_frame_header_bytes(payload.size()));
  if (masked) {
    door::write_ws_masked_header(opcode, payload.size(), mask, out);
    door::mask_ws_payload(mask, payload);
  } else {
    door::write_ws_frame_header(opcode, payload.size(), out);
  }
  return std::move(out) + payload;
}

Bytes server_frame(door::WsOpcode opcode, const Bytes& payload) {
  return frame(opcode, payload, false);
}

Bytes close_of(uint16_t code) {
  return {0x88, 0x02, static_cast<uint8_t>(code >> 8), static_cast<uint8_t>(code)};
}

// What stands behind the head that opens the WebSocket.
Bytes behind_head(const Bytes& sent) {
  const std::string_view text = as_text(sent);
  EXPECT_TRUE(text.starts_with("HTTP/1.1 101 ")) << text;
  EXPECT_NE(text.find("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
            std::string_view::npos);
  const size_t end = text.find("\r\n\r\n");
  return end == std::string_view::npos ? Bytes() : bytes_of(text.substr(end + 4));
}

End open_and_send(const Bytes& frames, Counter counter = Counter::kWebSocketErrors) {
  return come_all_ways(listener_of(Protocol::kWebsocket), bytes_of(request("GET /apiws")) + frames,
                       counter);
}

using door::WsOpcode;

TEST(DoorsHostile, FramesAroundAStreamAndPingsBetweenThem) {
  const Bytes first = payload_of(300);
  const Bytes second = payload_of(70'000, 2);
  const End end = open_and_send(
      frame(WsOpcode::kBinary, first) + frame(WsOpcode::kPing, bytes_of("are you there?")) +
          frame(WsOpcode::kPong, bytes_of("unasked")) + frame(WsOpcode::kBinary, {}) +
          frame(WsOpcode::kBinary, second) + frame(WsOpcode::kPing, {}),
      Counter::kWebSocketsOpened);
  EXPECT_TRUE(end.stream == first + second);
  EXPECT_EQ(behind_head(end.sent), server_frame(WsOpcode::kPong, bytes_of("are you there?")) +
                                       server_frame(WsOpcode::kPong, {}));
  EXPECT_FALSE(end.failed);
  EXPECT_EQ(end.counted, 1U);
}

TEST(DoorsHostile, FramesThatBreakTheProtocolAreToldWhy) {
  const Bytes good = payload_of(40);
  const std::pair<Bytes, uint16_t> kWrong[] = {
      {frame(WsOpcode::kText, bytes_of("hello")), 1003},
      {frame(WsOpcode::kBinary, good, false), 1002},
      {frame(WsOpcode::kContinuation, good), 1002},
      {{0xc2, 0x80, 0, 0, 0, 0}, 1002},
      {{0x83, 0x80, 0, 0, 0, 0}, 1002},
      {{0x09, 0x80, 0, 0, 0, 0}, 1002},
  };
  for (const auto& [wrong, code] : kWrong) {
    const End end = open_and_send(frame(WsOpcode::kBinary, good) + wrong + good);
    EXPECT_TRUE(end.failed);
    EXPECT_EQ(end.counted, 1U);
    EXPECT_EQ(end.stream, good) << "what came before counts";
    EXPECT_EQ(behind_head(end.sent), close_of(code));
  }
}

TEST(DoorsHostile, ACloseIsEchoedOnce) {
  const Bytes good = payload_of(40);
  const std::pair<Bytes, uint16_t> kCloses[] = {
      {{}, 1000}, {{0x03, 0xe9}, 1001}, {Bytes{0x0f, 0xa0} + bytes_of("bye"), 4000}};
  for (const auto& [payload, code] : kCloses) {
    const End end =
        open_and_send(frame(WsOpcode::kBinary, good) + frame(WsOpcode::kClose, payload) + good);
    EXPECT_TRUE(end.failed);
    EXPECT_EQ(end.counted, 0U) << "that is no error";
    EXPECT_EQ(end.stream, good);
    EXPECT_EQ(behind_head(end.sent), close_of(code));
  }
}

// What the messages before a goodbye are owed goes out, and the close frame behind it.
TEST(DoorsHostile, AnswersGoOutBeforeTheEchoOfAClose) {
  Entrance entrance(listener_of(Protocol::kWebsocket));
  const auto connection = std::make_unique<Doors>(*entrance.doors, true);
  TurnBytes kept;
  Bytes reply;
  Bytes wire = bytes_of(request("GET /apiws")) + frame(WsOpcode::kBinary, payload_of(40)) +
               frame(WsOpcode::kClose, {});
  EXPECT_TRUE(connection->receive(wire, testing::kNow, kept, entrance.counters, reply).failed);
  EXPECT_TRUE(connection->wrap(bytes_of("an answer"), reply));
  connection->close(reply);
  EXPECT_EQ(behind_head(reply),
            server_frame(WsOpcode::kBinary, bytes_of("an answer")) + close_of(1000));
  EXPECT_FALSE(connection->wrap(bytes_of("more"), reply)) << "nothing stands behind a close frame";
}

// A flood of pings in one read is answered and held nowhere.
TEST(DoorsHostile, ManyPingsInOneReadAreAllAnswered) {
  Bytes pings;
  for (int i = 0; i < 700; ++i) pings = std::move(pings) + frame(WsOpcode::kPing, {});
  const End end = open_and_send(pings);
  EXPECT_EQ(behind_head(end.sent).size(), 2U * 700);
  EXPECT_FALSE(end.failed);
}

// --- the PROXY header

config::Listener proxied_listener(bool require) {
  config::Listener listener;
  listener.proxy_protocol.enabled = true;
  listener.proxy_protocol.require = require;
  return listener;
}

TEST(DoorsHostile, WithoutAHeaderTheBytesAreTheClientsOwn) {
  const Bytes words = payload_of(100);
  for (const Bytes& wire : {words, bytes_of("PROXIMITY") + words, bytes_of("P") + words}) {
    const End end = come_all_ways(proxied_listener(false), wire, Counter::kProxyHeadersRefused,
                                  true, door::kProxyHeaderBytesMax);
    EXPECT_EQ(end.stream, wire);
    EXPECT_EQ(end.headers_done, 1U);
    EXPECT_FALSE(end.peer.has_value());
    EXPECT_TRUE(end.plain);
    EXPECT_EQ(end.counted, 0U);
  }
}

TEST(DoorsHostile, WithoutARequiredHeaderNobodyComesIn) {
  const Bytes header = bytes_of("PROXY TCP4 203.0.113.7 203.0.113.1 50007 443\r\n");
  const std::pair<Bytes, bool> kVisits[] = {
      {payload_of(100), true},            // believed, but it brings none
      {payload_of(100), false},           // nobody would believe it
      {header + payload_of(100), false},  // it brings one that nobody believes
  };
  for (const auto& [wire, believed] : kVisits) {
    const End end =
        come_all_ways(proxied_listener(true), wire, Counter::kProxyHeadersRefused, believed);
    EXPECT_TRUE(end.failed);
    EXPECT_EQ(end.counted, 1U);
    EXPECT_EQ(end.headers_done, 0U);
    EXPECT_FALSE(end.peer.has_value());
    EXPECT_TRUE(end.stream.empty());
    EXPECT_TRUE(end.sent.empty());
  }
  EXPECT_TRUE(come_all_ways(proxied_listener(true), header, Counter::kProxyHeadersRefused)
                  .peer.has_value());
}

TEST(DoorsHostile, AHeaderThatIsNotBelievedIsTheClientsOwnBytes) {
  const Bytes wire = bytes_of("PROXY TCP4 203.0.113.7 203.0.113.1 50007 443\r\n") + payload_of(50);
  const End end =
      come_all_ways(proxied_listener(false), wire, Counter::kProxyHeadersRefused, false);
  EXPECT_EQ(end.stream, wire);
  EXPECT_EQ(end.headers_done, 0U);
  EXPECT_FALSE(end.peer.has_value());
  EXPECT_TRUE(end.plain);
}

Bytes v2_header(uint8_t command, uint8_t family, const Bytes& rest) {
  Bytes header = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
  header.push_back(command);
  header.push_back(family);
  header.push_back(static_cast<uint8_t>(rest.size() >> 8));
  header.push_back(static_cast<uint8_t>(rest.size()));
  return header + rest;
}

TEST(DoorsHostile, HeadersThatNameNobodyLeaveTheAddress) {
  for (const Bytes& header :
       {v2_header(0x20, 0x00, {}), v2_header(0x20, 0x11, Bytes(12, 1)),
        v2_header(0x21, 0x00, Bytes(kProxyV2PayloadBytesMax, 3)), bytes_of("PROXY UNKNOWN\r\n")}) {
    const End end = come_all_ways(proxied_listener(true), header + payload_of(50),
                                  Counter::kProxyHeadersRefused, true, door::kProxyHeaderBytesMax);
    EXPECT_EQ(end.headers_done, 1U);
    EXPECT_FALSE(end.peer.has_value());
    EXPECT_EQ(end.stream, payload_of(50));
    EXPECT_TRUE(end.plain);
  }
}

TEST(DoorsHostile, BrokenHeadersEndTheConnection) {
  for (const Bytes& header : {bytes_of("PROXY TCP4 203.0.113.7 x 1 2\r\n"),
                              bytes_of("PROXY TCP9 1.1.1.1 2.2.2.2 1 2\r\n"),
                              bytes_of("PROXY TCP4 " + std::string(kProxyV1BytesMax, '1')),
                              v2_header(0x31, 0x11, {}), v2_header(0x21, 0x11, Bytes(4, 1)),
                              v2_header(0x21, 0x11, Bytes(kProxyV2PayloadBytesMax + 1, 1))}) {
    const End end = come_all_ways(proxied_listener(false), header, Counter::kProxyHeadersRefused,
                                  true, door::kProxyHeaderBytesMax);
    EXPECT_TRUE(end.failed) << as_text(header);
    EXPECT_EQ(end.counted, 1U);
    EXPECT_EQ(end.headers_done, 0U);
    EXPECT_TRUE(end.stream.empty());
    EXPECT_TRUE(end.sent.empty());
  }
}

// --- TLS

TEST(DoorsHostile, WhoDoesNotSpeakTlsIsRefused) {
  const config::Listener listener = testing::with_tls(make_stack("")).listener;
  for (const Bytes& wire : {bytes_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), payload_of(200),
                            Bytes{0x16, 0x03, 0x01, 0xff, 0xff}}) {
    Entrance entrance(listener);
    for (const size_t piece : {wire.size(), size_t{1}}) {
      Arrival arrival(entrance);
      feed(arrival, wire, in_pieces_of(piece));
      EXPECT_TRUE(arrival.failed);
      EXPECT_TRUE(arrival.stream.empty());
      EXPECT_EQ(arrival.begins, 0U);
    }
    EXPECT_EQ(entrance.counters.read(Counter::kTlsHandshakesFailed), 2U);
    EXPECT_EQ(entrance.counters.read(Counter::kTlsHandshakes), 0U);
  }
}

// What came whole before the break counts, and the peer is told of it.
TEST(DoorsHostile, ABrokenRecordEndsTheConnectionBehindWhatCameBefore) {
  const Stack stack = testing::with_tls(make_stack(""));
  for (const size_t piece : {size_t{1}, size_t{37}, size_t{SIZE_MAX}}) {
    Entrance entrance(stack.listener);
    Arrival arrival(entrance);
    Talk talk(stack.client);
    ASSERT_TRUE(talk.client.start(kUnixSeconds, talk.out).ok());
    talk.run(arrival, in_pieces_of(SIZE_MAX));
    const Bytes good = payload_of(500);
    ASSERT_TRUE(talk.client.wrap(good, talk.out).ok());
    ASSERT_TRUE(talk.client.wrap(good, talk.out).ok());
    talk.out.back() ^= 1;
    talk.run(arrival, in_pieces_of(piece));
    EXPECT_TRUE(arrival.failed);
    EXPECT_EQ(arrival.stream, good);
    EXPECT_EQ(arrival.count(Counter::kTlsErrors), 1U);
    EXPECT_EQ(talk.result.error(), Error::kMalformed);
    EXPECT_TRUE(talk.client.problem().starts_with("TLS: ")) << talk.client.problem();
  }
}

// A client that says goodbye is no error; TLS answers, and nothing comes twice.
TEST(DoorsHostile, AGoodbyeOfTlsEndsTheConnectionBehindWhatCameBefore) {
  const Stack stack = testing::with_tls(make_stack(""));
  Entrance entrance(stack.listener);
  Arrival arrival(entrance);
  tls::TlsStream client(testing::client_tls());
  const auto exchange = [&] {
    while (!client.pending_output().empty() || !arrival.sent.empty()) {
      const Bytes out(client.pending_output().begin(), client.pending_output().end());
      client.consume_output(out.size());
      arrival.read(out);
      ASSERT_TRUE(client.receive(std::exchange(arrival.sent, Bytes())).ok());
      ASSERT_TRUE(client.handshake_step().ok());
    }
  };
  ASSERT_TRUE(client.handshake_step().ok());
  exchange();
  ASSERT_TRUE(client.handshake_done());
  ASSERT_TRUE(client.write(payload_of(300)).ok());
  client.close_notify();
  exchange();
  EXPECT_TRUE(arrival.failed);
  EXPECT_EQ(arrival.stream, payload_of(300));
  EXPECT_EQ(arrival.count(Counter::kTlsErrors), 0U);
  Bytes room(1024);
  size_t count = 0;
  EXPECT_TRUE(client.read(room, count).ok());
  EXPECT_TRUE(client.peer_closed());
}

// --- fake TLS

Stack fake_stack(Protocol protocol = Protocol::kTcp) {
  return testing::with_fake_tls(make_stack("fake TLS", protocol));
}

Bytes hello_of(const config::FakeTlsSecret& secret, int64_t unix_seconds = kUnixSeconds) {
  return tls::make_fake_client_hello({secret.key, secret.domain}, unix_seconds).record;
}

TEST(DoorsHostile, AHelloThatIsNotAuthenticIsClosedWithoutAWord) {
  config::FakeTlsSecret elsewhere = testing::fake_secret();
  elsewhere.domain = "www.example.net";
  for (const Bytes& hello :
       {hello_of(testing::fake_secret(0x77)), hello_of(elsewhere),
        hello_of(testing::fake_secret(), kUnixSeconds - kFakeHelloAgeMaxSeconds - 1),
        hello_of(testing::fake_secret(), kUnixSeconds + kFakeHelloAheadMaxSeconds + 1)}) {
    for (const Protocol protocol : {Protocol::kTcp, Protocol::kAuto}) {
      const End end = come_all_ways(fake_stack(protocol).listener, hello, Counter::kFakeTlsRefused);
      EXPECT_TRUE(end.failed);
      EXPECT_EQ(end.counted, 1U);
      EXPECT_TRUE(end.sent.empty());
      EXPECT_TRUE(end.stream.empty());
      EXPECT_EQ(end.begins, 0U);
    }
  }
}

TEST(DoorsHostile, AHelloIsLetInOnce) {
  Entrance entrance(fake_stack().listener);
  const Bytes hello = hello_of(testing::fake_secret());
  Arrival first(entrance);
  feed(first, hello, in_pieces_of(SIZE_MAX));
  EXPECT_FALSE(first.failed);
  EXPECT_FALSE(first.sent.empty());
  for (const size_t piece : {hello.size(), size_t{1}}) {
    Arrival again(entrance);
    feed(again, hello, in_pieces_of(piece));
    EXPECT_TRUE(again.failed);
    EXPECT_TRUE(again.sent.empty());
  }
  EXPECT_EQ(entrance.counters.read(Counter::kFakeTlsReplays), 2U);
  EXPECT_EQ(entrance.counters.read(Counter::kFakeTlsOpened), 1U);
}

TEST(DoorsHostile, WithoutRoomToRememberAHelloNobodyComesIn) {
  Entrance entrance(fake_stack().listener, 1);
  for (int i = 0; i < 10'000; ++i) {
    std::array<uint8_t, 16> id{};
    crypto::random_bytes(id);
    (void)entrance.replays.insert(id, kUnixSeconds);
  }
  Arrival arrival(entrance);
  feed(arrival, hello_of(testing::fake_secret()), in_pieces_of(SIZE_MAX));
  EXPECT_TRUE(arrival.failed);
  EXPECT_TRUE(arrival.sent.empty());
  EXPECT_EQ(arrival.count(Counter::kFakeTlsReplaysFull), 1U);
}

Bytes record(uint8_t type, const Bytes& payload) {
  return Bytes{type, 0x03, 0x03, static_cast<uint8_t>(payload.size() >> 8),
               static_cast<uint8_t>(payload.size())} +
         payload;
}

TEST(DoorsHostile, AWrongRecordOfFakeTlsEndsTheConnectionBehindWhatCameBefore) {
  const Bytes opening(tls::kFakeChangeCipherSpec.begin(), tls::kFakeChangeCipherSpec.end());
  const Bytes good = record(0x17, payload_of(40));
  for (const Bytes& wrong : {record(0x15, {2, 40}), record(0x16, payload_of(5)), opening,
                             Bytes{0x17, 0x03, 0x03, 0xff, 0xff}}) {
    // Another hello each time, so that none is a replay of the one before.
    const auto end_of = [&](const Cut& cut) {
      Entrance entrance(fake_stack().listener);
      Arrival arrival(entrance);
      arrival.read(hello_of(testing::fake_secret()));
      feed(arrival, opening + good + wrong + good, cut);
      EXPECT_EQ(arrival.count(Counter::kFakeTlsErrors), 1U);
      EXPECT_TRUE(arrival.failed);
      return arrival.stream;
    };
    EXPECT_EQ(end_of(in_pieces_of(1)), payload_of(40));
    EXPECT_EQ(end_of(in_pieces_of(7)), payload_of(40));
    EXPECT_EQ(end_of(in_pieces_of(SIZE_MAX)), payload_of(40)) << "in one read";
  }
}

// A listener with ee secrets alone offers nothing to anybody else.
TEST(DoorsHostile, AListenerWithFakeTlsAloneTakesNoOtherStream) {
  const config::Listener listener = fake_stack().listener;
  const Bytes padded = Bytes(4, 0xdd) + payload_of(40);
  const Bytes obfuscated = testing::payload_of(64);
  for (const Bytes& wire : {payload_of(100), Bytes(4, 0xee) + payload_of(40), padded, obfuscated}) {
    Entrance entrance(listener);
    Arrival arrival(entrance);
    feed(arrival, wire, in_pieces_of(SIZE_MAX));
    ASSERT_NE(arrival.begun, nullptr);
    mtproto::ServerTransport transport(arrival.begun);
    transport.receive(arrival.stream);
    mtproto::Frame frame;
    EXPECT_EQ(transport.next(frame), mtproto::ServerTransport::Event::kError);
  }
}

// A stream that begins with the byte of a hello, as one in 256 does, is not taken for one for long.
TEST(DoorsHostile, AStreamMayBeginLikeAHello) {
  Stack stack = fake_stack();
  stack.listener.secrets.push_back(testing::fake_secret(0x55).key);
  const Bytes wire = Bytes{0x16} + payload_of(100);
  const End end = come_all_ways(stack.listener, wire, Counter::kFakeTlsRefused);
  EXPECT_TRUE(end.plain);
  EXPECT_EQ(end.stream, wire);
  EXPECT_EQ(end.counted, 0U);
}

// What any bytes come to does not hang on how they are cut, whatever they pass for.
TEST(DoorsHostile, AnyBytesComeToTheSameEndHoweverTheyAreCut) {
  const Bytes kStarts[] = {{},
                           bytes_of("PROXY TCP4 203.0.113.7 203.0.113.1 50007 443\r\n"),
                           bytes_of(request("GET /apiws")),
                           bytes_of("PROXY UNKNOWN\r\n" + request("GET /apiws")),
                           bytes_of("GET /"),
                           {0x16, 0x03, 0x01}};
  config::Listener listener = fake_stack(Protocol::kAuto).listener;
  listener.proxy_protocol.enabled = true;
  listener.secrets.push_back(testing::fake_secret(0x55).key);
  testing::SimRandom random(17);
  for (int i = 0; i < 300; ++i) {
    const Bytes& start = kStarts[random.between(0, std::size(kStarts) - 1)];
    Bytes wire = start + payload_of(random.between(1, 200), random.next());
    wire[random.between(0, wire.size() - 1)] ^= static_cast<uint8_t>(random.next());
    (void)come_all_ways(listener, wire, Counter::kHttpRequestsRefused);
    if (HasFailure()) FAIL() << "round " << i;
  }
}

}  // namespace
}  // namespace ringway::gateway
