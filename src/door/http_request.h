// door/http_request: the head of an HTTP/1 request, as facts.
//
// http-parser reads it; what that library lets pass for the sake of old clients, and what could
// make two readers of one stream disagree about where a request ends, is refused here: bare CR or
// LF, folded fields, spaces in a field's name, repeated lengths, a length beside a transfer coding.
// What the facts mean for this gateway says door/http_api. Pure functions; any thread. Nothing is
// kept between calls.
#pragma once

#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/limits.h"

namespace ringway::door {

enum class HttpMethod : uint8_t { kPost, kGet, kHead, kOptions, kOther };

// Views lie in the head.
struct HttpRequest {
  size_t head_bytes = 0;  // with the empty line; behind it the body begins, or the next request
  HttpMethod method = HttpMethod::kOther;
  std::string_view path;  // of the URI, without its query; not decoded
  bool http_1_1 = false;  // or a later 1.x; else 1.0
  bool keep_alive = false;
  bool expect_continue = false;    // the client waits for "100 Continue" before it sends the body
  bool transfer_encoding = false;  // there is one, whichever
  std::optional<uint64_t> content_length;
  // Of a WebSocket's opening handshake.
  bool upgrade_websocket = false;   // Upgrade names websocket
  bool connection_upgrade = false;  // Connection names upgrade
  bool ws_version_ok = false;       // Sec-WebSocket-Version is 13, once
  bool ws_binary = false;           // Sec-WebSocket-Protocol offers `binary`
  std::string_view ws_key;          // base64 of 16 bytes; empty: missing, repeated or not that
};

struct HttpHead {
  enum class State : uint8_t {
    kIncomplete,  // call again with more bytes
    kComplete,    // request is valid
    kRefused,     // answer with `status` and close
  };
  State state = State::kIncomplete;
  uint16_t status = 0;
  HttpRequest request;
};

// `start`: the stream's bytes so far, from where the request begins. `searched`: how many of them
// were there in a call before, which said kIncomplete; so that a head that comes in many reads is
// searched once. One empty line ahead of the request is skipped, as RFC 9112, 2.2 asks for.
// Refused with 400; 405 for a method that nobody knows; 414 above kHttpUriBytesMax; 431 when the
// head does not end within kHttpHeadBytesMax; 505 for another major version than 1.
[[nodiscard]] HttpHead read_request_head(ByteView start, size_t searched = 0) noexcept;

}  // namespace ringway::door
