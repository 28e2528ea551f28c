// cluster/verdict: what a shard's answer to a message means. The one table of it.
//
// A shard answers with a gRPC status of its own (unary), with a code in a stream's error, or with a
// refusal on the batched link; the codes are gRPC's 0 to 16 and Teamgram's 401, 500 and 700. The
// same codes end a stream, which says nothing about a single message: see is_objection() there.
// Pure functions; views borrow from the text that is given.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ringway::cluster {

// gRPC's status codes that are told apart elsewhere as well. All others are carried as they are.
inline constexpr int32_t kStatusOk = 0;
inline constexpr int32_t kStatusCancelled = 1;
inline constexpr int32_t kStatusUnknown = 2;  // also stands for an answer of boolFalse
inline constexpr int32_t kStatusDeadlineExceeded = 4;
inline constexpr int32_t kStatusResourceExhausted = 8;
inline constexpr int32_t kStatusUnimplemented = 12;
inline constexpr int32_t kStatusInternal = 13;
inline constexpr int32_t kStatusUnavailable = 14;
// Teamgram's own.
inline constexpr int32_t kStatusKeyUnregistered = 401;
inline constexpr int32_t kStatusBackend = 500;
inline constexpr int32_t kStatusRedirect = 700;

enum class Verdict : uint8_t {
  kServed,
  kRefused,       // final: counted, and the message is over
  kUnregistered,  // final: the key is not known (any more), which its client is told
  kRedirected,    // to be sent once to the node that redirect_target() names
  kRetry,         // to be sent again until it is taken
  kRetryFew,  // to be sent again, at most kSuspectBreaksMax times: it may be the message's fault
};

// What code and text of an answer to a message of `size` bytes mean. A 500 that quotes another
// status means what that one means. A shard whose resources are exhausted has too much to do, or
// takes no message that is so large; 0 where that makes no difference.
[[nodiscard]] Verdict verdict_of(int32_t code, std::string_view text, size_t size = 0) noexcept;

// host:port in the text of a kRedirected; empty when there is none.
[[nodiscard]] std::string_view redirect_target(std::string_view text) noexcept;

// A stream that ended, or a call that failed, with this status objects to a message of `size`
// bytes, again at each attempt perhaps. A shard that goes away, hangs or has too much to do says
// nothing about a message.
[[nodiscard]] bool is_objection(int32_t status, size_t size) noexcept;

}  // namespace ringway::cluster
