// What stands in a worker's place around a transport, so that the same tests run over each of them:
// every binary links one make_link_harness().
#pragma once

#include <memory>

#include "base/clock.h"
#include "base/waker.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

class LinkHarness {
 public:
  virtual ~LinkHarness() = default;
  [[nodiscard]] virtual ShardTransport& transport() = 0;
  [[nodiscard]] virtual Waker& waker() = 0;
  // Around poll() and flush() of the dispatcher; never waits.
  virtual void begin_turn(Now now) = 0;
  virtual void finish_turn(Now now) = 0;
  // Until something happens, for 5 ms at most.
  virtual void sleep() = 0;
};

[[nodiscard]] std::unique_ptr<LinkHarness> make_link_harness();

}  // namespace ringway::cluster
