// The client's side of the doors with servers that refuse it or break a protocol: what it says of
// them. That it talks with servers that keep to the protocols is shown with the gateway's doors.
#include "client/client_doors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>

#include "door/http_api.h"
#include "tls/fake_hello.h"
#include "tls/openssl_peer.h"

namespace ringway::client {
namespace {

constexpr int64_t kUnixSeconds = 1'700'000'000;

Bytes bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

tls::FakeTlsSecret secret_of(uint8_t first) {
  tls::FakeTlsSecret secret;
  for (uint8_t& byte : secret.key.span()) byte = first++;
  secret.domain = "www.example.org";
  return secret;
}

struct Visitor {
  explicit Visitor(ClientDoorsOptions with) : options(std::move(with)), doors(options) {
    EXPECT_TRUE(doors.start(kUnixSeconds, out).ok()) << doors.problem();
  }

  Result<void> hear(ByteView bytes, size_t piece_bytes = SIZE_MAX) {
    Result<void> result;
    while (!bytes.empty() && result.ok()) {
      const size_t size = std::min(piece_bytes, bytes.size());
      Bytes read(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
      result = doors.receive(read, stream, out);
      bytes = bytes.subspan(size);
    }
    return result;
  }

  // The server's answer to the request that has gone out.
  [[nodiscard]] Bytes accept() const {
    constexpr std::string_view kField = "Sec-WebSocket-Key: ";
    const std::string_view request = as_text(out);
    const size_t at = request.find(kField) + kField.size();
    Bytes answer(door::kHttpResponseBytesMax);
    answer.resize(door::write_websocket_accept(request.substr(at, 24), answer));
    return answer;
  }

  const ClientDoorsOptions options;
  ClientDoors doors;
  Bytes out;
  Bytes stream;
};

ClientDoorsOptions websocket() {
  ClientDoorsOptions options;
  options.websocket = true;
  return options;
}

void expect_end(Visitor& visitor, const Bytes& answer, size_t piece_bytes, Error error,
                std::string_view problem) {
  const Result<void> result = visitor.hear(answer, piece_bytes);
  ASSERT_FALSE(result.ok()) << problem;
  EXPECT_EQ(result.error(), error);
  EXPECT_EQ(visitor.doors.problem(), problem);
}

TEST(ClientDoors, SaysHowAServerRefusesTheWebSocket) {
  const std::pair<std::string, std::string_view> kAnswers[] = {
      {"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
       "WebSocket: the server says 'HTTP/1.1 404 Not Found'"},
      {"SSH-2.0-x\r\n\r\n", "WebSocket: the server says 'SSH-2.0-x'"},
      {"HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: AAAA\r\n\r\n",
       "WebSocket: the server's Sec-WebSocket-Accept is wrong"},
  };
  for (const auto& [answer, problem] : kAnswers) {
    for (const size_t piece : {size_t{SIZE_MAX}, size_t{1}}) {
      Visitor visitor(websocket());
      EXPECT_TRUE(as_text(visitor.out).starts_with("GET /apiws HTTP/1.1\r\n"));
      expect_end(visitor, bytes_of(answer), piece, Error::kMalformed, problem);
      EXPECT_FALSE(visitor.doors.is_open());
    }
  }
}

TEST(ClientDoors, AnAnswerWithoutAnEndIsGivenUp) {
  Visitor visitor(websocket());
  const Bytes answer = bytes_of("HTTP/1.1 101 Ok\r\nA: " + std::string(100'000, 'a'));
  expect_end(visitor, answer, 1000, Error::kTooLarge, "WebSocket: an endless answer");
}

TEST(ClientDoors, WhatWaitedGoesOutWhenTheDoorIsOpen) {
  Visitor visitor(websocket());
  const Bytes answer = visitor.accept();
  visitor.out.clear();
  ASSERT_TRUE(visitor.doors.wrap(bytes_of("first "), visitor.out).ok());
  ASSERT_TRUE(visitor.doors.wrap(bytes_of("words"), visitor.out).ok());
  EXPECT_TRUE(visitor.out.empty()) << "nobody has let it in";
  ASSERT_TRUE(visitor.hear(answer, 1).ok()) << visitor.doors.problem();
  EXPECT_TRUE(visitor.doors.is_open());
  door::WebSocketReader reader(door::WsRole::kServer);
  door::WebSocketReader::Piece piece;
  reader.receive(visitor.out);
  ASSERT_EQ(reader.next(piece), door::WebSocketReader::Event::kData);
  EXPECT_EQ(as_text(piece.bytes), "first words");
  EXPECT_EQ(reader.next(piece), door::WebSocketReader::Event::kNeedMore);
}

TEST(ClientDoors, SaysHowAServerEndsTheWebSocket) {
  const std::pair<Bytes, std::string_view> kEnds[] = {
      {{0x88, 0x02, 0x03, 0xe9}, "WebSocket: closed by the server with 1001"},
      {{0x81, 0x01, 'a'}, "WebSocket: a wrong frame"},
      {{0x82, 0x81, 0, 0, 0, 0, 'a'}, "WebSocket: a wrong frame"},
  };
  for (const auto& [last, problem] : kEnds) {
    for (const size_t piece : {size_t{SIZE_MAX}, size_t{1}}) {
      Visitor visitor(websocket());
      const Error error = last[0] == 0x88 ? Error::kNotFound : Error::kMalformed;
      const Bytes answer = visitor.accept() + Bytes{0x82, 0x02, 'h', 'i'} + last;
      expect_end(visitor, answer, piece, error, problem);
      EXPECT_EQ(as_text(visitor.stream), "hi") << "what came before counts";
    }
  }
}

TEST(ClientDoors, AnswersPings) {
  Visitor visitor(websocket());
  const Bytes answer = visitor.accept() + Bytes{0x89, 0x03, 'a', 'b', 'c'};
  visitor.out.clear();
  ASSERT_TRUE(visitor.hear(answer, 1).ok());
  door::WebSocketReader reader(door::WsRole::kServer);
  door::WebSocketReader::Piece piece;
  reader.receive(visitor.out);
  ASSERT_EQ(reader.next(piece), door::WebSocketReader::Event::kPong);
  EXPECT_EQ(as_text(piece.bytes), "abc");
}

// --- fake TLS

ClientDoorsOptions fake_tls() {
  ClientDoorsOptions options;
  options.fake_tls = secret_of(1);
  return options;
}

TEST(ClientDoors, AFlightThatIsNotTheServersIsRefused) {
  const tls::FakeTlsSecret others = secret_of(99);
  for (const size_t piece : {size_t{SIZE_MAX}, size_t{1}}) {
    Visitor stranger(fake_tls());
    expect_end(stranger, bytes_of("HTTP/1.1 400 Bad Request\r\n\r\n"), piece, Error::kMalformed,
               "fake TLS: the server's flight is wrong");

    // It answers the hello, and does not know the key.
    Visitor visitor(fake_tls());
    const tls::FakeTlsSecret own = secret_of(1);
    const auto hello = tls::read_fake_hello(visitor.out, {&own, 1}, kUnixSeconds);
    ASSERT_TRUE(hello.ok());
    expect_end(visitor, tls::make_fake_flight(*hello, others), piece, Error::kMalformed,
               "fake TLS: the server's flight is wrong");
    EXPECT_FALSE(visitor.doors.is_open());
  }
}

TEST(ClientDoors, AWrongRecordOfFakeTlsEndsTheConnection) {
  Visitor visitor(fake_tls());
  const tls::FakeTlsSecret own = secret_of(1);
  const auto hello = tls::read_fake_hello(visitor.out, {&own, 1}, kUnixSeconds);
  ASSERT_TRUE(hello.ok());
  const Bytes answer = tls::make_fake_flight(*hello, own) + Bytes{0x17, 3, 3, 0, 2, 'h', 'i'} +
                       Bytes{0x15, 3, 3, 0, 2, 2, 40};
  expect_end(visitor, answer, 1, Error::kMalformed, "fake TLS: a wrong record");
  EXPECT_EQ(as_text(visitor.stream), "hi");
}

// --- TLS

// Both sides until one gives up or there is nothing left to say.
Result<void> shake_hands(Visitor& visitor, tls::TlsStream& server) {
  while (!visitor.out.empty()) {
    EXPECT_TRUE(server.receive(std::exchange(visitor.out, Bytes())).ok());
    if (!server.handshake_step().ok()) return Error::kMalformed;
    const Bytes answer(server.pending_output().begin(), server.pending_output().end());
    server.consume_output(answer.size());
    RW_TRY(visitor.hear(answer));
  }
  return {};
}

std::shared_ptr<const tls::TlsContext> trusting(const tls::TestCertificate& certificate) {
  tls::TestFiles files;
  const tls::TlsLoaded loaded = tls::TlsContext::client(
      {.ca_file = files.write("ca.pem", certificate.certificate), .insecure = false});
  EXPECT_NE(loaded.context, nullptr) << loaded.error;
  return loaded.context;
}

TEST(ClientDoors, ACertificateThatIsNotTrustedEndsTheConnection) {
  const tls::TestCertificate certificate = tls::make_certificate();
  struct Case {
    tls::TestCertificate trusted;
    std::string name;
    bool good;
  };
  const Case cases[] = {{certificate, "gateway.example", true},
                        {certificate, "another.example", false},
                        {tls::make_certificate(), "gateway.example", false}};
  for (const Case& a_case : cases) {
    ClientDoorsOptions options;
    options.tls = trusting(a_case.trusted);
    options.server_name = a_case.name;
    Visitor visitor(options);
    tls::TlsStream server(tls::server_context(certificate));
    const Result<void> result = shake_hands(visitor, server);
    EXPECT_EQ(result.ok(), a_case.good) << visitor.doors.problem();
    EXPECT_EQ(visitor.doors.is_open(), a_case.good);
    if (a_case.good) continue;
    EXPECT_EQ(visitor.doors.problem(), "TLS: certificate verify failed");
    EXPECT_FALSE(visitor.out.empty()) << "the server is told";
  }
}

TEST(ClientDoors, SaysWhatAServerWithoutTlsIs) {
  ClientDoorsOptions options;
  options.tls = trusting(tls::make_certificate());
  options.server_name = "gateway.example";
  Visitor visitor(options);
  expect_end(visitor, bytes_of("HTTP/1.1 400 Bad Request\r\n\r\n"), 1, Error::kMalformed,
             "TLS: wrong version number");
}

}  // namespace
}  // namespace ringway::client
