// base/waker: how another thread tells a worker that its inbox has something.
#pragma once

namespace ringway {

class Waker {
 public:
  virtual ~Waker() = default;
  // Any thread. Never blocks; many wakes before the worker looks count as one.
  virtual void wake() noexcept = 0;
};

}  // namespace ringway
