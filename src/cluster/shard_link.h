// cluster/shard_link: everything one worker has to do with one shard.
//
// The link keeps the shard's window, a channel to it, its health, and the wire over which the
// window travels:
//
//                                 unsupported: the next wire
//                                       +------+
//                                       v      |
//     waiting --retry time--> [probing] running --broken, stuck--> waiting
//
// It starts with the best wire at each (re)connection, so a shard that learned a better one in a
// restart is found out. The pause doubles from kReconnectBackoffMinNs to kReconnectBackoffMaxNs and
// is back at the least once the shard has taken something. Key look-ups and stores are calls of
// their own beside the wire and need none.
//
// A shard that is out of the ring is sent no messages; that it answers again shows in the greeting
// of the batched stream, or in its not knowing that stream. Where the configuration begins with
// another wire, a question for a key that nobody has (probing) is what it has to answer first.
//
// One worker owns a link; nothing here blocks or calls back, LinkOutput carries what goes up.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cluster/backoff.h"
#include "cluster/dispatcher.h"
#include "cluster/error_log.h"
#include "cluster/send_window.h"
#include "cluster/shard_health.h"
#include "cluster/shard_transport.h"
#include "cluster/wire.h"

namespace ringway::cluster {

// A close with bytes of its own.
struct OwnedClose {
  explicit OwnedClose(const SessionClose& from) : close(from), client_ip(from.client_ip) {}
  [[nodiscard]] SessionClose view() const {
    SessionClose borrowed = close;
    borrowed.client_ip = client_ip;
    return borrowed;
  }

  SessionClose close;
  std::string client_ip;
};

// What leaves a link for others: entries first, closes behind them.
struct Departing {
  std::vector<WindowItem> items;
  std::vector<uint32_t> from;  // the links that the items leave
  std::vector<OwnedClose> closes;
};

class ShardLink {
 public:
  // Everything given outlives the link. `number` is what its output is marked with.
  ShardLink(uint32_t number, std::string address, const DispatcherOptions& options,
            ShardTransport& transport, Waker& waker, CounterBlock& counters, LinkOutput& output);
  ~ShardLink();

  [[nodiscard]] const std::string& address() const noexcept { return address_; }
  [[nodiscard]] const ShardHealth& health() const noexcept { return health_; }

  // False when the window is full, or nothing new `may_enter`; window_opened() will tell of room.
  [[nodiscard]] bool send(const ClientMessage& message, bool may_enter);
  void close_session(const SessionClose& close);
  // With `again` an unavailable shard fails the query instead of handing it back for another owner.
  void query_auth_key(int64_t auth_key_id, bool again, Now now);
  void set_auth_key(const AuthKeyRecord& record, int64_t salt, int32_t expires_in, uint64_t cookie,
                    Now now);
  // One message or close of `window`, by itself; LinkOutput::CallReply follows.
  void call_message(const SendWindow& window, uint32_t entry, uint64_t cookie, Now now);
  // False when calls that are held open take half of what the shard leaves for calls.
  [[nodiscard]] bool has_room_for_http() const noexcept;
  // Where there is room for it. LinkOutput::Http follows, unless it is cancelled by the id that is
  // returned. With `again` an unavailable shard is the end of it.
  uint64_t call_http(WireMessage request, int64_t perm_auth_key_id, bool again, uint64_t cookie,
                     Now now);
  // Nothing happens where the call is over; its output may be there already.
  void cancel_http(uint64_t id);

  void poll(Now now);
  void flush(Now now);
  [[nodiscard]] bool has_work() const noexcept;
  [[nodiscard]] int64_t deadline_ns() const noexcept;
  // True once after a full window has room again.
  [[nodiscard]] bool window_opened();

