// client/account/updates: an account's updates, each once and in order, whatever was lost between.
//
// Pure: objects of type Updates, the answers of its own calls and `now` go in; single updates,
// calls to be made and the time of the next wake-up come out. One thread owns it. What it does with
// gaps (https://core.telegram.org/api/updates):
//
//   an update that fits its box (pts, qts, a channel's pts; a container: seq) is applied; one that
//   was applied before is dropped; one that comes too early waits kUpdatesHoldNs for what is
//   missing, then the server is asked for the difference, and nothing of that box is applied until
//   the answer is here.
//
// A box whose difference the server does not have any more is told of with a kGap event. A source
// is told of when its first update is applied. What a call did is told to all others as well: an
// updateShortSentMessage becomes the message that the call and it together make, or is asked for;
// messages that were deleted become the update that other sessions get. A result of a call that
// only moves pts (messages.affectedMessages) fills its place in the order and is told to nobody.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "client/account/update_event.h"
#include "client/account/updates_reading.h"
#include "client/account/updates_state.h"
#include "tl/dynamic/layer.h"

namespace ringway::client {

struct UpdatesCall {
  uint64_t id = 0;
  Bytes tl;
};

struct UpdatesOutput {
  std::vector<UpdateEvent> events;  // in order
  std::vector<UpdatesCall> calls;   // their answers go to on_answer() or on_failure()
};

struct UpdatesOptions {
  std::shared_ptr<const tl::dynamic::Layer> layer;
  int64_t self_id = 0;  // the account's user
  bool is_bot = false;
};

struct UpdatesCounts {
  uint64_t delivered = 0;
  uint64_t duplicates = 0;
  uint64_t gaps_filled = 0;  // what was held became due
  uint64_t differences = 0;
  uint64_t channel_differences = 0;
  uint64_t lost = 0;  // kGap
  uint64_t unreadable = 0;
  uint64_t failures = 0;  // of its calls
};

class UpdatesEngine {
 public:
  // Whether the layer has the calls that an engine makes. Without them there is none to be made.
  [[nodiscard]] static bool supports(const tl::dynamic::Layer& layer);

  // supports(*options.layer).
  UpdatesEngine(UpdatesOptions options, UpdatesState state);

  // An object of type Updates, pushed, with an empty `call`, or in the result of `call`; or a
  // result that says by pts and pts_count what the call did.
  void on_updates(ByteView tl, ByteView call, Now now, UpdatesOutput& out);
  // Updates may have been missed; also to be called once to begin with, when there is a connection.
  void on_gap(Now now, UpdatesOutput& out);
  void on_answer(uint64_t call, ByteView tl, Now now, UpdatesOutput& out);
  // The call did not succeed: code and text of an rpc_error, or code 0.
  void on_failure(uint64_t call, int32_t code, std::string_view text, Now now, UpdatesOutput& out);
  // At next_deadline_ns() or later.
  void on_time(Now now, UpdatesOutput& out);
  [[nodiscard]] int64_t next_deadline_ns() const noexcept;  // mono; INT64_MAX: never

  // To be stored once the events that came before are in safety.
  [[nodiscard]] const UpdatesState& state() const noexcept { return state_; }
  [[nodiscard]] const UpdatesCounts& counts() const noexcept { return counts_; }
  // Updates that wait for others.
  [[nodiscard]] size_t held() const noexcept { return held_count_; }

 private:
  using Object = tl::dynamic::Object;
  struct Origin {
    std::shared_ptr<const UpdateSource> source;
    bool told = false;
  };
  using Source = std::shared_ptr<Origin>;
  struct Postponed {
    Bytes tl;
    Bytes call;
  };

  struct Item {
    int32_t count = 0;
    Bytes update;   // may be empty
    Source source;  // null, with an empty update: nobody is told
    // What a call's result says by itself: never a reason to go on elsewhere in the order.
    bool affected = false;
  };
  struct Box {
    std::multimap<int32_t, Item> held;  // by pts
    int64_t deadline_ns = INT64_MAX;    // when what is missing is asked for
    int64_t stuck_at = -1;              // where an answer left it, with something still held
  };
  // What is on the way, or waits for its time.
  struct Question {
    uint64_t call = 0;  // 0: none on the way
    int64_t retry_at_ns = INT64_MAX;
    int64_t retry_delay_ns = 0;
    bool again = false;  // something happened that the answer may not know of

    [[nodiscard]] bool busy() const noexcept { return call != 0 || retry_at_ns != INT64_MAX; }
  };
  struct Channel {
    Box box;
    Question question;
  };

