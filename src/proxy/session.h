// proxy/session: one signed-in account as the callers' side sees it.
//
// Its contract and tables are immutable and for any thread. What waits and what is in flight
// belongs to the loop's thread, which alone talks to client::Calls.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <map>
#include <memory>
#include <string>

#include "client/account/calls.h"
#include "client/account/loop.h"
#include "proxy/fair_queue.h"
#include "proxy/method_table.h"
#include "proxy/tally.h"
#include "proxy/transcoders.h"
#include "tl/contract.h"
#include "tl/layout.h"

namespace ringway::proxy {

class Journal;

// What the program says of a session. What is pointed to must outlive the server.
struct SessionSetup {
  std::string name;
  int layer = 0;
  std::shared_ptr<const tl::Contract> contract;
  client::Calls* calls = nullptr;
  Journal* journal = nullptr;  // null: no updates
};

// A call that waits for its turn, or for its answer. Loop's thread.
class SessionCall : public FairQueue::Item {
 public:
  virtual void start(client::Calls& calls) = 0;
  // It waited until its deadline.
  virtual void expire() = 0;
  // Its place is given back: the session knows it no longer.
  virtual void settled() = 0;
  [[nodiscard]] virtual int64_t deadline_ns() const noexcept = 0;

 protected:
  ~SessionCall() = default;
};

class Session {
 public:
  Session(SessionSetup setup, client::EventLoop& loop);
  // After close(), when it had calls.
  ~Session() = default;
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  [[nodiscard]] const std::string& name() const noexcept { return setup_.name; }
  [[nodiscard]] int layer() const noexcept { return setup_.layer; }
  [[nodiscard]] const tl::Contract& contract() const noexcept { return *setup_.contract; }
  [[nodiscard]] const tl::Layout& layout() const noexcept { return layout_; }
  [[nodiscard]] const MethodTable& methods() const noexcept { return methods_; }
  [[nodiscard]] Journal* journal() const noexcept { return setup_.journal; }
  [[nodiscard]] Transcoders& transcoders() noexcept { return transcoders_; }
  [[nodiscard]] SessionTally& tally() noexcept { return tally_; }
  [[nodiscard]] const SessionTally& tally() const noexcept { return tally_; }
  [[nodiscard]] client::EventLoop& loop() noexcept { return loop_; }

  // The rest on the loop's thread.
  // False: too much waits already.
  bool enqueue(std::string_view client, FairQueue::Lane lane, SessionCall& call, size_t bytes);
  void withdraw(SessionCall& call);  // one that waits
  // One that was started, which hears settled() now or, when `settles`, once the server is known to
  // be done with it: until then it keeps its place.
  void finished(SessionCall& call, client::CallId id, bool settles);
  void settle(client::CallId id);
  void hold(SessionCall& call, bool held);
  void cancel(client::CallId call) { setup_.calls->cancel(call); }
  // There are no calls any more: leaves nothing on the loop.
  void close();

 private:
  void give_back(SessionCall& call);
  // Starts what may be started once all that this turn brings is there.
  void pump_later();
  void pump();
  void sweep();
  void show();

  const SessionSetup setup_;
  client::EventLoop& loop_;
  const tl::Layout layout_;
  const MethodTable methods_;
  Transcoders transcoders_;
  SessionTally tally_;
  FairQueue queue_;
  bool pump_scheduled_ = false;
  client::EventLoop::TimerId sweep_timer_ = 0;       // 0: none
  std::map<client::CallId, SessionCall*> settling_;  // each has a place, so they are few
};

}  // namespace ringway::proxy
