// Workers on threads of their own, real sockets and rings, a shard in memory: what threads do to
// each other. Everything here is ours and seen by the thread sanitizer.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "client/blocking_client.h"
#include "client/handshake_steps.h"
#include "crypto/random.h"
#include "gateway/crypto_pool.h"
#include "gateway/doors_testing.h"
#include "gateway/worker.h"
#include "mtproto/handshake_wire.h"
#include "mtproto/unencrypted.h"
#include "net/listener.h"
#include "net/uring_ring.h"
#include "support/memory_transport.h"

namespace ringway::gateway {
namespace {

constexpr const char* kShard = "10.1.1.1:20120";

// The gateway's objects without its gRPC service.
class Cluster {
 public:
  explicit Cluster(uint32_t workers, const testing::Stack& stack = testing::make_stack("plain"))
      : shards_(cluster::MemoryTransport::Mode::kThreaded), budget_(0, 0, 0) {
    key_ = crypto::RsaKey::generate();
    shared_.workers = workers;
    shared_.budget = &budget_;
    shared_.config.listeners = {stack.listener};
    shared_.doors = make_doors(shared_.config, nullptr);
    if (stack.listener.tls) shared_.doors[0]->set_tls_context(testing::server_tls());
    shared_.config.limits.handshakes_per_connection = 1000;
    shared_.handshake.keys.push_back({key_, key_->fingerprint()});
    shared_.post = [this](uint32_t worker, WorkerMessage& message) {
      return seats_[worker]->worker->post(std::move(message));
    };
    shared_.submit_crypto = [this](CryptoTask& task) { return pool_->submit(task); };
    net::SocketAddress address = *net::parse_socket_address("127.0.0.1:0");
    for (uint32_t i = 0; i < workers; ++i) {
      auto ring = net::UringRing::create({.entries = 256, .buffers = 64, .buffer_bytes = 2048});
      EXPECT_EQ(ring.error, "");
      WorkerOptions options;
      options.index = i;
      options.table.connections_max = 1000;
      options.dispatcher.worker = i;
      options.dispatcher.server_id = "10.0.0.1:20110";
      seats_.push_back(std::make_unique<Seat>());
      seats_[i]->worker = std::make_unique<Worker>(options, std::move(ring.ring), shared_, shards_);
      auto listener = net::open_listener(address, {});
      EXPECT_EQ(listener.error, "");
      address = listener.address;
      seats_[i]->listener = std::move(listener.fd);
    }
    address_ = address.to_string();
    pool_ = std::make_unique<CryptoPool>(2, 1000, [this](CryptoTask& task) {
      WorkerMessage message(std::move(task));
      const uint32_t worker = std::get<CryptoTask>(message).connection.worker;
      if (seats_[worker]->worker->post(std::move(message))) return true;
      task = std::move(std::get<CryptoTask>(message));
      return false;
    });
    for (uint32_t i = 0; i < workers; ++i) {
      seats_[i]->thread = std::thread([this, i] { run(i); });
    }
    for (const auto& seat : seats_) {
      while (!seat->started) std::this_thread::yield();
    }
  }

  ~Cluster() {
    stopping_ = true;
    pool_->stop();
    for (const auto& seat : seats_) {
      seat->worker->ring().waker().wake();
      seat->thread.join();
    }
  }

  [[nodiscard]] cluster::MemoryShard& shard() { return shards_.shard(kShard); }
  [[nodiscard]] const std::string& address() const { return address_; }

  [[nodiscard]] client::HandshakeOptions handshake() const {
    client::HandshakeOptions options;
    options.keys.push_back({key_, key_->fingerprint()});
    return options;
  }

  // As the gRPC service does it: on a thread of its own, into the home worker's inbox.
  void push(int64_t auth_key_id, int64_t session_id, int64_t msg_id,
            std::unique_ptr<cluster::PushReply> reply, uint32_t body_bytes = 12) {
    cluster::PushRequest request;
    request.auth_key_id = auth_key_id;
    request.session_id = session_id;
    request.payload.resize(kMessagePrefixBytes + body_bytes);
    ByteWriter out(request.payload);
    out.i64(1);
    out.i64(session_id);
    out.i64(msg_id);
    out.i32(0);
    out.u32(body_bytes);
    request.reply = std::move(reply);
    ASSERT_TRUE(seats_[home_of(auth_key_id, shared_.workers)]->worker->post(std::move(request)));
  }

