// gateway/flow: what one worker does with its connections: bytes to frames, frames to messages,
// messages to shards, and everything that comes back.
//
// Owned by the worker's thread. It holds the branches of the job; the rooms it composes (net,
// mtproto, cluster) do not know each other. Its parts stand in files of their own:
//   flow.cc           connections: accept, bytes, frames, deadlines, the end
//   flow_exchange.cc  the key exchange
//   flow_open.cc      encrypted frames: keys, the open batch, large messages
//   flow_bind.cc      temporary keys: before they are bound, and as they become it
//   flow_route.cc     opened messages: sessions, windows, back pressure
//   flow_push.cc      messages for clients
//   flow_http.cc      requests that come by HTTP, and their answers
//   flow_remote.cc    connections and keys whose homes differ
//   flow_mask.cc      who fails fake TLS, on the way to the mask
//
// Order within a turn (see worker.cc): events of the table, open_and_route(), the inbox and the
// shards' events, run_large(), resume_waiting(), open_and_route() again, finish_turn().
//
// Nothing here frees a Client while the turn may still refer to it: an ended one moves to
// `departed_` and is taken apart by finish_turn(). A failing one is marked, and closed there too,
// so that what it rightfully sent before is still delivered.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "cluster/dispatcher.h"
#include "cluster/push.h"
#include "config/config.h"
#include "gateway/address_budget.h"
#include "gateway/client.h"
#include "gateway/crypto_pool.h"
#include "gateway/http_exchanges.h"
#include "gateway/key_cache.h"
#include "gateway/mask_relay.h"
#include "gateway/outbox.h"
#include "gateway/session_table.h"
#include "gateway/worker_message.h"
#include "gateway/worker_status.h"
#include "mtproto/framing.h"
#include "mtproto/handshake.h"
#include "mtproto/message.h"
#include "mtproto/peek.h"
#include "mtproto/transport.h"
#include "mtproto/unencrypted.h"
#include "net/connection_table.h"

namespace ringway::gateway {

// What all workers share: immutable, or safe for any thread.
struct SharedContext {
  config::Config config;
  std::vector<std::unique_ptr<ListenerDoors>> doors;  // by listener
  mtproto::HandshakeConfig handshake;
  uint32_t workers = 1;
  AddressBudget* budget = nullptr;
  NameResolver* resolver = nullptr;              // of the masks; null: they are numeric
  mutable std::atomic<uint32_t> relays_open{0};  // to masks, of all workers
  AddressBudget* relays_of_address = nullptr;    // the same of each address; not null with masks
  std::vector<net::SocketAddress> listening_on;  // TCP, with real ports
  // Hands a job to the crypto pool (see CryptoPool::submit).
  std::function<PoolAnswer(CryptoTask&)> submit_crypto;
  // Puts a message into another worker's inbox. False when that is full: `message` is then
  // untouched.
  std::function<bool(uint32_t worker, WorkerMessage& message)> post;
  // Connections, frames and keys on their way from one worker to another: while there are any, no
  // worker's word that it is drained counts.
  mutable std::atomic<int64_t> posts_in_flight{0};
};

class Flow final : public net::ConnectionHandler, public cluster::DispatcherEvents {
 public:
  Flow(uint32_t worker, size_t key_cache_entries, const SharedContext& shared,
       CounterBlock& counters, WorkerStatusBoard& status);
  ~Flow() override;
  // The table and the dispatcher refer to the flow and are made after it.
  void attach(net::ConnectionTable& table, cluster::Dispatcher& dispatcher);
  // Where listeners have masks.
  void attach(MaskRelay& masks) noexcept { masks_ = &masks; }
  // What it relayed is over.
  void take_relayed(std::unique_ptr<Client> client);

