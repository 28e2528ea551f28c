// The whole gateway but for the kernel and gRPC: real workers on simulated rings, a shard in
// memory.
//
// Each seed is a run of its own: one to four workers, clients on every transport, in half of the
// runs through every kind of door, keys with homes everywhere, reads and writes cut anywhere,
// resets, completions in any order, a shard that hangs and breaks its streams. What must hold
// whatever happens:
//   - a client that stays has each of its messages delivered, in order, and each quick ack
//   answered;
//   - of a client that is reset, a prefix is delivered; what was quick-acked is part of it;
//   - a push that the gateway called delivered reaches a client that stays;
//   - under a temporary key nothing but its bind is delivered before the shard has confirmed it,
//   and
//     of a client that forges one nothing ever;
//   - an HTTP client gets an answer to each request, or asks again; what was answered with 200 has
//   come to the shard, by a call of its own;
//   - every announced session is closed at the shard, every descriptor is closed, nothing is used
//     after it was given back.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/log.h"
#include "gateway/doors_testing.h"
#include "gateway/sim_client.h"
#include "gateway/sim_http_client.h"
#include "gateway/worker.h"
#include "support/memory_transport.h"
#include "support/sim_ring.h"

namespace ringway::gateway {
namespace {

using ringway::testing::ClientId;
using ringway::testing::SimFaults;
using ringway::testing::SimNetwork;
using ringway::testing::SimRandom;
using ringway::testing::SimRing;
using ringway::testing::SimRingOptions;
using testing::is_bind;
using testing::is_preamble;
using testing::kBodyTag;
using testing::kForgersKey;
using testing::read_u32;
using testing::record_of;
using testing::SimClient;
using testing::SimHttpClient;
using testing::Stack;
using testing::temporary_key;
using testing::temporary_keys;
using testing::test_keys;
using testing::TestKey;

constexpr const char* kShard = "10.1.1.1:20120";
constexpr int64_t kUnixBaseNs = 1'700'000'000LL * kNsPerSecond;
constexpr size_t kPlainTransports = 7;  // of a stream of its own
constexpr const char* kTransports[] = {"abridged",
                                       "intermediate",
                                       "padded",
                                       "full",
                                       "obfuscated-abridged",
                                       "obfuscated-intermediate",
                                       "obfuscated-padded"};
constexpr size_t kFirstObfuscated = 4;
constexpr uint32_t kFirstHttpClient = 1000;
static_assert(std::size(kTransports) == kPlainTransports);

// Of the doors, those that differ in what they do to a stream.
const std::vector<Stack>& door_stacks() {
  using client::ProxyVersion;
  using config::Protocol;
  using testing::make_stack;
  using testing::with_fake_tls;
  using testing::with_proxy;
  using testing::with_tls;
  using testing::with_websocket;
  static const std::vector<Stack> stacks = {
      make_stack("none"),
      with_websocket(make_stack("websocket", Protocol::kWebsocket)),
      with_tls(with_websocket(make_stack("TLS, websocket", Protocol::kWebsocket))),
      with_tls(make_stack("TLS")),
      with_fake_tls(make_stack("fake TLS")),
      with_proxy(make_stack("PROXY v2"), ProxyVersion::kV2),
      with_proxy(with_tls(with_websocket(make_stack("all", Protocol::kAuto))), ProxyVersion::kV1),
      make_stack("HTTP", Protocol::kHttp),  // the last one: its clients are of another kind
  };
  return stacks;
}

// What all runs have come to, so that none of it can cease to happen unseen.
struct Totals {
  uint64_t websockets = 0;
  uint64_t fake_tls = 0;
  uint64_t tls = 0;
  uint64_t moved = 0;     // connections, in runs with doors
  uint64_t goodbyes = 0;  // that WebSocket clients have heard
  uint64_t answers = 0;   // to HTTP clients
  uint64_t asked_again = 0;
};

class Simulation {
 public:
  Simulation(uint64_t seed, Totals& totals)
      : network_(seed),
        shards_(cluster::MemoryTransport::Mode::kStepped, seed),
        budget_(0, 0, 0),
        totals_(totals) {
    SimRandom& random = network_.random();
    shared_.workers = static_cast<uint32_t>(random.between(1, 4));
    shared_.budget = &budget_;
    with_doors_ = random.chance(50);
    make_listeners();
    shared_.config.limits.keys_per_connection = 4;
    shared_.submit_crypto = [this](CryptoTask& task) {
      if (task.tls == nullptr || network_.random().chance(1)) return PoolAnswer::kFull;
      pool_.push_back(std::move(task));
      return PoolAnswer::kQueued;
    };
    shared_.post = [this](uint32_t worker, WorkerMessage& message) {
      // A full inbox is met now and then.
      if (network_.random().chance(5)) return false;
      return workers_[worker]->post(std::move(message));
    };
    for (const TestKey& key : test_keys()) shard().put_key(record_of(key, key.id));
    for (const TestKey& key : temporary_keys()) shard().put_key(record_of(key, 0));
    shard().on_message([this](cluster::MemoryShard&, const cluster::ShardMessage& message) {
      if (is_bind(message)) judge_bind(message);
    });
    const bool kind = random.chance(10);
    for (uint32_t i = 0; i < shared_.workers; ++i) {
      SimRingOptions ring;
      ring.buffers = static_cast<unsigned>(random.between(2, 32));
      ring.buffer_bytes = random.between(64, 2048);
      if (!kind) ring.faults = SimFaults::any(random);
      WorkerOptions options;
      options.index = i;
      options.table.connections_max = 64;
      options.dispatcher.worker = i;
      options.dispatcher.server_id = "10.0.0.1:20110";
      if (random.chance(30)) options.dispatcher.window_messages_max = random.between(1, 8);
      workers_.push_back(std::make_unique<Worker>(
          options, std::make_unique<SimRing>(network_, ring), shared_, shards_));
      std::vector<net::OwnedFd> listeners;
      listeners_.emplace_back();
      for (size_t door = 0; door < shared_.doors.size(); ++door) {
        const int fd = network_.listen();
        listeners.emplace_back(fd);
        listeners_.back().push_back(fd);
      }
      EXPECT_EQ(workers_.back()->start(now(), std::move(listeners), {kShard}), "");
    }
  }

