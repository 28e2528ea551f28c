// Heads of requests: known ones, every split, the limits, and what two readers could read
// differently.
#include "door/http_request.h"

#include "http_testing.h"

namespace ringway::door::testing {
namespace {

std::string read_fields(std::initializer_list<std::string_view> fields) {
  return read_all_ways(request("POST /api HTTP/1.1", fields));
}

TEST(HttpRequest, AClientsPost) {
  const std::string text =
      request("POST /apiw1 HTTP/1.1",
              {"Host: venus.web.telegram.org", "Connection: keep-alive", "Content-Length: 40"});
  EXPECT_EQ(read_all_ways(text), "POST /apiw1 1.1 keep-alive length=40");
  EXPECT_EQ(read_all_ways(text + "body, and the next request"),
            "POST /apiw1 1.1 keep-alive length=40");
  EXPECT_EQ(facts_of(text + "body").head_bytes, text.size());
}

TEST(HttpRequest, ABrowsersHandshake) {
  EXPECT_EQ(
      read_all_ways(request(
          "GET /apiws HTTP/1.1",
          {"Host: zws2.web.telegram.org", "Connection: keep-alive, Upgrade", "Upgrade: websocket",
           "Origin: https://web.telegram.org", "Sec-WebSocket-Version: 13",
           "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: binary",
           "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"})),
      "GET /apiws 1.1 keep-alive websocket upgrade 13 binary key=dGhlIHNhbXBsZSBub25jZQ==");
}

TEST(HttpRequest, MethodsAndPaths) {
  const auto read = [](std::string_view line) { return read_all_ways(request(line, {})); };
  EXPECT_EQ(read("OPTIONS /api HTTP/1.1"), "OPTIONS /api 1.1 keep-alive");
  EXPECT_EQ(read("OPTIONS * HTTP/1.1"), "OPTIONS * 1.1 keep-alive");
  EXPECT_EQ(read("HEAD / HTTP/1.1"), "HEAD / 1.1 keep-alive");
  EXPECT_EQ(read("PUT /api HTTP/1.1"), "other /api 1.1 keep-alive");
  EXPECT_EQ(read("CONNECT host:443 HTTP/1.1"), "other  1.1 keep-alive");
  EXPECT_EQ(read("POST /api?a=/b?c HTTP/1.1"), "POST /api 1.1 keep-alive");
  EXPECT_EQ(read("POST /api#part HTTP/1.1"), "POST /api 1.1 keep-alive");
  EXPECT_EQ(read("POST http://host:80/api?x HTTP/1.1"), "POST /api 1.1 keep-alive");
  EXPECT_EQ(read("GET http://host HTTP/1.1"), "GET / 1.1 keep-alive");
  EXPECT_EQ(read("GET /%61pi HTTP/1.1"), "GET /%61pi 1.1 keep-alive");
}

TEST(HttpRequest, WhatKeepsAConnection) {
  EXPECT_EQ(read_fields({"Connection: close"}), "POST /api 1.1");
  EXPECT_EQ(read_fields({"connection: foo, Close"}), "POST /api 1.1");
  EXPECT_EQ(read_all_ways(request("POST /api HTTP/1.0", {})), "POST /api 1.0");
  EXPECT_EQ(read_all_ways(request("POST /api HTTP/1.0", {"Connection: Keep-Alive"})),
            "POST /api 1.0 keep-alive");
  EXPECT_EQ(read_all_ways(request("POST /api HTTP/1.2", {})), "POST /api 1.1 keep-alive");
}

TEST(HttpRequest, ContinueIsExpectedByHttp11Alone) {
  EXPECT_EQ(read_fields({"Expect: 100-Continue"}), "POST /api 1.1 keep-alive expect");
  EXPECT_EQ(read_fields({"Expect: 200-ok"}), "POST /api 1.1 keep-alive");
  EXPECT_EQ(read_all_ways(request("POST /api HTTP/1.0", {"Expect: 100-continue"})),
            "POST /api 1.0");
}

TEST(HttpRequest, ListsOfTokens) {
  for (const std::string_view field :
       {"Upgrade: WebSocket", "Upgrade: h2c, websocket", "Upgrade:websocket \t"}) {
    EXPECT_EQ(read_fields({field}), "POST /api 1.1 keep-alive websocket") << field;
  }
  for (const std::string_view field : {"Upgrade: websockets", "Upgrade: web socket", "Upgrade:",
                                       "X-Upgrade: websocket", "Upgrade: websocket/13"}) {
    EXPECT_EQ(read_fields({field}), "POST /api 1.1 keep-alive") << field;
  }
  EXPECT_EQ(read_fields({"Upgrade: h2c", "Upgrade: websocket"}),
            "POST /api 1.1 keep-alive websocket");
  EXPECT_EQ(read_fields({"Upgrade: websocket", "Upgrade: h2c"}),
            "POST /api 1.1 keep-alive websocket");
  EXPECT_EQ(read_fields({"Connection: x,UPGRADE ,y"}), "POST /api 1.1 keep-alive upgrade");
  EXPECT_EQ(read_fields({"Sec-WebSocket-Protocol: chat,binary"}),
            "POST /api 1.1 keep-alive binary");
  EXPECT_EQ(read_fields({"Sec-WebSocket-Protocol: a", "Sec-WebSocket-Protocol: binary"}),
            "POST /api 1.1 keep-alive binary");
  for (const std::string_view field :
       {"Sec-WebSocket-Protocol: Binary", "Sec-WebSocket-Protocol: binary2",
        "Sec-WebSocket-Protocol: ,"}) {
    EXPECT_EQ(read_fields({field}), "POST /api 1.1 keep-alive") << field;
  }
}

TEST(HttpRequest, KeysAndVersionsOfAWebSocket) {
  for (const std::string_view key :
       {"", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ===", "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25j-Q==", "dGhlIHNhbXBsZSBub2 jZQ==", "dGhlIHNhbXBsZSBub25jZ==="}) {
    const std::string field = "Sec-WebSocket-Key: " + std::string(key);
    EXPECT_EQ(read_fields({field}), "POST /api 1.1 keep-alive") << key;
  }
  constexpr std::string_view kKey = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAA+/w==";
  EXPECT_EQ(read_fields({kKey}), "POST /api 1.1 keep-alive key=AAAAAAAAAAAAAAAAAAA+/w==");
  EXPECT_EQ(read_fields({kKey, kKey}), "POST /api 1.1 keep-alive");
  for (const std::string_view version : {"", "8", "13, 8", "013"}) {
    const std::string field = "Sec-WebSocket-Version: " + std::string(version);
    EXPECT_EQ(read_fields({field}), "POST /api 1.1 keep-alive") << version;
  }
  constexpr std::string_view kVersion = "Sec-WebSocket-Version: 13";
  EXPECT_EQ(read_fields({kVersion}), "POST /api 1.1 keep-alive 13");
  EXPECT_EQ(read_fields({kVersion, kVersion}), "POST /api 1.1 keep-alive");
}

// Lengths: nothing that another reader could take for another one.

TEST(HttpRequest, Lengths) {
  EXPECT_EQ(read_fields({"Content-Length: 0"}), "POST /api 1.1 keep-alive length=0");
  EXPECT_EQ(read_fields({"content-length:\t5 "}), "POST /api 1.1 keep-alive length=5");
  EXPECT_EQ(read_fields({"Content-Length: 18446744073709551614"}).substr(0, 7), "refused");
  for (const std::string_view value :
       {"", " ", "-1", "+5", "0x5", "5a", "5 5", "5, 5", "1.5", "99999999999999999999", "\"5\""}) {
    const std::string field = "Content-Length: " + std::string(value);
    EXPECT_EQ(read_fields({field}), "refused 400") << field;
    EXPECT_EQ(read_fields({field, "Host: x"}), "refused 400") << field;
  }
}

TEST(HttpRequest, RepeatedLengthsAreRefused) {
  EXPECT_EQ(read_fields({"Content-Length: 4", "Content-Length: 8"}), "refused 400");
  EXPECT_EQ(read_fields({"Content-Length: 4", "Host: x", "content-length: 4"}), "refused 400");
}

TEST(HttpRequest, TransferCodings) {
  EXPECT_EQ(read_fields({"Transfer-Encoding: chunked"}), "POST /api 1.1 keep-alive coded");
  EXPECT_EQ(read_fields({"transfer-encoding: gzip, chunked"}), "POST /api 1.1 keep-alive coded");
  EXPECT_EQ(read_fields({"Transfer-Encoding: identity"}), "POST /api 1.1 keep-alive coded");
  EXPECT_EQ(read_fields({"Transfer-Encoding: "}), "POST /api 1.1 keep-alive coded");
  EXPECT_EQ(read_fields({"Content-Length: 4", "Transfer-Encoding: chunked"}), "refused 400");
  EXPECT_EQ(read_fields({"Transfer-Encoding: chunked", "Content-Length: 4"}), "refused 400");
  EXPECT_EQ(read_fields({"Transfer-Encoding: xchunked", "Content-Length: 4"}), "refused 400");
}

TEST(HttpRequest, SpacesAndControlBytesInFields) {
  for (const std::string_view field :
       {"Content-Length : 4", "Content-Length\t: 4", "Transfer-Encoding : chunked",
        " Content-Length: 4", "Content Length: 4", ": 4", "Content-Length", "Foo(bar): 1",
        "Fo\xc3\xb6: 1"}) {
    EXPECT_EQ(read_fields({"Host: x", field}), "refused 400") << field;
    EXPECT_EQ(read_fields({field, "Host: x"}), "refused 400") << field;
  }
  for (const std::string_view text : {std::string_view("a\0b", 3), std::string_view("a\x01"),
                                      std::string_view("a\x7f"), std::string_view("a\x0b")}) {
    for (const std::string_view value : {text, text.substr(1)}) {
      for (const std::string_view start : {"Foo: ", "Foo:", "Foo: bar ", "Foo"}) {
        const std::string field = std::string(start) + std::string(value) + "b: ar";
        EXPECT_EQ(read_fields({field}), "refused 400") << field;
      }
    }
  }
  EXPECT_EQ(read_fields({"Foo: \xc3\xb6\tbar"}), "POST /api 1.1 keep-alive");
}

TEST(HttpRequest, LinesEndWithBothBytesAndAreNotFolded) {
  for (const std::string_view text :
       {"POST /api HTTP/1.1\n\n", "POST /api HTTP/1.1\nHost: x\r\n\r\n",
        "POST /api HTTP/1.1\r\nHost: x\n\r\n", "POST /api HTTP/1.1\r\nHost: x\r\n\n",
        "POST /api HTTP/1.1\r\nHost: x\rFoo: y\r\n\r\n", "POST /api HTTP/1.1\r\r\n\r\n",
        "POST /api HTTP/1.1\r\nFoo:\rContent-Length: 4\r\n\r\n",
        "POST /api HTTP/1.1\r\nFoo: x\r\n bar\r\n\r\n",
        "POST /api HTTP/1.1\r\nFoo: x\r\n\tbar\r\n\r\n",
        "POST /api HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        "POST /api HTTP/1.1\r\n Foo: x\r\n\r\n"}) {
    EXPECT_EQ(read_all_ways(text), "refused 400") << text;
  }
}

TEST(HttpRequest, WrongRequestLines) {
  for (const std::string_view line :
       {"POST /api HTTP", "POST /api HTTP/1", "POST /api HTTP/1.x", "POST /api HTTP/11.1",
        "POST /api http/1.1", "POST api HTTP/1.1", "POST  HTTP/1.1", "POST /api FTP/1.1",
        "POST http:///api HTTP/1.1", "POST /api HTTP/1.1 x"}) {
    EXPECT_EQ(read_all_ways(request(line, {})), "refused 400") << line;
  }
  const std::string_view zero("POST /a\0pi HTTP/1.1\r\n\r\n", 23);
  EXPECT_EQ(read_all_ways(zero), "refused 400");
  for (const std::string_view line : {"POST", "FOO /api HTTP/1.1", "POSTED /api HTTP/1.1"}) {
    EXPECT_EQ(read_all_ways(request(line, {})), "refused 405") << line;
  }
  for (const std::string_view line :
       {"POST /api", "POST /api HTTP/2.0", "POST /api HTTP/0.9", "GET /apiws HTTP/3.1"}) {
    EXPECT_EQ(read_all_ways(request(line, {})), "refused 505") << line;
  }
}

TEST(HttpRequest, OneEmptyLineAheadIsSkipped) {
  const std::string text = request("POST /api HTTP/1.1", {"Content-Length: 4"});
  EXPECT_EQ(read_all_ways("\r\n" + text), "POST /api 1.1 keep-alive length=4");
  EXPECT_EQ(facts_of("\r\n" + text).head_bytes, text.size() + 2);
  EXPECT_EQ(read_all_ways("\r\n\r\n" + text), "refused 400");
  EXPECT_EQ(read_all_ways("\n" + text), "refused 400");
}

TEST(HttpRequest, WhatIsNoTextIsRefusedAtItsFirstByte) {
  for (const std::string_view start : {"\x16", "post", "\xef", " POST", "\n"}) {
    EXPECT_EQ(read_all_ways(start), "refused 400");
  }
  for (const std::string_view start : {"", "P", "\r", "POST /api HTTP/1.1\r\nHost: x\r\n\r"}) {
    EXPECT_EQ(read_all_ways(start), "incomplete");
  }
}

// Limits.

std::string head_of(size_t bytes) {
  const std::string start = "POST /api HTTP/1.1\r\nFoo: ";
  return start + std::string(bytes - start.size() - 4, 'x') + "\r\n\r\n";
}

TEST(HttpRequest, TheLargestHead) {
  EXPECT_EQ(read_all_ways(head_of(kHttpHeadBytesMax)), "POST /api 1.1 keep-alive");
  EXPECT_EQ(read_all_ways(head_of(kHttpHeadBytesMax + 1)), "refused 431");
  EXPECT_EQ(read_all_ways(head_of(9 * 1024)), "refused 431");
  size_t after = 0;
  EXPECT_EQ(read_growing(head_of(9 * 1024), 1, after), "refused 431");
  EXPECT_EQ(after, kHttpHeadBytesMax);
  EXPECT_EQ(read_all_ways(std::string(kHttpHeadBytesMax - 1, 'A')), "incomplete");
  EXPECT_EQ(read_all_ways(std::string(kHttpHeadBytesMax, 'A')), "refused 431");
}

TEST(HttpRequest, TheLongestUri) {
  const auto line = [](size_t bytes) {
    return request("POST /" + std::string(bytes - 1, 'x') + " HTTP/1.1", {});
  };
  EXPECT_EQ(read_all_ways(line(kHttpUriBytesMax)).substr(0, 6), "POST /");
  EXPECT_EQ(read_all_ways(line(kHttpUriBytesMax + 1)), "refused 414");
}

// A client that sends one byte at a time costs one look at each byte.
TEST(HttpRequest, WhatWasSearchedIsNotSearchedAgain) {
  const std::string text = request("POST /api HTTP/1.1", {"Host: x"});
  // A bare LF in the part that is said to be searched is not seen before the head is complete.
  std::string wrong = text;
  wrong.erase(wrong.find('\r'), 1);
  const std::string_view part = std::string_view(wrong).substr(0, wrong.size() - 1);
  EXPECT_EQ(describe(read_request_head(as_bytes(part), part.size())), "incomplete");
  EXPECT_EQ(describe(read_request_head(as_bytes(part), 0)), "refused 400");
  // Nor does a wrong hint get anything past the checks of a complete head, or beyond its bytes.
  EXPECT_EQ(describe(read_request_head(as_bytes(wrong), part.size())), "refused 400");
  EXPECT_EQ(describe(read_request_head(as_bytes(text), text.size() + 9000)), "incomplete");
}

}  // namespace
}  // namespace ringway::door::testing
