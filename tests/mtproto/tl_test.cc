#include "mtproto/tl.h"

#include <gtest/gtest.h>

#include "base/hex.h"

namespace ringway::mtproto {
namespace {

Bytes written(ByteView value) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_tl_string(out, value);
  return bytes;
}

TEST(TlString, ShortFormCarriesOneLengthByteAndZeroPadding) {
  EXPECT_EQ(to_hex(written({})), "00000000");
  EXPECT_EQ(to_hex(written(as_bytes("a"))), "01610000");
  EXPECT_EQ(to_hex(written(as_bytes("abc"))), "03616263");
  EXPECT_EQ(to_hex(written(as_bytes("abcd"))), "0461626364000000");
}

TEST(TlString, EveryLengthAroundTheFormsComesBack) {
  for (const size_t bytes : {0, 1, 2, 3, 4, 252, 253, 254, 255, 256, 257, 258, 65535, 0xffffff}) {
    const Bytes value(bytes, 0x5a);
    const Bytes encoded = written(value);
    EXPECT_EQ(encoded.size(), tl_string_bytes(bytes));
    EXPECT_EQ(encoded.size() % 4, 0u);
    EXPECT_EQ(encoded[0], bytes < 254 ? bytes : 0xfe);
    ByteReader reader(encoded);
    const Result<ByteView> read = read_tl_string(reader);
    ASSERT_TRUE(read.ok()) << bytes;
    EXPECT_TRUE(equal(*read, value));
    EXPECT_TRUE(reader.empty());
  }
}

TEST(TlString, LongFormOfAShortStringIsAccepted) {
  const Bytes encoded = *from_hex("fe030000616263ff");
  ByteReader reader(encoded);
  const Result<ByteView> read = read_tl_string(reader);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(as_text(*read), "abc");
  EXPECT_TRUE(reader.empty());
}

TEST(TlString, EveryTruncationFailsAndLeavesTheReader) {
  for (const size_t bytes : {0, 1, 3, 5, 253, 254, 300}) {
    const Bytes encoded = written(Bytes(bytes, 1));
    for (size_t kept = 0; kept < encoded.size(); ++kept) {
      const Bytes part(encoded.begin(), encoded.begin() + static_cast<ptrdiff_t>(kept));
      ByteReader reader(part);
      const Result<ByteView> read = read_tl_string(reader);
      ASSERT_FALSE(read.ok());
      EXPECT_EQ(read.error(), Error::kTruncated);
      EXPECT_EQ(reader.position(), 0u);
    }
  }
}

TEST(TlString, HostileLengths) {
  const Bytes all_ones = *from_hex("ffffffffffffffff");
  ByteReader reader(all_ones);
  EXPECT_EQ(read_tl_string(reader).error(), Error::kMalformed);
  const Bytes far = *from_hex("feffffff00000000");
  ByteReader far_reader(far);
  EXPECT_EQ(read_tl_string(far_reader).error(), Error::kTruncated);
}

}  // namespace
}  // namespace ringway::mtproto
