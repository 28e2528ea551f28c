// tests/support/memory_transport: a ShardTransport without gRPC, and small shards behind it.
//
// MemoryTransport carries the same bytes as the real one to MemoryShards in the same process. A
// shard keeps keys, takes messages, acknowledges, pushes; a test tells it to be away, to hang, to
// refuse, to know only some wires. There are two ways to run it:
//
//   threaded   a thread of its own works as operations come: for race tests (ThreadSanitizer sees
//   all
//              of it) and for tests of the gateway with real sockets;
//   stepped    nothing happens until step() is called; each step works one pending operation, of a
//              stream or call chosen by the seed, so completions come in any order that a network
//              could give them. The same seed gives the same run.
//
// All public functions may be called on any thread. Shards live as long as the transport.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cluster/dispatcher.h"
#include "cluster/link_queue.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

// One message or session close as a shard has it.
struct ShardMessage {
  uint64_t order = 0;  // of its arrival, over all shards of the transport
  bool close = false;
  std::string wire;  // "batch", "stream" or "unary"
  std::string server_id;
  int32_t conn_type = 0;
  int64_t auth_key_id = 0;
  int32_t key_type = 0;
  int64_t perm_auth_key_id = 0;
  int64_t session_id = 0;
  std::string client_ip;
  bool quick_ack = false;
  int64_t salt = 0;
  Bytes payload;
};

struct StoredKey {
  AuthKeyRecord record;
  int64_t salt = 0;
  int32_t expires_in = 0;
};

class MemoryTransport;

class MemoryShard {
 public:
  // What it serves. Other methods are UNIMPLEMENTED.
  void set_wires(bool batch, bool stream, bool unary);
  // Away: streams end and calls fail with UNAVAILABLE.
  void set_up(bool up);
  // Ends all streams with `status`; what they had not worked yet is lost on them.
  void break_streams(int32_t status);
  // While false, messages are taken but not acknowledged, and calls are not answered.
  void set_answering(bool answering);
  // While it does not answer: the oldest answer that it keeps for each stream and of all calls.
  void answer_one();
  // Messages of this key are taken and never acknowledged, while others are as far as their wire
  // lets them; 0: no more.
  void hold_key(int64_t auth_key_id);
  // Frozen, as by SIGSTOP: nothing that comes is looked at, and all of it is when the shard thaws,
  // also what came on connections that the gateway has given up since.
  void set_frozen(bool frozen);
  // With true, messages of keys that it does not have are refused with AUTH_KEY_UNREGISTERED.
  void set_checks_keys(bool checks);
  // The next `count` messages are refused with this status.
  void refuse_messages(size_t count, int32_t status, std::string text);
  // Messages of this key are answered with a redirect to `address`; with an empty one no more.
  void redirect_key(int64_t perm_auth_key_id, std::string address);
  // What the next HTTP calls are answered with; with -1 they are held open.
  void set_http_answer(int32_t status, std::string payload);
  // How many streams and calls may be at once on a connection, as it says.
  void allow_streams(size_t streams_max);
  // Messages of more bytes on the wire end the stream, or fail the call, with RESOURCE_EXHAUSTED.
  void set_payload_max(size_t bytes);
  // A message of this key ends the stream it comes on, or fails its call, with `status`; with
  // UNAVAILABLE all streams of its connection.
  void choke_on(int64_t auth_key_id, int32_t status);
  // The next `count` stores of keys are answered false.
  void refuse_stores(size_t count);
  // Called for each message on the shard's thread, without locks: may push.
  void on_message(std::function<void(MemoryShard&, const ShardMessage&)> listener);

  void put_key(const AuthKeyRecord& record);
  void forget_key(int64_t auth_key_id);
  [[nodiscard]] std::optional<StoredKey> key(int64_t auth_key_id) const;

  // Sends a push down the batched stream that last carried a message of this key. Its id, or 0 when
  // there is no such stream.
  uint64_t push(int64_t auth_key_id, int64_t session_id, Bytes payload);
  // What the gateway answered; nothing until it has.
  [[nodiscard]] std::optional<bool> push_result(uint64_t push_id) const;

  [[nodiscard]] std::vector<ShardMessage> received() const;
  [[nodiscard]] size_t received_count() const;
  [[nodiscard]] size_t key_queries() const;
  // Waits (real time; threaded mode) until `done` of this shard holds; false after ten seconds.
  [[nodiscard]] bool wait_for(const std::function<bool(const MemoryShard&)>& done) const;

 private:
  friend class MemoryTransport;
  friend class MemoryChannel;
  explicit MemoryShard(MemoryTransport& transport) : transport_(transport) {}

