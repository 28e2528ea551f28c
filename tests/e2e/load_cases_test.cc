// ringway-load against the gateway with its embedded shard: short runs of every kind, and what it
// prints and leaves behind.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <map>

#include "crypto/rsa.h"
#include "e2e/door_test.h"

namespace ringway::testing {
namespace {

constexpr int kRunTimeoutMs = 60'000;

class LoadCases : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    directory_ = std::make_unique<TempDir>();
    port_ = free_port();
    for (uint16_t* port : {&websocket_port_, &tls_port_, &fake_tls_port_}) *port = free_port();
    const CertificateFiles certificate = make_certificate_files(*directory_, "door");
    write_text(
        directory_->file("ringway.yaml"),
        "Name: test\nListenOn: 127.0.0.1:" + std::to_string(free_port()) +
            "\nGnetway:\n  Server:\n    - Proto: tcp\n      Addresses: [\"127.0.0.1:" +
            std::to_string(port_) +
            "\"]\nRingway:\n  Workers: {Count: 2, RingEntries: 1024, Buffers: 512}\n"
            "  Limits: {HandshakesPerAddressPerSecond: 0, UnknownKeysPerAddressPerSecond: 0, "
            "TlsHandshakesPerAddressPerSecond: 0, CryptoJobsPerAddress: 0}\n" +
            fmt::format("  Listeners:\n"
                        "    - {{Address: \"127.0.0.1:{}\", Proto: websocket}}\n"
                        "    - {{Address: \"127.0.0.1:{}\", Proto: auto, "
                        "Tls: {{Cert: {}, Key: {}}}}}\n"
                        "    - {{Address: \"127.0.0.1:{}\", Proto: tcp, Secrets: [{}]}}\n",
                        websocket_port_, tls_port_, certificate.certificate, certificate.key,
                        fake_tls_port_, fake_tls_secret_text()));
    gateway_ = std::make_unique<ChildProcess>(
        std::vector<std::string>{std::getenv("RINGWAY_BIN"), "-f", "ringway.yaml", "--data",
                                 directory_->path(), "--standalone", "--load-methods"},
        directory_->path(), directory_->file("gateway.log"));
    ASSERT_TRUE(wait_until(
        [] {
          return read_text(directory_->file("gateway.log")).find("ready: clients") !=
                 std::string::npos;
        },
        kRunTimeoutMs))
        << read_text(directory_->file("gateway.log"));
  }
  static void TearDownTestSuite() {
    if (gateway_) {
      gateway_->signal(SIGTERM);
      EXPECT_EQ(gateway_->wait(kRunTimeoutMs), 0) << read_text(directory_->file("gateway.log"));
    }
    gateway_.reset();
    directory_.reset();
  }

  // The output of a run with the usual and these arguments; its exit status is in status_.
  std::string run(const std::vector<std::string>& arguments) {
    std::map<std::string, std::string> usual = {{"--addr", "127.0.0.1:" + std::to_string(port_)},
                                                {"--key", directory_->file("server_pub.pem")},
                                                {"--keys-file", directory_->file("keys")},
                                                {"--connections", "8"},
                                                {"--keys", "4"},
                                                {"--warmup", "100ms"},
                                                {"--duration", "400ms"}};
    for (const std::string& argument : arguments) usual.erase(argument);
    std::vector<std::string> command = {std::getenv("RINGWAY_LOAD_BIN")};
    for (const auto& [name, value] : usual) command.insert(command.end(), {name, value});
    command.insert(command.end(), arguments.begin(), arguments.end());
    const std::string log = directory_->file("load." + std::to_string(++runs_));
    ChildProcess load(command, directory_->path(), log);
    status_ = load.wait(kRunTimeoutMs);
    return read_text(log);
  }

  void expect_good(const std::vector<std::string>& arguments) {
    const std::string output = run(arguments);
    EXPECT_EQ(status_, 0) << output;
    EXPECT_NE(output.find("\nerrors       none\n"), std::string::npos) << output;
    EXPECT_EQ(output.find('\x1b'), std::string::npos) << "no live view into a file: " << output;
  }

