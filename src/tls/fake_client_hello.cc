#include "tls/fake_client_hello.h"

#include <algorithm>
#include <initializer_list>

#include "base/assert.h"
#include "crypto/random.h"
#include "tls/hmac.h"
#include "tls/key_share.h"

namespace ringway::tls {
namespace {

constexpr uint16_t kServerName = 0;
constexpr uint16_t kStatusRequest = 5;
constexpr uint16_t kSupportedGroups = 10;
constexpr uint16_t kPointFormats = 11;
constexpr uint16_t kSignatureAlgorithms = 13;
constexpr uint16_t kApplicationProtocols = 16;
constexpr uint16_t kSignedTimestamps = 18;
constexpr uint16_t kPadding = 21;
constexpr uint16_t kMasterSecret = 23;
constexpr uint16_t kSessionTicket = 35;
constexpr uint16_t kSupportedVersions = 43;
constexpr uint16_t kExchangeModes = 45;
constexpr uint16_t kKeyShare = 51;
constexpr uint16_t kRenegotiation = 0xff01;
constexpr uint16_t kX25519 = 0x001d;

constexpr size_t kExtensionHeaderBytes = 4;
constexpr std::string_view kProtocols("\x02h2\x08http/1.1", 12);

// Appends TLS's big-endian numbers and vectors with a length before them.
class HelloWriter {
 public:
  void u8(size_t value) { out_.push_back(static_cast<uint8_t>(value)); }
  void u16(size_t value) {
    u8(value >> 8);
    u8(value);
  }
  void u16s(std::initializer_list<uint16_t> values) {
    for (const uint16_t value : values) u16(value);
  }
  void bytes(ByteView value) { out_.insert(out_.end(), value.begin(), value.end()); }

  // The length is filled in by close().
  [[nodiscard]] size_t open16() {
    u16(0);
    return out_.size();
  }
  void close16(size_t begin) {
    const size_t size = out_.size() - begin;
    out_[begin - 2] = static_cast<uint8_t>(size >> 8);
    out_[begin - 1] = static_cast<uint8_t>(size);
  }
  [[nodiscard]] size_t open_extension(uint16_t type) {
    u16(type);
    return open16();
  }
  void empty_extension(uint16_t type) { close16(open_extension(type)); }

  [[nodiscard]] size_t size() const noexcept { return out_.size(); }
  [[nodiscard]] Bytes take() && { return std::move(out_); }

 private:
  Bytes out_;
};

uint16_t draw_grease() noexcept {
  const uint32_t nibble = crypto::random_u32() & 0xf0;
  return static_cast<uint16_t>((nibble | 0x0a) * 0x0101);
}

void write_server_name(HelloWriter& out, std::string_view name) {
  const size_t extension = out.open_extension(kServerName);
  const size_t list = out.open16();
  out.u8(0);
  const size_t host = out.open16();
  out.bytes(as_bytes(name));
  out.close16(host);
  out.close16(list);
  out.close16(extension);
}

// An extension that is one vector of numbers, with one or two bytes of length.
void write_numbers(HelloWriter& out, uint16_t type, size_t length_bytes,
                   std::initializer_list<uint16_t> values) {
  const size_t extension = out.open_extension(type);
  if (length_bytes == 1) {
    out.u8(2 * values.size());
  } else {
    out.u16(2 * values.size());
  }
  out.u16s(values);
  out.close16(extension);
}

void write_key_share(HelloWriter& out, uint16_t grease) {
  const size_t extension = out.open_extension(kKeyShare);
  const size_t list = out.open16();
  out.u16s({grease, 1});
  out.u8(0);
  out.u16s({kX25519, kKeyShareBytes});
  out.bytes(draw_key_share());
  out.close16(list);
  out.close16(extension);
}

void write_extensions(HelloWriter& out, std::string_view domain) {
  const uint16_t group = draw_grease();
  out.empty_extension(draw_grease());
  write_server_name(out, domain);
  out.empty_extension(kMasterSecret);
  out.u16s({kRenegotiation, 1});
  out.u8(0);
  write_numbers(out, kSupportedGroups, 2, {group, kX25519, 0x0017, 0x0018});
  out.u16s({kPointFormats, 2, 0x0100});
  out.empty_extension(kSessionTicket);
  const size_t protocols = out.open_extension(kApplicationProtocols);
  out.u16(kProtocols.size());
  out.bytes(as_bytes(kProtocols));
  out.close16(protocols);
  out.u16s({kStatusRequest, 5, 0x0100, 0});
  out.u8(0);
  write_numbers(out, kSignatureAlgorithms, 2,
                {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601});
  out.empty_extension(kSignedTimestamps);
  write_key_share(out, group);
  out.u16s({kExchangeModes, 2, 0x0101});
  write_numbers(out, kSupportedVersions, 1, {draw_grease(), 0x0304, 0x0303});
}

void write_padding(HelloWriter& out, size_t record_bytes) {
  if (out.size() >= record_bytes) return;
  const size_t missing = record_bytes - out.size();
  const size_t padding = out.open_extension(kPadding);
  for (size_t i = kExtensionHeaderBytes; i < missing; ++i) out.u8(0);
  out.close16(padding);
}

// The record with zeros for its random.
Bytes draw_record(std::string_view domain, size_t record_bytes) {
  HelloWriter out;
  out.u8(0x16);
  out.u16(0x0301);
  const size_t record = out.open16();
  out.u16(0x0100);
  const size_t message = out.open16();
  out.u16(0x0303);
  out.bytes(TlsRandom{});
  TlsRandom session_id;
  crypto::random_bytes(session_id);
  out.u8(session_id.size());
  out.bytes(session_id);
  const size_t ciphers = out.open16();
  out.u16s({draw_grease(), 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8,
            0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035});
  out.close16(ciphers);
  out.u16(0x0100);  // one compression method, which is none
  const size_t extensions = out.open16();
  write_extensions(out, domain);
  write_padding(out, record_bytes);
  out.close16(extensions);
  out.close16(message);
  out.close16(record);
  return std::move(out).take();
}

}  // namespace

FakeClientHello make_fake_client_hello(const FakeTlsSecret& secret, int64_t unix_seconds,
                                       size_t record_bytes) {
  RW_ASSERT(secret.domain.size() <= kTlsServerNameBytesMax);
  RW_ASSERT(record_bytes <= kFakeHelloBytesMax);
  FakeClientHello hello;
  hello.record = draw_record(secret.domain, record_bytes);
  hello.random = hmac_sha256(secret.key, {hello.record});
  uint8_t* time = hello.random.data() + hello.random.size() - sizeof(uint32_t);
  store_le(time, load_le<uint32_t>(time) ^ static_cast<uint32_t>(unix_seconds));
  std::copy(hello.random.begin(), hello.random.end(), hello.record.begin() + kTlsHelloRandomAt);
  return hello;
}

}  // namespace ringway::tls