  void make_listeners() {
    shared_.config.listeners.clear();
    for (const Stack& stack : door_stacks()) {
      shared_.config.listeners.push_back(stack.listener);
      shared_.config.listeners.back().max_connections = 1000;  // so that they are counted
      if (!with_doors_) break;
    }
    shared_.doors = make_doors(shared_.config, &replays_);
    for (const auto& doors : shared_.doors) {
      if (doors->listener.tls) doors->set_tls_context(testing::server_tls());
    }
  }

  cluster::MemoryShard& shard() { return shards_.shard(kShard); }
  Now now() const { return {network_.now_ns(), kUnixBaseNs + network_.now_ns()}; }

  void turn_all() {
    for (const auto& worker : workers_) {
      worker->turn(20 * kNsPerMs, [this] { return now(); });
      worker->settle_posts();
    }
    work_pool();
    const uint64_t steps = network_.random().between(0, 6);
    for (uint64_t i = 0; i < steps && shards_.step(); ++i) {
    }
  }

  // Some of what the crypto pool has to do, and to hand back: an inbox may be full.
  void work_pool() {
    for (uint64_t i = network_.random().between(0, 3); i > 0 && !pool_.empty(); --i) {
      CryptoTask task = std::move(pool_.front());
      pool_.pop_front();
      task.tls_ok = task.tls->handshake_step().ok();
      pool_done_.push_back(std::move(task));
    }
    while (!pool_done_.empty()) {
      WorkerMessage message(std::move(pool_done_.front()));
      pool_done_.pop_front();
      const uint32_t worker = std::get<CryptoTask>(message).connection.worker;
      if (workers_[worker]->post(std::move(message))) continue;
      pool_done_.push_front(std::move(std::get<CryptoTask>(message)));
      return;
    }
  }

