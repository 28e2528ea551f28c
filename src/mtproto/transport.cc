#include "mtproto/transport.h"

#include <algorithm>
#include <array>

#include "crypto/random.h"
#include "mtproto/frame_codec.h"
#include "mtproto/obfuscation.h"

namespace ringway::mtproto {
namespace {

constexpr uint8_t kAbridgedMagic = 0xef;
constexpr size_t kWordBytes = 4;
constexpr uint32_t kIntermediateMagic = 0xeeeeeeee;
constexpr uint32_t kPaddedMagic = 0xdddddddd;
// The first words of HTTP requests: POST, GET, HEAD, OPTI(ONS).
constexpr std::array<uint32_t, 4> kHttpWords = {0x54534f50, 0x20544547, 0x44414548, 0x4954504f};
constexpr size_t kFullDecidedBytes = 8;  // length and sequence number 0

constexpr size_t kFramedQuickAckBytes = 8;  // ffffffff and the token
// Up to 8 random bytes are lawful, but clients tell this frame from a message by its size: under 12
// bytes for the oldest of them.
constexpr uint8_t kQuickAckPaddingMask = 3;

bool is_prefix_of_word(ByteView bytes, uint32_t word) noexcept {
  uint8_t raw[kWordBytes];
  store_le(raw, word);
  return equal(bytes, ByteView(raw).first(bytes.size()));
}

}  // namespace

ServerTransport::ServerTransport(const TransportConfig* config, TransportState state) noexcept
    : config_(config),
      kind_(state.kind),
      obfuscated_(state.obfuscated),
      dc_(state.dc),
      receive_sequence_(state.receive_sequence),
      send_sequence_(state.send_sequence),
      receive_cipher_(state.receive_cipher),
      send_cipher_(state.send_cipher),
      buffer_(std::move(state.tail)) {}

void ServerTransport::receive(ByteSpan bytes) noexcept {
  if (error_ != Error::kNone) return;
  if (obfuscated_) receive_cipher_.apply(bytes);
  buffer_.lend(bytes);
}

ServerTransport::Event ServerTransport::next(Frame& frame) {
  if (error_ != Error::kNone) return Event::kError;
  if (kind_ == TransportKind::kUndecided) {
    switch (detect()) {
      case Detection::kDecided:
        break;
      case Detection::kRefused:
        return fail(Error::kBadTransport);
      case Detection::kWait:
        buffer_.park(kObfuscationInitBytes);
        return Event::kNeedMore;
    }
  }
  uint8_t scratch[kFrameHeaderBytesMax];
  const Result<FrameHeader> header =
      read_frame_header(kind_, buffer_.peek(scratch), config_->frame_bytes_max);
  if (!header) {
    if (header.error() != Error::kTruncated) return fail(header.error());
    buffer_.park(kFrameHeaderBytesMax);
    return Event::kNeedMore;
  }
  const bool full = kind_ == TransportKind::kFull;
  if (full && header->sequence != receive_sequence_) return fail(Error::kBadSequence);
  if (buffer_.size() < header->frame_bytes) {
    buffer_.park(header->frame_bytes);
    return Event::kNeedMore;
  }
  frame = Frame{};
  const ByteSpan whole = buffer_.take(header->frame_bytes, frame.storage);
  if (full && !checksum_matches(whole)) return fail(Error::kBadChecksum);
  if (full) ++receive_sequence_;
  frame.payload = whole.subspan(header->header_bytes, header->payload_bytes);
  frame.quick_ack = header->quick_ack;
  return Event::kFrame;
}

void ServerTransport::park() { buffer_.park(); }

bool ServerTransport::mid_frame() const noexcept {
  if (error_ != Error::kNone || kind_ == TransportKind::kUndecided || buffer_.size() == 0)
    return false;
  uint8_t scratch[kFrameHeaderBytesMax];
  const Result<FrameHeader> header =
      read_frame_header(kind_, buffer_.peek(scratch), config_->frame_bytes_max);
  if (!header) return header.error() == Error::kTruncated;
  return buffer_.size() < header->frame_bytes;
}

ServerTransport::Event ServerTransport::fail(Error error) noexcept {
  error_ = error;
  buffer_.clear();
  return Event::kError;
}

// The rules stand in the order in which they are asked; each decides as soon as its bytes are
// there, and nothing is consumed before that.
ServerTransport::Detection ServerTransport::detect() noexcept {
  uint8_t scratch[kObfuscationInitBytes];
  const ByteView start = buffer_.peek(scratch);
  if (start.empty()) return Detection::kWait;
  if (config_->always_obfuscated) {
    if (start.size() < kObfuscationInitBytes) return Detection::kWait;
    return detect_obfuscation(start.first<kObfuscationInitBytes>());
  }
  if (start[0] == kAbridgedMagic) return decide(TransportKind::kAbridged, config_->abridged, 1);
  if (start.size() >= kWordBytes) {
    const uint32_t word = load_le<uint32_t>(start.data());
    if (word == kIntermediateMagic) {
      return decide(TransportKind::kIntermediate, config_->intermediate, kWordBytes);
    }
    if (word == kPaddedMagic) return decide(TransportKind::kPadded, config_->padded, kWordBytes);
    // Where HTTP and WebSocket are served, their parser takes the stream before it comes here.
    if (std::find(kHttpWords.begin(), kHttpWords.end(), word) != kHttpWords.end()) {
      return Detection::kRefused;
    }
  }
  if (start.size() >= kFullDecidedBytes && load_le<uint32_t>(start.data() + kWordBytes) == 0) {
    return decide(TransportKind::kFull, config_->full, 0);
  }
  if (start.size() == kObfuscationInitBytes && config_->obfuscated) {
    return detect_obfuscation(start.first<kObfuscationInitBytes>());
  }
  return could_become_a_transport(start) ? Detection::kWait : Detection::kRefused;
}

// Whether more bytes could still make a transport of these, of which no rule has spoken.
bool ServerTransport::could_become_a_transport(ByteView start) const noexcept {
  if (config_->obfuscated) return true;
  if (start.size() < kWordBytes) {
    return config_->full || is_prefix_of_word(start, kIntermediateMagic) ||
           is_prefix_of_word(start, kPaddedMagic);
  }
  if (!config_->full || start.size() >= kFullDecidedBytes) return false;
  const ByteView sequence = start.subspan(kWordBytes);
  return std::all_of(sequence.begin(), sequence.end(), [](uint8_t byte) { return byte == 0; });
}

ServerTransport::Detection ServerTransport::decide(TransportKind kind, bool enabled,
                                                   size_t magic_bytes) noexcept {
  if (!enabled) return Detection::kRefused;
  buffer_.skip(magic_bytes);
  kind_ = kind;
  return Detection::kDecided;
}

ServerTransport::Detection ServerTransport::detect_obfuscation(
    std::span<const uint8_t, kObfuscationInitBytes> init) noexcept {
  const Result<ObfuscationOpening> opening = read_obfuscation_init(init, config_->secrets);
  if (!opening) return Detection::kRefused;
  obfuscated_ = true;
  dc_ = opening->dc;
  receive_cipher_ = opening->streams.client_to_server;
  send_cipher_ = opening->streams.server_to_client;
  const Detection decided = decide(opening->kind, true, kObfuscationInitBytes);
  receive_cipher_.apply(buffer_.tail());
  receive_cipher_.apply(buffer_.input());
  return decided;
}

ServerTransport::Plan ServerTransport::plan(size_t payload_bytes) noexcept {
  const size_t padding = kind_ == TransportKind::kPadded ? draw_padding_bytes() : 0;
  Plan plan;
  plan.payload_bytes = payload_bytes;
  plan.header_bytes = frame_header_bytes(kind_, payload_bytes + padding);
  plan.frame_bytes = plan.header_bytes + payload_bytes + padding + frame_trailer_bytes(kind_);
  return plan;
}

void ServerTransport::lay_out(const Plan& plan, ByteSpan frame) noexcept {
  RW_ASSERT(frame.size() == plan.frame_bytes);
  const size_t counted = plan.frame_bytes - plan.header_bytes - frame_trailer_bytes(kind_);
  write_frame_header(kind_, counted, send_sequence_, false, frame);
  if (kind_ == TransportKind::kFull) ++send_sequence_;
  crypto::random_padding(
      frame.subspan(plan.header_bytes + plan.payload_bytes, counted - plan.payload_bytes));
}

void ServerTransport::finish(const Plan& plan, ByteSpan frame) noexcept {
  RW_ASSERT(frame.size() == plan.frame_bytes);
  if (kind_ == TransportKind::kFull) write_checksum(frame);
}

size_t ServerTransport::write_quick_ack(uint32_t token,
                                        std::span<uint8_t, kQuickAckBytesMax> out) noexcept {
  ByteWriter writer(out);
  switch (kind_) {
    case TransportKind::kAbridged:
      writer.u32(__builtin_bswap32(token));
      break;
    case TransportKind::kIntermediate:
      writer.u32(token);
      break;
    case TransportKind::kPadded: {
      uint8_t draw = 0;
      crypto::random_padding({&draw, 1});
      const size_t padding = draw & kQuickAckPaddingMask;
      writer.u32(static_cast<uint32_t>(kFramedQuickAckBytes + padding));
      writer.u32(0xffffffff);
      writer.u32(token);
      crypto::random_padding(writer.take(padding));
      break;
    }
    case TransportKind::kFull:
      break;
    case TransportKind::kUndecided:
      RW_ASSERT(kind_ != TransportKind::kUndecided);
  }
  return writer.position();
}

void ServerTransport::encrypt_output(ByteSpan bytes) noexcept {
  if (obfuscated_) send_cipher_.apply(bytes);
}

TransportState ServerTransport::export_state() && {
  RW_ASSERT(error_ == Error::kNone);
  TransportState state;
  state.kind = kind_;
  state.obfuscated = obfuscated_;
  state.dc = dc_;
  state.receive_sequence = receive_sequence_;
  state.send_sequence = send_sequence_;
  state.receive_cipher = receive_cipher_.state();
  state.send_cipher = send_cipher_.state();
  state.tail = buffer_.release();
  error_ = Error::kBadState;
  return state;
}

}  // namespace ringway::mtproto
