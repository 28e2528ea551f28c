#include "cluster/error_log.h"

#include "base/log.h"

namespace ringway::cluster {
namespace {

// A shard's text goes into the log; it is cut, so that a shard cannot fill the disk.
constexpr size_t kTextMax = 200;

std::string_view describe(Trouble trouble) noexcept {
  switch (trouble) {
    case Trouble::kRefused:
      return "a message was refused";
    case Trouble::kBroken:
      return "the link broke";
    case Trouble::kMalformed:
      return "an answer was malformed";
    case Trouble::kKeyQuery:
      return "a key look-up failed";
    case Trouble::kKeyStore:
      return "a key was not stored";
    case Trouble::kLost:
      return "messages were given up";
    case Trouble::kCount:
      break;
  }
  return "trouble";
}

}  // namespace

void ErrorLog::note(Trouble trouble, int32_t code, std::string_view text, Now now) {
  Kind& kind = kinds_[static_cast<size_t>(trouble)];
  if (now.mono_ns < kind.quiet_until_ns) {
    ++kind.suppressed;
    return;
  }
  log_warning("cluster", "shard {}: {}: status {} {} ({} more since the last line)", address_,
              describe(trouble), code, text.substr(0, kTextMax), kind.suppressed);
  kind = {now.mono_ns + kNsPerSecond, 0};
}

}  // namespace ringway::cluster