  // The answer may be lost on its way; then only the shard's word about the key tells.
  void judge_bind(const cluster::ShardMessage& message) {
    const TestKey& key = *temporary_key(message.auth_key_id);
    const bool good = &key != &temporary_keys()[kForgersKey];
    if (good) shard().put_key(record_of(key, key.claims));
    if (!good && network_.random().chance(30)) return;
    Bytes result;
    ByteAppender out(result);
    out.u32(mtproto::constructor::kRpcResult);
    out.i64(load_le<int64_t>(message.payload.data()));
    out.u32(good ? mtproto::constructor::kBoolTrue : mtproto::constructor::kRpcError);
    Bytes payload;
    ByteAppender whole(payload);
    whole.i64(99);
    whole.i64(message.session_id);
    whole.bytes(mtproto::frame_message(++last_push_msg_id_ * 4 + 1, 1, result));
    (void)shard().push(message.auth_key_id, message.session_id, std::move(payload));
  }

  void add_clients() {
    SimRandom& random = network_.random();
    const uint64_t count = random.between(1, 5);
    for (uint32_t i = 0; i < count; ++i) {
      const auto& listeners = listeners_[random.between(0, listeners_.size() - 1)];
      const size_t door = with_doors_ ? random.between(0, listeners.size() - 2) : 0;
      const client::ClientDoorsOptions& doors = door_stacks()[door].client;
      const bool obfuscated = doors.websocket || doors.fake_tls.has_value();
      auto transport = *mtproto::client_transport_by_name(
          kTransports[random.between(obfuscated ? kFirstObfuscated : 0, kPlainTransports - 1)]);
      if (doors.fake_tls) transport.secret = doors.fake_tls->key;
      clients_.push_back(std::make_unique<SimClient>(random, i, network_.connect(listeners[door]),
                                                     transport, doors, now().unix_seconds()));
      const uint64_t messages = random.between(1, 12);
      for (uint64_t m = 0; m < messages; ++m) clients_.back()->add_message(random);
    }
    if (!with_doors_) return;
    for (uint64_t i = random.between(0, 2); i > 0; --i) {
      const auto number = static_cast<uint32_t>(kFirstHttpClient + i);
      http_clients_.push_back(
          std::make_unique<SimHttpClient>(number, static_cast<uint32_t>(random.between(1, 12))));
    }
  }

  void run_http_clients() {
    SimRandom& random = network_.random();
    for (const auto& client : http_clients_) {
      if (!client->connected() && !client->done()) {
        client->connect(
            network_.connect(listeners_[random.between(0, listeners_.size() - 1)].back()));
      }
      client->run(network_);
    }
  }

  void disturb() {
    SimRandom& random = network_.random();
    if (random.chance(2)) shard().set_answering(random.chance(50));
    if (random.chance(1)) shard().break_streams(cluster::kStatusUnavailable);
    if (random.chance(1)) shard().set_up(random.chance(60));
    SimClient& client = *clients_[random.between(0, clients_.size() - 1)];
    if (random.chance(1) && !client.finished_) {
      client.was_reset_ = client.finished_ = true;
      network_.reset(client.id_);
    }
    if (random.chance(10)) push_to(client);
    for (const auto& visitor : http_clients_) {
      if (random.chance(1)) visitor->leave(network_, random.chance(50));
    }
  }

  void push_to(SimClient& client) {
    SimRandom& random = network_.random();
    const int64_t msg_id = ++last_push_msg_id_ * 4 + 1;
    const size_t body_bytes = random.chance(10) ? 36'000 : 12;
    Bytes payload(kMessagePrefixBytes + body_bytes);
    ByteWriter out(payload);
    out.i64(99);
    out.i64(client.session_id_);
    out.i64(msg_id);
    out.i32(0);
    out.u32(static_cast<uint32_t>(body_bytes));
    const uint64_t id = shard().push(client.key_->id, client.session_id_, std::move(payload));
    if (id != 0) pushes_.push_back({id, msg_id, &client});
  }

  bool busy() const {
    for (const auto& client : clients_) {
      if (client->has_more() && !client->finished_) return true;
    }
    return !http_done();
  }
  bool http_done() const {
    return std::all_of(http_clients_.begin(), http_clients_.end(),
                       [](const auto& client) { return client->done(); });
  }

