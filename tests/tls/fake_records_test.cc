// The records of fake TLS: every split, every wrong header, and the writer against the reader.
#include "tls/fake_records.h"

#include <random>

#include "tls_testing.h"

namespace ringway::tls {
namespace {

using Event = FakeTlsReader::Event;

struct Seen {
  Bytes data;
  Error error = Error::kNone;
  bool mid_record = false;
};

// Feeds a stream in pieces of this size, each in memory of its own.
Seen feed(FakeTlsReader& reader, ByteView stream, size_t piece_bytes) {
  Seen seen;
  while (!stream.empty()) {
    const size_t size = std::min(piece_bytes, stream.size());
    Bytes piece(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));
    stream = stream.subspan(size);
    reader.receive(piece);
    ByteSpan data;
    Event event;
    while ((event = reader.next(data)) == Event::kData) {
      EXPECT_FALSE(data.empty());
      EXPECT_TRUE(data.data() >= piece.data() &&
                  data.data() + data.size() <= piece.data() + piece.size());
      seen.data.insert(seen.data.end(), data.begin(), data.end());
    }
    EXPECT_TRUE(reader.unread().empty());
    if (event == Event::kError) break;
  }
  seen.error = reader.error();
  seen.mid_record = reader.mid_record();
  return seen;
}

Seen feed_server(ByteView stream, size_t piece_bytes = SIZE_MAX) {
  FakeTlsReader reader(FakeTlsSide::kServer);
  return feed(reader, stream, piece_bytes);
}

Bytes drawn(size_t size, uint32_t seed) {
  std::mt19937 random(seed);
  Bytes out(size);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

Bytes records_of(ByteView payload) {
  Bytes out(fake_records_bytes(payload.size()));
  write_fake_records(payload, out);
  return out;
}

// What a client sends: change cipher spec, then the payload as records.
Bytes client_stream(ByteView payload) {
  Bytes out(kFakeChangeCipherSpec.begin(), kFakeChangeCipherSpec.end());
  const Bytes records = records_of(payload);
  out.insert(out.end(), records.begin(), records.end());
  return out;
}

TEST(FakeRecords, KnownBytes) {
  const Seen seen =
      feed_server(hex("140303000101"
                      "1703030003"
                      "616263"
                      "1703030000"
                      "1703030001"
                      "64"));
  EXPECT_EQ(as_text(seen.data), "abcd");
  EXPECT_EQ(seen.error, Error::kNone);
  EXPECT_FALSE(seen.mid_record);
  EXPECT_EQ(to_hex(records_of(as_bytes("abc"))), "1703030003616263");
}

TEST(FakeRecords, EverySplitGivesTheSameStream) {
  const Bytes payload = drawn(300, 1);
  Bytes stream = client_stream(ByteView(payload).first(100));
  for (const ByteView part : {ByteView(payload).subspan(100, 1), ByteView(payload).subspan(101)}) {
    const Bytes records = records_of(part);
    stream.insert(stream.end(), records.begin(), records.end());
  }
  for (size_t piece = 1; piece <= stream.size(); ++piece) {
    const Seen seen = feed_server(stream, piece);
    ASSERT_EQ(seen.data, payload) << piece;
    ASSERT_EQ(seen.error, Error::kNone) << piece;
  }
}

TEST(FakeRecords, ServersSendNoChangeCipherSpecBehindTheFlight) {
  const Bytes stream = records_of(as_bytes("hello"));
  FakeTlsReader client(FakeTlsSide::kClient);
  EXPECT_EQ(as_text(feed(client, stream, 1).data), "hello");
  FakeTlsReader refusing(FakeTlsSide::kClient);
  EXPECT_EQ(feed(refusing, kFakeChangeCipherSpec, 1).error, Error::kMalformed);
}

TEST(FakeRecords, OtherBytesAreRefusedAtTheFirstThatDiffers) {
  for (const std::string_view stream :
       {"15", "17", "1402", "140301", "14030301", "1403030002", "140303000102", "14030300010114",
        "14030300010115", "1403030001011702", "140303000101170301"}) {
    EXPECT_EQ(feed_server(hex(stream)).error, Error::kMalformed) << stream;
    const std::string_view before = stream.substr(0, stream.size() - 2);
    EXPECT_EQ(feed_server(hex(before)).error, Error::kNone) << stream;
  }
}

TEST(FakeRecords, AnErrorStays) {
  FakeTlsReader reader(FakeTlsSide::kServer);
  Bytes wrong = hex("00");
  reader.receive(wrong);
  ByteSpan data;
  EXPECT_EQ(reader.next(data), Event::kError);
  Bytes right = client_stream(as_bytes("abc"));
  reader.receive(right);
  EXPECT_EQ(reader.next(data), Event::kError);
}

TEST(FakeRecords, LargestRecordIsTakenAndALargerOneIsNot) {
  Bytes stream =
      hex("140303000101"
          "1703034100");
  const Bytes body = drawn(kFakeRecordBytesMax, 2);
  stream.insert(stream.end(), body.begin(), body.end());
  const Seen seen = feed_server(stream, 1000);
  EXPECT_EQ(seen.data, body);
  EXPECT_FALSE(seen.mid_record);
  EXPECT_EQ(feed_server(hex("140303000101"
                            "1703034101"))
                .error,
            Error::kTooLarge);
  EXPECT_EQ(feed_server(hex("140303000101"
                            "170303ffff"))
                .error,
            Error::kTooLarge);
}

TEST(FakeRecords, EmptyRecordsAreBoundedInARow) {
  const Bytes empty = hex("1703030000");
  Bytes stream = client_stream({});
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < kFakeEmptyRecordsMax; ++i) {
      stream.insert(stream.end(), empty.begin(), empty.end());
    }
    const Bytes record = records_of(as_bytes("x"));
    stream.insert(stream.end(), record.begin(), record.end());
  }
  EXPECT_EQ(as_text(feed_server(stream).data), "xxx");
  for (size_t i = 0; i <= kFakeEmptyRecordsMax; ++i) {
    EXPECT_EQ(feed_server(stream).error, Error::kNone) << i;
    stream.insert(stream.end(), empty.begin(), empty.end());
  }
  EXPECT_EQ(feed_server(stream).error, Error::kBadLength);
}

