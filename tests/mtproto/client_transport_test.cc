#include "mtproto/client_transport.h"

#include "mtproto/framing.h"
#include "mtproto/obfuscation.h"
#include "transport_testing.h"

namespace ringway::mtproto::testing {
namespace {

// What a client saw, without the bytes of padding.
struct SeenEvent {
  ServerEvent::Kind kind = ServerEvent::Kind::kFrame;
  Bytes payload;
  uint32_t token = 0;
  int32_t error_code = 0;
  bool operator==(const SeenEvent&) const = default;
};

struct SeenEvents {
  std::vector<SeenEvent> events;
  Error error = Error::kNone;
  bool operator==(const SeenEvents&) const = default;
};

void drain(ClientTransport& client, SeenEvents& seen) {
  ServerEvent event;
  while (client.next(event) == Event::kFrame) {
    const bool is_frame = event.kind == ServerEvent::Kind::kFrame;
    seen.events.push_back({event.kind,
                           is_frame ? Bytes(event.payload.begin(), event.payload.end()) : Bytes(),
                           event.quick_ack_token, event.error_code});
  }
  seen.error = client.error();
}

SeenEvents feed(ClientTransport client, ByteView stream, size_t piece_bytes) {
  SeenEvents seen;
  for (size_t begin = 0; begin < stream.size(); begin += piece_bytes) {
    const ByteView part = stream.subspan(begin, std::min(piece_bytes, stream.size() - begin));
    Bytes piece(part.begin(), part.end());
    client.receive(piece);
    drain(client, seen);
  }
  return seen;
}

SeenEvents feed_plain(std::string_view name, std::string_view stream_hex) {
  const Bytes stream = hex(stream_hex);
  const ClientTransport client(*client_transport_by_name(name));
  const SeenEvents whole = feed(client, stream, stream.size());
  EXPECT_TRUE(feed(client, stream, 1) == whole) << stream_hex;
  return whole;
}

TEST(ClientTransport, NamesOfTransports) {
  for (const std::string_view name : {"abridged", "intermediate", "padded", "full"}) {
    const Result<ClientTransportOptions> options = client_transport_by_name(name);
    ASSERT_TRUE(options.ok()) << name;
    EXPECT_EQ(to_string(options->kind), name);
    EXPECT_FALSE(options->obfuscated);
  }
  for (const std::string_view name : {"abridged", "intermediate", "padded"}) {
    const Result<ClientTransportOptions> options =
        client_transport_by_name("obfuscated-" + std::string(name));
    ASSERT_TRUE(options.ok()) << name;
    EXPECT_EQ(to_string(options->kind), name);
    EXPECT_TRUE(options->obfuscated);
  }
  for (const std::string_view name : {"", "Abridged", "obfuscated-full", "obfuscated-", "undecided",
                                      "obfuscated-obfuscated-padded"}) {
    EXPECT_EQ(client_transport_by_name(name).error(), Error::kInvalidArgument) << name;
  }
}

// There are servers that cut off what is beyond a multiple of four and nothing more.
TEST(ClientTransport, PaddingIsLessThanAWord) {
  ClientTransport client(*client_transport_by_name("padded"));
  const Bytes payload(40, 0x5a);
  std::array<size_t, 4> drawn{};
  for (int i = 0; i < 200; ++i) {
    Bytes frame;
    client.write_frame(payload, false, frame);
    const auto counted = load_le<uint32_t>(frame.data());
    ASSERT_EQ(frame.size(), sizeof counted + counted);
    ASSERT_GE(counted, payload.size());
    ASSERT_LT(counted - payload.size(), drawn.size());
    ++drawn[counted - payload.size()];
  }
  for (const size_t times : drawn) EXPECT_GT(times, 0U);
}

TEST(ClientTransport, OpeningsOfPlainTransports) {
  EXPECT_EQ(to_hex(ClientTransport(*client_transport_by_name("abridged")).opening()), "ef");
  EXPECT_EQ(to_hex(ClientTransport(*client_transport_by_name("intermediate")).opening()),
            "eeeeeeee");
  EXPECT_EQ(to_hex(ClientTransport(*client_transport_by_name("padded")).opening()), "dddddddd");
  EXPECT_TRUE(ClientTransport(*client_transport_by_name("full")).opening().empty());
}

TEST(ClientTransport, ObfuscatedOpeningsDifferAndAreNotReserved) {
  const ClientTransportOptions options = *client_transport_by_name("obfuscated-intermediate");
  const ClientTransport one(options);
  const ClientTransport two(options);
  ASSERT_EQ(one.opening().size(), 64u);
  EXPECT_NE(one.opening(), two.opening());
  EXPECT_FALSE(is_reserved_opening(std::span<const uint8_t, 64>(one.opening()).first<8>()));
}

// The whole of a recorded exchange, from the client's side.
TEST(ClientTransport, WholeObfuscatedExchange) {
  Bytes drawn(64);
  for (size_t i = 0; i < drawn.size(); ++i) drawn[i] = static_cast<uint8_t>(i + 1);
  drawn[62] = 0x3d;  // what the recorded init has underneath
  drawn[63] = 0x3e;
  ClientTransportOptions options = *client_transport_by_name("obfuscated-abridged");
  options.dc = -10002;
  ClientTransport client(options, std::span<const uint8_t, 64>(drawn));
  EXPECT_EQ(
      to_hex(client.opening()),
      "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e"
      "2f30313233343536373832bc95851d234c44");
  Bytes frame;
  client.write_frame(hex(kPingHex), true, frame);
  EXPECT_EQ(
      to_hex(frame),
      "4b329c72f3eeb903f45b84d437c742b0500c525f8415a9e3a35b7aeee8e4477aee651ff1f4e4e36b05627d41bf6f"
      "d50538f1aa7d12b131110a33ebccedb5b1bfd5e6be911095e8a4c97ed691d64a96ff1f4bd5edec95a99355");
  Bytes answer =
      hex("572e6c7e"
          "fc2416172f22518d713eaaec99dfa6750197802f06296b42658ef4a8be46ddba25a0af12f0f23686b41a531c"
          "279b293a"
          "e176cb6d6ce4b6ad9a5c9094af2a22dd1b32f7a005a80f6e4e6ffb5028f278bce7a79ec2d4853a3523");
  client.receive(answer);
  SeenEvents seen;
  drain(client, seen);
  ASSERT_EQ(seen.events.size(), 2u);
  EXPECT_EQ(seen.events[0].kind, ServerEvent::Kind::kQuickAck);
  EXPECT_EQ(seen.events[0].token, kPingToken);
  EXPECT_EQ(seen.events[1].kind, ServerEvent::Kind::kFrame);
  EXPECT_EQ(to_hex(seen.events[1].payload), kPongHex);
}

TEST(ClientTransport, QuickAcksInEveryForm) {
  const SeenEvents expected = {{{ServerEvent::Kind::kQuickAck, {}, kPingToken, 0}}, Error::kNone};
  EXPECT_TRUE(feed_plain("abridged", "afa37404") == expected);
  EXPECT_TRUE(feed_plain("intermediate", "0474a3af") == expected);
  EXPECT_TRUE(feed_plain("padded", "0474a3af") == expected);  // bare, as some servers do
  EXPECT_TRUE(feed_plain("padded", "08000000ffffffff0474a3af") == expected);
  EXPECT_TRUE(feed_plain("padded", "0b000000ffffffff0474a3af010203") == expected);
  EXPECT_TRUE(feed_plain("padded", "10000000ffffffff0474a3af0102030405060708") == expected);
}

TEST(ClientTransport, TransportErrorsInEveryFraming) {
  const SeenEvents expected = {{{ServerEvent::Kind::kTransportError, {}, 0, -404}}, Error::kNone};
  EXPECT_TRUE(feed_plain("abridged", "016cfeffff") == expected);
  EXPECT_TRUE(feed_plain("intermediate", "040000006cfeffff") == expected);
  EXPECT_TRUE(feed_plain("padded", "040000006cfeffff") == expected);
  EXPECT_TRUE(feed_plain("padded", "070000006cfeffff010203") == expected);
  EXPECT_TRUE(feed_plain("padded", "0b0000006cfeffff01020304050607") == expected);
  EXPECT_TRUE(feed_plain("full", "10000000000000006cfeffff0d2f4107") == expected);
}

TEST(ClientTransport, NoOperationIsPassedOver) {
  EXPECT_TRUE(feed_plain("abridged", "0100000000016cfeffff").events.size() == 1);
  EXPECT_TRUE(feed_plain("padded",
                         "050000000000000011"
                         "040000006cfeffff")
                  .events.size() == 1);
}

TEST(ClientTransport, HostileFrames) {
  EXPECT_EQ(feed_plain("abridged", "00").error, Error::kBadLength);
  EXPECT_EQ(feed_plain("abridged", "7f010000").error, Error::kBadLength);
  EXPECT_EQ(feed_plain("abridged", "7fffffff").error, Error::kTooLarge);
  EXPECT_EQ(feed_plain("abridged", "0105000000").error, Error::kMalformed);
  EXPECT_EQ(feed_plain("intermediate", "00000000").error, Error::kBadLength);
  EXPECT_EQ(feed_plain("intermediate", "05000000").error, Error::kBadLength);
  EXPECT_EQ(feed_plain("intermediate", "fcffff7f").error, Error::kTooLarge);
  EXPECT_EQ(feed_plain("padded", "03000000ffffff").error, Error::kMalformed);
  EXPECT_EQ(feed_plain("full", "0800000000000000").error, Error::kBadLength);
  EXPECT_EQ(feed_plain("full", "1000000001000000").error, Error::kBadSequence);
  EXPECT_EQ(feed_plain("full", "10000000000000006cfeffff0d2f4108").error, Error::kBadChecksum);
}

// Both sides talk at once over every transport, in pieces of any size.
TEST(ClientTransport, RoundTripsWithTheServer) {
  std::mt19937_64 random(31);
  for (const ClientTransportOptions& options : all_client_options()) {
    SCOPED_TRACE(to_string(options.kind));
    const TransportConfig config = config_for(options);
    ClientTransport client(options);
    ServerTransport server(&config);
    Bytes to_server = client.opening();
    Bytes to_client;
    std::vector<Bytes> sent;
    std::vector<Bytes> echoed;
    size_t acks_expected = 0;
    size_t acks_seen = 0;
    const auto pieces = [&random](Bytes& wire, auto&& deliver) {
      size_t begin = 0;
      while (begin < wire.size()) {
        const size_t bytes = std::min<size_t>(wire.size() - begin, 1 + random() % 5000);
        Bytes piece(wire.begin() + static_cast<ptrdiff_t>(begin),
                    wire.begin() + static_cast<ptrdiff_t>(begin + bytes));
        deliver(piece);
        begin += bytes;
      }
      wire.clear();
    };
    for (int round = 0; round < 30; ++round) {
      for (size_t count = random() % 4; count > 0; --count) {
        const size_t blocks = random() % 10 == 0 ? random() % 4000 : random() % 40;
        sent.push_back(random_payload(random, 72 + blocks * 16));
        sent.back()[0] = 1;  // not a zero key id
        const bool quick_ack = random() % 2 == 0;
        client.write_frame(sent.back(), quick_ack, to_server);
        if (quick_ack && options.kind != TransportKind::kFull) ++acks_expected;
      }
      pieces(to_server, [&](Bytes& piece) {
        server.receive(piece);
        Frame frame;
        Event event;
        while ((event = server.next(frame)) == Event::kFrame) {
          const Result<FrameContent> content = read_frame(server.kind(), frame.payload);
          ASSERT_TRUE(content.ok());
          if (frame.quick_ack) {
            const Bytes ack = server_quick_ack(server, kPingToken);
            to_client.insert(to_client.end(), ack.begin(), ack.end());
          }
          const Bytes answer = server_frame(server, content->bytes);
          to_client.insert(to_client.end(), answer.begin(), answer.end());
        }
        ASSERT_EQ(event, Event::kNeedMore) << to_string(server.error());
      });
      pieces(to_client, [&](Bytes& piece) {
        client.receive(piece);
        ServerEvent event;
        Event got;
        while ((got = client.next(event)) == Event::kFrame) {
          if (event.kind == ServerEvent::Kind::kQuickAck) {
            EXPECT_EQ(event.quick_ack_token, kPingToken);
            ++acks_seen;
            continue;
          }
          ASSERT_EQ(event.kind, ServerEvent::Kind::kFrame);
          const Result<FrameContent> content = read_frame(options.kind, event.payload);
          ASSERT_TRUE(content.ok());
          echoed.emplace_back(content->bytes.begin(), content->bytes.end());
        }
        ASSERT_EQ(got, Event::kNeedMore) << to_string(client.error());
      });
    }
    EXPECT_GT(sent.size(), 10u);
    EXPECT_EQ(echoed, sent);
    EXPECT_EQ(acks_seen, acks_expected);
  }
}

}  // namespace
}  // namespace ringway::mtproto::testing
