// cluster/wire: how the entries of a window travel to a shard.
//
// A shard offers our batched stream, Teamgram's stream or unary calls; each has a Wire. A wire
// lives from one (re)connection to the next: started over a window that may hold entries from
// before, it sends them all, oldest first, and releases them as the shard answers. Entries that are
// still there when it goes are the next wire's to send again, so nothing is lost with a stream.
//
// One worker owns a wire and all that it refers to. What a wire has to say upward is collected in a
// LinkOutput; it calls nobody back.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/limits.h"
#include "cluster/dispatcher.h"
#include "cluster/error_log.h"
#include "cluster/send_pace.h"
#include "cluster/send_window.h"
#include "cluster/shard_health.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

struct LinkOutput {
  struct Key {
    int64_t auth_key_id = 0;
    KeyAnswer answer = KeyAnswer::kFailed;
    AuthKeyRecord record;     // of kFound
    bool unanswered = false;  // by anybody
    bool ask_again = false;   // unanswered: whoever owns the key by now is to be asked
  };
  struct Store {
    uint64_t cookie = 0;
    StoreAnswer answer = StoreAnswer::kRefused;
  };

  // A message whose answer was not its end: it is to go on in a line of its key (key_lines.h).
  struct Aside {
    WindowItem item;
    uint32_t link = 0;  // where it was answered
    int32_t code = 0;
    std::string text;
  };
  // The end of a ShardLink::call_message().
  struct CallReply {
    uint64_t cookie = 0;
    int32_t code = 0;
    std::string text;
  };
  // The end of a ShardLink::call_http().
  struct Http {
    uint64_t cookie = 0;
    HttpAnswer answer = HttpAnswer::kUnavailable;
    Bytes reply;              // of kAnswered, as it came
    WireMessage ask_again;    // unless empty: whoever owns the key by now is to be asked,
    bool redirected = false;  // or the node that the shard has named, if it is in the set
    std::string redirect;
    int64_t perm_auth_key_id = 0;
  };

  std::vector<Key> keys;
  std::vector<Store> stores;
  std::vector<int64_t> unregistered;
  std::vector<PushRequest> pushes;
  std::vector<Http> http;
  // These two are for the dispatcher itself.
  std::vector<Aside> asides;
  std::vector<CallReply> call_replies;

  [[nodiscard]] bool has_more_for_lines() const noexcept {
    return !asides.empty() || !call_replies.empty();
  }
  // Of what is for others than the dispatcher.
  [[nodiscard]] bool empty() const noexcept {
    return keys.empty() && stores.empty() && unregistered.empty() && pushes.empty() && http.empty();
  }
};

// What the parts of one link share.
struct LinkContext {
  const DispatcherOptions& options;
  SendWindow& window;
  Waker& waker;
  CounterBlock& counters;
  ErrorLog& errors;
  LinkOutput& output;
  ShardHealth& health;
  LinkTally tally;
  uint32_t number = 0;              // of the link
  ShardChannel* channel = nullptr;  // replaced when the link opens a new one
  uint64_t last_id = 0;             // of streams and calls on the link
  bool held = false;                // nothing new may be sent
  // What a stream or wire that ended leaves behind: its status, and the entries that were on their
  // way.
  struct Break {
    int32_t status = kStatusOk;
    bool touched = false;  // the shard had them: it may be their fault
    std::vector<uint32_t> sent;
  };
  Break last_break;
  SendPace pace{options.window_messages_max, options.call_timeout_ns};

  [[nodiscard]] uint64_t new_id() noexcept { return ++last_id; }
  // What was answered, or not, goes on in a line of its key.
  void set_aside(uint32_t entry, int32_t code, std::string_view text) {
    counters.add(Counter::kMessagesSetAside);
    output.asides.push_back({window.take(entry), number, code, std::string(text)});
  }
  // A message goes out that has been sent before.
  void count_replay() noexcept {
    ++tally.replays;
    counters.add(Counter::kShardReplays);
  }
  // A batch of so many messages goes out.
  void count_batch(size_t messages) noexcept {
    ++tally.batches;
    tally.messages += messages;
    counters.add(Counter::kShardBatches);
    counters.add(Counter::kShardMessages, messages);
    counters.observe(Distribution::kBatchMessages, messages);
  }
};

// The shard went away or hung while the entry was on its way. True when that has happened so often
// that the entry is to be given up, provided it was alone.
inline bool blame_crash(EntryMarks& marks) noexcept {
  if (marks.crashes < kSuspectCrashesMax) ++marks.crashes;
  if (marks.crashes >= kSuspectCrashesCareful) marks.careful = true;
  return marks.crashes >= kSuspectCrashesMax;
}

enum class WireState : uint8_t {
  kGoing,
  kUnsupported,  // the shard does not know this wire: try the next one
  kBroken,       // connect again later
  kStuck,        // connect again later, on a new connection: this one says nothing any more
};

class Wire {
 public:
  explicit Wire(LinkContext& link) : link_(link) {}
  virtual ~Wire() = default;
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  [[nodiscard]] virtual std::string_view name() const noexcept = 0;
  // The shard has answered on this wire.
  [[nodiscard]] virtual bool established() const noexcept = 0;
  // A new entry at the end of the window.
  virtual void added(uint32_t entry) = 0;
  // An event of a stream or call of this wire; events of others are not its own and change nothing.
  [[nodiscard]] virtual WireState on_event(LinkEvent& event, Now now) = 0;
  // Sends what may be sent, and notices what took too long.
  [[nodiscard]] virtual WireState flush(Now now) = 0;
  // Nothing that was sent waits for its answer.
  [[nodiscard]] virtual bool quiet() const noexcept = 0;
  // The window has changed other than by added(); only while quiet.
  virtual void rewind() = 0;
  // Forgets an entry that has not been sent; false when it is on its way.
  [[nodiscard]] virtual bool withdraw(uint32_t entry) = 0;
  // A flush would send something now.
  [[nodiscard]] virtual bool has_work() const noexcept = 0;
  // When flush() is to be called even if nothing happens; INT64_MAX when never.
  [[nodiscard]] virtual int64_t deadline_ns() const noexcept = 0;

 protected:
  // The shard's answer to an entry, which leaves the window: served, refused, or set aside.
  void settle(uint32_t entry, int32_t code, std::string_view text, Now now);
  [[nodiscard]] bool travels_alone(uint32_t entry) const noexcept {
    return link_.window.marks(entry).careful;
  }
  // An entry goes on its way.
  void mark_sent(uint32_t entry) noexcept {
    EntryMarks& marks = link_.window.marks(entry);
    if (marks.sent) link_.count_replay();
    marks.sent = true;
  }
  // Counts and logs an entry that is given up; the caller releases it.
  void give_up(int32_t code, std::string_view text, Now now);
  void refused(int64_t auth_key_id, int32_t code, std::string_view text, Now now);

  LinkContext& link_;
};

// Each starts at once.
[[nodiscard]] std::unique_ptr<Wire> make_batch_wire(LinkContext& link, Now now);
[[nodiscard]] std::unique_ptr<Wire> make_stream_wire(LinkContext& link, Now now);
[[nodiscard]] std::unique_ptr<Wire> make_unary_wire(LinkContext& link, Now now);

}  // namespace ringway::cluster
