// How temporary keys become bound, in virtual time: a real worker on a simulated ring that is kind,
// and a shard in memory that says what the test lets it say, when the test lets it.
#include "mtproto/bind.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "gateway/worker.h"
#include "mtproto/client_transport.h"
#include "mtproto/message.h"
#include "mtproto/peek.h"
#include "mtproto/tl.h"
#include "support/memory_transport.h"
#include "support/sim_ring.h"
#include "support/tl_objects.h"

namespace ringway::gateway {
namespace {

namespace ctor = mtproto::constructor;

using cluster::ShardMessage;
using testing::gzip_packed;
using testing::object;
using testing::SimNetwork;
using testing::SimRandom;
using testing::SimRing;

constexpr const char* kShard = "10.1.1.1:20120";
constexpr int64_t kUnixBaseNs = 1'700'000'000LL * kNsPerSecond;
constexpr int64_t kTurnWaitNs = 20 * kNsPerMs;
constexpr uint32_t kCall = 0x1fb33026;  // help.getNearestDc: asks for a user
constexpr int64_t kFirstUser = 0x1111;
constexpr int64_t kSecondUser = 0x2222;

// What is inside is the shard's to judge, and this one says what the test wants.
Bytes bind_to(int64_t perm_auth_key_id) {
  const Bytes proof(104, 0x77);
  return mtproto::write_bind_call({.perm_auth_key_id = perm_auth_key_id,
                                   .nonce = 1,
                                   .expires_at = 2'000'000'000,
                                   .encrypted_message = proof});
}

// One connection with a session of its own.
struct Peer {
  testing::ClientId id = 0;
  int64_t session_id = 0;
  mtproto::ClientTransport transport{*mtproto::client_transport_by_name("intermediate")};
  bool opened = false;
};

class BindTest : public ::testing::Test {
 protected:
  BindTest() : network_(1), shards_(cluster::MemoryTransport::Mode::kStepped, 1), budget_(0, 0, 0) {
    SimRandom random(4713);
    for (uint8_t& byte : key_.span()) byte = static_cast<uint8_t>(random.next());
    key_id_ = mtproto::auth_key_id(key_);
    shared_.workers = 1;
    shared_.budget = &budget_;
    shared_.doors = make_doors(shared_.config, nullptr);
    shared_.submit_crypto = [](CryptoTask&) { return PoolAnswer::kFull; };
    shared_.post = [this](uint32_t, WorkerMessage& message) {
      return worker_->post(std::move(message));
    };
    set_binding(0);
  }

  void SetUp() override {
    ASSERT_EQ(log_setup({.level = LogLevel::kError}), "");
    WorkerOptions options;
    options.table.connections_max = 64;
    options.dispatcher.server_id = "10.0.0.1:20110";
    worker_ = std::make_unique<Worker>(
        options, std::make_unique<SimRing>(network_, testing::SimRingOptions{}), shared_, shards_);
    listener_ = network_.listen();
    std::vector<net::OwnedFd> listeners;
    listeners.emplace_back(listener_);
    ASSERT_EQ(worker_->start(now(), std::move(listeners), {kShard}), "");
  }

  void TearDown() override {
    ASSERT_TRUE(worker_->post(Drain{}));
    for (int i = 0; i < 2000 && !worker_->drained(); ++i) turn();
    EXPECT_TRUE(worker_->drained());
    worker_.reset();
    EXPECT_EQ(network_.open_descriptors(), 0U);
    for (const std::string& violation : network_.violations()) ADD_FAILURE() << violation;
  }

  // --- time

  Now now() const { return {network_.now_ns(), kUnixBaseNs + network_.now_ns()}; }
  void turn() {
    worker_->turn(kTurnWaitNs, [this] { return now(); });
    worker_->settle_posts();
    shards_.settle();
  }
  // Everything that needs no time to pass, and a few turns of it.
  void settle() {
    for (int i = 0; i < 10; ++i) turn();
  }
  void run_until(int64_t mono_ns) {
    while (network_.now_ns() < mono_ns) {
      const int64_t before_ns = network_.now_ns();
      turn();
      // A turn that had something to do takes no time.
      if (network_.now_ns() == before_ns) network_.advance(kNsPerMs);
    }
  }

