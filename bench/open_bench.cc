// What opening a message costs next to the hashes in it, and what obfuscation adds.
//
// A message of MTProto 2.0 cannot be opened without three hashes: two of the key derivation and one
// of the whole plaintext. The floor is these three alone, one at a time, by OpenSSL's low-level
// functions. Both are timed in turns, so that the ratio compares like with like. Restoring the
// frames, which opening destroys, is not timed.

// The low-level functions: looking an algorithm up costs more than hashing a short message.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <benchmark/benchmark.h>
#include <openssl/sha.h>

#include <array>
#include <random>
#include <vector>

#include "base/clock.h"
#include "crypto/aes_ctr.h"
#include "mtproto/message.h"

namespace {

using namespace ringway;

constexpr size_t kKeyPartBytes = 36;  // of the auth key, in each hash of the key derivation
constexpr size_t kMsgKeyPartBytes = 32;
// Timed together, because reading the processor's time costs as much as hashing a message.
constexpr size_t kMessagesPerTiming = 128;
constexpr size_t kLengthOffset = kMessageHeaderBytes + 28;

Bytes seeded_bytes(size_t size, uint32_t seed) {
  std::mt19937 generator(seed);
  Bytes out(size);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(generator());
  return out;
}

int64_t cpu_ns() { return read_clock_ns(CLOCK_THREAD_CPUTIME_ID); }

class Messages {
 public:
  Messages(Messages&&) = default;
  Messages& operator=(Messages&&) = default;
  Messages(size_t count, size_t body_bytes) : keys_(count), frames_(count), open_jobs_(count) {
    std::vector<mtproto::SealJob> seal_jobs(count);
    const size_t plaintext_bytes = kMessagePrefixBytes + body_bytes;
    for (uint32_t i = 0; i < count; ++i) {
      const Bytes key = seeded_bytes(keys_[i].size(), i);
      std::copy(key.begin(), key.end(), keys_[i].data());
      frames_[i].resize(mtproto::sealed_bytes(plaintext_bytes));
      store_le(frames_[i].data() + kLengthOffset, static_cast<uint32_t>(body_bytes));
      seal_jobs[i].key = &keys_[i];
      seal_jobs[i].out = frames_[i];
      seal_jobs[i].plaintext_bytes = plaintext_bytes;
      seal_jobs[i].sender = mtproto::Sender::kClient;
      open_jobs_[i].key = &keys_[i];
      open_jobs_[i].frame = frames_[i];
    }
    mtproto::seal_many(seal_jobs);
    sealed_ = frames_;
  }
  void restore() {
    for (size_t i = 0; i < frames_.size(); ++i) {
      std::copy(sealed_[i].begin(), sealed_[i].end(), frames_[i].begin());
    }
  }
  [[nodiscard]] bool open() {
    mtproto::open_many(open_jobs_);
    return open_jobs_.back().error == Error::kNone;
  }
  // The hashes that opening these messages needs, one message after the other.
  void hash() {
    for (size_t i = 0; i < frames_.size(); ++i) {
      const uint8_t* key = keys_[i].data();
      const uint8_t* msg_key = frames_[i].data() + 8;
      const ByteView encrypted = ByteView(frames_[i]).subspan(kMessageHeaderBytes);
      hash_two({msg_key, 16}, {key, kKeyPartBytes});
      hash_two({key + 40, kKeyPartBytes}, {msg_key, 16});
      hash_two({key + 88, kMsgKeyPartBytes}, encrypted);
    }
  }
  [[nodiscard]] size_t frame_bytes() const { return frames_[0].size(); }

 private:
  void hash_two(ByteView first, ByteView second) {
    SHA256_CTX context;
    SHA256_Init(&context);
    SHA256_Update(&context, first.data(), first.size());
    SHA256_Update(&context, second.data(), second.size());
    SHA256_Final(digest_.data(), &context);
    benchmark::DoNotOptimize(digest_.data());
  }

  std::vector<AuthKeyBytes> keys_;
  std::vector<Bytes> frames_;
  std::vector<Bytes> sealed_;
  std::vector<mtproto::OpenJob> open_jobs_;
  std::array<uint8_t, SHA256_DIGEST_LENGTH> digest_{};
};

// Arguments: body bytes, messages opened together.
void open_against_hashes(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(1));
  std::vector<Messages> batches;
  for (size_t made = 0; made < kMessagesPerTiming; made += count) {
    batches.emplace_back(count, static_cast<size_t>(state.range(0)));
  }
  int64_t open_ns = 0;
  int64_t hashes_ns = 0;
  for (auto _ : state) {
    for (Messages& batch : batches) batch.restore();
    const int64_t begin = cpu_ns();
    for (Messages& batch : batches) batch.hash();
    const int64_t between = cpu_ns();
    bool opened = true;
    for (Messages& batch : batches) opened = batch.open() && opened;
    const int64_t end = cpu_ns();
    if (!opened) {
      state.SkipWithError("did not open");
      break;
    }
    hashes_ns += between - begin;
    open_ns += end - between;
  }
  const double total = static_cast<double>(state.iterations() * batches.size() * count);
  state.counters["open_ns"] = static_cast<double>(open_ns) / total;
  state.counters["hashes_ns"] = static_cast<double>(hashes_ns) / total;
  state.counters["ratio"] = static_cast<double>(open_ns) / static_cast<double>(hashes_ns);
}

// Arguments: body bytes, connections. What obfuscation adds to a message that is received.
void deobfuscate(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(1));
  const size_t bytes = Messages(1, static_cast<size_t>(state.range(0))).frame_bytes() + 4;
  std::vector<crypto::AesCtr> ciphers;
  std::vector<Bytes> frames;
  for (uint32_t i = 0; i < count; ++i) {
    const Bytes seed = seeded_bytes(48, i);
    ciphers.emplace_back(std::span<const uint8_t, 32>(seed.data(), 32),
                         std::span<const uint8_t, 16>(seed.data() + 32, 16));
    frames.push_back(seeded_bytes(bytes, i));
  }
  const int64_t begin = cpu_ns();
  for (auto _ : state) {
    for (size_t i = 0; i < count; ++i) ciphers[i].apply(frames[i]);
    benchmark::ClobberMemory();
  }
  const double total = static_cast<double>(state.iterations()) * static_cast<double>(count);
  state.counters["ctr_ns"] = static_cast<double>(cpu_ns() - begin) / total;
}

BENCHMARK(open_against_hashes)->ArgsProduct({{128, 512, 1024}, {1, 16, 64}});
BENCHMARK(deobfuscate)->ArgsProduct({{128, 512}, {64}});

}  // namespace

BENCHMARK_MAIN();
