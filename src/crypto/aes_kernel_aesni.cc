// The AES-NI kernel: eight messages side by side, eight counter blocks at a time.
//
// Key expansion costs about as much as two blocks, so schedules live on the stack for one call and
// are cleansed at its end.

#include "crypto/aes_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <algorithm>

#include "crypto/ctr_counter.h"
#include "crypto/ige_lanes.h"
#include "crypto/simd.h"

#define RW_AESNI __attribute__((target("aes,sse4.1")))

namespace ringway::crypto {
namespace {

constexpr size_t kLanesMax = 8;
constexpr size_t kGroupKeys = 4;
constexpr size_t kCtrBlocksMax = 8;

struct Schedule {
  __m128i keys[kAesRoundKeys];
};

RW_AESNI inline __m128i load(const uint8_t* from) noexcept {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}
RW_AESNI inline void store(uint8_t* to, __m128i value) noexcept {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), value);
}

// FIPS 197, section 5.2: each word is the running xor of its predecessors and the mixed word.
RW_AESNI inline __m128i expand(__m128i previous, __m128i mixed) noexcept {
  previous = _mm_xor_si128(previous, _mm_slli_si128(previous, 4));
  previous = _mm_xor_si128(previous, _mm_slli_si128(previous, 8));
  return _mm_xor_si128(previous, mixed);
}

// Two round keys further: the first with a round constant, the second without.
template <int kRoundConstant>
RW_AESNI inline void expand_pair(Schedule& schedule, size_t at) noexcept {
  const __m128i* keys = schedule.keys;
  const __m128i rotated = _mm_aeskeygenassist_si128(keys[at - 1], kRoundConstant);
  schedule.keys[at] = expand(keys[at - 2], _mm_shuffle_epi32(rotated, 0xff));
  if (at == kAesRounds) return;
  const __m128i substituted = _mm_aeskeygenassist_si128(keys[at], 0);
  schedule.keys[at + 1] = expand(keys[at - 1], _mm_shuffle_epi32(substituted, 0xaa));
}

RW_AESNI void expand_encrypt(const uint8_t* key, Schedule& schedule) noexcept {
  schedule.keys[0] = load(key);
  schedule.keys[1] = load(key + 16);
  expand_pair<0x01>(schedule, 2);
  expand_pair<0x02>(schedule, 4);
  expand_pair<0x04>(schedule, 6);
  expand_pair<0x08>(schedule, 8);
  expand_pair<0x10>(schedule, 10);
  expand_pair<0x20>(schedule, 12);
  expand_pair<0x40>(schedule, 14);
}

// The equivalent inverse cipher: the same keys backwards, the inner ones through InvMixColumns.
RW_AESNI void expand_decrypt(const uint8_t* key, Schedule& schedule) noexcept {
  Schedule forward;
  expand_encrypt(key, forward);
  schedule.keys[0] = forward.keys[kAesRounds];
  for (size_t i = 1; i < kAesRounds; ++i) {
    schedule.keys[i] = _mm_aesimc_si128(forward.keys[kAesRounds - i]);
  }
  schedule.keys[kAesRounds] = forward.keys[0];
  cleanse(&forward, sizeof forward);
}

RW_AESNI inline __m128i encrypt_block(const Schedule& schedule, __m128i block) noexcept {
  block = _mm_xor_si128(block, schedule.keys[0]);
  for (size_t i = 1; i < kAesRounds; ++i) block = _mm_aesenc_si128(block, schedule.keys[i]);
  return _mm_aesenclast_si128(block, schedule.keys[kAesRounds]);
}

RW_AESNI inline __m128i decrypt_block(const Schedule& schedule, __m128i block) noexcept {
  block = _mm_xor_si128(block, schedule.keys[0]);
  for (size_t i = 1; i < kAesRounds; ++i) block = _mm_aesdec_si128(block, schedule.keys[i]);
  return _mm_aesdeclast_si128(block, schedule.keys[kAesRounds]);
}

// The two blocks that IGE looks back on.
struct Previous {
  __m128i cipher;
  __m128i plain;
};

