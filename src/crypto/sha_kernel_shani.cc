// SHA-256 with the processor's SHA extensions, two jobs side by side.
//
// A round instruction takes twice as long as the processor needs to start the next one, so a single
// hash leaves half of the unit idle. Two jobs fill it, and the state and message words of two fit
// the 16 registers exactly.

#include "crypto/sha_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "crypto/sha_lanes.h"
#include "crypto/simd.h"

#define RW_SHANI __attribute__((target("sha,sse4.1")))

namespace ringway::crypto {
namespace {

// The words as the round instruction wants them: {f, e, b, a} and {h, g, d, c}, lowest first.
struct alignas(16) LaneState {
  __m128i abef;
  __m128i cdgh;
};

RW_SHANI inline void reset_words(LaneState& state) noexcept {
  state.abef =
      _mm_set_epi32(static_cast<int>(kSha256Initial[0]), static_cast<int>(kSha256Initial[1]),
                    static_cast<int>(kSha256Initial[4]), static_cast<int>(kSha256Initial[5]));
  state.cdgh =
      _mm_set_epi32(static_cast<int>(kSha256Initial[2]), static_cast<int>(kSha256Initial[3]),
                    static_cast<int>(kSha256Initial[6]), static_cast<int>(kSha256Initial[7]));
}

RW_SHANI inline __m128i byte_swap_mask() noexcept {
  return _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
}

RW_SHANI inline void write_digest(const LaneState& state, Sha256Digest& digest) noexcept {
  const __m128i feba = _mm_shuffle_epi32(state.abef, 0x1b);  // a b e f, lowest first
  const __m128i dchg = _mm_shuffle_epi32(state.cdgh, 0x1b);  // c d g h
  const __m128i abcd = _mm_unpacklo_epi64(feba, dchg);
  const __m128i efgh = _mm_unpackhi_epi64(feba, dchg);
  auto* out = reinterpret_cast<__m128i*>(digest.data());
  _mm_storeu_si128(out, _mm_shuffle_epi8(abcd, byte_swap_mask()));
  _mm_storeu_si128(out + 1, _mm_shuffle_epi8(efgh, byte_swap_mask()));
}

// `blocks` blocks of each of the first kCount lanes.
template <size_t kCount>
RW_SHANI void compress_lanes(LaneState* states, const uint8_t* const* data,
                             size_t blocks) noexcept {
  const __m128i swap = byte_swap_mask();
  const auto* constants = reinterpret_cast<const __m128i*>(kSha256RoundConstants.data());
  __m128i abef[kCount];
  __m128i cdgh[kCount];
  RW_UNROLL
  for (size_t lane = 0; lane < kCount; ++lane) {
    abef[lane] = states[lane].abef;
    cdgh[lane] = states[lane].cdgh;
  }
  for (size_t at = 0; at < blocks * kSha256BlockBytes; at += kSha256BlockBytes) {
    __m128i words[kCount][4];
    RW_UNROLL
    for (size_t lane = 0; lane < kCount; ++lane) {
      // The lanes' memory holds the state from before the block.
      states[lane].abef = abef[lane];
      states[lane].cdgh = cdgh[lane];
    }
    RW_UNROLL
    for (size_t group = 0; group < 16; ++group) {  // four rounds each
      RW_UNROLL
      for (size_t lane = 0; lane < kCount; ++lane) {
        __m128i* w = words[lane];
        if (group < 4) {
          const auto* from = reinterpret_cast<const __m128i*>(data[lane] + at);
          w[group] = _mm_shuffle_epi8(_mm_loadu_si128(from + group), swap);
        } else {
          // w[t] = s1(w[t - 2]) + w[t - 7] + s0(w[t - 15]) + w[t - 16], four at a time.
          const __m128i last = w[(group + 3) % 4];
          const __m128i seven = _mm_alignr_epi8(last, w[(group + 2) % 4], 4);
          const __m128i sum =
              _mm_add_epi32(_mm_sha256msg1_epu32(w[group % 4], w[(group + 1) % 4]), seven);
          w[group % 4] = _mm_sha256msg2_epu32(sum, last);
        }
        const __m128i keyed = _mm_add_epi32(w[group % 4], _mm_load_si128(constants + group));
        cdgh[lane] = _mm_sha256rnds2_epu32(cdgh[lane], abef[lane], keyed);
        abef[lane] = _mm_sha256rnds2_epu32(abef[lane], cdgh[lane], _mm_shuffle_epi32(keyed, 0x0e));
      }
    }
    RW_UNROLL
    for (size_t lane = 0; lane < kCount; ++lane) {
      abef[lane] = _mm_add_epi32(abef[lane], states[lane].abef);
      cdgh[lane] = _mm_add_epi32(cdgh[lane], states[lane].cdgh);
    }
  }
  RW_UNROLL
  for (size_t lane = 0; lane < kCount; ++lane) {
    states[lane].abef = abef[lane];
    states[lane].cdgh = cdgh[lane];
  }
}

struct Lanes {
  static constexpr size_t kLanes = 2;
  using State = std::array<LaneState, kLanes>;

  static void reset(State& state, size_t lane) noexcept { reset_words(state[lane]); }
  static void compress(State& state, const std::array<const uint8_t*, kLanes>& data,
                       std::span<const size_t> lanes, size_t blocks) noexcept {
    if (lanes.size() == kLanes) return compress_lanes<kLanes>(state.data(), data.data(), blocks);
    compress_lanes<1>(&state[lanes[0]], &data[lanes[0]], blocks);
  }
  static void digest(const State& state, size_t lane, Sha256Digest& digest) noexcept {
    write_digest(state[lane], digest);
  }
};

void sha256_many_shani(std::span<Sha256Job> jobs) noexcept { ShaLanes<Lanes>(jobs).run(); }

RW_SHANI void sha256_padded_blocks_shani(const uint8_t* blocks, Sha256Digest* digests,
                                         size_t count) noexcept {
  LaneState states[2];
  size_t i = 0;
  for (; i + 1 < count; i += 2) {
    reset_words(states[0]);
    reset_words(states[1]);
    const uint8_t* const data[2] = {blocks + i * kSha256BlockBytes,
                                    blocks + (i + 1) * kSha256BlockBytes};
    compress_lanes<2>(states, data, 1);
    write_digest(states[0], digests[i]);
    write_digest(states[1], digests[i + 1]);
  }
  if (i != count) {
    reset_words(states[0]);
    const uint8_t* const data = blocks + i * kSha256BlockBytes;
    compress_lanes<1>(states, &data, 1);
    write_digest(states[0], digests[i]);
  }
  cleanse(states, sizeof states);
}

constexpr ShaKernel kKernel{"shani", sha256_many_shani, sha256_padded_blocks_shani};

}  // namespace

const ShaKernel* sha_kernel_shani() noexcept { return &kKernel; }

}  // namespace ringway::crypto

#else

namespace ringway::crypto {

const ShaKernel* sha_kernel_shani() noexcept { return nullptr; }

}  // namespace ringway::crypto

#endif
