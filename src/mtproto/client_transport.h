// mtproto/client_transport: the client side of the same transports, for the client room, the load
// tool and the tests. Pure, like transport.h.
#pragma once

#include <optional>
#include <vector>

#include "mtproto/transport.h"

namespace ringway::mtproto {

struct ClientTransportOptions {
  TransportKind kind = TransportKind::kIntermediate;
  bool obfuscated = false;
  std::optional<Secret<kTransportSecretBytes>> secret;  // only with obfuscated
  int16_t dc = 2;
  size_t frame_bytes_max = kServerFrameBytesMax;
};

// "abridged", "intermediate", "padded", "full", and each with "obfuscated-" before it but for full.
// kInvalidArgument for any other name.
Result<ClientTransportOptions> client_transport_by_name(std::string_view name);

// What arrived from the server.
struct ServerEvent {
  enum class Kind : uint8_t { kFrame, kQuickAck, kTransportError };
  Kind kind = Kind::kFrame;
  ByteSpan payload;  // kFrame: like Frame::payload; padding of the padded transport included
  Bytes storage;     // owns payload when it had to be assembled
  uint32_t quick_ack_token = 0;
  int32_t error_code = 0;  // kTransportError: -404, -429, -444 ...
};

class ClientTransport {
 public:
  explicit ClientTransport(const ClientTransportOptions& options);
  // The same with an obfuscation init that was drawn elsewhere, for runs that must repeat.
  ClientTransport(const ClientTransportOptions& options,
                  std::span<const uint8_t, kObfuscationInitBytes> drawn_init);

  // What opens the stream: the magic or the 64 bytes of obfuscation; to be sent before all else.
  [[nodiscard]] const Bytes& opening() const noexcept { return opening_; }

  // Appends a framed (and obfuscated) payload to `out`: a multiple of 4 bytes and not none. The
  // full transport cannot ask for a quick ack and ignores `quick_ack`.
  void write_frame(ByteView payload, bool quick_ack, Bytes& out);

  // Receiving works as in ServerTransport, with its borrowing. Frames that only say "no operation"
  // are passed over. Errors: kBadLength, kTooLarge, kBadSequence, kBadChecksum, kMalformed (a frame
  // too short for a message that is no transport error either).
  void receive(ByteSpan bytes) noexcept;
  [[nodiscard]] ServerTransport::Event next(ServerEvent& event);
  [[nodiscard]] Error error() const noexcept { return error_; }

 private:
  void open(std::span<uint8_t, kObfuscationInitBytes> drawn_init);
  [[nodiscard]] bool next_bare_quick_ack(ByteView head, ServerEvent& event) noexcept;
  [[nodiscard]] ServerTransport::Event fail(Error error) noexcept;

  ClientTransportOptions options_;
  Error error_ = Error::kNone;
  uint32_t receive_sequence_ = 0;
  uint32_t send_sequence_ = 0;
  crypto::AesCtr receive_cipher_;
  crypto::AesCtr send_cipher_;
  Bytes opening_;
  StreamBuffer buffer_;
};

}  // namespace ringway::mtproto
