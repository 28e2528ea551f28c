// HTTP clients of the running gateway: key exchanges over one connection and over many, messages,
// polls, pipelining, refusals, and what becomes of requests when somebody goes.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <string>
#include <vector>

#include "client/handshake.h"
#include "e2e/door_test.h"
#include "mtproto/tl.h"
#include "shard/shard.h"

namespace ringway::testing {
namespace {

constexpr int kPatienceMs = 20'000;
constexpr std::string_view kUnknownKey = "\x6c\xfe\xff\xff";

std::string http_post(std::string_view body, std::string_view path = "/apiw1",
                      std::string_view more = "") {
  return fmt::format("POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n{}\r\n{}", path,
                     body.size(), more, body);
}
std::string http_post(ByteView body) { return http_post(as_text(body)); }

Bytes http_wait(int32_t wait_ms) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kHttpWait);
  out.i32(0);
  out.i32(0);
  out.i32(wait_ms);
  return object;
}

struct Response {
  int status = 0;
  std::string head;
  std::string body;
};

class HttpTest : public DoorTest {
 protected:
  static constexpr const char* kLimits =
      "  Limits: {HandshakesPerAddressPerSecond: 0, UnknownKeysPerAddressPerSecond: 0}\n"
      "  Timeouts: {Frame: 1s}\n";

  static std::vector<Door> http_doors() {
    const CertificateFiles certificate = make_certificate_files(files(), "server");
    const std::string tls_text =
        fmt::format("Tls: {{Cert: {}, Key: {}}}", certificate.certificate, certificate.key);
    client::ClientDoorsOptions http;
    http.server_name = "localhost";
    http.http = true;
    client::ClientDoorsOptions https = http;
    https.tls = trust(certificate.certificate);
    client::ClientDoorsOptions proxied = http;
    proxied.proxy = client::ProxyVersion::kV2;
    proxied.source = proxy_address("203.0.113.7", 4711);
    proxied.destination = proxy_address("192.0.2.1", 443);
    return {
        {"http", free_port(), "Proto: http", "intermediate", http},
        {"gnetway", free_port(), "Proto: http, HttpErrorStyle: gnetway", "intermediate", http},
        {"auto", free_port(), "Proto: auto", "intermediate", http},
        {"https", free_port(), "Proto: auto, " + tls_text, "intermediate", https},
        {"PROXY", free_port(), "Proto: http, ProxyProtocol: {From: [127.0.0.0/8]}", "intermediate",
         proxied},
    };
  }

  // What the next answer is; status 0: there is none.
  static Response read_response(BlockingClient& client) {
    Response response;
    response.head = read_head(client);
    if (!response.head.starts_with("HTTP/1.1 ")) return response;
    response.status = std::stoi(response.head.substr(9, 3));
    const size_t field = response.head.find("Content-Length: ");
    if (field == std::string::npos) return response;
    const size_t length = std::stoul(response.head.substr(field + 16));
    response.body = as_text(read_exactly(client, length));
    return response;
  }
  static void send(BlockingClient& client, std::string_view text) {
    send_raw(client, as_bytes(text));
  }
  static void expect_pong_in(Response& response, const RawSession& session, const Sealed& ping) {
    ASSERT_EQ(response.status, 200) << response.head;
    Bytes frame(response.body.begin(), response.body.end());
    EXPECT_TRUE(brings_pong(frame, session, ping.msg_id));
  }
};

class HttpCases : public HttpTest {
 protected:
  static void SetUpTestSuite() { start_doors(http_doors(), kLimits); }
};