  // Until what the worker has ended is closed, although its client does not end its side.
  void linger() { run_until(network_.now_ns() + 30 * kNsPerSecond); }

  // --- the clients

  Peer connect() {
    Peer peer;
    peer.id = network_.connect(listener_);
    peer.session_id = ++last_session_id_;
    return peer;
  }
  int64_t send(Peer& peer, ByteView body) {
    const int64_t msg_id = last_msg_id_ += 4;
    Bytes frame(mtproto::sealed_bytes(kMessagePrefixBytes + body.size()));
    ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes));
    out.i64(99);
    out.i64(peer.session_id);
    out.bytes(mtproto::frame_message(msg_id, 1, body));
    mtproto::SealJob job;
    job.key = &key_;
    job.auth_key_id = key_id_;
    job.out = frame;
    job.plaintext_bytes = kMessagePrefixBytes + body.size();
    job.sender = mtproto::Sender::kClient;
    mtproto::seal_many({&job, 1});
    Bytes bytes;
    if (!std::exchange(peer.opened, true)) bytes = peer.transport.opening();
    peer.transport.write_frame(frame, false, bytes);
    network_.write(peer.id, bytes);
    return msg_id;
  }
  bool closed(const Peer& peer) const { return network_.server_closed(peer.id); }

  // --- the shard

  cluster::MemoryShard& shard() { return shards_.shard(kShard); }
  // What it answers to questions about the temporary key.
  void set_binding(int64_t perm_auth_key_id) {
    cluster::AuthKeyRecord record;
    record.auth_key_id = key_id_;
    record.key_type = 1;
    record.perm_auth_key_id = perm_auth_key_id;
    record.key = key_;
    shard().put_key(record);
  }
  // The rpc_result of a bind.
  void answer(const Peer& peer, int64_t msg_id, uint32_t result) {
    Bytes body;
    ByteAppender out(body);
    out.u32(ctor::kRpcResult);
    out.i64(msg_id);
    out.u32(result);
    (void)push(peer, body);
  }
  uint64_t push(const Peer& peer, ByteView body) {
    Bytes payload;
    ByteAppender whole(payload);
    whole.i64(99);
    whole.i64(peer.session_id);
    whole.bytes(mtproto::frame_message(++last_push_ * 4 + 1, 1, body));
    const uint64_t id = shard().push(key_id_, peer.session_id, std::move(payload));
    EXPECT_NE(id, 0U);
    return id;
  }
  // The permanent keys whose shards were told that a session is over.
  std::vector<int64_t> closes() {
    std::vector<int64_t> found;
    for (const ShardMessage& message : shard().received()) {
      if (message.close) found.push_back(message.perm_auth_key_id);
    }
    return found;
  }
  std::vector<ShardMessage> messages() {
    std::vector<ShardMessage> found = shard().received();
    std::erase_if(found, [](const ShardMessage& message) { return message.close; });
    return found;
  }
  static int64_t msg_id_of(const ShardMessage& message) {
    return load_le<int64_t>(message.payload.data());
  }

  uint64_t count(Counter counter) const { return worker_->counters().read(counter); }
  int64_t time_out_ns() const { return shared_.config.timeouts.key_lookup_ns; }

  SimNetwork network_;
  cluster::MemoryTransport shards_;
  AddressBudget budget_;
  SharedContext shared_;
  std::unique_ptr<Worker> worker_;
  AuthKeyBytes key_;
  int64_t key_id_ = 0;
  int listener_ = -1;
  int64_t last_session_id_ = 0;
  int64_t last_msg_id_ = 1LL << 40;
  int64_t last_push_ = 0;
};

