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
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/counters.h"
#include "base/limits.h"
#include "cluster/dispatcher.h"
#include "cluster/error_log.h"
#include "cluster/send_window.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

struct LinkOutput {
  struct Key {
    int64_t auth_key_id = 0;
    KeyAnswer answer = KeyAnswer::kFailed;
    AuthKeyRecord record;  // of kFound
  };
  struct Store {
    uint64_t cookie = 0;
    StoreAnswer answer = StoreAnswer::kRefused;
  };

  std::vector<Key> keys;
  std::vector<Store> stores;
  std::vector<int64_t> unregistered;
  std::vector<PushRequest> pushes;

  [[nodiscard]] bool empty() const noexcept {
    return keys.empty() && stores.empty() && unregistered.empty() && pushes.empty();
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
  LinkTally tally;
  ShardChannel* channel = nullptr;  // replaced when the link opens a new one
  uint64_t last_id = 0;             // of streams and calls on the link
  // What the stream that ended last leaves behind: its status, and the entries that had no answer.
  struct Break {
    int32_t status = kStatusOk;
    uint32_t oldest = kNoEntry;
    uint64_t newest_serial = 0;
  };
  Break last_break;
  // Entries up to this serial travel alone, each answered before the next one goes: one of them
  // has made the shard end a stream, and this finds out which.
  uint64_t careful_until = 0;

  [[nodiscard]] uint64_t new_id() noexcept { return ++last_id; }
  // A batch of so many messages goes out.
  void count_batch(size_t messages) noexcept {
    ++tally.batches;
    tally.messages += messages;
    counters.add(Counter::kShardBatches);
    counters.add(Counter::kShardMessages, messages);
    counters.observe(Distribution::kBatchMessages, messages);
  }
};

// The shard itself objects to a message of `size` bytes, again at each attempt perhaps. A shard
// that goes away, hangs or has too much to do says nothing about a message.
[[nodiscard]] constexpr bool is_objection(int32_t status, size_t size) noexcept {
  if (status == kStatusResourceExhausted) return size > kBatchBytesMax;
  return status != kStatusOk && status != kStatusUnavailable && status != kStatusCancelled &&
         status != kStatusDeadlineExceeded;
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
  // A flush would send something now.
  [[nodiscard]] virtual bool has_work() const noexcept = 0;
  // When flush() is to be called even if nothing happens; INT64_MAX when never.
  [[nodiscard]] virtual int64_t deadline_ns() const noexcept = 0;

 protected:
  // The shard's last word on an entry: served, or refused with `code`.
  void settle(uint32_t entry, int32_t code, std::string_view text, Now now);
  [[nodiscard]] bool travels_alone(uint32_t entry) const noexcept {
    return link_.window.serial(entry) <= link_.careful_until;
  }
  void refused(int64_t auth_key_id, int32_t code, std::string_view text, Now now);

  LinkContext& link_;
};

// Each starts at once.
[[nodiscard]] std::unique_ptr<Wire> make_batch_wire(LinkContext& link, Now now);
[[nodiscard]] std::unique_ptr<Wire> make_stream_wire(LinkContext& link, Now now);
[[nodiscard]] std::unique_ptr<Wire> make_unary_wire(LinkContext& link, Now now);

}  // namespace ringway::cluster
