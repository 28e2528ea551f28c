// crypto/sha_lanes: SHA-256 jobs of any length, dealt out to the lanes of a kernel.
//
// A lane works off one job, a segment at a time: blocks that lie whole in the body are hashed where
// they are, blocks that hold some of the prefix or the padding are put together in the lane. All
// lanes advance by the shortest segment among them; a lane whose job ends takes the next one. Only
// for kernels; lives on the stack of one call and leaves nothing there.
#pragma once

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "crypto/sha.h"

namespace ringway::crypto {

inline constexpr size_t kSha256BlockBytes = 64;
inline constexpr size_t kSha256Words = 8;
inline constexpr std::array<uint32_t, kSha256Words> kSha256Initial = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
alignas(64) inline constexpr std::array<uint32_t, 64> kSha256RoundConstants = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

// One job on its way: what is left of it, cut into segments of whole blocks.
class ShaCursor {
 public:
  // Not defaulted, which would clear the scratch where a cursor is value-initialized.
  ShaCursor() noexcept {}

  void start(const Sha256Job& job) noexcept {
    prefix_ = job.prefix;
    body_ = job.body;
    position_ = 0;
    if (total() <= kWholeBytesMax) {
      position_ = total();
      clear_for_padding(total());
      copy(scratch_, prefix_.data(), prefix_.size());
      copy(scratch_ + prefix_.size(), body_.data(), body_.size());
      pad(total());
    } else {
      padded_ = false;
      next_segment();
    }
  }
  [[nodiscard]] bool done() const noexcept { return blocks_ == 0; }
  [[nodiscard]] size_t blocks() const noexcept { return blocks_; }
  [[nodiscard]] const uint8_t* data() const noexcept { return data_; }
  void advance(size_t blocks) noexcept {
    data_ += blocks * kSha256BlockBytes;
    blocks_ -= blocks;
    if (blocks_ == 0 && !padded_) next_segment();
  }
  void forget() noexcept { cleanse(scratch_, scratch_used_); }

 private:
  // The length stands in the last 8 bytes, behind at least one byte of padding.
  static constexpr size_t kPaddingBytesMin = 9;
  // Up to this size, copying the whole job costs less than working it off in pieces.
  static constexpr size_t kWholeBytesMax = 1280;

  // memcpy with a length that is not known costs more than these few bytes do.
  static void copy(uint8_t* to, const uint8_t* from, size_t size) noexcept {
    for (; size >= 32; size -= 32, to += 32, from += 32) std::memcpy(to, from, 32);
    if ((size & 16) != 0) std::memcpy(to, from, 16), to += 16, from += 16;
    if ((size & 15) == 0) return;
    if ((size & 8) != 0) std::memcpy(to, from, 8), to += 8, from += 8;
    if ((size & 4) != 0) std::memcpy(to, from, 4), to += 4, from += 4;
    for (size &= 3; size != 0; --size) *to++ = *from++;
  }

  // Copies `count` bytes from the position on into the scratch.
  void gather(size_t count) noexcept {
    size_t copied = 0;
    size_t at = position_;
    if (at < prefix_.size()) {
      copied = std::min(prefix_.size() - at, count);
      copy(scratch_, prefix_.data() + at, copied);
      at += copied;
    }
    copy(scratch_ + copied, body_.data() + (at - prefix_.size()), count - copied);
  }

  void next_segment() noexcept {
    const size_t left = total() - position_;
    if (left < kSha256BlockBytes) return pad_from_position();
    if (position_ >= prefix_.size()) {
      data_ = body_.data() + (position_ - prefix_.size());
      blocks_ = left / kSha256BlockBytes;
    } else {
      data_ = scratch_;
      blocks_ = 1;
      scratch_used_ = std::max(scratch_used_, kSha256BlockBytes);
      gather(kSha256BlockBytes);
    }
    position_ += blocks_ * kSha256BlockBytes;
  }

  // The last segment: what is left, and the padding.
  void pad_from_position() noexcept {
    const size_t left = total() - position_;
    clear_for_padding(left);
    if (left != 0) gather(left);
    position_ = total();
    pad(left);
  }

