// client/load_shared: what the threads of a load run share: the stage, the keys, the measurements.
//
// The coordinator writes the stage, the workers the rest. Everything is atomic or locked; nothing
// here is written per message: a worker measures into a LoadStats of its own and gives it away some
// times a second.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "client/histogram.h"
#include "client/load_options.h"
#include "client/session.h"
#include "net/address.h"

namespace ringway::client {

enum class LoadPhase : uint8_t {
  kSetup,
  kRun,
  kVerify,  // the traffic is over; the shard is asked what arrived
  kStop,
};

// The auth keys of a run, one per slot. The connection whose number is the slot's makes the key,
// the others that share it wait for it.
class KeyBoard {
 public:
  enum class State : uint8_t { kAwaited, kMade, kFailed };

  explicit KeyBoard(size_t slots) : slots_(slots) {}
  void put(size_t slot, const SessionKey& key);
  void fail(size_t slot);
  // The server does not know this key: it is to be made anew. False when the slot has another one
  // by now, or this one was not from a file.
  bool renew(size_t slot, int64_t auth_key_id);
  // A key of an earlier run.
  void put_stored(size_t slot, const SessionKey& key);
  [[nodiscard]] State state(size_t slot) const;
  // Only for a slot whose key was made.
  [[nodiscard]] SessionKey get(size_t slot) const;
  [[nodiscard]] std::vector<SessionKey> made() const;
  [[nodiscard]] size_t size() const noexcept { return slots_.size(); }

 private:
  struct Slot {
    State state = State::kAwaited;
    bool stored = false;
    std::optional<SessionKey> key;
  };
  mutable std::mutex mutex_;
  std::vector<Slot> slots_;
};

// What the shard said about the messages it was sent, against what was sent.
struct LoadVerdict {
  uint64_t sessions = 0;      // compared
  uint64_t sent = 0;          // messages of theirs
  uint64_t acknowledged = 0;  // quick-acked
  uint64_t arrived = 0;
  uint64_t lost = 0;          // acknowledged, and not arrived: at least so many
  uint64_t surplus = 0;       // arrived more often than they were sent
  uint64_t mixed_up = 0;      // sessions with the right number of messages, but not the right ones
  uint64_t out_of_order = 0;  // messages after a later one of their session
  uint64_t unasked = 0;       // sessions whose tally the shard did not tell

  void merge(const LoadVerdict& other) noexcept;
  [[nodiscard]] bool good() const noexcept {
    return lost == 0 && surplus == 0 && mixed_up == 0 && unasked == 0;
  }
};

// What one worker measured since it last gave it away; added up by the coordinator.
struct LoadStats {
  Histogram latency;        // of the measured messages
  Histogram other;          // of all others that were completed
  Histogram exchange;       // key exchanges of the set-up (or all, in that mode)
  uint64_t sent = 0;        // within the measured time
  uint64_t completed = 0;   // within the measured time
  uint64_t unfinished = 0;  // measured messages that were not answered when the stage was settled
  uint64_t overdue = 0;     // that were due in the measured time and not even sent
  uint64_t unfinished_recorded = 0;        // of both, those that are among the latencies
  std::map<std::string, uint64_t> errors;  // by kind
  LoadVerdict verdict;

  void merge(const LoadStats& with);
  void reset();
};

// One measurement: traffic of one pace, of which the part from measure_ns on counts.
struct LoadStage {
  double rate = 0;  // 0: closed loop
  int64_t begin_ns = 0;
  int64_t measure_ns = 0;
};

class LoadShared {
 public:
  // What one worker gives away.
  struct Slot {
    std::mutex mutex;
    LoadStats stats;
    std::atomic<uint64_t> under_way{0};
    std::atomic<pid_t> thread{0};
  };

  LoadShared(const LoadOptions& run_options, const net::SocketAddress& run_target, size_t slots);

  // Begins a stage; its number is the count of stages so far.
  void begin_stage(const LoadStage& stage, int64_t end_ns);
  [[nodiscard]] LoadStage stage() const;
  // Takes what all workers gave away.
  [[nodiscard]] LoadStats collect();
  [[nodiscard]] uint64_t under_way() const noexcept;

  const LoadOptions& options;
  const net::SocketAddress target;
  KeyBoard keys;
  std::vector<std::unique_ptr<Slot>> workers;

  std::atomic<LoadPhase> phase{LoadPhase::kSetup};
  std::atomic<int64_t> setup_begin_ns{0};
  std::atomic<int64_t> setup_deadline_ns{INT64_MAX};
  std::atomic<uint32_t> stage_number{0};
  std::atomic<int64_t> stage_end_ns{0};  // may come earlier than it was said first
  // The stage with this number is over, also its drain: what is open is counted as unfinished.
  std::atomic<uint32_t> settle_number{0};
  std::atomic<uint32_t> settled{0};   // workers that have done so
  std::atomic<uint32_t> verified{0};  // workers that are done with it
  // Progress.
  std::atomic<uint32_t> connected{0};
  std::atomic<uint32_t> ready{0};
  std::atomic<uint32_t> failed{0};
  std::atomic<uint64_t> keys_made{0};

 private:
  mutable std::mutex stage_mutex_;
  LoadStage stage_;
};

}  // namespace ringway::client
