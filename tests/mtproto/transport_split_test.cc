// However a stream is cut, parked and moved, the same frames come of it; and what it holds in
// memory follows what has arrived.
#include <algorithm>

#include "mtproto/transport.h"
#include "transport_testing.h"

namespace ringway::mtproto::testing {
namespace {

std::string name_of(const ClientTransportOptions& options) {
  return std::string(options.obfuscated ? "obfuscated " : "") +
         std::string(to_string(options.kind)) + (options.secret ? " with a secret" : "");
}

size_t random_frame_bytes(std::mt19937_64& random) {
  constexpr size_t kEdges[] = {4, 8, 500, 504, 508, 512, 1020};
  return random() % 3 == 0 ? kEdges[random() % std::size(kEdges)] : 4 + random() % 60 * 4;
}

// A client's stream of frames of random sizes, and what it holds.
struct Stream {
  Bytes bytes;
  std::vector<SeenFrame> frames;
};

Stream make_stream(const ClientTransportOptions& options, std::mt19937_64& random, size_t frames) {
  ClientTransport client(options);
  Stream stream{client.opening(), {}};
  for (size_t i = 0; i < frames; ++i) {
    const bool quick_ack = random() % 2 == 0;
    const Bytes payload = random_payload(random, random_frame_bytes(random));
    client.write_frame(payload, quick_ack, stream.bytes);
    stream.frames.push_back({payload, quick_ack && options.kind != TransportKind::kFull});
  }
  return stream;
}

// The padded transport hands its padding out with the payload: compare without it.
void expect_frames(const ClientTransportOptions& options, std::vector<SeenFrame> seen,
                   const std::vector<SeenFrame>& expected) {
  ASSERT_EQ(seen.size(), expected.size());
  for (size_t i = 0; i < seen.size(); ++i) {
    if (options.kind == TransportKind::kPadded) {
      ASSERT_GE(seen[i].payload.size(), expected[i].payload.size());
      ASSERT_LE(seen[i].payload.size(), expected[i].payload.size() + 15);
      seen[i].payload.resize(expected[i].payload.size());
    }
    ASSERT_TRUE(seen[i] == expected[i]) << "frame " << i;
  }
}

TEST(Split, EveryCutAndEveryByteAloneGiveTheSame) {
  std::mt19937_64 random(11);
  for (const ClientTransportOptions& options : all_client_options()) {
    SCOPED_TRACE(name_of(options));
    const TransportConfig config = config_for(options);
    const Stream stream = make_stream(options, random, 3);
    const Seen whole = feed(config, stream.bytes);
    EXPECT_EQ(whole.error, Error::kNone);
    EXPECT_EQ(whole.kind, options.kind);
    EXPECT_EQ(whole.obfuscated, options.obfuscated);
    expect_frames(options, whole.frames, stream.frames);
    EXPECT_TRUE(feed_bytewise(config, stream.bytes) == whole);
    for (size_t cut = 0; cut <= stream.bytes.size(); ++cut) {
      ASSERT_TRUE(feed(config, stream.bytes, {cut}) == whole) << cut;
    }
    // Two cuts close together catch what a single one cannot: a piece inside a header.
    for (size_t cut = 0; cut + 3 <= stream.bytes.size(); ++cut) {
      ASSERT_TRUE(feed(config, stream.bytes, {cut, cut + 1 + cut % 3}) == whole) << cut;
    }
  }
}

TEST(Split, AQuickAckBitSurvivesACutAtEveryBoundary) {
  for (const std::string_view name : {"abridged", "intermediate", "padded"}) {
    ClientTransport client(*client_transport_by_name(name));
    Bytes stream = client.opening();
    client.write_frame(hex(kPingHex), true, stream);
    for (size_t cut = 0; cut <= stream.size(); ++cut) {
      const Seen seen = feed({}, stream, {cut});
      ASSERT_EQ(seen.frames.size(), 1u);
      EXPECT_TRUE(seen.frames[0].quick_ack) << cut;
    }
  }
}

// Drives a stream with random pieces; between two calls it may park and may move to a new object.
Seen feed_roughly(const TransportConfig& config, const Bytes& stream, std::mt19937_64& random) {
  auto transport = std::make_unique<ServerTransport>(&config);
  Seen seen;
  size_t begin = 0;
  while (begin < stream.size() || transport->buffered_bytes() > 0) {
    const size_t piece_bytes = std::min<size_t>(stream.size() - begin, random() % 700);
    Bytes piece(stream.begin() + static_cast<ptrdiff_t>(begin),
                stream.begin() + static_cast<ptrdiff_t>(begin + piece_bytes));
    begin += piece_bytes;
    transport->receive(piece);
    bool more = true;
    for (size_t calls = random() % 6; calls > 0 && more; --calls) {
      Frame frame;
      const Event event = transport->next(frame);
      if (event == Event::kError) {
        note(*transport, seen);
        return seen;
      }
      more = event == Event::kFrame;
      if (more) {
        const Frame moved = std::move(frame);
        seen.frames.push_back({{moved.payload.begin(), moved.payload.end()}, moved.quick_ack});
      }
    }
    transport->park();
    std::fill(piece.begin(), piece.end(), uint8_t{0xcc});  // nobody may still look at it
    if (random() % 2 == 0) {
      TransportState state = std::move(*transport).export_state();
      Frame frame;
      EXPECT_EQ(transport->next(frame), Event::kError);  // dead
      transport = std::make_unique<ServerTransport>(&config, std::move(state));
    }
    if (begin == stream.size() && !more) break;
  }
  drain(*transport, seen);
  note(*transport, seen);
  return seen;
}

TEST(Moving, ParkedAndMovedAtRandomPointsTheStreamGoesOn) {
  std::mt19937_64 random(12);
  for (const ClientTransportOptions& options : all_client_options()) {
    SCOPED_TRACE(name_of(options));
    const TransportConfig config = config_for(options);
    for (int run = 0; run < 60; ++run) {
      const Stream stream = make_stream(options, random, 1 + random() % 12);
      const Seen whole = feed(config, stream.bytes);
      const Seen rough = feed_roughly(config, stream.bytes, random);
      ASSERT_TRUE(rough == whole) << "run " << run;
    }
  }
}

TEST(Moving, OutputGoesOnWhereItStopped) {
  std::mt19937_64 random(13);
  for (const ClientTransportOptions& options : all_client_options()) {
    SCOPED_TRACE(name_of(options));
    const TransportConfig config = config_for(options);
    ClientTransport client(options);
    Bytes opening = client.opening();
    if (options.kind == TransportKind::kFull) client.write_frame(hex(kPingHex), false, opening);
    auto server = std::make_unique<ServerTransport>(&config);
    server->receive(opening);
    Seen ignored;
    ASSERT_TRUE(drain(*server, ignored));
    for (int i = 0; i < 40; ++i) {
      const Bytes payload = random_payload(random, 24 + random() % 64 * 16);
      Bytes wire = server_frame(*server, payload);
      const Bytes ack = server_quick_ack(*server, kPingToken);
      wire.insert(wire.end(), ack.begin(), ack.end());
      server = std::make_unique<ServerTransport>(&config, std::move(*server).export_state());
      client.receive(wire);
      ServerEvent event;
      ASSERT_EQ(client.next(event), Event::kFrame);
      ASSERT_EQ(event.kind, ServerEvent::Kind::kFrame);
      ASSERT_TRUE(equal(event.payload.first(payload.size()), payload));
      if (!ack.empty()) {
        ASSERT_EQ(client.next(event), Event::kFrame);
        ASSERT_EQ(event.kind, ServerEvent::Kind::kQuickAck);
        ASSERT_EQ(event.quick_ack_token, kPingToken);
      }
      ASSERT_EQ(client.next(event), Event::kNeedMore);
    }
  }
}

TEST(Memory, FramesInOnePieceAreNotCopied) {
  const TransportConfig config;
  ServerTransport transport(&config);
  Bytes stream = hex("ef01aaaaaaaa01bbbbbbbb");
  transport.receive(stream);
  Frame frame;
  for (const size_t offset : {2, 7}) {
    ASSERT_EQ(transport.next(frame), Event::kFrame);
    EXPECT_EQ(frame.payload.data(), stream.data() + offset);
    EXPECT_TRUE(frame.storage.empty());
  }
  EXPECT_EQ(transport.next(frame), Event::kNeedMore);
}

TEST(Memory, AnAnnouncedFrameHoldsOnlyWhatArrived) {
  const TransportConfig config;
  ServerTransport transport(&config);
  Bytes opening = hex("eeeeeeee00003e00");  // 4063232 bytes announced
  transport.receive(opening);
  Frame frame;
  ASSERT_EQ(transport.next(frame), Event::kNeedMore);
  EXPECT_TRUE(transport.mid_frame());
  EXPECT_EQ(transport.buffered_bytes(), 4u);
  for (int i = 0; i < 8; ++i) {
    Bytes piece(1000, 1);
    transport.receive(piece);
    ASSERT_EQ(transport.next(frame), Event::kNeedMore);
  }
  EXPECT_EQ(transport.buffered_bytes(), 8004u);
}

TEST(Memory, MidFrameTellsAFrameThatHasBegun) {
  const TransportConfig config;
  ServerTransport transport(&config);
  Frame frame;
  const auto give = [&](std::string_view text) {
    Bytes piece = hex(text);
    transport.receive(piece);
    const Event event = transport.next(frame);
    if (event == Event::kFrame) {
      EXPECT_EQ(transport.next(frame), Event::kNeedMore);
    }
    return event;
  };
  EXPECT_FALSE(transport.mid_frame());
  give("eeee");
  EXPECT_FALSE(transport.mid_frame());  // still detecting
  give("eeee");
  EXPECT_FALSE(transport.mid_frame());
  give("04");
  EXPECT_TRUE(transport.mid_frame());
  give("000000aa");
  EXPECT_TRUE(transport.mid_frame());
  EXPECT_EQ(give("aaaaaa"), Event::kFrame);
  EXPECT_FALSE(transport.mid_frame());
  EXPECT_EQ(transport.buffered_bytes(), 0u);

  Bytes two = hex("0400000001010101040000000202");
  transport.receive(two);
  transport.park();
  EXPECT_FALSE(transport.mid_frame());  // a whole frame comes first
  EXPECT_EQ(transport.next(frame), Event::kFrame);
  EXPECT_TRUE(transport.mid_frame());
}

// A frame handed out of the tail must not depend on what the transport does afterwards.
TEST(Memory, ParkedFramesOutliveWhatComesLater) {
  const TransportConfig config;
  auto transport = std::make_unique<ServerTransport>(&config);
  Bytes stream = hex("ef01aaaaaaaa01bbbbbbbb01cccccccc");
  transport->receive(stream);
  transport->park();
  std::vector<Frame> frames;
  Frame frame;
  while (transport->next(frame) == Event::kFrame) frames.push_back(std::move(frame));
  transport.reset();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_EQ(to_hex(frames[0].payload), "aaaaaaaa");
  EXPECT_EQ(to_hex(frames[1].payload), "bbbbbbbb");
  EXPECT_EQ(to_hex(frames[2].payload), "cccccccc");
}

}  // namespace
}  // namespace ringway::mtproto::testing