  // All bytes behind the first `count` that can be padding, in whole blocks.
  void clear_for_padding(size_t count) noexcept {
    std::memset(scratch_ + count / kSha256BlockBytes * kSha256BlockBytes, 0, 2 * kSha256BlockBytes);
  }

  // Ends the message with the first `count` bytes of the scratch.
  void pad(size_t count) noexcept {
    scratch_[count] = 0x80;
    blocks_ = (count + kPaddingBytesMin + kSha256BlockBytes - 1) / kSha256BlockBytes;
    const uint64_t bits = __builtin_bswap64(uint64_t{total()} * 8);
    store_le(scratch_ + blocks_ * kSha256BlockBytes - 8, bits);
    scratch_used_ = std::max(scratch_used_, blocks_ * kSha256BlockBytes);
    data_ = scratch_;
    padded_ = true;
  }

  [[nodiscard]] size_t total() const noexcept { return prefix_.size() + body_.size(); }

  ByteView prefix_;
  ByteView body_;
  const uint8_t* data_ = nullptr;
  size_t blocks_ = 0;
  size_t position_ = 0;  // of the first byte that no segment has covered
  bool padded_ = false;
  size_t scratch_used_ = 0;
  alignas(32) uint8_t scratch_[kWholeBytesMax + 2 * kSha256BlockBytes];
};

// `Kernel` has
//   kLanes, and State, the words of all lanes;
//   reset(state, lane): to the initial words;
//   compress(state, data, lanes, blocks): `blocks` blocks at data[lane] for each of `lanes`; what
//     becomes of the other lanes does not matter;
//   digest(state, lane, digest).
template <typename Kernel>
class ShaLanes {
 public:
  explicit ShaLanes(std::span<Sha256Job> jobs) noexcept : jobs_(jobs) {}
  ShaLanes(const ShaLanes&) = delete;
  ShaLanes& operator=(const ShaLanes&) = delete;
  ~ShaLanes() {
    const size_t used = std::min(jobs_.size(), kLanes);
    for (size_t lane = 0; lane < used; ++lane) cursors_[lane].forget();
    cleanse(&state_, sizeof state_);
  }

  void run() noexcept {
    while (active_count_ < kLanes && take(active_count_)) {
      active_[active_count_] = active_count_;
      ++active_count_;
    }
    while (active_count_ != 0) {
      size_t blocks = SIZE_MAX;
      for (const size_t lane : active()) {
        blocks = std::min(blocks, cursors_[lane].blocks());
        data_[lane] = cursors_[lane].data();
      }
      Kernel::compress(state_, data_, active(), blocks);
      advance(blocks);
    }
  }

 private:
  static constexpr size_t kLanes = Kernel::kLanes;

  [[nodiscard]] std::span<const size_t> active() const noexcept {
    return {active_.data(), active_count_};
  }

  bool take(size_t lane) noexcept {
    if (next_ == jobs_.size()) return false;
    taken_[lane] = &jobs_[next_++];
    cursors_[lane].start(*taken_[lane]);
    Kernel::reset(state_, lane);
    return true;
  }

  void advance(size_t blocks) noexcept {
    size_t kept = 0;
    for (const size_t lane : active()) {
      cursors_[lane].advance(blocks);
      if (cursors_[lane].done()) {
        Kernel::digest(state_, lane, taken_[lane]->digest);
        if (!take(lane)) continue;
      }
      active_[kept++] = lane;
    }
    active_count_ = kept;
  }

  const std::span<Sha256Job> jobs_;
  size_t next_ = 0;  // of jobs_
  size_t active_count_ = 0;
  std::array<size_t, kLanes> active_;  // the lanes that have a job
  std::array<Sha256Job*, kLanes> taken_;
  std::array<const uint8_t*, kLanes> data_;
  std::array<ShaCursor, kLanes> cursors_;
  typename Kernel::State state_;
};

}  // namespace ringway::crypto
