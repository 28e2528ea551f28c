#include "base/assert.h"

#include <cstdio>
#include <cstdlib>

namespace ringway {

void assert_failed(const char* condition, const char* file, int line) noexcept {
  std::fprintf(stderr, "ringway: assertion failed: %s (%s:%d)\n", condition, file, line);
  std::fflush(stderr);
  std::abort();
}

}  // namespace ringway