TEST_F(HttpCases, EveryDoorLeadsToTheShard) {
  for (const Door& door : doors()) {
    SCOPED_TRACE(door.name);
    auto client = enter(door);
    ASSERT_TRUE(client->make_key(stack().handshake()).ok()) << client->problem();
    EXPECT_TRUE(client->ping().ok()) << client->problem();
    EXPECT_TRUE(client->call(client::make_get_config(158, 4)).ok()) << client->problem();
    // A large one, which is opened and sealed in slices.
    const Bytes echo = client::make_echo(1, 300 * 1024);
    client::RequestOptions options;
    options.expect_reply = false;
    ASSERT_TRUE(client->send(echo, options).ok()) << client->problem();
    for (bool pushed = false; !pushed;) {
      const Arrival arrival = client->wait();
      ASSERT_EQ(arrival.kind, Arrival::Kind::kEvent) << arrival.to_string();
      pushed = arrival.event.kind == client::SessionEvent::Kind::kPush &&
               equal(arrival.event.body, echo);
    }
    EXPECT_TRUE(client->ping().ok()) << client->problem();
  }
  const auto lines = stack().record("conn_type=2");
  ASSERT_FALSE(lines.empty());
  EXPECT_EQ(field(lines.front(), "wire"), "unary");
  EXPECT_EQ(field(lines.front(), "perm_auth_key_id"), field(lines.front(), "auth_key_id"));
  EXPECT_FALSE(stack().record("client_ip=203.0.113.7").empty());
  // It has no session that could be closed, or pushed to.
  EXPECT_TRUE(stack().record("close wire=unary conn_type=2").empty());
}

// Each request of an exchange comes by another connection, and so by any worker.
TEST_F(HttpCases, AnExchangeMayComeByManyConnections) {
  for (int i = 0; i < 12; ++i) {
    client::Handshake handshake(stack().handshake());
    Bytes object = handshake.start();
    while (!handshake.done()) {
      auto client = enter(door("http"));
      ASSERT_TRUE(client->send_unencrypted(object).ok()) << client->problem();
      const Arrival answer = client->wait();
      ASSERT_EQ(answer.kind, Arrival::Kind::kUnencrypted) << answer.to_string();
      auto outcome = handshake.on_answer(answer.payload, read_clocks());
      ASSERT_NE(outcome.kind, client::Handshake::Outcome::Kind::kFailed);
      // An acknowledgement is answered too, with nothing.
      const int64_t acked[] = {1};
      ASSERT_TRUE(client->send_unencrypted(client::make_msgs_ack(acked)).ok());
      // And the same request again, with the same answer.
      ASSERT_TRUE(client->send_unencrypted(object).ok());
      const Arrival again = client->wait();
      ASSERT_EQ(again.kind, Arrival::Kind::kUnencrypted) << again.to_string();
      EXPECT_TRUE(equal(again.payload, answer.payload));
      object = std::move(outcome.object);
    }
    auto client = enter(door("auto"));
    client->use_key(SessionKey::from(handshake.result()));
    EXPECT_TRUE(client->ping().ok()) << client->problem();
  }
}

TEST_F(HttpCases, OneConnectionUsesKeysOfEveryHome) {
  std::vector<SessionKey> keys = {key()};
  for (int i = 0; i < 6; ++i) {
    auto client = enter(door("http"));
    const auto made = client->exchange(stack().handshake());
    ASSERT_TRUE(made.ok()) << client->problem();
    keys.push_back(SessionKey::from(*made));
  }
  auto client = knock(door("http"));
  for (int round = 0; round < 3; ++round) {
    for (const SessionKey& one : keys) {
      RawSession session(one);
      const Sealed ping = session.ping();
      send(*client, http_post(ping.frame));
      Response response = read_response(*client);
      expect_pong_in(response, session, ping);
    }
  }
}

TEST_F(HttpCases, PipelinedRequestsAreAnsweredInOrder) {
  auto client = knock(door("http"));
  for (const size_t piece : {size_t{1} << 20, size_t{700}}) {
    std::vector<RawSession> sessions;
    std::vector<Sealed> pings;
    std::string requests;
    for (int i = 0; i < 20; ++i) {
      sessions.emplace_back(key());
      pings.push_back(sessions.back().ping());
      requests += http_post(pings.back().frame);
      if (i % 5 == 0) requests += "OPTIONS /apiw1?x=1 HTTP/1.1\r\nHost: a\r\n\r\n";
    }
    send_raw(*client, as_bytes(requests), piece);
    for (int i = 0; i < 20; ++i) {
      Response response = read_response(*client);
      expect_pong_in(response, sessions[i], pings[i]);
      if (i % 5 != 0) continue;
      const Response options = read_response(*client);
      EXPECT_EQ(options.status, 200);
      EXPECT_NE(options.head.find("Access-Control-Allow-Origin: *"), std::string::npos);
      EXPECT_EQ(options.body, "");
    }
  }
}

