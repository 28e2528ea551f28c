// The whole gateway but for the kernel and gRPC: real workers on simulated rings, a shard in
// memory.
//
// Each seed is a run of its own: one to four workers, clients on every transport, keys with homes
// everywhere, reads and writes cut anywhere, resets, completions in any order, a shard that hangs
// and breaks its streams. What must hold whatever happens:
//   - a client that stays has each of its messages delivered, in order, and each quick ack
//   answered;
//   - of a client that is reset, a prefix is delivered; what was quick-acked is part of it;
//   - a push that the gateway called delivered reaches a client that stays;
//   - under a temporary key nothing but its bind is delivered before the shard has confirmed it,
//   and
//     of a client that forges one nothing ever;
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
#include "gateway/worker.h"
#include "mtproto/bind.h"
#include "mtproto/client_transport.h"
#include "mtproto/message.h"
#include "mtproto/peek.h"
#include "mtproto/tl.h"
#include "support/memory_transport.h"
#include "support/sim_ring.h"

namespace ringway::gateway {
namespace {

using testing::ClientId;
using testing::SimFaults;
using testing::SimNetwork;
using testing::SimRandom;
using testing::SimRing;
using testing::SimRingOptions;

constexpr const char* kShard = "10.1.1.1:20120";
constexpr int64_t kUnixBaseNs = 1'700'000'000LL * kNsPerSecond;
constexpr size_t kKeyCount = 6;
constexpr size_t kTemporaryKeyCount = 3;
constexpr size_t kForgersKey = 2;  // of the temporary ones: its binds are never confirmed
constexpr uint32_t kBodyTag = 0x5eed5eed;

struct TestKey {
  AuthKeyBytes bytes;
  int64_t id = 0;
  int64_t claims = 0;  // of a temporary one: the permanent key that its clients name
};

// Made once: the seeds choose among them.
const std::vector<TestKey>& test_keys() {
  static const std::vector<TestKey> keys = [] {
    std::vector<TestKey> made(kKeyCount);
    SimRandom random(4711);
    for (TestKey& key : made) {
      for (uint8_t& byte : key.bytes.span()) byte = static_cast<uint8_t>(random.next());
      key.id = mtproto::auth_key_id(key.bytes);
    }
    return made;
  }();
  return keys;
}

const std::vector<TestKey>& temporary_keys() {
  static const std::vector<TestKey> keys = [] {
    std::vector<TestKey> made(kTemporaryKeyCount);
    SimRandom random(4712);
    for (size_t i = 0; i < made.size(); ++i) {
      for (uint8_t& byte : made[i].bytes.span()) byte = static_cast<uint8_t>(random.next());
      made[i].id = mtproto::auth_key_id(made[i].bytes);
      made[i].claims = test_keys()[i].id;
    }
    return made;
  }();
  return keys;
}

const TestKey* temporary_key(int64_t id) {
  for (const TestKey& key : temporary_keys()) {
    if (key.id == id) return &key;
  }
  return nullptr;
}

cluster::AuthKeyRecord record_of(const TestKey& key, int64_t perm_auth_key_id) {
  cluster::AuthKeyRecord record;
  record.auth_key_id = key.id;
  record.key_type = key.claims == 0 ? 0 : 1;
  record.perm_auth_key_id = perm_auth_key_id;
  record.key = key.bytes;
  return record;
}

uint32_t read_u32(ByteView bytes, size_t at) { return load_le<uint32_t>(bytes.data() + at); }

bool is_bind(const cluster::ShardMessage& message) {
  return !message.close && message.payload.size() >= 20 &&
         read_u32(message.payload, 16) == mtproto::constructor::kBindTempAuthKey;
}

// What a client of a temporary key begins with, as it is seen when the key is bound already.
bool is_preamble(const cluster::ShardMessage& message) {
  if (message.close || message.payload.size() < 20) return false;
  const uint32_t number = read_u32(message.payload, 16);
  return is_bind(message) || number == mtproto::constructor::kPing ||
         number == mtproto::constructor::kMsgContainer;
}

class SimClient {
 public:
  SimClient(SimRandom& random, uint32_t number, ClientId id, const std::string& transport)
      : number_(number),
        id_(id),
        transport_(*mtproto::client_transport_by_name(transport)),
        quick_acks_(transport != "full") {
    key_ = &test_keys()[random.between(0, kKeyCount - 1)];
    second_key_ = random.chance(30) ? &test_keys()[random.between(0, kKeyCount - 1)] : key_;
    if (random.chance(10)) second_key_ = &temporary_keys()[random.between(0, kForgersKey - 1)];
    if (random.chance(25)) key_ = &temporary_keys()[random.between(0, kTemporaryKeyCount - 1)];
    forger_ = key_ == &temporary_keys()[kForgersKey];
    if (forger_) second_key_ = key_;
    session_id_ = static_cast<int64_t>(random.next());
    outgoing_.insert(outgoing_.end(), transport_.opening().begin(), transport_.opening().end());
    if (second_key_ != key_ && second_key_->claims != 0) add_bind(random, *second_key_);
    if (key_->claims != 0) add_bind(random, *key_);
  }

