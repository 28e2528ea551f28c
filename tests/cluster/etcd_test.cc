// Discovery and registration against a real etcd: its answers, its absence, its end and its return.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "base/limits.h"
#include "cluster/etcd_discovery.h"
#include "cluster/etcd_registration.h"
#include "support/etcd_server.h"

namespace ringway::cluster {
namespace {

using testing::EtcdServer;
using testing::EtcdServerOptions;
using testing::sleep_ms;
using testing::wait_until;

constexpr const char* kSession = "interface.session";
constexpr const char* kGateway = "interface.gateway";
constexpr const char* kAddress = "10.1.1.1:20110";
constexpr int kPatienceMs = 20'000;

EtcdOptions options_for(const EtcdServer& etcd) {
  EtcdOptions options;
  options.hosts = etcd.hosts();
  return options;
}

// What discovery has delivered so far.
class Deliveries {
 public:
  NodeListener listener() {
    return [this](const NodeSet& nodes) {
      const std::lock_guard lock(mutex_);
      all_.push_back(nodes);
      more_.notify_all();
    };
  }
  bool wait_for(const NodeSet& nodes) {
    std::unique_lock lock(mutex_);
    return more_.wait_for(lock, std::chrono::milliseconds(kPatienceMs),
                          [&] { return !all_.empty() && all_.back() == nodes; });
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return all_.size();
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::vector<NodeSet> all_;
};

// Stands between one client and etcd. Once `mark` has passed on its way to the client, nothing more
// of the client's goes to etcd until release().
class HoldingProxy {
 public:
  HoldingProxy(const EtcdServer& etcd, std::string mark)
      : mark_(std::move(mark)), listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const std::string host = etcd.host();
    etcd_port_ = static_cast<uint16_t>(std::stoi(host.substr(host.rfind(':') + 1)));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof(address);
    EXPECT_EQ(::bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(::listen(listener_, 8), 0);
    EXPECT_EQ(::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { run(); });
  }
  ~HoldingProxy() {
    stop_ = true;
    thread_.join();
    ::close(listener_);
  }
  HoldingProxy(const HoldingProxy&) = delete;
  HoldingProxy& operator=(const HoldingProxy&) = delete;

  [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] bool holds() const { return holds_; }
  void release() {
    released_ = true;
    holds_ = false;
  }

 private:
  struct Pair {
    int client = -1;
    int etcd = -1;
    std::string told;  // to the client, its last bytes
  };

  static sockaddr_in loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }
  static bool readable(int fd) {
    pollfd one{fd, POLLIN, 0};
    return ::poll(&one, 1, 0) > 0;
  }

