#include "tls/client_hello.h"

#include <algorithm>

#include "base/limits.h"

namespace ringway::tls {
namespace {

constexpr std::array<uint8_t, 3> kRecordStart = {0x16, 0x03, 0x01};
constexpr uint8_t kClientHelloType = 1;
constexpr size_t kHandshakeHeaderBytes = 4;
constexpr uint16_t kVersion12 = 0x0303;
constexpr uint16_t kServerNameExtension = 0;
constexpr uint8_t kHostNameType = 0;

// TLS counts in big-endian numbers.
Result<uint16_t> u16(ByteReader& reader) noexcept {
  RW_TRY_ASSIGN(const uint16_t value, reader.u16());
  return __builtin_bswap16(value);
}

// A vector with a length of one or two bytes before it.
Result<ByteView> vector8(ByteReader& reader) noexcept {
  RW_TRY_ASSIGN(const uint8_t size, reader.u8());
  return reader.bytes(size);
}
Result<ByteView> vector16(ByteReader& reader) noexcept {
  RW_TRY_ASSIGN(const uint16_t size, u16(reader));
  return reader.bytes(size);
}

// Values that clients mix in so that servers learn to ignore what they do not know (RFC 8701) are
// none of the three, so nothing has to be done about them.
Result<uint16_t> first_cipher(ByteView ciphers) noexcept {
  if (ciphers.empty() || ciphers.size() % 2 != 0) return Error::kMalformed;
  for (size_t at = 0; at < ciphers.size(); at += 2) {
    if (ciphers[at] == 0x13 && ciphers[at + 1] >= 1 && ciphers[at + 1] <= 3) {
      return static_cast<uint16_t>(0x1300 | ciphers[at + 1]);
    }
  }
  return uint16_t{0};
}

// RFC 6066, 3: a list that holds at most one host name, and in practice nothing else.
Result<std::string_view> read_server_name(ByteView extension) noexcept {
  ByteReader reader(extension);
  RW_TRY_ASSIGN(const ByteView list, vector16(reader));
  if (!reader.empty()) return Error::kMalformed;
  ByteReader names(list);
  RW_TRY_ASSIGN(const uint8_t type, names.u8());
  RW_TRY_ASSIGN(const ByteView name, vector16(names));
  if (type != kHostNameType || name.empty() || !names.empty()) return Error::kMalformed;
  return as_text(name);
}

Result<std::string_view> find_server_name(ByteView extensions) noexcept {
  std::string_view name;
  ByteReader reader(extensions);
  while (!reader.empty()) {
    RW_TRY_ASSIGN(const uint16_t type, u16(reader));
    RW_TRY_ASSIGN(const ByteView content, vector16(reader));
    if (type != kServerNameExtension) continue;
    if (!name.empty()) return Error::kMalformed;
    RW_TRY_ASSIGN(name, read_server_name(content));
  }
  return name;
}

char lower(char letter) noexcept {
  return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}

// The body of the handshake message, which must fill the record.
Result<ByteView> hello_body(ByteView record) noexcept {
  ByteReader reader(record);
  RW_TRY(reader.skip(kTlsRecordHeaderBytes + 1));
  RW_TRY_ASSIGN(const uint8_t size_high, reader.u8());
  RW_TRY_ASSIGN(const uint16_t size_low, u16(reader));
  const size_t size = size_t{size_high} << 16 | size_low;
  if (size != reader.remaining()) return Error::kMalformed;
  return reader.rest();
}

}  // namespace

Result<ByteView> cut_client_hello(ByteView start) noexcept {
  const size_t known = std::min(start.size(), kRecordStart.size());
  if (!equal(start.first(known), ByteView(kRecordStart).first(known))) return Error::kBadTransport;
  if (start.size() < kTlsRecordHeaderBytes) return Error::kTruncated;
  const size_t size = size_t{start[3]} << 8 | start[4];
  if (size <= kHandshakeHeaderBytes || size > kFakeHelloBytesMax) return Error::kBadTransport;
  if (start.size() > kTlsRecordHeaderBytes && start[kTlsRecordHeaderBytes] != kClientHelloType) {
    return Error::kBadTransport;
  }
  if (start.size() < kTlsRecordHeaderBytes + size) return Error::kTruncated;
  return start.first(kTlsRecordHeaderBytes + size);
}

Result<ClientHello> read_client_hello(ByteView record) noexcept {
  RW_TRY_ASSIGN(const ByteView body, hello_body(record));
  ByteReader reader(body);
  ClientHello hello;
  RW_TRY_ASSIGN(const uint16_t version, u16(reader));
  if (version != kVersion12) return Error::kMalformed;
  RW_TRY_ASSIGN(hello.random, reader.bytes(kTlsRandomBytes));
  RW_TRY_ASSIGN(hello.session_id, vector8(reader));
  if (hello.session_id.size() > kTlsSessionIdBytesMax) return Error::kMalformed;
  RW_TRY_ASSIGN(const ByteView ciphers, vector16(reader));
  RW_TRY_ASSIGN(hello.cipher, first_cipher(ciphers));
  RW_TRY_ASSIGN(const ByteView compressions, vector8(reader));
  if (compressions.empty()) return Error::kMalformed;
  if (reader.empty()) return hello;  // extensions are optional
  RW_TRY_ASSIGN(const ByteView extensions, vector16(reader));
  if (!reader.empty()) return Error::kMalformed;
  RW_TRY_ASSIGN(hello.server_name, find_server_name(extensions));
  return hello;
}

bool same_host_name(std::string_view a, std::string_view b) noexcept {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char left, char right) { return lower(left) == lower(right); });
}

}  // namespace ringway::tls
