// What requests are taken for, and the answers to the byte.
#include "door/http_api.h"

#include "http_testing.h"

namespace ringway::door::testing {
namespace {

using Kind = HttpVerdict::Kind;

std::string judge(const std::string& text, const HttpServed& served = {}) {
  const HttpVerdict verdict = judge_request(facts_of(text), served);
  switch (verdict.kind) {
    case Kind::kPost:
      return "post " + std::to_string(verdict.body_bytes);
    case Kind::kOptions:
      return "options";
    case Kind::kUpgrade:
      return "upgrade";
    case Kind::kRefused:
      return std::to_string(verdict.status);
  }
  return "";
}

std::string judge_line(std::string_view line, const HttpServed& served = {}) {
  return judge(request(line, {"Content-Length: 40"}), served);
}

std::string judge_post(std::initializer_list<std::string_view> fields) {
  return judge(request("POST /api HTTP/1.1", fields));
}

// A handshake, with one of its fields left out or replaced.
std::string judge_handshake(std::string_view without = "-", std::string_view instead = "",
                            std::string_view line = "GET /apiws HTTP/1.1") {
  std::string text(line);
  for (const std::string_view field :
       {"Host: x", "Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: binary"}) {
    if (!field.starts_with(without)) text += "\r\n" + std::string(field);
  }
  if (!instead.empty()) text += "\r\n" + std::string(instead);
  return judge(text + "\r\n\r\n");
}

TEST(HttpApi, PathsOfMessages) {
  for (const std::string_view path :
       {"/api", "/apiw1", "/apiw1_test", "/apiw_test1", "/apiw1_premium", "/api?x=1"}) {
    const std::string target(path);
    EXPECT_EQ(judge_line("POST " + target + " HTTP/1.1"), "post 40") << path;
    EXPECT_EQ(judge(request("OPTIONS " + target + " HTTP/1.1", {})), "options") << path;
    for (const std::string_view method : {"GET ", "HEAD ", "PUT ", "DELETE "}) {
      EXPECT_EQ(judge_line(std::string(method) + target + " HTTP/1.1"), "405") << method << path;
    }
  }
  for (const std::string_view path : {"/", "/ap", "/api/", "/API", "/apiw", "/apiw2", "//api",
                                      "/%61pi", "/apiws/", "/apiws2", "*"}) {
    for (const std::string_view method : {"GET ", "OPTIONS "}) {
      EXPECT_EQ(judge_line(std::string(method) + std::string(path) + " HTTP/1.1"), "404") << path;
    }
  }
  EXPECT_EQ(judge_line("CONNECT host:443 HTTP/1.1"), "404");
}

TEST(HttpApi, Bodies) {
  EXPECT_EQ(judge_post({"Content-Length: 4"}), "post 4");
  EXPECT_EQ(judge_post({"Content-Length: 1048576"}), "post 1048576");
  EXPECT_EQ(judge_post({"Content-Length: 1048580"}), "413");
  EXPECT_EQ(judge_post({"Content-Length: 2097152"}), "413");
  EXPECT_EQ(judge_post({"Content-Length: 1048577"}), "413");
  EXPECT_EQ(judge_post({}), "400");
  EXPECT_EQ(judge_post({"Content-Length: 0"}), "400");
  EXPECT_EQ(judge_post({"Content-Length: 42"}), "400");
  EXPECT_EQ(judge_post({"Transfer-Encoding: chunked"}), "501");
  EXPECT_EQ(judge_post({"Transfer-Encoding: identity"}), "501");
}

TEST(HttpApi, OptionsHaveNoBody) {
  constexpr std::string_view kLine = "OPTIONS /api HTTP/1.1";
  EXPECT_EQ(judge(request(kLine, {"Content-Length: 0"})), "options");
  EXPECT_EQ(judge(request(kLine, {"Content-Length: 4"})), "400");
  EXPECT_EQ(judge(request(kLine, {"Transfer-Encoding: chunked"})), "400");
}

TEST(HttpApi, Handshakes) {
  for (const std::string_view path :
       {"/apiws", "/apiws_test", "/apiws_premium", "/apiws_test_premium", "/apiws?x"}) {
    const std::string target = std::string(path) + " HTTP/1.1";
    EXPECT_EQ(judge_handshake("-", "", "GET " + target), "upgrade") << path;
    EXPECT_EQ(judge_handshake("-", "", "POST " + target), "405") << path;
    EXPECT_EQ(judge(request("OPTIONS " + target, {})), "405") << path;
  }
  EXPECT_EQ(judge_handshake("-", "", "GET /apiwsx HTTP/1.1"), "404");
  EXPECT_EQ(judge_handshake("-", "", "GET /api HTTP/1.1"), "405");
  EXPECT_EQ(judge_handshake("-", "", "GET /apiws HTTP/1.0"), "400");
  EXPECT_EQ(judge_handshake("Upgrade"), "400");
  EXPECT_EQ(judge_handshake("Connection", "Connection: keep-alive"), "400");
  EXPECT_EQ(judge_handshake("Sec-WebSocket-Version"), "426");
  EXPECT_EQ(judge_handshake("Sec-WebSocket-Version", "Sec-WebSocket-Version: 8"), "426");
  EXPECT_EQ(judge_handshake("Sec-WebSocket-Key"), "400");
  EXPECT_EQ(judge_handshake("Sec-WebSocket-Key", "Sec-WebSocket-Key: short"), "400");
  EXPECT_EQ(judge_handshake("Sec-WebSocket-Protocol"), "400");
  EXPECT_EQ(judge_handshake("Sec-WebSocket-Protocol", "Sec-WebSocket-Protocol: chat"), "400");
  EXPECT_EQ(judge_handshake("Host"), "upgrade");
  EXPECT_EQ(judge_handshake("-", "Content-Length: 4"), "400");
  EXPECT_EQ(judge_handshake("-", "Transfer-Encoding: chunked"), "400");
  EXPECT_EQ(judge_handshake("-", "Content-Length: 0"), "upgrade");
}

TEST(HttpApi, WhatAListenerDoesNotServeIsNotFound) {
  const HttpServed only_post{.post = true, .websocket = false};
  const HttpServed only_websocket{.post = false, .websocket = true};
  EXPECT_EQ(judge_line("POST /api HTTP/1.1", only_post), "post 40");
  EXPECT_EQ(judge_line("GET /apiws HTTP/1.1", only_post), "404");
  EXPECT_EQ(judge_line("POST /api HTTP/1.1", only_websocket), "404");
  EXPECT_EQ(judge_line("POST /apiws HTTP/1.1", only_websocket), "405");
}

// Answers.

std::string written(const HttpResponse& response) {
  Bytes out(kHttpResponseBytesMax);
  out.resize(write_http_response_head(response, out));
  return std::string(as_text(out));
}

constexpr std::string_view kFields =
    "Cache-Control: no-store\r\nPragma: no-cache\r\nAccess-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: POST, OPTIONS\r\n"
    "Access-Control-Allow-Headers: origin, content-type\r\nAccess-Control-Max-Age: 1728000\r\n";

TEST(HttpApi, AnswersToTheByte) {
  EXPECT_EQ(written({200, 72, true}),
            "HTTP/1.1 200 OK\r\nContent-Length: 72\r\nConnection: keep-alive\r\n"
            "Content-Type: application/octet-stream\r\n" +
                std::string(kFields) + "\r\n");
  EXPECT_EQ(written({200, 0, true}),
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n" +
                std::string(kFields) + "\r\n");
  EXPECT_EQ(written({404, 4, false}),
            "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n"
            "Content-Type: application/octet-stream\r\n" +
                std::string(kFields) + "\r\n");
  EXPECT_EQ(written({405}),
            "HTTP/1.1 405 Method Not Allowed\r\nContent-Length: 0\r\nConnection: close\r\n" +
                std::string(kFields) + "Allow: GET, POST, OPTIONS\r\n\r\n");
  EXPECT_EQ(written({426}),
            "HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\nConnection: close\r\n" +
                std::string(kFields) + "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n");
}

TEST(HttpApi, EveryAnswerFitsAndHasItsReason) {
  for (const int status :
       {200, 400, 404, 405, 408, 413, 414, 426, 429, 431, 500, 501, 502, 503, 504, 505}) {
    const std::string text = written({static_cast<uint16_t>(status), SIZE_MAX, true});
    EXPECT_LE(text.size(), kHttpResponseBytesMax);
    EXPECT_EQ(text.find("<unknown>"), std::string::npos) << status;
    EXPECT_TRUE(text.ends_with("\r\n\r\n")) << status;
  }
}

TEST(HttpApi, TheAcceptOfTheStandard) {
  // RFC 6455, 1.3.
  const WsAccept accept = websocket_accept("dGhlIHNhbXBsZSBub25jZQ==");
  EXPECT_EQ(std::string_view(accept.data(), accept.size()), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  Bytes out(kHttpResponseBytesMax);
  out.resize(write_websocket_accept("dGhlIHNhbXBsZSBub25jZQ==", out));
  EXPECT_EQ(as_text(out),
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
            "Sec-WebSocket-Protocol: binary\r\n\r\n");
}

// An OPTIONS and two POSTs on one connection, all in one read: each where the last one ended.
TEST(HttpApi, PipelinedRequests) {
  const std::string stream = request("OPTIONS /apiw1 HTTP/1.1", {"Origin: https://x"}) +
                             request("POST /apiw1 HTTP/1.1", {"Content-Length: 4"}) + "abcd" +
                             request("POST /api HTTP/1.1", {"Content-Length: 8"}) + "efghijkl";
  std::string seen;
  size_t at = 0;
  while (at < stream.size()) {
    const HttpHead head = read_request_head(as_bytes(stream).subspan(at));
    ASSERT_EQ(head.state, State::kComplete);
    const HttpVerdict verdict = judge_request(head.request);
    at += head.request.head_bytes;
    seen += std::string(head.request.path) + '[' + stream.substr(at, verdict.body_bytes) + ']';
    at += verdict.body_bytes;
  }
  EXPECT_EQ(seen, "/apiw1[]/apiw1[abcd]/api[efghijkl]");
}

}  // namespace
}  // namespace ringway::door::testing
