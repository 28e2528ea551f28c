#include "cluster/grpc_framing.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/limits.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {
namespace {

WireMessage in_slices(const std::string& text, size_t slice_bytes) {
  WireMessage message;
  for (size_t at = 0; at < text.size(); at += slice_bytes) {
    const size_t size = std::min(slice_bytes, text.size() - at);
    const WireMessage part = make_wire_message(as_bytes(text).subspan(at, size));
    message.push_back(part.front());
  }
  return message;
}

void add(GrpcWriter& writer, WireMessage message) {
  writer.add(message);
  EXPECT_EQ(message.size(), 0U);
}

TEST(GrpcWriter, GivesMessagesInPiecesOfAnySize) {
  const std::string first = "the first message";
  const std::string third(300, 'x');
  Bytes expected{0, 0, 0, 0, 17};
  expected.insert(expected.end(), first.begin(), first.end());
  for (const int byte : {0, 0, 0, 0, 0, 0, 0, 0, 1, 44}) {
    expected.push_back(static_cast<uint8_t>(byte));
  }
  expected.insert(expected.end(), third.begin(), third.end());
  for (const size_t slice : {size_t{1}, size_t{7}, size_t{1000}}) {
    for (size_t piece = 1; piece <= expected.size(); ++piece) {
      GrpcWriter writer;
      add(writer, in_slices(first, slice));
      add(writer, make_wire_message({}));  // an empty message is one, too
      add(writer, in_slices(third, slice));
      ASSERT_EQ(writer.bytes_left(), expected.size());
      Bytes out(expected.size());
      for (size_t at = 0; at < out.size(); at += piece) {
        writer.copy(ByteSpan(out).subspan(at, std::min(piece, out.size() - at)));
      }
      ASSERT_EQ(out, expected) << piece;
      ASSERT_EQ(writer.bytes_left(), 0U);
    }
  }
}

TEST(GrpcWriter, TakesMoreAfterItWasEmptied) {
  GrpcWriter writer;
  for (uint8_t i = 0; i < 3; ++i) {
    add(writer, make_wire_message(Bytes{i}));
    Bytes out(6);
    writer.copy(out);
    EXPECT_EQ(out, (Bytes{0, 0, 0, 0, 1, i}));
  }
}

TEST(GrpcReader, CutsMessagesWhereverTheBytesAreCut) {
  const Bytes stream{0, 0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'd'};
  for (size_t cut = 1; cut <= stream.size(); ++cut) {
    GrpcReader reader(cut % 2 == 0);
    std::vector<Bytes> messages;
    for (size_t at = 0; at < stream.size(); at += cut) {
      ByteView bytes = ByteView(stream).subspan(at, std::min(cut, stream.size() - at));
      while (!bytes.empty()) {
        const Result<bool> whole = reader.read(bytes);
        ASSERT_TRUE(whole.ok());
        if (*whole) messages.push_back(reader.take());
      }
    }
    ASSERT_EQ(messages, (std::vector<Bytes>{{'a', 'b', 'c'}, {}, {'d'}})) << cut;
    EXPECT_FALSE(reader.mid_message());
  }
}

TEST(GrpcReader, KnowsWhenItIsInsideAMessage) {
  GrpcReader reader(false);
  const Bytes part{0};
  ByteView bytes = part;
  ASSERT_TRUE(reader.read(bytes).ok());
  EXPECT_TRUE(reader.mid_message());
}

TEST(GrpcReader, ALargeMessageGrowsWithItsBytes) {
  const Bytes body(3 * kLinkReserveBytesMax + 5, 7);
  for (const bool secret : {false, true}) {
    GrpcReader reader(secret);
    const auto size = static_cast<uint32_t>(body.size());
    const Bytes prefix{0, 0, static_cast<uint8_t>(size >> 16), static_cast<uint8_t>(size >> 8),
                       static_cast<uint8_t>(size)};
    ByteView bytes = prefix;
    ASSERT_FALSE(*reader.read(bytes));
    for (size_t at = 0; at < body.size(); at += 1000) {
      bytes = ByteView(body).subspan(at, std::min<size_t>(1000, body.size() - at));
      const Result<bool> whole = reader.read(bytes);
      ASSERT_TRUE(whole.ok());
      ASSERT_EQ(*whole, at + 1000 >= body.size());
    }
    EXPECT_EQ(reader.take(), body);
  }
}

TEST(GrpcReader, RefusesWhatIsTooLargeOrCompressed) {
  const auto size = static_cast<uint32_t>(kGrpcMessageBytesMax);
  for (const uint32_t more : {0U, 1U}) {
    const uint32_t claimed = size + more;
    const Bytes prefix{0, static_cast<uint8_t>(claimed >> 24), static_cast<uint8_t>(claimed >> 16),
                       static_cast<uint8_t>(claimed >> 8), static_cast<uint8_t>(claimed)};
    GrpcReader reader(false);
    ByteView bytes = prefix;
    EXPECT_EQ(reader.read(bytes).error(), more == 0 ? Error::kNone : Error::kTooLarge);
  }
  GrpcReader reader(false);
  const Bytes compressed{1, 0, 0, 0, 1};
  ByteView bytes = compressed;
  EXPECT_EQ(reader.read(bytes).error(), Error::kMalformed);
}

TEST(GrpcHeaders, TimeoutsHaveAtMostEightDigits) {
  EXPECT_EQ(grpc_timeout(1), "1n");
  EXPECT_EQ(grpc_timeout(0), "1n");
  EXPECT_EQ(grpc_timeout(99'999'999), "99999999n");
  EXPECT_EQ(grpc_timeout(100'000'000), "100000u");
  EXPECT_EQ(grpc_timeout(100'000'001), "100001u");
  EXPECT_EQ(grpc_timeout(2'000'000'000), "2000000u");
  EXPECT_EQ(grpc_timeout(600'000'000'000), "600000m");
  EXPECT_EQ(grpc_timeout(200'000LL * 1'000'000'000), "200000S");
  EXPECT_EQ(grpc_timeout(INT64_MAX), "2562048H") << "rounded up";
}

TEST(GrpcHeaders, MessagesArePercentDecoded) {
  EXPECT_EQ(percent_decode("plain"), "plain");
  EXPECT_EQ(percent_decode("a%20b%0Ac%e2%82%AC"), "a b\nc\xe2\x82\xac");
  EXPECT_EQ(percent_decode("%"), "%");
  EXPECT_EQ(percent_decode("%4"), "%4");
  EXPECT_EQ(percent_decode("%zz%41"), "%zzA");
}

TEST(GrpcHeaders, StatusesAreNumbers) {
  EXPECT_EQ(parse_grpc_status("0"), kStatusOk);
  EXPECT_EQ(parse_grpc_status("14"), kStatusUnavailable);
  EXPECT_EQ(parse_grpc_status("401"), 401) << "Teamgram's own";
  for (const char* bad : {"", "x", "1x", "-1", "99999999999"}) {
    EXPECT_EQ(parse_grpc_status(bad), kStatusUnknown) << bad;
  }
}

}  // namespace
}  // namespace ringway::cluster
