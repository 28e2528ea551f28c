#include "client/load.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "client/load_worker.h"
#include "client/stream_socket.h"

namespace ringway::client {
namespace {

constexpr int64_t kPollNs = 20 * kNsPerMs;
constexpr int64_t kProgressNs = 200 * kNsPerMs;

int64_t mono_ns() noexcept { return read_clocks().mono_ns; }

void sleep_ns(int64_t duration_ns) noexcept {
  const timespec pause{duration_ns / kNsPerSecond, duration_ns % kNsPerSecond};
  nanosleep(&pause, nullptr);  // a signal may end it early, which is what it is for
}

int64_t process_cpu_ns() noexcept {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto ns = [](const timeval& time) {
    return int64_t{time.tv_sec} * kNsPerSecond + int64_t{time.tv_usec} * 1000;
  };
  return ns(usage.ru_utime) + ns(usage.ru_stime);
}

// The workers and their threads; joins them in any case.
class Crew {
 public:
  explicit Crew(LoadShared& shared) : shared_(shared) {
    const LoadOptions& options = shared.options;
    uint32_t first = 0;
    for (unsigned i = 0; i < options.threads; ++i) {
      const uint32_t count =
          options.connections / options.threads + (i < options.connections % options.threads);
      workers_.push_back(std::make_unique<LoadWorker>(shared, first, count));
      first += count;
    }
    errors_.resize(workers_.size());
  }
  ~Crew() { stop(); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // An empty string, or why it cannot start.
  std::string start() {
    for (const auto& worker : workers_) {
      if (std::string error = worker->prepare(); !error.empty()) return error;
    }
    for (size_t i = 0; i < workers_.size(); ++i) {
      threads_.emplace_back([this, i] { errors_[i] = workers_[i]->run(); });
    }
    return {};
  }

  void stop() {
    shared_.phase.store(LoadPhase::kStop, std::memory_order_release);
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
  }

  // After stop().
  [[nodiscard]] LoadStats stats() const {
    LoadStats all;
    for (const auto& worker : workers_) all.merge(worker->stats());
    return all;
  }
  [[nodiscard]] std::string first_error() const {
    for (const std::string& error : errors_) {
      if (!error.empty()) return error;
    }
    return {};
  }

 private:
  LoadShared& shared_;
  std::vector<std::unique_ptr<LoadWorker>> workers_;
  std::vector<std::string> errors_;
  std::vector<std::thread> threads_;
};

class Coordinator {
 public:
  Coordinator(LoadShared& shared, const std::atomic<bool>& stop,
              const std::function<void(const LoadProgress&)>& on_progress)
      : shared_(shared), options_(shared.options), stop_(stop), on_progress_(on_progress) {}

  // Until every connection is ready or given up. False when there is nothing to run with.
  bool set_up(LoadReport& report) {
    const int64_t begin_ns = mono_ns();
    const int64_t end_ns = begin_ns + options_.setup_timeout_ns;
    shared_.setup_deadline_ns.store(end_ns, std::memory_order_relaxed);
    while (!stop_.load(std::memory_order_relaxed) && mono_ns() < end_ns) {
      const uint32_t settled = shared_.ready.load(std::memory_order_relaxed) +
                               shared_.failed.load(std::memory_order_relaxed);
      if (settled >= options_.connections) break;
      show(LoadProgress::Phase::kSetup, begin_ns);
      sleep_ns(kPollNs);
    }
    report.connections_ready = shared_.ready.load(std::memory_order_relaxed);
    report.connections_failed = options_.connections - report.connections_ready;
    report.setup_seconds = static_cast<double>(mono_ns() - begin_ns) / 1e9;
    return report.connections_ready > 0 && !stop_.load(std::memory_order_relaxed);
  }

  void run(LoadReport& report) {
    const int64_t begin_ns = mono_ns();
    const int64_t measure_ns = begin_ns + options_.warmup_ns;
    const int64_t end_ns = measure_ns + options_.duration_ns;
    shared_.run_begin_ns.store(begin_ns, std::memory_order_relaxed);
    shared_.measure_begin_ns.store(measure_ns, std::memory_order_relaxed);
    shared_.measure_end_ns.store(end_ns, std::memory_order_relaxed);
    shared_.phase.store(LoadPhase::kRun, std::memory_order_release);

    wait_until(measure_ns, LoadProgress::Phase::kWarmup, begin_ns);
    const int64_t cpu_begin_ns = process_cpu_ns();
    wait_until(end_ns, LoadProgress::Phase::kMeasure, measure_ns);
    cpu_ns_ = process_cpu_ns() - cpu_begin_ns;
    const int64_t ended_ns = std::min(mono_ns(), end_ns);
    shared_.measure_end_ns.store(ended_ns, std::memory_order_relaxed);
    report.measured_seconds =
        static_cast<double>(std::max<int64_t>(ended_ns - measure_ns, 0)) / 1e9;
  }