  // updates.cc
  void postpone(ByteView tl, ByteView call);
  void take(ByteView tl, ByteView call, Now now, UpdatesOutput& out);
  void take_container(const Object& object, ByteView tl, Now now, UpdatesOutput& out);
  void take_short_message(const Object& object, ByteView tl, Now now, UpdatesOutput& out);
  void take_sent_message(const Object& object, ByteView tl, ByteView call, Now now,
                         UpdatesOutput& out);
  void take_affected(const Object& object, ByteView call, Now now, UpdatesOutput& out);
  void hold_container(int32_t seq_start, ByteView tl, Now now);
  void settle_containers(Now now, UpdatesOutput& out);
  void apply(const Object& update, const Source& source, Now now, UpdatesOutput& out);
  void apply_all(const Object& container, const Source& source, Now now, UpdatesOutput& out);
  void arrive(const UpdateOrder& order, Item item, Now now, UpdatesOutput& out);
  // `local` is the box's pts as far as it is applied; what comes too early waits until
  // `deadline_ns`.
  void arrive_in(Box& box, int32_t& local, int32_t pts, Item item, int64_t deadline_ns,
                 UpdatesOutput& out);
  void arrive_in_channel(const UpdateOrder& order, Item item, Now now, UpdatesOutput& out);
  void hold(Box& box, int32_t pts, Item item, int64_t deadline_ns);
  void hold_for_answer(Box& box, int32_t pts, Item item);
  // It is held no longer.
  void uncount(const Item& item);
  // Applies what fits now, drops what was there before.
  void settle(Box& box, int32_t& local, UpdatesOutput& out);
  void drop_affected(Box& box);
  void settle_after_answer(Box& box, int32_t& local, UpdatesOutput& out);
  void clear(Box& box);
  void deliver(Item item, UpdatesOutput& out);
  static void tell(const Source& source, UpdatesOutput& out);
  // `original`: what listeners may see of it.
  [[nodiscard]] Source source_of(const Object& object, ByteView original);
  void learn_peers(const Object& object);
  [[nodiscard]] bool knows_peers(const Object& brief) const;
  UpdatesState::Channel& channel_state(int64_t channel_id);
  void forget_oldest_channel();

  // updates_difference.cc
  uint64_t call(const Object& request, UpdatesOutput& out);
  static void retry_later(Question& question, Now now);
  void ask(Now now, UpdatesOutput& out);
  void ask_on(bool progress, Now now, UpdatesOutput& out);
  void set_state(const Object& state);
  void on_state(const Object& state, Now now, UpdatesOutput& out);
  void on_difference(const Object& difference, ByteView tl, Now now, UpdatesOutput& out);
  void deliver_messages(const Object& difference, int32_t pts, const Source& source,
                        UpdatesOutput& out);
  void apply_from_difference(const Object& update, int64_t channel_id, const Source& source,
                             Now now, UpdatesOutput& out);
  void give_up_difference(Now now, UpdatesOutput& out);
  void tell_gap(UpdatesOutput& out);
  void finish(Now now, UpdatesOutput& out);

  // updates_channel.cc
  [[nodiscard]] static Object channel_request(int64_t channel_id,
                                              const UpdatesState::Channel& state, int32_t limit);
  void ask_channel(int64_t channel_id, Now now, UpdatesOutput& out);
  void begin_waiting_channels(Now now, UpdatesOutput& out);
  void on_channel_difference(int64_t channel_id, const Object& difference, Now now,
                             UpdatesOutput& out);
  void on_channel_failure(int64_t channel_id, std::string_view text, Now now, UpdatesOutput& out);
  void tell_channel_gap(int64_t channel_id, UpdatesOutput& out);
  void skip_channel_gap(int64_t channel_id, Now now, UpdatesOutput& out);
  void finish_channel(int64_t channel_id, Now now, UpdatesOutput& out);
  void forget_channel(int64_t channel_id);

  UpdatesOptions options_;
  UpdatesState state_;
  UpdatesCounts counts_;

  Box common_;
  Box secret_;
  std::map<int32_t, Bytes> containers_;  // held, by seq_start
  int64_t containers_deadline_ns_ = INT64_MAX;
  int64_t containers_stuck_at_ = -1;
  std::deque<Postponed> postponed_;  // came while the difference was on the way
  size_t held_count_ = 0;
  size_t held_bytes_ = 0;
  Question question_;
  bool asks_state_ = false;  // question_ is for updates.getState
  bool gap_to_tell_ = false;
  bool finishing_ = false;  // what was held may be applied without its peers being known
  std::map<int64_t, Channel> channels_;        // those with something held or asked
  std::set<int64_t> waiting_channels_;         // to be asked when others are done
  std::map<uint64_t, int64_t> channel_calls_;  // call -> channel
  std::unordered_set<int64_t> known_users_;
  std::unordered_set<int64_t> known_chats_;
  uint64_t next_call_ = 1;
  uint64_t next_seen_ = 1;
  int64_t silence_ns_ = INT64_MAX;
};

}  // namespace ringway::client