  // --- the turn
  void begin_turn(Now now) noexcept {
    now_ = now;
    arrived_ns_ = now.mono_ns;
  }
  void open_and_route();
  void take_message(WorkerMessage&& message);
  void run_large();
  void run_timers();
  void resume_waiting();
  void finish_turn();
  // After everything: how long the turn's own work took.
  void note_duration(int64_t duration_ns) noexcept;
  // True when the next turn must not wait.
  [[nodiscard]] bool has_work() const noexcept;
  // True when another worker's inbox was full: the next turn must come soon.
  [[nodiscard]] bool has_backlog() const noexcept;
  // When run_timers() has something to do; net::kNoDeadline: never.
  [[nodiscard]] int64_t next_timer_ns() const noexcept {
    return std::min(keys_.next_timer_ns(), http_exchanges_.next_expiry_ns());
  }
  // Stops accepting and closes every connection once what it has sent is delivered.
  void drain();
  // Nothing is left here. Publish this before settle_posts().
  [[nodiscard]] bool drained() const noexcept;
  // Takes what came through the inbox out of `posts_in_flight`.
  void settle_posts() noexcept;
  // Forgets everything at once, when the process ends without having drained.
  void abandon() noexcept;

  [[nodiscard]] size_t sessions() const noexcept { return sessions_.size(); }
  [[nodiscard]] size_t keys() const noexcept { return keys_.size(); }
  [[nodiscard]] size_t input_bytes() const noexcept { return input_bytes_; }

  // --- net::ConnectionHandler
  void on_accept(net::ConnectionHandle handle, uint16_t listener) override;
  void on_bytes(net::ConnectionHandle handle, ByteSpan bytes) override;
  bool on_end(net::ConnectionHandle handle) override;
  void on_send_drained(net::ConnectionHandle handle) override;
  void on_timer(net::ConnectionHandle handle, net::TimerKind kind) override;
  void on_closed(net::ConnectionHandle handle, net::CloseReason reason) override;
  void on_detached(net::ConnectionHandle handle, net::DetachedSocket&& socket) override;

  // --- cluster::DispatcherEvents
  void on_window_open(uint32_t shard) override;
  void on_key_answer(int64_t auth_key_id, cluster::KeyAnswer answer,
                     const cluster::AuthKeyRecord* record) override;
  void on_store_answer(uint64_t cookie, cluster::StoreAnswer answer) override;
  void on_http_answer(uint64_t cookie, cluster::HttpAnswer answer, ByteView payload) override;
  void on_key_unregistered(int64_t auth_key_id) override;
  void on_no_shard() override;
  void on_push(cluster::PushRequest push) override;

 private:
  // One encrypted frame of the turn.
  struct OpenEntry {
    Inlet* inlet = nullptr;
    KeyEntry* entry = nullptr;
    Bytes storage;  // owns the frame when it does not lie in a receive buffer
    int64_t arrived_ns = 0;
    bool quick_ack = false;
  };
  // Whose key exchange it is: a connection's, or with HTTP that of a nonce.
  struct Exchanger {
    mtproto::HandshakeSet* set = nullptr;
    Client* client = nullptr;  // null: nobody waits for the answer, which is kept
    HttpExchange* http = nullptr;
  };
  struct StorePending {
    ConnectionRef connection;
    uint64_t exchange = 0;  // with HTTP the number of the nonce's; 0: the connection's
    mtproto::Nonce nonce{};
    cluster::AuthKeyRecord record;
    int64_t expires_at_s = 0;
    int64_t arrived_ns = 0;  // the message that led to it
  };
  struct LargeTurn {
    ConnectionRef ref;
    bool seal = false;  // else open
  };

