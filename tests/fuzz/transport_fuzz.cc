// Fuzzing of the server's transports.
//
// Byte 0 chooses the configuration (bits 0..4: which transports are off; bit 5: secrets; bit 6: a
// small frame limit), byte 1 seeds how the rest is cut, parked and moved. The same stream is given
// at once and in pieces: both must see the same frames, the same error and the same transport, and
// nothing may be held beyond what arrived.
#include <algorithm>
#include <memory>

#include "fuzz_support.h"
#include "mtproto/framing.h"
#include "mtproto/transport.h"
#include "mtproto/unencrypted.h"

namespace {

using namespace ringway;
using namespace ringway::mtproto;
using fuzz::Choices;
using fuzz::require;
using Event = ServerTransport::Event;

constexpr size_t kInputBytesMax = 64 * 1024;
constexpr size_t kSmallFrameBytesMax = 256;

TransportConfig config_of(uint8_t flags) {
  TransportConfig config;
  config.abridged = (flags & 1) == 0;
  config.intermediate = (flags & 2) == 0;
  config.padded = (flags & 4) == 0;
  config.full = (flags & 8) == 0;
  config.obfuscated = (flags & 16) == 0;
  if ((flags & 32) != 0) {
    // The corpus uses the second.
    config.secrets.resize(2);
    std::fill_n(config.secrets[0].data(), kTransportSecretBytes, uint8_t{0x11});
    std::fill_n(config.secrets[1].data(), kTransportSecretBytes, uint8_t{0x22});
  }
  if ((flags & 64) != 0) config.frame_bytes_max = kSmallFrameBytesMax;
  return config;
}

struct SeenFrame {
  Bytes payload;
  bool quick_ack = false;
  bool operator==(const SeenFrame&) const = default;
};

struct Seen {
  std::vector<SeenFrame> frames;
  Error error = Error::kNone;
  TransportKind kind = TransportKind::kUndecided;
  int16_t dc = 0;
  bool operator==(const Seen&) const = default;
};

void check_content(TransportKind kind, ByteSpan payload) {
  const Result<FrameContent> content = read_frame(kind, payload);
  if (!content) return;
  require(content->bytes.data() == payload.data());
  require(content->bytes.size() <= payload.size());
  if (content->encrypted) {
    require((content->bytes.size() - kMessageHeaderBytes) % 16 == 0);
    return;
  }
  const Result<UnencryptedMessage> message = read_unencrypted(content->bytes);
  if (message)
    require(message->data.data() + message->data.size() <= payload.data() + payload.size());
}

// Takes frames until there are none or `count_max` were taken; whether the transport lives.
bool take(ServerTransport& transport, Seen& seen, size_t limit, size_t count_max) {
  for (size_t i = 0; i < count_max; ++i) {
    Frame frame;
    const Event event = transport.next(frame);
    if (event == Event::kNeedMore) return true;
    if (event == Event::kError) return false;
    require(!frame.payload.empty());
    require(frame.payload.size() <= limit);
    seen.frames.push_back({{frame.payload.begin(), frame.payload.end()}, frame.quick_ack});
    check_content(transport.kind(), frame.payload);
  }
  return true;
}

void finish(ServerTransport& transport, Seen& seen) {
  seen.error = transport.error();
  seen.kind = transport.kind();
  seen.dc = transport.dc();
  if (seen.error != Error::kNone) {
    require(transport.buffered_bytes() == 0);
    return;
  }
  if (seen.kind == TransportKind::kUndecided) {
    require(transport.buffered_bytes() < kObfuscationInitBytes);
    return;
  }
  require(transport.mid_frame() == (transport.buffered_bytes() > 0));
  // Whatever the client said, an answer fits its frame.
  const ServerTransport::Plan plan = transport.plan(4);
  Bytes frame(plan.frame_bytes);
  transport.lay_out(plan, frame);
  transport.finish(plan, frame);
  transport.encrypt_output(frame);
  std::array<uint8_t, ServerTransport::kQuickAckBytesMax> ack;
  require(transport.write_quick_ack(0x80000001, ack) <= ack.size());
}

Seen at_once(const TransportConfig& config, ByteView stream) {
  ServerTransport transport(&config);
  Seen seen;
  Bytes bytes(stream.begin(), stream.end());
  transport.receive(bytes);
  (void)take(transport, seen, config.frame_bytes_max, SIZE_MAX);
  finish(transport, seen);
  return seen;
}

Seen in_pieces(const TransportConfig& config, ByteView stream, Choices choices) {
  auto transport = std::make_unique<ServerTransport>(&config);
  Seen seen;
  size_t begin = 0;
  const size_t piece_max = 1 + choices.below(200);
  bool alive = true;
  while (begin < stream.size() && alive) {
    const size_t piece_bytes = std::min(stream.size() - begin, 1 + choices.below(piece_max));
    // Memory of its own, freed at the end of the round: a byte that is kept too long is found.
    Bytes piece(stream.begin() + static_cast<ptrdiff_t>(begin),
                stream.begin() + static_cast<ptrdiff_t>(begin + piece_bytes));
    begin += piece_bytes;
    transport->receive(piece);
    alive = take(*transport, seen, config.frame_bytes_max, choices.below(5));
    if (!alive) break;
    transport->park();
    require(transport->buffered_bytes() <= begin);
    if (choices.below(4) == 0) {
      TransportState state = std::move(*transport).export_state();
      transport = std::make_unique<ServerTransport>(&config, std::move(state));
    }
  }
  (void)take(*transport, seen, config.frame_bytes_max, SIZE_MAX);
  finish(*transport, seen);
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2 || size > kInputBytesMax) return 0;
  const TransportConfig config = config_of(data[0]);
  const ByteView stream(data + 2, size - 2);
  require(at_once(config, stream) == in_pieces(config, stream, Choices(data[1])));
  return 0;
}
