// base/result: errors as values.
//
// Result<T> carries either a value or an Error. It never allocates and never throws; every function
// that can fail on input from outside returns one. Error names what was wrong, not what to do about
// it: the caller decides (close, answer -404, count), so that equal faults are handled alike.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "base/assert.h"

namespace ringway {

enum class Error : uint8_t {
  kNone = 0,
  // Bytes.
  kTruncated,  // fewer bytes than the layout needs
  kMalformed,  // a value that the layout forbids
  kTooLarge,   // above a named limit
  kTrailing,   // bytes after the end of an object that allows none
  // Transports.
  kBadTransport,  // the first bytes fit no transport that is switched on
  kBadLength,     // zero, unaligned or overlong frame length
  kBadChecksum,   // CRC-32 of a full-transport frame
  kBadSequence,   // sequence number of a full-transport frame
  // Messages.
  kUnknownKey,  // no such auth_key_id
  kBadMsgKey,   // msg_key does not match the plaintext
  kBadPadding,  // message_data_length and padding do not fit the plaintext
  // Key exchange.
  kBadNonce,
  kBadFingerprint,
  kBadRsa,
  kBadInnerData,
  kBadDh,
  kBadState,    // a step out of order, or a different request in a used state
  kNotAllowed,  // a constructor or feature that is not accepted here
  // Resources.
  kFull,  // a bounded queue or table has no room
  kNotFound,
  kTimeout,
  kUnavailable,
  kInvalidArgument,
  kIo,
};

// A short lower-case phrase for logs and counters, such as "bad msg_key".
[[nodiscard]] std::string_view to_string(Error error) noexcept;

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  Result(Error error) : error_(error) { RW_ASSERT(error != Error::kNone); }  // NOLINT

  [[nodiscard]] bool ok() const noexcept { return error_ == Error::kNone; }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] Error error() const noexcept { return error_; }

  // The value; the caller has checked ok().
  [[nodiscard]] T& operator*() & {
    RW_ASSERT(ok());
    return *value_;
  }
  [[nodiscard]] const T& operator*() const& {
    RW_ASSERT(ok());
    return *value_;
  }
  [[nodiscard]] T&& operator*() && {
    RW_ASSERT(ok());
    return std::move(*value_);
  }
  [[nodiscard]] T* operator->() {
    RW_ASSERT(ok());
    return &*value_;
  }
  [[nodiscard]] const T* operator->() const {
    RW_ASSERT(ok());
    return &*value_;
  }

 private:
  std::optional<T> value_;
  Error error_ = Error::kNone;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(error) { RW_ASSERT(error != Error::kNone); }  // NOLINT

  [[nodiscard]] bool ok() const noexcept { return error_ == Error::kNone; }
  explicit operator bool() const noexcept { return ok(); }
  [[nodiscard]] Error error() const noexcept { return error_; }

 private:
  Error error_ = Error::kNone;
};

}  // namespace ringway

// Returns the error of `expression` from the enclosing function, or goes on.
#define RW_TRY(expression)                                        \
  do {                                                            \
    if (auto rw_try_result = (expression); !rw_try_result.ok()) { \
      return rw_try_result.error();                               \
    }                                                             \
  } while (false)

#define RW_CONCAT_INNER(a, b) a##b
#define RW_CONCAT(a, b) RW_CONCAT_INNER(a, b)

// Declares `target` from the value of `expression`, or returns its error.
#define RW_TRY_ASSIGN(target, expression)                                              \
  auto RW_CONCAT(rw_try_, __LINE__) = (expression);                                    \
  if (!RW_CONCAT(rw_try_, __LINE__).ok()) return RW_CONCAT(rw_try_, __LINE__).error(); \
  target = *std::move(RW_CONCAT(rw_try_, __LINE__))
