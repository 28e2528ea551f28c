// door/http_api: what an HTTP request wants of the gateway, and the heads of its answers.
//
// Two things are served: POST carries one MTProto message to and one back, and GET opens a
// WebSocket. Pages of other origins may use both, so every answer carries the CORS fields. Pure
// functions; any thread.
//
// Source: core.telegram.org/mtproto/transports; RFC 6455, section 4.2 for the opening handshake.
#pragma once

#include <array>

#include "base/bytes.h"
#include "door/http_request.h"

namespace ringway::door {

// What a listener serves; the paths of what it does not serve are not found.
struct HttpServed {
  bool post = true;
  bool websocket = true;
};

struct HttpVerdict {
  enum class Kind : uint8_t {
    kPost,     // a message: read body_bytes, a multiple of 4 and not none, and answer
    kOptions,  // answer with 200 and nothing
    kUpgrade,  // answer with write_websocket_accept(); what follows the head is the WebSocket's
    kRefused,  // answer with `status` and close
  };
  Kind kind = Kind::kRefused;
  uint16_t status = 0;
  size_t body_bytes = 0;
};

// Refused with 404 for a path, then 405 for a method that has no meaning there. POST: 501 for any
// transfer coding, 400 without a length or with one that no message has, 413 above
// kHttpBodyBytesMax. GET: 426 for another version of WebSocket, 400 for everything else that is
// missing.
[[nodiscard]] HttpVerdict judge_request(const HttpRequest& request,
                                        const HttpServed& served = {}) noexcept;

// --- writing, into `out` of at least kHttpResponseBytesMax; each returns its length ---
inline constexpr size_t kHttpResponseBytesMax = 512;

struct HttpResponse {
  uint16_t status = 200;
  size_t content_length = 0;  // of the body, which the caller sends behind the head
  bool keep_alive = false;    // as the request has it; false with every error
};
size_t write_http_response_head(const HttpResponse& response, ByteSpan out) noexcept;

// The answer that makes a WebSocket of the connection. `key`: the request's ws_key.
size_t write_websocket_accept(std::string_view key, ByteSpan out) noexcept;
// Sec-WebSocket-Accept, for whoever checks it.
using WsAccept = std::array<char, 28>;
[[nodiscard]] WsAccept websocket_accept(std::string_view key) noexcept;

// For a client that expects it, once its POST was accepted and before its body is there.
inline constexpr std::string_view kHttpContinue = "HTTP/1.1 100 Continue\r\n\r\n";

}  // namespace ringway::door
