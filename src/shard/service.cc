#include "shard/service.h"

#include "shard/turn.h"

namespace ringway::shard {

Result<Served> Service::serve(KeyState& key, Session& session, const Arrival& arrival, Now now,
                              Outbox& outbox) const {
  outbox.begin(session, now);
  ByteReader reader(arrival.payload);
  InnerMessage message;
  uint32_t length = 0;
  RW_TRY_ASSIGN(message.msg_id, reader.i64());
  RW_TRY_ASSIGN(message.seq_no, reader.i32());
  RW_TRY_ASSIGN(length, reader.u32());
  if (length < 4 || length % 4 != 0) return Error::kMalformed;
  RW_TRY_ASSIGN(message.body, reader.bytes(length));

  Turn turn(options_, keys_, key, session, now, outbox);
  turn.run(message, arrival);
  outbox.seal(key.salts.current(now.unix_seconds()));
  return Served{message.msg_id, turn.http_wait(), turn.updates_may_wait(),
                turn.take_destroyed_sessions()};
}

int64_t payload_msg_id(ByteView payload) noexcept {
  return payload.size() < 8 ? 0 : load_le<int64_t>(payload.data());
}

}  // namespace ringway::shard