  void run() {
    add_clients();
    for (int i = 0; i < 20'000 && busy(); ++i) {
      for (const auto& client : clients_) {
        if (!client->finished_ && network_.random().chance(60)) client->write_some(network_);
        client->read_all(network_);
      }
      run_http_clients();
      disturb();
      turn_all();
    }
    // The shard is well again: everything that was taken over must arrive, everything be answered.
    shard().set_up(true);
    shard().set_answering(true);
    // Turns are short: it may be some seconds of them until a shard that was away is asked again.
    for (int i = 0; i < 40'000 && !settled(); ++i) {
      turn_all();
      for (const auto& client : clients_) client->read_all(network_);
      run_http_clients();
      note_refused_clients();
    }
    check_delivery();
    check_http();
    finish();
  }

  // A connection whose key could not be looked up while the shard was away, or that waited for it
  // for longer than a deadline, is closed; its client is then as good as reset. So is one whose
  // answer, of those that the gateway makes itself, finds another worker's inbox full. Nobody
  // else's may end.
  void note_refused_clients() {
    uint64_t refusals = 0;
    uint64_t lost_answers = 0;  // at most: of a key that is not bound yet, to another worker
    for (const auto& worker : workers_) {
      lost_answers += worker->counters().read(Counter::kInboxOverflows);
      for (const Counter counter :
           {Counter::kKeyQueriesFailed, Counter::kTimeoutKeyLookup, Counter::kTimeoutFirstByte,
            Counter::kTimeoutHandshake, Counter::kTimeoutFrame, Counter::kTimeoutIdle,
            Counter::kBindsTimedOut, Counter::kTlsHandshakesLimited}) {
        refusals += worker->counters().read(counter);
      }
    }
    for (const auto& client : clients_) {
      if (client->was_reset_ || !network_.saw_end(client->id_)) continue;
      const bool may_end = refusals > 0 || (client->speaks_unbound() && lost_answers > 0);
      EXPECT_TRUE(may_end) << "client " << client->number_ << " was closed for no reason";
      client->was_reset_ = client->finished_ = true;
      network_.finish(client->id_);
    }
  }

  bool settled() {
    if (delivered_count() < wanted_count() || !http_done()) return false;
    for (const auto& worker : workers_) {
      if (worker->dispatcher().unacknowledged() != 0) return false;
    }
    for (const auto& client : clients_) {
      if (client->was_reset_ || client->forger_) continue;
      if (client->acked_.size() < client->acks_wanted_.size()) return false;
    }
    for (const auto& push : pushes_) {
      const auto result = shard().push_result(push.id);
      if (result.has_value() && *result && !push.client->was_reset_ &&
          !push.client->pushes_.contains(push.msg_id)) {
        return false;
      }
    }
    return true;
  }

  size_t wanted_count() const {
    size_t wanted = 0;
    for (const auto& client : clients_) {
      if (!client->was_reset_ && !client->forger_) wanted += client->sent_;
    }
    return wanted;
  }

  size_t delivered_count() {
    std::set<std::pair<uint32_t, uint32_t>> seen;
    for (const auto& message : shard().received()) {
      if (message.close || is_preamble(message) || is_http(message)) continue;
      const uint32_t number = read_u32(message.payload, 20);
      if (!clients_[number]->was_reset_) seen.insert({number, read_u32(message.payload, 24)});
    }
    return seen.size();
  }

  // By session: the msg_ids that came with conn_type 1.
  std::map<std::pair<int64_t, int64_t>, std::set<int64_t>> announcements() {
    std::map<std::pair<int64_t, int64_t>, std::set<int64_t>> found;
    for (const auto& message : shard().received()) {
      if (message.close || is_http(message)) continue;
      auto& first = found[{message.auth_key_id, message.session_id}];
      if (message.conn_type == 1) first.insert(load_le<int64_t>(message.payload.data()));
    }
    return found;
  }

