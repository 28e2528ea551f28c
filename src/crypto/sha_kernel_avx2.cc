// SHA-256 with AVX2 for processors without the SHA extensions: eight jobs side by side, one in each
// 32-bit lane. Where only one or two jobs are left, OpenSSL's code for a single hash is faster.

// OpenSSL 3.0 marks the low-level functions as deprecated; see sha.cc.
#define OPENSSL_SUPPRESS_DEPRECATED

#include "crypto/sha_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "crypto/sha_lanes.h"
#include "crypto/simd.h"

#define RW_AVX2 __attribute__((target("avx2")))

namespace ringway::crypto {
namespace {

constexpr size_t kLanesMax = 8;
constexpr size_t kNarrowMax = 2;  // jobs up to which OpenSSL is faster
constexpr size_t kRounds = 64;
constexpr size_t kWindowWords = 16;

// By word and then by lane, so that a register holds one word of all lanes.
struct alignas(32) LaneWords {
  uint32_t words[kSha256Words][kLanesMax];
};

template <int kBits>
RW_AVX2 inline __m256i rotate_right(__m256i x) noexcept {
  return _mm256_or_si256(_mm256_srli_epi32(x, kBits), _mm256_slli_epi32(x, 32 - kBits));
}
RW_AVX2 inline __m256i xor3(__m256i a, __m256i b, __m256i c) noexcept {
  return _mm256_xor_si256(_mm256_xor_si256(a, b), c);
}
RW_AVX2 inline __m256i load_row(const uint32_t* row) noexcept {
  return _mm256_load_si256(reinterpret_cast<const __m256i*>(row));
}

// The next eight message words of each lane, from `data[lane] + at`, turned so that out[i] holds
// word i of all lanes.
RW_AVX2 inline void load_words(const uint8_t* const* data, size_t at, __m256i* out) noexcept {
  const __m256i swap =
      _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203));
  __m256i rows[kLanesMax];
  RW_UNROLL
  for (size_t i = 0; i < kLanesMax; ++i) {
    const auto* from = reinterpret_cast<const __m256i*>(data[i] + at);
    rows[i] = _mm256_shuffle_epi8(_mm256_loadu_si256(from), swap);
  }
  __m256i pairs[kLanesMax];
  RW_UNROLL
  for (size_t i = 0; i < kLanesMax; i += 2) {
    pairs[i] = _mm256_unpacklo_epi32(rows[i], rows[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  RW_UNROLL
  for (size_t i = 0; i < kLanesMax; i += 4) {
    rows[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
    rows[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
    rows[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    rows[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  RW_UNROLL
  for (size_t i = 0; i < 4; ++i) {
    out[i] = _mm256_permute2x128_si256(rows[i], rows[i + 4], 0x20);
    out[i + 4] = _mm256_permute2x128_si256(rows[i], rows[i + 4], 0x31);
  }
}

// w[t] of the schedule, in a window of the last 16.
RW_AVX2 inline __m256i next_word(const __m256i* window, size_t t) noexcept {
  const __m256i two = window[(t + 14) % kWindowWords];
  const __m256i fifteen = window[(t + 1) % kWindowWords];
  const __m256i s1 = xor3(rotate_right<17>(two), rotate_right<19>(two), _mm256_srli_epi32(two, 10));
  const __m256i s0 =
      xor3(rotate_right<7>(fifteen), rotate_right<18>(fifteen), _mm256_srli_epi32(fifteen, 3));
  return _mm256_add_epi32(_mm256_add_epi32(s1, window[(t + 9) % kWindowWords]),
                          _mm256_add_epi32(s0, window[t % kWindowWords]));
}

// One round. Instead of moving the eight words along, the caller's view of them turns: word i of
// FIPS 180-4 (a = 0) is v[(i - t) mod 8].
RW_AVX2 inline void round_of(__m256i* v, size_t t, __m256i keyed_word) noexcept {
  const size_t turn = kSha256Words - t % kSha256Words;
  const __m256i a = v[turn % 8];
  const __m256i b = v[(turn + 1) % 8];
  const __m256i c = v[(turn + 2) % 8];
  const __m256i e = v[(turn + 4) % 8];
  const __m256i f = v[(turn + 5) % 8];
  const __m256i g = v[(turn + 6) % 8];
  __m256i& d = v[(turn + 3) % 8];
  __m256i& h = v[(turn + 7) % 8];
  const __m256i s1 = xor3(rotate_right<6>(e), rotate_right<11>(e), rotate_right<25>(e));
  const __m256i choice = _mm256_xor_si256(g, _mm256_and_si256(e, _mm256_xor_si256(f, g)));
  const __m256i sum =
      _mm256_add_epi32(_mm256_add_epi32(h, keyed_word), _mm256_add_epi32(s1, choice));
  const __m256i s0 = xor3(rotate_right<2>(a), rotate_right<13>(a), rotate_right<22>(a));
  const __m256i majority =
      _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)));
  d = _mm256_add_epi32(d, sum);
  h = _mm256_add_epi32(sum, _mm256_add_epi32(s0, majority));
}

RW_AVX2 void compress_all(LaneWords& state, const uint8_t* const* data, size_t blocks) noexcept {
  for (size_t at = 0; at < blocks * kSha256BlockBytes; at += kSha256BlockBytes) {
    __m256i window[kWindowWords];
    load_words(data, at, window);
    load_words(data, at + kSha256BlockBytes / 2, window + kWindowWords / 2);
    __m256i v[kSha256Words];
    RW_UNROLL
    for (size_t i = 0; i < kSha256Words; ++i) v[i] = load_row(state.words[i]);
    for (size_t first = 0; first < kRounds; first += kWindowWords) {
      RW_UNROLL
      for (size_t i = 0; i < kWindowWords; ++i) {
        if (first != 0) window[i] = next_word(window, i);
        const auto constant = static_cast<int>(kSha256RoundConstants[first + i]);
        round_of(v, i, _mm256_add_epi32(window[i], _mm256_set1_epi32(constant)));
      }
    }
    RW_UNROLL
    for (size_t i = 0; i < kSha256Words; ++i) {
      auto* row = reinterpret_cast<__m256i*>(state.words[i]);
      _mm256_store_si256(row, _mm256_add_epi32(_mm256_load_si256(row), v[i]));
    }
  }
}

void compress_one(LaneWords& state, size_t lane, const uint8_t* data, size_t blocks) noexcept {
  SHA256_CTX context;
  for (size_t i = 0; i < kSha256Words; ++i) context.h[i] = state.words[i][lane];
  for (size_t i = 0; i < blocks; ++i) SHA256_Transform(&context, data + i * kSha256BlockBytes);
  for (size_t i = 0; i < kSha256Words; ++i) state.words[i][lane] = context.h[i];
  cleanse(&context, sizeof context);
}

struct Lanes {
  static constexpr size_t kLanes = kLanesMax;
  using State = LaneWords;

  static void reset(State& state, size_t lane) noexcept {
    for (size_t i = 0; i < kSha256Words; ++i) state.words[i][lane] = kSha256Initial[i];
  }
  static void compress(State& state, const std::array<const uint8_t*, kLanes>& data,
                       std::span<const size_t> lanes, size_t blocks) noexcept {
    if (lanes.size() <= kNarrowMax) {
      for (const size_t lane : lanes) compress_one(state, lane, data[lane], blocks);
      return;
    }
    // Lanes without a job hash some other lane's data for nobody.
    std::array<const uint8_t*, kLanes> all;
    all.fill(data[lanes[0]]);
    for (const size_t lane : lanes) all[lane] = data[lane];
    compress_all(state, all.data(), blocks);
  }
  static void digest(const State& state, size_t lane, Sha256Digest& digest) noexcept {
    for (size_t i = 0; i < kSha256Words; ++i) {
      store_le(digest.data() + 4 * i, __builtin_bswap32(state.words[i][lane]));
    }
  }
};

void sha256_many_avx2(std::span<Sha256Job> jobs) noexcept { ShaLanes<Lanes>(jobs).run(); }

void sha256_padded_blocks_avx2(const uint8_t* blocks, Sha256Digest* digests,
                               size_t count) noexcept {
  LaneWords words;
  while (count != 0) {
    const size_t taken = std::min(count, kLanesMax);
    std::array<const uint8_t*, kLanesMax> data;
    std::array<size_t, kLanesMax> lanes;
    for (size_t lane = 0; lane < taken; ++lane) {
      Lanes::reset(words, lane);
      data[lane] = blocks + lane * kSha256BlockBytes;
      lanes[lane] = lane;
    }
    Lanes::compress(words, data, std::span(lanes).first(taken), 1);
    for (size_t lane = 0; lane < taken; ++lane) Lanes::digest(words, lane, digests[lane]);
    blocks += taken * kSha256BlockBytes;
    digests += taken;
    count -= taken;
  }
  cleanse(&words, sizeof words);
}

constexpr ShaKernel kKernel{"avx2", sha256_many_avx2, sha256_padded_blocks_avx2};

}  // namespace

const ShaKernel* sha_kernel_avx2() noexcept { return &kKernel; }

}  // namespace ringway::crypto

#else

namespace ringway::crypto {

const ShaKernel* sha_kernel_avx2() noexcept { return nullptr; }

}  // namespace ringway::crypto

#endif
