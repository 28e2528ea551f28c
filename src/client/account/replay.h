// client/account/replay: what a server said, out of a recording of its bytes.
//
// A recording is a row of records, number 8 | unix nanoseconds 8 | size 4 | bytes, little-endian,
// and the bytes of all of them are one stream of the abridged transport from the server, as
// mtprotod recorded it. Messages of MTProto 1.0 and 2.0 are opened, containers taken apart, gzip
// unpacked. Pure; any thread.
#pragma once

#include <functional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace ringway::client {

struct ReplayCounts {
  uint64_t records = 0;
  uint64_t messages = 0;  // opened, containers' parts counted one by one
  uint64_t foreign = 0;   // of a key exchange, or under another key
};

// Calls `visit` for each object in the recording. kTruncated, kMalformed, kTooLarge, kBadMsgKey
// with the record's place in `problem`; what came before has been visited.
Result<ReplayCounts> replay(ByteView recording, const AuthKeyBytes& key,
                            const std::function<void(int64_t unix_ns, ByteView object)>& visit,
                            std::string& problem);

}  // namespace ringway::client