  void check_delivery() {
    std::map<uint32_t, std::vector<uint32_t>> first_deliveries;
    std::map<std::pair<uint32_t, int64_t>, std::vector<uint32_t>> order;  // by client and key
    std::set<std::pair<uint32_t, uint32_t>> seen;
    for (const auto& message : shard().received()) {
      const TestKey* temporary = temporary_key(message.auth_key_id);
      EXPECT_TRUE(temporary == nullptr || message.perm_auth_key_id == temporary->claims);
      if (message.close || is_bind(message) || is_http(message)) continue;
      EXPECT_NE(temporary, &temporary_keys()[kForgersKey]) << "a forged bind has let this through";
      if (is_preamble(message)) continue;
      ASSERT_GE(message.payload.size(), 28U);
      ASSERT_EQ(read_u32(message.payload, 16), kBodyTag);
      const uint32_t number = read_u32(message.payload, 20);
      const uint32_t sequence = read_u32(message.payload, 24);
      ASSERT_LT(number, clients_.size());
      if (!seen.insert({number, sequence}).second) continue;
      first_deliveries[number].push_back(sequence);
      order[{number, message.auth_key_id}].push_back(sequence);
    }
    for (const auto& [session, first] : announcements()) {
      EXPECT_EQ(first.size(), 1U) << "a session is announced by one message, however often it goes";
    }
    for (const auto& [lane, delivered] : order) {
      EXPECT_TRUE(std::is_sorted(delivered.begin(), delivered.end()))
          << "client " << lane.first << ": out of order";
    }
    for (const auto& client : clients_) {
      if (client->forger_) continue;
      auto& delivered = first_deliveries[client->number_];
      // Two keys go by two links: between them there is no order, but nothing is missing.
      std::sort(delivered.begin(), delivered.end());
      for (size_t i = 0; i < delivered.size(); ++i) {
        EXPECT_EQ(delivered[i], i) << "client " << client->number_ << ": missing";
        if (delivered[i] != i) break;
      }
      if (!client->was_reset_) {
        EXPECT_EQ(delivered.size(), client->sent_) << "client " << client->number_;
        EXPECT_EQ(client->acked_, client->acks_wanted_) << "client " << client->number_;
      }
      for (const uint32_t sequence : client->acked_) {
        EXPECT_LT(sequence, delivered.size()) << "acknowledged and lost";
      }
    }
    for (const auto& push : pushes_) {
      const auto result = shard().push_result(push.id);
      if (result.has_value() && *result && !push.client->was_reset_) {
        EXPECT_TRUE(push.client->pushes_.contains(push.msg_id))
            << "a delivered push did not arrive";
      }
    }
  }

  static bool is_http(const cluster::ShardMessage& message) { return message.wire == "http"; }

  void check_http() {
    std::map<uint32_t, std::set<uint32_t>> delivered;
    for (const auto& message : shard().received()) {
      if (!is_http(message)) continue;
      EXPECT_EQ(message.conn_type, 2);
      ASSERT_GE(message.payload.size(), 28U);
      ASSERT_EQ(read_u32(message.payload, 16), kBodyTag);
      EXPECT_EQ(message.session_id, read_u32(message.payload, 20));
      delivered[read_u32(message.payload, 20)].insert(read_u32(message.payload, 24));
    }
    for (const auto& client : http_clients_) {
      EXPECT_TRUE(client->done()) << "HTTP client " << client->number();
      EXPECT_EQ(delivered[client->number()], client->answered());
      totals_.answers += client->answered().size();
      totals_.asked_again += client->refusals();
    }
  }

  // Half of the clients leave, then the gateway is told to stop.
  void finish() {
    for (const auto& client : clients_) {
      if (client->finished_ || !network_.random().chance(50)) continue;
      client->finished_ = client->left_ = true;
      network_.finish(client->id_);
    }
    for (const auto& client : http_clients_) {
      if (network_.random().chance(50)) client->leave(network_, false);
    }
    for (int i = 0; i < 50; ++i) turn_all();
    for (const auto& worker : workers_) ASSERT_TRUE(worker->post(Drain{}));
    bool drained = false;
    for (int i = 0; i < 6000 && !drained; ++i) {
      for (const auto& client : clients_) {
        client->read_all(network_);
        if (!client->finished_ && network_.saw_end(client->id_)) {
          client->finished_ = true;
          network_.finish(client->id_);
        }
      }
      for (const auto& client : http_clients_) client->run(network_);
      turn_all();
      drained = true;
      for (const auto& worker : workers_) drained &= worker->drained();
      drained &= shared_.posts_in_flight.load() == 0;
    }
    EXPECT_TRUE(drained);
    check_sessions_closed();
    check_doors();
    for (const auto& worker : workers_) {
      EXPECT_EQ(worker->table().size(), 0U);
      EXPECT_EQ(worker->flow().sessions(), 0U);
      EXPECT_EQ(worker->counters().read(Counter::kMessagesLost), 0U);
    }
    workers_.clear();
    EXPECT_EQ(network_.open_descriptors(), 0U);
    for (const std::string& violation : network_.violations()) ADD_FAILURE() << violation;
  }

