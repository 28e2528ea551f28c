// Known headers of both versions, split at every byte, and wrong ones.
#include "door/proxy_header.h"

#include <gtest/gtest.h>

#include <string>

#include "base/hex.h"

namespace ringway::door {
namespace {

Bytes bytes_of(std::string_view text) {
  const ByteView view = as_bytes(text);
  return {view.begin(), view.end()};
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Bytes hex(std::string_view text) { return *from_hex(text); }

const Bytes kSignature = hex("0d0a0d0a000d0a515549540a");

ProxyAddress v4(std::array<uint8_t, 4> ip, uint16_t port) {
  ProxyAddress address{4, {}, port};
  std::copy(ip.begin(), ip.end(), address.ip.begin());
  return address;
}

ProxyAddress v6(std::string_view ip, uint16_t port) {
  ProxyAddress address{16, {}, port};
  const Bytes raw = hex(ip);
  std::copy(raw.begin(), raw.end(), address.ip.begin());
  return address;
}

// What the reader says of a stream that arrives one byte at a time: the first answer that is not
// "wait", and after how many bytes.
struct Answer {
  Error error = Error::kTruncated;
  ProxyHeader header;
  size_t after = 0;
};

Answer read_bytewise(ByteView stream) {
  for (size_t count = 0; count <= stream.size(); ++count) {
    // Memory of exactly this size, so that AddressSanitizer sees a look beyond it.
    const Bytes start(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(count));
    const Result<ProxyHeader> header = read_proxy_header(start);
    if (header) return {Error::kNone, *header, count};
    if (header.error() != Error::kTruncated) return {header.error(), {}, count};
  }
  return {};
}

// In one piece with surplus behind it, or byte by byte: the same header.
void expect_header(const Bytes& header, const ProxyAddress& source) {
  const Answer bytewise = read_bytewise(header + hex("ef"));
  EXPECT_EQ(bytewise.error, Error::kNone) << to_hex(header);
  EXPECT_EQ(bytewise.after, header.size()) << to_hex(header);
  EXPECT_EQ(bytewise.header.bytes, header.size());
  EXPECT_EQ(bytewise.header.source, source);
  const Result<ProxyHeader> whole = read_proxy_header(header + hex("ef0a0d0a"));
  ASSERT_TRUE(whole) << to_hex(header);
  EXPECT_EQ(whole->bytes, header.size());
  EXPECT_EQ(whole->source, source);
}

void expect_error(const Bytes& header, Error error) {
  EXPECT_EQ(read_bytewise(header).error, error) << to_hex(header);
  const Result<ProxyHeader> whole = read_proxy_header(header);
  EXPECT_EQ(whole.error(), error) << to_hex(header);
}

void expect_v1_error(std::string_view text, Error error = Error::kMalformed) {
  SCOPED_TRACE(text);
  expect_error(bytes_of(text), error);
}

TEST(ProxyV1, KnownHeadersSplitAtEveryByte) {
  expect_header(bytes_of("PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n"),
                v4({192, 0, 2, 7}, 56324));
  expect_header(bytes_of("PROXY TCP6 2001:db8::7 2001:db8::1 0 65535\r\n"),
                v6("20010db8000000000000000000000007", 0));
  expect_header(bytes_of("PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n"),
                v6("00000000000000000000ffffc0000207", 1));
  expect_header(bytes_of("PROXY UNKNOWN\r\n"), {});
  expect_header(bytes_of("PROXY UNKNOWN ffff:f...f:ffff 65535 and so on\r\n"), {});
}

TEST(ProxyV1, TheLongestLineIs107Bytes) {
  const std::string fill = "PROXY UNKNOWN " + std::string(kProxyV1BytesMax - 16, 'x');
  ASSERT_EQ(fill.size() + 2, kProxyV1BytesMax);
  expect_header(bytes_of(fill + "\r\n"), {});
  expect_v1_error(fill + "x\r\n", Error::kTooLarge);
  // Known at byte 107, without waiting for a line end.
  EXPECT_EQ(read_bytewise(bytes_of(fill + "xxxxxx")).after, kProxyV1BytesMax);
}

TEST(ProxyV1, WrongLines) {
  for (const std::string_view line : {
           "PROXY \r\n",
           "PROXY TCP4\r\n",
           "PROXY TCP5 192.0.2.7 198.51.100.1 1 2\r\n",
           "PROXY tcp4 192.0.2.7 198.51.100.1 1 2\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 1\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 3\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 1 2 \r\n",
           "PROXY TCP4  192.0.2.7 198.51.100.1 1 2\r\n",
           "PROXY TCP4 192.0.2 198.51.100.1 1 2\r\n",
           "PROXY TCP4 192.0.2.256 198.51.100.1 1 2\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.x 1 2\r\n",
           "PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
           "PROXY TCP6 192.0.2.7 198.51.100.1 1 2\r\n",
           "PROXY TCP6 1:2:3:4:5:6:7:8:9 ::1 1 2\r\n",
           "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 65536 2\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 1 65536\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 -1 2\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 +1 2\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 01 2\r\n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 1 \r\n",
           "PROXY UNKNOWNS\r\n",
           "PROXY UNKNOWN\n",
           "PROXY \n",
           "PROXY TCP4 192.0.2.7 198.51.100.1 1 2\n",
       }) {
    expect_v1_error(line);
  }
  // inet_pton would end at the zero byte and take what stands before it.
  std::string zero = "PROXY TCP4 192.0.2.7?x 198.51.100.1 1 2\r\n";
  zero[zero.find('?')] = '\0';
  expect_v1_error(zero);
}

TEST(ProxyV2, KnownHeadersSplitAtEveryByte) {
  expect_header(kSignature + hex("21 11 000c c0000207 c6336401 dc04 01bb"),
                v4({192, 0, 2, 7}, 0xdc04));
  expect_header(kSignature + hex("21 21 0024 20010db8000000000000000000000007"
                                 "20010db8000000000000000000000001 dc04 01bb"),
                v6("20010db8000000000000000000000007", 0xdc04));
}

TEST(ProxyV2, TlvsAreSkipped) {
  expect_header(kSignature + hex("21 11 0013 c0000207 c6336401 dc04 01bb 03 0004 01020304"),
                v4({192, 0, 2, 7}, 0xdc04));
}

TEST(ProxyV2, WhatNamesNoAddressKeepsTheSockets) {
  expect_header(kSignature + hex("20 00 0000"), {});
  // LOCAL: its family and its addresses are to be ignored.
  expect_header(kSignature + hex("20 11 000c c0000207 c6336401 dc04 01bb"), {});
  expect_header(kSignature + hex("20 12 0002 ffff"), {});
  expect_header(kSignature + hex("21 00 0003 000000"), {});
  expect_header(kSignature + hex("21 31 00d8") + Bytes(216, 0x2f), {});
}

TEST(ProxyV2, TheLongestPayload) {
  const Bytes start = kSignature + hex("21 11");
  const Bytes addresses = hex("c0000207 c6336401 dc04 01bb");
  expect_header(start + hex("0800") + addresses + Bytes(2048 - 12, 0xee),
                v4({192, 0, 2, 7}, 0xdc04));
  expect_error(start + hex("0801"), Error::kTooLarge);
  expect_error(start + hex("ffff"), Error::kTooLarge);
}

TEST(ProxyV2, WrongHeaders) {
  // Version, command, family, transport, and blocks too short for their family.
  for (const std::string_view rest : {"01", "11", "22", "2f", "31", "21 12", "21 10", "21 22",
                                      "21 32", "21 41", "21 11 000b", "21 21 0023", "21 31 00d7"}) {
    SCOPED_TRACE(rest);
    expect_error(kSignature + hex(rest), Error::kMalformed);
  }
  // Judged at the first byte that is wrong.
  EXPECT_EQ(read_bytewise(kSignature + hex("22 11 0000")).after, 13u);
  EXPECT_EQ(read_bytewise(kSignature + hex("21 12 0000")).after, 14u);
}

TEST(Proxy, AnythingElseIsNoHeaderAtItsFirstOtherByte) {
  for (const std::string_view start : {"PROXY ", "\r\n\r\n"}) {
    EXPECT_EQ(read_proxy_header(as_bytes(start)).error(), Error::kTruncated);
  }
  EXPECT_EQ(read_proxy_header({}).error(), Error::kTruncated);
  for (Bytes magic : {bytes_of("PROXY "), kSignature}) {
    for (size_t at = 0; at < magic.size(); ++at) {
      Bytes other = magic;
      other[at] ^= 0x20;
      const Answer answer = read_bytewise(other);
      EXPECT_EQ(answer.error, Error::kNone);
      EXPECT_EQ(answer.header.bytes, 0u);
      EXPECT_EQ(answer.after, at + 1);
    }
  }
  EXPECT_EQ(read_bytewise(hex("ef")).after, 1u);
}

TEST(ProxyWriter, KnownBytes) {
  Bytes out(kProxyV1BytesMax);
  out.resize(write_proxy_v1(v4({192, 0, 2, 7}, 56324), v4({198, 51, 100, 1}, 443), out));
  EXPECT_EQ(as_text(out), "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n");
  out.assign(kProxyV2WrittenBytesMax, 0);
  out.resize(write_proxy_v2(v4({192, 0, 2, 7}, 0xdc04), v4({198, 51, 100, 1}, 443), out));
  EXPECT_EQ(out, kSignature + hex("21 11 000c c0000207 c6336401 dc04 01bb"));
  out.assign(kProxyV2WrittenBytesMax, 0);
  out.resize(write_proxy_v2({}, {}, out));
  EXPECT_EQ(out, kSignature + hex("20 00 0000"));
}

TEST(ProxyWriter, WhatIsWrittenIsRead) {
  const Bytes most(16, 0xff);
  for (const auto& [source, destination] :
       {std::pair{ProxyAddress{}, ProxyAddress{}},
        std::pair{v4({255, 255, 255, 255}, 65535), v4({255, 255, 255, 255}, 65535)},
        std::pair{v6(to_hex(most), 65535), v6(to_hex(most), 65535)},
        std::pair{v6("20010db8000000000000000000000007", 0), v6(to_hex(most), 9)}}) {
    Bytes out(kProxyV1BytesMax);
    out.resize(write_proxy_v1(source, destination, out));
    expect_header(out, source);
    out.assign(kProxyV2WrittenBytesMax, 0);
    out.resize(write_proxy_v2(source, destination, out));
    expect_header(out, source);
  }
}

}  // namespace
}  // namespace ringway::door
