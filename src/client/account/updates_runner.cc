#include "client/account/updates_runner.h"

#include <utility>

#include "base/assert.h"

namespace ringway::client {

UpdatesRunner::UpdatesRunner(EventLoop& loop, Calls& calls, UpdatesOptions options,
                             UpdatesState state, UpdateSink& sink, Store store,
                             int64_t store_period_ns)
    : loop_(loop),
      calls_(calls),
      sink_(sink),
      store_(std::move(store)),
      store_period_ns_(store_period_ns),
      engine_(std::move(options), std::move(state)),
      known_(engine_.state().known) {}

UpdatesRunner::~UpdatesRunner() { RW_ASSERT(stopped_); }

void UpdatesRunner::stop() {
  save();
  stopped_ = true;
  if (timer_ != 0) loop_.cancel(timer_);
  if (store_timer_ != 0) loop_.cancel(store_timer_);
}

void UpdatesRunner::on_updates(ByteView tl, ByteView call) {
  if (stopped_) return;
  UpdatesOutput output;
  engine_.on_updates(tl, call, loop_.now(), output);
  take(std::move(output));
}

void UpdatesRunner::on_gap() {
  if (stopped_) return;
  UpdatesOutput output;
  engine_.on_gap(loop_.now(), output);
  take(std::move(output));
}

void UpdatesRunner::on_call_done(CallId call, CallOutcome outcome) {
  const auto found = under_way_.find(call);
  if (found == under_way_.end()) return;
  const uint64_t question = found->second;
  under_way_.erase(found);
  if (stopped_) return;
  UpdatesOutput output;
  if (outcome.end == CallOutcome::End::kResult) {
    engine_.on_answer(question, outcome.result, loop_.now(), output);
  } else {
    const bool by_server = outcome.end == CallOutcome::End::kRpcError;
    engine_.on_failure(question, by_server ? outcome.code : 0, outcome.text, loop_.now(), output);
  }
  take(std::move(output));
}

void UpdatesRunner::take(UpdatesOutput output) {
  // Where updates begin is to be stored as well: what comes while we are away comes behind that.
  const bool begun = !std::exchange(known_, engine_.state().known) && known_;
  const bool progress = begun || !output.events.empty();
  for (UpdateEvent& event : output.events) sink_.on_update_event(std::move(event));
  for (UpdatesCall& call : output.calls) {
    under_way_.emplace(calls_.start(std::move(call.tl), {}, *this), call.id);
  }
  if (progress && store_timer_ == 0) {
    store_timer_ = loop_.at(loop_.now().mono_ns + store_period_ns_, [this] {
      store_timer_ = 0;
      save();
    });
  }
  arm();
}

void UpdatesRunner::save() { store_(to_text(engine_.state())); }

void UpdatesRunner::arm() {
  const int64_t deadline_ns = engine_.next_deadline_ns();
  if (timer_ != 0 && deadline_ns == timer_ns_) return;
  if (timer_ != 0) loop_.cancel(std::exchange(timer_, 0));
  if (deadline_ns == INT64_MAX) return;
  timer_ns_ = deadline_ns;
  timer_ = loop_.at(deadline_ns, [this] {
    timer_ = 0;
    UpdatesOutput output;
    engine_.on_time(loop_.now(), output);
    take(std::move(output));
  });
}

}  // namespace ringway::client
