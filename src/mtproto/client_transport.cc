#include "mtproto/client_transport.h"

#include <array>

#include "crypto/random.h"
#include "mtproto/frame_codec.h"
#include "mtproto/obfuscation.h"

namespace ringway::mtproto {
namespace {

constexpr uint8_t kAbridgedMagic = 0xef;
constexpr uint32_t kIntermediateMagic = 0xeeeeeeee;
constexpr uint32_t kPaddedMagic = 0xdddddddd;
constexpr size_t kBareQuickAckBytes = 4;
constexpr size_t kErrorPayloadBytes = 4;
constexpr size_t kFramedQuickAckBytesMin = 8;
constexpr size_t kFramedQuickAckBytesMax = 16;
// A padded frame shorter than this cannot hold a message: it is an error, a quick ack, or nothing.
constexpr size_t kPaddedMessageBytesMin = 16;

constexpr std::string_view kObfuscatedPrefix = "obfuscated-";

// What a frame too short for a message says.
enum class Note : uint8_t { kMessage, kNothing, kTaken, kMalformed };

Note read_short_frame(TransportKind kind, ByteView payload, ServerEvent& event) noexcept {
  const bool padded = kind == TransportKind::kPadded;
  ByteReader reader(payload);
  const Result<int32_t> first = reader.i32();
  if (!first) return Note::kMalformed;
  if (padded && *first == -1 && payload.size() >= kFramedQuickAckBytesMin &&
      payload.size() <= kFramedQuickAckBytesMax) {
    event.kind = ServerEvent::Kind::kQuickAck;
    event.quick_ack_token = load_le<uint32_t>(payload.data() + reader.position());
    return Note::kTaken;
  }
  const bool is_short =
      padded ? payload.size() < kPaddedMessageBytesMin : payload.size() <= kErrorPayloadBytes;
  if (!is_short) return Note::kMessage;
  if (*first == 0) return Note::kNothing;
  if (*first > 0) return Note::kMalformed;
  event.kind = ServerEvent::Kind::kTransportError;
  event.error_code = *first;
  return Note::kTaken;
}

}  // namespace

Result<ClientTransportOptions> client_transport_by_name(std::string_view name) {
  ClientTransportOptions options;
  if (name.starts_with(kObfuscatedPrefix)) {
    options.obfuscated = true;
    name.remove_prefix(kObfuscatedPrefix.size());
  }
  for (const TransportKind kind : {TransportKind::kAbridged, TransportKind::kIntermediate,
                                   TransportKind::kPadded, TransportKind::kFull}) {
    if (name != to_string(kind)) continue;
    if (options.obfuscated && kind == TransportKind::kFull) return Error::kInvalidArgument;
    options.kind = kind;
    return options;
  }
  return Error::kInvalidArgument;
}

ClientTransport::ClientTransport(const ClientTransportOptions& options) : options_(options) {
  std::array<uint8_t, kObfuscationInitBytes> init{};
  if (options.obfuscated) draw_obfuscation_init(init);
  open(init);
}

ClientTransport::ClientTransport(const ClientTransportOptions& options,
                                 std::span<const uint8_t, kObfuscationInitBytes> drawn_init)
    : options_(options) {
  std::array<uint8_t, kObfuscationInitBytes> init;
  std::copy(drawn_init.begin(), drawn_init.end(), init.begin());
  open(init);
}

void ClientTransport::open(std::span<uint8_t, kObfuscationInitBytes> drawn_init) {
  RW_ASSERT(options_.kind != TransportKind::kUndecided);
  if (options_.obfuscated) {
    const TransportSecret* secret = options_.secret ? &*options_.secret : nullptr;
    ObfuscationStreams streams =
        seal_obfuscation_init(drawn_init, options_.kind, options_.dc, secret);
    send_cipher_ = streams.client_to_server;
    receive_cipher_ = streams.server_to_client;
    opening_.assign(drawn_init.begin(), drawn_init.end());
    return;
  }
  ByteAppender out(opening_);
  if (options_.kind == TransportKind::kAbridged) out.u8(kAbridgedMagic);
  if (options_.kind == TransportKind::kIntermediate) out.u32(kIntermediateMagic);
  if (options_.kind == TransportKind::kPadded) out.u32(kPaddedMagic);
}

void ClientTransport::write_frame(ByteView payload, bool quick_ack, Bytes& out) {
  const TransportKind kind = options_.kind;
  const size_t padding = kind == TransportKind::kPadded ? draw_padding_bytes() : 0;
  const size_t counted = payload.size() + padding;
  const size_t header_bytes = frame_header_bytes(kind, counted);
  const size_t begin = out.size();
  out.resize(begin + header_bytes + counted + frame_trailer_bytes(kind));
  const ByteSpan frame = ByteSpan(out).subspan(begin);
  write_frame_header(kind, counted, send_sequence_, quick_ack, frame);
  ByteWriter writer(frame.subspan(header_bytes));
  writer.bytes(payload);
  crypto::random_padding(writer.take(padding));
  if (kind == TransportKind::kFull) {
    write_checksum(frame);
    ++send_sequence_;
  }
  if (options_.obfuscated) send_cipher_.apply(frame);
}

void ClientTransport::receive(ByteSpan bytes) noexcept {
  if (error_ != Error::kNone) return;
  if (options_.obfuscated) receive_cipher_.apply(bytes);
  buffer_.lend(bytes);
}

ServerTransport::Event ClientTransport::fail(Error error) noexcept {
  error_ = error;
  buffer_.clear();
  return ServerTransport::Event::kError;
}

// A quick ack without a frame around it: on the abridged transport it is told by the top bit of its
// first byte, on the other two by the top bit of what would be a length. Consumed when there is
// one.
bool ClientTransport::next_bare_quick_ack(ByteView head, ServerEvent& event) noexcept {
  if (head.size() < kBareQuickAckBytes) return false;
  uint32_t token = load_le<uint32_t>(head.data());
  if (options_.kind == TransportKind::kAbridged) token = __builtin_bswap32(token);
  if (options_.kind == TransportKind::kFull || (token & kQuickAckBit) == 0) return false;
  buffer_.skip(kBareQuickAckBytes);
  event = ServerEvent{};
  event.kind = ServerEvent::Kind::kQuickAck;
  event.quick_ack_token = token;
  return true;
}

ServerTransport::Event ClientTransport::next(ServerEvent& event) {
  using Event = ServerTransport::Event;
  if (error_ != Error::kNone) return Event::kError;
  const TransportKind kind = options_.kind;
  while (true) {
    uint8_t scratch[kFrameHeaderBytesMax];
    const ByteView head = buffer_.peek(scratch);
    if (next_bare_quick_ack(head, event)) return Event::kFrame;
    // The start of an abridged quick ack must not be read as a header that asks for one.
    const bool ack_begins =
        kind == TransportKind::kAbridged && !head.empty() && (head[0] & 0x80) != 0;
    const Result<FrameHeader> header =
        ack_begins ? Error::kTruncated : read_frame_header(kind, head, options_.frame_bytes_max);
    if (!header) {
      if (header.error() != Error::kTruncated) return fail(header.error());
      buffer_.park(kFrameHeaderBytesMax);
      return Event::kNeedMore;
    }
    const bool full = kind == TransportKind::kFull;
    if (full && header->sequence != receive_sequence_) return fail(Error::kBadSequence);
    if (buffer_.size() < header->frame_bytes) {
      buffer_.park(header->frame_bytes);
      return Event::kNeedMore;
    }
    event = ServerEvent{};
    const ByteSpan whole = buffer_.take(header->frame_bytes, event.storage);
    if (full && !checksum_matches(whole)) return fail(Error::kBadChecksum);
    if (full) ++receive_sequence_;
    event.payload = whole.subspan(header->header_bytes, header->payload_bytes);
    switch (read_short_frame(kind, event.payload, event)) {
      case Note::kMessage:
      case Note::kTaken:
        return Event::kFrame;
      case Note::kMalformed:
        return fail(Error::kMalformed);
      case Note::kNothing:
        break;
    }
  }
}

}  // namespace ringway::mtproto
