// client/account/waits: the waits that a server has asked for, and the calls that sit them out.
//
// Pure. A wait is on a method, or on a method and a peer. While it is open no call that it is about
// reaches the server: a call that can wait is held, another one is refused with the seconds that
// are left. When the time is up one held call goes ahead as a probe; its answer lets the others go,
// kWaitReleasesMax with each answer, or opens the wait anew. At most kOpenWaitsMax waits; what
// finds no room is not remembered.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "client/account/api_errors.h"
#include "client/account/calls.h"

namespace ringway::client {

class Waits {
 public:
  // `hold_max_ns`: the longest wait that a call is held for.
  explicit Waits(int64_t hold_max_ns) : hold_max_ns_(hold_max_ns) {}

  struct Verdict {
    enum class Kind : uint8_t { kGo, kHold, kRefuse };
    Kind kind = Kind::kGo;
    int64_t seconds = 0;  // kRefuse
    std::string text;     // kRefuse: as the server would say it
  };
  // What is about a call, as seen by its server.
  struct Subject {
    CallId call = 0;
    uint32_t method = 0;
    std::string_view peer;  // only looked at when peer_matters(method)
    int64_t deadline_ns = 0;
  };

  [[nodiscard]] bool peer_matters(uint32_t method) const noexcept {
    return peer_methods_.contains(method);
  }
  // Before a call goes out.
  [[nodiscard]] Verdict before(const Subject& subject, int64_t now_ns);
  // The server answered a call with a wait; kHold or kRefuse.
  [[nodiscard]] Verdict asked(const Subject& subject, const ErrorReading& wait, int64_t now_ns);
  // The server answered otherwise; the call was given up.
  void answered(CallId call);
  void gone(CallId call);

  struct Release {
    CallId call = 0;
    Verdict verdict;  // kGo or kRefuse
  };
  // Held calls whose waiting is over.
  [[nodiscard]] std::vector<Release> due(int64_t now_ns);
  // When due() has something, 0 for at once; nothing if never.
  [[nodiscard]] std::optional<int64_t> next_due_ns() const noexcept;
  [[nodiscard]] size_t open() const noexcept { return waits_.size(); }

 private:
  using Key = std::pair<uint32_t, std::string>;
  struct Held {
    CallId call = 0;
    int64_t deadline_ns = 0;
  };
  struct Wait {
    int64_t until_ns = 0;
    std::string_view prefix;
    std::deque<Held> held;
    // Went ahead: the probe, or what its answer and the answers after that let go.
    std::set<CallId> out;
  };

  [[nodiscard]] bool fits(const Wait& wait, int64_t deadline_ns, int64_t now_ns) const noexcept;
  [[nodiscard]] static Verdict refusal(const Wait& wait, int64_t now_ns);
  [[nodiscard]] Wait* find(const Key& key, int64_t now_ns);
  void make_room(int64_t now_ns);
  void erase(std::map<Key, Wait>::iterator wait);

  int64_t hold_max_ns_;
  std::map<Key, Wait> waits_;
  std::multiset<uint32_t> peer_methods_;   // of waits with a peer
  std::unordered_map<CallId, Key> where_;  // held calls and probes
  std::vector<Release> released_;          // for the next due()
};

}  // namespace ringway::client