  static inline std::unique_ptr<TempDir> directory_;
  static inline std::unique_ptr<ChildProcess> gateway_;
  static inline uint16_t port_ = 0;
  static inline uint16_t websocket_port_ = 0;
  static inline uint16_t tls_port_ = 0;
  static inline uint16_t fake_tls_port_ = 0;
  static inline int runs_ = 0;
  std::optional<int> status_;
};

TEST_F(LoadCases, EveryModeClosedAndOpen) {
  for (const char* mode : {"ping", "quick-ack", "echo", "reconnect"}) {
    expect_good({"--mode", mode});
    expect_good({"--mode", mode, "--rate", "100", "--burst", "5", "--drain", "20s"});
  }
}

// A crowd through each door, all of its messages accounted for.
TEST_F(LoadCases, EveryDoor) {
  const auto through = [this](std::vector<std::string> door, uint16_t port) {
    door.insert(door.end(), {"--addr", fmt::format("127.0.0.1:{}", port), "--connections", "200",
                             "--keys", "20", "--threads", "2"});
    for (const char* mode : {"ping", "quick-ack", "echo", "reconnect"}) {
      SCOPED_TRACE(door[1] + " " + mode);
      std::vector<std::string> arguments = door;
      arguments.insert(arguments.end(), {"--mode", mode});
      if (std::string_view(mode) == "quick-ack") arguments.emplace_back("--verify");
      expect_good(arguments);
    }
  };
  const std::string ca = directory_->file("door.pem");
  through({"--transport", "ws"}, websocket_port_);
  through(
      {"--transport", "wss=2,wss-obfuscated-padded=1", "--ca", ca, "--server-name", "localhost"},
      tls_port_);
  through({"--transport", "tls-abridged=1,tls=1,wss=1", "--ca", ca, "--server-name", "localhost"},
          tls_port_);
  through({"--transport", "faketls", "--secret", fake_tls_secret_text()}, fake_tls_port_);
}

TEST_F(LoadCases, KeyExchanges) {
  const std::string output = run({"--mode", "handshake", "--keys-file", ""});
  EXPECT_EQ(status_, 0) << output;
}

TEST_F(LoadCases, AMixedCrowdFromManyAddressesLosesNothing) {
  const std::string output =
      run({"--mode",
           "quick-ack",
           "--verify",
           "--json",
           "--connections",
           "40",
           "--active",
           "10",
           "--threads",
           "2",
           "--source",
           "127.0.5.1-127.0.5.9",
           "--window",
           "4",
           "--transport",
           "abridged,intermediate,padded,obfuscated-abridged,obfuscated-intermediate=2",
           "--size",
           "64=5,1024=1,40000=1",
           "--gateway-pid",
           std::to_string(gateway_->pid())});
  EXPECT_EQ(status_, 0) << output;
  for (const char* text :
       {"\"ok\":true", "\"connections_ready\":40", "\"active\":10", "\"lost\":0,\"surplus\":0",
        "\"unasked\":0", "\"gateway\":{\"cpu_us_per_message\"", "\"series_us\":[{"}) {
    EXPECT_NE(output.find(text), std::string::npos) << text << " in " << output;
  }
}

