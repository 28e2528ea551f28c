#include "crypto/random.h"

#include <openssl/rand.h>

#include <algorithm>

#include "base/assert.h"
#include "base/secret.h"

namespace ringway::crypto {
namespace {

constexpr size_t kDrawBytesMax = 1 << 20;  // OpenSSL counts in int
constexpr size_t kPoolBytes = 4096;

// OpenSSL keeps two generators per thread so that bytes that go out on the wire say nothing about
// the one that makes keys: `draw` is RAND_priv_bytes for keys and RAND_bytes for padding.
void draw_all(ByteSpan out, int (*draw)(unsigned char*, int)) noexcept {
  while (!out.empty()) {
    const size_t count = std::min(out.size(), kDrawBytesMax);
    RW_ASSERT(draw(out.data(), static_cast<int>(count)) == 1);
    out = out.subspan(count);
  }
}

struct PaddingPool {
  Secret<kPoolBytes> bytes;
  size_t used = kPoolBytes;
};

}  // namespace

void random_bytes(ByteSpan out) noexcept { draw_all(out, RAND_priv_bytes); }

void random_padding(ByteSpan out) noexcept {
  thread_local PaddingPool pool;
  while (!out.empty()) {
    if (pool.used == kPoolBytes) {
      draw_all(pool.bytes.span(), RAND_bytes);
      pool.used = 0;
    }
    const size_t count = std::min(out.size(), kPoolBytes - pool.used);
    uint8_t* from = pool.bytes.data() + pool.used;
    std::memcpy(out.data(), from, count);
    cleanse(from, count);
    pool.used += count;
    out = out.subspan(count);
  }
}

uint32_t random_u32() noexcept {
  uint8_t raw[4];
  random_bytes(raw);
  return load_le<uint32_t>(raw);
}

}  // namespace ringway::crypto
