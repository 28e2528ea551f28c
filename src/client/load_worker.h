// client/load_worker: one thread of a load run: its ring, its connections, its measurements.
//
// Built like a worker of the gateway: one pass of the loop is a turn, all messages of a turn are
// opened together and sealed together. A connection's way through a run:
//
//   kIdle -> kConnecting -> kKeying -----> kProving -> kReady      (lost: back to kIdle, after a
//   pause)
//                  |    \-> kAwaitingKey ----^          |
//                  +--------------------(handshake mode)+          (too often: kFailed)
//
// kKeying makes the key of its slot, kAwaitingKey waits for another connection to make it, kProving
// has sent a first ping and so opened its session. In the handshake mode a connection is ready once
// it is connected, and makes its key as the work to be measured; in the reconnect mode the work is
// the way from kReady to kIdle and round to kReady.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/counters.h"
#include "client/acked_log.h"
#include "client/load_mix.h"
#include "client/load_pacer.h"
#include "client/load_shared.h"
#include "net/connection_table.h"
#include "net/uring_ring.h"

namespace ringway::client {

class LoadWorker final : public net::ConnectionHandler {
 public:
  // The worker number `index` of the run. It serves the connections first, first + 1, ...
  // first + count - 1, and `busy` of them have traffic.
  LoadWorker(LoadShared& shared, unsigned index, uint32_t first, uint32_t count, uint32_t busy);
  ~LoadWorker() override;

  // Any thread, before run(): makes the ring. An empty string, or what failed.
  [[nodiscard]] std::string prepare();
  // The thread's whole life; returns after the phase became kStop. An empty string, or what failed.
  [[nodiscard]] std::string run();

 private:
  enum class Step : uint8_t {
    kIdle,
    kConnecting,
    kKeying,
    kAwaitingKey,
    kProving,
    kReady,
    kFailed,
  };

  struct EchoUnderWay {
    int64_t id = 0;
    int64_t started_ns = 0;
  };

  // A session that was lost with its connection, and what it had sent.
  struct PastSession {
    int64_t session_id = 0;
    uint64_t sent = 0;
    uint64_t acknowledged = 0;
  };

  struct Client {
    uint32_t number = 0;         // of the run
    size_t transport_index = 0;  // in the options
    bool busy = false;           // has traffic
    bool joined = false;         // and has begun with it
    Step step = Step::kIdle;
    net::ConnectionHandle handle;
    net::OwnedFd connecting;
    std::optional<mtproto::ClientTransport> transport;
    std::unique_ptr<ClientDoors> doors;  // null: none
    std::unique_ptr<Handshake> handshake;
    std::optional<SessionKey> temporary;  // its own, with --temporary-keys
    int64_t temporary_ends_s = 0;         // unix time of the server
    bool making_temporary = false;        // `handshake` is for it
    bool bound = false;                   // and the shard has said so
    std::optional<Session> session;
    ClientMsgId unencrypted_ids;
    int64_t step_since_ns = 0;
    int64_t exchange_since_ns = 0;
    int64_t retry_at_ns = 0;
    int attempts = 0;
    bool opened = false;  // the transport's opening was sent
    bool dirty = false;   // in dirty_
    std::optional<int32_t> transport_error;
    uint32_t under_way = 0;  // messages of the load
    std::deque<EchoUnderWay> echoes;
    int64_t reconnect_since_ns = 0;  // when this reconnect was due; 0: none under way
    uint64_t sequence = 0;           // messages sent in this session, when they are verified
    uint64_t acknowledged = 0;       // of them
    std::vector<PastSession> past;
    std::deque<PastSession> asked;  // tallies that are awaited, in the order of the questions
  };

  struct Received {
    Client* client = nullptr;
    Bytes storage;
    ByteSpan bytes;
  };

  // net::ConnectionHandler
  void on_accept(net::ConnectionHandle handle, uint16_t listener) override;
  void on_bytes(net::ConnectionHandle handle, ByteSpan bytes) override;
  void on_send_drained(net::ConnectionHandle handle) override;
  void on_timer(net::ConnectionHandle handle, net::TimerKind kind) override;
  void on_closed(net::ConnectionHandle handle, net::CloseReason reason) override;
  void on_detached(net::ConnectionHandle handle, net::DetachedSocket&& socket) override;

