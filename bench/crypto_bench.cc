// Benchmarks of the crypto that every message pays for: each kernel by itself, opening and sealing.
//
// Kernels print their ratio to the portable one on the same input. Opening and sealing print theirs
// to the three hashes of the same messages alone, one at a time with OpenSSL's low-level functions:
// at most 1.0 is the aim for batches of 16. Both sides of that ratio are the least of many short
// runs that take turns, so that a busy neighbour does not show.

// OpenSSL 3.0 marks the low-level hash functions as deprecated; they are the baseline here.
#define OPENSSL_SUPPRESS_DEPRECATED

#include <benchmark/benchmark.h>
#include <openssl/sha.h>

#include <algorithm>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "crypto/aes_kernel.h"
#include "crypto/sha.h"
#include "crypto/sha_kernel.h"
#include "mtproto/message.h"

namespace {

using namespace ringway;

Bytes seeded_bytes(size_t size, uint32_t seed) {
  std::mt19937 generator(seed);
  Bytes out(size);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(generator());
  return out;
}

// Processor time of this process since the object was made.
class CpuTimer {
 public:
  [[nodiscard]] double spent_ns() const {
    return static_cast<double>(read_clock_ns(CLOCK_PROCESS_CPUTIME_ID) - start_ns_);
  }

 private:
  const int64_t start_ns_ = read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
};

// To be called right after the loop that `timer` was started for.
void report(benchmark::State& state, const CpuTimer& timer, size_t messages) {
  const double count = static_cast<double>(state.iterations()) * static_cast<double>(messages);
  state.counters["ns_per_message"] = timer.spent_ns() / count;
}

using IgeMany = void (*)(std::span<const crypto::IgeJob>) noexcept;

// What the portable kernel takes for the same jobs, measured on the spot, so that the ratio
// compares like with like on a machine whose speed wanders.
double portable_ns(IgeMany run, const std::vector<crypto::IgeJob>& jobs) {
  constexpr int kRounds = 50;
  const CpuTimer timer;
  for (int i = 0; i < kRounds; ++i) run(jobs);
  return timer.spent_ns() / kRounds / static_cast<double>(jobs.size());
}

void ige(benchmark::State& state, const crypto::AesKernel* kernel, bool encrypt) {
  constexpr size_t kMessages = 64;
  const auto bytes = static_cast<size_t>(state.range(0));
  std::vector<crypto::IgeKeyIv> key_ivs(kMessages);
  std::vector<Bytes> buffers(kMessages);
  std::vector<crypto::IgeJob> jobs(kMessages);
  for (uint32_t i = 0; i < kMessages; ++i) {
    buffers[i] = seeded_bytes(bytes, i);
    jobs[i] = {&key_ivs[i], buffers[i]};
  }
  const crypto::AesKernel& portable = crypto::aes_kernel_openssl();
  const double baseline =
      portable_ns(encrypt ? portable.ige_encrypt_many : portable.ige_decrypt_many, jobs);
  const IgeMany run = encrypt ? kernel->ige_encrypt_many : kernel->ige_decrypt_many;
  const CpuTimer timer;
  for (auto _ : state) {
    run(jobs);
    benchmark::ClobberMemory();
  }
  report(state, timer, kMessages);
  state.counters["times_openssl"] = baseline / state.counters["ns_per_message"];
}

void sha256_batch(benchmark::State& state, const crypto::ShaKernel* kernel) {
  constexpr size_t kMessages = 64;
  const auto bytes = static_cast<size_t>(state.range(0));
  const Bytes prefix = seeded_bytes(32, 1);
  const Bytes body = seeded_bytes(bytes, 2);
  std::vector<crypto::Sha256Job> jobs(kMessages);
  for (crypto::Sha256Job& job : jobs) job = {prefix, body, {}};
  constexpr int kRounds = 50;
  const CpuTimer portable;
  for (int i = 0; i < kRounds; ++i) crypto::sha_kernel_openssl().sha256_many(jobs);
  const double baseline = portable.spent_ns() / kRounds / kMessages;
  const CpuTimer timer;
  for (auto _ : state) {
    kernel->sha256_many(jobs);
    benchmark::DoNotOptimize(jobs.data());
  }
  report(state, timer, kMessages);
  state.counters["times_openssl"] = baseline / state.counters["ns_per_message"];
}

void ctr(benchmark::State& state, const crypto::AesKernel* kernel) {
  Bytes data = seeded_bytes(static_cast<size_t>(state.range(0)), 1);
  crypto::AesCtr::State stream;
  constexpr int kRounds = 2000;
  const CpuTimer portable;
  for (int i = 0; i < kRounds; ++i) crypto::aes_kernel_openssl().ctr_apply(stream, data);
  const double baseline = portable.spent_ns() / kRounds;
  const CpuTimer timer;
  for (auto _ : state) {
    kernel->ctr_apply(stream, data);
    benchmark::ClobberMemory();
  }
  report(state, timer, 1);
  state.counters["times_openssl"] = baseline / state.counters["ns_per_message"];
}

// A batch of messages of one size, sealed once and restored before each opening.
struct Messages {
  std::vector<AuthKeyBytes> keys;
  std::vector<Bytes> frames;
  std::vector<mtproto::SealJob> seal_jobs;
  std::vector<mtproto::OpenJob> open_jobs;

