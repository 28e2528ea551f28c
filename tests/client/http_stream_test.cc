// The client's side of HTTP: frames to requests, answers to frames, however both are cut.
#include "client/http_stream.h"

#include <gtest/gtest.h>

#include <string>

#include "base/limits.h"

namespace ringway::client {
namespace {

std::string framed(std::string_view body, bool quick_ack = false) {
  std::string frame(4, '\0');
  store_le(reinterpret_cast<uint8_t*>(frame.data()),
           static_cast<uint32_t>(body.size()) | (quick_ack ? 0x80000000u : 0));
  return frame + std::string(body);
}

std::string request(std::string_view body) {
  return "POST /api HTTP/1.1\r\nHost: a\r\nContent-Type: application/octet-stream\r\n"
         "Content-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

TEST(HttpStream, FramesBecomeRequestsAndAnswersFrames) {
  const std::string stream = "\xee\xee\xee\xee" + framed("abcd") + framed("efghijkl", true);
  const std::string answers =
      "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX: y\r\n\r\n1111"
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
      "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n\x6c\xfe\xff\xff";
  for (size_t step = 1; step <= 60; ++step) {
    HttpStream http("/api", "a");
    Bytes requests;
    for (size_t at = 0; at < stream.size(); at += step) {
      http.write(as_bytes(std::string_view(stream).substr(at, step)), requests);
    }
    EXPECT_EQ(as_text(requests), request("abcd") + request("efghijkl"));
    EXPECT_EQ(http.unanswered(), 2U);
    Bytes frames;
    for (size_t at = 0; at < answers.size(); at += step) {
      ASSERT_TRUE(http.receive(as_bytes(std::string_view(answers).substr(at, step)), frames).ok());
    }
    EXPECT_EQ(as_text(frames), framed("1111") + framed("\x6c\xfe\xff\xff"));
    EXPECT_EQ(http.unanswered(), 0U);
  }
}

TEST(HttpStream, ServersThatSayNothingUsefulAreTold) {
  const auto problem_of = [](std::string_view answer) {
    HttpStream http("/api", "a");
    Bytes frames;
    EXPECT_FALSE(http.receive(as_bytes(answer), frames).ok());
    return http.problem();
  };
  EXPECT_EQ(problem_of("SSH-2.0-x\r\n\r\n"), "HTTP: not an answer");
  EXPECT_EQ(problem_of("HTTP/1.1 200 OK\r\n\r\n"), "HTTP: no length");
  EXPECT_EQ(problem_of("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"),
            "HTTP: the server says 'HTTP/1.1 502 Bad Gateway'");
  EXPECT_EQ(problem_of("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
            "HTTP: too large an answer");
  EXPECT_EQ(problem_of(std::string(kHttpHeadBytesMax + 1, 'H')), "HTTP: an endless answer");
}

}  // namespace
}  // namespace ringway::client
