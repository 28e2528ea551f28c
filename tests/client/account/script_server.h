// A DC on a loopback port that does what a test tells it: real transports, key exchanges and
// sessions, and for each API call the reaction of the test's script. One thread serves all
// connections. Sessions outlive connections: what was received and answered is known, told when it
// is asked for, and what was not acknowledged is sent again.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "crypto/rsa.h"
#include "mtproto/handshake.h"
#include "mtproto/message.h"
#include "mtproto/transport.h"
#include "net/owned_fd.h"

namespace ringway::testing {

struct ScriptedCall {
  int connection = 0;  // numbered from 1
  int64_t auth_key_id = 0;
  int64_t session_id = 0;
  int64_t msg_id = 0;
  int64_t after_msg_id = 0;  // of invokeAfterMsg
  uint32_t method = 0;
  Bytes object;          // without wrappers
  bool wrapped = false;  // stood in initConnection
};

struct Reaction {
  enum class Kind : uint8_t {
    kAnswer,
    kSilence,    // taken, and never answered
    kCut,        // the connection breaks; the call was not taken
    kTransport,  // transport error `code`, then close; not taken
    kBadMsg,     // bad_msg_notification with `code`; not taken
  };
  Kind kind = Kind::kAnswer;
  Bytes result;
  int32_t code = 0;
};
// An rpc_error.
[[nodiscard]] Reaction refuse(int32_t code, const std::string& text);
[[nodiscard]] Reaction answer(Bytes result);

class ScriptServer {
 public:
  // Called by the server's thread, one call at a time.
  using Script = std::function<Reaction(const ScriptedCall&)>;

  explicit ScriptServer(Script script);
  ~ScriptServer();
  ScriptServer(const ScriptServer&) = delete;
  ScriptServer& operator=(const ScriptServer&) = delete;

  [[nodiscard]] uint16_t port() const { return port_; }
  [[nodiscard]] static const std::shared_ptr<const crypto::RsaKey>& key();

  // --- Any thread; done by the server's own before it looks at its sockets again.
  void set_script(Script script);
  // Connections break.
  void cut();
  // All keys, or only the temporary ones, are unknown from now on.
  void forget_keys(bool only_temporary = false);
  // Sessions are unknown from now on: the next message begins a new one.
  void forget_sessions();
  void push(Bytes object);
  // The connection breaks after so many further frames, each way counted; once. 0: never.
  void cut_after(int frames);
  // Adds to the server's clock; the answers' msg_ids show it.
  void set_clock(int64_t ahead_ns);
  // Messages whose salt is not this are refused with bad_server_salt. 0: any salt will do.
  void set_salt(int64_t salt);
  // New connections are answered with this transport error. 0: not.
  void refuse_connections(int32_t code);
  // Nothing that comes is answered, or looked at.
  void set_mute(bool mute) { mute_ = mute; }
  // Nothing is read from the sockets.
  void pause_reading(bool paused);
  // rpc_drop_answer is not answered any more.
  void ignore_drops() { ignores_drops_ = true; }

  [[nodiscard]] int connections() const { return connections_made_; }
  // Those that have not ended yet.
  [[nodiscard]] size_t open_connections() const { return open_count_; }
  [[nodiscard]] int exchanges(bool temporary) const {
    return temporary ? temporary_keys_made_ : permanent_keys_made_;
  }
  [[nodiscard]] int binds() const { return binds_; }
  [[nodiscard]] int drops() const { return drops_; }
  [[nodiscard]] int acks() const { return acks_; }
  [[nodiscard]] int pings() const { return pings_; }
  [[nodiscard]] int state_questions() const { return state_questions_; }
  // API calls that were taken, in order.
  [[nodiscard]] std::vector<ScriptedCall> taken() const;
  [[nodiscard]] size_t taken(uint32_t method) const;
  // With each refusal its clock goes forward by `step_ns`.
  void refuse_binds(int count, int64_t step_ns = 0) {
    refusal_step_ns_ = step_ns;
    binds_to_refuse_ = count;
  }

 private:
  struct Key {
    mtproto::CreatedKey created;
    int64_t bound_to = 0;
  };
  struct Answer {
    int64_t msg_id = 0;
    int32_t seq_no = 0;
    Bytes body;
    bool content = true;
  };
  struct Session {
    int32_t content_count = 0;
    bool greeted = false;
    int64_t newest_msg_id = 0;        // of the client's
    std::map<int64_t, int> received;  // msg_id -> connection
    std::map<int64_t, Answer> unacked;
    int connection = 0;
  };
  struct Connection;
  struct Message;

  void serve();
  void run_commands();
  void accept();
  void read_from(Connection& connection);
  void on_frame(Connection& connection, const mtproto::Frame& frame);
  void on_unencrypted(Connection& connection, ByteSpan bytes);
  void settle(Connection& connection, mtproto::HandshakeOutcome outcome);
  void on_encrypted(Connection& connection, ByteSpan bytes);
  void on_object(Connection& connection, const Message& message, int64_t msg_id, ByteView object);
  void on_call(Connection& connection, const Message& message, int64_t msg_id, ByteView object);
  void on_bind(Connection& connection, const Message& message, int64_t msg_id, ByteView object);
  void on_state_request(Connection& connection, const Message& message, int64_t msg_id,
                        ByteView object);
  void react(Connection& connection, const Message& message, int64_t msg_id,
             const Reaction& reaction);
  void reply(Connection& connection, int64_t key_id, int64_t session_id, Bytes body, bool content);
  void seal(Connection& connection, int64_t key_id, int64_t session_id, const Answer& answer);
  void send_payload(Connection& connection, ByteView payload);
  void transport_error(Connection& connection, int32_t code);
  void step(Connection& connection);
  void command(std::function<void()> todo);
  [[nodiscard]] Session& session(int64_t key_id, int64_t session_id);

  mtproto::HandshakeConfig handshake_config_;
  mtproto::TransportConfig transport_config_;
  net::OwnedFd listener_;
  uint16_t port_ = 0;

  Script script_;
  std::map<int64_t, Key> keys_;
  std::map<std::pair<int64_t, int64_t>, Session> sessions_;
  std::deque<std::unique_ptr<Connection>> open_;
  int64_t last_msg_id_ = 0;
  int64_t next_unique_id_ = 77;
  int frames_to_cut_ = 0;
  int64_t clock_ahead_ns_ = 0;
  int64_t salt_ = 0;
  int32_t refusal_ = 0;
  bool paused_ = false;

  std::atomic<int> connections_made_{0};
  std::atomic<int> permanent_keys_made_{0};
  std::atomic<int> temporary_keys_made_{0};
  std::atomic<int> binds_{0};
  std::atomic<int> binds_to_refuse_{0};
  std::atomic<int64_t> refusal_step_ns_{0};
  std::atomic<int> drops_{0};
  std::atomic<bool> ignores_drops_{false};
  std::atomic<bool> mute_{false};
  std::atomic<size_t> open_count_{0};
  std::atomic<int> acks_{0};
  std::atomic<int> pings_{0};
  std::atomic<int> state_questions_{0};

  mutable std::mutex mutex_;
  std::vector<ScriptedCall> taken_;              // guarded by mutex_
  std::vector<std::function<void()>> commands_;  // likewise
  bool stop_ = false;                            // likewise
  net::OwnedFd wake_;
  std::thread thread_;
};

}  // namespace ringway::testing
