// The VAES kernel: 256-bit registers, each of which holds a block of two messages (or two counter
// blocks), sixteen messages side by side. Needs AVX2 and no more, so that the processor keeps its
// frequency.

#include "crypto/aes_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include "crypto/ctr_counter.h"
#include "crypto/ige_lanes.h"
#include "crypto/simd.h"

#define RW_VAES __attribute__((target("vaes,aes,avx2")))

namespace ringway::crypto {
namespace {

constexpr size_t kPairBytes = 2 * kAesBlockBytes;
constexpr size_t kLanesMax = 16;
constexpr size_t kGroupKeys = 8;
constexpr size_t kGroupPairs = kGroupKeys / 2;
constexpr size_t kCtrBlocksMax = 16;

RW_VAES inline __m128i load_block(const uint8_t* from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
RW_VAES inline __m256i load_pair(const uint8_t* from) noexcept {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
}
RW_VAES inline __m256i load_two(const uint8_t* low, const uint8_t* high) noexcept {
  return _mm256_inserti128_si256(_mm256_castsi128_si256(load_block(low)), load_block(high), 1);
}
RW_VAES inline void store_block(uint8_t* to, __m128i value) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value);
}
RW_VAES inline void store_pair(uint8_t* to, __m256i value) noexcept {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), value);
}

// FIPS 197, section 5.2, two keys at once. The last round of encryption, given one word four times
// over, shifts nothing and substitutes: SubWord and the round constant in one instruction.
template <bool kRotate>
RW_VAES inline __m256i next_round_key(__m256i before_last, __m256i last, int constant) noexcept {
  const __m256i word =
      _mm256_shuffle_epi8(last, _mm256_set1_epi32(kRotate ? 0x0c0f0e0d : 0x0f0e0d0c));
  const __m256i mixed = _mm256_aesenclast_epi128(word, _mm256_set1_epi32(constant));
  before_last = _mm256_xor_si256(before_last, _mm256_bslli_epi128(before_last, 4));
  before_last = _mm256_xor_si256(before_last, _mm256_bslli_epi128(before_last, 8));
  return _mm256_xor_si256(before_last, mixed);
}

// The equivalent inverse cipher wants the inner keys through InvMixColumns: encryption's last round
// undoes what decryption's round does before that.
template <bool kDecrypt>
RW_VAES inline void put_round_key(uint8_t* out, size_t stride, size_t round, __m256i key) noexcept {
  if constexpr (kDecrypt) {
    if (round != 0 && round != kAesRounds) {
      const __m256i zero = _mm256_setzero_si256();
      key = _mm256_aesdec_epi128(_mm256_aesenclast_epi128(key, zero), zero);
    }
    round = kAesRounds - round;
  }
  store_pair(out + round * stride * kAesBlockBytes, key);
}

template <bool kDecrypt, size_t kPairs>
RW_VAES inline void expand_pairs(const uint8_t* const* keys, uint8_t* out, size_t stride) noexcept {
  __m256i even[kPairs];
  __m256i odd[kPairs];
  RW_UNROLL
  for (size_t p = 0; p < kPairs; ++p) {
    even[p] = load_two(keys[2 * p], keys[2 * p + 1]);
    odd[p] = load_two(keys[2 * p] + kAesBlockBytes, keys[2 * p + 1] + kAesBlockBytes);
    put_round_key<kDecrypt>(out + p * kPairBytes, stride, 0, even[p]);
    put_round_key<kDecrypt>(out + p * kPairBytes, stride, 1, odd[p]);
  }
  int constant = 1;
  for (size_t round = 2; round < kAesRounds; round += 2, constant <<= 1) {
    RW_UNROLL
    for (size_t p = 0; p < kPairs; ++p) {
      even[p] = next_round_key<true>(even[p], odd[p], constant);
      put_round_key<kDecrypt>(out + p * kPairBytes, stride, round, even[p]);
    }
    RW_UNROLL
    for (size_t p = 0; p < kPairs; ++p) {
      odd[p] = next_round_key<false>(odd[p], even[p], 0);
      put_round_key<kDecrypt>(out + p * kPairBytes, stride, round + 1, odd[p]);
    }
  }
  RW_UNROLL
  for (size_t p = 0; p < kPairs; ++p) {
    even[p] = next_round_key<true>(even[p], odd[p], constant);
    put_round_key<kDecrypt>(out + p * kPairBytes, stride, kAesRounds, even[p]);
  }
}

template <bool kDecrypt>
RW_VAES void expand_group(const uint8_t* const* keys, size_t count, uint8_t* out,
                          size_t stride) noexcept {
  if (count <= 2) {
    expand_pairs<kDecrypt, 1>(keys, out, stride);
  } else {
    expand_pairs<kDecrypt, kGroupPairs>(keys, out, stride);
  }
}

using State = IgeLaneState<kLanesMax>;

