// What the configuration promises of the running gateway: where its threads run, what
// --explain-config and --check-config print, and that it works with every option of the ring.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/utsname.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include "support/process.h"

namespace ringway::testing {
namespace {

using ::testing::HasSubstr;

constexpr int kTimeoutMs = 60'000;
constexpr int kUsage = 2;

struct Outcome {
  std::optional<int> status;
  std::string output;
};

Outcome run(const TempDir& directory, std::vector<std::string> arguments) {
  const std::string log = directory.file("output");
  std::filesystem::remove(log);
  ChildProcess child(arguments, directory.path(), log);
  const std::optional<int> status = child.wait(kTimeoutMs);
  return {status, read_text(log)};
}

Outcome run_ringway(const std::string& yaml, const std::string& flag) {
  const TempDir directory;
  if (yaml.empty()) return run(directory, {std::getenv("RINGWAY_BIN"), flag});
  write_text(directory.file("r.yaml"), yaml);
  return run(directory, {std::getenv("RINGWAY_BIN"), "-f", "r.yaml", flag});
}

// A gateway with its embedded shard. `ringway` is what stands below "Ringway:".
class Gateway {
 public:
  explicit Gateway(const std::string& ringway) {
    write_text(directory_.file("ringway.yaml"),
               fmt::format("Name: test\n"
                           "ListenOn: 127.0.0.1:{}\n"
                           "Gnetway: {{Server: [{{Addresses: [\"127.0.0.1:{}\"]}}]}}\n"
                           "Ringway:\n"
                           "  Limits: {{HandshakesPerAddressPerSecond: 0}}\n{}",
                           free_port(), port_, ringway));
    process_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{std::getenv("RINGWAY_BIN"), "-f", "ringway.yaml", "--data",
                                 directory_.path(), "--standalone", "--load-methods"},
        directory_.path(), directory_.file("log"));
    const auto over = [this] {
      return log().find("ready: clients") != std::string::npos || !process_->running();
    };
    EXPECT_TRUE(wait_until(over, kTimeoutMs) && process_->running()) << log();
  }

  // Messages whose arrival the shard counts, in a window and one at a time.
  void carry_load() const { carry_load(port_); }
  void carry_load(uint16_t port) const {
    for (const char* window : {"1", "16"}) {
      const Outcome load = run(directory_, {std::getenv("RINGWAY_LOAD_BIN"),
                                            "--addr",
                                            fmt::format("127.0.0.1:{}", port),
                                            "--key",
                                            directory_.file("server_pub.pem"),
                                            "--keys-file",
                                            directory_.file("keys"),
                                            "--connections",
                                            "16",
                                            "--keys",
                                            "4",
                                            "--mode",
                                            "quick-ack",
                                            "--verify",
                                            "--window",
                                            window,
                                            "--warmup",
                                            "100ms",
                                            "--duration",
                                            "500ms",
                                            "--size",
                                            "64=5,20000=1"});
      EXPECT_EQ(load.status, 0) << load.output;
      EXPECT_THAT(load.output, HasSubstr("\nerrors       none\n"));
    }
  }

  void stop() {
    process_->signal(SIGTERM);
    EXPECT_EQ(process_->wait(kTimeoutMs), 0) << log();
  }

  [[nodiscard]] std::string log() const { return read_text(directory_.file("log")); }

  struct Thread {
    int id = 0;
    std::string name;
    std::string cores;  // as the kernel writes them: "0-1"
  };
  [[nodiscard]] std::vector<Thread> threads() const {
    std::vector<Thread> found;
    const std::string tasks = fmt::format("/proc/{}/task", process_->pid());
    for (const auto& entry : std::filesystem::directory_iterator(tasks)) {
      Thread thread;
      thread.id = std::stoi(entry.path().filename().string());
      std::ifstream status(entry.path() / "status");
      for (std::string line; std::getline(status, line);) {
        const std::string value = line.substr(std::min(line.find('\t') + 1, line.size()));
        if (line.starts_with("Name:")) thread.name = value;
        if (line.starts_with("Cpus_allowed_list:")) thread.cores = value;
      }
      found.push_back(thread);
    }
    return found;
  }
  [[nodiscard]] bool is_main(const Thread& thread) const { return thread.id == process_->pid(); }

