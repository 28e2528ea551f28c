// tls/replay_cache: the hellos of fake TLS that were let in, so that none is let in twice.
//
// One for the whole process, for any thread: hellos of one client may reach several workers. It is
// asked once per authentic hello, in one of kFakeHelloStripes parts with a lock each, held for one
// look-up.
//
// What is certain: a hello that could still pass for new is remembered. When all places are taken
// by such hellos, further ones are refused. Beyond that hellos are remembered for
// kFakeHelloRememberedSeconds while there is room, since who has recorded one can change its time,
// which no digest covers (see tls/fake_hello.h). Memory grows with the hellos, up to about 40 bytes
// for each of kFakeHellosRemembered.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/limits.h"

namespace ringway::tls {

class ReplayCache {
 public:
  enum class Verdict : uint8_t {
    kNew,   // remembered now
    kSeen,  // let in before: refuse it
    kFull,  // no place: refuse it too, and let the operator know
  };

  // Room for `hellos_max` hellos in all parts together, at least one in each.
  explicit ReplayCache(size_t hellos_max = kFakeHellosRemembered);
  ReplayCache(const ReplayCache&) = delete;
  ReplayCache& operator=(const ReplayCache&) = delete;
  ~ReplayCache();

  // `id` is FakeHello::replay_id(); now in seconds of any clock that does not go back by much.
  [[nodiscard]] Verdict insert(std::span<const uint8_t, 16> id, int64_t now_seconds);
  // How many hellos are remembered: for metrics, locks each part in turn.
  [[nodiscard]] size_t size() const;

 private:
  class Stripe;

  // Drawn at random: nobody chooses ids that crowd one part, or one place in it.
  std::array<uint64_t, 2> hash_key_;
  std::unique_ptr<Stripe[]> stripes_;
};

}  // namespace ringway::tls