RW_AESNI inline void encrypt_run(const Schedule& schedule, Previous& previous,
                                 ByteSpan data) noexcept {
  __m128i cipher = previous.cipher;
  __m128i plain = previous.plain;
  for (size_t at = 0; at < data.size(); at += kAesBlockBytes) {
    uint8_t* block = data.data() + at;
    const __m128i next = load(block);
    cipher = _mm_xor_si128(encrypt_block(schedule, _mm_xor_si128(next, cipher)), plain);
    store(block, cipher);
    plain = next;
  }
  previous = {cipher, plain};
}

RW_AESNI inline void decrypt_run(const Schedule& schedule, Previous& previous,
                                 ByteSpan data) noexcept {
  __m128i cipher = previous.cipher;
  __m128i plain = previous.plain;
  for (size_t at = 0; at < data.size(); at += kAesBlockBytes) {
    uint8_t* block = data.data() + at;
    const __m128i next = load(block);
    plain = _mm_xor_si128(decrypt_block(schedule, _mm_xor_si128(next, plain)), cipher);
    store(block, plain);
    cipher = next;
  }
  previous = {cipher, plain};
}

RW_AESNI void encrypt_one(const IgeJob& job) noexcept {
  Schedule schedule;
  expand_encrypt(job.key_iv->key.data(), schedule);
  Previous previous{load(job.key_iv->iv.data()), load(job.key_iv->iv.data() + 16)};
  encrypt_run(schedule, previous, job.data);
  cleanse(&schedule, sizeof schedule);
}

RW_AESNI void decrypt_one(const IgeJob& job) noexcept {
  Schedule schedule;
  expand_decrypt(job.key_iv->key.data(), schedule);
  Previous previous{load(job.key_iv->iv.data()), load(job.key_iv->iv.data() + 16)};
  decrypt_run(schedule, previous, job.data);
  cleanse(&schedule, sizeof schedule);
}

RW_AESNI void encrypt_piece(IgeKeyIv& state, ByteSpan data) noexcept {
  Schedule schedule;
  expand_encrypt(state.key.data(), schedule);
  Previous previous{load(state.iv.data()), load(state.iv.data() + 16)};
  encrypt_run(schedule, previous, data);
  store(state.iv.data(), previous.cipher);
  store(state.iv.data() + 16, previous.plain);
  cleanse(&schedule, sizeof schedule);
}

RW_AESNI void decrypt_piece(IgeKeyIv& state, ByteSpan data) noexcept {
  Schedule schedule;
  expand_decrypt(state.key.data(), schedule);
  Previous previous{load(state.iv.data()), load(state.iv.data() + 16)};
  decrypt_run(schedule, previous, data);
  store(state.iv.data(), previous.cipher);
  store(state.iv.data() + 16, previous.plain);
  cleanse(&schedule, sizeof schedule);
}

// Several schedules side by side. The last round of encryption, given one word four times over,
// shifts nothing and substitutes: SubWord and the round constant in one instruction that pipelines.
template <bool kRotate>
RW_AESNI inline __m128i next_round_key(__m128i before_last, __m128i last, int constant) noexcept {
  const __m128i word = _mm_shuffle_epi8(last, _mm_set1_epi32(kRotate ? 0x0c0f0e0d : 0x0f0e0d0c));
  return expand(before_last, _mm_aesenclast_si128(word, _mm_set1_epi32(constant)));
}

template <bool kDecrypt>
RW_AESNI inline void put_round_key(uint8_t* out, size_t stride, size_t round,
                                   __m128i key) noexcept {
  if constexpr (kDecrypt) {
    if (round != 0 && round != kAesRounds) key = _mm_aesimc_si128(key);
    round = kAesRounds - round;
  }
  store(out + round * stride * kAesBlockBytes, key);
}

