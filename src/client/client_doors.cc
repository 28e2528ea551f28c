#include "client/client_doors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "crypto/random.h"
#include "door/http_api.h"
#include "tls/fake_client_hello.h"

namespace ringway::client {
namespace {

constexpr size_t kAnswerBytesMax = 16 * 1024;  // of a server that does not come to an end
constexpr size_t kReadBytes = 16 * 1024;
constexpr std::string_view kHeadEnd = "\r\n\r\n";

// 16 random bytes in base64, of which the last character has four bits that must be zero.
std::string draw_websocket_key() {
  constexpr std::string_view kLetters =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  constexpr size_t kLettersDrawn = 22;
  std::array<uint8_t, kLettersDrawn> drawn{};
  crypto::random_bytes(drawn);
  drawn.back() &= 0x30;
  std::string key;
  for (const uint8_t bits : drawn) key.push_back(kLetters[bits & 0x3f]);
  return key + "==";
}

}  // namespace

ClientDoors::ClientDoors(const ClientDoorsOptions& options) : options_(options) {}
ClientDoors::~ClientDoors() = default;

Error ClientDoors::fail(Error error, std::string text) {
  problem_ = std::move(text);
  return error;
}

Result<void> ClientDoors::start(int64_t unix_seconds, Bytes& out) {
  unix_seconds_ = unix_seconds;
  if (options_.proxy != ProxyVersion::kNone) {
    std::array<uint8_t, std::max(kProxyV1BytesMax, door::kProxyV2WrittenBytesMax)> header{};
    const size_t size = options_.proxy == ProxyVersion::kV1
                            ? door::write_proxy_v1(options_.source, options_.destination, header)
                            : door::write_proxy_v2(options_.source, options_.destination, header);
    append(out, ByteView(header).first(size));
  }
  if (options_.tls == nullptr) return after_tls(out);
  stage_ = Stage::kTls;
  tls_ = std::make_unique<tls::TlsStream>(options_.tls, options_.server_name);
  if (!tls_->handshake_step().ok()) {
    return fail(Error::kMalformed, fmt::format("TLS: {}", tls_->reason()));
  }
  take_output(out);
  return {};
}

Result<void> ClientDoors::after_tls(Bytes& out) {
  if (options_.websocket) {
    stage_ = Stage::kRequest;
    key_ = draw_websocket_key();
    return encrypt(as_bytes(fmt::format("GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\n"
                                        "Connection: Upgrade\r\nSec-WebSocket-Key: {}\r\n"
                                        "Sec-WebSocket-Version: 13\r\n"
                                        "Sec-WebSocket-Protocol: binary\r\n\r\n",
                                        options_.path, host(), key_)),
                   out);
  }
  if (options_.http) {
    http_.emplace(options_.http_path, host());
    return open(out);
  }
  if (options_.fake_tls) {
    stage_ = Stage::kHello;
    const tls::FakeClientHello hello =
        tls::make_fake_client_hello(*options_.fake_tls, unix_seconds_);
    random_ = hello.random;
    append(out, hello.record);
    return {};
  }
  return open(out);
}

std::string ClientDoors::host() const {
  return options_.server_name.empty() ? "localhost" : options_.server_name;
}

// What has waited goes out.
Result<void> ClientDoors::open(Bytes& out) {
  stage_ = Stage::kOpen;
  const Bytes waiting = std::exchange(waiting_, Bytes());
  return waiting.empty() ? Result<void>() : wrap(waiting, out);
}

Result<void> ClientDoors::receive(ByteSpan bytes, Bytes& stream, Bytes& out) {
  if (tls_ == nullptr) return read_stream(bytes, stream, out);
  Bytes plain;
  const Result<void> decrypted = decrypt(bytes, plain, out);
  if (!plain.empty()) RW_TRY(read_stream(plain, stream, out));
  return decrypted;
}

Result<void> ClientDoors::decrypt(ByteView bytes, Bytes& plain, Bytes& out) {
  const auto dead = [&] { return fail(Error::kMalformed, fmt::format("TLS: {}", tls_->reason())); };
  if (!tls_->receive(bytes).ok()) return dead();
  if (!tls_->handshake_done()) {
    const bool going = tls_->handshake_step().ok();
    take_output(out);
    if (!going) return dead();
    if (!tls_->handshake_done()) return {};
    RW_TRY(after_tls(out));
  }
  bool alive = true;
  for (size_t count = kReadBytes; alive && count == kReadBytes;) {
    const size_t have = plain.size();
    plain.resize(have + kReadBytes);
    alive = tls_->read(ByteSpan(plain).subspan(have), count).ok();
    plain.resize(have + count);
  }
  take_output(out);
  if (!alive) return dead();
  if (tls_->peer_closed()) return fail(Error::kNotFound, "TLS: closed by the server");
  return {};
}

Result<void> ClientDoors::read_stream(ByteSpan bytes, Bytes& stream, Bytes& out) {
  switch (stage_) {
    case Stage::kTls:
      return {};
    case Stage::kRequest:
      append(answer_, bytes);
      return read_answer(stream, out);
    case Stage::kHello:
      append(answer_, bytes);
      return read_flight(stream, out);
    case Stage::kOpen:
      break;
  }
  if (websocket_) return read_websocket(bytes, stream, out);
  if (http_) {
    const Result<void> read = http_->receive(bytes, stream);
    return read.ok() ? read : fail(read.error(), http_->problem());
  }
  if (!fake_) {
    append(stream, bytes);
    return {};
  }
  fake_->receive(bytes);
  for (;;) {
    ByteSpan data;
    switch (fake_->next(data)) {
      case tls::FakeTlsReader::Event::kNeedMore:
        return {};
      case tls::FakeTlsReader::Event::kData:
        append(stream, data);
        break;
      case tls::FakeTlsReader::Event::kError:
        return fail(Error::kMalformed, "fake TLS: a wrong record");
    }
  }
}

Result<void> ClientDoors::read_answer(Bytes& stream, Bytes& out) {
  const std::string_view text = as_text(answer_);
  const size_t end = text.find(kHeadEnd);
  if (end == std::string_view::npos) {
    if (answer_.size() <= kAnswerBytesMax) return {};
    return fail(Error::kTooLarge, "WebSocket: an endless answer");
  }
  const std::string_view head = text.substr(0, end);
  if (!head.starts_with("HTTP/1.1 101 ")) {
    return fail(Error::kMalformed,
                fmt::format("WebSocket: the server says '{}'", head.substr(0, head.find('\r'))));
  }
  const door::WsAccept accept = door::websocket_accept(key_);
  if (head.find(std::string_view(accept.data(), accept.size())) == std::string_view::npos) {
    return fail(Error::kMalformed, "WebSocket: the server's Sec-WebSocket-Accept is wrong");
  }
  websocket_.emplace(door::WsRole::kClient);
  Bytes rest(answer_.begin() + static_cast<ptrdiff_t>(end + kHeadEnd.size()), answer_.end());
  answer_ = Bytes();
  RW_TRY(open(out));
  return rest.empty() ? Result<void>() : read_websocket(rest, stream, out);
}

Result<void> ClientDoors::read_flight(Bytes& stream, Bytes& out) {
  const auto size = tls::read_fake_flight(answer_, *options_.fake_tls, random_);
  if (!size) {
    if (size.error() == Error::kTruncated && answer_.size() <= 2 * kAnswerBytesMax) return {};
    return fail(Error::kMalformed, "fake TLS: the server's flight is wrong");
  }
  fake_.emplace(tls::FakeTlsSide::kClient);
  Bytes rest(answer_.begin() + static_cast<ptrdiff_t>(*size), answer_.end());
  answer_ = Bytes();
  append(out, tls::kFakeChangeCipherSpec);
  RW_TRY(open(out));
  return rest.empty() ? Result<void>() : read_stream(rest, stream, out);
}

Result<void> ClientDoors::read_websocket(ByteSpan bytes, Bytes& stream, Bytes& out) {
  using Event = door::WebSocketReader::Event;
  websocket_->receive(bytes);
  for (;;) {
    door::WebSocketReader::Piece piece;
    switch (websocket_->next(piece)) {
      case Event::kNeedMore:
        return {};
      case Event::kData:
        append(stream, piece.bytes);
        break;
      case Event::kPing: {
        const size_t header = door::ws_masked_header_bytes(piece.bytes.size());
        Bytes pong(header + piece.bytes.size());
        const door::WsMask mask{};
        door::write_ws_masked_header(door::WsOpcode::kPong, piece.bytes.size(), mask, pong);
        std::copy(piece.bytes.begin(), piece.bytes.end(),
                  pong.begin() + static_cast<ptrdiff_t>(header));
        RW_TRY(encrypt(pong, out));
        break;
      }
      case Event::kPong:
        break;
      case Event::kClose:
        return fail(Error::kNotFound,
                    fmt::format("WebSocket: closed by the server with {}", piece.close_code));
      case Event::kError:
        return fail(Error::kMalformed, "WebSocket: a wrong frame");
    }
  }
}

Result<void> ClientDoors::wrap(ByteView bytes, Bytes& out) {
  if (stage_ != Stage::kOpen) {
    append(waiting_, bytes);
    return {};
  }
  if (http_) {
    Bytes requests;
    http_->write(bytes, requests);
    return requests.empty() ? Result<void>() : encrypt(requests, out);
  }
  if (websocket_) {
    door::WsMask mask{};
    crypto::random_padding(mask);
    const size_t header = door::ws_masked_header_bytes(bytes.size());
    Bytes frame(header + bytes.size());
    door::write_ws_masked_header(door::WsOpcode::kBinary, bytes.size(), mask, frame);
    const ByteSpan payload = ByteSpan(frame).subspan(header);
    std::copy(bytes.begin(), bytes.end(), payload.begin());
    door::mask_ws_payload(mask, payload);
    return encrypt(frame, out);
  }
  if (fake_) {
    const size_t before = out.size();
    out.resize(before + tls::fake_records_bytes(bytes.size()));
    tls::write_fake_records(bytes, ByteSpan(out).subspan(before));
    return {};
  }
  return encrypt(bytes, out);
}

Result<void> ClientDoors::encrypt(ByteView bytes, Bytes& out) {
  if (tls_ == nullptr) {
    append(out, bytes);
    return {};
  }
  const Result<void> sealed = tls_->write(bytes);
  take_output(out);
  return sealed.ok() ? sealed : fail(sealed.error(), "TLS: cannot seal");
}

void ClientDoors::take_output(Bytes& out) {
  const ByteView pending = tls_->pending_output();
  append(out, pending);
  tls_->consume_output(pending.size());
}

}  // namespace ringway::client
