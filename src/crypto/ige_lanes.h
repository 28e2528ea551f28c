// crypto/ige_lanes: IGE messages of any length, dealt out to the lanes of a kernel.
//
// IGE is serial inside a message, and an AES round takes several times as long as the processor
// needs to start the next one. So kernels run many messages side by side, one per lane. All lanes
// advance by the shortest message among them; a lane whose message ends takes the next one, and at
// the end the lanes close up and fewer of them run. Keys are expanded a group at a time for the
// same reason. Only for kernels; lives on the stack of one call.
#pragma once

#include <algorithm>
#include <array>
#include <functional>

#include "base/bytes.h"
#include "crypto/aes_ige.h"

namespace ringway::crypto {

inline constexpr size_t kAesRounds = 14;  // of AES-256
inline constexpr size_t kAesRoundKeys = kAesRounds + 1;

// What one lane's round functions read and write. The arrays are by round and then by lane, so that
// a kernel with wide registers loads the same round's keys of neighbouring lanes at once.
template <size_t kLanes>
struct alignas(32) IgeLaneState {
  uint8_t keys[kAesRoundKeys][kLanes][kAesBlockBytes];
  uint8_t previous_cipher[kLanes][kAesBlockBytes];
  uint8_t previous_plain[kLanes][kAesBlockBytes];
  uint8_t* data[kLanes];
};

// `Kernel` has
//   kLanes, kGroup: lanes, and how many keys are expanded side by side (kLanes % kGroup == 0);
//   expand(keys, count, out, stride): round r of keys[i] to out + (r * stride + i) * 16, for at
//     least `count` of kGroup keys;
//   width_for(active): how many lanes run() works when `active` of them matter;
//   run(state, width, blocks): `blocks` blocks in each of the first `width` lanes. data is not
//     moved on. Lanes beyond the active ones share their data with lane 0, so they must be
//     stored before it.
template <typename Kernel>
class IgeLanes {
 public:
  // The jobs that one object can take.
  static constexpr size_t kJobsMax = 64;

  explicit IgeLanes(std::span<const IgeJob> jobs) noexcept : jobs_(jobs) { sort_jobs(); }
  IgeLanes(const IgeLanes&) = delete;
  IgeLanes& operator=(const IgeLanes&) = delete;
  ~IgeLanes() {
    // Few lanes are the usual case, and most of the state was never touched then.
    for (auto& round : state_.keys) {
      for (size_t lane = 0; lane < used_; lane += 2) std::memset(round[lane], 0, kPairBytes);
    }
    for (size_t lane = 0; lane < used_; ++lane) {
      std::memset(state_.previous_plain[lane], 0, kAesBlockBytes);
    }
    asm volatile("" : : "r"(&state_) : "memory");  // the stores above are not in vain
    if (ready_used_) cleanse(ready_, sizeof ready_);
  }

  void run() noexcept {
    fill();
    while (active_ != 0) {
      const size_t width = Kernel::width_for(active_);
      for (size_t lane = active_; lane < width; ++lane) state_.data[lane] = state_.data[0];
      const size_t blocks = *std::min_element(left_.begin(), left_.begin() + active_);
      Kernel::run(state_, width, blocks);
      advance(blocks);
    }
  }

 private:
  static constexpr size_t kLanes = Kernel::kLanes;
  static constexpr size_t kGroup = Kernel::kGroup;
  static constexpr size_t kPairBytes = 2 * kAesBlockBytes;
  static_assert(kLanes % kGroup == 0 && kGroup % 2 == 0);
  using Keys = std::array<const uint8_t*, kGroup>;

  // The longest first, when there are more than fit side by side: a long one that comes last would
  // run alone. Messages without any blocks are left out.
  void sort_jobs() noexcept {
    bool sorted = true;
    for (size_t i = 0; i < jobs_.size(); ++i) {
      const size_t blocks = jobs_[i].data.size() / kAesBlockBytes;
      if (blocks == 0) continue;
      order_[count_] = blocks * kJobsMax + i;
      sorted = sorted && (count_ == 0 || blocks <= order_[count_ - 1] / kJobsMax);
      ++count_;
    }
    if (count_ > kLanes && !sorted) {
      std::sort(order_.begin(), order_.begin() + count_, std::greater<>());
    }
  }

  const IgeJob* take() noexcept {
    return next_ == count_ ? nullptr : &jobs_[order_[next_++] % kJobsMax];
  }

