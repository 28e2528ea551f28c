#include "shard/session.h"

#include <algorithm>

#include "base/limits.h"

namespace ringway::shard {
namespace {

void drop_oldest(Session& session, size_t count) {
  const auto end = session.unacked.begin() + static_cast<ptrdiff_t>(count);
  for (auto it = session.unacked.begin(); it != end; ++it) session.unacked_bytes -= it->body.size();
  session.unacked.erase(session.unacked.begin(), end);
}

}  // namespace

int64_t next_server_msg_id(Session& session, Now now, bool answer) noexcept {
  const int64_t seconds = now.unix_ns / kNsPerSecond;
  const int64_t fraction = ((now.unix_ns % kNsPerSecond) << 32) / kNsPerSecond;
  int64_t base = ((seconds << 32) | fraction) & ~int64_t{3};
  const int64_t last = session.last_server_msg_id & ~int64_t{3};
  if (base <= last) base = last + 4;
  session.last_server_msg_id = base | (answer ? 1 : 3);
  return session.last_server_msg_id;
}

int32_t next_server_seq_no(Session& session, bool content_related) noexcept {
  const int32_t seq_no = session.server_content_count * 2 + (content_related ? 1 : 0);
  // The number may wrap in a very long session; it must not overflow.
  if (content_related)
    session.server_content_count = (session.server_content_count + 1) & 0x3fff'ffff;
  return seq_no;
}

void keep_unacked(Session& session, UnackedMessage message) {
  if (message.body.size() > kShardUnackedBytesMax) return;
  session.unacked_bytes += message.body.size();
  session.unacked.push_back(std::move(message));
  if (session.unacked.size() > kShardUnackedMax) drop_oldest(session, kShardUnackedMax / 2);
  while (session.unacked_bytes > kShardUnackedBytesMax) drop_oldest(session, 1);
}

bool drop_unacked(Session& session, int64_t msg_id) {
  const auto found =
      std::find_if(session.unacked.begin(), session.unacked.end(),
                   [msg_id](const UnackedMessage& kept) { return kept.msg_id == msg_id; });
  if (found == session.unacked.end()) return false;
  session.unacked_bytes -= found->body.size();
  session.unacked.erase(found);
  return true;
}

}  // namespace ringway::shard