// Nobody can tell what became of a bind whose shard says nothing: all who wait for it are closed,
// at the time-out and not before.
TEST_F(BindTest, ABindWithoutAnAnswerTimesOut) {
  Peer first = connect();
  const int64_t bind = send(first, bind_to(kFirstUser));
  settle();
  const int64_t sent_ns = network_.now_ns();
  ASSERT_EQ(messages().size(), 1U);
  EXPECT_EQ(msg_id_of(messages()[0]), bind);
  (void)send(first, object(kCall));
  Peer second = connect();
  (void)send(second, object(kCall));
  run_until(sent_ns + time_out_ns() - kNsPerSecond);
  EXPECT_FALSE(closed(first) || closed(second));
  EXPECT_EQ(count(Counter::kBindsTimedOut), 0U);
  run_until(sent_ns + time_out_ns() + kNsPerSecond);
  EXPECT_EQ(count(Counter::kBindsTimedOut), 1U);
  EXPECT_TRUE(closed(first));
  EXPECT_TRUE(closed(second));
  EXPECT_EQ(messages().size(), 1U) << "what waited was for a user, and there was none";
  EXPECT_EQ(count(Counter::kBindsConfirmed), 0U);
}

// The answer to a bind may get lost; the binding does not. Who waits makes the gateway ask again.
TEST_F(BindTest, ABindWhoseAnswerIsLostIsConfirmedByAsking) {
  Peer peer = connect();
  (void)send(peer, bind_to(kFirstUser));
  settle();
  const int64_t call = send(peer, object(kCall));
  settle();
  ASSERT_EQ(messages().size(), 1U);
  set_binding(kFirstUser);
  run_until(network_.now_ns() + 2 * kBindAskAgainNs);
  EXPECT_EQ(count(Counter::kBindsConfirmed), 1U);
  ASSERT_EQ(messages().size(), 2U);
  EXPECT_EQ(msg_id_of(messages()[1]), call);
  EXPECT_EQ(messages()[1].perm_auth_key_id, kFirstUser);
}

// After the time-out the key is as it was: a client that comes back binds it.
TEST_F(BindTest, AKeyIsBoundAfterATimeOut) {
  Peer first = connect();
  (void)send(first, bind_to(kFirstUser));
  settle();
  run_until(network_.now_ns() + time_out_ns() + kNsPerSecond);
  ASSERT_TRUE(closed(first));
  Peer second = connect();
  const int64_t bind = send(second, bind_to(kFirstUser));
  settle();
  ASSERT_EQ(messages().size(), 2U);
  EXPECT_EQ(msg_id_of(messages()[1]), bind);
  set_binding(kFirstUser);
  answer(second, bind, ctor::kBoolTrue);
  const int64_t call = send(second, object(kCall));
  settle();
  ASSERT_EQ(messages().size(), 3U);
  EXPECT_EQ(msg_id_of(messages()[2]), call);
  EXPECT_FALSE(closed(second));
}

// One bind of a key is at a shard at a time: a second one waits for the first one's outcome, and
// goes when that was refused.
TEST_F(BindTest, ASecondBindGoesWhenTheFirstIsRefused) {
  Peer first = connect();
  Peer second = connect();
  const int64_t bind = send(first, bind_to(kFirstUser));
  settle();
  const int64_t other = send(second, bind_to(kSecondUser));
  settle();
  ASSERT_EQ(messages().size(), 1U) << "the second bind has not waited";
  EXPECT_EQ(msg_id_of(messages()[0]), bind);
  answer(first, bind, ctor::kRpcError);
  settle();
  ASSERT_EQ(messages().size(), 2U);
  EXPECT_EQ(msg_id_of(messages()[1]), other);
  EXPECT_EQ(messages()[1].perm_auth_key_id, kSecondUser);
  EXPECT_EQ(count(Counter::kBindsRefused), 1U);
  set_binding(kSecondUser);
  answer(second, other, ctor::kBoolTrue);
  const int64_t call = send(second, object(kCall));
  settle();
  linger();
  EXPECT_TRUE(closed(first)) << "its session may have begun as another user's";
  ASSERT_EQ(messages().size(), 3U);
  EXPECT_EQ(msg_id_of(messages()[2]), call);
  EXPECT_EQ(messages()[2].perm_auth_key_id, kSecondUser);
  EXPECT_EQ(count(Counter::kBindsConfirmed), 1U);
}

