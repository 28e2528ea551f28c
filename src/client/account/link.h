// client/account/link: one authorization key, one session and one connection to one DC, kept up.
//
// Connects, makes the keys that are missing, binds a temporary key where they are wanted, pings,
// notices silence, and connects again with growing pauses, going round its addresses. The session
// and what it has not got answers for outlive the connection. One thread, the loop's; key exchanges
// and names are worked on elsewhere (Background, Lookups) and come back through the loop.
//
//   idle --start()--> resolving -> connecting --key is missing--> exchanging -> [binding] -> up
//     ^                                |  key and session are there                          ^
//     |                                +-----------------------------------------------------+
//     +--stop(), key refused    any of these --broken, late, refused--> pausing --> resolving
//
// Whoever is told of something by LinkListener may call the link, but destroys it only at the end
// of a turn.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/account/background.h"
#include "client/account/lookups.h"
#include "client/account/loop.h"
#include "client/account/stream.h"
#include "client/handshake.h"
#include "client/msg_id.h"
#include "client/session.h"

namespace ringway::client {

class Link;

class LinkListener {
 public:
  // A permanent key was made.
  virtual void on_link_key(Link& link) = 0;
  // Calls may be sent. `fresh`: the session is a new one, and must hear initConnection first.
  virtual void on_link_ready(Link& link, bool fresh) = 0;
  // The first message of a connection has come: the server knows the key.
  virtual void on_link_heard(Link& link) = 0;
  // There is no connection; problem() says why. It goes on by itself.
  virtual void on_link_down(Link& link) = 0;
  // What the session has to say; a body that is not in the event's storage is borrowed.
  virtual void on_link_event(Link& link, SessionEvent& event) = 0;
  // The session is about to be dropped with all that it holds: its temporary key is no more.
  virtual void on_link_session_lost(Link& link) = 0;
  // The server does not know the permanent key. The link is idle now.
  virtual void on_link_key_refused(Link& link) = 0;
  // The temporary key should be replaced: by another link, so that this one's calls can end.
  virtual void on_link_key_old(Link& link) = 0;

 protected:
  ~LinkListener() = default;
};

struct LinkAddress {
  std::string host;
  uint16_t port = 443;
  bool obfuscated_only = false;

  friend bool operator==(const LinkAddress&, const LinkAddress&) = default;
};

struct LinkOptions {
  int32_t dc = 0;  // 0: not known
  mtproto::ClientTransportOptions transport;
  std::vector<ServerKey> server_keys;
  bool temporary_keys = false;
  int32_t temporary_key_seconds = 0;
  int64_t ack_delay_ns = SessionOptions::lasting().ack_delay_ns;
  std::optional<SessionKey> key;  // permanent; made when it is missing
};

struct LinkCounts {
  uint64_t connects = 0;
  uint64_t failures = 0;
  uint64_t keys_made = 0;
};

class Link final : private StreamListener {
 public:
  Link(EventLoop& loop, Background& background, Lookups& lookups, LinkListener& listener,
       LinkOptions options);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  // Where to connect to, best first; the next attempt uses it.
  void set_addresses(std::vector<LinkAddress> addresses);
  void start();
  // No connection any more, and no attempts.
  void stop();
  // The key is gone, and the session with it: the next start() makes another one.
  void forget_key();

  // Calls may be sent.
  [[nodiscard]] bool is_up() const noexcept { return state_ == State::kUp; }
  [[nodiscard]] bool is_idle() const noexcept { return state_ == State::kIdle; }
  // The server has spoken on this connection.
  [[nodiscard]] bool heard() const noexcept { return heard_; }

  // Only when is_up(). Leaves at the end of the turn, together with all else of this turn.
  Result<RequestId> send(ByteView object, const RequestOptions& request);
  // Nobody waits for it any more.
  Session::Dropped drop(RequestId request);
  // Binds the temporary key again; its answer is the link's own matter.
  void bind_again();
  // A point in time by what has been sent: what is given to send() now leaves behind this mark.
  [[nodiscard]] uint64_t mark() const noexcept { return flushes_; }
  // Whether the server may have worked on what was given to send() at a mark. It has not when it
  // did not leave, nor when it left on connections on which the server only said that it does not
  // know the key.
  [[nodiscard]] bool may_have_run(uint64_t mark) const noexcept {
    return flushes_taken_ > mark || (heard_ && flushes_ > mark);
  }

