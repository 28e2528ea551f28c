// proxy/metrics_page: what the operator sees of the proxy, as Prometheus' text format and as an
// answer about health.
//
// Pure functions of values that are taken while everything goes on. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/account/account.h"
#include "proxy/journal.h"
#include "proxy/tally.h"

namespace ringway::proxy {

using StatusCounts = std::array<uint64_t, kStatusCodes>;

// What the program knows of a session's account.
struct AccountStatus {
  bool ready = false;               // connected and signed in
  std::string reason = "starting";  // why it is not ready
  client::AccountCounts counts;
};

struct SessionStatus {
  std::string name;
  int layer = 0;
  AccountStatus account;
  std::map<std::string, StatusCounts> methods;  // those that were called, by TL name
  uint64_t held = 0;
  uint64_t refused_full = 0;
  uint64_t cancelled_waiting = 0;
  uint64_t expired_waiting = 0;
  uint64_t to_tl_ns = 0;
  uint64_t to_tl_bytes = 0;
  uint64_t to_proto_ns = 0;
  uint64_t to_proto_bytes = 0;
  uint64_t repaired_strings = 0;
  uint64_t queued = 0;
  uint64_t queued_bytes = 0;
  uint64_t in_flight_calls = 0;
  uint64_t in_flight_transfers = 0;
  uint64_t clients = 0;
  Journal::Counts journal;
};

struct ProxyStatus {
  std::vector<SessionStatus> sessions;
  std::map<std::string, StatusCounts> clients;  // by the token's name
  StatusCounts refused{};                       // before it was known what they want
  uint64_t listeners = 0;
  uint64_t listeners_refused_full = 0;
  uint64_t listener_lag_max = 0;  // events
};

[[nodiscard]] StatusCounts counts_of(const StatusTally& tally) noexcept;
[[nodiscard]] std::string metrics_page(const ProxyStatus& status);

struct HealthAnswer {
  bool good = false;
  std::string text;  // a line for each session
};
// Good while every session is connected and signed in.
[[nodiscard]] HealthAnswer health_of(const ProxyStatus& status);

}  // namespace ringway::proxy
