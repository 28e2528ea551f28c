// Benchmarks of the crypto that every message pays for: IGE by kernel, hashes, opening and sealing.
//
// IGE prints its ratio to the portable kernel of the same length and direction; opening and sealing
// print nanoseconds per message at the batch sizes that a quiet and a busy turn have.

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "base/clock.h"
#include "crypto/aes_kernel.h"
#include "crypto/sha.h"
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

void sha256_batch(benchmark::State& state) {
  constexpr size_t kMessages = 64;
  const auto bytes = static_cast<size_t>(state.range(0));
  const Bytes prefix = seeded_bytes(32, 1);
  const Bytes body = seeded_bytes(bytes, 2);
  std::vector<crypto::Sha256Job> jobs(kMessages);
  for (crypto::Sha256Job& job : jobs) job = {prefix, body, {}};
  const CpuTimer timer;
  for (auto _ : state) {
    crypto::sha256_many(jobs);
    benchmark::DoNotOptimize(jobs.data());
  }
  report(state, timer, kMessages);
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

void seal_many(benchmark::State& state) {
  const auto body_bytes = static_cast<size_t>(state.range(0));
  const auto count = static_cast<size_t>(state.range(1));
  Messages messages(count, body_bytes);
  const CpuTimer timer;
  for (auto _ : state) {
    mtproto::seal_many(messages.seal_jobs);
    benchmark::ClobberMemory();
  }
  report(state, timer, count);
}

// Opening destroys the frame, so each round copies the sealed bytes back first; the copy costs a
// few tens of nanoseconds and is counted.
void open_many(benchmark::State& state) {
  const auto body_bytes = static_cast<size_t>(state.range(0));
  const auto count = static_cast<size_t>(state.range(1));
  Messages messages(count, body_bytes);
  mtproto::seal_many(messages.seal_jobs);
  const std::vector<Bytes> sealed = messages.frames;
  const CpuTimer timer;
  for (auto _ : state) {
    for (size_t i = 0; i < count; ++i) {
      std::memcpy(messages.frames[i].data(), sealed[i].data(), sealed[i].size());
    }
    mtproto::open_many(messages.open_jobs);
    if (messages.open_jobs[0].error != Error::kNone) state.SkipWithError("did not open");
  }
  report(state, timer, count);
}

void register_ige() {
  for (const crypto::AesKernel* kernel : crypto::aes_kernels()) {
    for (const bool encrypt : {false, true}) {
      const std::string name =
          std::string("ige_") + (encrypt ? "encrypt/" : "decrypt/") + kernel->name;
      benchmark::RegisterBenchmark(name.c_str(), ige, kernel, encrypt)
          ->Arg(128)
          ->Arg(512)
          ->Arg(1024);
    }
  }
}

BENCHMARK(sha256_batch)->Arg(128)->Arg(512)->Arg(1024);
BENCHMARK(open_many)->ArgsProduct({{128, 512, 1024}, {1, 64}});
BENCHMARK(seal_many)->ArgsProduct({{128, 512, 1024}, {1, 64}});

}  // namespace

int main(int argc, char** argv) {
  register_ige();
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
