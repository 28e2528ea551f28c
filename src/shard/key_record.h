// shard/key_record: the key that a session_setAuthKey asks to store. Pure; any thread.
#pragma once

#include <optional>

#include "session.pb.h"
#include "shard/key_store.h"

namespace ringway::shard {

// Nothing when the request has no key of the right size, or none with an id.
[[nodiscard]] std::optional<KeyRecord> key_record(const session::TL_session_setAuthKey& request,
                                                  int64_t unix_seconds);

}  // namespace ringway::shard
