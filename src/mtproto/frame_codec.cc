#include "mtproto/frame_codec.h"

#include <zlib.h>

#include "base/limits.h"
#include "crypto/random.h"

namespace ringway::mtproto {
namespace {

constexpr uint8_t kAbridgedLongForm = 0x7f;
constexpr size_t kAbridgedShortHeaderBytes = 1;
constexpr size_t kAbridgedLongHeaderBytes = 4;
constexpr size_t kIntermediateHeaderBytes = 4;
constexpr size_t kFullHeaderBytes = 8;
constexpr size_t kWordBytes = 4;
constexpr uint8_t kPaddingMask = 3;

static_assert(kFullHeaderBytes <= kFrameHeaderBytesMax);
static_assert(kFrameBytesCeiling <= kAbridgedPayloadBytesMax);

Result<FrameHeader> with_payload(size_t header_bytes, size_t payload_bytes,
                                 size_t payload_bytes_max, bool quick_ack) noexcept {
  if (payload_bytes == 0) return Error::kBadLength;
  if (payload_bytes > payload_bytes_max) return Error::kTooLarge;
  FrameHeader header;
  header.header_bytes = header_bytes;
  header.payload_bytes = payload_bytes;
  header.frame_bytes = header_bytes + payload_bytes;
  header.quick_ack = quick_ack;
  return header;
}

Result<FrameHeader> read_abridged(ByteReader reader, size_t payload_bytes_max) noexcept {
  RW_TRY_ASSIGN(const uint8_t first, reader.u8());
  const bool quick_ack = (first & 0x80) != 0;
  const uint8_t words = first & 0x7f;
  if (words != kAbridgedLongForm) {
    return with_payload(kAbridgedShortHeaderBytes, words * kWordBytes, payload_bytes_max,
                        quick_ack);
  }
  uint8_t raw[3];
  RW_TRY(reader.copy_to(raw));
  const size_t long_words = raw[0] | size_t{raw[1]} << 8 | size_t{raw[2]} << 16;
  if (long_words < kAbridgedLongForm) return Error::kBadLength;
  return with_payload(kAbridgedLongHeaderBytes, long_words * kWordBytes, payload_bytes_max,
                      quick_ack);
}

Result<FrameHeader> read_intermediate(ByteReader reader, bool padded,
                                      size_t payload_bytes_max) noexcept {
  RW_TRY_ASSIGN(const uint32_t raw, reader.u32());
  const size_t length = raw & ~kQuickAckBit;
  if (!padded && length % kWordBytes != 0) return Error::kBadLength;
  return with_payload(kIntermediateHeaderBytes, length, payload_bytes_max,
                      (raw & kQuickAckBit) != 0);
}

Result<FrameHeader> read_full(ByteReader reader, size_t payload_bytes_max) noexcept {
  RW_TRY_ASSIGN(const uint32_t length, reader.u32());
  if (length % kWordBytes != 0 || length < kFullHeaderBytes + kFullTrailerBytes)
    return Error::kBadLength;
  const size_t payload_bytes = length - kFullHeaderBytes - kFullTrailerBytes;
  Result<FrameHeader> header =
      with_payload(kFullHeaderBytes, payload_bytes, payload_bytes_max, false);
  if (!header) return header;
  RW_TRY_ASSIGN(header->sequence, reader.u32());
  header->frame_bytes = length;
  return header;
}

}  // namespace

std::string_view to_string(TransportKind kind) noexcept {
  switch (kind) {
    case TransportKind::kUndecided:
      return "undecided";
    case TransportKind::kAbridged:
      return "abridged";
    case TransportKind::kIntermediate:
      return "intermediate";
    case TransportKind::kPadded:
      return "padded";
    case TransportKind::kFull:
      return "full";
  }
  return "unknown";
}

Result<FrameHeader> read_frame_header(TransportKind kind, ByteView head,
                                      size_t payload_bytes_max) noexcept {
  const ByteReader reader(head);
  switch (kind) {
    case TransportKind::kAbridged:
      return read_abridged(reader, payload_bytes_max);
    case TransportKind::kIntermediate:
      return read_intermediate(reader, false, payload_bytes_max);
    case TransportKind::kPadded:
      return read_intermediate(reader, true, payload_bytes_max);
    case TransportKind::kFull:
      return read_full(reader, payload_bytes_max);
    case TransportKind::kUndecided:
      break;
  }
  RW_ASSERT(kind != TransportKind::kUndecided);
  return Error::kBadTransport;
}

size_t frame_header_bytes(TransportKind kind, size_t payload_bytes) noexcept {
  RW_ASSERT(kind != TransportKind::kUndecided);
  if (kind == TransportKind::kFull) return kFullHeaderBytes;
  if (kind != TransportKind::kAbridged) return kIntermediateHeaderBytes;
  return payload_bytes / kWordBytes < kAbridgedLongForm ? kAbridgedShortHeaderBytes
                                                        : kAbridgedLongHeaderBytes;
}

size_t frame_trailer_bytes(TransportKind kind) noexcept {
  return kind == TransportKind::kFull ? kFullTrailerBytes : 0;
}

void write_frame_header(TransportKind kind, size_t payload_bytes, uint32_t sequence, bool quick_ack,
                        ByteSpan frame) noexcept {
  RW_ASSERT(payload_bytes > 0);
  RW_ASSERT(payload_bytes <= kAbridgedPayloadBytesMax);
  RW_ASSERT(kind == TransportKind::kPadded || payload_bytes % kWordBytes == 0);
  ByteWriter writer(frame);
  const uint32_t bytes = static_cast<uint32_t>(payload_bytes);
  if (kind == TransportKind::kFull) {
    writer.u32(static_cast<uint32_t>(kFullHeaderBytes + payload_bytes + kFullTrailerBytes));
    writer.u32(sequence);
    return;
  }
  if (kind != TransportKind::kAbridged) {
    writer.u32(quick_ack ? bytes | kQuickAckBit : bytes);
    return;
  }
  const uint32_t words = bytes / kWordBytes;
  const uint8_t top = quick_ack ? 0x80 : 0;
  if (words < kAbridgedLongForm) {
    writer.u8(static_cast<uint8_t>(top | words));
  } else {
    writer.u32(words << 8 | kAbridgedLongForm | top);
  }
}

size_t draw_padding_bytes() noexcept {
  uint8_t raw = 0;
  crypto::random_padding({&raw, 1});
  return raw & kPaddingMask;
}

uint32_t frame_checksum(ByteView frame) noexcept {
  RW_ASSERT(frame.size() >= kFullTrailerBytes);
  return static_cast<uint32_t>(crc32_z(0, frame.data(), frame.size() - kFullTrailerBytes));
}

bool checksum_matches(ByteView frame) noexcept {
  return frame_checksum(frame) ==
         load_le<uint32_t>(frame.data() + frame.size() - kFullTrailerBytes);
}

void write_checksum(ByteSpan frame) noexcept {
  store_le(frame.data() + frame.size() - kFullTrailerBytes, frame_checksum(frame));
}

}  // namespace ringway::mtproto
