#include "support/etcd_server.h"

#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

namespace ringway::testing {
namespace {

constexpr int kStartTimeoutMs = 20'000;
constexpr int kCommandTimeoutMs = 20'000;

std::string name_of(size_t member) { return "m" + std::to_string(member); }

}  // namespace

EtcdServer::EtcdServer(EtcdServerOptions options)
    : options_(std::move(options)), members_(options_.members) {
  for (Member& member : members_) {
    member.client_port = free_port();
    member.peer_port = free_port();
  }
  if (options_.tls) make_certificates();
}

std::string EtcdServer::url(uint16_t port, bool tls) const {
  return (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(port);
}

std::vector<std::string> EtcdServer::hosts() const {
  std::vector<std::string> all;
  for (const Member& member : members_) {
    all.push_back("127.0.0.1:" + std::to_string(member.client_port));
  }
  return all;
}

void EtcdServer::start() {
  for (size_t i = 0; i < members_.size(); ++i) start_member(i);
  const auto ended = [this] {
    return std::any_of(members_.begin(), members_.end(),
                       [](const Member& member) { return !member.process->running(); });
  };
  (void)wait_until([&] { return ended() || serves(); }, kStartTimeoutMs);
  ASSERT_TRUE(!ended() && serves()) << read_text(directory_.file("m0.log"));
}

void EtcdServer::start_member(size_t number) {
  Member& member = members_[number];
  std::string cluster;
  for (size_t i = 0; i < members_.size(); ++i) {
    cluster += (i == 0 ? "" : ",") + name_of(i) + "=" + url(members_[i].peer_port, false);
  }
  const std::string client_url = url(member.client_port, options_.tls);
  const std::string peer_url = url(member.peer_port, false);
  std::vector<std::string> command = {
      "etcd", "--name", name_of(number), "--data-dir", directory_.file(name_of(number)),
      "--listen-client-urls", client_url, "--advertise-client-urls", client_url,
      "--listen-peer-urls", peer_url, "--initial-advertise-peer-urls", peer_url,
      "--initial-cluster", cluster,
      // Quick elections, and leases that may be short.
      "--heartbeat-interval", "30", "--election-timeout", "300", "--logger", "zap", "--log-level",
      "error", "--log-outputs", "stderr"};
  if (options_.tls) {
    for (const auto& [flag, name] :
         {std::pair{"--cert-file", "server.pem"}, std::pair{"--key-file", "server.key"},
          std::pair{"--trusted-ca-file", "ca.pem"}}) {
      command.emplace_back(flag);
      command.push_back(directory_.file(name));
    }
    command.emplace_back("--client-cert-auth");
  }
  command.insert(command.end(), options_.arguments.begin(), options_.arguments.end());
  member.process = std::make_unique<ChildProcess>(command, directory_.path(),
                                                  directory_.file(name_of(number) + ".log"));
}

void EtcdServer::kill(size_t member) {
  members_[member].process->signal(SIGKILL);
  (void)members_[member].process->wait(kCommandTimeoutMs);
  members_[member].process.reset();
}

void EtcdServer::freeze(size_t member) {
  const ChildProcess& process = *members_[member].process;
  process.signal(SIGSTOP);
  // The signal is on its way when kill() returns, and a thread that runs may still answer.
  const auto stopped = [&process] {
    const std::string tasks = "/proc/" + std::to_string(process.pid()) + "/task";
    for (const auto& task : std::filesystem::directory_iterator(tasks)) {
      const std::string stat = read_text(task.path().string() + "/stat");
      if (!stat.substr(stat.rfind(')')).starts_with(") T")) return false;
    }
    return true;
  };
  EXPECT_TRUE(wait_until(stopped, kCommandTimeoutMs));
}

void EtcdServer::thaw(size_t member) { members_[member].process->signal(SIGCONT); }

void EtcdServer::kill_all() {
  for (size_t i = 0; i < members_.size(); ++i) kill(i);
}

void EtcdServer::forget(size_t member) {
  std::filesystem::remove_all(directory_.file(name_of(member)));
}

std::string EtcdServer::run(const std::vector<std::string>& arguments,
                            const std::string& output) const {
  ChildProcess child(arguments, directory_.path(), output);
  const auto status = child.wait(kCommandTimeoutMs);
  std::string text = read_text(output);
  std::filesystem::remove(output);
  if (status != 0) return "status " + std::to_string(status.value_or(-1)) + ": " + text;
  return text;
}

bool EtcdServer::serves() const {
  // Serving means that there is a leader: a read needs one.
  return etcdctl({"get", "nothing"}).empty();
}

std::string EtcdServer::etcdctl(const std::vector<std::string>& arguments) const {
  static std::atomic<int> runs{0};
  std::string endpoints;
  for (const Member& member : members_) {
    if (member.process == nullptr) continue;
    endpoints +=
        (endpoints.empty() ? "127.0.0.1:" : ",127.0.0.1:") + std::to_string(member.client_port);
  }
  std::vector<std::string> command = {"etcdctl", "--endpoints", endpoints};
  if (options_.tls) {
    for (const auto& [flag, name] :
         {std::pair{"--cert", "client.pem"}, std::pair{"--key", "client.key"},
          std::pair{"--cacert", "ca.pem"}}) {
      command.emplace_back(flag);
      command.push_back(directory_.file(name));
    }
  }
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run(command, directory_.file("ctl." + std::to_string(++runs)));
}

std::string EtcdServer::ctl(const std::vector<std::string>& arguments) const {
  std::string text = etcdctl(arguments);
  EXPECT_FALSE(text.starts_with("status ")) << text;
  return text;
}

std::string EtcdServer::keys(const std::string& prefix) const {
  // Keys and values stand on lines of their own, one after the other.
  const std::string text = ctl({"get", "--prefix", prefix + "/"});
  std::string joined = text;
  bool after_key = true;
  for (char& c : joined) {
    if (c != '\n') continue;
    if (after_key) c = ' ';
    after_key = !after_key;
  }
  return joined;
}

std::optional<std::string> EtcdServer::only_value(const std::string& prefix) const {
  const std::string text = keys(prefix);
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find('\n') + 1 != text.size()) return std::nullopt;
  return text.substr(space + 1, text.size() - space - 2);
}

std::string EtcdServer::only_id(const std::string& prefix) const {
  const std::string text = keys(prefix);
  const size_t space = text.find(' ');
  return space == std::string::npos ? ""
                                    : text.substr(prefix.size() + 1, space - prefix.size() - 1);
}

void EtcdServer::compact() const {
  const std::string status = ctl({"get", "nothing", "--write-out", "fields"});
  const std::string mark = "\"Revision\" : ";
  const size_t at = status.find(mark);
  ASSERT_NE(at, std::string::npos) << status;
  const size_t begin = at + mark.size();
  ctl({"compact", status.substr(begin, status.find('\n', begin) - begin)});
}

void EtcdServer::make_certificates() const {
  const std::string out = directory_.file("openssl.out");
  const auto openssl = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "openssl");
    const std::string text = run(arguments, out);
    EXPECT_FALSE(text.starts_with("status ")) << text;
  };
  for (const char* authority : {"ca", "stranger"}) {
    openssl({"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
             "-days", "2", "-subj", std::string("/CN=") + authority, "-keyout",
             file(std::string(authority) + ".key"), "-out", file(std::string(authority) + ".pem")});
  }
  write_text(file("san"), "subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n");
  for (const char* name : {"server", "client"}) {
    const std::string base = name;
    openssl({"req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj",
             "/CN=" + base, "-keyout", file(base + ".key"), "-out", file(base + ".csr")});
    openssl({"x509", "-req", "-in", file(base + ".csr"), "-CA", file("ca.pem"), "-CAkey",
             file("ca.key"), "-CAcreateserial", "-days", "2", "-extfile", file("san"), "-out",
             file(base + ".pem")});
  }
}

}  // namespace ringway::testing
