#include "cluster/wire.h"

#include "cluster/verdict.h"

namespace ringway::cluster {

void Wire::settle(uint32_t entry, int32_t code, std::string_view text, Now now) {
  const Verdict verdict = verdict_of(code, text, link_.window.body_size(entry));
  if (verdict == Verdict::kRetry) {
    link_.health.link_failed(now);
  } else {
    link_.health.served();
  }
  switch (verdict) {
    case Verdict::kServed:
      break;
    case Verdict::kRefused:
    case Verdict::kUnregistered:
      refused(link_.window.auth_key_id(entry), code, text, now);
      break;
    case Verdict::kRedirected:
    case Verdict::kRetry:
    case Verdict::kRetryFew:
      link_.set_aside(entry, code, text);
      return;
  }
  link_.window.release(entry);
}

void Wire::give_up(int32_t code, std::string_view text, Now now) {
  link_.counters.add(Counter::kMessagesLost);
  link_.errors.note(Trouble::kLost, code, text, now);
}

void Wire::refused(int64_t auth_key_id, int32_t code, std::string_view text, Now now) {
  if (verdict_of(code, text) == Verdict::kUnregistered) {
    link_.output.unregistered.push_back(auth_key_id);
    return;
  }
  link_.counters.add(Counter::kMessagesRejected);
  link_.errors.note(Trouble::kRefused, code, text, now);
}

}  // namespace ringway::cluster
