// proxy/tally: what a session of the proxy has done, counted where it happens.
//
// Any thread counts and any thread reads: relaxed atomics, no locks.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::proxy {

using Count = std::atomic<uint64_t>;

inline void count(Count& counter, uint64_t by = 1) noexcept {
  counter.fetch_add(by, std::memory_order_relaxed);
}

inline constexpr size_t kStatusCodes = 17;  // of gRPC

// Ends of calls by status.
struct StatusTally {
  std::array<Count, kStatusCodes> ends{};
};

struct SessionTally {
  explicit SessionTally(size_t methods) : by_method(methods) {}

  std::vector<StatusTally> by_method;  // from the schema's first method on
  Count held;                          // calls that had to wait because the server wanted that
  Count refused_full;
  Count cancelled_waiting;  // before they were sent
  Count expired_waiting;
  Count to_tl_ns;
  Count to_tl_bytes;  // of protobuf
  Count to_proto_ns;
  Count to_proto_bytes;  // of TL
  Count repaired_strings;
  // Gauges, set by the loop's thread.
  Count queued;
  Count queued_bytes;
  Count in_flight_calls;
  Count in_flight_transfers;
  Count clients;
};

// Ends of calls by client. Only names of tokens get here: they are bounded.
class ClientTally {
 public:
  // For good: the result stays where it is.
  StatusTally& of(std::string_view client);
  // `visit(name, StatusTally&)`.
  template <typename Visit>
  void each(Visit visit) const {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, tally] : tallies_) visit(name, *tally);
  }

 private:
  mutable std::mutex mutex_;
  std::map<std::string, std::unique_ptr<StatusTally>, std::less<>> tallies_;
};

}  // namespace ringway::proxy
