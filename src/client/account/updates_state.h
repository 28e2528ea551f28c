// client/account/updates_state: how far an account has read its updates; to be stored, so that a
// restart loses none.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "base/result.h"

namespace ringway::client {

struct UpdatesState {
  struct Channel {
    int32_t pts = 0;          // 0: not known
    int64_t access_hash = 0;  // 0: not known
    uint64_t seen = 0;        // greater is later; not stored
  };

  bool known = false;  // the four below come from the server
  int32_t pts = 0;
  int32_t qts = 0;
  int32_t date = 0;
  int32_t seq = 0;
  std::map<int64_t, Channel> channels;  // at most kUpdatesChannelsMax
};

// Lines of text, the first of which names the form:
//     ringway-updates 1
//     state PTS QTS DATE SEQ
//     channel ID PTS ACCESS_HASH
// Of a state that is not known only the first.
[[nodiscard]] std::string to_text(const UpdatesState& state);
// kMalformed, also for another form; kTooLarge above kUpdatesStateBytesMax or kUpdatesChannelsMax.
Result<UpdatesState> read_updates_state(std::string_view text);

}  // namespace ringway::client
