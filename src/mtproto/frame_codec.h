// mtproto/frame_codec: headers and trailers of the four framings, for both roles.
//
// Pure functions without state. A frame is
//
//   abridged      words(1) or 7f words(3)   payload
//   intermediate  length(4)                 payload
//   padded        length(4)                 payload and 0..15 random bytes, both counted in length
//   full          length(4) sequence(4)     payload  crc32(4); length counts the whole frame
//
// where words is the payload's length divided by four. A client asks for a quick ack in the top bit
// of the first byte (abridged) or of the length (intermediate, padded); full has no such bit.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "mtproto/transport_kind.h"

namespace ringway::mtproto {

inline constexpr size_t kFrameHeaderBytesMax = 8;
inline constexpr size_t kFullTrailerBytes = 4;
inline constexpr uint32_t kQuickAckBit = 0x80000000;
inline constexpr size_t kAbridgedPayloadBytesMax = 0xffffff * size_t{4};

struct FrameHeader {
  size_t header_bytes = 0;
  size_t payload_bytes = 0;  // padding of the padded transport included
  size_t frame_bytes = 0;    // header, payload and trailer
  uint32_t sequence = 0;     // full only
  bool quick_ack = false;
};

// Reads the header at the start of `head`, which may end before the header does (kTruncated: wait
// for more) or go on far behind it. kBadLength: zero, not of whole words, or abridged's long form
// where the short one would do. kTooLarge: the payload is above `payload_bytes_max`. A length that
// cannot be right is refused as soon as it is there. `kind` is decided.
Result<FrameHeader> read_frame_header(TransportKind kind, ByteView head,
                                      size_t payload_bytes_max) noexcept;

// How many bytes the header before this payload has; `payload_bytes` counts padding.
[[nodiscard]] size_t frame_header_bytes(TransportKind kind, size_t payload_bytes) noexcept;
[[nodiscard]] size_t frame_trailer_bytes(TransportKind kind) noexcept;

// Writes the header at the start of `frame`. `sequence` is for full, `quick_ack` for the others.
void write_frame_header(TransportKind kind, size_t payload_bytes, uint32_t sequence, bool quick_ack,
                        ByteSpan frame) noexcept;

// Random bytes to put behind a padded payload: 0..3, as MTProxy does, of the 0..15 that may be.
// There are clients and servers that cut off what is beyond a multiple of four and nothing more
// (Telethon, gotd/td), and official clients tell an error from a message by its size, under 12
// bytes.
[[nodiscard]] size_t draw_padding_bytes() noexcept;

// CRC-32 (IEEE) of everything before a full frame's trailer.
[[nodiscard]] uint32_t frame_checksum(ByteView frame) noexcept;
// Whether the trailer of a whole full frame holds its checksum.
[[nodiscard]] bool checksum_matches(ByteView frame) noexcept;
// Writes that trailer.
void write_checksum(ByteSpan frame) noexcept;

}  // namespace ringway::mtproto
