#include "door/http_api.h"

#include <http_parser.h>

#include <algorithm>
#include <charconv>

#include "crypto/sha.h"

namespace ringway::door {
namespace {

using Kind = HttpVerdict::Kind;

constexpr std::array<std::string_view, 5> kPostPaths = {"/api", "/apiw1", "/apiw1_test",
                                                        "/apiw_test1", "/apiw1_premium"};
constexpr std::array<std::string_view, 4> kWebsocketPaths = {
    "/apiws", "/apiws_test", "/apiws_premium", "/apiws_test_premium"};
constexpr std::string_view kWebsocketGuid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

constexpr std::string_view kCommonFields =
    "Cache-Control: no-store\r\n"
    "Pragma: no-cache\r\n"
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: POST, OPTIONS\r\n"
    "Access-Control-Allow-Headers: origin, content-type\r\n"
    "Access-Control-Max-Age: 1728000\r\n";

template <size_t kCount>
bool contains(const std::array<std::string_view, kCount>& paths, std::string_view path) noexcept {
  return std::find(paths.begin(), paths.end(), path) != paths.end();
}

HttpVerdict refuse(unsigned status) noexcept {
  return {Kind::kRefused, static_cast<uint16_t>(status), 0};
}

bool has_body(const HttpRequest& request) noexcept {
  return request.transfer_encoding || request.content_length.value_or(0) != 0;
}

HttpVerdict judge_post(const HttpRequest& request) noexcept {
  if (request.transfer_encoding) return refuse(HTTP_STATUS_NOT_IMPLEMENTED);
  if (!request.content_length) return refuse(HTTP_STATUS_BAD_REQUEST);
  const uint64_t bytes = *request.content_length;
  if (bytes > kHttpBodyBytesMax) return refuse(HTTP_STATUS_PAYLOAD_TOO_LARGE);
  if (bytes == 0 || bytes % 4 != 0) return refuse(HTTP_STATUS_BAD_REQUEST);
  return {Kind::kPost, HTTP_STATUS_OK, static_cast<size_t>(bytes)};
}

HttpVerdict judge_upgrade(const HttpRequest& request) noexcept {
  if (!request.http_1_1 || !request.upgrade_websocket || !request.connection_upgrade) {
    return refuse(HTTP_STATUS_BAD_REQUEST);
  }
  if (!request.ws_version_ok) return refuse(HTTP_STATUS_UPGRADE_REQUIRED);
  if (request.ws_key.empty() || !request.ws_binary || has_body(request)) {
    return refuse(HTTP_STATUS_BAD_REQUEST);
  }
  return {Kind::kUpgrade, HTTP_STATUS_SWITCHING_PROTOCOLS, 0};
}

void write_text(ByteWriter& writer, std::string_view text) noexcept {
  writer.bytes(as_bytes(text));
}

void write_number(ByteWriter& writer, size_t value) noexcept {
  char digits[20];
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
  RW_ASSERT(error == std::errc());
  write_text(writer, {digits, static_cast<size_t>(end - digits)});
}

// "HTTP/1.1 404 Not Found" and its line end.
void write_status_line(ByteWriter& writer, uint16_t status) noexcept {
  write_text(writer, "HTTP/1.1 ");
  write_number(writer, status);
  write_text(writer, " ");
  write_text(writer, http_status_str(static_cast<http_status>(status)));
  write_text(writer, "\r\n");
}

}  // namespace

HttpVerdict judge_request(const HttpRequest& request, const HttpServed& served) noexcept {
  if (served.post && contains(kPostPaths, request.path)) {
    if (request.method == HttpMethod::kPost) return judge_post(request);
    if (request.method != HttpMethod::kOptions) return refuse(HTTP_STATUS_METHOD_NOT_ALLOWED);
    // A body that nobody reads would be taken for the next request.
    if (has_body(request)) return refuse(HTTP_STATUS_BAD_REQUEST);
    return {Kind::kOptions, HTTP_STATUS_OK, 0};
  }
  if (served.websocket && contains(kWebsocketPaths, request.path)) {
    if (request.method != HttpMethod::kGet) return refuse(HTTP_STATUS_METHOD_NOT_ALLOWED);
    return judge_upgrade(request);
  }
  return refuse(HTTP_STATUS_NOT_FOUND);
}

size_t write_http_response_head(const HttpResponse& response, ByteSpan out) noexcept {
  ByteWriter writer(out);
  write_status_line(writer, response.status);
  write_text(writer, "Content-Length: ");
  write_number(writer, response.content_length);
  write_text(writer,
             response.keep_alive ? "\r\nConnection: keep-alive\r\n" : "\r\nConnection: close\r\n");
  if (response.content_length != 0) {
    write_text(writer, "Content-Type: application/octet-stream\r\n");
  }
  write_text(writer, kCommonFields);
  if (response.status == HTTP_STATUS_METHOD_NOT_ALLOWED) {
    write_text(writer, "Allow: GET, POST, OPTIONS\r\n");
  } else if (response.status == HTTP_STATUS_UPGRADE_REQUIRED) {
    write_text(writer, "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
  }
  write_text(writer, "\r\n");
  return writer.position();
}

WsAccept websocket_accept(std::string_view key) noexcept {
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const crypto::Sha1Digest digest = crypto::sha1({as_bytes(key), as_bytes(kWebsocketGuid)});
  WsAccept text;
  text.back() = '=';  // 20 bytes are 27 characters
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    const size_t bit = 6 * i;
    const unsigned low = bit / 8 + 1 < digest.size() ? digest[bit / 8 + 1] : 0;
    const unsigned pair = static_cast<unsigned>(digest[bit / 8]) << 8 | low;
    text[i] = kAlphabet[pair >> (10 - bit % 8) & 0x3f];
  }
  return text;
}

size_t write_websocket_accept(std::string_view key, ByteSpan out) noexcept {
  ByteWriter writer(out);
  write_status_line(writer, HTTP_STATUS_SWITCHING_PROTOCOLS);
  write_text(writer, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ");
  const WsAccept accept = websocket_accept(key);
  write_text(writer, {accept.data(), accept.size()});
  write_text(writer, "\r\nSec-WebSocket-Protocol: binary\r\n\r\n");
  return writer.position();
}

}  // namespace ringway::door
