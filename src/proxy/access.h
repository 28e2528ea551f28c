// proxy/access: which methods and sessions a caller may use.
//
// Methods are named as TL names them ("messages.getDialogs") and matched by globs, where `*` stands
// for any characters and everything else for itself. Denied is what a deny glob matches; with allow
// globs, also all that none of them matches. What would end or hand over the sign-in itself
// (kDangerousMethods) has to be allowed by its full name. Immutable once made; any thread.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy {

inline constexpr std::array<std::string_view, 4> kDangerousMethods = {
    "auth.bindTempAuthKey", "auth.logOut", "account.deleteAccount", "auth.resetAuthorizations"};

[[nodiscard]] bool is_dangerous(std::string_view method) noexcept;
// Takes at most the product of both lengths.
[[nodiscard]] bool glob_matches(std::string_view glob, std::string_view text) noexcept;

struct Access {
  std::vector<std::string> allow;     // empty: everything
  std::vector<std::string> deny;      // wins
  std::vector<std::string> sessions;  // by name; empty: all

  [[nodiscard]] bool allows_method(std::string_view method) const noexcept;
  [[nodiscard]] bool allows_session(std::string_view session) const noexcept;
};

}  // namespace ringway::proxy