  // flow.cc
  [[nodiscard]] Client* client_at(net::ConnectionHandle handle) noexcept;
  [[nodiscard]] Client* client_of(const ConnectionRef& ref) noexcept;
  [[nodiscard]] Inlet* inlet_of(const ConnectionRef& ref) noexcept;
  void start_client(std::unique_ptr<Client> client, net::ConnectionHandle handle);
  void take_accepted(AcceptedSocket&& accepted);
  [[nodiscard]] bool count_for_listener(Client& client);
  [[nodiscard]] bool count_for_address(Client& client);
  void take_stream(Client& client, ByteSpan bytes, bool is_last);
  void take_doors(Client& client, Doors::Outcome outcome);
  void resume_doors(Client& client, CryptoTask&& task);
  [[nodiscard]] bool may_begin_tls(Client& client);
  [[nodiscard]] bool start_step(Client& client, std::unique_ptr<tls::TlsStream> handshake);
  void retry_steps();
  void go_on_doors(Client& client);
  void say_goodbye(Client& client);
  [[nodiscard]] bool may_mask(const Client& client) const noexcept;
  void start_mask(Client& client);
  void hand_to_mask(std::unique_ptr<Client> client, net::DetachedSocket&& socket);
  void pump(Client& client);
  void take_frame(Client& client, mtproto::Frame& frame);
  void after_input(Client& client);
  void set_proven(Client& client);
  void park_input(Client& client);
  void count_input(Client& client);
  void set_pause(Client& client);
  [[nodiscard]] bool lacks_shard(const Client& client) const noexcept;
  void update_frame_timer(Client& client);
  // `http_status`: what is said of a request that gets no answer.
  void fail(Inlet& inlet, int32_t transport_error, uint16_t http_status = kHttpBadGateway);
  void count_decode_error(const Client& client, DecodeReason reason) noexcept;
  void close_failed();
  void take_apart(Client& client);
  void count_out(const Client& client);
  void release_inlet(Inlet& inlet);
  void release_keys(Inlet& inlet);
  [[nodiscard]] int64_t idle_ns_of(const Client& client) const noexcept;
  [[nodiscard]] Held& held(Inlet& inlet);
  void resume(Inlet& inlet);

  // flow_exchange.cc
  void take_unencrypted(Client& client, ByteView frame);
  // `arrived_ns`: when the message came that this is the outcome of.
  void take_outcome(const Exchanger& who, mtproto::HandshakeOutcome outcome, int64_t arrived_ns);
  void send_reply(const Exchanger& who, const mtproto::HandshakeOutcome& outcome,
                  int64_t arrived_ns);
  void start_work(const Exchanger& who, std::unique_ptr<mtproto::HandshakeJob> job,
                  int64_t arrived_ns);
  void start_store(const Exchanger& who, const mtproto::Nonce& nonce,
                   const mtproto::CreatedKey& created, int64_t arrived_ns);
  // A set of null: whom it was for is gone.
  [[nodiscard]] Exchanger exchanger_of(const ConnectionRef& connection, const mtproto::Nonce& nonce,
                                       uint64_t exchange);
  void take_crypto_result(CryptoTask&& task);
  [[nodiscard]] bool handshake_allowed(const Exchanger& who);
  void keep_created_key(const cluster::AuthKeyRecord& record, int64_t expires_at_s);

  // flow_bind.cc
  void take_unbound(Inlet& inlet, KeyEntry& entry, const mtproto::OpenJob& job, bool quick_ack,
                    int64_t arrived_ns);
  // False when the message has to wait; the caller holds it.
  [[nodiscard]] bool serve_unbound(Inlet& inlet, const OpenedMessage& message, ByteView payload);
  [[nodiscard]] bool serve_bind(Inlet& inlet, KeyEntry& entry, const OpenedMessage& message,
                                const mtproto::PeekedMessage& peeked);
  [[nodiscard]] bool serve_call(Inlet& inlet, KeyEntry& entry, const OpenedMessage& message);
  [[nodiscard]] static Bytes make_bind_refusal(int64_t msg_id);
  void answer_message(Inlet& inlet, const OpenedMessage& message, ByteView object);
  void answer(Inlet& inlet, const KeyEntry& entry, int64_t salt, int64_t session_id,
              ByteView object);
  void wait_for_binding(const Inlet& inlet, Binding& binding);
  void wake_for_binding(Binding& binding);
  [[nodiscard]] static Binding& binding_of(KeyEntry& entry);
  void ask_about(KeyEntry& entry);
  void note_rebind(KeyEntry& entry, ByteView payload);
  void take_binding_answer(KeyEntry& entry, cluster::KeyAnswer answer, int64_t bound_before);
  void settle_bound(KeyEntry& entry, int64_t bound_before);
  void settle_unbound(KeyEntry& entry);
  void follow_binding(const KeyEntry& entry);
  void refuse_bind(KeyEntry& entry);
  void end_bind(KeyEntry& entry);
  void drop_binding(KeyEntry& entry);
  // False when the push must not go to the client now; it is then taken care of.
  [[nodiscard]] bool admit_push(KeyEntry& entry, cluster::PushRequest& push);
  KeyEntry& remember_key(const cluster::AuthKeyRecord& record, int64_t expires_at_s);
  void arm_key_timer(KeyEntry& entry);
  void on_key_timer(KeyEntry& entry);
  void run_key_timers();