 private:
  TempDir directory_;
  uint16_t port_ = free_port();
  std::unique_ptr<ChildProcess> process_;
};

// The threads of gRPC, of the gateway's service and of the embedded shard: all that is not main, a
// worker, the crypto pool, the resolver of names or the kernel's.
void expect_placed(const Gateway& gateway, const std::string& worker, const std::string& grpc,
                   const std::string& crypto) {
  size_t others = 0;
  for (const Gateway::Thread& thread : gateway.threads()) {
    if (thread.name.starts_with("rw-worker")) {
      EXPECT_EQ(thread.cores, worker) << thread.name;
    } else if (thread.name.starts_with("rw-crypto")) {
      EXPECT_EQ(thread.cores, crypto) << thread.name;
    } else if (!gateway.is_main(thread) && thread.name != "rw-names" &&
               !thread.name.starts_with("iou-")) {
      ++others;
      EXPECT_EQ(thread.cores, grpc) << thread.name;
    }
  }
  EXPECT_GT(others, 2U) << "gRPC has threads";
}

class Cores : public ::testing::Test {
 protected:
  void SetUp() override {
    cpu_set_t set;
    CPU_ZERO(&set);
    ASSERT_EQ(sched_getaffinity(0, sizeof set, &set), 0);
    if (!CPU_ISSET(0, &set) || !CPU_ISSET(1, &set)) GTEST_SKIP() << "cores 0 and 1 are needed";
    for (int core = 0; core < CPU_SETSIZE; ++core) {
      if (CPU_ISSET(core, &set) && core > last_) last_ = core;
    }
  }
  // All that this process may use, as the kernel writes it where there are no gaps.
  [[nodiscard]] std::string all() const { return fmt::format("0-{}", last_); }
  [[nodiscard]] std::string all_but_first() const {
    return last_ == 1 ? "1" : fmt::format("1-{}", last_);
  }

  int last_ = 0;
};

TEST_F(Cores, GrpcStaysOffTheWorkersCores) {
  for (const char* link : {"ring", "grpc"}) {
    Gateway gateway(fmt::format("  Workers: {{Cores: 0}}\n  Session: {{Link: {}}}\n", link));
    EXPECT_THAT(gateway.log(), HasSubstr("gRPC's threads on cores: " + all_but_first()));
    gateway.carry_load();
    expect_placed(gateway, "0", all_but_first(), all());
    gateway.stop();
  }
}

TEST_F(Cores, ListsAreFollowed) {
  Gateway gateway(
      "  Workers: {Count: 1, Cores: 1}\n  Grpc: {Cores: [0]}\n  Crypto: {Cores: [0, 1]}\n"
      "  Session: {Link: grpc}\n");
  gateway.carry_load();
  expect_placed(gateway, "1", "0", "0-1");
  size_t pool = 0;
  for (const Gateway::Thread& thread : gateway.threads()) pool += thread.name == "rw-crypto";
  EXPECT_EQ(pool, 2U) << "one at idle priority for each core of the list";
  gateway.stop();
}

TEST_F(Cores, UnpinnedWorkersKeepNobodyAway) {
  Gateway gateway("  Workers: {Count: 2}\n");
  EXPECT_THAT(gateway.log(), HasSubstr("gRPC's threads on cores: any"));
  expect_placed(gateway, all(), all(), all());
  gateway.stop();
}

TEST(CoresOfTheFile, MustBeThere) {
  const std::string yaml =
      "Ringway:\n"
      "  Grpc:\n"
      "    Cores: [0, 4095]\n";
  for (const char* flag : {"--check-config", "--explain-config", "--standalone"}) {
    const Outcome outcome = run_ringway(yaml, flag);
    EXPECT_EQ(outcome.status, kUsage) << flag;
    EXPECT_THAT(outcome.output,
                HasSubstr("error: r.yaml:3: Ringway.Grpc.Cores: core 4095 is not there"))
        << flag;
  }
}

TEST(Listeners, OfBothListsAreServed) {
  const uint16_t other = free_port();
  Gateway gateway(fmt::format("  Listeners: [{{Address: \"127.0.0.1:{}\"}}]\n", other));
  EXPECT_THAT(gateway.log(), HasSubstr(fmt::format(", 127.0.0.1:{}, shards call", other)));
  gateway.carry_load();
  gateway.carry_load(other);
  gateway.stop();
}

TEST(Listeners, AreCheckedBeforeAnythingStarts) {
  const std::string yaml =
      "Ringway:\n"
      "  Listeners:\n"
      "    - Address: \":443\"\n"
      "      Tls: {Cert: missing.pem, Key: missing.key}\n"
      "      Secrets: [ee00112233445566778899aabbccddeeff6578616d706c652e636f6d, 77c0ffee77]\n";
  for (const char* flag : {"--check-config", "--explain-config", "--standalone"}) {
    const Outcome outcome = run_ringway(yaml, flag);
    EXPECT_EQ(outcome.status, kUsage) << flag;
    EXPECT_THAT(outcome.output, HasSubstr("error: r.yaml:4: Ringway.Listeners.Tls.Cert: cannot "
                                          "read missing.pem: No such file"));
    EXPECT_THAT(outcome.output,
                HasSubstr("error: r.yaml:4: Ringway.Listeners.Tls: ee secrets only"));
    EXPECT_THAT(outcome.output, HasSubstr("error: r.yaml:5: Ringway.Listeners.Secrets: entry 2: "));
    EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("c0ffee"))) << "secrets are not shown";
    EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("001122"))) << "secrets are not shown";
  }
}

