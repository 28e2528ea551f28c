// RFC 6455's frames, every split, everything that is forbidden, and the writers.
#include "door/websocket.h"

#include "websocket_testing.h"

namespace ringway::door::testing {
namespace {

using Events = std::vector<std::string>;

Bytes counting(size_t count) {
  Bytes bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return bytes;
}

Events events_of(const Bytes& stream) { return feed_all_ways(stream).events; }

// Frames.

TEST(WebSocketReader, TheExamplesOfTheStandard) {
  // RFC 6455, 5.7: a text in one masked frame, which has no meaning here; the same as binary.
  EXPECT_EQ(events_of(hex("818537fa213d7f9f4d5158")), Events{"0 error 1003"});
  EXPECT_EQ(feed_all_ways(hex("828537fa213d7f9f4d5158")), (Seen{bytes_of("Hello"), {}}));
  EXPECT_EQ(feed_all_ways(hex("8a8537fa213d7f9f4d5158")), (Seen{{}, {"0 pong Hello"}}));
  // A server's: unmasked ping; 256 and 65536 bytes of binary.
  EXPECT_EQ(feed_all_ways(hex("890548656c6c6f"), WsRole::kClient), (Seen{{}, {"0 ping Hello"}}));
  EXPECT_EQ(feed_all_ways(hex("827e0100") + counting(256), WsRole::kClient).data, counting(256));
  EXPECT_EQ(
      feed_in_pieces(hex("827f0000000000010000") + counting(65536), 1000, WsRole::kClient).data,
      counting(65536));
}

TEST(WebSocketReader, FragmentsAndFramesAreOneStream) {
  const Bytes stream =
      client(WsOpcode::kBinary, bytes_of("Hel"), 0x02) + client(WsOpcode::kContinuation, {}, 0x00) +
      client(WsOpcode::kContinuation, bytes_of("lo"), 0x80) + client(WsOpcode::kBinary, {}) +
      client(WsOpcode::kBinary, bytes_of(", world"));
  EXPECT_EQ(feed_all_ways(stream), (Seen{bytes_of("Hello, world"), {}}));
}

TEST(WebSocketReader, ControlFramesBetweenFragmentsComeAtOnce) {
  const Bytes stream = client(WsOpcode::kBinary, bytes_of("Hel"), 0x02) +
                       client(WsOpcode::kPing, bytes_of("are you there")) +
                       client(WsOpcode::kPong, {}) +
                       client(WsOpcode::kContinuation, bytes_of("lo")) +
                       client(WsOpcode::kPing, {}) + client(WsOpcode::kBinary, bytes_of("!"));
  EXPECT_EQ(feed_all_ways(stream),
            (Seen{bytes_of("Hello!"), {"3 ping are you there", "3 pong ", "5 ping "}}));
}

// The 64 bytes that open an obfuscated stream, in frames of one byte each.
TEST(WebSocketReader, SixtyFourFramesOfOneByte) {
  const Bytes init = counting(64);
  Bytes stream;
  for (const uint8_t byte : init) stream = std::move(stream) + client(WsOpcode::kBinary, {byte});
  EXPECT_EQ(feed_all_ways(stream), (Seen{init, {}}));
}

TEST(WebSocketReader, EveryFormOfTheLength) {
  for (const size_t count : {0u, 1u, 125u, 126u, 127u, 0xffffu, 0x10000u, 0x10001u}) {
    const Bytes stream = client(WsOpcode::kBinary, counting(count));
    EXPECT_EQ(stream.size(), ws_masked_header_bytes(count) + count);
    EXPECT_EQ(feed_in_pieces(stream, stream.size()).data, counting(count));
    EXPECT_EQ(feed_in_pieces(stream, 1).data, counting(count));
    EXPECT_EQ(feed_in_pieces(stream, 1021).data, counting(count));
  }
}

TEST(WebSocketReader, AFrameOfAnyLengthIsAStreamThatNothingIsReservedFor) {
  const Seen seen = feed_all_ways(hex("82ff7fffffffffffffff00000000") + counting(20));
  EXPECT_EQ(seen, (Seen{counting(20), {}}));
}

TEST(WebSocketReader, DataAndWholeControlFramesStayWhereTheyAre) {
  Bytes read = client(WsOpcode::kBinary, counting(300)) + client(WsOpcode::kPing, counting(125));
  WebSocketReader reader(WsRole::kServer);
  reader.receive(read);
  Piece piece;
  ASSERT_EQ(reader.next(piece), Event::kData);
  EXPECT_EQ(piece.bytes.data(), read.data() + 8);
  EXPECT_EQ(piece.bytes.size(), 300u);
  ASSERT_EQ(reader.next(piece), Event::kPing);
  EXPECT_EQ(piece.bytes.data(), read.data() + 8 + 300 + 6);
  EXPECT_TRUE(piece.storage == nullptr);
  EXPECT_EQ(reader.next(piece), Event::kNeedMore);
}

TEST(WebSocketReader, AControlFrameThatCrossedReadsIsOwnedByItsPiece) {
  const Bytes stream = client(WsOpcode::kPing, counting(125));
  WebSocketReader reader(WsRole::kServer);
  Piece kept;
  {
    Bytes first(stream.begin(), stream.begin() + 50);
    reader.receive(first);
    ASSERT_EQ(reader.next(kept), Event::kNeedMore);
    Bytes rest(stream.begin() + 50, stream.end());
    reader.receive(rest);
    ASSERT_EQ(reader.next(kept), Event::kPing);
    Piece none;
    ASSERT_EQ(reader.next(none), Event::kNeedMore);
  }
  EXPECT_TRUE(equal(kept.bytes, counting(125)));
}

TEST(WebSocketReader, MidFrameIsFromTheFirstByteToTheLast) {
  const Bytes stream = client(WsOpcode::kBinary, bytes_of("abc"), 0x02);
  WebSocketReader reader(WsRole::kServer);
  EXPECT_FALSE(reader.mid_frame());
  for (size_t i = 0; i < stream.size(); ++i) {
    Seen seen;
    feed(reader, ByteView(stream).subspan(i, 1), seen);
    EXPECT_EQ(reader.mid_frame(), i + 1 < stream.size());
  }
}

// What is forbidden.

TEST(WebSocketReader, MasksAreWhereTheyMustBe) {
  const Bytes masked = frame(WsRole::kClient, WsOpcode::kBinary, bytes_of("x"));
  const Bytes bare = frame(WsRole::kServer, WsOpcode::kBinary, bytes_of("x"));
  EXPECT_EQ(feed_all_ways(bare, WsRole::kServer).events, Events{"0 error 1002"});
  EXPECT_EQ(feed_all_ways(masked, WsRole::kClient).events, Events{"0 error 1002"});
  EXPECT_EQ(feed_all_ways(bare, WsRole::kClient), (Seen{bytes_of("x"), {}}));
}

TEST(WebSocketReader, ReservedBitsAndOpcodes) {
  for (const int first : {0xc2, 0xa2, 0x92, 0xf2, 0xc9}) {
    EXPECT_EQ(events_of(client(WsOpcode::kBinary, {}, first)), Events{"0 error 1002"}) << first;
  }
  for (const int opcode : {3, 4, 5, 6, 7, 0xb, 0xc, 0xd, 0xe, 0xf}) {
    EXPECT_EQ(events_of(client(WsOpcode::kBinary, {}, 0x80 | opcode)), Events{"0 error 1002"})
        << opcode;
  }
}

TEST(WebSocketReader, ContinuationsOnlyInsideAMessageAndNothingElseThere) {
  EXPECT_EQ(events_of(client(WsOpcode::kContinuation, bytes_of("x"))), Events{"0 error 1002"});
  EXPECT_EQ(events_of(client(WsOpcode::kContinuation, bytes_of("x"), 0x00)),
            Events{"0 error 1002"});
  const Bytes whole = client(WsOpcode::kBinary, bytes_of("ab"));
  EXPECT_EQ(events_of(whole + client(WsOpcode::kContinuation, {})), Events{"2 error 1002"});
  const Bytes open = client(WsOpcode::kBinary, bytes_of("ab"), 0x02);
  EXPECT_EQ(events_of(open + whole), Events{"2 error 1002"});
  EXPECT_EQ(events_of(open + client(WsOpcode::kText, bytes_of("x"))), Events{"2 error 1002"});
  EXPECT_EQ(events_of(open + client(WsOpcode::kContinuation, bytes_of("c")) +
                      client(WsOpcode::kContinuation, bytes_of("d"))),
            Events{"3 error 1002"});
}

TEST(WebSocketReader, TextIsNotAccepted) {
  EXPECT_EQ(events_of(client(WsOpcode::kText, bytes_of("x"))), Events{"0 error 1003"});
  EXPECT_EQ(events_of(client(WsOpcode::kText, bytes_of("x"), 0x01)), Events{"0 error 1003"});
}

TEST(WebSocketReader, ControlFramesAreWholeAndShort) {
  for (const WsOpcode opcode : {WsOpcode::kClose, WsOpcode::kPing, WsOpcode::kPong}) {
    EXPECT_EQ(events_of(client(opcode, {}, static_cast<int>(opcode))), Events{"0 error 1002"});
    EXPECT_EQ(events_of(client(opcode, Bytes(126, 'x'))), Events{"0 error 1002"});
  }
  EXPECT_EQ(events_of(client(WsOpcode::kPing, Bytes(125, 'x'))),
            Events{"0 ping " + std::string(125, 'x')});
}

TEST(WebSocketReader, LengthsAreInTheirShortestForm) {
  for (const std::string_view header :
       {"82fe0000", "82fe007d", "82ff000000000000007d", "82ff000000000000ffff",
        "82ff8000000000000000", "82ffffffffffffffffff", "89fe0005"}) {
    EXPECT_EQ(events_of(hex(header) + hex("00000000")), Events{"0 error 1002"}) << header;
  }
  for (const std::string_view header : {"82fe007e", "82ff0000000000010000"}) {
    EXPECT_EQ(events_of(hex(header) + hex("00000000")), Events{}) << header;
  }
}

// Each fault is known at the byte that shows it.
TEST(WebSocketReader, NothingIsWaitedForInVain) {
  for (const std::string_view start :
       {"c2", "80", "83", "81", "0a", "8205", "89fe", "82fe007d", "82ff8000000000000000"}) {
    Bytes stream = hex(start);
    EXPECT_EQ(events_of(stream).size(), 1u) << start;
    stream.pop_back();
    EXPECT_EQ(events_of(stream).size(), 0u) << start;
  }
}

// The end.

TEST(WebSocketReader, CloseCodesAreEchoedAndWhatFollowsIsDiscarded) {
  const Bytes more = client(WsOpcode::kBinary, bytes_of("x")) + hex("ffff");
  EXPECT_EQ(events_of(client(WsOpcode::kClose, {}) + more), Events{"0 close 1000"});
  EXPECT_EQ(events_of(client(WsOpcode::kClose, hex("03e8")) + more), Events{"0 close 1000"});
  EXPECT_EQ(events_of(client(WsOpcode::kClose, hex("0fa1") + bytes_of("going")) + more),
            Events{"0 close 4001"});
  EXPECT_EQ(feed_all_ways(client(WsOpcode::kBinary, bytes_of("abc"), 0x02) +
                          client(WsOpcode::kClose, hex("03e9"))),
            (Seen{bytes_of("abc"), {"3 close 1001"}}));
  EXPECT_EQ(events_of(hex("c2") + more), Events{"0 error 1002"});
}

TEST(WebSocketReader, CloseCodesThatNobodyMaySend) {
  for (const std::string_view code : {"00", "03", "0000", "03e7", "03ec", "03ed", "03ee", "03f7",
                                      "07d0", "0bb7", "1388", "ffff"}) {
    EXPECT_EQ(events_of(client(WsOpcode::kClose, hex(code))), Events{"0 error 1002"}) << code;
  }
  for (const std::string_view code : {"03e8", "03eb", "03ef", "03f6", "0bb8", "1387"}) {
    EXPECT_EQ(events_of(client(WsOpcode::kClose, hex(code))).front().substr(0, 7), "0 close");
  }
}

// Masks.

TEST(WebSocketMask, EveryAlignmentLengthAndPhase) {
  const Bytes plain = counting(300);
  for (size_t begin = 0; begin < 33; ++begin) {
    for (const size_t count : {0u, 1u, 3u, 4u, 7u, 15u, 16u, 31u, 32u, 33u, 67u, 200u, 267u}) {
      Bytes bytes = plain;
      mask_ws_payload(kMask, ByteSpan(bytes).subspan(begin, count));
      for (size_t i = 0; i < bytes.size(); ++i) {
        const bool inside = i >= begin && i < begin + count;
        const uint8_t expected =
            inside ? static_cast<uint8_t>(plain[i] ^ kMask[(i - begin) % 4]) : plain[i];
        ASSERT_EQ(bytes[i], expected) << begin << ' ' << count << ' ' << i;
      }
    }
  }
}

// Writers.

TEST(WebSocketWriter, KnownHeaders) {
  const auto header = [](WsOpcode opcode, size_t payload_bytes) {
    Bytes out(ws_frame_header_bytes(payload_bytes));
    write_ws_frame_header(opcode, payload_bytes, out);
    return to_hex(out);
  };
  EXPECT_EQ(header(WsOpcode::kBinary, 0), "8200");
  EXPECT_EQ(header(WsOpcode::kPong, 125), "8a7d");
  EXPECT_EQ(header(WsOpcode::kBinary, 126), "827e007e");
  EXPECT_EQ(header(WsOpcode::kBinary, 256), "827e0100");
  EXPECT_EQ(header(WsOpcode::kBinary, 65535), "827effff");
  EXPECT_EQ(header(WsOpcode::kBinary, 65536), "827f0000000000010000");
  EXPECT_EQ(to_hex(frame(WsRole::kClient, WsOpcode::kText, bytes_of("Hello"))),
            "818537fa213d7f9f4d5158");
  EXPECT_EQ(to_hex(ws_close_frame(1000)), "880203e8");
  EXPECT_EQ(to_hex(ws_close_frame(static_cast<uint16_t>(WsCloseCode::kProtocolError))), "880203ea");
}

TEST(WebSocketWriter, AServersCloseFrameReachesAClient) {
  const auto close = ws_close_frame(1001);
  EXPECT_EQ(feed_all_ways(close, WsRole::kClient).events, Events{"0 close 1001"});
}

}  // namespace
}  // namespace ringway::door::testing
