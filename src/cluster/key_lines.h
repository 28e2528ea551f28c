// cluster/key_lines: keys whose messages go to their shard one at a time.
//
// Most messages travel many at once. A key comes here when its shard redirects one of its messages
// to another node, or answers one with a status that says "later": the key's messages then stand in
// a line of their own and go as unary calls, each when the one before it is done, so that their
// order holds wherever they end up. New messages of the key join the line; when it is empty the key
// goes back to its owner's window.
//
//   place in a line:  expected --its answer was final: dropped-->
//                        |
//                        +--set aside as well, or moved--> held --call, answer--> done
//
// An expected message is still on its way at the shard that answered an earlier one; nothing behind
// it is sent before its answer is there.
//
// A redirect is followed once per message, to a node of the set that is not out of the ring. While
// that node is out, the owner is asked again and again: sooner or later it agrees with the ring. A
// second redirect is final, so a circle of them ends.
//
// One worker owns it, as part of its Dispatcher.
#pragma once

#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "cluster/dispatcher.h"
#include "cluster/error_log.h"
#include "cluster/send_window.h"
#include "cluster/shard_link.h"

namespace ringway::cluster {

class KeyLines {
 public:
  // What it needs to know of the nodes.
  class Nodes {
   public:
    virtual ~Nodes() = default;
    // Who owns the key by the ring; null while nobody does.
    [[nodiscard]] virtual ShardLink* owner_of(int64_t key) noexcept = 0;
    // The node of this address, if it is in the set. It may be out of the ring.
    [[nodiscard]] virtual ShardLink* node_named(std::string_view address) noexcept = 0;
    // Null when the link has gone.
    [[nodiscard]] virtual ShardLink* link_at(uint32_t link) noexcept = 0;
  };

  KeyLines(const DispatcherOptions& options, Nodes& nodes, CounterBlock& counters,
           LinkOutput& output);

  [[nodiscard]] bool empty() const noexcept { return lines_.empty(); }
  [[nodiscard]] bool has(int64_t key) const { return lines_.contains(key); }
  // Messages and closes in all lines; expected ones count where they are.
  [[nodiscard]] size_t messages() const noexcept { return window_.messages(); }
  [[nodiscard]] size_t chunk_bytes() const noexcept { return window_.chunk_bytes(); }

  // A message or close of a key that has a line. False when there is no room, or nothing new
  // `may_enter`.
  [[nodiscard]] bool send(const ClientMessage& message, bool may_enter);
  void close_session(const SessionClose& close);
  // True once after a full window has room again.
  [[nodiscard]] bool window_opened();

  // An answer has set a message aside: its key gets a line, or the message its place in it.
  void set_aside(LinkOutput::Aside aside, Now now);
  // A message that leaves the window of `link`, of a key that has a line.
  void arrive(WindowItem item, uint32_t link);
  // The ring has changed: who was redirected goes by the ring again.
  void forget_redirects();

  void on_reply(const LinkOutput::CallReply& reply, Now now);
  // Starts the calls that may be made.
  void run(Now now);
  [[nodiscard]] int64_t deadline_ns() const noexcept;

 private:
  // Messages that came from a link's window stand in its order, before those that joined the line.
  struct Place {
    bool expected = false;
    uint32_t link = kAnyShard;  // where it came from or is on its way; kAnyShard: joined the line
    uint64_t serial = 0;        // in the window of that link
    uint32_t entry = kNoEntry;  // held: in window_; expected: in that window
  };
  struct Line {
    std::deque<Place> places;
    std::string redirect;  // the node that the shard named; empty: the owner
    uint64_t call = 0;     // the cookie of the call that is on its way
    int64_t retry_at_ns = 0;
    int64_t pause_ns = 0;
  };

  [[nodiscard]] Line& make_line(int64_t key, const LinkOutput::Aside& aside);
  void drop_answered(Line& line);
  void start_call(int64_t key, Line& line, Now now);
  void pause(Line& line, Now now);
  void finish_front(Line& line);
  void follow(Line& line, std::string_view text, int32_t code, Now now);
  void refuse(Line& line, int32_t code, std::string_view text, Now now);

  Nodes& nodes_;
  CounterBlock& counters_;
  LinkOutput& output_;
  ErrorLog errors_;
  SendWindow window_;
  std::unordered_map<int64_t, Line> lines_;      // by perm_auth_key_id
  std::unordered_map<uint64_t, int64_t> calls_;  // cookie -> key
  uint64_t last_cookie_ = 0;
  int64_t next_retry_ns_ = INT64_MAX;  // as of the last run()
  bool full_seen_ = false;
};

}  // namespace ringway::cluster