  MemoryTransport& transport_;  // its mutex guards everything here
  bool batch_ = true;
  bool stream_ = true;
  bool unary_ = true;
  bool up_ = true;
  bool answering_ = true;
  bool frozen_ = false;
  bool checks_keys_ = false;
  size_t refusals_ = 0;
  int32_t refusal_status_ = 0;
  std::string refusal_text_;
  std::map<int64_t, std::string> redirects_;
  int32_t http_status_ = 0;
  std::string http_payload_;
  size_t store_refusals_ = 0;
  size_t payload_max_ = SIZE_MAX;
  size_t streams_max_ = SIZE_MAX;
  std::optional<int64_t> choking_key_;
  int32_t choking_status_ = 0;
  int64_t held_key_ = 0;
  uint64_t times_down_ = 0;
  std::function<void(MemoryShard&, const ShardMessage&)> listener_;
  std::map<int64_t, StoredKey> keys_;
  std::map<int64_t, std::pair<uint64_t, uint64_t>> key_streams_;  // key -> channel, stream
  std::map<uint64_t, bool> push_results_;
  uint64_t last_push_ = 0;
  size_t key_queries_ = 0;
  std::vector<ShardMessage> received_;
};

class MemoryTransport final : public ShardTransport {
 public:
  enum class Mode { kThreaded, kStepped };
  explicit MemoryTransport(Mode mode, uint64_t seed = 1);
  ~MemoryTransport() override;

  // Made on first use.
  [[nodiscard]] MemoryShard& shard(const std::string& address);
  [[nodiscard]] std::unique_ptr<ShardChannel> open(const std::string& address,
                                                   Waker& waker) override;

  // Stepped mode: works one operation. False when there is none.
  bool step();
  // Stepped mode: time passes, for the deadlines of calls.
  void pass_time(int64_t ns);
  // Steps until nothing is left.
  void settle() {
    while (step()) {
    }
  }
  // Channels opened so far to this address.
  [[nodiscard]] size_t opened(const std::string& address) const;

 private:
  friend class MemoryShard;
  friend class MemoryChannel;

  struct StreamState {
    StreamMethod method = StreamMethod::kAttach;
    bool ended = false;
    bool paused = false;  // the worker has not taken what came
    bool welcomed = false;
    uint64_t acknowledged = 0;  // as told; `taken` may be ahead while the shard hangs
    uint64_t taken = 0;
    uint64_t silent_from = 0;  // a held key's sequence: no acknowledgement reaches it
    std::deque<Bytes> down;    // not delivered yet
    std::vector<Bytes> held;   // answers of a hanging shard
  };
  struct ChannelState {
    uint64_t number = 0;
    MemoryShard* shard = nullptr;
    std::shared_ptr<LinkQueue> queue;
    std::map<uint64_t, StreamState> streams;
    std::vector<LinkEvent> held;        // replies of a hanging shard
    std::map<uint64_t, int64_t> calls;  // unanswered -> deadline
  };
  // Operations of one stream keep their order; each call is on its own.
  struct Operation {
    uint64_t channel = 0;
    uint64_t lane = 0;           // the stream or call
    std::function<void()> work;  // under the mutex
  };

  void post(uint64_t channel, uint64_t lane, std::function<void()> work);
  bool work_one(std::unique_lock<std::mutex>& lock);
  void run();
  void tell_listeners(std::unique_lock<std::mutex>& lock);

  ChannelState* find(uint64_t channel);
  StreamState* find(uint64_t channel, uint64_t stream);
  void begin_stream(uint64_t channel, uint64_t stream);
  void receive(uint64_t channel, uint64_t stream, const std::vector<Bytes>& messages);
  void receive_link_up(ChannelState& channel, uint64_t id, StreamState& stream, ByteView bytes);
  void receive_request(ChannelState& channel, StreamState& stream, uint64_t id, ByteView bytes);
  void receive_call(uint64_t channel, uint64_t call, CallMethod method, const Bytes& request);
  void cancel_stream(uint64_t channel, uint64_t stream);
  void cancel_call(uint64_t channel, uint64_t call);
  void close_channel(uint64_t channel);
  bool is_frozen(uint64_t channel);
  bool any_ready();
  static void reply(ChannelState& channel, LinkEvent event);
  template <typename Fails>
  void fail_calls(int32_t status, Fails&& fails);
  LinkEvent answer_call(MemoryShard& shard, CallMethod method, ByteView request);
  bool chokes_on(ChannelState& channel, uint64_t id, StreamState& stream,
                 const ShardMessage& message);
  // Status and text that a message is answered with.
  std::pair<int32_t, std::string> take_message(MemoryShard& shard, ShardMessage message);
  void send_down(ChannelState& channel, uint64_t id, StreamState& stream, Bytes bytes);
  void deliver(ChannelState& channel, uint64_t id, StreamState& stream);
  void end_stream(ChannelState& channel, uint64_t id, StreamState& stream, int32_t status,
                  std::string text);
  void release_held(MemoryShard& shard);

  const Mode mode_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  std::mt19937_64 random_;
  bool stop_ = false;
  int64_t clock_ns_ = 0;
  uint64_t last_channel_ = 0;
  uint64_t last_message_ = 0;
  std::map<std::string, std::unique_ptr<MemoryShard>> shards_;
  std::map<std::string, size_t> opened_;
  std::map<uint64_t, ChannelState> channels_;
  std::deque<Operation> operations_;
  std::vector<std::pair<MemoryShard*, ShardMessage>> untold_;  // for listeners
  std::thread thread_;
};

}  // namespace ringway::cluster