  [[nodiscard]] uint64_t counter(Counter counter) const {
    uint64_t total = 0;
    for (const auto& seat : seats_) total += seat->worker->counters().read(counter);
    return total;
  }

  [[nodiscard]] bool drain() {
    for (const auto& seat : seats_) EXPECT_TRUE(seat->worker->post(Drain{}));
    const auto all = [this] {
      return std::all_of(seats_.begin(), seats_.end(),
                         [](const auto& s) { return s->drained.load(); });
    };
    for (int i = 0; i < 2000; ++i) {
      if (all() && shared_.posts_in_flight.load() == 0 && all()) return true;
      const timespec pause{0, 5'000'000};
      nanosleep(&pause, nullptr);
    }
    return false;
  }

 private:
  struct Seat {
    std::unique_ptr<Worker> worker;
    net::OwnedFd listener;
    std::thread thread;
    std::atomic<bool> started{false};
    std::atomic<bool> drained{false};
  };

  void run(uint32_t index) {
    Seat& seat = *seats_[index];
    std::vector<net::OwnedFd> listeners;
    listeners.push_back(std::move(seat.listener));
    ASSERT_EQ(seat.worker->start(read_clocks(), std::move(listeners), {kShard}), "");
    seat.started = true;
    while (!stopping_) {
      seat.worker->turn(50 * kNsPerMs, read_clocks);
      seat.drained = seat.worker->drained();
      seat.worker->settle_posts();
    }
  }

