// What the WebSocket tests share: frames of any shape, and everything that comes of a stream.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/hex.h"
#include "door/websocket.h"

namespace ringway::door::testing {

using Event = WebSocketReader::Event;
using Piece = WebSocketReader::Piece;

inline constexpr WsMask kMask = {0x37, 0xfa, 0x21, 0x3d};

inline Bytes hex(std::string_view text) { return *from_hex(text); }

inline Bytes bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

inline Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// A frame of a role's own: a client's is masked. `first` overrides the first byte.
inline Bytes frame(WsRole from, WsOpcode opcode, Bytes payload, int first = -1) {
  const bool masked = from == WsRole::kClient;
  Bytes out(masked ? ws_masked_header_bytes(payload.size())
                   : ws_frame_header_bytes(payload.size()));
  if (masked) {
    write_ws_masked_header(opcode, payload.size(), kMask, out);
    mask_ws_payload(kMask, payload);
  } else {
    write_ws_frame_header(opcode, payload.size(), out);
  }
  if (first >= 0) out[0] = static_cast<uint8_t>(first);
  return out + payload;
}

inline Bytes client(WsOpcode opcode, const Bytes& payload, int first = -1) {
  return frame(WsRole::kClient, opcode, payload, first);
}

// Everything that came of a stream, as a test compares it.
struct Seen {
  Bytes data;
  // Control frames and the end, each with how much data came before it.
  std::vector<std::string> events;
  bool operator==(const Seen&) const = default;
};

inline void note(Seen& seen, std::string what) {
  seen.events.push_back(std::to_string(seen.data.size()) + " " + std::move(what));
}

// Gives one read to the reader.
inline void feed(WebSocketReader& reader, ByteView read, Seen& seen) {
  Bytes bytes(read.begin(), read.end());  // of exactly this size, and gone at the end
  reader.receive(bytes);
  while (true) {
    Piece piece;
    switch (reader.next(piece)) {
      case Event::kNeedMore:
        return;
      case Event::kData:
        EXPECT_FALSE(piece.bytes.empty());
        EXPECT_TRUE(piece.storage == nullptr);
        seen.data.insert(seen.data.end(), piece.bytes.begin(), piece.bytes.end());
        break;
      case Event::kPing:
        note(seen, "ping " + std::string(as_text(piece.bytes)));
        break;
      case Event::kPong:
        note(seen, "pong " + std::string(as_text(piece.bytes)));
        break;
      case Event::kClose:
        note(seen, "close " + std::to_string(piece.close_code));
        break;
      case Event::kError:
        note(seen, "error " + std::to_string(piece.close_code));
        break;
    }
  }
}

inline Seen feed_in_pieces(ByteView stream, size_t piece_bytes, WsRole role = WsRole::kServer) {
  WebSocketReader reader(role);
  Seen seen;
  for (size_t begin = 0; begin < stream.size(); begin += piece_bytes) {
    feed(reader, stream.subspan(begin, std::min(piece_bytes, stream.size() - begin)), seen);
  }
  return seen;
}

// The stream at once, byte by byte, in threes, and cut in two at every byte: the same each time.
inline Seen feed_all_ways(ByteView stream, WsRole role = WsRole::kServer) {
  const Seen whole = feed_in_pieces(stream, std::max<size_t>(stream.size(), 1), role);
  EXPECT_EQ(feed_in_pieces(stream, 1, role), whole);
  EXPECT_EQ(feed_in_pieces(stream, 3, role), whole);
  for (size_t cut = 1; cut < stream.size(); ++cut) {
    Seen seen;
    WebSocketReader reader(role);
    feed(reader, stream.first(cut), seen);
    feed(reader, stream.subspan(cut), seen);
    EXPECT_EQ(seen, whole) << cut;
  }
  return whole;
}

}  // namespace ringway::door::testing
