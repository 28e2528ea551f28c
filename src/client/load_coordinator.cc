#include "client/load_coordinator.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>

#include "base/limits.h"
#include "client/load_search.h"

namespace ringway::client {
namespace {

constexpr int64_t kPollNs = 20 * kNsPerMs;
constexpr int64_t kProgressNs = 250 * kNsPerMs;
// Longer than a worker's turn: then all of them have seen the end of the stage.
constexpr int64_t kDrainMinNs = 60 * kNsPerMs;
constexpr int64_t kSettleTimeoutNs = 10 * kNsPerSecond;
constexpr int64_t kVerifyTimeoutNs = 10 * kNsPerSecond;
constexpr double kSearchPrecision = 0.05;
constexpr uint32_t kSearchStepsMax = 20;
// A step may fall this much short of its rate; the last answers come after its end.
constexpr double kRateKept = 0.97;
constexpr int64_t kPointsMax = 200;

int64_t mono_ns() noexcept { return read_clocks().mono_ns; }

int64_t process_cpu_ns() noexcept {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return int64_t{time.tv_sec} * kNsPerSecond + int64_t{time.tv_usec} * 1000;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

double seconds(int64_t ns) noexcept { return static_cast<double>(ns) / 1e9; }

// In an open loop the unfinished ones are among the latencies.
uint64_t answered(const LoadStats& stats) noexcept {
  const uint64_t all = stats.latency.count() + stats.other.count();
  return all - std::min(all, stats.unfinished_recorded);
}

}  // namespace

LoadCoordinator::LoadCoordinator(LoadShared& shared, const std::atomic<bool>& stop,
                                 const std::function<void(const LoadProgress&)>& on_progress)
    : shared_(shared), options_(shared.options), stop_(stop), on_progress_(on_progress) {
  const int64_t run_ns = options_.ramp_ns + options_.warmup_ns + options_.duration_ns;
  point_ns_ = std::max(kProgressNs, run_ns / kPointsMax);
}

bool LoadCoordinator::set_up(LoadReport& report) {
  const int64_t begin_ns = mono_ns();
  const int64_t end_ns = begin_ns + options_.setup_timeout_ns;
  shared_.setup_deadline_ns.store(end_ns, std::memory_order_relaxed);
  while (!stopped() && mono_ns() < end_ns) {
    const uint32_t settled = shared_.ready.load(std::memory_order_relaxed) +
                             shared_.failed.load(std::memory_order_relaxed);
    if (settled >= options_.connections) break;
    show(LoadProgress::Phase::kSetup, begin_ns, 0);
    sleep_ns(kPollNs);
  }
  report.connections_ready = shared_.ready.load(std::memory_order_relaxed);
  report.connections_failed = options_.connections - report.connections_ready;
  report.setup_seconds = seconds(mono_ns() - begin_ns);
  return report.connections_ready > 0 && !stopped();
}

bool LoadCoordinator::wait_for_start(LoadReport& report) {
  if (options_.start_at_seconds == 0) return true;
  const Now now = read_clocks();
  const int64_t left_ns = options_.start_at_seconds * kNsPerSecond - now.unix_ns;
  if (left_ns < 0) {
    report.failure = fmt::format("the connections were ready {:.1f} s after the time to start",
                                 seconds(-left_ns));
    return false;
  }
  wait_until(now.mono_ns + left_ns, LoadProgress::Phase::kWait);
  return !stopped();
}

void LoadCoordinator::run(LoadReport& report) {
  traffic_begin_ns_ = mono_ns();
  collect();
  completed_ = 0;
  point_stats_.reset();
  point_use_ = read_use();
  if (options_.find_rate) {
    run_search(report);
  } else if (!options_.step_rates.empty()) {
    run_steps(report);
  } else {
    report.result = run_stage(options_.rate);
  }
  report.series = std::move(series_);
}

void LoadCoordinator::run_steps(LoadReport& report) {
  for (const double rate : options_.step_rates) {
    ++step_;
    report.steps.push_back(run_stage(rate));
    if (stopped()) break;
  }
  report.result = report.steps.back();
  for (const LoadResult& step : report.steps) {
    if (step.missed.empty()) report.result = step;
  }
}

void LoadCoordinator::run_search(LoadReport& report) {
  RateSearch search(options_.rate, kSearchPrecision, kSearchStepsMax);
  while (const auto rate = search.next()) {
    ++step_;
    report.steps.push_back(run_stage(*rate));
    if (stopped()) break;
    search.note(report.steps.back().missed.empty());
  }
  report.result = report.steps.back();
  for (const LoadResult& step : report.steps) {
    if (step.missed.empty() && step.rate == search.best()) report.result = step;
  }
}

LoadResult LoadCoordinator::run_stage(double rate) {
  LoadResult result;
  result.rate = rate;
  rate_ = rate;
  stage_stats_.reset();
  LoadStage stage;
  stage.rate = rate;
  stage.begin_ns = mono_ns();
  stage.measure_ns = stage.begin_ns + options_.ramp_ns + options_.warmup_ns;
  const int64_t end_ns = stage.measure_ns + options_.duration_ns;
  shared_.begin_stage(stage, end_ns);
  shared_.phase.store(LoadPhase::kRun, std::memory_order_release);

  wait_until(stage.measure_ns, LoadProgress::Phase::kWarmup);
  const Use begin = read_use();
  wait_until(end_ns, LoadProgress::Phase::kMeasure);
  const Use end = read_use();
  const int64_t ended_ns = std::min(mono_ns(), end_ns);
  shared_.stage_end_ns.store(ended_ns, std::memory_order_relaxed);
  drain(ended_ns);
  settle();

  result.seconds = seconds(std::max<int64_t>(ended_ns - stage.measure_ns, 0));
  result.sent = stage_stats_.sent;
  result.completed = stage_stats_.completed;
  result.unfinished = stage_stats_.unfinished;
  result.overdue = stage_stats_.overdue;
  for (const auto& [kind, count] : stage_stats_.errors) result.errors += count;
  result.latency = stage_stats_.latency;
  compare_use(begin, end, result);
  judge(result);
  return result;
}

void LoadCoordinator::drain(int64_t end_ns) {
  const int64_t begin_ns = mono_ns();
  const int64_t last_ns = end_ns + std::max(options_.drain_ns, kDrainMinNs);
  for (int64_t now_ns = begin_ns; now_ns < last_ns; now_ns = mono_ns()) {
    if (now_ns - begin_ns >= kDrainMinNs && shared_.under_way() == 0) return;
    collect();
    show(LoadProgress::Phase::kDrain, begin_ns, last_ns);
    sleep_ns(kPollNs);
  }
}

// Every worker counts what is open, and gives away the last it has.
void LoadCoordinator::settle() {
  shared_.settle_number.store(shared_.stage_number.load(std::memory_order_relaxed),
                              std::memory_order_release);
  const int64_t last_ns = mono_ns() + kSettleTimeoutNs;
  while (shared_.settled.load(std::memory_order_acquire) < options_.threads &&
         mono_ns() < last_ns) {
    sleep_ns(kNsPerMs);
  }
  collect();
  note_point(mono_ns());
}

void LoadCoordinator::verify(LoadReport& report) {
  if (!options_.verify) return;
  shared_.phase.store(LoadPhase::kVerify, std::memory_order_release);
  const int64_t last_ns = mono_ns() + kVerifyTimeoutNs;
  while (shared_.verified.load(std::memory_order_acquire) < options_.threads &&
         mono_ns() < last_ns) {
    sleep_ns(kPollNs);
  }
  report.verdict = LoadVerdict();
}

void LoadCoordinator::finish(LoadReport& report) {
  collect();
  report.interrupted = stopped();
  report.keys_made = shared_.keys_made.load(std::memory_order_relaxed);
  report.exchange = std::move(all_.exchange);
  report.errors = std::move(all_.errors);
  if (report.verdict) report.verdict = all_.verdict;
}

void LoadCoordinator::judge(LoadResult& result) const {
  const int64_t p99_ns = result.latency.percentile(99);
  if (result.unfinished + result.overdue > 0 && result.rate > 0) {
    result.missed = fmt::format("{} messages not answered", result.unfinished + result.overdue);
  } else if (result.rate > 0 && result.per_second() < kRateKept * result.rate &&
             result.rate * result.seconds > 1 / (1 - kRateKept)) {
    result.missed = fmt::format("{:.0f}/s reached", result.per_second());
  } else if (options_.p99_max_ns > 0 && p99_ns > options_.p99_max_ns) {
    result.missed = fmt::format("p99 {:.3f} ms", static_cast<double>(p99_ns) / 1e6);
  } else if (result.errors > 0) {
    result.missed = fmt::format("{} errors", result.errors);
  } else if (result.completed == 0) {
    result.missed = "nothing was answered";
  }
}

// An endpoint that does not answer must not hold up the run again and again.
std::optional<ProcessUse> LoadCoordinator::read_gateway_use() {
  if (options_.gateway_pid != 0) return read_process_use(options_.gateway_pid);
  if (options_.gateway_metrics.address.empty() || mono_ns() < metrics_retry_ns_) return {};
  std::string why;
  auto use = fetch_process_use(options_.gateway_metrics, why);
  if (!use) metrics_retry_ns_ = mono_ns() + kMetricsProbePauseNs;
  return use;
}

LoadCoordinator::Use LoadCoordinator::read_use() {
  Use use;
  use.mono_ns = mono_ns();
  use.own_cpu_ns = process_cpu_ns();
  for (const auto& worker : shared_.workers) {
    use.threads.push_back(read_thread_use(worker->thread.load(std::memory_order_relaxed)));
  }
  use.gateway = read_gateway_use();
  return use;
}

void LoadCoordinator::compare_use(const Use& begin, const Use& end, LoadResult& result) const {
  result.cpu_seconds = seconds(end.own_cpu_ns - begin.own_cpu_ns);
  const auto wall = static_cast<double>(std::max<int64_t>(end.mono_ns - begin.mono_ns, 1));
  for (size_t i = 0; i < end.threads.size(); ++i) {
    const auto busy = static_cast<double>(end.threads[i].cpu_ns - begin.threads[i].cpu_ns) / wall;
    if (busy < result.thread_busy) continue;
    result.thread_busy = busy;
    result.thread_wait =
        static_cast<double>(end.threads[i].wait_ns - begin.threads[i].wait_ns) / wall;
  }
  if (begin.gateway && end.gateway) {
    result.gateway = LoadUse{seconds(end.gateway->cpu_ns - begin.gateway->cpu_ns),
                             begin.gateway->resident_bytes, end.gateway->resident_bytes};
  }
}

void LoadCoordinator::wait_until(int64_t end_ns, LoadProgress::Phase phase) {
  const int64_t begin_ns = mono_ns();
  for (int64_t now_ns = begin_ns; now_ns < end_ns && !stopped(); now_ns = mono_ns()) {
    if (phase != LoadProgress::Phase::kWait && now_ns - point_use_.mono_ns >= point_ns_) {
      collect();
      note_point(now_ns);
    }
    show(phase, begin_ns, end_ns);
    sleep_ns(std::min(kPollNs, end_ns - now_ns));
  }
}

void LoadCoordinator::collect() {
  LoadStats fresh = shared_.collect();
  completed_ += answered(fresh);
  stage_stats_.merge(fresh);
  point_stats_.merge(fresh);
  all_.exchange.merge(fresh.exchange);
  for (const auto& [kind, count] : fresh.errors) all_.errors[kind] += count;
  all_.verdict.merge(fresh.verdict);
}

// Ends one point of the series and begins the next.
void LoadCoordinator::note_point(int64_t now_ns) {
  const Use use = read_use();
  const auto elapsed = static_cast<double>(now_ns - point_use_.mono_ns);
  if (elapsed <= 0) return;
  LoadPoint point;
  point.at_seconds = seconds(now_ns - traffic_begin_ns_);
  point.rate = rate_;
  Histogram latency = point_stats_.latency;
  latency.merge(point_stats_.other);
  point.per_second = static_cast<double>(answered(point_stats_)) * 1e9 / elapsed;
  point.p50_ns = latency.percentile(50);
  point.p99_ns = latency.percentile(99);
  point.p999_ns = latency.percentile(99.9);
  point.max_ns = latency.max();
  point.own_cores = static_cast<double>(use.own_cpu_ns - point_use_.own_cpu_ns) / elapsed;
  if (use.gateway) {
    point.gateway_resident_bytes = use.gateway->resident_bytes;
    if (point_use_.gateway) {
      point.gateway_cores =
          static_cast<double>(use.gateway->cpu_ns - point_use_.gateway->cpu_ns) / elapsed;
    }
  }
  series_.push_back(point);
  point_stats_.reset();
  point_use_ = use;
}

void LoadCoordinator::show(LoadProgress::Phase phase, int64_t begin_ns, int64_t end_ns) {
  const int64_t now_ns = mono_ns();
  if (!on_progress_ || now_ns - shown_ns_ < kProgressNs) return;
  shown_ns_ = now_ns;
  LoadProgress progress;
  progress.phase = phase;
  progress.seconds = seconds(now_ns - begin_ns);
  progress.phase_seconds = end_ns == 0 ? 0 : seconds(end_ns - begin_ns);
  progress.step = step_;
  progress.connections = options_.connections;
  progress.connected = shared_.connected.load(std::memory_order_relaxed);
  progress.ready = shared_.ready.load(std::memory_order_relaxed);
  progress.failed = shared_.failed.load(std::memory_order_relaxed);
  progress.keys_made = shared_.keys_made.load(std::memory_order_relaxed);
  progress.completed = completed_;
  progress.under_way = shared_.under_way();
  if (!series_.empty()) progress.recent = series_.back();
  progress.watches_gateway = options_.watches_gateway();
  if (phase == LoadProgress::Phase::kSetup) collect();
  progress.errors = all_.errors;
  on_progress_(progress);
}

}  // namespace ringway::client
