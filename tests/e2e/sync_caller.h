// API calls one at a time, for tests that have nothing else to do meanwhile.
//
// A call runs the loop until it is answered, so pushes, timers and other callers of the loop have
// their turns too. The thread is the loop's, and may not be inside of a turn.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client/account/calls.h"
#include "client/account/loop.h"
#include "tl/dynamic/layer.h"

namespace ringway::client {

struct Answer {
  CallOutcome outcome;
  // What the method answers, when outcome.end is kResult. Objects borrow their `bytes` from
  // outcome.result, and names from the layer.
  tl::dynamic::Value value;

  [[nodiscard]] bool ok() const noexcept { return outcome.end == CallOutcome::End::kResult; }
  // Null when it failed, or is a vector or a Bool.
  [[nodiscard]] const tl::dynamic::Object* object() const noexcept {
    return ok() ? std::get_if<tl::dynamic::Object>(&value.data) : nullptr;
  }
  // "420 FLOOD_WAIT_3", "no answer in time"; empty when it is ok.
  [[nodiscard]] std::string problem() const;
};

class SyncCaller final : private CallSink {
 public:
  SyncCaller(EventLoop& loop, Calls& calls, std::shared_ptr<const tl::dynamic::Layer> layer)
      : loop_(loop), calls_(calls), layer_(std::move(layer)) {}

  // kUnavailable when the layer has no such method, or a field is missing or of another kind, and
  // when the answer is not what the layer says. `timeout_ns` 0: the account's default.
  Answer call(const tl::dynamic::Object& request, int64_t timeout_ns = 0);
  // The same for TL; the answer is left as it came.
  CallOutcome call_tl(Bytes tl, int64_t timeout_ns = 0);

 private:
  void on_call_done(CallId call, CallOutcome outcome) override;

  EventLoop& loop_;
  Calls& calls_;
  std::shared_ptr<const tl::dynamic::Layer> layer_;
  CallId waiting_ = 0;
  std::optional<CallOutcome> outcome_;
};

}  // namespace ringway::client