  // Whose door the gateway has shut was told so, and nothing but that went wrong at any.
  void check_doors() {
    for (const auto& client : clients_) {
      if (client->was_reset_ || client->left_ || !client->websocket_) continue;
      EXPECT_EQ(client->doors_->problem(), "WebSocket: closed by the server with 1000")
          << "client " << client->number_;
      ++totals_.goodbyes;
    }
    for (const auto& doors : shared_.doors) EXPECT_EQ(doors->open.load(), 0U);
    for (const auto& worker : workers_) {
      const CounterBlock& counters = worker->counters();
      for (const Counter wrong :
           {Counter::kProxyHeadersRefused, Counter::kTlsHandshakesFailed, Counter::kTlsErrors,
            Counter::kWebSocketErrors, Counter::kHttpRequestsRefused, Counter::kFakeTlsRefused,
            Counter::kFakeTlsReplays, Counter::kFakeTlsErrors}) {
        EXPECT_EQ(counters.read(wrong), 0U) << static_cast<int>(wrong);
      }
      totals_.websockets += counters.read(Counter::kWebSocketsOpened);
      totals_.fake_tls += counters.read(Counter::kFakeTlsOpened);
      totals_.tls += counters.read(Counter::kTlsHandshakes);
      if (with_doors_) totals_.moved += counters.read(Counter::kConnectionsMovedIn);
    }
  }

  // The last word about each session that the shard was told of is that it is closed. A bind alone
  // tells of none: without a confirmation nobody may speak for its user, not even to close.
  void check_sessions_closed() {
    std::map<std::pair<int64_t, int64_t>, bool> open;
    for (const auto& message : shard().received()) {
      if (is_bind(message) || is_http(message)) continue;
      open[{message.auth_key_id, message.session_id}] = !message.close;
    }
    for (const auto& [key, is_open] : open) EXPECT_FALSE(is_open) << key.first << " " << key.second;
  }

 private:
  struct Push {
    uint64_t id;
    int64_t msg_id;
    SimClient* client;
  };

  SimNetwork network_;
  cluster::MemoryTransport shards_;
  AddressBudget budget_;
  tls::ReplayCache replays_;
  SharedContext shared_;
  bool with_doors_ = false;
  std::deque<CryptoTask> pool_;       // steps of TLS handshakes, to be done
  std::deque<CryptoTask> pool_done_;  // and to be handed back
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::vector<int>> listeners_;  // by worker and door
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::vector<std::unique_ptr<SimHttpClient>> http_clients_;
  std::vector<Push> pushes_;
  int64_t last_push_msg_id_ = 0;
  Totals& totals_;
};

uint64_t from_environment(const char* name, uint64_t otherwise) {
  const char* text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

// RINGWAY_SIM_SEED=N runs that one; RINGWAY_SIM_SEEDS=N runs so many. Registered in slices, so that
// they run side by side.
TEST(WorkerSimulation, HoldsItsPromisesForEverySeed) {
  ASSERT_EQ(log_setup({.level = LogLevel::kError}), "");
  const uint64_t first = from_environment("RINGWAY_SIM_FIRST", 1);
  const uint64_t one = from_environment("RINGWAY_SIM_SEED", 0);
  const uint64_t count = one != 0 ? 1 : from_environment("RINGWAY_SIM_SEEDS", 500);
  Totals totals;
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t seed = one != 0 ? one : first + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed, totals);
    simulation.run();
    if (HasFailure()) return;
  }
  if (count < 100) return;
  EXPECT_GT(totals.websockets, count / 10);
  EXPECT_GT(totals.tls, count / 10);
  EXPECT_GT(totals.fake_tls, count / 20);
  EXPECT_GT(totals.moved, count / 10);
  EXPECT_GT(totals.goodbyes, count / 20);
  EXPECT_GT(totals.answers, count);
  EXPECT_GT(totals.asked_again, 0U);
}

}  // namespace
}  // namespace ringway::gateway
