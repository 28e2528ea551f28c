#include "shard/faults.h"

#include <fmt/format.h>
#include <grpc/support/time.h>
#include <grpcpp/alarm.h>

#include <charconv>

namespace ringway::shard {
namespace {

constexpr int64_t kDelayMaxMs = 600'000;

bool parse_number(std::string_view text, int64_t max, int64_t& number) {
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  return failure == std::errc() && end == text.data() + text.size() && number >= 0 && number <= max;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

// Owns itself until it has run.
struct Later {
  grpc::Alarm alarm;
  std::function<void()> next;
};

}  // namespace

std::string parse_fault(std::string_view text, Faults& faults) {
  std::string_view value = text;
  if (text == "query-unavailable") {
    faults.query_unavailable = true;
  } else if (text == "data-unavailable") {
    faults.data_unavailable = true;
  } else if (text == "never-ack") {
    faults.never_ack = true;
  } else if (text == "set-auth-key=false") {
    faults.refuse_set_auth_key = INT64_MAX;
  } else if (take_prefix(value, "set-auth-key=")) {
    if (!parse_number(value, INT64_MAX, faults.refuse_set_auth_key)) {
      return "set-auth-key takes 'false' or a count";
    }
  } else if (take_prefix(value, "delay-ms=")) {
    if (!parse_number(value, kDelayMaxMs, faults.delay_ms)) {
      return fmt::format("delay-ms takes 0 to {}", kDelayMaxMs);
    }
  } else {
    return fmt::format(
        "unknown fault '{}'; known: set-auth-key=false|N, query-unavailable, data-unavailable, "
        "never-ack, delay-ms=N",
        text);
  }
  return "";
}

void run_after_ms(int64_t delay_ms, std::function<void()> next) {
  if (delay_ms <= 0) {
    next();
    return;
  }
  auto* later = new Later{{}, std::move(next)};
  const gpr_timespec deadline =
      gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(delay_ms, GPR_TIMESPAN));
  later->alarm.Set(deadline, [later](bool) {
    later->next();
    delete later;
  });
}

}  // namespace ringway::shard
