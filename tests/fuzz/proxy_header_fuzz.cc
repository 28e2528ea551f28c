// Fuzzing of the PROXY header.
//
// The input is a stream's start. However it is cut, the answer is the same; it never needs more
// bytes than the longest header has, and a header that was read can be written and read again.
#include "door/proxy_header.h"
#include "fuzz_support.h"

namespace {

using namespace ringway;
using namespace ringway::door;
using fuzz::require;

bool same(const Result<ProxyHeader>& one, const Result<ProxyHeader>& other) {
  if (one.error() != other.error()) return false;
  return !one || (one->bytes == other->bytes && one->source == other->source);
}

void check_round_trip(const ProxyAddress& source) {
  Bytes out(kProxyV1BytesMax);
  out.resize(write_proxy_v1(source, source, out));
  const Result<ProxyHeader> first = read_proxy_header(out);
  require(first.ok() && first->bytes == out.size() && first->source == source);
  out.assign(kProxyV2WrittenBytesMax, 0);
  out.resize(write_proxy_v2(source, source, out));
  const Result<ProxyHeader> second = read_proxy_header(out);
  require(second.ok() && second->bytes == out.size() && second->source == source);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const ByteView stream(data, size);
  const Result<ProxyHeader> whole = read_proxy_header(stream);
  if (whole.error() == Error::kTruncated) require(size < kProxyHeaderBytesMax);
  bool decided = false;
  for (size_t count = 0; count <= size && !decided; ++count) {
    const Bytes start(data, data + count);
    const Result<ProxyHeader> part = read_proxy_header(start);
    if (part.error() == Error::kTruncated) continue;
    decided = true;
    require(same(part, whole));
  }
  require(decided == (whole.error() != Error::kTruncated));
  if (!whole) return 0;
  require(whole->bytes <= size);
  check_round_trip(whole->source);
  return 0;
}
