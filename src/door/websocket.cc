#include "door/websocket.h"

#include <algorithm>

namespace ringway::door {
namespace {

constexpr uint8_t kFin = 0x80;
constexpr uint8_t kReservedBits = 0x70;
constexpr uint8_t kMaskBit = 0x80;
constexpr uint8_t kLengthBits = 0x7f;
constexpr uint8_t kLength16 = 126;  // the length follows in 16 bits
constexpr uint8_t kLength64 = 127;

// header_fault() of a header that is right as far as it goes.
constexpr WsCloseCode kNoFault = WsCloseCode::kNormal;

// RFC 6455, 7.4: what may stand in a close frame. The others are for use inside an endpoint, or for
// nobody.
bool may_be_sent(uint16_t code) noexcept {
  return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
         (code >= 3000 && code <= 4999);
}

bool known(WsOpcode opcode) noexcept {
  switch (opcode) {
    case WsOpcode::kContinuation:
    case WsOpcode::kText:
    case WsOpcode::kBinary:
    case WsOpcode::kClose:
    case WsOpcode::kPing:
    case WsOpcode::kPong:
      return true;
  }
  return false;
}

uint64_t load_be(ByteView bytes) noexcept {
  uint64_t value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return value;
}

void store_be(uint64_t value, ByteSpan out) noexcept {
  for (size_t i = out.size(); i-- > 0; value >>= 8) out[i] = static_cast<uint8_t>(value);
}

}  // namespace

void WebSocketReader::receive(ByteSpan bytes) noexcept {
  RW_ASSERT(input_.empty());
  input_ = bytes;
}

WebSocketReader::Event WebSocketReader::next(Piece& piece) {
  piece = Piece{};
  while (!dead_) {
    if (!in_payload_) {
      if (!take_header()) return fail(piece, header_fault());
      if (!in_payload_) return Event::kNeedMore;
    }
    if (control()) return gather_control(piece) ? end_control(piece) : Event::kNeedMore;
    if (payload_left_ != 0) {
      if (input_.empty()) return Event::kNeedMore;
      piece.bytes = take_payload();
    }
    if (payload_left_ == 0) end_frame();
    if (!piece.bytes.empty()) return Event::kData;
  }
  input_ = {};
  return Event::kNeedMore;
}

// How many bytes the length takes that the second byte announces.
size_t WebSocketReader::length_bytes() const noexcept {
  const uint8_t length = header_[1] & kLengthBits;
  return length == kLength16 ? 2 : length == kLength64 ? 8 : 0;
}

size_t WebSocketReader::header_bytes_needed() const noexcept {
  if (header_bytes_ < 2) return 2;
  return 2 + length_bytes() + (masked_ ? sizeof(WsMask) : 0);
}

// Takes what is there of the header; in_payload_ is set when that completes it. False: it is wrong.
bool WebSocketReader::take_header() noexcept {
  while (!input_.empty()) {
    const size_t count = std::min(header_bytes_needed() - header_bytes_, input_.size());
    std::copy_n(input_.data(), count, header_.data() + header_bytes_);
    header_bytes_ = (header_bytes_ + count) & 0xf;
    input_ = input_.subspan(count);
    if (header_fault() != kNoFault) return false;
    if (header_bytes_ == header_bytes_needed()) {
      begin_payload();
      return true;
    }
  }
  return true;
}

// Why the header, as far as it is there, may not go on.
WsCloseCode WebSocketReader::header_fault() const noexcept {
  const bool fin = (header_[0] & kFin) != 0;
  if ((header_[0] & kReservedBits) != 0 || !known(opcode())) return WsCloseCode::kProtocolError;
  if (control() ? !fin : (opcode() == WsOpcode::kContinuation) != in_message_) {
    return WsCloseCode::kProtocolError;
  }
  if (opcode() == WsOpcode::kText) return WsCloseCode::kUnsupportedData;
  if (header_bytes_ < 2) return kNoFault;

  if (((header_[1] & kMaskBit) != 0) != masked_) return WsCloseCode::kProtocolError;
  if (control() && (header_[1] & kLengthBits) > kWsControlBytesMax) {
    return WsCloseCode::kProtocolError;
  }
  if (length_bytes() == 0 || header_bytes_ < 2 + length_bytes()) return kNoFault;

  const uint64_t length = announced_bytes();
  const uint64_t least = length_bytes() == 2 ? kLength16 : 0x10000;
  return length < least || length >> 63 != 0 ? WsCloseCode::kProtocolError : kNoFault;
}

uint64_t WebSocketReader::announced_bytes() const noexcept {
  if (length_bytes() == 0) return header_[1] & kLengthBits;
  return load_be(ByteView(header_).subspan(2, length_bytes()));
}

void WebSocketReader::begin_payload() noexcept {
  in_payload_ = true;
  payload_left_ = announced_bytes();
  if (!control()) in_message_ = (header_[0] & kFin) == 0;
}

void WebSocketReader::end_frame() noexcept {
  in_payload_ = false;
  header_bytes_ = 0;
}

// Takes what is there of the payload, unmasked.
ByteSpan WebSocketReader::take_payload() noexcept {
  const auto count = static_cast<size_t>(std::min<uint64_t>(payload_left_, input_.size()));
  const ByteSpan bytes = input_.first(count);
  input_ = input_.subspan(count);
  payload_left_ -= count;
  if (masked_) {
    uint8_t* const place = header_.data() + header_bytes_ - sizeof(WsMask);
    WsMask mask;
    std::copy_n(place, mask.size(), mask.begin());
    mask_ws_payload(mask, bytes);
    std::rotate_copy(mask.begin(), mask.begin() + count % mask.size(), mask.end(), place);
  }
  return bytes;
}

// Takes what is there of a control frame; true when that completes it.
bool WebSocketReader::gather_control(Piece& piece) {
  const size_t length = header_[1] & kLengthBits;
  const size_t have = length - payload_left_;
  const ByteSpan part = take_payload();
  if (part.size() == length) {
    piece.bytes = part;
    return true;
  }
  if (part.empty()) return false;
  if (control_ == nullptr) control_ = std::make_unique<std::array<uint8_t, kWsControlBytesMax>>();
  std::copy(part.begin(), part.end(), control_->begin() + have);
  if (payload_left_ != 0) return false;
  piece.storage = std::move(control_);
  piece.bytes = ByteSpan(*piece.storage).first(length);
  return true;
}

WebSocketReader::Event WebSocketReader::end_control(Piece& piece) noexcept {
  end_frame();
  if (opcode() == WsOpcode::kClose) return end_close(piece);
  return opcode() == WsOpcode::kPing ? Event::kPing : Event::kPong;
}

WebSocketReader::Event WebSocketReader::end_close(Piece& piece) noexcept {
  const bool bare = piece.bytes.empty();
  if (piece.bytes.size() == 1) return fail(piece, WsCloseCode::kProtocolError);
  const auto code = bare ? static_cast<uint16_t>(WsCloseCode::kNormal)
                         : static_cast<uint16_t>(load_be(piece.bytes.first(2)));
  if (!may_be_sent(code)) return fail(piece, WsCloseCode::kProtocolError);
  piece.close_code = code;
  dead_ = true;
  return Event::kClose;
}

WebSocketReader::Event WebSocketReader::fail(Piece& piece, WsCloseCode code) noexcept {
  piece.bytes = {};
  piece.close_code = static_cast<uint16_t>(code);
  dead_ = true;
  return Event::kError;
}

void write_ws_frame_header(WsOpcode opcode, size_t payload_bytes, ByteSpan out) noexcept {
  const size_t header_bytes = ws_frame_header_bytes(payload_bytes);
  RW_ASSERT(out.size() >= header_bytes);
  out[0] = static_cast<uint8_t>(kFin | static_cast<uint8_t>(opcode));
  if (header_bytes == 2) {
    out[1] = static_cast<uint8_t>(payload_bytes);
    return;
  }
  out[1] = header_bytes == 4 ? kLength16 : kLength64;
  store_be(payload_bytes, out.subspan(2, header_bytes - 2));
}

void write_ws_masked_header(WsOpcode opcode, size_t payload_bytes, const WsMask& mask,
                            ByteSpan out) noexcept {
  const size_t plain_bytes = ws_frame_header_bytes(payload_bytes);
  RW_ASSERT(out.size() >= plain_bytes + mask.size());
  write_ws_frame_header(opcode, payload_bytes, out);
  out[1] |= kMaskBit;
  std::copy(mask.begin(), mask.end(), out.begin() + plain_bytes);
}

void mask_ws_payload(const WsMask& mask, ByteSpan payload) noexcept {
  // A vector of the compiler's own, at any alignment.
  using Wide = uint32_t __attribute__((vector_size(16)));
  uint8_t* at = payload.data();
  size_t left = payload.size();
  const auto narrow = load_le<uint32_t>(mask.data());
  const Wide wide = Wide{} + narrow;
  for (; left >= sizeof wide; left -= sizeof wide, at += sizeof wide) {
    store_le(at, load_le<Wide>(at) ^ wide);
  }
  for (; left >= sizeof narrow; left -= sizeof narrow, at += sizeof narrow) {
    store_le(at, load_le<uint32_t>(at) ^ narrow);
  }
  for (size_t i = 0; i < left; ++i) at[i] ^= mask[i];
}

std::array<uint8_t, 4> ws_close_frame(uint16_t code) noexcept {
  std::array<uint8_t, 4> frame;
  write_ws_frame_header(WsOpcode::kClose, 2, frame);
  store_be(code, ByteSpan(frame).last(2));
  return frame;
}

}  // namespace ringway::door