// In both directions: in = data ^ a; out = cipher(in) ^ b; and then a and b are the other side's
// block and this one's. Encrypting, a is the previous ciphertext; decrypting, the previous
// plaintext.
template <bool kDecrypt, size_t kPairs>
RW_VAES void run_pairs(State& state, size_t blocks) noexcept {
  uint8_t* const a_from = kDecrypt ? state.previous_plain[0] : state.previous_cipher[0];
  uint8_t* const b_from = kDecrypt ? state.previous_cipher[0] : state.previous_plain[0];
  __m256i a[kPairs];
  __m256i b[kPairs];
  RW_UNROLL
  for (size_t p = 0; p < kPairs; ++p) {
    a[p] = load_pair(a_from + p * kPairBytes);
    b[p] = load_pair(b_from + p * kPairBytes);
  }
  for (size_t at = 0; at < blocks * kAesBlockBytes; at += kAesBlockBytes) {
    __m256i in[kPairs];
    __m256i work[kPairs];
    RW_UNROLL
    for (size_t p = 0; p < kPairs; ++p) {
      in[p] = load_two(state.data[2 * p] + at, state.data[2 * p + 1] + at);
      const __m256i keyed = _mm256_xor_si256(in[p], load_pair(state.keys[0][2 * p]));
      work[p] = _mm256_xor_si256(keyed, a[p]);
    }
    RW_UNROLL
    for (size_t round = 1; round < kAesRounds; ++round) {
      RW_UNROLL
      for (size_t p = 0; p < kPairs; ++p) {
        const __m256i key = load_pair(state.keys[round][2 * p]);
        work[p] =
            kDecrypt ? _mm256_aesdec_epi128(work[p], key) : _mm256_aesenc_epi128(work[p], key);
      }
    }
    RW_UNROLL
    for (size_t i = 0; i < kPairs; ++i) {
      const size_t p = kPairs - 1 - i;  // lane 0 last: see ige_lanes.h
      const __m256i key = _mm256_xor_si256(load_pair(state.keys[kAesRounds][2 * p]), b[p]);
      a[p] = kDecrypt ? _mm256_aesdeclast_epi128(work[p], key)
                      : _mm256_aesenclast_epi128(work[p], key);
      store_block(state.data[2 * p + 1] + at, _mm256_extracti128_si256(a[p], 1));
      store_block(state.data[2 * p] + at, _mm256_castsi256_si128(a[p]));
      b[p] = in[p];
    }
  }
  RW_UNROLL
  for (size_t p = 0; p < kPairs; ++p) {
    store_pair(a_from + p * kPairBytes, a[p]);
    store_pair(b_from + p * kPairBytes, b[p]);
  }
}

// A lone message gains nothing from the second half of a register.
template <bool kDecrypt>
RW_VAES void run_one(State& state, size_t blocks) noexcept {
  uint8_t* const a_from = kDecrypt ? state.previous_plain[0] : state.previous_cipher[0];
  uint8_t* const b_from = kDecrypt ? state.previous_cipher[0] : state.previous_plain[0];
  __m128i keys[kAesRoundKeys];
  RW_UNROLL
  for (size_t round = 0; round < kAesRoundKeys; ++round) {
    keys[round] = load_block(state.keys[round][0]);
  }
  __m128i a = load_block(a_from);
  __m128i b = load_block(b_from);
  for (size_t at = 0; at < blocks * kAesBlockBytes; at += kAesBlockBytes) {
    uint8_t* block = state.data[0] + at;
    const __m128i in = load_block(block);
    __m128i work = _mm_xor_si128(_mm_xor_si128(in, keys[0]), a);
    RW_UNROLL
    for (size_t round = 1; round < kAesRounds; ++round) {
      work = kDecrypt ? _mm_aesdec_si128(work, keys[round]) : _mm_aesenc_si128(work, keys[round]);
    }
    const __m128i last = _mm_xor_si128(keys[kAesRounds], b);
    a = kDecrypt ? _mm_aesdeclast_si128(work, last) : _mm_aesenclast_si128(work, last);
    store_block(block, a);
    b = in;
  }
  store_block(a_from, a);
  store_block(b_from, b);
}

template <bool kDecrypt>
struct Lanes {
  static constexpr size_t kLanes = kLanesMax;
  static constexpr size_t kGroup = kGroupKeys;

  static void expand(const uint8_t* const* keys, size_t count, uint8_t* out,
                     size_t stride) noexcept {
    expand_group<kDecrypt>(keys, count, out, stride);
  }
  static size_t width_for(size_t active) noexcept {
    return active <= 2 ? active : active <= 4 ? 4 : active <= 8 ? 8 : kLanesMax;
  }
  static void run(State& state, size_t width, size_t blocks) noexcept {
    switch (width) {
      case 1:
        return run_one<kDecrypt>(state, blocks);
      case 2:
        return run_pairs<kDecrypt, 1>(state, blocks);
      case 4:
        return run_pairs<kDecrypt, 2>(state, blocks);
      case 8:
        return run_pairs<kDecrypt, 4>(state, blocks);
      default:
        return run_pairs<kDecrypt, 8>(state, blocks);
    }
  }
};

