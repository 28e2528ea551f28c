// shard/faults: misbehaviour on demand, for tests of a gateway. All off by default.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

namespace ringway::shard {

struct Faults {
  int64_t refuse_set_auth_key = 0;  // the first so many calls get boolFalse; INT64_MAX = all
  bool query_unavailable = false;   // session_queryAuthKey answers UNAVAILABLE
  bool data_unavailable = false;    // messages are answered UNAVAILABLE and not served
  bool never_ack = false;           // messages are served, but never acknowledged on their wire
  int64_t delay_ms = 0;             // before each call or batch is looked at
};

// Adds one fault, written as `set-auth-key=false|N`, `query-unavailable`, `data-unavailable`,
// `never-ack` or `delay-ms=N`. Returns an empty string, or what is wrong with it.
[[nodiscard]] std::string parse_fault(std::string_view text, Faults& faults);

// Runs `next` after so many milliseconds on one of gRPC's threads; at once and in place for 0.
void run_after_ms(int64_t delay_ms, std::function<void()> next);

}  // namespace ringway::shard