  // What is inside is for the shard to judge; here it takes everybody's but the forgers'.
  void add_bind(SimRandom& random, const TestKey& key) {
    const Bytes proof(104, 0x77);
    const Bytes call = mtproto::write_bind_call({.perm_auth_key_id = key.claims,
                                                 .nonce = 1,
                                                 .expires_at = 2'000'000'000,
                                                 .encrypted_message = proof});
    const int64_t msg_id = int64_t{1} << 40;
    Bytes body = call;
    if (random.chance(50)) {
      body.clear();
      ByteAppender out(body);
      out.u32(mtproto::constructor::kMsgContainer);
      out.u32(2);
      Bytes ping;
      ByteAppender inner(ping);
      inner.u32(mtproto::constructor::kPing);
      inner.i64(1);
      out.bytes(mtproto::frame_message(msg_id, 1, call));
      out.bytes(mtproto::frame_message(msg_id + 4, 0, ping));
    }
    Bytes plaintext;
    ByteAppender out(plaintext);
    out.i64(99);
    out.i64(session_id_);
    out.bytes(mtproto::frame_message(msg_id + 8, 0, body));
    Bytes frame(mtproto::sealed_bytes(plaintext.size()));
    std::copy(plaintext.begin(), plaintext.end(), frame.begin() + kMessageHeaderBytes);
    mtproto::SealJob job;
    job.key = &key.bytes;
    job.auth_key_id = key.id;
    job.out = frame;
    job.plaintext_bytes = plaintext.size();
    job.sender = mtproto::Sender::kClient;
    mtproto::seal_many({&job, 1});
    transport_.write_frame(frame, false, outgoing_);
  }

  void add_message(SimRandom& random) {
    const uint32_t sequence = sent_++;
    const TestKey& key = random.chance(70) ? *key_ : *second_key_;
    const size_t extra = random.chance(3) ? 40'000 : 4 * random.between(0, 60);
    const size_t body_bytes = 12 + extra;
    Bytes frame(mtproto::sealed_bytes(kMessagePrefixBytes + body_bytes));
    ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes));
    out.i64(99);
    out.i64(session_id_);
    out.i64((int64_t{sequence} + 1) * 4);
    out.i32(static_cast<int32_t>(2 * sequence + 1));
    out.u32(static_cast<uint32_t>(body_bytes));
    out.u32(kBodyTag);
    out.u32(number_);
    out.u32(sequence);
    out.fill(0xab, extra);
    mtproto::SealJob job;
    job.key = &key.bytes;
    job.auth_key_id = key.id;
    job.out = frame;
    job.plaintext_bytes = kMessagePrefixBytes + body_bytes;
    job.sender = mtproto::Sender::kClient;
    mtproto::seal_many({&job, 1});
    const bool quick_ack = quick_acks_ && random.chance(60);
    if (quick_ack) tokens_[job.quick_ack_token] = sequence;
    if (quick_ack) acks_wanted_.push_back(sequence);
    transport_.write_frame(frame, quick_ack, outgoing_);
  }