  void begin(size_t lane, const IgeJob& job) noexcept {
    std::memcpy(state_.previous_cipher[lane], job.key_iv->iv.data(), kAesBlockBytes);
    std::memcpy(state_.previous_plain[lane], job.key_iv->iv.data() + kAesBlockBytes,
                kAesBlockBytes);
    state_.data[lane] = job.data.data();
    left_[lane] = job.data.size() / kAesBlockBytes;
  }

  // The first jobs, straight into the lanes.
  void fill() noexcept {
    for (size_t first = 0; first < kLanes; first += kGroup) {
      Keys keys;
      size_t count = 0;
      for (; count < kGroup; ++count) {
        const IgeJob* job = take();
        if (job == nullptr) break;
        begin(first + count, *job);
        keys[count] = job->key_iv->key.data();
      }
      if (count == 0) return;
      std::fill(keys.begin() + count, keys.end(), keys[0]);
      Kernel::expand(keys.data(), count, state_.keys[0][first], kLanes);
      active_ = first + count;
      used_ = first + kGroup;
      if (count != kGroup) return;
    }
  }

  // Expands the keys of the next jobs, so that lanes that end one by one need not wait for one key
  // each.
  bool prepare() noexcept {
    Keys keys;
    ready_count_ = 0;
    ready_next_ = 0;
    for (; ready_count_ < kGroup; ++ready_count_) {
      const IgeJob* job = take();
      if (job == nullptr) break;
      ready_jobs_[ready_count_] = job;
      keys[ready_count_] = job->key_iv->key.data();
    }
    if (ready_count_ == 0) return false;
    std::fill(keys.begin() + ready_count_, keys.end(), keys[0]);
    Kernel::expand(keys.data(), ready_count_, ready_[0][0], kGroup);
    ready_used_ = true;
    return true;
  }

  bool refill(size_t lane) noexcept {
    if (ready_next_ == ready_count_ && !prepare()) return false;
    for (size_t round = 0; round < kAesRoundKeys; ++round) {
      std::memcpy(state_.keys[round][lane], ready_[round][ready_next_], kAesBlockBytes);
    }
    begin(lane, *ready_jobs_[ready_next_++]);
    return true;
  }

  // Closes the gap at `to` with the last active lane.
  void move_lane(size_t from, size_t to) noexcept {
    if (from == to) return;
    for (auto& round : state_.keys) std::memcpy(round[to], round[from], kAesBlockBytes);
    std::memcpy(state_.previous_cipher[to], state_.previous_cipher[from], kAesBlockBytes);
    std::memcpy(state_.previous_plain[to], state_.previous_plain[from], kAesBlockBytes);
    state_.data[to] = state_.data[from];
    left_[to] = left_[from];
  }

  void advance(size_t blocks) noexcept {
    for (size_t lane = 0; lane < active_; ++lane) {
      state_.data[lane] += blocks * kAesBlockBytes;
      left_[lane] -= blocks;
    }
    // From the last lane down, so that what closes a gap has been looked at.
    for (size_t lane = active_; lane-- > 0;) {
      if (left_[lane] != 0 || refill(lane)) continue;
      move_lane(--active_, lane);
    }
  }

  const std::span<const IgeJob> jobs_;
  std::array<uint64_t, kJobsMax> order_;  // blocks and index of each job
  size_t count_ = 0;                      // of order_
  size_t next_ = 0;
  size_t active_ = 0;                // lanes [0, active_) hold a message
  size_t used_ = 0;                  // lanes [0, used_) ever held a key
  std::array<size_t, kLanes> left_;  // blocks
  IgeLaneState<kLanes> state_;

  size_t ready_next_ = 0;
  size_t ready_count_ = 0;
  bool ready_used_ = false;
  std::array<const IgeJob*, kGroup> ready_jobs_;
  alignas(32) uint8_t ready_[kAesRoundKeys][kGroup][kAesBlockBytes];
};

// All jobs, however many.
template <typename Kernel>
void run_ige_lanes(std::span<const IgeJob> jobs) noexcept {
  constexpr size_t kJobsMax = IgeLanes<Kernel>::kJobsMax;
  for (size_t at = 0; at < jobs.size(); at += kJobsMax) {
    IgeLanes<Kernel>(jobs.subspan(at, std::min(kJobsMax, jobs.size() - at))).run();
  }
}

}  // namespace ringway::crypto
