// client/server_clock: what a session knows of its server's clock.
//
// Pure. The offset is the greatest that a message has shown, since messages only ever arrive late.
// While the clock is not known, the first message tells it. It is not known any more after our own
// wall clock was set, or the machine slept: then the next message tells it anew, so that nothing
// can be dropped for ever as too old or too new.
#pragma once

#include <optional>

#include "base/clock.h"
#include "client/session_limits.h"

namespace ringway::client {

class ServerClock {
 public:
  ServerClock(int64_t offset_ns, bool known) noexcept : offset_ns_(offset_ns), known_(known) {}

  [[nodiscard]] int64_t offset_ns() const noexcept { return offset_ns_; }
  [[nodiscard]] bool known() const noexcept { return known_; }
  [[nodiscard]] int64_t unix_ns(Now now) const noexcept { return now.unix_ns + offset_ns_; }

  // To be called with every reading of the clocks; finds steps of the wall clock.
  void tick(Now now) noexcept {
    if (last_) {
      const int64_t step = (now.unix_ns - last_->unix_ns) - (now.mono_ns - last_->mono_ns);
      if (step > kSessionClockStepNs || step < -kSessionClockStepNs) {
        known_ = false;
        // Nobody sleeps backwards: our clock was set, the server's goes on as before.
        if (step < 0) offset_ns_ -= step;
      }
    }
    last_ = now;
  }

  // A message of the server's, of this msg_id, came just now. True when the offset is another one.
  bool hear(int64_t msg_id, Now now) noexcept {
    const int64_t offset_ns = time_of(msg_id) - now.unix_ns;
    if (known_ && offset_ns <= offset_ns_) return false;
    known_ = true;
    const bool changed = offset_ns != offset_ns_;
    offset_ns_ = offset_ns;
    return changed;
  }

  // The server says that our clock is wrong; its message is the right time.
  void set(int64_t msg_id, Now now) noexcept {
    offset_ns_ = time_of(msg_id) - now.unix_ns;
    known_ = true;
  }

  [[nodiscard]] bool is_plausible(int64_t msg_id, Now now) const noexcept {
    if (!known_) return true;
    const int64_t ahead_ns = time_of(msg_id) - unix_ns(now);
    return ahead_ns >= -kSessionPastMaxNs && ahead_ns <= kSessionFutureMaxNs;
  }

 private:
  static int64_t time_of(int64_t msg_id) noexcept { return (msg_id >> 32) * kNsPerSecond; }

  int64_t offset_ns_;
  bool known_;
  std::optional<Now> last_;
};

}  // namespace ringway::client
