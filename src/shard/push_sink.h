// shard/push_sink: the ways from the shard back to a client.
//
// A session remembers over which wire it last spoke. A batched link takes pushes itself; everything
// else, and a session whose link is gone, is reached through the gateway's own service.
#pragma once

#include <cstdint>
#include <memory>

#include "base/bytes.h"

namespace ringway::shard {

enum class Wire : uint8_t { kUnary, kStream, kBatch };
[[nodiscard]] constexpr const char* to_string(Wire wire) noexcept {
  return wire == Wire::kUnary ? "unary" : wire == Wire::kStream ? "stream" : "batch";
}

// A batched link that pushes can go back on. Any thread may call it.
class PushSink {
 public:
  virtual ~PushSink() = default;
  // Queues a copy of `payload`; false when the link has ended.
  virtual bool push(int64_t auth_key_id, int64_t session_id, ByteView payload) = 0;
};

// A request of HTTP that is held open until its session has something to say. Any thread.
class Poll {
 public:
  virtual ~Poll() = default;
  // There is something now. False: the poll is over.
  virtual bool wake() = 0;
  // Another one takes its place: to be answered with nothing.
  virtual void give_up() = 0;
};

class GatewayPeer;

struct PushRoute {
  std::weak_ptr<PushSink> link;          // set for sessions that came over a batched link
  std::shared_ptr<GatewayPeer> gateway;  // null when the gateway gave no address
  Wire wire = Wire::kUnary;
};

}  // namespace ringway::shard
