#include "client/account/api_errors.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace ringway::client {
namespace {

struct WaitForm {
  std::string_view prefix;
  bool for_peer;
};
constexpr std::array<WaitForm, 5> kWaits = {{
    {"FLOOD_WAIT_", false},
    {"FLOOD_PREMIUM_WAIT_", false},
    {"SLOWMODE_WAIT_", true},
    {"TAKEOUT_INIT_DELAY_", false},
    {"2FA_CONFIRM_WAIT_", false},
}};
constexpr std::array<std::string_view, 3> kHomes = {"PHONE_MIGRATE_", "NETWORK_MIGRATE_",
                                                    "USER_MIGRATE_"};
constexpr std::array<std::string_view, 6> kEnds = {"AUTH_KEY_UNREGISTERED", "AUTH_KEY_INVALID",
                                                   "SESSION_REVOKED",       "SESSION_EXPIRED",
                                                   "USER_DEACTIVATED_BAN",  "USER_DEACTIVATED"};
constexpr std::string_view kMigrate = "_MIGRATE_";

// The whole of `text`, and more than nothing.
template <typename T>
std::optional<T> number(std::string_view text) noexcept {
  T value{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

ErrorReading read_redirect(std::string_view text) noexcept {
  ErrorReading reading;
  reading.meaning = ErrorMeaning::kLostRedirect;
  const size_t at = text.rfind(kMigrate);
  if (at == std::string_view::npos) return reading;
  const size_t end = at + kMigrate.size();
  const auto dc = number<int32_t>(text.substr(end));
  // No DC has a number that a transport could not name.
  if (!dc || *dc == 0 || *dc > INT16_MAX) return reading;
  reading.dc = *dc;
  const bool home = std::find(kHomes.begin(), kHomes.end(), text.substr(0, end)) != kHomes.end();
  reading.meaning = home ? ErrorMeaning::kMoveHome : ErrorMeaning::kElsewhere;
  return reading;
}

ErrorReading read_wait(std::string_view text) noexcept {
  for (const WaitForm& form : kWaits) {
    if (!text.starts_with(form.prefix)) continue;
    const auto seconds = number<int32_t>(text.substr(form.prefix.size()));
    if (!seconds) continue;
    ErrorReading reading;
    reading.meaning = ErrorMeaning::kWait;
    reading.wait_seconds = *seconds;
    reading.for_peer = form.for_peer;
    reading.wait_prefix = form.prefix;
    return reading;
  }
  return {};
}

}  // namespace

ErrorReading read_error(int32_t code, std::string_view text) noexcept {
  if (code == 303) return read_redirect(text);
  if (code == 420) return read_wait(text);
  ErrorReading reading;
  if (text == "CONNECTION_NOT_INITED") {
    reading.meaning = ErrorMeaning::kNotInitialized;
  } else if (text == "AUTH_KEY_PERM_EMPTY") {
    reading.meaning = ErrorMeaning::kNotBound;
  } else if (text == "MSG_WAIT_FAILED" || text == "MSG_WAIT_TIMEOUT") {
    reading.meaning = ErrorMeaning::kPredecessorFailed;
  } else if (code == 401 && std::find(kEnds.begin(), kEnds.end(), text) != kEnds.end()) {
    reading.meaning = ErrorMeaning::kSignInEnded;
  } else if (code == 406 && text == "AUTH_KEY_DUPLICATED") {
    reading.meaning = ErrorMeaning::kSignInEnded;
  }
  return reading;
}

}  // namespace ringway::client