template <bool kDecrypt>
RW_AESNI void expand_group(const uint8_t* const* keys, uint8_t* out, size_t stride) noexcept {
  __m128i even[kGroupKeys];
  __m128i odd[kGroupKeys];
  RW_UNROLL
  for (size_t i = 0; i < kGroupKeys; ++i) {
    even[i] = load(keys[i]);
    odd[i] = load(keys[i] + kAesBlockBytes);
    put_round_key<kDecrypt>(out + i * kAesBlockBytes, stride, 0, even[i]);
    put_round_key<kDecrypt>(out + i * kAesBlockBytes, stride, 1, odd[i]);
  }
  int constant = 1;
  for (size_t round = 2; round < kAesRounds; round += 2, constant <<= 1) {
    RW_UNROLL
    for (size_t i = 0; i < kGroupKeys; ++i) {
      even[i] = next_round_key<true>(even[i], odd[i], constant);
      put_round_key<kDecrypt>(out + i * kAesBlockBytes, stride, round, even[i]);
    }
    RW_UNROLL
    for (size_t i = 0; i < kGroupKeys; ++i) {
      odd[i] = next_round_key<false>(odd[i], even[i], 0);
      put_round_key<kDecrypt>(out + i * kAesBlockBytes, stride, round + 1, odd[i]);
    }
  }
  RW_UNROLL
  for (size_t i = 0; i < kGroupKeys; ++i) {
    even[i] = next_round_key<true>(even[i], odd[i], constant);
    put_round_key<kDecrypt>(out + i * kAesBlockBytes, stride, kAesRounds, even[i]);
  }
}

using State = IgeLaneState<kLanesMax>;

// In both directions: out = cipher(in ^ a) ^ b, and then a is out and b is in. Encrypting, a is the
// previous ciphertext; decrypting, the previous plaintext.
template <bool kDecrypt, size_t kCount>
RW_AESNI void run_lanes(State& state, size_t blocks) noexcept {
  auto& a_from = kDecrypt ? state.previous_plain : state.previous_cipher;
  auto& b_from = kDecrypt ? state.previous_cipher : state.previous_plain;
  __m128i a[kCount];
  __m128i b[kCount];
  RW_UNROLL
  for (size_t i = 0; i < kCount; ++i) {
    a[i] = load(a_from[i]);
    b[i] = load(b_from[i]);
  }
  for (size_t at = 0; at < blocks * kAesBlockBytes; at += kAesBlockBytes) {
    __m128i in[kCount];
    __m128i work[kCount];
    RW_UNROLL
    for (size_t i = 0; i < kCount; ++i) {
      in[i] = load(state.data[i] + at);
      work[i] = _mm_xor_si128(_mm_xor_si128(in[i], load(state.keys[0][i])), a[i]);
    }
    RW_UNROLL
    for (size_t round = 1; round < kAesRounds; ++round) {
      RW_UNROLL
      for (size_t i = 0; i < kCount; ++i) {
        const __m128i key = load(state.keys[round][i]);
        work[i] = kDecrypt ? _mm_aesdec_si128(work[i], key) : _mm_aesenc_si128(work[i], key);
      }
    }
    RW_UNROLL
    for (size_t back = 0; back < kCount; ++back) {
      const size_t i = kCount - 1 - back;  // lane 0 last: see ige_lanes.h
      const __m128i key = _mm_xor_si128(load(state.keys[kAesRounds][i]), b[i]);
      a[i] = kDecrypt ? _mm_aesdeclast_si128(work[i], key) : _mm_aesenclast_si128(work[i], key);
      store(state.data[i] + at, a[i]);
      b[i] = in[i];
    }
  }
  RW_UNROLL
  for (size_t i = 0; i < kCount; ++i) {
    store(a_from[i], a[i]);
    store(b_from[i], b[i]);
  }
}

template <bool kDecrypt>
struct Lanes {
  static constexpr size_t kLanes = kLanesMax;
  static constexpr size_t kGroup = kGroupKeys;

  static void expand(const uint8_t* const* keys, size_t, uint8_t* out, size_t stride) noexcept {
    expand_group<kDecrypt>(keys, out, stride);
  }
  static size_t width_for(size_t active) noexcept {
    return active <= 2 ? active : active <= 4 ? 4 : kLanesMax;
  }
  static void run(State& state, size_t width, size_t blocks) noexcept {
    switch (width) {
      case 1:
        return run_lanes<kDecrypt, 1>(state, blocks);
      case 2:
        return run_lanes<kDecrypt, 2>(state, blocks);
      case 4:
        return run_lanes<kDecrypt, 4>(state, blocks);
      default:
        return run_lanes<kDecrypt, kLanesMax>(state, blocks);
    }
  }
};