  [[nodiscard]] int32_t dc() const noexcept { return options_.dc; }
  // Of 0 it has become known which one it is; the next connection names it.
  void set_dc(int32_t dc) noexcept { options_.dc = dc; }
  // Null before the first key.
  [[nodiscard]] const SessionKey* key() const noexcept {
    return options_.key ? &*options_.key : nullptr;
  }
  // Of the session's key, which is the temporary one where there are such. Null when there is none.
  [[nodiscard]] Session* session() noexcept { return session_ ? &*session_ : nullptr; }
  [[nodiscard]] bool on_temporary_key() const noexcept { return session_ && session_is_temporary_; }
  [[nodiscard]] const LinkAddress& address() const noexcept { return address_; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }
  [[nodiscard]] const LinkCounts& counts() const noexcept { return counts_; }

 private:
  enum class State : uint8_t {
    kIdle,
    kResolving,
    kConnecting,
    kExchanging,
    kBinding,
    kUp,
    kPausing,
  };
  // A key exchange that is under way; shared with the thread that works on it.
  struct Exchange;

  void on_stream_connected() override;
  void on_stream_frame(ByteSpan payload) override;
  void on_stream_error_code(int32_t code) override;
  void on_stream_read() override;
  void on_stream_drained() override;
  void on_stream_end(const std::string& why) override;

  void set_state(State next) noexcept;
  void attempt();
  void connect(const net::SocketAddress& address);
  void drop_stream(bool refused = false);
  // Gives this attempt or connection up and pauses before the next one. `refused`: the server said
  // that it does not know the key.
  void fail(std::string why, bool refused = false);
  [[nodiscard]] int64_t next_pause_ns();
  void want_flush();
  void flush();
  void arm();
  void on_timer();
  [[nodiscard]] int64_t next_due_ns() const noexcept;
  [[nodiscard]] int64_t session_due_ns() const noexcept;
  void ping();

  void go_on();
  void begin_exchange(bool temporary);
  void on_unencrypted(ByteSpan frame);
  void settle(Handshake::Outcome outcome);
  void send_unencrypted(ByteView object);
  void work_elsewhere();
  void on_key_made(const HandshakeResult& result);
  void begin_session(const SessionKey& key, bool temporary);
  void begin_bind();
  void on_bind_answer(const SessionEvent& event);
  void lose_session();
  void refuse_key();
  void come_up();
  void on_encrypted(ByteSpan frame);
  void hear();

  EventLoop& loop_;
  Background& background_;
  Lookups& lookups_;
  LinkListener& listener_;
  LinkOptions options_;
  std::shared_ptr<int> alive_ =
      std::make_shared<int>();  // what is posted looks whether it is there

  State state_ = State::kIdle;
  std::vector<LinkAddress> addresses_;
  size_t next_address_ = 0;
  LinkAddress address_;
  std::string problem_;
  LinkCounts counts_;
  uint64_t attempt_number_ = 0;
  int64_t pause_ns_ = 0;
  int64_t attempt_deadline_ns_ = 0;  // or the end of the pause
  std::shared_ptr<Stream> stream_;
  std::shared_ptr<Exchange> exchange_;
  ClientMsgId unencrypted_ids_;

  std::optional<Session> session_;
  bool session_is_temporary_ = false;
  bool session_is_fresh_ = false;           // it has not been up yet
  int64_t session_expires_ns_ = INT64_MAX;  // a little before the server's end of it
  int64_t expires_at_ns_ = 0;               // that end
  int64_t renew_ns_ = INT64_MAX;
  RequestId bind_request_ = 0;
  RequestId ping_request_ = 0;
  int key_refusals_ = 0;
  int bind_refusals_ = 0;
  bool checking_key_ = false;  // the permanent key is tried without a temporary one

  bool heard_ = false;
  int64_t last_heard_ns_ = 0;
  int64_t next_ping_ns_ = 0;
  uint64_t flushes_ = 1;
  uint64_t flushes_taken_ = 0;  // those that the server may have read, in earlier connections
  bool flush_wanted_ = false;
  EventLoop::TimerId timer_ = 0;
  int64_t timer_ns_ = INT64_MAX;
  std::vector<SessionEvent> events_;
};

}  // namespace ringway::client
