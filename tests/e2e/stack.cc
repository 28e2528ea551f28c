#include "e2e/stack.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <cstdlib>

#include "client/stream_socket.h"

namespace ringway::testing {
namespace {

constexpr int kStartTimeoutMs = 15'000;
constexpr int kStopTimeoutMs = 15'000;

std::string program(const char* variable) {
  const char* path = std::getenv(variable);
  EXPECT_NE(path, nullptr) << variable << " is not set";
  return path == nullptr ? std::string("/nonexistent") : std::string(path);
}

// A 2048-bit key takes a while to make; one serves all stacks of a test program.
std::shared_ptr<const crypto::RsaKey> server_key() {
  static const auto key = crypto::RsaKey::generate();
  return key;
}

bool listens(uint16_t port) {
  client::StreamSocket socket;
  return socket.connect("127.0.0.1:" + std::to_string(port), kNsPerSecond).ok();
}

}  // namespace

Stack::Stack(StackOptions options) : options_(std::move(options)), key_(server_key()) {
  port_ = free_port();
  service_port_ = free_port();
  shard_port_ = free_port();
  const std::string key_file = directory_.file("server_key.pem");
  write_text(key_file, key_->private_pem());
  chmod(key_file.c_str(), 0600);
  write_text(directory_.file("server_pub.pem"), key_->public_pem());
  start_shard(options_.shard_arguments);
  start_gateway();
}

Stack::~Stack() {
  if (::testing::Test::HasFailure()) {
    const std::string log = gateway_log();
    const size_t shown = std::min<size_t>(log.size(), 4000);
    fmt::print("--- the gateway's log ends so:\n{}---\n", log.substr(log.size() - shown));
  }
}

client::HandshakeOptions Stack::handshake() const {
  client::HandshakeOptions options;
  options.keys = {{key_, key_->fingerprint()}};
  return options;
}

void Stack::start_shard(const std::vector<std::string>& arguments) {
  std::vector<std::string> command = {program("RINGWAY_SHARD_BIN"),
                                      "--listen",
                                      fmt::format("127.0.0.1:{}", shard_port_),
                                      "--data",
                                      directory_.file("shard"),
                                      "--record",
                                      directory_.file("record"),
                                      "--public",
                                      address()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  mkdir(directory_.file("shard").c_str(), 0700);
  shard_ = std::make_unique<ChildProcess>(command, directory_.path(), directory_.file("shard.log"));
  const bool started =
      wait_until([this] { return listens(shard_port_) || !shard_->running(); }, kStartTimeoutMs);
  ASSERT_TRUE(started && shard_->running()) << read_text(directory_.file("shard.log"));
}

void Stack::start_gateway() {
  write_text(
      directory_.file("ringway.yaml"),
      fmt::format("Name: test\n"
                  "ListenOn: 127.0.0.1:{}\n"
                  "Gnetway:\n"
                  "  Server:\n"
                  "    - Proto: tcp\n"
                  "      Addresses: [\"127.0.0.1:{}\"]\n"
                  "{}"
                  "Ringway:\n"
                  "  Workers: {{Count: {}, RingEntries: 1024, Buffers: 512}}\n{}",
                  service_port_, port_,
                  options_.cluster_yaml.empty()
                      ? fmt::format("Session:\n  Endpoints: [\"127.0.0.1:{}\"]\n", shard_port_)
                      : options_.cluster_yaml,
                  options_.workers, options_.ringway_yaml));
  gateway_ = std::make_unique<ChildProcess>(
      std::vector<std::string>{program("RINGWAY_BIN"), "-f", directory_.file("ringway.yaml"),
                               "--data", directory_.path()},
      directory_.path(), directory_.file("gateway.log"));
  const bool started =
      wait_until([this] { return listens(port_) || !gateway_->running(); }, kStartTimeoutMs);
  ASSERT_TRUE(started && gateway_->running()) << gateway_log();
}

void Stack::stop_shard() {
  shard_->signal(SIGTERM);
  EXPECT_EQ(shard_->wait(kStopTimeoutMs), 0) << read_text(directory_.file("shard.log"));
}

void Stack::stop_gateway() {
  gateway_->signal(SIGTERM);
  EXPECT_EQ(gateway_->wait(kStopTimeoutMs), 0) << gateway_log();
}

std::map<std::string, uint64_t> Stack::counters() {
  static constexpr std::string_view kMark = "counters:";
  // A file being written may be read while it holds but the first pages of a line: what has not
  // ended is not there yet.
  const auto whole_lines = [this] {
    std::string log = gateway_log();
    log.resize(log.rfind('\n') + 1);
    return log;
  };
  const auto count_marks = [&] {
    const std::string log = whole_lines();
    size_t marks = 0;
    for (size_t at = log.find(kMark); at != std::string::npos; at = log.find(kMark, at + 1))
      ++marks;
    return marks;
  };
  const size_t before = count_marks();
  gateway_->signal(SIGUSR1);
  EXPECT_TRUE(wait_until([&] { return count_marks() > before; }, 5000)) << "no counters";
  const std::string log = whole_lines();
  size_t at = log.rfind(kMark);
  std::map<std::string, uint64_t> found;
  if (at == std::string::npos) return found;
  at += kMark.size();
  const std::string line = log.substr(at, log.find('\n', at) - at);
  size_t begin = 0;
  while ((begin = line.find_first_not_of(' ', begin)) != std::string::npos) {
    const size_t end = std::min(line.find(' ', begin), line.size());
    const size_t equals = line.find('=', begin);
    if (equals < end) {
      found[line.substr(begin, equals - begin)] =
          std::stoull(line.substr(equals + 1, end - equals - 1));
    }
    begin = end;
  }
  return found;
}

uint64_t Stack::counter(const std::string& name) {
  const auto all = counters();
  const auto found = all.find(name);
  EXPECT_NE(found, all.end()) << "no counter " << name;
  return found == all.end() ? 0 : found->second;
}

bool Stack::wait_counter(const std::string& name, uint64_t at_least, int timeout_ms) {
  return wait_until([&] { return counter(name) >= at_least; }, timeout_ms);
}

std::vector<std::string> Stack::record(const std::string& text) const {
  const std::string all = read_text(directory_.file("record"));
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < all.size();) {
    const size_t end = std::min(all.find('\n', begin), all.size());
    const std::string line = all.substr(begin, end - begin);
    if (line.find(text) != std::string::npos) lines.push_back(line);
    begin = end + 1;
  }
  return lines;
}

std::string field(const std::string& line, const std::string& name) {
  const std::string mark = " " + name + "=";
  const size_t at = line.find(mark);
  if (at == std::string::npos) return {};
  const size_t begin = at + mark.size();
  return line.substr(begin, line.find(' ', begin) - begin);
}

mtproto::ClientTransportOptions transport(std::string_view name) {
  const auto options = mtproto::client_transport_by_name(name);
  EXPECT_TRUE(options.ok()) << name;
  return *options;
}

}  // namespace ringway::testing
