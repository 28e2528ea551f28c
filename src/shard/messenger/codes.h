// shard/messenger/codes: sign-in codes that were sent, and how often one may be wrong.
//
// One code per number at a time, for kMessengerCodeLifeSeconds; asking again gives the same one. A
// number whose tries are used up waits until its code has expired. In memory alone: after a restart
// clients ask again. One caller at a time: the messenger's lock guards it.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>

#include "shard/messenger/counts.h"

namespace ringway::shard::messenger {

class Codes {
 public:
  // `fixed`: every code, for tests; empty: five random digits.
  // `counts` outlives it.
  Codes(std::string fixed, Counts& counts) : fixed_(std::move(fixed)), counts_(counts) {}

  struct Sent {
    std::string hash;  // empty: refused, for `wait_seconds`
    std::string code;  // to be shown to the user
    int64_t wait_seconds = 0;
  };
  [[nodiscard]] Sent send(std::string_view phone, int64_t unix_seconds);
  // Sends the code of this hash again; nothing when there is none.
  [[nodiscard]] bool knows(std::string_view phone, std::string_view hash,
                           int64_t unix_seconds) const;

  enum class Verdict : unsigned char { kRight, kWrong, kExpired, kFlood };
  struct Checked {
    Verdict verdict = Verdict::kExpired;
    int64_t wait_seconds = 0;  // of kFlood
  };
  // A right code stays, as proven, until used() or its end.
  [[nodiscard]] Checked check(std::string_view phone, std::string_view hash, std::string_view code,
                              int64_t unix_seconds);
  // Whether this code was right.
  [[nodiscard]] bool proven(std::string_view phone, std::string_view hash,
                            int64_t unix_seconds) const;
  void used(std::string_view phone);

 private:
  struct Entry {
    std::string code;
    std::string hash;
    int64_t expires_at = 0;  // unix seconds
    int sends = 0;
    int wrong = 0;
    bool proven = false;
  };
  [[nodiscard]] const Entry* find(std::string_view phone, std::string_view hash,
                                  int64_t unix_seconds) const;
  void forget_expired(int64_t unix_seconds);

  const std::string fixed_;
  Counts& counts_;
  std::unordered_map<std::string, Entry> entries_;  // by number
};

}  // namespace ringway::shard::messenger