  // The turn (load_worker.cc).
  void turn();
  [[nodiscard]] int64_t turn_timeout_ns() const noexcept;
  void take_frame(Client& client, mtproto::ServerEvent& event);
  [[nodiscard]] ByteSpan through_doors(Client& client, ByteSpan bytes);
  void open_received();
  void seal_and_send();
  void send_frame(Client& client, ByteView payload, bool quick_ack);
  void mark_dirty(Client& client);
  void shut_down();

  // Set-up (load_setup.cc).
  void sweep();
  void sweep_client(Client& client);
  void start_connects();
  bool poll_connects();  // true when any is connected now
  void begin_connection(Client& client);
  // Of a permanent key with 0.
  void start_exchange(Client& client, int32_t expires_in);
  void start_temporary(Client& client);
  void prove(Client& client);
  void on_bound(Client& client, ByteView result);
  void on_unencrypted(Client& client, ByteView object);
  void on_key(Client& client);
  void start_session(Client& client);
  void set_ready(Client& client);
  void become_idle(Client& client);
  void end_session(Client& client, bool wanted);
  void lose(Client& client, std::string why);
  void drop(Client& client, std::string why);

  // Traffic (load_traffic.cc).
  void begin_stage();
  void join();
  void feed();
  void feed_at_rate();
  [[nodiscard]] bool is_free(const Client& client) const noexcept;
  void give_work(Client& client, int64_t started_ns);
  void begin_reconnect(Client& client, int64_t started_ns);
  void send_one(Client& client, int64_t started_ns);
  void on_push(Client& client, const SessionEvent& event);
  void on_failed(Client& client, const SessionEvent& event);
  void on_event(Client& client, SessionEvent& event);
  void on_completed(Client& client, int64_t started_ns);
  void expire_echoes(Client& client);
  void give_up_work(Client& client, uint64_t count) noexcept;
  [[nodiscard]] bool in_stage(int64_t at_ns) const noexcept;
  [[nodiscard]] bool is_measured(int64_t at_ns) const noexcept;

  // The end of a stage and of the run (load_settle.cc).
  void publish();
  void settle();
  void settle_client(const Client& client);
  void note_unfinished(int64_t started_ns);
  void begin_verify();
  void on_tally(Client& client, ByteView answer);
  void compare(const PastSession& session, uint64_t arrived, uint64_t sum, uint64_t disorder);

  LoadShared& shared_;
  const LoadOptions& options_;
  std::unique_ptr<net::UringRing> ring_;
  CounterBlock counters_;
  std::optional<net::ConnectionTable> table_;
  std::vector<std::unique_ptr<Client>> clients_;
  const unsigned index_;
  std::vector<Client*> busy_;  // those with traffic
  std::deque<Client*> idle_;   // in kIdle
  LoadStats stats_;
  Now now_;
  LoadMix transport_mix_;
  LoadMix size_mix_;
  std::vector<Bytes> messages_;  // one for each size
  uint32_t window_ = 1;
  std::unique_ptr<AckedLog> acked_;
  bool running_ = false;    // a stage has begun
  bool verifying_ = false;  // begin_verify() has been called
  uint32_t verify_left_ = 0;
  bool refused_ = false;   // nobody could take a message that was due
  bool more_due_ = false;  // more was due than a turn gives
  uint32_t stage_number_ = 0;
  uint32_t settled_number_ = 0;
  LoadStage stage_;
  std::optional<LoadPacer> pacer_;
  std::optional<LoadPacer> connect_pacer_;
  size_t joined_ = 0;     // of busy_
  size_t rate_next_ = 0;  // in busy_
  uint64_t under_way_ = 0;
  uint64_t messages_made_ = 0;
  int64_t next_sweep_ns_ = 0;
  size_t sweep_next_ = 0;
  int64_t next_publish_ns_ = 0;
  std::vector<Client*> connecting_;
  std::vector<Client*> dirty_;
  std::vector<Bytes> kept_;  // what received_ lies in beside the receive buffers
  std::vector<Received> received_;
  std::vector<mtproto::OpenJob> open_jobs_;
  std::vector<mtproto::SealJob> seal_jobs_;
  std::vector<SessionEvent> events_;
  std::vector<net::Completion> completions_;
  Bytes scratch_;
};

}  // namespace ringway::client
