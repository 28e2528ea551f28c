// Fuzzing of WebSocket frames.
//
// Byte 0 chooses the role (bit 0), byte 1 seeds how the rest is cut and moved. The same stream is
// given at once and in pieces, some of them to a new reader that took over: both must see the same
// data, the same control frames at the same places and the same end.
#include <algorithm>

#include "door/websocket.h"
#include "fuzz_support.h"

namespace {

using namespace ringway;
using namespace ringway::door;
using fuzz::Choices;
using fuzz::require;
using Event = WebSocketReader::Event;
using Piece = WebSocketReader::Piece;

struct SeenEvent {
  Event event = Event::kNeedMore;
  size_t after_bytes = 0;  // of data
  Bytes payload;
  uint16_t close_code = 0;
  bool operator==(const SeenEvent&) const = default;
};

struct Seen {
  Bytes data;
  std::vector<SeenEvent> events;
  bool dead = false;
  bool operator==(const Seen&) const = default;
};

bool inside(ByteView part, ByteView whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

void feed(WebSocketReader& reader, ByteView stream, Seen& seen) {
  // Memory of its own, freed at the end: a byte that is kept too long is found.
  Bytes read(stream.begin(), stream.end());
  reader.receive(read);
  Piece piece;
  for (size_t events = 0;; ++events) {
    const Event event = reader.next(piece);
    if (event == Event::kNeedMore) return;
    require(events < read.size() && !seen.dead);
    if (event == Event::kData) {
      require(!piece.bytes.empty() && inside(piece.bytes, read));
      seen.data.insert(seen.data.end(), piece.bytes.begin(), piece.bytes.end());
      continue;
    }
    require(piece.bytes.size() <= kWsControlBytesMax);
    seen.dead = event == Event::kClose || event == Event::kError;
    require(seen.dead == (piece.close_code >= 1000));
    seen.events.push_back(
        {event, seen.data.size(), {piece.bytes.begin(), piece.bytes.end()}, piece.close_code});
  }
}

Seen in_pieces(WsRole role, ByteView stream, Choices choices) {
  WebSocketReader reader(role);
  Seen seen;
  const size_t piece_max = 1 + choices.below(200);
  while (!stream.empty()) {
    const size_t count = std::min(stream.size(), 1 + choices.below(piece_max));
    feed(reader, stream.first(count), seen);
    stream = stream.subspan(count);
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const WsRole role = (data[0] & 1) != 0 ? WsRole::kClient : WsRole::kServer;
  const ByteView stream(data + 2, size - 2);
  WebSocketReader reader(role);
  Seen whole;
  feed(reader, stream, whole);
  require(whole == in_pieces(role, stream, Choices(data[1])));
  return 0;
}