  [[nodiscard]] int64_t cpu_ns() const noexcept { return cpu_ns_; }

 private:
  void wait_until(int64_t end_ns, LoadProgress::Phase phase, int64_t begin_ns) {
    for (int64_t now_ns = mono_ns(); now_ns < end_ns && !stop_.load(std::memory_order_relaxed);
         now_ns = mono_ns()) {
      show(phase, begin_ns);
      sleep_ns(std::min(kPollNs, end_ns - now_ns));
    }
  }

  void show(LoadProgress::Phase phase, int64_t begin_ns) {
    const int64_t now_ns = mono_ns();
    if (!on_progress_ || now_ns - shown_ns_ < kProgressNs) return;
    LoadProgress progress;
    progress.phase = phase;
    progress.seconds = static_cast<double>(now_ns - begin_ns) / 1e9;
    progress.connections = options_.connections;
    progress.connected = shared_.connected.load(std::memory_order_relaxed);
    progress.ready = shared_.ready.load(std::memory_order_relaxed);
    progress.failed = shared_.failed.load(std::memory_order_relaxed);
    progress.keys_made = shared_.keys_made.load(std::memory_order_relaxed);
    progress.completed = shared_.completed.load(std::memory_order_relaxed);
    if (shown_ns_ != 0) {
      progress.per_second = static_cast<double>(progress.completed - shown_completed_) * 1e9 /
                            static_cast<double>(now_ns - shown_ns_);
    }
    shown_ns_ = now_ns;
    shown_completed_ = progress.completed;
    on_progress_(progress);
  }

  LoadShared& shared_;
  const LoadOptions& options_;
  const std::atomic<bool>& stop_;
  const std::function<void(const LoadProgress&)>& on_progress_;
  int64_t cpu_ns_ = 0;
  int64_t shown_ns_ = 0;
  uint64_t shown_completed_ = 0;
};

// The most frequent error, as the reason of a run that came to nothing.
std::string main_error(const std::map<std::string, uint64_t>& errors) {
  const auto most =
      std::max_element(errors.begin(), errors.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == errors.end() ? std::string("no answer") : most->first;
}

}  // namespace

double LoadReport::per_second() const noexcept {
  return measured_seconds > 0 ? static_cast<double>(completed) / measured_seconds : 0;
}

LoadReport run_load(const LoadOptions& options, const std::atomic<bool>& stop,
                    const std::function<void(const LoadProgress&)>& on_progress) {
  LoadReport report;
  const auto target = resolve(options.address, report.failure);
  if (!target.ok()) return report;
  LoadShared shared(options, *target, options.keys == 0 ? options.connections : options.keys);
  Crew crew(shared);
  report.failure = crew.start();
  if (!report.failure.empty()) return report;

  Coordinator coordinator(shared, stop, on_progress);
  const bool could_begin = coordinator.set_up(report);
  if (could_begin) coordinator.run(report);
  crew.stop();

  LoadStats stats = crew.stats();
  report.interrupted = stop.load(std::memory_order_relaxed);
  report.keys_made = shared.keys_made.load(std::memory_order_relaxed);
  report.sent = stats.sent;
  report.completed = stats.completed;
  report.latency = std::move(stats.latency);
  report.exchange = std::move(stats.exchange);
  report.errors = std::move(stats.errors);
  if (report.completed > 0) {
    report.cpu_ns_per_message =
        static_cast<double>(coordinator.cpu_ns()) / static_cast<double>(report.completed);
  }
  report.failure = crew.first_error();
  if (report.failure.empty() && report.completed == 0) {
    if (report.interrupted) {
      report.failure = "interrupted before anything was measured";
    } else if (!could_begin) {
      report.failure = fmt::format("no connection to {} became ready: {}", options.address,
                                   main_error(report.errors));
    } else {
      report.failure = fmt::format("nothing succeeded: {}", main_error(report.errors));
    }
  }
  return report;
}

}  // namespace ringway::client