// Every connection has a key of its own, bound to one of the crowd's.
TEST_F(LoadCases, TemporaryKeysAreBoundAndCarryEveryMode) {
  const auto bound = [] {
    const std::string log = directory_->file("gateway.log");
    const size_t before = read_text(log).size();
    gateway_->signal(SIGUSR1);
    std::string counters;
    EXPECT_TRUE(wait_until(
        [&] {
          counters = read_text(log).substr(before);
          return counters.find(" binds_confirmed=") != std::string::npos && counters.back() == '\n';
        },
        kRunTimeoutMs));
    const size_t at = counters.find(" binds_confirmed=") + std::strlen(" binds_confirmed=");
    return std::stoul(counters.substr(at));
  };
  const size_t before = bound();
  expect_good({"--mode", "ping", "--temporary-keys"});
  EXPECT_EQ(bound(), before + 8);
  expect_good({"--mode", "reconnect", "--temporary-keys=1h", "--connections", "4"});
  EXPECT_EQ(bound(), before + 12) << "who comes back keeps his key";
  const std::string output = run({"--mode", "quick-ack", "--verify", "--json", "--temporary-keys"});
  EXPECT_EQ(status_, 0) << output;
  EXPECT_NE(output.find("\"lost\":0,\"surplus\":0"), std::string::npos) << output;
  EXPECT_EQ(bound(), before + 20);
}

TEST_F(LoadCases, StepsAndTheSearch) {
  EXPECT_NE(run({"--mode", "echo", "--steps", "50,100"}).find(" 100 "), std::string::npos);
  EXPECT_EQ(status_, 0);
  const std::string output =
      run({"--mode", "ping", "--rate", "8", "--find-rate", "--p99", "1ms", "--duration", "300ms"});
  ASSERT_TRUE(status_) << "whatever rate this machine keeps, the search ends";
  EXPECT_NE(output.find("rate/s"), std::string::npos) << output;
}

TEST_F(LoadCases, SeveralProcessesBeginTogether) {
  const std::string at = std::to_string(read_clocks().unix_seconds() + 3);
  std::vector<std::unique_ptr<ChildProcess>> loads;
  for (const char* log : {"first", "second"}) {
    loads.push_back(std::make_unique<ChildProcess>(
        std::vector<std::string>{std::getenv("RINGWAY_LOAD_BIN"), "--addr",
                                 "127.0.0.1:" + std::to_string(port_), "--key",
                                 directory_->file("server_pub.pem"), "--connections", "2",
                                 "--duration", "200ms", "--warmup", "0", "--start-at", at},
        directory_->path(), directory_->file(log)));
  }
  for (const auto& load : loads) EXPECT_EQ(load->wait(kRunTimeoutMs), 0);
}

TEST_F(LoadCases, LeavesPercentilesForPlotters) {
  expect_good({"--percentiles", directory_->file("run.hgrm")});
  const std::string text = read_text(directory_->file("run.hgrm"));
  EXPECT_EQ(text.find("       Value     Percentile TotalCount 1/(1-Percentile)\n\n"), 0U) << text;
  EXPECT_NE(text.find(" 0.500000000000 "), std::string::npos) << text;
  EXPECT_NE(text.find("#[Buckets ="), std::string::npos) << text;
}

TEST_F(LoadCases, DrawsAPlotOrSaysWhatIsMissing) {
  const std::string file = directory_->file("run.svg");
  const std::string output = run({"--plot", file});
  if (status_ == 0) {
    EXPECT_NE(read_text(file).find("<svg"), std::string::npos);
  } else {
    EXPECT_NE(output.find("gnuplot, which is not installed"), std::string::npos) << output;
  }
}

TEST_F(LoadCases, RefusesWhatMakesNoSense) {
  const auto expect_refused = [this](const std::vector<std::string>& arguments, const char* why) {
    const std::string output = run(arguments);
    EXPECT_EQ(status_, 1) << output;
    EXPECT_NE(output.find(why), std::string::npos) << output;
  };
  expect_refused({"--mode", "pong"}, "unknown mode 'pong'");
  expect_refused({"--transport", "carrier-pigeon"}, "unknown transport");
  expect_refused({"--size", "12,x"}, "no size");
  expect_refused({"--source", "localhost"}, "no IPv4 address");
  expect_refused({"--steps", "1,a"}, "no rates");
  expect_refused({"--duration", "long"}, "not a duration");
  expect_refused({"--find-rate"}, "needs a rate");
  expect_refused({"--connections", "4000000"}, "--start-at");
  expect_refused({"--start-at", "1"}, "after the time to start");
}

}  // namespace
}  // namespace ringway::testing