// A lone message has no use for lanes: setting them up would only cost.
void encrypt_many(std::span<const IgeJob> jobs) noexcept {
  if (jobs.size() == 1) return encrypt_one(jobs.front());
  run_ige_lanes<Lanes<false>>(jobs);
}

void decrypt_many(std::span<const IgeJob> jobs) noexcept {
  if (jobs.size() == 1) return decrypt_one(jobs.front());
  run_ige_lanes<Lanes<true>>(jobs);
}

RW_AESNI inline __m128i counter_block(const CtrCounter& counter) noexcept {
  return _mm_set_epi64x(static_cast<int64_t>(__builtin_bswap64(counter.low)),
                        static_cast<int64_t>(__builtin_bswap64(counter.high)));
}

// kBlocks blocks of the key stream from `counter` on.
template <size_t kBlocks>
RW_AESNI inline void key_stream(const Schedule& schedule, CtrCounter counter,
                                uint8_t* out) noexcept {
  __m128i work[kBlocks];
  RW_UNROLL
  for (size_t i = 0; i < kBlocks; ++i) {
    work[i] = _mm_xor_si128(counter_block(counter), schedule.keys[0]);
    counter.count_up(1);
  }
  RW_UNROLL
  for (size_t round = 1; round < kAesRounds; ++round) {
    RW_UNROLL
    for (size_t i = 0; i < kBlocks; ++i) {
      work[i] = _mm_aesenc_si128(work[i], schedule.keys[round]);
    }
  }
  RW_UNROLL
  for (size_t i = 0; i < kBlocks; ++i) {
    store(out + i * kAesBlockBytes, _mm_aesenclast_si128(work[i], schedule.keys[kAesRounds]));
  }
}

RW_AESNI inline void xor_into(uint8_t* data, const uint8_t* stream, size_t size) noexcept {
  for (; size >= kAesBlockBytes; size -= kAesBlockBytes) {
    store(data, _mm_xor_si128(load(data), load(stream)));
    data += kAesBlockBytes;
    stream += kAesBlockBytes;
  }
  for (size_t i = 0; i < size; ++i) data[i] ^= stream[i];
}

RW_AESNI void ctr_apply(AesCtr::State& state, ByteSpan data) noexcept {
  Schedule schedule;
  alignas(16) uint8_t stream[kCtrBlocksMax * kAesBlockBytes];
  expand_encrypt(state.key.data(), schedule);
  CtrCounter counter(state.counter);
  size_t offset = state.offset;
  while (!data.empty()) {
    // From the start of the block in use, so that a half used one is made again.
    const size_t wanted = std::min(offset + data.size(), sizeof stream);
    if (wanted > 4 * kAesBlockBytes) {
      key_stream<8>(schedule, counter, stream);
    } else if (wanted > 2 * kAesBlockBytes) {
      key_stream<4>(schedule, counter, stream);
    } else {
      key_stream<2>(schedule, counter, stream);
    }
    const size_t count = wanted - offset;
    xor_into(data.data(), stream + offset, count);
    data = data.subspan(count);
    counter.count_up(wanted / kAesBlockBytes);
    offset = wanted % kAesBlockBytes;
  }
  counter.save(state.counter);
  state.offset = static_cast<uint8_t>(offset);
  cleanse(&schedule, sizeof schedule);
  cleanse(stream, sizeof stream);
}

constexpr AesKernel kKernel{"aesni",       decrypt_many,  encrypt_many,
                            decrypt_piece, encrypt_piece, ctr_apply};

}  // namespace

const AesKernel* aes_kernel_aesni() noexcept { return &kKernel; }

}  // namespace ringway::crypto

#else

namespace ringway::crypto {

const AesKernel* aes_kernel_aesni() noexcept { return nullptr; }

}  // namespace ringway::crypto

#endif