TEST(FakeRecords, MidRecordBetweenTheFirstByteAndTheLast) {
  const Bytes stream = client_stream(as_bytes("abc"));
  for (size_t size = 1; size <= stream.size(); ++size) {
    const bool between = size != kFakeChangeCipherSpec.size() && size != stream.size();
    EXPECT_EQ(feed_server(ByteView(stream).first(size)).mid_record, between) << size;
  }
}

TEST(FakeRecords, UnreadIsWhatACallerWhoStopsGivesAgain) {
  Bytes stream = client_stream(as_bytes("abc"));
  const Bytes more = records_of(as_bytes("def"));
  stream.insert(stream.end(), more.begin(), more.end());
  FakeTlsReader reader(FakeTlsSide::kServer);
  reader.receive(stream);
  ByteSpan data;
  ASSERT_EQ(reader.next(data), Event::kData);
  EXPECT_EQ(as_text(data), "abc");
  EXPECT_EQ(to_hex(reader.unread()), to_hex(more));
}

TEST(FakeRecords, LargePayloadsBecomeSeveralRecords) {
  for (const size_t size : {size_t{0}, size_t{1}, kFakeRecordPayloadMax - 1, kFakeRecordPayloadMax,
                            kFakeRecordPayloadMax + 1, 3 * kFakeRecordPayloadMax, size_t{100000}}) {
    const Bytes payload = drawn(size, 3);
    const Bytes apart = records_of(payload);
    EXPECT_EQ(apart.size(), size + 5 * ((size + 16383) / 16384));
    FakeTlsReader reader(FakeTlsSide::kClient);
    EXPECT_EQ(feed(reader, apart, SIZE_MAX).data, payload);
    // In place: the payload is the end of the buffer.
    Bytes in_place(fake_records_bytes(size));
    std::copy(payload.begin(), payload.end(), in_place.end() - static_cast<ptrdiff_t>(size));
    write_fake_records(ByteView(in_place).last(size), in_place);
    EXPECT_EQ(in_place, apart) << size;
  }
}

TEST(FakeRecords, AStreamMayBeCutAnywhere) {
  const Bytes payload = drawn(40, 4);
  const Bytes stream = client_stream(payload);
  for (size_t cut = 0; cut <= stream.size(); ++cut) {
    FakeTlsReader reader(FakeTlsSide::kServer);
    Bytes data = feed(reader, ByteView(stream).first(cut), 7).data;
    append(data, feed(reader, ByteView(stream).subspan(cut), 7).data);
    EXPECT_EQ(data, payload) << cut;
  }
}

}  // namespace
}  // namespace ringway::tls