TEST_F(HttpCases, TransportErrorsAreSaidAsTheListenerHasIt) {
  SessionKey unknown = key();
  unknown.auth_key_id ^= 0x5555;
  for (const auto& [name, status] : {std::pair("http", 404), std::pair("gnetway", 200)}) {
    auto client = knock(door(name));
    RawSession session(unknown);
    send(*client, http_post(session.ping().frame));
    const Response response = read_response(*client);
    EXPECT_EQ(response.status, status) << response.head;
    EXPECT_EQ(response.body, kUnknownKey);
    EXPECT_TRUE(read_to_end(*client).empty());
  }
}

TEST_F(HttpCases, WhatIsNoRequestOfOursIsRefusedAndClosed) {
  RawSession session(key());
  Bytes broken = session.ping().frame;
  broken[30] ^= 1;
  const std::vector<std::pair<std::string, int>> requests = {
      {"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 501},
      {"POST /api HTTP/1.1\r\n\r\n", 400},
      {"POST /api HTTP/1.1\r\nContent-Length: 8\r\nContent-Length: 4\r\n\r\n", 400},
      {"POST /api HTTP/1.1\r\nContent-Length: 2097152\r\n\r\n", 413},
      {"POST /api HTTP/1.1\r\nA: " + std::string(9000, 'a') + "\r\n\r\n", 431},
      {"POST /" + std::string(1500, 'a') + " HTTP/1.1\r\n\r\n", 414},
      {http_post("1234", "/nowhere"), 404},
      {"GET /apiw1 HTTP/1.1\r\n\r\n", 405},
      {"GET /apiws HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", 404},
      {http_post("12345"), 400},
      {http_post("1234"), 400},
      {http_post(std::string(72, 'x')), 404},  // a key that nobody has
      {http_post(broken), 400},
      {http_post(std::string(8, '\0') + std::string(40, 'x')), 400},
      {std::string("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11), 400},
  };
  for (const auto& [request, status] : requests) {
    auto client = knock(door("http"));
    send(*client, request);
    const Response response = read_response(*client);
    EXPECT_EQ(response.status, status) << request.substr(0, 60);
    EXPECT_NE(response.head.find("Connection: close"), std::string::npos);
    EXPECT_TRUE(read_to_end(*client).empty());
  }
}

// What two readers could take for different requests is never one of ours.
TEST_F(HttpCases, NothingIsSmuggled) {
  const std::string hidden = http_post("1234");
  const std::vector<std::string> requests = {
      "POST /api HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" +
          hidden,
      "POST /api HTTP/1.1\r\nContent-Length: 4, 4\r\n\r\n1234" + hidden,
      "POST /api HTTP/1.1\r\nContent-Length : 4\r\n\r\n1234" + hidden,
      "POST /api HTTP/1.1\r\nContent-Length: 4\n\r\n1234" + hidden,
      "POST /api HTTP/1.1\r\nX: a\r\n Content-Length: 4\r\n\r\n1234" + hidden,
      "POST /api HTTP/1.1\r\nContent-Length: +4\r\n\r\n1234" + hidden,
      "OPTIONS /api HTTP/1.1\r\nContent-Length: 60\r\n\r\n" + hidden,
  };
  for (const std::string& request : requests) {
    auto client = knock(door("http"));
    send(*client, request);
    EXPECT_GE(read_response(*client).status, 400) << request;
    EXPECT_TRUE(read_to_end(*client).empty()) << request;
  }
}

TEST_F(HttpCases, ASlowRequestEndsInTime) {
  auto head = knock(door("http"));
  send(*head, http_post("1234").substr(0, 30));
  auto body = knock(door("http"));
  send(*body, http_post(std::string(1000, 'x')).substr(0, 200));
  auto second = knock(door("http"));
  send(*second, "OPTIONS /api HTTP/1.1\r\n\r\nPOST /api HT");
  EXPECT_EQ(read_response(*second).status, 200);
  EXPECT_EQ(read_response(*body).status, 408);
  EXPECT_EQ(read_response(*second).status, 408);
  EXPECT_EQ(read_response(*head).status, 408);
}

TEST_F(HttpCases, APollThatBringsNothingIsAnEmptyContainer) {
  auto client = knock(door("http"));
  RawSession session(key());
  const Sealed ping = session.ping();
  send(*client, http_post(ping.frame));
  Response response = read_response(*client);
  expect_pong_in(response, session, ping);
  send(*client, http_post(session.seal(http_wait(50)).frame) + http_post(session.ping().frame));
  response = read_response(*client);
  EXPECT_EQ(response.status, 200);
  // 24 bytes of header; salt, session_id, msg_id, seq_no, length, an empty container; padding.
  EXPECT_GE(response.body.size(), 24u + 40 + 12);
  EXPECT_LE(response.body.size(), 24u + 40 + 28);
  EXPECT_EQ(read_response(*client).status, 200);
}

TEST_F(HttpCases, WhoGoesTakesItsPollAlong) {
  const uint64_t before = stack().counter("http_calls_cancelled");
  const uint64_t begun = stack().counter("http_calls");
  auto client = knock(door("http"));
  RawSession session(key());
  send(*client, http_post(session.seal(http_wait(25'000)).frame));
  ASSERT_EQ(read_response(*client).status, 200);  // the session is announced
  send(*client, http_post(session.seal(http_wait(25'000)).frame));
  ASSERT_TRUE(stack().wait_counter("http_calls", begun + 2, kPatienceMs));
  client.reset();
  EXPECT_TRUE(stack().wait_counter("http_calls_cancelled", before + 1, kPatienceMs));
}

TEST_F(HttpCases, ATemporaryKeyIsBoundAndUsed) {
  auto client = enter(door("http"));
  auto options = stack().handshake();
  options.expires_in = 3600;
  ASSERT_TRUE(client->make_key(options).ok()) << client->problem();
  EXPECT_TRUE(client->ping().ok()) << client->problem();
  EXPECT_FALSE(client->call(client::make_get_config(158, 4)).ok());
  EXPECT_NE(client->problem().find("AUTH_KEY_PERM_EMPTY"), std::string::npos) << client->problem();
  const auto expires_at = static_cast<int32_t>(read_clocks().unix_seconds() + 3600);
  ASSERT_TRUE(client->bind(key(), expires_at).ok()) << client->problem();
  EXPECT_TRUE(client->call(client::make_get_config(158, 4)).ok()) << client->problem();
  SessionKey stranger = key();
  stranger.auth_key_id ^= 0x33;
  EXPECT_TRUE(client->ping().ok()) << client->problem();
}

// A forged bind is refused and leads nowhere.
TEST_F(HttpCases, ABindOfAStrangersKeyIsRefused) {
  auto client = enter(door("http"));
  auto options = stack().handshake();
  options.expires_in = 3600;
  ASSERT_TRUE(client->make_key(options).ok()) << client->problem();
  SessionKey stranger = key();
  stranger.auth_key_id ^= 0x33;
  const auto expires_at = static_cast<int32_t>(read_clocks().unix_seconds() + 3600);
  EXPECT_FALSE(client->bind(stranger, expires_at).ok());
  EXPECT_NE(client->problem().find("ENCRYPTED_MESSAGE_INVALID"), std::string::npos)
      << client->problem();
  EXPECT_FALSE(client->call(client::make_get_config(158, 4)).ok());
}

TEST_F(HttpCases, AShardThatGoesIsABadGateway) {
  auto client = knock(door("http"));
  RawSession session(key());
  send(*client, http_post(session.seal(http_wait(25'000)).frame));
  ASSERT_EQ(read_response(*client).status, 200);
  const uint64_t begun = stack().counter("http_calls");
  send(*client, http_post(session.seal(http_wait(25'000)).frame));
  ASSERT_TRUE(stack().wait_counter("http_calls", begun + 1, kPatienceMs));
  stack().shard().signal(SIGKILL);
  EXPECT_EQ(read_response(*client).status, 502);
  EXPECT_TRUE(read_to_end(*client).empty());
  (void)stack().shard().wait(kPatienceMs);
  stack().start_shard({"--load-methods"});
  std::unique_ptr<BlockingClient> healthy;
  RawSession after(key());
  const Sealed ping = after.ping();
  // Until the link is up again, requests are refused.
  Response response;
  const auto served = [&] {
    healthy = knock(door("http"));
    send(*healthy, http_post(ping.frame));
    response = read_response(*healthy);
    return response.status == 200;
  };
  EXPECT_TRUE(wait_until(served, kPatienceMs));
  expect_pong_in(response, after, ping);
}

class HttpShutdown : public HttpTest {
 protected:
  static void SetUpTestSuite() { start_doors(http_doors(), kLimits); }
  void TearDown() override {}  // nothing goes on
};

TEST_F(HttpShutdown, EndsPolls) {
  auto poll = knock(door("http"));
  RawSession session(key());
  send(*poll, http_post(session.seal(http_wait(25'000)).frame));
  ASSERT_EQ(read_response(*poll).status, 200);
  const uint64_t begun = stack().counter("http_calls");
  send(*poll, http_post(session.seal(http_wait(25'000)).frame));
  ASSERT_TRUE(stack().wait_counter("http_calls", begun + 1, kPatienceMs));
  auto idle = knock(door("http"));
  stack().gateway().signal(SIGTERM);
  EXPECT_EQ(read_response(*poll).status, 503);
  EXPECT_TRUE(read_to_end(*poll).empty());
  EXPECT_TRUE(read_to_end(*idle).empty());
  EXPECT_EQ(stack().gateway().wait(kPatienceMs), 0) << stack().gateway_log();
}

// With a shard in this process, which pushes when it is told to.
class HttpPushes : public HttpTest {
 protected:
  static void SetUpTestSuite() {
    shard_ = std::make_unique<shard::ReferenceShard>();
    ASSERT_EQ(shard_->start({}), "");
    port_ = free_port();
    start_stack({.ringway_yaml = fmt::format("{}  Listeners:\n    - {{Address: \"127.0.0.1:{}\", "
                                             "Proto: http}}\n",
                                             kLimits, port_),
                 .cluster_yaml =
                     fmt::format("Session:\n  Endpoints: [\"127.0.0.1:{}\"]\n", shard_->port())});
  }
  static void TearDownTestSuite() {
    HttpTest::TearDownTestSuite();
    shard_.reset();
  }
  static inline std::unique_ptr<shard::ReferenceShard> shard_;
  static inline uint16_t port_ = 0;
};

TEST_F(HttpPushes, APollIsAnsweredByALaterPush) {
  Door http;
  http.port = port_;
  http.transport = "intermediate";
  http.options.http = true;
  auto client = enter_with_key(http);
  ASSERT_TRUE(client->ping().ok()) << client->problem();
  for (int64_t i = 0; i < 5; ++i) {
    client::RequestOptions options;
    options.expect_reply = false;
    options.content_related = false;
    const uint64_t taken = shard_->stats().messages;
    ASSERT_TRUE(client->send(http_wait(25'000), options).ok());
    ASSERT_TRUE(wait_until([&] { return shard_->stats().messages > taken; }, kPatienceMs));
    const Bytes update = client::make_echo(i, 64);
    ASSERT_TRUE(shard_->push(key().auth_key_id, client->session().session_id(), update));
    for (bool pushed = false; !pushed;) {
      const Arrival arrival = client->wait();
      ASSERT_EQ(arrival.kind, Arrival::Kind::kEvent) << arrival.to_string();
      pushed = arrival.event.kind == client::SessionEvent::Kind::kPush &&
               equal(arrival.event.body, update);
    }
  }
}

}  // namespace
}  // namespace ringway::testing