  std::shared_ptr<const crypto::RsaKey> key_;
  cluster::MemoryTransport shards_;
  AddressBudget budget_;
  SharedContext shared_;
  std::vector<std::unique_ptr<Seat>> seats_;
  std::unique_ptr<CryptoPool> pool_;
  std::string address_;
  std::atomic<bool> stopping_{false};
};

class WaitableReply {
 public:
  // -1 while unknown, else 0 or 1.
  std::shared_ptr<std::atomic<int>> result = std::make_shared<std::atomic<int>>(-1);
  std::unique_ptr<cluster::PushReply> make() {
    struct Reply final : cluster::PushReply {
      explicit Reply(std::shared_ptr<std::atomic<int>> to) : result(std::move(to)) {}
      void done(bool delivered) noexcept override { result->store(delivered ? 1 : 0); }
      std::shared_ptr<std::atomic<int>> result;
    };
    return std::make_unique<Reply>(result);
  }
  [[nodiscard]] int wait() const {
    for (int i = 0; i < 2000 && result->load() < 0; ++i) {
      const timespec pause{0, 5'000'000};
      nanosleep(&pause, nullptr);
    }
    return result->load();
  }
};

Bytes body(uint32_t number) {
  Bytes bytes;
  ByteAppender out(bytes);
  out.u32(0x5eed5eed);
  out.u32(number);
  return bytes;
}

mtproto::ClientTransportOptions transport(const char* name) {
  return *mtproto::client_transport_by_name(name);
}

// Sends one message and waits for its quick ack.
void send_acked(client::BlockingClient& client, uint32_t number) {
  client::RequestOptions options;
  options.quick_ack = true;
  options.expect_reply = false;
  auto sent = client.send(body(number), options);
  ASSERT_TRUE(sent.ok()) << client.problem();
  const client::Arrival arrival = client.wait_quick_ack(*sent);
  ASSERT_EQ(arrival.kind, client::Arrival::Kind::kEvent) << arrival.to_string();
}

class WorkerThreads : public ::testing::TestWithParam<uint32_t> {
 protected:
  static void SetUpTestSuite() { ASSERT_EQ(log_setup({.level = LogLevel::kError}), ""); }
};

TEST_P(WorkerThreads, ClientsOnAllWorkersMakeKeysAndAreHeard) {
  Cluster cluster(GetParam());
  static const char* const kNames[] = {"abridged", "obfuscated-padded", "intermediate",
                                       "obfuscated-abridged"};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t round = 0; round < 3; ++round) {
        client::BlockingClient client(transport(kNames[t]));
        ASSERT_TRUE(client.connect(cluster.address()).ok()) << client.problem();
        ASSERT_TRUE(client.make_key(cluster.handshake()).ok()) << client.problem();
        for (uint32_t i = 0; i < 5; ++i) send_acked(client, t * 100 + round * 10 + i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(cluster.shard().wait_for([](const cluster::MemoryShard& shard) {
    size_t messages = 0;
    size_t closes = 0;
    for (const auto& message : shard.received()) (message.close ? closes : messages) += 1;
    return messages == 60 && closes == 12;
  }));
  EXPECT_EQ(cluster.counter(Counter::kHandshakesDone), 12U);
  EXPECT_EQ(cluster.counter(Counter::kConnectionsMovedOut),
            cluster.counter(Counter::kConnectionsMovedIn));
  EXPECT_TRUE(cluster.drain());
}

// The pool takes the steps of TLS's handshakes too, and what came through doors moves with them.
TEST_P(WorkerThreads, ClientsBehindTlsAndWebSocketMakeKeysMoveAndAreHeard) {
  const testing::Stack stack = testing::with_tls(
      testing::with_websocket(testing::make_stack("all", config::Protocol::kWebsocket)));
  Cluster cluster(GetParam(), stack);
  static const char* const kNames[] = {"obfuscated-abridged", "obfuscated-intermediate",
                                       "obfuscated-padded"};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (uint32_t round = 0; round < 4; ++round) {
        client::BlockingClient client(transport(kNames[t]));
        client.use_doors(stack.client);
        ASSERT_TRUE(client.connect(cluster.address()).ok()) << client.problem();
        ASSERT_TRUE(client.make_key(cluster.handshake()).ok()) << client.problem();
        for (uint32_t i = 0; i < 5; ++i) send_acked(client, t * 100 + round * 10 + i);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(cluster.shard().wait_for([](const cluster::MemoryShard& shard) {
    size_t messages = 0;
    size_t closes = 0;
    for (const auto& message : shard.received()) (message.close ? closes : messages) += 1;
    return messages == 60 && closes == 12;
  }));
  EXPECT_EQ(cluster.counter(Counter::kTlsHandshakes), 12U);
  EXPECT_EQ(cluster.counter(Counter::kWebSocketsOpened), 12U);
  EXPECT_EQ(cluster.counter(Counter::kConnectionsMovedOut),
            cluster.counter(Counter::kConnectionsMovedIn));
  EXPECT_TRUE(cluster.drain());
}

// Over HTTP a connection goes to the home of each request: of the nonce of its key exchange, then
// of its keys.
TEST_P(WorkerThreads, HttpClientsMakeKeysMoveAndAreAnswered) {
  testing::Stack plain = testing::make_stack("http", config::Protocol::kHttp);
  plain.client.http = true;
  for (const testing::Stack& stack : {plain, testing::with_tls(plain)}) {
    Cluster cluster(GetParam(), stack);
    std::vector<std::thread> threads;
    for (uint32_t t = 0; t < 3; ++t) {
      threads.emplace_back([&] {
        client::BlockingClient client(transport("intermediate"));
        client.use_doors(stack.client);
        ASSERT_TRUE(client.connect(cluster.address()).ok()) << client.problem();
        for (uint32_t round = 0; round < 4; ++round) {
          ASSERT_TRUE(client.make_key(cluster.handshake()).ok()) << client.problem();
          client::RequestOptions options;
          options.expect_reply = false;
          for (uint32_t i = 0; i < 5; ++i) ASSERT_TRUE(client.send(body(i), options).ok());
        }
        // The answer to this comes behind all others.
        ASSERT_TRUE(client.exchange(cluster.handshake()).ok()) << client.problem();
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(cluster.counter(Counter::kHandshakesDone), 15U);
    EXPECT_EQ(cluster.counter(Counter::kHttpCalls), 60U);
    EXPECT_EQ(cluster.counter(Counter::kHttpRequestsFailed), 0U);
    EXPECT_EQ(cluster.counter(Counter::kConnectionsMovedOut),
              cluster.counter(Counter::kConnectionsMovedIn));
    EXPECT_EQ(cluster.counter(Counter::kSessionsOpened), 0U);
    EXPECT_TRUE(cluster.drain());
  }
}

// Several connections of one session, wherever they were accepted: it opens and closes once.
TEST_P(WorkerThreads, OneSessionOnSeveralConnectionsOpensAndClosesOnce) {
  Cluster cluster(GetParam());
  client::BlockingClient first(transport("intermediate"));
  ASSERT_TRUE(first.connect(cluster.address()).ok());
  auto made = first.make_key(cluster.handshake());
  ASSERT_TRUE(made.ok()) << first.problem();
  send_acked(first, 1);
  const int64_t session_id = first.session().session_id();
  {
    std::vector<std::unique_ptr<client::BlockingClient>> others;
    for (uint32_t i = 0; i < 6; ++i) {
      others.push_back(std::make_unique<client::BlockingClient>(transport("abridged")));
      ASSERT_TRUE(others.back()->connect(cluster.address()).ok());
      client::SessionOptions options;
      options.session_id = session_id;
      others.back()->use_key(client::SessionKey::from(*made), options);
      send_acked(*others.back(), 10 + i);
    }
  }
  send_acked(first, 2);
  first.close();
  EXPECT_TRUE(cluster.shard().wait_for(
      [](const cluster::MemoryShard& shard) { return shard.received_count() == 9; }));
  const auto received = cluster.shard().received();
  int conn_type_1 = 0;
  for (size_t i = 0; i < received.size(); ++i) {
    conn_type_1 += !received[i].close && received[i].conn_type == 1 ? 1 : 0;
    EXPECT_EQ(received[i].close, i + 1 == received.size());
  }
  EXPECT_EQ(conn_type_1, 1);
  EXPECT_EQ(received.front().conn_type, 1);
}

// Further keys on a live connection: each is reached through its home, pushes find the connection.
TEST_P(WorkerThreads, FurtherKeysOfAConnectionWorkWhereverTheirHomeIs) {
  Cluster cluster(GetParam());
  client::BlockingClient client(transport("obfuscated-intermediate"));
  ASSERT_TRUE(client.connect(cluster.address()).ok());
  std::set<uint32_t> homes;
  for (uint32_t i = 0; i < 4; ++i) {
    auto made = client.exchange(cluster.handshake());
    ASSERT_TRUE(made.ok()) << client.problem();
    client.use_key(client::SessionKey::from(*made));
    const int64_t id = made->created.auth_key_id;
    homes.insert(home_of(id, GetParam()));
    for (uint32_t m = 0; m < 3; ++m) send_acked(client, i * 10 + m);

    WaitableReply reply;
    cluster.push(id, client.session().session_id(), 0x6500000000000001 + i * 4, reply.make());
    EXPECT_EQ(reply.wait(), 1) << "key " << i;
    client::Arrival arrival;
    do {
      arrival = client.wait();
    } while (arrival.kind == client::Arrival::Kind::kEvent &&
             arrival.event.kind != client::SessionEvent::Kind::kPush);
    EXPECT_EQ(arrival.kind, client::Arrival::Kind::kEvent) << arrival.to_string();

    // A push that is sealed slice by slice does not let those behind it overtake.
    std::array<WaitableReply, 4> replies;
    const std::array<uint32_t, 4> sizes = {300 * 1024, 16, 100 * 1024, 20};
    for (uint32_t p = 0; p < replies.size(); ++p) {
      cluster.push(id, client.session().session_id(), 0x6500001000000001 + i * 64 + p * 4,
                   replies[p].make(), sizes[p]);
    }
    for (uint32_t p = 0; p < replies.size(); ++p) {
      EXPECT_EQ(replies[p].wait(), 1) << "key " << i << ", push " << p;
      const client::Arrival pushed = client.wait();
      ASSERT_EQ(pushed.kind, client::Arrival::Kind::kEvent) << pushed.to_string();
      EXPECT_EQ(pushed.event.kind, client::SessionEvent::Kind::kPush);
      EXPECT_EQ(pushed.event.body.size(), sizes[p]);
    }
  }
  if (homes.size() > 1) {
    EXPECT_GT(cluster.counter(Counter::kRemoteFrames), 0U);
  }
  client.close();
  EXPECT_TRUE(cluster.shard().wait_for([](const cluster::MemoryShard& shard) {
    size_t closes = 0;
    for (const auto& message : shard.received()) closes += message.close ? 1 : 0;
    return closes == 4;
  }));
  std::map<int64_t, int> first_messages;
  for (const auto& message : cluster.shard().received()) {
    if (!message.close) first_messages[message.auth_key_id] += message.conn_type;
  }
  EXPECT_EQ(first_messages.size(), 4U);
  for (const auto& [id, count] : first_messages) EXPECT_EQ(count, 1) << id;
  EXPECT_TRUE(cluster.drain());
}

// A client may send behind its last key-exchange message a frame of a key that lives elsewhere. The
// connection moves there once the exchange is over, and both are answered.
TEST_P(WorkerThreads, AFrameForAnotherHomeBehindAKeyExchangeWaitsForIt) {
  Cluster cluster(GetParam());
  uint64_t moved = 0;
  for (int round = 0; round < 12; ++round) {
    client::BlockingClient owner(transport("intermediate"));
    ASSERT_TRUE(owner.connect(cluster.address()).ok());
    auto key = owner.exchange(cluster.handshake());
    ASSERT_TRUE(key.ok()) << owner.problem();
    client::Session session(client::SessionKey::from(*key), {});
    client::RequestOptions acked;
    acked.quick_ack = true;
    acked.expect_reply = false;
    ASSERT_TRUE(session.send(body(7), acked, read_clocks()).ok());
    const auto frames = session.seal(read_clocks());
    ASSERT_EQ(frames.size(), 1U);

    client::BlockingClient client(transport("intermediate"));
    ASSERT_TRUE(client.connect(cluster.address()).ok());
    const uint64_t moved_before = cluster.counter(Counter::kConnectionsMovedOut);
    client::ExchangeValues values;
    client::make_nonces(values, &crypto::random_bytes);
    const client::ServerKey server = cluster.handshake().keys.front();
    ASSERT_TRUE(client.send_unencrypted(client::make_req_pq(values)).ok());
    ASSERT_TRUE(client::take_res_pq(client.wait().payload, {&server, 1}, values).ok());
    ASSERT_TRUE(client::solve_pq(values).ok());
    const auto encrypted = client::rsa_pad_encrypt(
        *server.key, mtproto::write_pq_inner_data(client::make_inner_data(values)).view(),
        &crypto::random_bytes);
    ASSERT_TRUE(client.send_unencrypted(client::make_req_dh_params(values, *encrypted)).ok());
    ASSERT_TRUE(client::take_server_dh_params(client.wait().payload, values).ok());
    ASSERT_TRUE(client::compute_key(values, &crypto::random_bytes).ok());
    const Bytes last_step = client::make_set_client_dh_params(
        values, mtproto::write_client_dh_inner_data(client::make_client_dh_inner(values)),
        &crypto::random_bytes);

    client::ClientMsgId msg_ids;
    Bytes both = client.frame_bytes(
        mtproto::write_unencrypted(msg_ids.next(read_clocks().unix_ns), last_step));
    const Bytes second = client.frame_bytes(frames[0].bytes, true);
    both.insert(both.end(), second.begin(), second.end());
    ASSERT_TRUE(client.send_bytes(both).ok());
    int exchange_answers = 0;
    int quick_acks = 0;
    for (int i = 0; i < 2; ++i) {
      const client::Arrival arrival = client.wait();
      exchange_answers += arrival.kind == client::Arrival::Kind::kUnencrypted ? 1 : 0;
      quick_acks += arrival.kind == client::Arrival::Kind::kQuickAck ? 1 : 0;
    }
    EXPECT_EQ(exchange_answers, 1);
    EXPECT_EQ(quick_acks, 1);
    moved += cluster.counter(Counter::kConnectionsMovedOut) - moved_before;
    if (HasFailure()) return;
  }
  // Twelve keys and connections: that all of them meet at home by chance is one in 4^6.
  if (GetParam() > 1) {
    EXPECT_GT(moved, 0U);
  }
}

TEST_P(WorkerThreads, APushForNobodyIsRefused) {
  Cluster cluster(GetParam());
  WaitableReply reply;
  cluster.push(12345, 678, 1, reply.make());
  EXPECT_EQ(reply.wait(), 0);
}

TEST_P(WorkerThreads, DrainingDeliversWhatWasAcknowledged) {
  Cluster cluster(GetParam());
  client::BlockingClient client(transport("padded"));
  ASSERT_TRUE(client.connect(cluster.address()).ok());
  ASSERT_TRUE(client.make_key(cluster.handshake()).ok()) << client.problem();
  for (uint32_t i = 0; i < 50; ++i) send_acked(client, i);
  EXPECT_TRUE(cluster.drain());
  EXPECT_TRUE(client.wait_end().is_end());
  size_t messages = 0;
  size_t closes = 0;
  for (const auto& message : cluster.shard().received()) (message.close ? closes : messages) += 1;
  EXPECT_EQ(messages, 50U);
  EXPECT_EQ(closes, 1U);
}

INSTANTIATE_TEST_SUITE_P(Workers, WorkerThreads, ::testing::Values(1U, 2U, 4U));

}  // namespace
}  // namespace ringway::gateway
