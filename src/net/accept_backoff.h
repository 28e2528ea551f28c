// net/accept_backoff: when to accept again after an accept that failed.
//
// Most errors are of the one connection that was about to be accepted, and the next accept may
// succeed at once. The others are a lack of descriptors or memory: asking again at once would only
// spin, so there is a pause, kAcceptBackoffMinNs at first and doubling up to kAcceptBackoffMaxNs,
// until an accept succeeds. Plain data of whoever accepts from one socket.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>

#include "base/counters.h"
#include "base/limits.h"

namespace ringway::net {

class AcceptBackoff {
 public:
  void succeeded() noexcept { pause_ns_ = 0; }
  // Counts the error. Returns how long to pause; 0: not at all.
  [[nodiscard]] int64_t failed(int error, CounterBlock& counters) noexcept {
    counters.add(Counter::kAcceptErrors);
    if (is_transient(error)) return 0;
    counters.add(Counter::kAcceptBackoffs);
    pause_ns_ = std::clamp(pause_ns_ * 2, kAcceptBackoffMinNs, kAcceptBackoffMaxNs);
    return pause_ns_;
  }

 private:
  // Of one connection or of nobody's. The network's errors reach accept(2) on Linux too.
  [[nodiscard]] static bool is_transient(int error) noexcept {
    switch (error) {
      case EAGAIN:
      case EINTR:
      case ECANCELED:
      case ECONNABORTED:
      case EPROTO:
      case ENETDOWN:
      case ENETUNREACH:
      case EHOSTDOWN:
      case EHOSTUNREACH:
      case ENOPROTOOPT:
      case ENONET:
      case EOPNOTSUPP:
        return true;
      default:
        return false;
    }
  }

  int64_t pause_ns_ = 0;  // the last one, 0 after a success
};

}  // namespace ringway::net
