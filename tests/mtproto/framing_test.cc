#include "mtproto/framing.h"

#include "base/limits.h"
#include "mtproto/unencrypted.h"
#include "transport_testing.h"

namespace ringway::mtproto::testing {
namespace {

constexpr TransportKind kKinds[] = {TransportKind::kAbridged, TransportKind::kIntermediate,
                                    TransportKind::kPadded, TransportKind::kFull};
// req_pq_multi as a client of the official servers sent it.
constexpr std::string_view kReqPqHex =
    "000000000000000064f70d00fcc0ab6514000000f18e7ebe15a084b3b9ca2a17f03925f44b78fe68";

TEST(Framing, EncryptedMessageKeepsItsBytesAndNamesItsKey) {
  for (const TransportKind kind : kKinds) {
    Bytes payload = hex(kPingHex);
    const Result<FrameContent> content = read_frame(kind, payload);
    ASSERT_TRUE(content.ok());
    EXPECT_TRUE(content->encrypted);
    EXPECT_EQ(content->auth_key_id, -3972359982579920590);
    EXPECT_EQ(content->bytes.data(), payload.data());
    EXPECT_EQ(content->bytes.size(), payload.size());
  }
}

TEST(Framing, PaddedTransportDropsUpToFifteenBytes) {
  for (size_t padding = 0; padding <= 15; ++padding) {
    Bytes payload = hex(kPingHex);
    payload.resize(payload.size() + padding, 0xaa);
    const Result<FrameContent> content = read_frame(TransportKind::kPadded, payload);
    ASSERT_TRUE(content.ok());
    EXPECT_EQ(content->bytes.size(), 88u);
    if (padding == 0) continue;
    for (const TransportKind kind : kKinds) {
      if (kind == TransportKind::kPadded) continue;
      EXPECT_EQ(read_frame(kind, payload).error(), Error::kBadLength) << padding;
    }
  }
}

TEST(Framing, UnencryptedMessageEndsWhereItsLengthSays) {
  for (const TransportKind kind : kKinds) {
    for (const size_t extra : {0, 1, 4, 15, 256}) {
      Bytes payload = hex(kReqPqHex);
      payload.resize(40 + extra, 0xee);
      const Result<FrameContent> content = read_frame(kind, payload);
      ASSERT_TRUE(content.ok());
      EXPECT_FALSE(content->encrypted);
      EXPECT_EQ(content->bytes.size(), 40u);
    }
  }
}

TEST(Framing, DeclaredDataBeyondTheFrameIsRefused) {
  for (const uint32_t declared : {21u, 0x7fffffffu, 0xfffffffcu, 0xffffffffu}) {
    Bytes payload = hex(kReqPqHex);
    store_le(payload.data() + 16, declared);
    for (const TransportKind kind : kKinds) {
      EXPECT_EQ(read_frame(kind, payload).error(), Error::kTruncated);
    }
  }
}

TEST(Framing, TooShortForAnyMessageIsRefused) {
  for (const TransportKind kind : kKinds) {
    for (size_t bytes = 0; bytes < 20; ++bytes) {
      Bytes zero(bytes);
      EXPECT_EQ(read_frame(kind, zero).error(), Error::kTruncated);
    }
    for (size_t bytes = 0; bytes < 24; ++bytes) {
      Bytes ones(bytes, 1);
      EXPECT_EQ(read_frame(kind, ones).error(), Error::kTruncated);
    }
    for (const size_t cipher_bytes : {0, 16, 32, 47}) {
      Bytes ones(24 + cipher_bytes, 1);
      EXPECT_EQ(read_frame(kind, ones).error(), Error::kBadLength) << cipher_bytes;
    }
    Bytes smallest(24 + 48, 1);
    EXPECT_TRUE(read_frame(kind, smallest).ok());
  }
}

TEST(Unencrypted, ReadsARealRequest) {
  const Bytes frame = hex(kReqPqHex);
  const Result<UnencryptedMessage> message = read_unencrypted(frame);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(message->msg_id, 0x65abc0fc000df764);
  EXPECT_EQ(to_hex(message->data), "f18e7ebe15a084b3b9ca2a17f03925f44b78fe68");
}

TEST(Unencrypted, RandomWordsInsideTheLengthStayAndBytesBehindItGo) {
  Bytes frame = hex(kReqPqHex);
  frame.resize(frame.size() + 12, 0x77);
  EXPECT_EQ(read_unencrypted(frame)->data.size(), 20u);
  store_le<uint32_t>(frame.data() + 16, 28);
  EXPECT_EQ(read_unencrypted(frame)->data.size(), 28u);
}

TEST(Unencrypted, Refusals) {
  const Bytes good = hex(kReqPqHex);
  for (size_t kept = 0; kept < 20; ++kept) {
    EXPECT_EQ(read_unencrypted(ByteView(good).first(kept)).error(), Error::kTruncated);
  }
  EXPECT_EQ(read_unencrypted(ByteView(good).first(39)).error(), Error::kBadLength);
  for (const uint32_t declared : {0u, 16u, 19u, 21u, 0xfffffffcu}) {
    Bytes bad = good;
    store_le(bad.data() + 16, declared);
    EXPECT_EQ(read_unencrypted(bad).error(), Error::kBadLength) << declared;
  }
  for (uint8_t low = 1; low < 4; ++low) {
    Bytes bad = good;
    bad[8] = static_cast<uint8_t>(bad[8] | low);
    EXPECT_EQ(read_unencrypted(bad).error(), Error::kMalformed);
  }
  Bytes keyed = good;
  keyed[0] = 1;
  EXPECT_EQ(read_unencrypted(keyed).error(), Error::kMalformed);
  Bytes large(20 + kUnencryptedBytesMax + 4);
  store_le(large.data() + 16, static_cast<uint32_t>(kUnencryptedBytesMax));
  EXPECT_TRUE(read_unencrypted(large).ok());
  store_le(large.data() + 16, static_cast<uint32_t>(kUnencryptedBytesMax + 4));
  EXPECT_EQ(read_unencrypted(large).error(), Error::kBadLength);
}

TEST(Unencrypted, WritesTheLayoutThatIsRead) {
  EXPECT_EQ(to_hex(write_unencrypted(0x0102030405060708, hex("aabbccdd"))),
            "0000000000000000080706050403020104000000aabbccdd");
}

TEST(ServerMsgId, FollowsTheClockAndNeverRepeats) {
  ServerMsgId ids;
  const int64_t first = ids.next(1'705'754'877'500'000'000);
  EXPECT_EQ(first >> 32, 1'705'754'877);
  EXPECT_EQ(first & 0xffffffff, 0x80000001);
  EXPECT_EQ(ids.next(1'705'754'877'500'000'000), first + 4);
  EXPECT_EQ(ids.next(1'705'754'870'000'000'000), first + 8);
  EXPECT_EQ(ids.next(-5), first + 12);
  const int64_t later = ids.next(1'705'754'878'000'000'000);
  EXPECT_EQ(later, (int64_t{1'705'754'878} << 32) + 1);
  EXPECT_EQ(ids.last(), later);
  ServerMsgId resumed(later);
  EXPECT_EQ(resumed.next(0), later + 4);
}

TEST(ServerMsgId, TheLastNanosecondOfASecondStaysInIt) {
  ServerMsgId ids;
  const int64_t id = ids.next(1'705'754'877'999'999'999);
  EXPECT_EQ(id >> 32, 1'705'754'877);
  EXPECT_EQ(id & 3, 1);
}

}  // namespace
}  // namespace ringway::mtproto::testing