TEST(ExplainConfig, TellsValuesAndWhereTheyComeFrom) {
  const Outcome defaults = run_ringway("", "--explain-config");
  EXPECT_EQ(defaults.status, 0);
  EXPECT_THAT(defaults.output,
              HasSubstr("\nRingway.Workers.RingEntries: 4096 entries  [default]\n"));
  EXPECT_THAT(defaults.output, HasSubstr("connections  [auto: the limit of open files "));
  EXPECT_EQ(defaults.output, run_ringway("", "--explain-config").output) << "a stable order";
  const Outcome file = run_ringway(
      "Ringway:\n  Workers:\n    Count: 2\n    PerCore: [{Core: 1, WindowMessages: 128}]\n",
      "--explain-config");
  EXPECT_EQ(file.status, 0);
  EXPECT_THAT(file.output, HasSubstr("\nRingway.Workers.Count: 2 workers  [r.yaml:3]\n"));
  EXPECT_THAT(file.output, HasSubstr("\nworker 1 on any core: WindowMessages=128 [r.yaml:4]\n"));
}

TEST(ExplainConfig, RefusesWhatTheCheckRefuses) {
  const std::string yaml = "Ringway:\n  Workers: {Cout: 2, BatchMessages: 0}\nBogus: 1\n";
  const Outcome check = run_ringway(yaml, "--check-config");
  const Outcome explained = run_ringway(yaml, "--explain-config");
  EXPECT_EQ(check.status, kUsage);
  EXPECT_EQ(explained.status, kUsage);
  EXPECT_EQ(explained.output, check.output);
  EXPECT_THAT(check.output, HasSubstr("error: r.yaml:2: Ringway.Workers.BatchMessages: expected a "
                                      "number from 1 to 4096, found \"0\"\n"));
}

// Linux before 6.9 refuses it at start-up, which tests/net looks at.
bool kernel_busy_polls() {
  utsname names{};
  unsigned major = 0;
  unsigned minor = 0;
  EXPECT_EQ(uname(&names), 0);
  EXPECT_EQ(std::sscanf(names.release, "%u.%u", &major, &minor), 2);
  return major > 6 || (major == 6 && minor >= 9);
}

TEST(RingOptions, BusyPoll) {
  if (!kernel_busy_polls()) GTEST_SKIP() << "needs Linux 6.9";
  Gateway gateway("  Workers: {Count: 2, BusyPollMicroseconds: 50}\n");
  EXPECT_THAT(gateway.log(), HasSubstr("busy poll of 50 us"));
  gateway.carry_load();
  gateway.stop();
}

TEST(RingOptions, SubmissionPoll) {
  for (const char* where : {"any", "0"}) {
    Gateway gateway(
        fmt::format("  Workers: {{Count: 2, SubmissionPoll: {}, "
                    "SubmissionPollIdleMilliseconds: 5}}\n",
                    where));
    EXPECT_THAT(gateway.log(), HasSubstr("submission poll"));
    gateway.carry_load();
    size_t pollers = 0;
    for (const Gateway::Thread& thread : gateway.threads()) {
      if (!thread.name.starts_with("iou-sqp")) continue;
      ++pollers;
      EXPECT_EQ(thread.cores == "0", where == std::string("0")) << thread.cores;
    }
    EXPECT_EQ(pollers, 2U);
    gateway.stop();
  }
}

// The smallest queue and few buffers: the polling thread falls behind, and nothing is lost.
TEST(RingOptions, SubmissionPollWithASmallRing) {
  Gateway gateway(
      "  Workers: {Count: 2, RingEntries: 64, Buffers: 64, BufferBytes: 1024,\n"
      "            TurnCompletions: 16, SubmissionPoll: any}\n");
  gateway.carry_load();
  gateway.stop();
}

TEST(Tuning, SmallestBatchesAndWindowsLoseNothing) {
  Gateway gateway(
      "  Workers: {Count: 2, TurnCompletions: 16, BatchMessages: 1, BatchBytes: 4096,\n"
      "            BatchesPerTurn: 1, WindowMessages: 64, WindowBytes: 128KiB,\n"
      "            KeyCacheEntries: 1}\n");
  gateway.carry_load();
  gateway.stop();
}

TEST(Tuning, LargestBatchesAndWindowsLoseNothing) {
  Gateway gateway(
      "  Workers: {Count: 2, TurnCompletions: 65536, BatchMessages: 4096, BatchBytes: 1MiB,\n"
      "            BatchesPerTurn: 64, WindowMessages: 1048576, WindowBytes: 1GiB}\n");
  gateway.carry_load();
  gateway.stop();
}

}  // namespace
}  // namespace ringway::testing