// What a shard says for the user that a bind has claimed is not for the one that another bind, by
// way of another gateway, has made the key's.
TEST_F(BindTest, PushesForAClaimAreNotTheOtherUsers) {
  Peer peer = connect();
  const int64_t bind = send(peer, bind_to(kFirstUser));
  settle();
  const uint64_t update = push(peer, object(0x74ae4240));  // updates
  settle();
  const uint64_t sealed = count(Counter::kMessagesSealed);
  set_binding(kSecondUser);
  answer(peer, bind, ctor::kRpcError);
  settle();
  EXPECT_EQ(shard().push_result(update), std::optional<bool>(false));
  EXPECT_LE(count(Counter::kMessagesSealed), sealed + 1) << "the bind's own answer";
  EXPECT_EQ(count(Counter::kBindsConfirmed), 0U);
  EXPECT_EQ(count(Counter::kBindsRefused), 1U);
  linger();
  EXPECT_TRUE(closed(peer));
  EXPECT_EQ(closes(), std::vector<int64_t>{kFirstUser});
}

// The shard of a claim may have begun the session: it hears that it is over.
TEST_F(BindTest, ASessionOfARefusedBindIsClosedWhereItBegan) {
  Peer peer = connect();
  const int64_t bind = send(peer, bind_to(kFirstUser));
  settle();
  answer(peer, bind, ctor::kRpcError);
  settle();
  EXPECT_TRUE(closes().empty());
  network_.reset(peer.id);
  settle();
  EXPECT_EQ(closes(), std::vector<int64_t>{kFirstUser});
}

// One session is for one user: a second claim in it ends the connection, and with it the first
// one's session.
TEST_F(BindTest, ASessionClaimsOneUserOnly) {
  Peer peer = connect();
  const int64_t bind = send(peer, bind_to(kFirstUser));
  settle();
  answer(peer, bind, ctor::kRpcError);
  settle();
  (void)send(peer, bind_to(kSecondUser));
  settle();
  linger();
  EXPECT_TRUE(closed(peer));
  EXPECT_EQ(messages().size(), 1U);
  EXPECT_EQ(closes(), std::vector<int64_t>{kFirstUser});
  // The same user again is what a client does whose clock was wrong.
  Peer again = connect();
  for (int i = 0; i < 2; ++i) {
    const int64_t retry = send(again, bind_to(kFirstUser));
    settle();
    answer(again, retry, ctor::kRpcError);
    settle();
  }
  EXPECT_FALSE(closed(again));
  EXPECT_EQ(messages().size(), 3U);
}

// Where the first has bound the key, the second is a message like others of that key's user.
TEST_F(BindTest, ASecondBindFollowsTheFirstOnesUser) {
  Peer first = connect();
  Peer second = connect();
  const int64_t bind = send(first, bind_to(kFirstUser));
  settle();
  const int64_t other = send(second, bind_to(kSecondUser));
  settle();
  ASSERT_EQ(messages().size(), 1U);
  set_binding(kFirstUser);
  answer(first, bind, ctor::kBoolTrue);
  settle();
  ASSERT_EQ(messages().size(), 2U);
  EXPECT_EQ(msg_id_of(messages()[1]), other);
  EXPECT_EQ(messages()[1].perm_auth_key_id, kFirstUser);
}

