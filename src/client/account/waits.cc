#include "client/account/waits.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/account/limits.h"

namespace ringway::client {

using Verdict = Waits::Verdict;

bool Waits::fits(const Wait& wait, int64_t deadline_ns, int64_t now_ns) const noexcept {
  return wait.until_ns - now_ns <= hold_max_ns_ && wait.until_ns < deadline_ns;
}

Verdict Waits::refusal(const Wait& wait, int64_t now_ns) {
  Verdict verdict;
  verdict.kind = Verdict::Kind::kRefuse;
  verdict.seconds =
      std::max<int64_t>((wait.until_ns - now_ns + kNsPerSecond - 1) / kNsPerSecond, 1);
  verdict.text = fmt::format("{}{}", wait.prefix, verdict.seconds);
  return verdict;
}

// The wait that is open under this key. One whose time is up and that nobody sits out is over.
Waits::Wait* Waits::find(const Key& key, int64_t now_ns) {
  const auto found = waits_.find(key);
  if (found == waits_.end()) return nullptr;
  Wait& wait = found->second;
  if (wait.until_ns <= now_ns && wait.held.empty() && wait.out.empty()) {
    erase(found);
    return nullptr;
  }
  return &wait;
}

Verdict Waits::before(const Subject& subject, int64_t now_ns) {
  if (waits_.empty()) return {};
  Key key{subject.method, {}};
  Wait* wait = find(key, now_ns);
  if (wait == nullptr && peer_matters(subject.method)) {
    key.second = subject.peer;
    wait = find(key, now_ns);
  }
  if (wait == nullptr) return {};
  if (wait->until_ns > now_ns && !fits(*wait, subject.deadline_ns, now_ns)) {
    return refusal(*wait, now_ns);
  }
  wait->held.push_back({subject.call, subject.deadline_ns});
  where_.emplace(subject.call, std::move(key));
  return {.kind = Verdict::Kind::kHold, .seconds = 0, .text = {}};
}

Verdict Waits::asked(const Subject& subject, const ErrorReading& asked, int64_t now_ns) {
  Wait wait;
  // What asks for nothing would come again at once, for ever.
  wait.until_ns = now_ns + std::max<int64_t>(asked.wait_seconds, 1) * kNsPerSecond;
  wait.prefix = asked.wait_prefix;
  gone(subject.call);
  Key key{subject.method, asked.for_peer ? std::string(subject.peer) : std::string()};
  auto found = waits_.find(key);
  if (found == waits_.end()) {
    if (waits_.size() >= kOpenWaitsMax) make_room(now_ns);
    if (waits_.size() >= kOpenWaitsMax) return refusal(wait, now_ns);
    found = waits_.emplace(key, Wait{}).first;
    if (!key.second.empty()) peer_methods_.insert(key.first);
  }
  Wait& open = found->second;
  // Calls that were under way at the same time may each be told; the latest word counts.
  open.until_ns = std::max(open.until_ns, wait.until_ns);
  open.prefix = wait.prefix;
  // Those that are out let nobody go any more.
  for (const CallId out : open.out) where_.erase(out);
  open.out.clear();
  std::deque<Held> staying;
  for (const Held& held : open.held) {
    if (fits(open, held.deadline_ns, now_ns)) {
      staying.push_back(held);
    } else {
      where_.erase(held.call);
      released_.push_back({held.call, refusal(open, now_ns)});
    }
  }
  open.held = std::move(staying);
  if (!fits(open, subject.deadline_ns, now_ns)) return refusal(open, now_ns);
  open.held.push_front({subject.call, subject.deadline_ns});
  where_[subject.call] = std::move(key);
  return {.kind = Verdict::Kind::kHold, .seconds = 0, .text = {}};
}

void Waits::answered(CallId call) {
  if (where_.empty()) return;
  const auto where = where_.find(call);
  if (where == where_.end()) return;
  const auto found = waits_.find(where->second);
  Wait& wait = found->second;
  where_.erase(where);
  if (wait.out.erase(call) == 0) return;
  for (size_t count = 0; count < kWaitReleasesMax && !wait.held.empty(); ++count) {
    const CallId next = wait.held.front().call;
    wait.held.pop_front();
    wait.out.insert(next);  // where_ goes on naming this wait
    released_.push_back({next, {}});
  }
  if (!wait.held.empty()) return;
  for (const CallId out : wait.out) where_.erase(out);
  erase(found);
}

void Waits::gone(CallId call) {
  std::erase_if(released_, [call](const Release& release) { return release.call == call; });
  const auto where = where_.find(call);
  if (where == where_.end()) return;
  Wait& wait = waits_.find(where->second)->second;
  where_.erase(where);
  wait.out.erase(call);
  std::erase_if(wait.held, [call](const Held& held) { return held.call == call; });
}

std::vector<Waits::Release> Waits::due(int64_t now_ns) {
  std::vector<Release> due = std::exchange(released_, {});
  for (auto at = waits_.begin(); at != waits_.end();) {
    Wait& wait = at->second;
    const auto here = at++;
    if (wait.until_ns > now_ns || !wait.out.empty()) continue;
    if (wait.held.empty()) {
      erase(here);
      continue;
    }
    const CallId probe = wait.held.front().call;
    wait.held.pop_front();
    wait.out.insert(probe);
    due.push_back({probe, {}});
  }
  return due;
}

std::optional<int64_t> Waits::next_due_ns() const noexcept {
  if (!released_.empty()) return 0;
  std::optional<int64_t> next;
  for (const auto& [key, wait] : waits_) {
    if (wait.out.empty() && (!next || wait.until_ns < *next)) next = wait.until_ns;
  }
  return next;
}

void Waits::make_room(int64_t now_ns) {
  for (auto at = waits_.begin(); at != waits_.end();) {
    const auto here = at++;
    if (here->second.until_ns <= now_ns && here->second.held.empty() && here->second.out.empty()) {
      erase(here);
    }
  }
}

void Waits::erase(std::map<Key, Wait>::iterator wait) {
  if (!wait->first.second.empty()) {
    peer_methods_.erase(peer_methods_.find(wait->first.first));
  }
  waits_.erase(wait);
}

}  // namespace ringway::client
