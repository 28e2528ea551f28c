// door/proxy_header: the PROXY protocol's header, versions 1 and 2, at the start of a stream.
//
// A load balancer that does not pass the client's address on otherwise writes it there, before
// anything else. Pure functions; any thread. The reader keeps nothing between calls: it is given
// all bytes of the stream so far, each time from the start, and the answer depends on them alone.
// Whether the peer may be believed is the caller's business.
//
// Source: the PROXY protocol, versions 1 & 2, HAProxy Technologies (proxy-protocol.txt).
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"

namespace ringway::door {

struct ProxyAddress {
  uint8_t ip_bytes = 0;          // 4, 16, or 0: there is none, the socket's address stands
  std::array<uint8_t, 16> ip{};  // network order; an IPv4-mapped one is left as it came
  uint16_t port = 0;

  friend bool operator==(const ProxyAddress&, const ProxyAddress&) = default;
};

struct ProxyHeader {
  size_t bytes = 0;  // what to take from the stream; 0: it begins with something else
  ProxyAddress source;
};

inline constexpr size_t kProxyV2HeaderBytes = 16;
// No header is longer, so no caller has to keep more than this of a stream to decide.
inline constexpr size_t kProxyHeaderBytesMax = kProxyV2HeaderBytes + kProxyV2PayloadBytesMax;
static_assert(kProxyV1BytesMax < kProxyHeaderBytesMax);

// `start`: the stream's bytes so far.
//   kTruncated             these bytes may become a header: call again with more
//   a header of 0 bytes    they begin no header; known at the first byte that differs
//   kMalformed, kTooLarge  they begin a header that is wrong: close
// Version 1: TCP4, TCP6, and UNKNOWN, which names no address. Version 2: LOCAL, and PROXY over a
// stream of IPv4 or IPv6; unix and unspecified addresses name none; TLVs are skipped unread.
[[nodiscard]] Result<ProxyHeader> read_proxy_header(ByteView start) noexcept;

// Write a header into `out` (kProxyV1BytesMax or kProxyV2WrittenBytesMax) and return its length.
// Both addresses are of one family; with ip_bytes == 0 version 1 says UNKNOWN and version 2 LOCAL.
inline constexpr size_t kProxyV2WrittenBytesMax = kProxyV2HeaderBytes + 2 * (16 + 2);
size_t write_proxy_v1(const ProxyAddress& source, const ProxyAddress& destination,
                      ByteSpan out) noexcept;
size_t write_proxy_v2(const ProxyAddress& source, const ProxyAddress& destination,
                      ByteSpan out) noexcept;

}  // namespace ringway::door