  // --- changes of the ring. Messages are sent only by a link that serves and is not held.
  using Leaves = std::function<bool(int64_t perm_auth_key_id)>;
  void serve(bool serving) noexcept;
  void hold(bool holding) noexcept;
  [[nodiscard]] bool holding() const noexcept { return holding_; }
  // Something is on its way whose key leaves: a hold would let it be acknowledged first.
  [[nodiscard]] bool wants_handover(const Leaves& leaves) const;
  [[nodiscard]] bool quiet() const noexcept { return wire_ == nullptr || wire_->quiet(); }
  // Takes out what leaves, in order. What is on its way then is sent again, by whoever has it.
  void depart(const Leaves& leaves, Departing& out, Now now);
  void adopt(WindowItem item);
  // All that waits here for this key, in order: taken out where it is not on its way.
  struct Withdrawn {
    bool on_its_way = false;
    uint32_t entry = kNoEntry;  // of what is on its way
    uint64_t serial = 0;
    WindowItem item;
  };
  [[nodiscard]] std::vector<Withdrawn> withdraw(int64_t perm_auth_key_id,
                                                std::vector<OwnedClose>& closes);

  // Nothing is left that needs this link.
  [[nodiscard]] bool idle() const noexcept { return unacknowledged() == 0 && calls_.empty(); }

  [[nodiscard]] size_t unacknowledged() const noexcept {
    return window_.messages() + aside_.size();
  }
  [[nodiscard]] const SendWindow& window() const noexcept { return window_; }
  void status(ShardStatus& out) const;

 private:
  enum class CallKind : uint8_t { kQuery, kStore, kProbe, kMessage, kHttp };
  // A call beside the wire.
  struct Call {
    CallKind kind = CallKind::kQuery;
    bool again = false;   // of kQuery and kHttp
    int64_t key = 0;      // auth_key_id, perm_auth_key_id of kHttp
    uint64_t cookie = 0;  // of all but kQuery
    WireMessage request;  // of kHttp, until it is asked again
    int64_t deadline_ns = 0;
  };

  void start_wire(Now now);
  void start_probe(Now now);
  void on_state(WireState state, Now now);
  void reconnect_later(WireState state, Now now);
  void open_channel();
  void look_at_health(Now now);
  void append_aside();
  void look_for_suspect(Now now);
  // shard_link_calls.cc
  uint64_t new_call(Call call, int64_t timeout_ns, Now now);
  bool on_reply(LinkEvent& event, Now now);
  [[nodiscard]] bool counts_as_failure(CallKind kind, const LinkEvent& event, Now now) noexcept;
  void on_probe_reply(int32_t status, Now now);
  void answer_query(const Call& call, LinkEvent& event, Now now);
  void answer_store(const Call& call, const LinkEvent& event, Now now);
  void answer_message(const Call& call, const LinkEvent& event);
  void answer_http(Call& call, LinkEvent& event, Now now);
  void fail(Call& call);
  void forget(const Call& call, uint64_t id);
  void hand_back(Call& call);
  void redirect_http(Call& call, std::string_view text);
  void hand_back_calls();
  void fail_calls();
  void fail_late_calls(Now now);

  const std::string address_;
  ShardTransport& transport_;
  ErrorLog errors_;
  SendWindow window_;
  ShardHealth health_;
  std::unique_ptr<ShardChannel> channel_;
  LinkContext context_;

  std::unique_ptr<Wire> wire_;  // null while waiting or probing
  size_t wire_choice_;          // 0 batch, 1 stream, 2 unary
  bool up_ = false;             // the shard has answered on wire_
  bool reached_ = false;        // the shard has answered since the last break
  bool probing_ = false;
  bool out_seen_ = false;  // health_.out() as of the last poll
  bool serving_ = false;
  bool holding_ = false;
  int64_t retry_at_ns_ = 0;
  int64_t silent_ns_ = 0;  // a greeting that is not here by then is a failure
  Backoff backoff_;

  uint64_t oldest_at_start_ = 0;  // the window's first serial when wire_ started

  bool full_seen_ = false;
  std::deque<OwnedClose> aside_;
  std::unordered_map<uint64_t, Call> calls_;
  size_t http_calls_ = 0;                                  // of them
  int64_t http_failed_ns_ = 0;                             // the poll that one of these failed in
  std::set<std::pair<int64_t, uint64_t>> call_deadlines_;  // when, which

  std::vector<LinkEvent> events_;
  size_t events_done_ = 0;
};

}  // namespace ringway::cluster
