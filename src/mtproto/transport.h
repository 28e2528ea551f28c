// mtproto/transport: the server side of the byte stream between a socket and MTProto frames.
//
// Pure: bytes in, frames out; no sockets, no clock. One ServerTransport belongs to one connection
// and is driven by that connection's worker. It finds out which transport the client speaks
// (abridged, intermediate, padded intermediate, full; each plain or inside obfuscated2), removes
// obfuscation in place, and cuts frames. Only a frame that crosses two reads is copied, into a tail
// that grows with the bytes that arrive and never by the length that was announced.
//
//   undecided --first bytes--> plain(kind) | obfuscated(kind)        any --bad bytes--> failed
//
// HTTP (and with it WebSocket), fake TLS and the PROXY header are doors that stand before a
// transport; what comes through them is a stream for this class. Without such a door an HTTP
// request is refused.
#pragma once

#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/aes_ctr.h"
#include "mtproto/stream_buffer.h"
#include "mtproto/transport_kind.h"

namespace ringway::mtproto {

// What a listener accepts. Shared by its connections, immutable, outlives them.
struct TransportConfig {
  // Plain transports, each a switch. A plain transport that is switched off is still recognised,
  // and refused; inside obfuscation all three of its framings are always accepted.
  bool abridged = true;
  bool intermediate = true;
  bool padded = true;
  bool full = true;
  bool obfuscated = true;
  // The stream is obfuscated whatever it begins with, as behind WebSocket and fake TLS, where
  // clients do not keep clear of what the plain transports begin with.
  bool always_obfuscated = false;
  // The stream has this framing from its first byte on and nothing that opens it, as the bodies of
  // HTTP have, which are framed by the door. kUndecided: its first bytes tell.
  TransportKind framing = TransportKind::kUndecided;
  size_t frame_bytes_max = kFrameBytesMax;
  // 16-byte obfuscation secrets, tried in turn. With secrets, an obfuscated connection without one
  // is refused (plain transports go by their switches); empty: plain key derivation.
  std::vector<Secret<kTransportSecretBytes>> secrets;
};

// One frame of the client's.
struct Frame {
  ByteSpan payload;  // inside the bytes given to receive(), or inside `storage`
  Bytes storage;     // owns the payload when it had to be assembled; moving keeps `payload` valid
  bool quick_ack = false;  // the client asked for a quick ack
};

// A transport at rest, for a move to another core or process. Holds stream positions: secret.
struct TransportState {
  TransportKind kind = TransportKind::kUndecided;
  bool obfuscated = false;
  int16_t dc = 0;
  uint32_t receive_sequence = 0;  // full transport
  uint32_t send_sequence = 0;
  crypto::AesCtr::State receive_cipher;
  crypto::AesCtr::State send_cipher;
  Bytes tail;  // received, not yet a frame; deciphered once `kind` is decided
};

class ServerTransport {
 public:
  enum class Event : uint8_t { kNeedMore, kFrame, kError };

  explicit ServerTransport(const TransportConfig* config) noexcept
      : config_(config), kind_(config->framing) {}
  ServerTransport(const TransportConfig* config, TransportState state) noexcept;

  // --- receiving ---
  // Takes the next bytes of the stream. They are deciphered in place and borrowed until next() has
  // returned kNeedMore or kError, or park() was called.
  void receive(ByteSpan bytes) noexcept;
  // The next frame. kNeedMore: everything was consumed, what is left of a frame rests in the tail.
  // kError: error() says why; the stream is dead and every further call returns kError.
  // kBadTransport while detecting; kBadLength, kTooLarge, kBadSequence as soon as a frame's header
  // is there; kBadChecksum.
  [[nodiscard]] Event next(Frame& frame);
  [[nodiscard]] Error error() const noexcept { return error_; }
  // Copies what next() has not consumed yet into the tail, so that the borrowed bytes can be given
  // back; next() goes on from there later, without further bytes.
  void park();
  [[nodiscard]] size_t buffered_bytes() const noexcept { return buffer_.tail_bytes(); }
  // True when a frame has begun and is not complete (for the frame deadline). False while kind() is
  // undecided: detection has a deadline of its own.
  [[nodiscard]] bool mid_frame() const noexcept;

  [[nodiscard]] TransportKind kind() const noexcept { return kind_; }
  [[nodiscard]] bool obfuscated() const noexcept { return obfuscated_; }
  // The data center the client named in its obfuscation header; for the log only.
  [[nodiscard]] int16_t dc() const noexcept { return dc_; }

  // --- sending; only after kind() is decided ---
  // How a payload will lie on the wire: a multiple of 4 bytes and not none, as all of MTProto's
  // are. Padding is drawn here, so plan once and use it once.
  struct Plan {
    size_t frame_bytes = 0;  // everything: header, payload, padding or trailer
    size_t header_bytes = 0;
    size_t payload_bytes = 0;
  };
  [[nodiscard]] Plan plan(size_t payload_bytes) noexcept;
  // Writes the header and padding around the payload's place. frame.size() == plan.frame_bytes. The
  // payload may be filled in after this; frames are laid out in the order in which they are sent.
  void lay_out(const Plan& plan, ByteSpan frame) noexcept;
  // Once the payload is final: writes the full transport's checksum.
  void finish(const Plan& plan, ByteSpan frame) noexcept;
  // A quick ack: its bytes into `out` (kQuickAckBytesMax), returning how many; 0 where the
  // transport has none. Like frames, in the order in which they are sent, and passed through
  // encrypt_output().
  static constexpr size_t kQuickAckBytesMax = 20;
  [[nodiscard]] size_t write_quick_ack(uint32_t token,
                                       std::span<uint8_t, kQuickAckBytesMax> out) noexcept;
  // Obfuscates output in place, in stream order; nothing on a plain transport.
  void encrypt_output(ByteSpan bytes) noexcept;

  // --- moving ---
  // Everything received must be consumed or parked. Leaves this object dead.
  [[nodiscard]] TransportState export_state() &&;

 private:
  enum class Detection : uint8_t { kWait, kDecided, kRefused };
  [[nodiscard]] Detection detect() noexcept;
  [[nodiscard]] Detection detect_obfuscation(
      std::span<const uint8_t, kObfuscationInitBytes> init) noexcept;
  [[nodiscard]] Detection decide(TransportKind kind, bool enabled, size_t magic_bytes) noexcept;
  [[nodiscard]] bool could_become_a_transport(ByteView start) const noexcept;
  [[nodiscard]] Event fail(Error error) noexcept;

  const TransportConfig* config_;
  TransportKind kind_ = TransportKind::kUndecided;
  bool obfuscated_ = false;
  Error error_ = Error::kNone;
  int16_t dc_ = 0;
  uint32_t receive_sequence_ = 0;
  uint32_t send_sequence_ = 0;
  crypto::AesCtr receive_cipher_;
  crypto::AesCtr send_cipher_;
  StreamBuffer buffer_;  // deciphered once kind_ is decided, as it came before that
};
static_assert(sizeof(ServerTransport) <= 256, "one lives in every idle connection");

}  // namespace ringway::mtproto
