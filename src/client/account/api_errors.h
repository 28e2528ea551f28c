// client/account/api_errors: what an rpc_error asks of a client, read off its code and text.
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ringway::client {

enum class ErrorMeaning : uint8_t {
  kForCaller,          // nothing that is dealt with here
  kMoveHome,           // PHONE_, NETWORK_, USER_MIGRATE_X: DC X is the account's
  kElsewhere,          // FILE_, STATS_ and any other ..._MIGRATE_X: this call is DC X's
  kLostRedirect,       // 303 that names no DC
  kWait,               // FLOOD_WAIT_X and its kin
  kSignInEnded,        // of a user who was signed in
  kNotInitialized,     // CONNECTION_NOT_INITED
  kNotBound,           // AUTH_KEY_PERM_EMPTY
  kPredecessorFailed,  // MSG_WAIT_FAILED, MSG_WAIT_TIMEOUT: of invokeAfterMsg
};

struct ErrorReading {
  ErrorMeaning meaning = ErrorMeaning::kForCaller;
  int32_t dc = 0;                // of the redirects
  int64_t wait_seconds = 0;      // of kWait
  bool for_peer = false;         // of kWait: it is about one peer only (SLOWMODE_WAIT_X)
  std::string_view wait_prefix;  // of kWait: "FLOOD_WAIT_"; a literal
};

[[nodiscard]] ErrorReading read_error(int32_t code, std::string_view text) noexcept;

}  // namespace ringway::client
