// door/websocket: WebSocket frames around a byte stream, in both roles.
//
// MTProto uses the data frames as a stream: where frames and messages begin and end means nothing.
// A WebSocketReader belongs to one connection and is driven by that connection's thread. It unmasks
// in place and hands data out where it lies, as it arrives; it owns memory only while a control
// frame has begun and is not complete. The opening handshake is not its business (door/http_api),
// and extensions are never agreed on, so that reserved bits are errors.
//
//   open --close frame--> dead          open --wrong bytes--> dead
//
// Source: RFC 6455, sections 5 and 7.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"

namespace ringway::door {

enum class WsOpcode : uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

// What an endpoint sends in its close frame; a peer's code may be another one.
enum class WsCloseCode : uint16_t {
  kNormal = 1000,
  kProtocolError = 1002,
  kUnsupportedData = 1003,
};

enum class WsRole : uint8_t {
  kServer,  // reads a client's frames, all masked
  kClient,  // reads a server's frames, none masked
};

using WsMask = std::array<uint8_t, 4>;

inline constexpr size_t kWsControlBytesMax = 125;
inline constexpr size_t kWsFrameHeaderBytesMax = 2 + 8 + 4;

class WebSocketReader {
 public:
  enum class Event : uint8_t {
    kNeedMore,  // everything was consumed
    kData,      // piece.bytes: the next bytes of the stream, one or more
    kPing,      // piece.bytes: what a pong must carry back
    kPong,      // of no meaning here
    kClose,     // the peer has closed; answer with piece.close_code and close
    kError,     // the peer broke the protocol; say so with piece.close_code and close
  };
  struct Piece {
    // Inside the bytes given to receive(), or inside `storage`; to be changed at will.
    ByteSpan bytes;
    // Owns a control frame's payload that crossed reads; moving it keeps `bytes` valid.
    std::unique_ptr<std::array<uint8_t, kWsControlBytesMax>> storage;
    uint16_t close_code = 0;
  };

  explicit WebSocketReader(WsRole role) noexcept : masked_(role == WsRole::kServer) {}
  // What was moved from may only be destroyed or assigned to.
  WebSocketReader(WebSocketReader&&) noexcept = default;
  WebSocketReader& operator=(WebSocketReader&&) noexcept = default;

  // Takes the next bytes. They are changed in place, and borrowed until next() has returned
  // kNeedMore. What was lent before has been consumed.
  void receive(ByteSpan bytes) noexcept;
  // The next piece. Every event but kNeedMore has consumed at least one byte. kError comes with
  // 1003 for text and 1002 for everything else that is forbidden, at the first byte that shows it.
  // After kClose or kError the reader is dead: whatever follows is discarded. A reason that a close
  // frame gives is not looked at.
  [[nodiscard]] Event next(Piece& piece);

  // True when a frame has begun and is not complete.
  [[nodiscard]] bool mid_frame() const noexcept { return header_bytes_ != 0; }

 private:
  [[nodiscard]] size_t length_bytes() const noexcept;
  [[nodiscard]] size_t header_bytes_needed() const noexcept;
  [[nodiscard]] bool take_header() noexcept;
  [[nodiscard]] WsCloseCode header_fault() const noexcept;
  [[nodiscard]] uint64_t announced_bytes() const noexcept;
  void begin_payload() noexcept;
  void end_frame() noexcept;
  [[nodiscard]] ByteSpan take_payload() noexcept;
  [[nodiscard]] bool gather_control(Piece& piece);
  [[nodiscard]] Event end_control(Piece& piece) noexcept;
  [[nodiscard]] Event end_close(Piece& piece) noexcept;
  [[nodiscard]] Event fail(Piece& piece, WsCloseCode code) noexcept;
  [[nodiscard]] WsOpcode opcode() const noexcept { return WsOpcode(header_[0] & 0x0f); }
  [[nodiscard]] bool control() const noexcept { return (header_[0] & 0x08) != 0; }

  ByteSpan input_;
  std::unique_ptr<std::array<uint8_t, kWsControlBytesMax>> control_;
  uint64_t payload_left_ = 0;  // of the frame that in_payload_
  // The current frame's header as it came, as far as it is there. Its mask is turned as payload is
  // taken, so that it always begins with the byte for the next one.
  std::array<uint8_t, kWsFrameHeaderBytesMax> header_{};
  uint8_t header_bytes_ : 4 = 0;
  bool in_payload_ : 1 = false;  // the header is complete
  bool in_message_ : 1 = false;  // a data frame without FIN came, and none with it
  bool dead_ : 1 = false;
  bool masked_ : 1;
};
static_assert(sizeof(WebSocketReader) <= 48, "one lives in every idle WebSocket connection");

// --- writing ---

// Bytes of the header of a frame that a server sends, and of one that a client sends.
[[nodiscard]] constexpr size_t ws_frame_header_bytes(size_t payload_bytes) noexcept {
  return payload_bytes <= kWsControlBytesMax ? 2 : payload_bytes <= 0xffff ? 4 : 10;
}
[[nodiscard]] constexpr size_t ws_masked_header_bytes(size_t payload_bytes) noexcept {
  return ws_frame_header_bytes(payload_bytes) + sizeof(WsMask);
}
// The header of a frame that is a whole message, into `out`, which has room for it. Control frames
// carry at most kWsControlBytesMax.
void write_ws_frame_header(WsOpcode opcode, size_t payload_bytes, ByteSpan out) noexcept;
void write_ws_masked_header(WsOpcode opcode, size_t payload_bytes, const WsMask& mask,
                            ByteSpan out) noexcept;
// Masks or unmasks in place; `mask` begins with the byte for the first one.
void mask_ws_payload(const WsMask& mask, ByteSpan payload) noexcept;

// A server's whole close frame.
[[nodiscard]] std::array<uint8_t, 4> ws_close_frame(uint16_t code) noexcept;

}  // namespace ringway::door
