#include "cluster/wire.h"

#include "cluster/session_codec.h"

namespace ringway::cluster {

void Wire::settle(uint32_t entry, int32_t code, std::string_view text, Now now) {
  if (code != kStatusOk) refused(link_.window.auth_key_id(entry), code, text, now);
  link_.window.release(entry);
}

// A redirect (status 700, REDIRECT_TO_host:port) belongs here too: the entry would move to that
// node's window instead of being given up. Until windows can move it is an error like others.
void Wire::refused(int64_t auth_key_id, int32_t code, std::string_view text, Now now) {
  if (is_key_unregistered(code, text)) {
    link_.output.unregistered.push_back(auth_key_id);
    return;
  }
  link_.counters.add(Counter::kMessagesRejected);
  link_.errors.note(Trouble::kRefused, code, text, now);
}

}  // namespace ringway::cluster
