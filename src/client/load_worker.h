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
// it is connected, and makes its key as the work to be measured.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/counters.h"
#include "client/load_shared.h"
#include "net/connection_table.h"
#include "net/uring_ring.h"

namespace ringway::client {

class LoadWorker final : public net::ConnectionHandler {
 public:
  // Serves the connections first, first + 1, ... first + count - 1 of the run.
  LoadWorker(LoadShared& shared, uint32_t first, uint32_t count);
  ~LoadWorker() override;

  // Any thread, before run(): makes the ring. An empty string, or what failed.
  [[nodiscard]] std::string prepare();
  // The thread's whole life; returns after the phase became kStop. An empty string, or what failed.
  [[nodiscard]] std::string run();
  // After run() returned.
  [[nodiscard]] const LoadStats& stats() const noexcept { return stats_; }

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

  struct Client {
    uint32_t number = 0;  // of the run
    Step step = Step::kIdle;
    net::ConnectionHandle handle;
    net::OwnedFd connecting;
    std::optional<mtproto::ClientTransport> transport;
    std::unique_ptr<Handshake> handshake;
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
    std::vector<EchoUnderWay> echoes;
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
  void open_received();
  void seal_and_send();
  void send_frame(Client& client, ByteView payload, bool quick_ack);
  void mark_dirty(Client& client);
  void shut_down();

  // Set-up (load_setup.cc).
  void sweep();
  void start_connects();
  void poll_connects();
  void on_connected(Client& client);
  void start_exchange(Client& client);
  void on_unencrypted(Client& client, ByteView object);
  void on_key(Client& client);
  void start_session(Client& client);
  void set_ready(Client& client);
  void lose(Client& client, std::string why);
  void drop(Client& client, std::string why);

  // Traffic (load_traffic.cc).
  void begin_traffic();
  void feed();
  void feed_at_rate();
  void send_one(Client& client, int64_t started_ns);
  void on_event(Client& client, SessionEvent& event);
  void on_completed(Client& client, int64_t started_ns);
  void expire_echoes(Client& client);
  [[nodiscard]] bool is_measured(int64_t at_ns) const noexcept;

  LoadShared& shared_;
  const LoadOptions& options_;
  std::unique_ptr<net::UringRing> ring_;
  CounterBlock counters_;
  std::optional<net::ConnectionTable> table_;
  std::vector<std::unique_ptr<Client>> clients_;
  LoadStats stats_;
  Now now_;
  Bytes message_;  // the load's message, where it is always the same
  uint32_t window_ = 1;
  bool running_ = false;  // begin_traffic() has been called
  int64_t next_sweep_ns_ = 0;
  uint64_t rate_issued_ = 0;
  size_t rate_next_ = 0;
  int64_t next_id_ = 1;
  std::vector<Client*> connecting_;
  std::vector<Client*> dirty_;
  std::vector<Received> received_;
  std::vector<mtproto::OpenJob> open_jobs_;
  std::vector<mtproto::SealJob> seal_jobs_;
  std::vector<SessionEvent> events_;
  std::vector<net::Completion> completions_;
  Bytes scratch_;
};

}  // namespace ringway::client
