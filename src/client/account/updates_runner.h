// client/account/updates_runner: an updates engine at work: its calls are made, its timers run, and
// its state goes out to be stored. One thread, the loop's.
#pragma once

#include <functional>
#include <unordered_map>

#include "client/account/calls.h"
#include "client/account/loop.h"
#include "client/account/updates.h"

namespace ringway::client {

class UpdatesRunner final : private CallSink {
 public:
  using Store = std::function<void(std::string state)>;

  // All of them must live until stop(). `store` gets the state at most once in `store_period_ns`.
  UpdatesRunner(EventLoop& loop, Calls& calls, UpdatesOptions options, UpdatesState state,
                UpdateSink& sink, Store store, int64_t store_period_ns);
  // Stopped, and the calls that it had are over or forgotten.
  ~UpdatesRunner();
  UpdatesRunner(const UpdatesRunner&) = delete;
  UpdatesRunner& operator=(const UpdatesRunner&) = delete;

  // As UpdatesEngine::on_updates().
  void on_updates(ByteView tl, ByteView call);
  // Also once to begin with, when there is a connection and somebody is signed in.
  void on_gap();
  // Stores the state a last time. Nothing happens any more.
  void stop();
  // No call of it is under way.
  [[nodiscard]] bool is_idle() const noexcept { return under_way_.empty(); }
  [[nodiscard]] const UpdatesCounts& counts() const noexcept { return engine_.counts(); }

 private:
  void on_call_done(CallId call, CallOutcome outcome) override;
  void take(UpdatesOutput output);
  void arm();
  void save();

  EventLoop& loop_;
  Calls& calls_;
  UpdateSink& sink_;
  Store store_;
  int64_t store_period_ns_;
  UpdatesEngine engine_;
  bool known_;                                      // as the engine's state was last
  std::unordered_map<CallId, uint64_t> under_way_;  // our calls -> the engine's
  EventLoop::TimerId timer_ = 0;                    // 0: none
  int64_t timer_ns_ = 0;
  EventLoop::TimerId store_timer_ = 0;
  bool stopped_ = false;
};

}  // namespace ringway::client
