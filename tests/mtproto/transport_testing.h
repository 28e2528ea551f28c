// What the transport tests share: known bytes, and ways to feed a stream to a transport.
#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string_view>
#include <vector>

#include "base/hex.h"
#include "mtproto/client_transport.h"
#include "mtproto/frame_codec.h"
#include "mtproto/transport.h"

namespace ringway::mtproto::testing {

using Event = ServerTransport::Event;

// A complete encrypted ping of 88 bytes, and the pong that answers it.
inline constexpr std::string_view kPingHex =
    "32d1586ea457dfc8c26b2e5c913b4a73921a60d185bcf769262d084294092cb96131ab50dc3d3b69e3a26bbb9ab9ab"
    "cb"
    "24b912008bd45250e4b38aff5065e66d63e0cc9fd863a5c579b0e5dc64f1787ea5dd49e1d6da43b6";
inline constexpr std::string_view kPongHex =
    "32d1586ea457dfc8230d42d53d7cebf0fa49b2bd5131cd1828968784bdd2d6d4d519939b00b7413cd383e14c8f9fd8"
    "25"
    "055cf276ee818c7bdef581f3fd3bf934e025e6814204427d97b3f9cd72edce5f9020b24e3693b7d0";
inline constexpr uint32_t kPingToken = 0xafa37404;

inline Bytes hex(std::string_view text) { return *from_hex(text); }

inline Bytes concat(std::initializer_list<ByteView> parts) {
  Bytes all;
  for (const ByteView part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

inline Bytes random_payload(std::mt19937_64& random, size_t bytes) {
  Bytes payload(bytes);
  for (uint8_t& byte : payload) byte = static_cast<uint8_t>(random());
  return payload;
}

// A frame as a test compares it.
struct SeenFrame {
  Bytes payload;
  bool quick_ack = false;
  bool operator==(const SeenFrame&) const = default;
};

// Everything that came of a stream.
struct Seen {
  std::vector<SeenFrame> frames;
  Error error = Error::kNone;
  TransportKind kind = TransportKind::kUndecided;
  bool obfuscated = false;
  int16_t dc = 0;
  bool operator==(const Seen&) const = default;
};

// Takes frames until the transport wants more; false on error.
inline bool drain(ServerTransport& transport, Seen& seen) {
  while (true) {
    Frame frame;
    switch (transport.next(frame)) {
      case Event::kFrame:
        seen.frames.push_back({{frame.payload.begin(), frame.payload.end()}, frame.quick_ack});
        break;
      case Event::kNeedMore:
        return true;
      case Event::kError:
        return false;
    }
  }
}

inline void note(const ServerTransport& transport, Seen& seen) {
  seen.error = transport.error();
  seen.kind = transport.kind();
  seen.obfuscated = transport.obfuscated();
  seen.dc = transport.dc();
}

// Feeds `stream` in pieces that end at the given cuts. Each piece lies in memory of its own that is
// freed as soon as it may be, so that AddressSanitizer sees a borrowed byte that is kept for too
// long.
inline Seen feed(const TransportConfig& config, ByteView stream, std::vector<size_t> cuts = {}) {
  ServerTransport transport(&config);
  Seen seen;
  cuts.push_back(stream.size());
  size_t begin = 0;
  for (const size_t end : cuts) {
    Bytes piece(stream.begin() + static_cast<ptrdiff_t>(begin),
                stream.begin() + static_cast<ptrdiff_t>(end));
    transport.receive(piece);
    if (!drain(transport, seen)) break;
    begin = end;
  }
  note(transport, seen);
  return seen;
}

inline Seen feed_bytewise(const TransportConfig& config, ByteView stream) {
  std::vector<size_t> cuts;
  for (size_t i = 1; i < stream.size(); ++i) cuts.push_back(i);
  return feed(config, stream, cuts);
}

// All that a client can be.
inline std::vector<ClientTransportOptions> all_client_options() {
  std::vector<ClientTransportOptions> all;
  for (const std::string_view name :
       {"abridged", "intermediate", "padded", "full", "obfuscated-abridged",
        "obfuscated-intermediate", "obfuscated-padded"}) {
    all.push_back(*client_transport_by_name(name));
    if (all.back().obfuscated) {
      all.push_back(all.back());
      all.back().secret.emplace(
          std::span<const uint8_t, 16>(hex("00112233445566778899aabbccddeeff")));
    }
  }
  return all;
}

// A server's configuration that accepts this client.
inline TransportConfig config_for(const ClientTransportOptions& options) {
  TransportConfig config;
  if (options.secret) {
    config.secrets.emplace_back();
    config.secrets.push_back(*options.secret);
  }
  return config;
}

// Sends one payload through the server's side and returns its wire bytes.
inline Bytes server_frame(ServerTransport& transport, ByteView payload) {
  const ServerTransport::Plan plan = transport.plan(payload.size());
  Bytes frame(plan.frame_bytes);
  transport.lay_out(plan, frame);
  std::copy(payload.begin(), payload.end(),
            frame.begin() + static_cast<ptrdiff_t>(plan.header_bytes));
  transport.finish(plan, frame);
  transport.encrypt_output(frame);
  return frame;
}

inline Bytes server_quick_ack(ServerTransport& transport, uint32_t token) {
  std::array<uint8_t, ServerTransport::kQuickAckBytesMax> out;
  Bytes bytes(out.begin(),
              out.begin() + static_cast<ptrdiff_t>(transport.write_quick_ack(token, out)));
  transport.encrypt_output(bytes);
  return bytes;
}

// A transport that has been opened with `opening` and decided.
inline ServerTransport opened(const TransportConfig& config, ByteView opening) {
  ServerTransport transport(&config);
  Bytes piece(opening.begin(), opening.end());
  transport.receive(piece);
  Frame frame;
  EXPECT_EQ(transport.next(frame), Event::kNeedMore);
  return transport;
}

}  // namespace ringway::mtproto::testing