// A second bind does not lengthen the first one's time, nor does it get one of its own by waiting.
TEST_F(BindTest, ASecondBindThatWaitsIsClosedWithTheFirst) {
  Peer first = connect();
  Peer second = connect();
  (void)send(first, bind_to(kFirstUser));
  settle();
  const int64_t sent_ns = network_.now_ns();
  run_until(sent_ns + time_out_ns() / 2);
  (void)send(second, bind_to(kFirstUser));
  run_until(sent_ns + time_out_ns() + kNsPerSecond);
  EXPECT_EQ(count(Counter::kBindsTimedOut), 1U);
  EXPECT_EQ(count(Counter::kBindsForwarded), 1U);
  EXPECT_TRUE(closed(first));
  EXPECT_TRUE(closed(second));
}

// A bound key that is bound anew is its new user's with the shard's answer, whatever the bind stood
// in.
class RebindTest : public BindTest, public ::testing::WithParamInterface<const char*> {
 protected:
  static Bytes dressed(ByteView bind) {
    const std::string dress = GetParam();
    const Bytes layer = {0xc8, 0, 0, 0};
    Bytes filler(8000, 0x11);
    if (dress == "Plain") return {bind.begin(), bind.end()};
    if (dress == "Packed") return gzip_packed(bind);
    Bytes layered = layer;
    const Bytes packed = gzip_packed(bind);
    layered.insert(layered.end(), packed.begin(), packed.end());
    if (dress == "PackedInAWrapper") return object(ctor::kInvokeWithLayer, layered);
    Bytes wrapped = layer;
    wrapped.insert(wrapped.end(), bind.begin(), bind.end());
    if (dress == "PackedWithItsWrapper") {
      return gzip_packed(object(ctor::kInvokeWithLayer, wrapped));
    }
    // Behind a large call, one that is packed and one that is broken.
    Bytes made;
    ByteAppender out(made);
    out.u32(ctor::kMsgContainer);
    out.u32(4);
    out.bytes(mtproto::frame_message(4, 1, object(kCall, filler)));
    out.bytes(mtproto::frame_message(8, 3, gzip_packed(object(kCall, filler))));
    out.bytes(mtproto::frame_message(12, 5, object(ctor::kGzipPacked, filler)));
    out.bytes(mtproto::frame_message(
        16, 7, dress == "InAContainer" ? Bytes(bind.begin(), bind.end()) : packed));
    return made;
  }
};
INSTANTIATE_TEST_SUITE_P(Dresses, RebindTest,
                         ::testing::Values("Plain", "Packed", "PackedInAWrapper",
                                           "PackedWithItsWrapper", "InAContainer",
                                           "PackedInAContainer"),
                         [](const auto& dress) { return std::string(dress.param); });

TEST_P(RebindTest, IsNoticedWithItsAnswer) {
  set_binding(kFirstUser);
  Peer peer = connect();
  (void)send(peer, object(kCall));
  settle();
  ASSERT_EQ(messages().size(), 1U);
  EXPECT_EQ(messages()[0].perm_auth_key_id, kFirstUser);
  const size_t queries = shard().key_queries();
  const Bytes body = dressed(bind_to(kSecondUser));
  const int64_t sent = send(peer, body);
  settle();
  ASSERT_EQ(messages().size(), 2U);
  EXPECT_EQ(shard().key_queries(), queries) << "nothing is asked before the answer";
  const bool contained = load_le<uint32_t>(body.data()) == ctor::kMsgContainer;
  set_binding(kSecondUser);
  answer(peer, contained ? 16 : sent, ctor::kBoolTrue);
  settle();
  EXPECT_EQ(shard().key_queries(), queries + 1);
  EXPECT_EQ(count(Counter::kBindingsChanged), 1U);
  (void)send(peer, object(kCall));
  settle();
  ASSERT_EQ(messages().size(), 3U);
  EXPECT_EQ(messages()[2].perm_auth_key_id, kSecondUser);
}

}  // namespace
}  // namespace ringway::gateway
