// The AES-NI kernel: one message at a time, eight counter blocks at a time.
//
// Each function carries its own target attribute, so the file needs no compiler flags and nothing
// of it can leak into code that runs before the processor was asked. Key expansion costs about as
// much as two blocks, so schedules live on the stack for one call and are cleansed at its end.

#include "crypto/aes_kernel.h"

#if defined(__x86_64__)

#include <immintrin.h>

#include <bit>

#define RW_AESNI __attribute__((target("aes,sse4.1")))

namespace ringway::crypto {
namespace {

constexpr size_t kRounds = 14;  // of AES-256
constexpr size_t kCtrLanes = 8;

struct Schedule {
  __m128i keys[kRounds + 1];
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
  if (at == kRounds) return;
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
  schedule.keys[0] = forward.keys[kRounds];
  for (size_t i = 1; i < kRounds; ++i) {
    schedule.keys[i] = _mm_aesimc_si128(forward.keys[kRounds - i]);
  }
  schedule.keys[kRounds] = forward.keys[0];
  cleanse(&forward, sizeof forward);
}

RW_AESNI inline __m128i encrypt_block(const Schedule& schedule, __m128i block) noexcept {
  block = _mm_xor_si128(block, schedule.keys[0]);
  for (size_t i = 1; i < kRounds; ++i) block = _mm_aesenc_si128(block, schedule.keys[i]);
  return _mm_aesenclast_si128(block, schedule.keys[kRounds]);
}

RW_AESNI inline __m128i decrypt_block(const Schedule& schedule, __m128i block) noexcept {
  block = _mm_xor_si128(block, schedule.keys[0]);
  for (size_t i = 1; i < kRounds; ++i) block = _mm_aesdec_si128(block, schedule.keys[i]);
  return _mm_aesdeclast_si128(block, schedule.keys[kRounds]);
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

RW_AESNI void encrypt_many(std::span<const IgeJob> jobs) noexcept {
  Schedule schedule;
  for (const IgeJob& job : jobs) {
    expand_encrypt(job.key_iv->key.data(), schedule);
    Previous previous{load(job.key_iv->iv.data()), load(job.key_iv->iv.data() + 16)};
    encrypt_run(schedule, previous, job.data);
  }
  cleanse(&schedule, sizeof schedule);
}

RW_AESNI void decrypt_many(std::span<const IgeJob> jobs) noexcept {
  Schedule schedule;
  for (const IgeJob& job : jobs) {
    expand_decrypt(job.key_iv->key.data(), schedule);
    Previous previous{load(job.key_iv->iv.data()), load(job.key_iv->iv.data() + 16)};
    decrypt_run(schedule, previous, job.data);
  }
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

// The 128-bit big-endian counter as two native halves.
struct CtrCounter {
  uint64_t high;
  uint64_t low;

  explicit CtrCounter(const std::array<uint8_t, 16>& bytes) noexcept
      : high(__builtin_bswap64(load_le<uint64_t>(bytes.data()))),
        low(__builtin_bswap64(load_le<uint64_t>(bytes.data() + 8))) {}
  void save(std::array<uint8_t, 16>& bytes) const noexcept {
    store_le(bytes.data(), __builtin_bswap64(high));
    store_le(bytes.data() + 8, __builtin_bswap64(low));
  }
  void count_up() noexcept {
    if (++low == 0) ++high;
  }
};

RW_AESNI inline __m128i counter_block(const CtrCounter& counter) noexcept {
  return _mm_set_epi64x(static_cast<int64_t>(__builtin_bswap64(counter.low)),
                        static_cast<int64_t>(__builtin_bswap64(counter.high)));
}

// Whole blocks; returns how many bytes were done.
RW_AESNI inline size_t ctr_blocks(const Schedule& schedule, CtrCounter& counter,
                                  ByteSpan data) noexcept {
  size_t at = 0;
  for (; data.size() - at >= kCtrLanes * kAesBlockBytes; at += kCtrLanes * kAesBlockBytes) {
    __m128i lanes[kCtrLanes];
    for (__m128i& lane : lanes) {
      lane = _mm_xor_si128(counter_block(counter), schedule.keys[0]);
      counter.count_up();
    }
    for (size_t round = 1; round < kRounds; ++round) {
      for (__m128i& lane : lanes) lane = _mm_aesenc_si128(lane, schedule.keys[round]);
    }
    for (size_t i = 0; i < kCtrLanes; ++i) {
      uint8_t* block = data.data() + at + i * kAesBlockBytes;
      const __m128i stream = _mm_aesenclast_si128(lanes[i], schedule.keys[kRounds]);
      store(block, _mm_xor_si128(load(block), stream));
    }
  }
  for (; data.size() - at >= kAesBlockBytes; at += kAesBlockBytes) {
    uint8_t* block = data.data() + at;
    store(block, _mm_xor_si128(load(block), encrypt_block(schedule, counter_block(counter))));
    counter.count_up();
  }
  return at;
}

// Up to the end of one block, from `offset` on; returns the new offset, 0 when the block is used
// up.
RW_AESNI inline uint8_t ctr_partial(const Schedule& schedule, CtrCounter& counter, size_t offset,
                                    ByteSpan data) noexcept {
  Secret<kAesBlockBytes> stream;
  store(stream.data(), encrypt_block(schedule, counter_block(counter)));
  for (size_t i = 0; i < data.size(); ++i) data[i] ^= stream.data()[offset + i];
  offset += data.size();
  if (offset < kAesBlockBytes) return static_cast<uint8_t>(offset);
  counter.count_up();
  return 0;
}

RW_AESNI void ctr_apply(AesCtr::State& state, ByteSpan data) noexcept {
  Schedule schedule;
  expand_encrypt(state.key.data(), schedule);
  CtrCounter counter(state.counter);
  if (state.offset != 0) {
    const size_t left = kAesBlockBytes - state.offset;
    const size_t count = data.size() < left ? data.size() : left;
    state.offset = ctr_partial(schedule, counter, state.offset, data.first(count));
    data = data.subspan(count);
  }
  if (!data.empty()) {
    data = data.subspan(ctr_blocks(schedule, counter, data));
    if (!data.empty()) state.offset = ctr_partial(schedule, counter, 0, data);
  }
  counter.save(state.counter);
  cleanse(&schedule, sizeof schedule);
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
