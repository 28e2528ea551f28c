// client/account/blocking_calls: calls for a thread that has nothing to do but to wait for them.
//
// Any thread but the loop's own, which must be running; several may use one object.
#pragma once

#include <memory>

#include "client/account/calls.h"
#include "client/account/loop.h"
#include "client/account/sign_in.h"

namespace ringway::client {

class BlockingCalls {
 public:
  // Both must outlive it. `calls` is used on the loop's thread alone.
  BlockingCalls(EventLoop& loop, Calls& calls) : loop_(loop), calls_(calls) {}

  // `timeout_ns` 0: the account's own.
  CallOutcome call(Bytes tl, int64_t timeout_ns = 0);
  // A call and its answer by names. The `bytes` of the answer's objects are not to be used.
  ApiAnswer call(const tl::dynamic::Layer& layer, const tl::dynamic::Object& object,
                 int64_t timeout_ns = 0);

 private:
  EventLoop& loop_;
  Calls& calls_;
};

}  // namespace ringway::client