// A lone message is what AES-NI is for: setting up lanes would only cost.
void encrypt_many(std::span<const IgeJob> jobs) noexcept {
  if (jobs.size() == 1) return aes_kernel_aesni()->ige_encrypt_many(jobs);
  run_ige_lanes<Lanes<false>>(jobs);
}

void decrypt_many(std::span<const IgeJob> jobs) noexcept {
  if (jobs.size() == 1) return aes_kernel_aesni()->ige_decrypt_many(jobs);
  run_ige_lanes<Lanes<true>>(jobs);
}

RW_VAES inline __m256i two_counters(CtrCounter counter) noexcept {
  const CtrCounter first = counter;
  counter.count_up(1);
  const __m256i native =
      _mm256_set_epi64x(static_cast<int64_t>(counter.high), static_cast<int64_t>(counter.low),
                        static_cast<int64_t>(first.high), static_cast<int64_t>(first.low));
  const __m256i swap =
      _mm256_broadcastsi128_si256(_mm_set_epi64x(0x0001020304050607, 0x08090a0b0c0d0e0f));
  return _mm256_shuffle_epi8(native, swap);
}

// 2 * kPairs blocks of the key stream from `counter` on. `keys` holds each round key twice.
template <size_t kPairs>
RW_VAES inline void key_stream(const uint8_t* keys, CtrCounter counter, uint8_t* out) noexcept {
  __m256i work[kPairs];
  RW_UNROLL
  for (size_t p = 0; p < kPairs; ++p) {
    work[p] = _mm256_xor_si256(two_counters(counter), load_pair(keys));
    counter.count_up(2);
  }
  RW_UNROLL
  for (size_t round = 1; round < kAesRounds; ++round) {
    const __m256i key = load_pair(keys + round * kPairBytes);
    RW_UNROLL
    for (size_t p = 0; p < kPairs; ++p) work[p] = _mm256_aesenc_epi128(work[p], key);
  }
  const __m256i key = load_pair(keys + kAesRounds * kPairBytes);
  RW_UNROLL
  for (size_t p = 0; p < kPairs; ++p) {
    store_pair(out + p * kPairBytes, _mm256_aesenclast_epi128(work[p], key));
  }
}

RW_VAES inline void xor_into(uint8_t* data, const uint8_t* stream, size_t size) noexcept {
  for (; size >= kPairBytes; size -= kPairBytes, data += kPairBytes, stream += kPairBytes) {
    store_pair(data, _mm256_xor_si256(load_pair(data), load_pair(stream)));
  }
  if (size >= kAesBlockBytes) {
    store_block(data, _mm_xor_si128(load_block(data), load_block(stream)));
    size -= kAesBlockBytes;
    data += kAesBlockBytes;
    stream += kAesBlockBytes;
  }
  for (size_t i = 0; i < size; ++i) data[i] ^= stream[i];
}

RW_VAES void ctr_apply(AesCtr::State& state, ByteSpan data) noexcept {
  alignas(32) uint8_t keys[kAesRoundKeys * kPairBytes];
  alignas(32) uint8_t stream[kCtrBlocksMax * kAesBlockBytes];
  const uint8_t* const key_twice[2] = {state.key.data(), state.key.data()};
  expand_pairs<false, 1>(key_twice, keys, 2);
  CtrCounter counter(state.counter);
  size_t offset = state.offset;
  while (!data.empty()) {
    // From the start of the block in use, so that a half used one is made again.
    const size_t wanted = std::min(offset + data.size(), sizeof stream);
    if (wanted > 8 * kAesBlockBytes) {
      key_stream<8>(keys, counter, stream);
    } else if (wanted > 4 * kAesBlockBytes) {
      key_stream<4>(keys, counter, stream);
    } else if (wanted > 2 * kAesBlockBytes) {
      key_stream<2>(keys, counter, stream);
    } else {
      key_stream<1>(keys, counter, stream);
    }
    const size_t count = wanted - offset;
    xor_into(data.data(), stream + offset, count);
    data = data.subspan(count);
    counter.count_up(wanted / kAesBlockBytes);
    offset = wanted % kAesBlockBytes;
  }
  counter.save(state.counter);
  state.offset = static_cast<uint8_t>(offset);
  cleanse(keys, sizeof keys);
  cleanse(stream, sizeof stream);
}

}  // namespace

const AesKernel* aes_kernel_vaes() noexcept {
  // One message in pieces is one lane: what AES-NI does for it cannot be done faster here.
  static const AesKernel kernel{"vaes",
                                decrypt_many,
                                encrypt_many,
                                aes_kernel_aesni()->ige_decrypt,
                                aes_kernel_aesni()->ige_encrypt,
                                ctr_apply};
  return &kernel;
}

}  // namespace ringway::crypto

#else

namespace ringway::crypto {

const AesKernel* aes_kernel_vaes() noexcept { return nullptr; }

}  // namespace ringway::crypto

#endif
