// client/load_shared: what the threads of a load run share: the phase, the keys, the progress.
//
// The coordinator writes phase and times, the workers the rest. Everything is atomic or locked;
// nothing here is touched per message but one relaxed counter.
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/histogram.h"
#include "client/load_options.h"
#include "client/session.h"
#include "net/address.h"

namespace ringway::client {

enum class LoadPhase : uint8_t { kSetup, kRun, kStop };

// The auth keys of a run, one per slot. The connection whose number is the slot's makes the key,
// the others that share it wait for it.
class KeyBoard {
 public:
  enum class State : uint8_t { kAwaited, kMade, kFailed };

  explicit KeyBoard(size_t slots) : slots_(slots) {}
  void put(size_t slot, const SessionKey& key);
  void fail(size_t slot);
  [[nodiscard]] State state(size_t slot) const;
  // Only for a slot whose key was made.
  [[nodiscard]] SessionKey get(size_t slot) const;
  [[nodiscard]] size_t size() const noexcept { return slots_.size(); }

 private:
  struct Slot {
    State state = State::kAwaited;
    std::optional<SessionKey> key;
  };
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
};

// What one worker measured; merged at the end.
struct LoadStats {
  Histogram latency;   // of what completed within the measured time
  Histogram exchange;  // key exchanges of the set-up (or all, in that mode)
  uint64_t sent = 0;   // within the measured time
  uint64_t completed = 0;
  std::map<std::string, uint64_t> errors;  // whole run, by kind

  void merge(const LoadStats& other);
};

struct LoadShared {
  LoadShared(const LoadOptions& run_options, const net::SocketAddress& run_target, size_t slots)
      : options(run_options), target(run_target), keys(slots) {}

  const LoadOptions& options;
  const net::SocketAddress target;
  KeyBoard keys;
  std::atomic<LoadPhase> phase{LoadPhase::kSetup};
  std::atomic<int64_t> setup_deadline_ns{0};
  std::atomic<int64_t> run_begin_ns{0};
  std::atomic<int64_t> measure_begin_ns{INT64_MAX};
  std::atomic<int64_t> measure_end_ns{INT64_MAX};
  // Progress.
  std::atomic<uint32_t> connected{0};
  std::atomic<uint32_t> ready{0};
  std::atomic<uint32_t> failed{0};
  std::atomic<uint64_t> keys_made{0};
  std::atomic<uint64_t> completed{0};
};

}  // namespace ringway::client
