// base/assert: checks of our own state, on in every build.
//
// RW_ASSERT guards invariants that only a bug of ours can break. It is never used on bytes that
// came from outside: those yield an Error. A failed assertion prints the condition and the place
// and aborts.
#pragma once

namespace ringway {

[[noreturn]] void assert_failed(const char* condition, const char* file, int line) noexcept;

}  // namespace ringway

#define RW_ASSERT(condition)                                    \
  do {                                                          \
    if (!(condition)) [[unlikely]] {                            \
      ::ringway::assert_failed(#condition, __FILE__, __LINE__); \
    }                                                           \
  } while (false)
