// The requests of a connection, however they are cut, and their answers in order.
#include "door/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "http_testing.h"

namespace ringway::door {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Kind = HttpStep::Kind;

std::string post(std::string_view body, std::string_view more = "") {
  return "POST /apiw1 HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n" + std::string(more) + "\r\n" + std::string(body);
}
const std::string kOptions = "OPTIONS /apiw1 HTTP/1.1\r\nHost: a\r\n\r\n";

std::string framed(std::string_view body) {
  std::string frame(4, '\0');
  store_le(reinterpret_cast<uint8_t*>(frame.data()), static_cast<uint32_t>(body.size()));
  return frame + std::string(body);
}

// A connection as its caller drives it; each frame is answered with itself in capitals.
struct Connection {
  HttpServer server;
  std::string kept;
  std::string frames;
  std::string sent;
  bool upgraded = false;
  std::string behind_upgrade;

  explicit Connection(HttpServed served = {}, bool by_status = true) : server(served, by_status) {}

  void receive(std::string_view bytes) {
    const size_t searched = kept.size();
    kept += bytes;
    if (!server.awaits_answer()) go_on(searched);
  }
  void go_on(size_t searched) {
    while (!kept.empty() && !server.ended() && !server.awaits_answer()) {
      Bytes memory(kept.begin(), kept.end());  // of exactly this size
      Bytes reply;
      const HttpStep step = server.take(memory, searched, reply);
      sent += as_text(reply);
      searched = 0;
      if (step.kind == Kind::kNeedMore) return;
      frames += as_text(step.frame);
      kept.erase(0, step.consumed);
      if (step.kind == Kind::kUpgrade) {
        upgraded = true;
        behind_upgrade = kept;
      }
    }
  }
  void answer(std::string_view payload) {
    Bytes out;
    server.answer(as_bytes(payload), out);
    sent += as_text(out);
    go_on(0);
  }
};

TEST(HttpServer, ABodyBecomesAFrameHoweverItIsCut) {
  const std::string stream = post("abcdefgh");
  for (size_t step = 1; step <= stream.size(); ++step) {
    Connection connection;
    for (size_t at = 0; at < stream.size(); at += step) {
      EXPECT_FALSE(connection.server.awaits_answer());
      connection.receive(std::string_view(stream).substr(at, step));
    }
    EXPECT_EQ(connection.frames, framed("abcdefgh")) << step;
    EXPECT_TRUE(connection.server.awaits_answer());
    EXPECT_EQ(connection.sent, "");
    connection.answer("wxyz");
    EXPECT_THAT(connection.sent, StartsWith("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"
                                            "Connection: keep-alive\r\n"));
    EXPECT_TRUE(connection.sent.ends_with("\r\n\r\nwxyz"));
    EXPECT_FALSE(connection.server.ended());
  }
}

// What comes behind a request is not looked at before that is answered.
TEST(HttpServer, PipelinedRequestsWaitForTheirTurn) {
  Connection connection;
  connection.receive(post("1111") + kOptions + post("2222") + "GET / HTTP/1.1\r\n\r\n");
  EXPECT_EQ(connection.frames, framed("1111"));
  EXPECT_EQ(connection.sent, "");
  connection.answer("aaaa");
  EXPECT_EQ(connection.frames, framed("1111") + framed("2222"));
  // The answer, and that to OPTIONS behind it.
  EXPECT_THAT(connection.sent, HasSubstr("aaaaHTTP/1.1 200 OK\r\nContent-Length: 0\r\n"));
  EXPECT_FALSE(connection.server.ended());
  connection.answer("bbbb");
  EXPECT_THAT(connection.sent, HasSubstr("bbbbHTTP/1.1 404 Not Found\r\n"));
  EXPECT_TRUE(connection.server.ended());
}

TEST(HttpServer, TheConnectionEndsWhenTheClientWantsThat) {
  for (const char* how : {"Connection: close\r\n", "connection: foo, Close\r\n"}) {
    Connection connection;
    connection.receive(post("1111", how));
    EXPECT_FALSE(connection.server.ended());
    connection.answer("aaaa");
    EXPECT_THAT(connection.sent, HasSubstr("\r\nConnection: close\r\n"));
    EXPECT_TRUE(connection.server.ended());
  }
  Connection old;
  old.receive("POST /api HTTP/1.0\r\nContent-Length: 4\r\n\r\n1111");
  old.answer("aaaa");
  EXPECT_TRUE(old.server.ended());
  Connection kept;
  kept.receive("POST /api HTTP/1.0\r\nContent-Length: 4\r\nConnection: keep-alive\r\n\r\n1111");
  kept.answer("aaaa");
  EXPECT_FALSE(kept.server.ended());
  Connection options;
  options.receive("OPTIONS /api HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(options.server.ended());
}

TEST(HttpServer, TransportErrorsAreStatusAndBody) {
  constexpr std::string_view kUnknownKey = "\x6c\xfe\xff\xff";
  Connection by_status;
  by_status.receive(post("1111"));
  by_status.answer(kUnknownKey);
  EXPECT_THAT(by_status.sent, StartsWith("HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n"
                                         "Connection: close\r\n"));
  EXPECT_TRUE(by_status.sent.ends_with(kUnknownKey));
  EXPECT_TRUE(by_status.server.ended());
  Connection flood;
  flood.receive(post("1111"));
  flood.answer("\x53\xfe\xff\xff");
  EXPECT_THAT(flood.sent, StartsWith("HTTP/1.1 429 Too Many Requests\r\n"));
  Connection by_body({}, false);
  by_body.receive(post("1111"));
  by_body.answer(kUnknownKey);
  EXPECT_THAT(by_body.sent, StartsWith("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n"));
  EXPECT_TRUE(by_body.sent.ends_with(kUnknownKey));
  EXPECT_TRUE(by_body.server.ended());
  // Four bytes that are no error, and none.
  Connection plain;
  plain.receive(post("1111"));
  plain.answer(std::string_view("\0\0\0\0", 4));
  EXPECT_FALSE(plain.server.ended());
  plain.receive(post("1111"));
  plain.answer("");
  EXPECT_THAT(plain.sent, HasSubstr("Content-Length: 0\r\n"));
  EXPECT_FALSE(plain.server.ended());
}

TEST(HttpServer, WhoExpectsToBeToldIsTold) {
  Connection connection;
  const std::string request = post("1111", "Expect: 100-continue\r\n");
  connection.receive(request.substr(0, request.size() - 4));
  EXPECT_EQ(connection.sent, kHttpContinue);
  connection.receive("1111");
  EXPECT_EQ(connection.frames, framed("1111"));
  EXPECT_EQ(connection.sent, kHttpContinue);
  Connection eager;
  eager.receive(request);
  EXPECT_EQ(eager.sent, "");
  EXPECT_EQ(eager.frames, framed("1111"));
  Connection refused;
  refused.receive("POST /nowhere HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n");
  EXPECT_THAT(refused.sent, StartsWith("HTTP/1.1 404"));
}

TEST(HttpServer, ARefusalIsTheLastWord) {
  const std::vector<std::pair<std::string, std::string>> requests = {
      {"POST /api HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1111\r\n0\r\n\r\n", "501"},
      {"POST /api HTTP/1.1\r\n\r\n", "400"},
      {"POST /api HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 8\r\n\r\n1111", "400"},
      {"POST /api HTTP/1.1\r\nContent-Length: 4\r\nTransfer-Encoding: x\r\n\r\n1111", "400"},
      {"POST /api HTTP/1.1\r\nContent-Length: 5\r\n\r\n11111", "400"},
      {"POST /api HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "400"},
      {"POST /api HTTP/1.1\r\nContent-Length: 2097152\r\n\r\n", "413"},
      {"POST /api HTTP/1.1\r\nA: " + std::string(9000, 'a') + "\r\n\r\n", "431"},
      {"POST /" + std::string(2000, 'a') + " HTTP/1.1\r\n\r\n", "414"},
      {"PUT /api HTTP/1.1\r\nContent-Length: 4\r\n\r\n1111", "405"},
      {"GET /api HTTP/1.1\r\n\r\n", "405"},
      {std::string("\x16\x03\x01\x02\x00", 5), "400"},
  };
  for (const auto& [request, status] : requests) {
    Connection connection;
    connection.receive(request + post("2222"));
    EXPECT_THAT(connection.sent, StartsWith("HTTP/1.1 " + status)) << request.substr(0, 80);
    EXPECT_THAT(connection.sent, HasSubstr("Connection: close\r\n"));
    EXPECT_TRUE(connection.server.ended());
    EXPECT_EQ(connection.frames, "");
  }
  Connection busy;
  busy.receive(post("1111"));
  Bytes out;
  busy.server.refuse(502, out);
  EXPECT_THAT(std::string(as_text(out)), StartsWith("HTTP/1.1 502 Bad Gateway\r\n"));
  EXPECT_TRUE(busy.server.ended());
}

TEST(HttpServer, AnUpgradeIsForAFreshConnectionThatMayHaveIt) {
  const std::string upgrade =
      "GET /apiws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
      "Sec-WebSocket-Protocol: binary\r\n\r\n";
  Connection fresh;
  fresh.receive(upgrade + "stream");
  EXPECT_TRUE(fresh.upgraded);
  EXPECT_EQ(fresh.behind_upgrade, "stream");
  EXPECT_THAT(fresh.sent, HasSubstr("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
  Connection used;
  used.receive(kOptions + upgrade);
  EXPECT_FALSE(used.upgraded);
  EXPECT_THAT(used.sent, HasSubstr("HTTP/1.1 400"));
  Connection posts({.post = true, .websocket = false});
  posts.receive(upgrade);
  EXPECT_THAT(posts.sent, StartsWith("HTTP/1.1 404"));
  Connection sockets({.post = false, .websocket = true});
  sockets.receive(post("1111"));
  EXPECT_THAT(sockets.sent, StartsWith("HTTP/1.1 404"));
}

}  // namespace
}  // namespace ringway::door
