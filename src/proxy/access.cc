#include "proxy/access.h"

#include <algorithm>

namespace ringway::proxy {
namespace {

bool any_matches(const std::vector<std::string>& globs, std::string_view text) noexcept {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& glob) { return glob_matches(glob, text); });
}

}  // namespace

bool is_dangerous(std::string_view method) noexcept {
  return std::find(kDangerousMethods.begin(), kDangerousMethods.end(), method) !=
         kDangerousMethods.end();
}

bool glob_matches(std::string_view glob, std::string_view text) noexcept {
  size_t at = 0;
  size_t in_text = 0;
  size_t star = std::string_view::npos;  // the last one, and how much of the text it stands for
  size_t star_text = 0;
  while (in_text < text.size()) {
    if (at < glob.size() && glob[at] == '*') {
      star = at++;
      star_text = in_text;
    } else if (at < glob.size() && glob[at] == text[in_text]) {
      ++at;
      ++in_text;
    } else if (star != std::string_view::npos) {
      at = star + 1;
      in_text = ++star_text;
    } else {
      return false;
    }
  }
  while (at < glob.size() && glob[at] == '*') ++at;
  return at == glob.size();
}

bool Access::allows_method(std::string_view method) const noexcept {
  if (any_matches(deny, method)) return false;
  if (is_dangerous(method)) return std::find(allow.begin(), allow.end(), method) != allow.end();
  return allow.empty() || any_matches(allow, method);
}

bool Access::allows_session(std::string_view session) const noexcept {
  return sessions.empty() || std::find(sessions.begin(), sessions.end(), session) != sessions.end();
}

}  // namespace ringway::proxy