  void run() {
    std::vector<Pair> pairs;
    while (!stop_) {
      sleep_ms(1);
      if (readable(listener_)) pairs.push_back(connect());
      std::erase_if(pairs, [this](Pair& pair) {
        const bool alive =
            (!readable(pair.etcd) || pass(pair.etcd, pair.client, &pair.told)) &&
            (holds_ || !readable(pair.client) || pass(pair.client, pair.etcd, nullptr));
        if (!alive) close(pair);
        return !alive;
      });
    }
    for (Pair& pair : pairs) close(pair);
  }
  Pair connect() const {
    Pair pair{::accept(listener_, nullptr, nullptr), ::socket(AF_INET, SOCK_STREAM, 0), {}};
    const sockaddr_in address = loopback(etcd_port_);
    (void)::connect(pair.etcd, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    return pair;
  }
  bool pass(int from, int to, std::string* told) {
    char bytes[16 * 1024];
    const ssize_t count = ::recv(from, bytes, sizeof(bytes), 0);
    if (count <= 0) return false;
    if (told != nullptr) {
      told->append(bytes, static_cast<size_t>(count));
      // Before the client has it: what it sends because of it is held.
      if (!released_ && told->find(mark_) != std::string::npos) holds_ = true;
    }
    return ::send(to, bytes, static_cast<size_t>(count), MSG_NOSIGNAL) == count;
  }
  static void close(const Pair& pair) {
    ::close(pair.client);
    ::close(pair.etcd);
  }

  const std::string mark_;
  const int listener_;
  uint16_t port_ = 0;
  uint16_t etcd_port_ = 0;
  std::atomic<bool> holds_{false};
  std::atomic<bool> released_{false};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

// A discovery that is stopped before what it delivers to goes.
struct Watching {
  explicit Watching(EtcdOptions options) : discovery(std::move(options), kSession) {
    discovery.start(deliveries.listener());
  }
  Deliveries deliveries;
  EtcdDiscovery discovery;
};

struct Registered {
  explicit Registered(EtcdOptions options, int64_t ttl_seconds = 10, int64_t id = 0)
      : registration(std::move(options), {kGateway, id, kAddress, ttl_seconds}) {
    registration.start();
  }
  EtcdRegistration registration;
};

bool wait_connected(const EtcdDiscovery& discovery, bool connected) {
  return wait_until([&] { return discovery.connected() == connected; }, kPatienceMs);
}

bool wait_value(const EtcdServer& etcd, const std::string& value) {
  return wait_until([&] { return etcd.only_value(kGateway) == value; }, kPatienceMs);
}

// --- the client

TEST(EtcdClient, SpeaksEtcdsApi) {
  EtcdServer etcd;
  etcd.start();
  EtcdClient client(options_for(etcd));
  EtcdRange range;
  ASSERT_TRUE(client.range("k/", "k0", 100, range).ok());
  EXPECT_TRUE(range.items.empty());
  const int64_t before = range.revision;

  int64_t revision = 0;
  ASSERT_TRUE(client.put("k/1", "one", 0, revision).ok());
  EXPECT_EQ(revision, before + 1);
  ASSERT_TRUE(client.put("k/2", "two", 0, revision).ok());
  ASSERT_TRUE(client.put("l", "not ours", 0, revision).ok());
  ASSERT_TRUE(client.range("k/", "k0", 100, range).ok());
  ASSERT_EQ(range.items.size(), 2U);
  EXPECT_EQ(range.items[0].key, "k/1");
  EXPECT_EQ(range.items[0].value, "one");
  EXPECT_EQ(range.items[0].create_revision, before + 1);
  EXPECT_EQ(range.revision, before + 3);
  EXPECT_FALSE(range.more);
  ASSERT_TRUE(client.range("k/", "k0", 1, range).ok());
  EXPECT_EQ(range.items.size(), 1U);
  EXPECT_TRUE(range.more);

  etcd.ctl({"del", "k/1"});
  const auto watch = client.watch("k/", "k0", before + 1, 5 * kNsPerSecond);
  std::vector<EtcdEvent> events;
  ASSERT_EQ(watch->next(events), EtcdWatch::Outcome::kCreated);
  std::vector<EtcdEvent> seen;
  while (seen.size() < 3) {
    ASSERT_EQ(watch->next(events), EtcdWatch::Outcome::kEvents) << watch->status().text;
    seen.insert(seen.end(), events.begin(), events.end());
  }
  EXPECT_EQ(seen[0].item.key, "k/1");
  EXPECT_EQ(seen[0].item.value, "one");
  EXPECT_FALSE(seen[0].deleted);
  EXPECT_EQ(seen[1].item.key, "k/2");
  EXPECT_TRUE(seen[2].deleted);
  EXPECT_EQ(seen[2].item.key, "k/1");
  EXPECT_EQ(seen[2].revision, before + 4);
}

TEST(EtcdClient, LeasesLiveAndEnd) {
  EtcdServer etcd;
  etcd.start();
  EtcdClient client(options_for(etcd));
  int64_t lease = 0;
  ASSERT_TRUE(client.grant(30, lease).ok());
  EXPECT_NE(lease, 0);
  int64_t revision = 0;
  ASSERT_TRUE(client.put("k/1", "one", lease, revision).ok());
  EXPECT_TRUE(client.keep_alive(lease).ok());
  EXPECT_TRUE(client.revoke(lease, kEtcdRevokeTimeoutNs).ok());
  EXPECT_TRUE(client.keep_alive(lease).not_found());
  EXPECT_TRUE(client.put("k/1", "one", lease, revision).not_found());
  EXPECT_TRUE(client.revoke(lease, kEtcdRevokeTimeoutNs).not_found());
  EtcdRange range;
  ASSERT_TRUE(client.range("k/1", "", 1, range).ok());
  EXPECT_TRUE(range.items.empty()) << "the key goes with its lease";
}

TEST(EtcdClient, AWatchThatBeginsTooEarlyIsCompacted) {
  EtcdServer etcd;
  etcd.start();
  EtcdClient client(options_for(etcd));
  int64_t revision = 0;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(client.put("k/1", "v", 0, revision).ok());
  etcd.compact();
  std::vector<EtcdEvent> events;
  const auto late = client.watch("k/", "k0", 1, 5 * kNsPerSecond);
  EtcdWatch::Outcome outcome = late->next(events);
  if (outcome == EtcdWatch::Outcome::kCreated) outcome = late->next(events);
  EXPECT_EQ(outcome, EtcdWatch::Outcome::kCompacted);
  const auto good = client.watch("k/", "k0", revision + 1, 300 * kNsPerMs);
  EXPECT_EQ(good->next(events), EtcdWatch::Outcome::kCreated);
  EXPECT_EQ(good->next(events), EtcdWatch::Outcome::kTimeout);
}

TEST(EtcdClient, FailsWithoutEtcdAndWhenInterrupted) {
  EtcdServer etcd;
  EtcdClient client(options_for(etcd));
  EtcdRange range;
  EXPECT_FALSE(client.range("k", "", 1, range).ok());
  EXPECT_FALSE(client.keep_alive(1).ok());
  std::vector<EtcdEvent> events;
  EXPECT_EQ(client.watch("k", "", 1, 0)->next(events), EtcdWatch::Outcome::kBroken);
  etcd.start();
  client.next_host();  // a new connection
  EXPECT_TRUE(client.range("k", "", 1, range).ok());
  client.interrupt();
  EXPECT_FALSE(client.range("k", "", 1, range).ok());
  EXPECT_EQ(client.watch("k", "", 1, 0)->next(events), EtcdWatch::Outcome::kBroken);
  client.resume();
  EXPECT_TRUE(client.range("k", "", 1, range).ok());
}

// A host that takes connections and says nothing: a deadline ends what is asked of it.
TEST(EtcdClient, AFrozenHostCostsADeadline) {
  EtcdServer etcd;
  etcd.start();
  EtcdClient client(options_for(etcd));
  EtcdRange range;
  ASSERT_TRUE(client.range("k", "", 1, range).ok());
  etcd.freeze();
  EXPECT_FALSE(client.range("k", "", 1, range).ok());
  EXPECT_FALSE(client.keep_alive(5).ok());
  etcd.thaw();
  EXPECT_TRUE(wait_until([&] { return client.range("k", "", 1, range).ok(); }, kPatienceMs));
}

// --- discovery

TEST(EtcdDiscovery, FollowsTheKeysBelowItsOwn) {
  EtcdServer etcd;
  etcd.start();
  etcd.ctl({"put", "interface.session/10", "10.0.0.1:1"});
  etcd.ctl({"put", "interface.sessions/11", "10.0.0.9:1"});
  Watching watching(options_for(etcd));
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  ASSERT_TRUE(wait_connected(watching.discovery, true));
  etcd.ctl({"put", "interface.session/12", "10.0.0.2:1"});
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1", "10.0.0.2:1"}));
  // Neither a second key of one address, nor one that is none, nor a foreign key is a change.
  const size_t before = watching.deliveries.count();
  etcd.ctl({"put", "interface.session/13", "10.0.0.2:1"});
  etcd.ctl({"put", "interface.session/14", "nonsense"});
  etcd.ctl({"put", "interface.sessions/15", "10.0.0.8:1"});
  etcd.ctl({"del", "interface.session/12"});
  etcd.ctl({"put", "interface.session/16", "10.0.0.3:1"});
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"}));
  EXPECT_EQ(watching.deliveries.count(), before + 1);
  EXPECT_EQ(watching.discovery.counters().read(Counter::kEtcdValuesRefused), 1U);
  etcd.ctl({"del", "--prefix", "interface.session/"});
  EXPECT_TRUE(watching.deliveries.wait_for({}));
  EXPECT_EQ(watching.discovery.counters().read(Counter::kEtcdLoads), 1U);
}

TEST(EtcdDiscovery, KeepsTheLastSetWhileEtcdIsAwayAndLooksAgain) {
  EtcdServer etcd;
  etcd.start();
  etcd.ctl({"put", "interface.session/1", "10.0.0.1:1"});
  Watching watching(options_for(etcd));
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  ASSERT_TRUE(wait_connected(watching.discovery, true));
  for (int round = 0; round < 2; ++round) {
    const size_t before = watching.deliveries.count();
    etcd.kill();
    ASSERT_TRUE(wait_connected(watching.discovery, false));
    EXPECT_EQ(watching.deliveries.count(), before) << "the last set stays";
    etcd.start();
    const std::string added = "10.0.1." + std::to_string(round) + ":1";
    etcd.ctl({"put", "interface.session/new", added});
    ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1", added}));
    ASSERT_TRUE(wait_connected(watching.discovery, true));
  }
  EXPECT_GE(watching.discovery.counters().read(Counter::kEtcdLoads), 3U);
  EXPECT_GE(watching.discovery.counters().read(Counter::kEtcdErrors), 2U);
}

TEST(EtcdDiscovery, StartsWithEtcdAwayAndStopsToo) {
  EtcdServer etcd;
  Watching watching(options_for(etcd));
  sleep_ms(300);
  EXPECT_EQ(watching.deliveries.count(), 0U);
  EXPECT_FALSE(watching.discovery.connected());
  etcd.start();
  ASSERT_TRUE(watching.deliveries.wait_for({}));
  etcd.ctl({"put", "interface.session/1", "10.0.0.1:1"});
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  watching.discovery.stop();
  etcd.ctl({"put", "interface.session/2", "10.0.0.2:1"});
  sleep_ms(200);
  EXPECT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  Watching away(options_for(EtcdServer()));
  away.discovery.stop();
}

TEST(EtcdDiscovery, GoesOnThroughCompaction) {
  EtcdServer etcd;
  etcd.start();
  Watching watching(options_for(etcd));
  for (int round = 0; round < 3; ++round) {
    const std::string address = "10.0.0." + std::to_string(round) + ":1";
    etcd.ctl({"put", "interface.session/1", address});
    ASSERT_TRUE(watching.deliveries.wait_for({address}));
    etcd.compact();
  }
  // What was compacted while nobody watched is loaded.
  etcd.kill();
  etcd.start();
  etcd.ctl({"put", "interface.session/1", "10.0.9.9:1"});
  etcd.compact();
  EXPECT_TRUE(watching.deliveries.wait_for({"10.0.9.9:1"}));
}

// What happens between the load and the watch is compacted away: etcd cancels the watch and says
// so, and everything is loaded again, at once and without calling it a failure.
TEST(EtcdDiscovery, AWatchThatWasCompactedAwayLoadsAgain) {
  EtcdServer etcd;
  etcd.start();
  etcd.ctl({"put", "interface.session/1", "10.0.0.1:1"});
  HoldingProxy proxy(etcd, "10.0.0.1:1");
  EtcdOptions options;
  options.hosts = {proxy.host()};
  Watching watching(options);
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  ASSERT_TRUE(proxy.holds());
  etcd.ctl({"put", "interface.session/2", "10.0.0.2:1"});
  etcd.ctl({"put", "interface.session/3", "10.0.0.3:1"});
  etcd.compact();
  proxy.release();
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"}));
  EXPECT_EQ(watching.discovery.counters().read(Counter::kEtcdLoads), 2U);
  EXPECT_EQ(watching.discovery.counters().read(Counter::kEtcdErrors), 0U);
  // And the new watch works.
  etcd.ctl({"del", "interface.session/2"});
  EXPECT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1", "10.0.0.3:1"}));
}

// --- registration

TEST(EtcdRegistration, IsThereWithALeaseAndGoesAtOnce) {
  EtcdServer etcd;
  etcd.start();
  Registered gateway(options_for(etcd));
  ASSERT_TRUE(wait_value(etcd, kAddress));
  ASSERT_TRUE(wait_until([&] { return gateway.registration.connected(); }, kPatienceMs));
  const std::string id = etcd.only_id(kGateway);
  // go-zero writes the lease's id in decimal; etcdctl wants it in hexadecimal.
  const std::string lease = fmt::format("{:x}", std::stoull(id));
  const std::string told = etcd.ctl({"lease", "timetolive", lease, "--keys"});
  EXPECT_NE(told.find("granted with TTL(10s)"), std::string::npos) << told;
  EXPECT_NE(told.find(kGateway + std::string("/") + id), std::string::npos) << told;
  gateway.registration.withdraw();
  EXPECT_EQ(etcd.keys(kGateway), "");
  gateway.registration.withdraw();
}

TEST(EtcdRegistration, TakesAGivenId) {
  EtcdServer etcd;
  etcd.start();
  Registered gateway(options_for(etcd), 10, 77);
  ASSERT_TRUE(wait_value(etcd, kAddress));
  EXPECT_EQ(etcd.only_id(kGateway), "77");
}

TEST(EtcdRegistration, PutsADeletedKeyBack) {
  EtcdServer etcd;
  etcd.start();
  Registered gateway(options_for(etcd));
  ASSERT_TRUE(wait_value(etcd, kAddress));
  const std::string id = etcd.only_id(kGateway);
  for (int round = 0; round < 2; ++round) {
    etcd.ctl({"del", "--prefix", kGateway + std::string("/")});
    ASSERT_TRUE(wait_value(etcd, kAddress));
  }
  EXPECT_EQ(etcd.only_id(kGateway), id) << "the lease is the same";
  EXPECT_EQ(gateway.registration.counters().read(Counter::kEtcdLeases), 1U);
}

TEST(EtcdRegistration, TakesANewLeaseForALostOne) {
  EtcdServer etcd;
  etcd.start();
  Registered gateway(options_for(etcd));
  ASSERT_TRUE(wait_value(etcd, kAddress));
  const std::string id = etcd.only_id(kGateway);
  etcd.ctl({"lease", "revoke", fmt::format("{:x}", std::stoull(id))});
  ASSERT_TRUE(wait_value(etcd, kAddress));
  EXPECT_NE(etcd.only_id(kGateway), id);
  EXPECT_EQ(gateway.registration.counters().read(Counter::kEtcdLeases), 2U);
}

// With a lease of two seconds, only one that is renewed lasts for five.
TEST(EtcdRegistration, KeepsItsLeaseAliveAndSurvivesARestart) {
  EtcdServer etcd;
  etcd.start();
  Registered gateway(options_for(etcd), 2);
  ASSERT_TRUE(wait_value(etcd, kAddress));
  const std::string id = etcd.only_id(kGateway);
  for (int i = 0; i < 25; ++i) {
    sleep_ms(200);
    ASSERT_EQ(etcd.only_id(kGateway), id);
  }
  EXPECT_EQ(gateway.registration.counters().read(Counter::kEtcdErrors), 0U)
      << "the end of a watch between two renewals is no failure";
  EXPECT_EQ(gateway.registration.counters().read(Counter::kEtcdRegistrations), 1U);
  etcd.kill();
  ASSERT_TRUE(wait_until([&] { return !gateway.registration.connected(); }, kPatienceMs));
  etcd.start();
  ASSERT_TRUE(wait_value(etcd, kAddress));
  ASSERT_TRUE(wait_until([&] { return gateway.registration.connected(); }, kPatienceMs));
  // An etcd that has forgotten everything, the lease too.
  etcd.kill();
  etcd.forget();
  etcd.start();
  ASSERT_TRUE(wait_value(etcd, kAddress));
}

TEST(EtcdRegistration, WithdrawsInBoundedTimeFromAnEtcdThatIsAway) {
  EtcdServer etcd;
  etcd.start();
  Registered gateway(options_for(etcd));
  ASSERT_TRUE(wait_value(etcd, kAddress));
  etcd.freeze();
  std::atomic<bool> done = false;
  std::thread stopping([&] {
    gateway.registration.withdraw();
    done = true;
  });
  EXPECT_TRUE(wait_until([&] { return done.load(); }, kPatienceMs));
  etcd.thaw();  // and may find the request after all, or the lease runs out
  stopping.join();
}

// --- clusters, users, certificates

TEST(EtcdCluster, OneOfThreeMembersMayDie) {
  EtcdServer etcd({.members = 3});
  etcd.start();
  etcd.ctl({"put", "interface.session/1", "10.0.0.1:1"});
  Watching watching(options_for(etcd));
  Registered gateway(options_for(etcd));
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  ASSERT_TRUE(wait_value(etcd, kAddress));
  etcd.kill(0);  // the one that is asked first
  ASSERT_TRUE(wait_until([&] { return etcd.serves(); }, kPatienceMs));
  etcd.ctl({"put", "interface.session/2", "10.0.0.2:1"});
  EXPECT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1", "10.0.0.2:1"}));
  etcd.ctl({"del", "--prefix", kGateway + std::string("/")});
  EXPECT_TRUE(wait_value(etcd, kAddress));
  gateway.registration.withdraw();
  EXPECT_EQ(etcd.keys(kGateway), "");
}

TEST(EtcdUsers, LogInAndLogInAgain) {
  EtcdServer etcd({.arguments = {"--auth-token-ttl", "1"}});
  etcd.start();
  etcd.ctl({"user", "add", "root:secret"});
  etcd.ctl({"user", "grant-role", "root", "root"});
  etcd.ctl({"put", "interface.session/1", "10.0.0.1:1"});

  EtcdOptions known = options_for(etcd);
  known.user = "root";
  known.password = "secret";
  // A cluster without authentication takes one who brings a password.
  EtcdClient early(known);
  EtcdRange range;
  ASSERT_TRUE(early.range("interface.session/1", "", 1, range).ok());
  etcd.ctl({"auth", "enable"});

  EtcdClient anonymous(options_for(etcd));
  EXPECT_FALSE(anonymous.range("interface.session/1", "", 1, range).ok());
  EtcdOptions wrong = known;
  wrong.password = "guess";
  EtcdClient stranger(wrong);
  const EtcdStatus refused = stranger.range("interface.session/1", "", 1, range);
  EXPECT_FALSE(refused.ok());
  EXPECT_EQ(refused.text.find("guess"), std::string::npos);
  Watching watching(known);
  Registered gateway(known, 2);
  ASSERT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  ASSERT_TRUE(early.range("interface.session/1", "", 1, range).ok()) << "it logs in when it has to";
  // Tokens live for a second: all of them have to be renewed by now.
  sleep_ms(3000);
  EXPECT_TRUE(early.range("interface.session/1", "", 1, range).ok());
  ASSERT_TRUE(early.range("interface.gateway/", "interface.gateway0", 2, range).ok());
  ASSERT_EQ(range.items.size(), 1U) << "the registration has outlived its first token";
  EXPECT_EQ(range.items[0].value, kAddress);
  int64_t revision = 0;
  ASSERT_TRUE(early.put("interface.session/2", "10.0.0.2:1", 0, revision).ok());
  EXPECT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1", "10.0.0.2:1"}));
  gateway.registration.withdraw();
  ASSERT_TRUE(early.range("interface.gateway/", "interface.gateway0", 2, range).ok());
  EXPECT_TRUE(range.items.empty());
}

TEST(EtcdTls, BothSidesShowTheirCertificates) {
  EtcdServer etcd({.tls = true});
  etcd.start();
  EtcdOptions good = options_for(etcd);
  good.tls = true;
  good.cert_file = etcd.file("client.pem");
  good.key_file = etcd.file("client.key");
  good.ca_file = etcd.file("ca.pem");
  EtcdRange range;
  const auto asks = [&range](const EtcdOptions& options) {
    return EtcdClient(options).range("k", "", 1, range);
  };
  EXPECT_TRUE(asks(good).ok());
  EtcdOptions stranger = good;
  stranger.ca_file = etcd.file("stranger.pem");
  EXPECT_FALSE(asks(stranger).ok()) << "another authority's server is not believed";
  stranger.skip_verify = true;
  EXPECT_TRUE(asks(stranger).ok()) << "unless everybody is";
  EtcdOptions nobody = good;
  nobody.cert_file.clear();
  nobody.key_file.clear();
  EXPECT_FALSE(asks(nobody).ok()) << "etcd asks for a certificate";
  EtcdOptions system = good;
  system.ca_file.clear();
  EXPECT_FALSE(asks(system).ok()) << "the system does not know the test's authority";
  EtcdOptions missing = good;
  missing.ca_file = etcd.file("nothing.pem");
  EXPECT_NE(asks(missing).text.find("cannot read " + missing.ca_file), std::string::npos);
  EXPECT_FALSE(asks(options_for(etcd)).ok()) << "without TLS";

  etcd.ctl({"put", "interface.session/1", "10.0.0.1:1"});
  Watching watching(good);
  Registered gateway(good);
  EXPECT_TRUE(watching.deliveries.wait_for({"10.0.0.1:1"}));
  EXPECT_TRUE(wait_value(etcd, kAddress));
}

}  // namespace
}  // namespace ringway::cluster
