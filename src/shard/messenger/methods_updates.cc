// The state of updates and what a client missed; see methods.h.
#include <algorithm>

#include "base/limits.h"
#include "shard/messenger/methods.h"
#include "shard/messenger/objects.h"

namespace ringway::shard::messenger {

Answer get_state(Call& call) { return state_object(call.user().pts, call.caller.unix_seconds); }

Answer get_difference(Call& call) {
  const int64_t pts = call.request.number("pts");
  const int32_t last_pts = call.user().pts;
  const int64_t date = call.caller.unix_seconds;
  if (pts < 1) return bad_request("PERSISTENT_TIMESTAMP_INVALID");
  if (pts >= last_pts) return Object{"updates.differenceEmpty", {{"date", date}}};
  const auto& messages = call.room.ledger.messages(call.user_id);
  // What the box has forgotten cannot be told any more.
  if (messages.empty() || messages.front().pts > pts + 1) {
    return Object{"updates.differenceTooLong", {{"pts", last_pts}}};
  }
  auto message =
      std::lower_bound(messages.begin(), messages.end(), pts + 1,
                       [](const Message& one, int64_t least) { return one.pts < least; });
  std::vector<const Message*> missed;
  for (; message != messages.end() && missed.size() < kMessengerAnswerMessagesMax; ++message) {
    missed.push_back(&*message);
  }
  const bool all = message == messages.end();
  Object answer{all ? "updates.difference" : "updates.differenceSlice",
                {{"new_messages", message_list(call, missed)}, {"users", users_of(call, missed)}}};
  answer.fields.push_back(
      {all ? "state" : "intermediate_state", state_object(missed.back()->pts, date)});
  return answer;
}

}  // namespace ringway::shard::messenger
