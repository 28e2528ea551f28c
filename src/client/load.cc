#include "client/load.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <thread>
#include <vector>

#include "client/load_coordinator.h"
#include "client/load_keys.h"
#include "client/load_worker.h"
#include "client/stream_socket.h"

namespace ringway::client {
namespace {

// A thread above this share of the time has no more to give.
constexpr double kBusyLimit = 0.9;
constexpr double kWaitLimit = 0.1;

// The workers and their threads; joins them in any case.
class Crew {
 public:
  explicit Crew(LoadShared& shared) : shared_(shared) {
    const LoadOptions& options = shared.options;
    const auto share = [&options](uint32_t of, unsigned i) {
      return of / options.threads + (i < of % options.threads ? 1 : 0);
    };
    uint32_t first = 0;
    for (unsigned i = 0; i < options.threads; ++i) {
      const uint32_t count = share(options.connections, i);
      workers_.push_back(std::make_unique<LoadWorker>(shared, i, first, count,
                                                      share(options.busy_connections(), i)));
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

// The most frequent error, as the reason of a run that came to nothing.
std::string main_error(const std::map<std::string, uint64_t>& errors) {
  const auto most =
      std::max_element(errors.begin(), errors.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == errors.end() ? std::string("no answer") : most->first;
}

// Takes the keys of an earlier run, as many as there are slots.
std::string take_keys(LoadShared& shared, LoadReport& report) {
  if (shared.options.keys_path.empty()) return {};
  std::string why;
  const auto keys = read_load_keys(shared.options.keys_path, why);
  if (!keys.ok()) return why;
  const size_t count = std::min(keys->size(), shared.keys.size());
  for (size_t slot = 0; slot < count; ++slot) shared.keys.put_stored(slot, (*keys)[slot]);
  report.keys_reused = count;
  return {};
}

std::string leave_keys(const LoadShared& shared, const LoadReport& report) {
  // A smaller run does not throw away what a larger one left.
  if (shared.options.keys_path.empty() || shared.keys_made.load() == 0) return {};
  auto keys = shared.keys.made();
  std::string why;
  const auto known = read_load_keys(shared.options.keys_path, why);
  if (known.ok() && known->size() > report.keys_reused) {
    keys.insert(keys.end(), known->begin() + static_cast<ptrdiff_t>(report.keys_reused),
                known->end());
  }
  return write_load_keys(shared.options.keys_path, keys);
}

std::string failure_of(const LoadOptions& options, const LoadReport& report, bool could_begin) {
  if (!could_begin) {
    return report.interrupted ? "interrupted before anything was measured"
                              : fmt::format("no connection to {} became ready: {}", options.address,
                                            main_error(report.errors));
  }
  if (options.find_rate && !report.interrupted && !report.result.missed.empty()) {
    return fmt::format("no rate kept the promise: {}", report.result.missed);
  }
  if (report.result.completed == 0) {
    return report.interrupted ? "interrupted before anything was measured"
                              : fmt::format("nothing succeeded: {}", main_error(report.errors));
  }
  if (report.verdict && report.verdict->lost > 0) {
    return fmt::format("{} acknowledged messages were lost", report.verdict->lost);
  }
  if (report.verdict && !report.verdict->good()) {
    return "what arrived at the shard could not be verified, or is not what was sent";
  }
  return {};
}

}  // namespace

double LoadResult::per_second() const noexcept {
  return seconds > 0 ? static_cast<double>(completed) / seconds : 0;
}

std::string LoadResult::own_limit() const {
  if (thread_busy >= kBusyLimit) {
    return fmt::format(
        "ringway-load itself was the limit: its busiest thread worked {:.0f}% of "
        "the time; give it more threads or processes",
        100 * thread_busy);
  }
  if (thread_wait >= kWaitLimit && thread_busy + thread_wait >= kBusyLimit) {
    return fmt::format(
        "ringway-load may have been the limit: a thread of it waited for a core "
        "{:.0f}% of the time; give it cores of its own",
        100 * thread_wait);
  }
  return {};
}

LoadReport run_load(const LoadOptions& options, const std::atomic<bool>& stop,
                    const std::function<void(const LoadProgress&)>& on_progress) {
  LoadReport report;
  const auto target = resolve(options.address, report.failure);
  if (!target.ok()) return report;
  LoadShared shared(options, *target, options.keys == 0 ? options.connections : options.keys);
  report.failure = take_keys(shared, report);
  if (!report.failure.empty()) return report;
  Crew crew(shared);
  report.failure = crew.start();
  if (!report.failure.empty()) return report;

  LoadCoordinator coordinator(shared, stop, on_progress);
  const bool could_begin = coordinator.set_up(report);
  std::string keys_failure;
  if (could_begin) {
    keys_failure = leave_keys(shared, report);
    if (coordinator.wait_for_start(report)) {
      coordinator.run(report);
      coordinator.verify(report);
    }
  }
  crew.stop();
  coordinator.finish(report);
  if (report.failure.empty()) report.failure = crew.first_error();
  if (report.failure.empty()) report.failure = failure_of(options, report, could_begin);
  if (report.failure.empty()) report.failure = std::move(keys_failure);
  return report;
}

}  // namespace ringway::client