  // Writes a piece of what there is; true while there is more.
  bool write_some(SimNetwork& network) {
    if (outgoing_.empty()) return false;
    SimRandom& random = network.random();
    const size_t size = random.chance(20)
                            ? outgoing_.size()
                            : std::min<size_t>(outgoing_.size(), random.between(1, 700));
    network.write(id_, ByteView(outgoing_).first(size));
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<ptrdiff_t>(size));
    return !outgoing_.empty();
  }

  void read_all(SimNetwork& network) {
    Bytes bytes = network.read(id_);
    if (bytes.empty()) return;
    transport_.receive(bytes);
    for (;;) {
      mtproto::ServerEvent event;
      const auto next = transport_.next(event);
      if (next == mtproto::ServerTransport::Event::kNeedMore) return;
      ASSERT_EQ(next, mtproto::ServerTransport::Event::kFrame) << "client " << number_;
      take(event);
    }
  }

  void take(mtproto::ServerEvent& event) {
    switch (event.kind) {
      case mtproto::ServerEvent::Kind::kQuickAck: {
        const auto found = tokens_.find(event.quick_ack_token);
        ASSERT_NE(found, tokens_.end()) << "a quick ack nobody asked for";
        acked_.push_back(found->second);
        break;
      }
      case mtproto::ServerEvent::Kind::kFrame: {
        const TestKey* key =
            load_le<int64_t>(event.payload.data()) == key_->id ? key_ : second_key_;
        mtproto::OpenJob job;
        job.key = &key->bytes;
        job.frame = event.payload.first(24 + (event.payload.size() - 24) / 16 * 16);
        job.sender = mtproto::Sender::kServer;
        mtproto::open_many({&job, 1});
        ASSERT_EQ(job.error, Error::kNone);
        ASSERT_EQ(job.header.session_id, session_id_);
        pushes_.insert(job.header.msg_id);
        break;
      }
      case mtproto::ServerEvent::Kind::kTransportError:
        FAIL() << "transport error " << event.error_code;
    }
  }

  uint32_t number_;
  ClientId id_;
  mtproto::ClientTransport transport_;
  const bool quick_acks_;
  const TestKey* key_ = nullptr;
  const TestKey* second_key_ = nullptr;
  int64_t session_id_ = 0;
  Bytes outgoing_;
  uint32_t sent_ = 0;
  std::map<uint32_t, uint32_t> tokens_;
  std::vector<uint32_t> acks_wanted_;
  std::vector<uint32_t> acked_;
  std::set<int64_t> pushes_;
  bool was_reset_ = false;
  bool finished_ = false;
  bool forger_ = false;  // what it sends is never for the shard
};

