// What the HTTP tests share: requests, and reading them in every split.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "door/http_request.h"

namespace ringway::door::testing {

using State = HttpHead::State;

// The facts as text, for comparison and for messages.
inline std::string describe(const HttpHead& head) {
  if (head.state == State::kIncomplete) return "incomplete";
  if (head.state == State::kRefused) return "refused " + std::to_string(head.status);
  const HttpRequest& r = head.request;
  constexpr std::string_view kMethods[] = {"POST", "GET", "HEAD", "OPTIONS", "other"};
  std::string text(kMethods[static_cast<size_t>(r.method)]);
  text += " " + std::string(r.path) + (r.http_1_1 ? " 1.1" : " 1.0");
  if (r.keep_alive) text += " keep-alive";
  if (r.content_length) text += " length=" + std::to_string(*r.content_length);
  if (r.transfer_encoding) text += " coded";
  if (r.expect_continue) text += " expect";
  if (r.upgrade_websocket) text += " websocket";
  if (r.connection_upgrade) text += " upgrade";
  if (r.ws_version_ok) text += " 13";
  if (r.ws_binary) text += " binary";
  if (!r.ws_key.empty()) text += " key=" + std::string(r.ws_key);
  return text;
}

// The stream as it grows by `step` bytes, each read searched from where the last one ended.
// `after`: how many bytes decided.
inline std::string read_growing(std::string_view stream, size_t step, size_t& after) {
  HttpHead head;
  size_t searched = 0;
  for (after = std::min(step, stream.size());; after = std::min(after + step, stream.size())) {
    // Memory of exactly this size, so that AddressSanitizer sees a look beyond it.
    const Bytes start(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(after));
    head = read_request_head(start, searched);
    if (head.state != State::kIncomplete || after == stream.size()) return describe(head);
    searched = after;
  }
}

// At once, byte by byte and in threes: the same.
inline std::string read_all_ways(std::string_view stream) {
  const HttpHead head = read_request_head(as_bytes(stream));
  const std::string whole = describe(head);
  for (const size_t step : {1u, 3u}) {
    size_t after = 0;
    EXPECT_EQ(read_growing(stream, step, after), whole) << stream;
    if (head.state == State::kComplete && step == 1) {
      EXPECT_EQ(after, head.request.head_bytes);
    }
  }
  return whole;
}

// A request with these fields, each line without its end.
inline std::string request(std::string_view line, std::initializer_list<std::string_view> fields) {
  std::string text(line);
  text += "\r\n";
  for (const std::string_view field : fields) {
    text += field;
    text += "\r\n";
  }
  return text + "\r\n";
}

inline HttpRequest facts_of(const std::string& text) {
  const HttpHead head = read_request_head(as_bytes(text));
  EXPECT_EQ(head.state, State::kComplete) << text;
  return head.request;
}

}  // namespace ringway::door::testing