  Messages(size_t count, size_t body_bytes) : keys(count), frames(count) {
    const size_t plaintext_bytes = kMessagePrefixBytes + body_bytes;
    for (uint32_t i = 0; i < count; ++i) {
      const Bytes key = seeded_bytes(256, i);
      std::memcpy(keys[i].data(), key.data(), key.size());
      frames[i].resize(mtproto::sealed_bytes(plaintext_bytes));
      store_le(frames[i].data() + kMessageHeaderBytes + 28, static_cast<uint32_t>(body_bytes));
      mtproto::SealJob seal;
      seal.key = &keys[i];
      seal.out = frames[i];
      seal.plaintext_bytes = plaintext_bytes;
      seal_jobs.push_back(seal);
      mtproto::OpenJob open;
      open.key = &keys[i];
      open.frame = frames[i];
      open.sender = mtproto::Sender::kServer;
      open_jobs.push_back(open);
    }
  }
};

// The least time of a run, in nanoseconds.
class LeastTime {
 public:
  template <typename Run>
  void measure(const Run& run) {
    const int64_t start_ns = read_clock_ns(CLOCK_MONOTONIC);
    run();
    least_ns_ = std::min(least_ns_, static_cast<double>(read_clock_ns(CLOCK_MONOTONIC) - start_ns));
  }
  [[nodiscard]] double per(size_t count) const { return least_ns_ / static_cast<double>(count); }

 private:
  double least_ns_ = std::numeric_limits<double>::max();
};

void hash_alone(ByteView prefix, ByteView body) {
  SHA256_CTX context;
  uint8_t digest[SHA256_DIGEST_LENGTH];
  SHA256_Init(&context);
  SHA256_Update(&context, prefix.data(), prefix.size());
  SHA256_Update(&context, body.data(), body.size());
  SHA256_Final(digest, &context);
  benchmark::DoNotOptimize(digest);
}

// What a message cannot do without: two hashes for its key and iv, one for its msg_key.
void three_hashes(const mtproto::OpenJob& job) {
  const ByteView msg_key = job.frame.subspan(8, 16);
  hash_alone(msg_key, job.key->view().subspan(8, 36));
  hash_alone(job.key->view().subspan(48, 36), msg_key);
  hash_alone(job.key->view().subspan(96, 32), job.frame.subspan(kMessageHeaderBytes));
}

constexpr size_t kRunsPerMeasure = 8;

// `run` works off the whole batch once.
template <typename Run>
void against_three_hashes(benchmark::State& state, const Messages& messages, const Run& run) {
  LeastTime ours;
  LeastTime hashes;
  for (auto _ : state) {
    ours.measure([&] {
      for (size_t i = 0; i < kRunsPerMeasure; ++i) run();
    });
    hashes.measure([&] {
      for (size_t i = 0; i < kRunsPerMeasure; ++i) {
        for (const mtproto::OpenJob& job : messages.open_jobs) three_hashes(job);
      }
    });
  }
  const size_t count = messages.frames.size() * kRunsPerMeasure;
  state.counters["ns_per_message"] = ours.per(count);
  state.counters["ns_three_hashes"] = hashes.per(count);
  state.counters["ratio"] = ours.per(count) / hashes.per(count);
}

void seal_many(benchmark::State& state) {
  Messages messages(static_cast<size_t>(state.range(1)), static_cast<size_t>(state.range(0)));
  against_three_hashes(state, messages, [&] { mtproto::seal_many(messages.seal_jobs); });
}

// Opening destroys the frame, so each run copies the sealed bytes back first; the copy is counted.
void open_many(benchmark::State& state) {
  const auto count = static_cast<size_t>(state.range(1));
  Messages messages(count, static_cast<size_t>(state.range(0)));
  mtproto::seal_many(messages.seal_jobs);
  const std::vector<Bytes> sealed = messages.frames;
  against_three_hashes(state, messages, [&] {
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(messages.frames[i].data(), sealed[i].data(), sealed[i].size());
    }
    mtproto::open_many(messages.open_jobs);
    if (messages.open_jobs[0].error != Error::kNone) state.SkipWithError("did not open");
  });
}

void register_kernels() {
  for (const crypto::AesKernel* kernel : crypto::aes_kernels()) {
    for (const bool encrypt : {false, true}) {
      const std::string name =
          std::string("ige_") + (encrypt ? "encrypt/" : "decrypt/") + kernel->name;
      benchmark::RegisterBenchmark(name.c_str(), ige, kernel, encrypt)
          ->Arg(128)
          ->Arg(512)
          ->Arg(1024);
    }
    const std::string name = std::string("ctr/") + kernel->name;
    benchmark::RegisterBenchmark(name.c_str(), ctr, kernel)->Arg(32)->Arg(208)->Arg(1104);
  }
  for (const crypto::ShaKernel* kernel : crypto::sha_kernels()) {
    const std::string name = std::string("sha256_batch/") + kernel->name;
    benchmark::RegisterBenchmark(name.c_str(), sha256_batch, kernel)->Arg(128)->Arg(512)->Arg(1024);
  }
}

BENCHMARK(open_many)->ArgsProduct({{128, 512, 1024}, {1, 2, 4, 16, 64}});
BENCHMARK(seal_many)->ArgsProduct({{128, 512, 1024}, {1, 2, 4, 16, 64}});

}  // namespace

int main(int argc, char** argv) {
  register_kernels();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
