// Fuzzing of the client's side of the transports: a server that says anything.
//
// Byte 0 chooses the transport, byte 1 seeds how the rest is cut. At once and in pieces, the same
// events must come of it. The key stream of obfuscated transports is fixed, so that corpora keep
// their meaning.
#include <algorithm>
#include <array>

#include "fuzz_support.h"
#include "mtproto/client_transport.h"
#include "mtproto/framing.h"

namespace {

using namespace ringway;
using namespace ringway::mtproto;
using fuzz::Choices;
using fuzz::require;
using Event = ServerTransport::Event;

constexpr size_t kInputBytesMax = 64 * 1024;
constexpr size_t kBytewiseInputMax = 256;  // byte by byte costs the most and tells the least
constexpr std::array<std::string_view, 7> kNames = {"abridged",
                                                    "intermediate",
                                                    "padded",
                                                    "full",
                                                    "obfuscated-abridged",
                                                    "obfuscated-intermediate",
                                                    "obfuscated-padded"};

struct SeenEvent {
  ServerEvent::Kind kind = ServerEvent::Kind::kFrame;
  Bytes payload;
  uint32_t token = 0;
  int32_t error_code = 0;
  bool operator==(const SeenEvent&) const = default;
};

struct Seen {
  std::vector<SeenEvent> events;
  Error error = Error::kNone;
  bool operator==(const Seen&) const = default;
};

bool take(ClientTransport& client, TransportKind kind, Seen& seen) {
  while (true) {
    ServerEvent event;
    const Event got = client.next(event);
    if (got == Event::kError) seen.error = client.error();
    if (got != Event::kFrame) return got == Event::kNeedMore;
    require(event.payload.size() <= kServerFrameBytesMax);
    if (event.kind == ServerEvent::Kind::kTransportError) require(event.error_code < 0);
    if (event.kind == ServerEvent::Kind::kFrame) (void)read_frame(kind, event.payload);
    seen.events.push_back({event.kind,
                           {event.payload.begin(), event.payload.end()},
                           event.quick_ack_token,
                           event.error_code});
  }
}

Seen run(const ClientTransportOptions& options, ByteView stream, Choices choices,
         size_t piece_max) {
  std::array<uint8_t, kObfuscationInitBytes> init;
  init.fill(0x41);
  ClientTransport client(options, init);
  Seen seen;
  size_t begin = 0;
  while (begin < stream.size()) {
    const size_t piece_bytes = std::min(stream.size() - begin, 1 + choices.below(piece_max));
    Bytes piece(stream.begin() + static_cast<ptrdiff_t>(begin),
                stream.begin() + static_cast<ptrdiff_t>(begin + piece_bytes));
    begin += piece_bytes;
    client.receive(piece);
    if (!take(client, options.kind, seen)) break;
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > kInputBytesMax) return 0;
  const ClientTransportOptions options = *client_transport_by_name(kNames[data[0] % kNames.size()]);
  const ByteView stream(data + 2, size - 2);
  Choices choices(data[1]);
  const Seen large = run(options, stream, choices, kInputBytesMax);
  require(large == run(options, stream, choices, 1 + choices.below(100)));
  if (size <= kBytewiseInputMax) require(large == run(options, stream, choices, 1));
  return 0;
}