  // flow_open.cc
  void take_encrypted(Inlet& inlet, ByteSpan frame, Bytes storage, bool quick_ack);
  [[nodiscard]] static ParkedFrame own_frame(ByteSpan frame, Bytes storage, bool quick_ack);
  [[nodiscard]] bool lives_elsewhere(Inlet& inlet, int64_t auth_key_id) const noexcept;
  [[nodiscard]] KeyUse* use_key(Inlet& inlet, int64_t auth_key_id);
  void ask_for_key(Inlet& inlet, int64_t auth_key_id, ParkedFrame frame);
  void wait_for_shard(Inlet& inlet);
  void start_large_open(Inlet& inlet, KeyEntry& entry, ParkedFrame frame);
  void finish_large_open(Inlet& inlet);
  void take_opened(Inlet& inlet, KeyEntry& entry, const mtproto::OpenJob& job, bool quick_ack,
                   int64_t arrived_ns);
  void refuse_message(Inlet& inlet, Error error);
  void revoke_key(int64_t auth_key_id);

  // flow_route.cc
  // False when the message has to wait; the caller holds it.
  [[nodiscard]] bool route(Inlet& inlet, KeyEntry& entry, const mtproto::MessageHeader& header,
                           ByteView payload, bool quick_ack, uint32_t token);
  [[nodiscard]] Session& session_of(Inlet& inlet, const KeyEntry& entry, int64_t session_id);
  void leave_session(Inlet& inlet, SessionKey key);  // by value: `key` may be a part of what ends
  void close_at_shard(const SessionKey& key, const Session& session, const Inlet& inlet);
  void wait_for_window(Inlet& inlet, uint32_t shard);
  void wake_for_windows();
  void acknowledge(Inlet& inlet, uint32_t token);
  void note_taken_over(int64_t arrived_ns) noexcept;

  // flow_push.cc
  void deliver(cluster::PushRequest push);
  [[nodiscard]] bool send_to(Client& client, KeyEntry& entry, cluster::PushRequest& push);
  void finish_large_seal(Client& client);
  [[nodiscard]] bool send_remote(const ConnectionRef& ref, KeyEntry& entry,
                                 cluster::PushRequest& push);
  [[nodiscard]] static Bytes seal_alone(const KeyEntry& entry, ByteView plaintext);
  [[nodiscard]] bool post_sealed(const ConnectionRef& ref, Bytes sealed,
                                 std::unique_ptr<cluster::PushReply>& reply);
  void finish_remote_seal(RemoteInlet& inlet);
  [[nodiscard]] std::unique_ptr<LargeSeal> make_large_seal(
      const ConnectionRef& ref, const KeyEntry& entry, Bytes plaintext,
      std::unique_ptr<cluster::PushReply> reply);
  void refuse_push(std::unique_ptr<cluster::PushReply> reply);

  [[nodiscard]] static bool fits_frame(size_t plaintext_bytes) noexcept;
  [[nodiscard]] static bool plausible(ByteView payload) noexcept;

  // flow_http.cc
  // Null for whoever comes otherwise.
  [[nodiscard]] static Client* http_client(Inlet& inlet) noexcept;
  [[nodiscard]] uint32_t home_of_frame(ByteView frame) const noexcept;
  void take_http_exchange(Client& client, ByteView frame, ByteView object);
  void refuse_unanswered();
  void begin_reply(Client& client, KeyEntry& entry, const mtproto::MessageHeader& header);
  void call_shard(Client& client, int64_t perm_auth_key_id, ByteView payload);
  void call_for_bind(Client& client, const mtproto::PeekedMessage& bind);
  void cancel_call(Client& client);
  void refuse_http(Client& client, int32_t transport_error, uint16_t status);
  void take_http_payload(Client& client, ByteView payload, int64_t bind_msg_id);
  void add_messages(Client& client, ByteView message, int64_t bind_msg_id);
  void add_to_reply(Client& client, ByteView message);
  [[nodiscard]] Bytes make_answer(ByteView object);
  void give_gathered(Client& client);
  void give_reply(Client& client, ByteView plaintext);
  void finish_request(Client& client);
  [[nodiscard]] bool drain_http(Client& client);

