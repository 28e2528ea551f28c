// cluster/shard_link: everything one worker has to do with one shard.
//
// The link keeps the shard's window, a channel to it, and the wire over which the window travels:
//
//                       unsupported: the next wire
//                             +------+
//                             v      |
//     waiting --retry time--> running --broken, stuck--> waiting
//
// It starts with the best wire at each (re)connection, so a shard that learned a better one in a
// restart is found out. The pause doubles from kReconnectBackoffMinNs to kReconnectBackoffMaxNs and
// is back at the least once the shard has taken something. Key look-ups and stores are calls of
// their own beside the wire and need none.
//
// One worker owns a link; nothing here blocks or calls back, LinkOutput carries what goes up.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "cluster/backoff.h"
#include "cluster/dispatcher.h"
#include "cluster/error_log.h"
#include "cluster/send_window.h"
#include "cluster/shard_transport.h"
#include "cluster/wire.h"

namespace ringway::cluster {

class ShardLink {
 public:
  // Everything given outlives the link.
  ShardLink(std::string address, const DispatcherOptions& options, ShardTransport& transport,
            Waker& waker, CounterBlock& counters, LinkOutput& output);
  ~ShardLink();

  [[nodiscard]] const std::string& address() const noexcept { return address_; }

  // False when the window is full; window_opened() will tell of room.
  [[nodiscard]] bool send(const ClientMessage& message);
  // False when neither the window nor the list beside it has room.
  [[nodiscard]] bool close_session(const SessionClose& close);
  void query_auth_key(int64_t auth_key_id, Now now);
  void set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in, uint64_t cookie,
                    Now now);

  void poll(Now now);
  void flush(Now now);
  [[nodiscard]] bool has_work() const noexcept;
  [[nodiscard]] int64_t deadline_ns() const noexcept;
  // True once after a full window has room again.
  [[nodiscard]] bool window_opened();

  // The shard has left the node set, or is in it again. A retired link sends nothing more; it is
  // finished once its key look-ups and stores are answered or late, and all else was handed over.
  void retire(bool retired) noexcept { retired_ = retired; }
  [[nodiscard]] bool retired() const noexcept { return retired_; }
  [[nodiscard]] bool finished() const noexcept;

  // Of a retired link: gives everything unacknowledged to the links of the keys' owners, in order.
  // The shard may have taken some of it already. `owner_of` takes a perm_auth_key_id.
  void hand_over(const std::function<ShardLink&(int64_t)>& owner_of, Now now);

  // For a worker that waits until everything of now is acknowledged: the number of the newest
  // message, and whether all up to a number have left the window.
  [[nodiscard]] uint64_t newest_serial() const noexcept { return window_.newest_serial(); }
  [[nodiscard]] bool acknowledged_up_to(uint64_t serial) const noexcept {
    return window_.first() == kNoEntry || window_.serial(window_.first()) > serial;
  }
  [[nodiscard]] const SendWindow& window() const noexcept { return window_; }

  [[nodiscard]] size_t unacknowledged() const noexcept {
    return window_.messages() + aside_.size();
  }
  void status(ShardStatus& out) const;

 private:
  struct KeyCall {
    bool store = false;
    int64_t auth_key_id = 0;
    uint64_t cookie = 0;
    int64_t deadline_ns = 0;
  };
  struct OwnedClose {
    SessionClose close;
    std::string client_ip;
  };

  void start_wire(Now now);
  void on_state(WireState state, Now now);
  void reconnect_later(WireState state, Now now);
  void append_aside();
  void take_over(const SendWindow& from, uint32_t entry, Now now);
  void look_for_suspect(Now now);
  bool on_key_reply(LinkEvent& event, Now now);
  void answer_query(const KeyCall& call, LinkEvent& event, Now now);
  void answer_store(const KeyCall& call, const LinkEvent& event, Now now);
  void fail(const KeyCall& call);
  void fail_late_calls(Now now);
  uint64_t new_key_call(KeyCall call, Now now);

  const std::string address_;
  ShardTransport& transport_;
  ErrorLog errors_;
  SendWindow window_;
  std::unique_ptr<ShardChannel> channel_;
  LinkContext context_;

  std::unique_ptr<Wire> wire_;  // null while waiting
  size_t wire_choice_ = 0;      // 0 batch, 1 stream, 2 unary
  bool up_ = false;             // the shard has answered on wire_
  int64_t retry_at_ns_ = 0;
  Backoff backoff_;

  uint64_t oldest_at_start_ = 0;  // the window's first serial when wire_ started
  uint64_t suspect_ = 0;          // the entry that was alone on its way at the last break
  int suspect_breaks_ = 0;        // how often in a row it was that one

  bool full_seen_ = false;
  std::deque<OwnedClose> aside_;
  std::unordered_map<uint64_t, KeyCall> key_calls_;
  std::deque<uint64_t> key_calls_by_age_;

  std::vector<LinkEvent> events_;
  size_t events_done_ = 0;
  bool retired_ = false;
};

}  // namespace ringway::cluster
