// client/load_coordinator: takes a run through its phases, on the caller's thread, while the
// workers load.
//
// It owns no thread. It writes the stage and the phase of LoadShared, collects what the workers
// measured, and reads the clock itself, because waiting is what it is for.
#pragma once

#include <atomic>
#include <functional>
#include <vector>

#include "client/load.h"
#include "client/load_probe.h"
#include "client/load_shared.h"

namespace ringway::client {

class LoadCoordinator {
 public:
  LoadCoordinator(LoadShared& shared, const std::atomic<bool>& stop,
                  const std::function<void(const LoadProgress&)>& on_progress);

  // Until every connection is ready or given up. False when there is nothing to run with.
  bool set_up(LoadReport& report);
  // Until options.start_at_seconds. False when that was missed, or the run was stopped.
  bool wait_for_start(LoadReport& report);
  // All measurements of the run.
  void run(LoadReport& report);
  // Lets the shard tell what arrived.
  void verify(LoadReport& report);
  // After the workers have ended: what they gave away last.
  void finish(LoadReport& report);

 private:
  struct Use {
    int64_t mono_ns = 0;
    int64_t own_cpu_ns = 0;
    std::vector<ThreadUse> threads;
    std::optional<ProcessUse> gateway;
  };

  LoadResult run_stage(double rate);
  void run_steps(LoadReport& report);
  void run_search(LoadReport& report);
  void drain(int64_t end_ns);
  void settle();
  void judge(LoadResult& result) const;
  void compare_use(const Use& begin, const Use& end, LoadResult& result) const;
  [[nodiscard]] Use read_use();
  [[nodiscard]] std::optional<ProcessUse> read_gateway_use();

  void wait_until(int64_t end_ns, LoadProgress::Phase phase);
  void collect();
  void note_point(int64_t now_ns);
  void show(LoadProgress::Phase phase, int64_t begin_ns, int64_t end_ns);
  [[nodiscard]] bool stopped() const noexcept { return stop_.load(std::memory_order_relaxed); }

  LoadShared& shared_;
  const LoadOptions& options_;
  const std::atomic<bool>& stop_;
  const std::function<void(const LoadProgress&)>& on_progress_;

  LoadStats stage_stats_;  // of the stage under way
  LoadStats point_stats_;  // since the last point
  LoadStats all_;          // exchanges, errors and verdict of the whole run
  uint64_t completed_ = 0;
  std::vector<LoadPoint> series_;
  int64_t traffic_begin_ns_ = 0;
  int64_t point_ns_ = 0;  // time of one point
  Use point_use_;
  int64_t metrics_retry_ns_ = 0;  // the gateway's endpoint is not asked before
  uint32_t step_ = 0;
  double rate_ = 0;
  int64_t shown_ns_ = 0;
};

}  // namespace ringway::client