  // flow_remote.cc
  void post(uint32_t worker, WorkerMessage&& message);
  void retry_posts();
  void take_elsewhere(Client& client, int64_t auth_key_id, ParkedFrame frame);
  void start_move(Client& client);
  void adopt(std::unique_ptr<ConnectionState> state);
  void send_to_home(Client& client, int64_t auth_key_id, ParkedFrame frame);
  void take_remote_frame(std::unique_ptr<RemoteFrame> frame);
  void take_remote_done(RemoteDone&& done);
  void take_remote_output(RemoteOutput&& output);
  void take_remote_closed(const ConnectionRef& from);
  void answer_remote_inlets();
  void tell_homes_gone(const Client& client);

  static constexpr uint16_t kHttpBadRequest = 400;
  static constexpr uint16_t kHttpTimeout = 408;
  static constexpr uint16_t kHttpBadGateway = 502;
  static constexpr uint16_t kHttpUnavailable = 503;

  const uint32_t worker_;
  const SharedContext& shared_;
  CounterBlock& counters_;
  WorkerStatusBoard& status_;
  net::ConnectionTable* table_ = nullptr;
  cluster::Dispatcher* dispatcher_ = nullptr;
  MaskRelay* masks_ = nullptr;  // null: no listener has a mask
  std::unique_ptr<Outbox> outbox_;
  Now now_;
  int64_t arrived_ns_ = 0;       // of the frame in hand: this turn, or since when it was parked
  uint64_t turn_messages_ = 0;   // arrived and taken over in this turn
  uint64_t turn_exchanges_ = 0;  // messages of key exchanges, arrived and answered in this turn
  uint64_t next_serial_ = 1;
  bool draining_ = false;

  KeyCache keys_;
  SessionTable sessions_;
  HttpExchanges http_exchanges_;
  std::unordered_map<uint64_t, ConnectionRef> http_calls_;  // whose they are, by cookie
  std::unordered_map<uint64_t, std::unique_ptr<RemoteInlet>> remote_inlets_;  // by serial
  size_t clients_count_ = 0;
  size_t input_bytes_ = 0;  // of all clients, see count_input()

  // The turn's open batch: two arrays of equal length, so that the jobs lie side by side.
  std::vector<OpenEntry> open_entries_;
  std::vector<mtproto::OpenJob> open_jobs_;

  Bytes door_reply_;      // of the read in hand
  TurnBytes turn_bytes_;  // what the turn's frames lie in beside the receive buffers

  std::vector<Client*> failed_;                    // to be closed at the end of the turn
  std::vector<std::unique_ptr<Client>> departed_;  // ended in this turn
  std::vector<Client*> moving_;                    // to be detached at the end of the turn
  std::deque<ConnectionRef> waiting_for_pool_;     // with a step of TLS's handshake
  std::vector<ConnectionRef> ready_;               // inlets that may go on
  std::vector<ConnectionRef> resuming_;            // those that do; empty between turns
  std::deque<LargeTurn> large_;
  std::unordered_map<int64_t, std::vector<ConnectionRef>> waiting_for_key_;
  std::unordered_map<uint32_t, std::deque<ConnectionRef>> waiting_for_window_;  // by shard
  std::set<uint32_t> open_windows_;  // of those, the shards that may take messages again
  std::unordered_map<uint64_t, StorePending> storing_;  // by cookie
  uint64_t next_cookie_ = 1;
  mtproto::ServerMsgId answer_msg_id_;  // of answers that are made here, for all sessions

  int64_t posts_taken_ = 0;                         // not settled yet
  std::vector<std::deque<WorkerMessage>> backlog_;  // by worker: what its inbox had no room for
  std::vector<RemoteInlet*> answering_;             // worked on in this turn
  std::vector<std::unique_ptr<RemoteInlet>> departed_remote_;
};

}  // namespace ringway::gateway