class Simulation {
 public:
  explicit Simulation(uint64_t seed)
      : network_(seed), shards_(cluster::MemoryTransport::Mode::kStepped, seed), budget_(0, 0) {
    SimRandom& random = network_.random();
    shared_.workers = static_cast<uint32_t>(random.between(1, 4));
    shared_.budget = &budget_;
    shared_.doors = make_doors(shared_.config, nullptr);
    shared_.config.limits.keys_per_connection = 4;
    shared_.submit_crypto = [](CryptoTask&) { return PoolAnswer::kFull; };
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
      const int fd = network_.listen();
      listeners.emplace_back(fd);
      listeners_.push_back(fd);
      EXPECT_EQ(workers_.back()->start(now(), std::move(listeners), {kShard}), "");
    }
  }

  cluster::MemoryShard& shard() { return shards_.shard(kShard); }
  Now now() const { return {network_.now_ns(), kUnixBaseNs + network_.now_ns()}; }

  void turn_all() {
    for (const auto& worker : workers_) {
      worker->turn(20 * kNsPerMs, [this] { return now(); });
      worker->settle_posts();
    }
    const uint64_t steps = network_.random().between(0, 6);
    for (uint64_t i = 0; i < steps && shards_.step(); ++i) {
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
    static const char* const kTransports[] = {"abridged",
                                              "intermediate",
                                              "padded",
                                              "full",
                                              "obfuscated-abridged",
                                              "obfuscated-intermediate",
                                              "obfuscated-padded"};
    SimRandom& random = network_.random();
    const uint64_t count = random.between(1, 5);
    for (uint32_t i = 0; i < count; ++i) {
      const int listener = listeners_[random.between(0, listeners_.size() - 1)];
      clients_.push_back(std::make_unique<SimClient>(random, i, network_.connect(listener),
                                                     kTransports[random.between(0, 6)]));
      const uint64_t messages = random.between(1, 12);
      for (uint64_t m = 0; m < messages; ++m) clients_.back()->add_message(random);
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
      if (!client->outgoing_.empty() && !client->finished_) return true;
    }
    return false;
  }

  void run() {
    add_clients();
    for (int i = 0; i < 20'000 && busy(); ++i) {
      for (const auto& client : clients_) {
        if (!client->finished_ && network_.random().chance(60)) (void)client->write_some(network_);
        client->read_all(network_);
      }
      disturb();
      turn_all();
    }
    // The shard is well again: everything that was taken over must arrive, everything be answered.
    shard().set_up(true);
    shard().set_answering(true);
    for (int i = 0; i < 4000 && !settled(); ++i) {
      turn_all();
      for (const auto& client : clients_) client->read_all(network_);
      note_refused_clients();
    }
    check_delivery();
    finish();
  }

  // A connection whose key could not be looked up while the shard was away, or that waited for it
  // for longer than a deadline, is closed; its client is then as good as reset. Nobody else's may
  // end.
  void note_refused_clients() {
    uint64_t refusals = 0;
    for (const auto& worker : workers_) {
      for (const Counter counter :
           {Counter::kKeyQueriesFailed, Counter::kTimeoutKeyLookup, Counter::kTimeoutFirstByte,
            Counter::kTimeoutHandshake, Counter::kTimeoutFrame, Counter::kTimeoutIdle,
            Counter::kBindsTimedOut}) {
        refusals += worker->counters().read(counter);
      }
    }
    for (const auto& client : clients_) {
      if (client->was_reset_ || !network_.saw_end(client->id_)) continue;
      EXPECT_GT(refusals, 0U) << "client " << client->number_ << " was closed for no reason";
      client->was_reset_ = client->finished_ = true;
      network_.finish(client->id_);
    }
  }

  bool settled() {
    if (delivered_count() < wanted_count()) return false;
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
      if (message.close || is_preamble(message)) continue;
      const uint32_t number = read_u32(message.payload, 20);
      if (!clients_[number]->was_reset_) seen.insert({number, read_u32(message.payload, 24)});
    }
    return seen.size();
  }

  // By session: the msg_ids that came with conn_type 1.
  std::map<std::pair<int64_t, int64_t>, std::set<int64_t>> announcements() {
    std::map<std::pair<int64_t, int64_t>, std::set<int64_t>> found;
    for (const auto& message : shard().received()) {
      if (message.close) continue;
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
      if (message.close || is_bind(message)) continue;
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

  // Half of the clients leave, then the gateway is told to stop.
  void finish() {
    for (const auto& client : clients_) {
      if (!client->finished_ && network_.random().chance(50)) {
        client->finished_ = true;
        network_.finish(client->id_);
      }
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
      turn_all();
      drained = true;
      for (const auto& worker : workers_) drained &= worker->drained();
      drained &= shared_.posts_in_flight.load() == 0;
    }
    EXPECT_TRUE(drained);
    check_sessions_closed();
    for (const auto& worker : workers_) {
      EXPECT_EQ(worker->table().size(), 0U);
      EXPECT_EQ(worker->flow().sessions(), 0U);
      EXPECT_EQ(worker->counters().read(Counter::kMessagesLost), 0U);
    }
    workers_.clear();
    EXPECT_EQ(network_.open_descriptors(), 0U);
    for (const std::string& violation : network_.violations()) ADD_FAILURE() << violation;
  }

  // The last word about each session that the shard was told of is that it is closed. A bind alone
  // tells of none: without a confirmation nobody may speak for its user, not even to close.
  void check_sessions_closed() {
    std::map<std::pair<int64_t, int64_t>, bool> open;
    for (const auto& message : shard().received()) {
      if (is_bind(message)) continue;
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
  SharedContext shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<int> listeners_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::vector<Push> pushes_;
  int64_t last_push_msg_id_ = 0;
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
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t seed = one != 0 ? one : first + i;
    SCOPED_TRACE("seed " + std::to_string(seed));
    Simulation simulation(seed);
    simulation.run();
    if (HasFailure()) return;
  }
}

}  // namespace
}  // namespace ringway::gateway
