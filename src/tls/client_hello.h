// tls/client_hello: what a TLS client hello says, as far as fake TLS needs it (RFC 8446, 4.1.2).
//
// Pure functions over bytes of strangers; any thread. Only a hello that lies whole in one record is
// read: no client of ours sends another. Every length in it must fit exactly.
#pragma once

#include <array>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::tls {

inline constexpr size_t kTlsRecordHeaderBytes = 5;
inline constexpr size_t kTlsRandomBytes = 32;
inline constexpr size_t kTlsSessionIdBytesMax = 32;
// Where the random stands in a record that holds a hello.
inline constexpr size_t kTlsHelloRandomAt = 11;

using TlsRandom = std::array<uint8_t, kTlsRandomBytes>;

// The record at the beginning of a stream, whole, header included; borrowed. kTruncated while it
// may still become one, kBadTransport as soon as the bytes cannot be a client hello's record.
Result<ByteView> cut_client_hello(ByteView start) noexcept;

// All views are borrowed from the record.
struct ClientHello {
  ByteView random;               // kTlsRandomBytes
  ByteView session_id;           // up to kTlsSessionIdBytesMax
  uint16_t cipher = 0;           // the first one of TLS 1.3 (1301, 1302, 1303); 0: none of them
  std::string_view server_name;  // empty: the client did not say
};

// Reads what cut_client_hello returned. kMalformed, or kTruncated for a length that leads beyond
// what holds it.
Result<ClientHello> read_client_hello(ByteView record) noexcept;

// Whether two host names are the same; letters count alike in both cases.
[[nodiscard]] bool same_host_name(std::string_view a, std::string_view b) noexcept;

}  // namespace ringway::tls
