// client/account/account_impl: what an Account is made of; only its own files include this.
//
// A call is in one of these states, and moves like this:
//
//   start() -> kBehind  an earlier call of its order is not done
//           -> kHeld    its server wants nothing of the kind for a while (Waits)
//           -> kQueued  its DC cannot be called yet
//           -> kSent    it is in the session of a line      --answer--> done, or one of the above
//
// Any state ends with finish(), by an answer, a deadline, cancel() or the end of the sign-in. Sinks
// hear of it at the end of the turn. A call that was given up in kSent may then be settling: the
// server was told so, and has not answered yet.
#pragma once

#include <deque>
#include <functional>
#include <set>
#include <unordered_map>

#include "client/account/account.h"
#include "client/account/api_errors.h"
#include "client/account/api_objects.h"
#include "client/account/link.h"
#include "client/account/waits.h"
#include "client/objects.h"

namespace ringway::client {

using InternalDone = std::function<void(CallOutcome)>;

struct Account::Impl {
  struct Dc;
  // A link with the calls that are in its session.
  struct Line final : LinkListener {
    Line(Impl& owner, Dc& place, LinkOptions options);
    void on_link_key(Link&) override { account.on_key(*this); }
    void on_link_ready(Link&, bool fresh) override { account.on_ready(*this, fresh); }
    void on_link_heard(Link&) override { account.on_heard(*this); }
    void on_link_down(Link&) override { account.on_down(*this); }
    void on_link_event(Link&, SessionEvent& event) override { account.on_event(*this, event); }
    void on_link_session_lost(Link&) override { account.on_session_lost(*this); }
    void on_link_key_refused(Link&) override { account.on_key_refused(*this); }
    void on_link_key_old(Link&) override { account.on_key_old(*this); }

    Impl& account;
    Dc& dc;
    Link link;
    bool initialized = false;  // the server knows who we are: a wrapped call was answered
    std::unordered_map<RequestId, CallId> calls;
    std::unordered_map<RequestId, CallId> settling;
    LinkCounts counted;      // of the link's, what the account's counts have already
    int64_t retired_ns = 0;  // since when it has a successor; 0: it has none
  };
  struct Dc {
    enum class Import : uint8_t {
      kNone,  // nobody is signed in there, or it is not known whether
      kUnderWay,
      kDone,
    };
    int32_t number = 0;
    std::unique_ptr<Line> line;
    std::unique_ptr<Line> next;                  // of a newer temporary key, not ready yet
    std::vector<std::unique_ptr<Line>> retired;  // of older ones, for the calls they have
    std::deque<CallId> queue;
    std::vector<LinkAddress> learned;  // from help.getConfig
    Import import = Import::kNone;
    bool made_key = false;  // its key is of this run, and not a stored one
    int64_t busy_ns = 0;    // when it was last wanted
  };
  struct Call {
    enum class State : uint8_t { kBehind, kHeld, kQueued, kSent };
    Bytes tl;
    CallSink* sink = nullptr;
    InternalDone internal;  // in place of a sink
    int64_t deadline_ns = 0;
    uint64_t order = 0;
    bool tell_settled = false;
    uint32_t method = 0;
    State state = State::kQueued;
    int32_t dc = 0;           // 0: the main one, whichever that is
    Line* line = nullptr;     // of kSent
    Dc* queued_at = nullptr;  // of kQueued: whose queue it is in, which need not be that of `dc`
    RequestId request = 0;
    uint64_t mark = 0;
    bool wrapped = false;
    bool may_have_run = false;  // it was sent in a session that is no more
    int redirects = 0;
    int repeats = 0;
    bool first = false;             // goes out before what its DC's queue has, or not at all
    CallId predecessor = 0;         // in its order; it may be done
    std::vector<CallId> followers;  // that wait for it
  };
  struct Settling {
    CallSink* sink = nullptr;
    Line* line = nullptr;  // null: it is settled, and the sink is about to hear of it
    RequestId request = 0;
    int64_t deadline_ns = 0;
  };
  // What a sink is to be told.
  struct News {
    enum class About : uint8_t { kEnd, kHeld, kGoesOn, kSettled };
    CallId call = 0;
    CallSink* sink = nullptr;
    InternalDone internal;
    About about = About::kEnd;
    CallOutcome outcome;
  };
  // A call that was taken out of where it was.
  struct Withdrawn {
    bool sent = false;         // it may have reached the server
    Line* told_on = nullptr;   // where the server was told that nobody waits for it
    RequestId told_about = 0;  // as that one's session calls it
  };

  Impl(EventLoop& event_loop, AccountOptions account_options, AccountState account_state,
       AccountListener& account_listener);
  ~Impl();

  // --- account.cc: the sign-in as a whole
  void update_condition();
  void state_changed();
  void salts_may_have_changed();
  void sign_out(int32_t code, const std::string& text);
  void set_user(int64_t user_id);
  void count(Line& line);
  void count_refusal(int32_t code);
  // What its session knows of the server's clock.
  void note_clock(Line& line);
  [[nodiscard]] int64_t now_ns() const { return loop.now().mono_ns; }

  // --- account_calls.cc: calls from start to end
  CallId add(Call call);
  // For home when `dc` is 0. `first`: before all that waits for that DC.
  CallId start_internal(Bytes tl, int32_t dc, bool first, InternalDone done);
  void route(CallId id);
  void dispatch(CallId id, Call& call);
  void send(CallId id, Call& call, Line& line);
  // False: it has to wait for its predecessor.
  bool may_follow(CallId id, Call& call, const Line& line);
  void hold(CallId id, Call& call);
  void cancel(CallId id);
  // By its caller or its deadline.
  void give_up(CallId id, CallOutcome::End why);
  void settle(CallId id);
  void forget(CallId id);
  // The session of the line is no more.
  void settle_all(Line& line);
  void finish(CallId id, CallOutcome outcome);
  void unblock(Call& call);
  void tell(News news);
  void deliver();
  // Takes it out of the session that it is in, or of the queue.
  Withdrawn withdraw(CallId id, Call& call);
  void release_waits();
  void arm();
  void on_timer();
  void watch_deadline(int64_t deadline_ns);

  // --- account_answers.cc: what servers say
  void on_event(Line& line, SessionEvent& event);
  void on_reply(Line& line, SessionEvent& event);
  void on_reply_to(Line& line, CallId id, Call& call, SessionEvent& event);
  void on_introduction_lost(Line& line);
  void on_resent(Line& line, const SessionEvent& event);
  void on_result(Line& line, CallId id, Call& call, ByteView result);
  void on_rpc_error(Line& line, CallId id, Call& call, const RpcError& error);
  void on_wait(CallId id, Call& call, const RpcError& error, const ErrorReading& reading);
  bool follow_login_token(CallId id, Call& call, ByteView result);
  void on_redirect(CallId id, Call& call, const RpcError& error, const ErrorReading& reading);
  void on_sign_in_ended(Line& line, CallId id, Call& call, const RpcError& error);
  void repeat(CallId id, Call& call, const RpcError& error);
  void on_push(Line& line, const SessionEvent& event);
  [[nodiscard]] Waits::Subject subject_of(CallId id, const Call& call, std::string& peer) const;

  // --- account_dcs.cc: links and what DCs have to be told before calls
  Dc& dc(int32_t number);
  Dc& dc_of(const Call& call) { return dc(call.dc == 0 ? state.main_dc : call.dc); }
  [[nodiscard]] bool is_main(const Line& line) const;
  std::unique_ptr<Line> make_line(Dc& place);
  [[nodiscard]] std::vector<LinkAddress> addresses_of(const Dc& place) const;
  void flush_queue(Dc& place);
  void enqueue(CallId id, Call& call, Dc& place);
  void move_queue(Dc& before, Dc& home);
  [[nodiscard]] bool needs_import(const Dc& place) const;
  void import_sign_in(Dc& place);
  void on_exported(int32_t number, CallOutcome outcome);
  void on_imported(int32_t number, CallOutcome outcome);
  void end_retired(Dc& place);
  void fail_queue(Dc& place, const CallOutcome& outcome, const std::string& why);
  void move_home(int32_t number);
  void make_home(Dc& place);
  void ask_config();
  void on_config(ByteView config);
  void learn_home(int32_t number);
  void close_idle();
  void bury(std::unique_ptr<Line> line);
  void on_key(Line& line);
  void on_ready(Line& line, bool fresh);
  void on_heard(Line& line);
  void on_down(Line& line);
  void on_session_lost(Line& line);
  void on_key_refused(Line& line);
  void on_key_old(Line& line);

  EventLoop& loop;
  AccountOptions options;
  AccountState state;
  AccountListener& listener;
  ApiObjects objects;
  AccountCounts counts;
  Condition condition = Condition::kConnecting;
  std::string problem;

  std::unordered_map<CallId, Call> calls;
  CallId next_call = 1;
  size_t internal_calls = 0;  // of calls
  size_t call_bytes = 0;
  std::set<std::pair<int64_t, CallId>> deadlines;  // of calls, or until they are settled
  std::unordered_map<CallId, Settling> settling;
  std::unordered_map<uint64_t, CallId> last_of_order;
  Waits waits;
  std::vector<News> news;
  bool delivery_wanted = false;
  std::deque<CallId> unblocked;  // followers whose turn it is
  bool unblocking = false;

  bool signed_out = false;
  CallOutcome sign_out_outcome;
  int32_t moving_to = 0;  // a DC that becomes the main one when the sign-in is there
  int64_t told_salts_ns = 0;
  bool salts_untold = false;

  EventLoop::TimerId timer = 0;
  int64_t timer_ns = INT64_MAX;
  std::shared_ptr<int> alive = std::make_shared<int>();
  // Above the lines, so that they end after them: their threads post to the loop only.
  Background background;
  Lookups lookups;
  std::map<int32_t, Dc> dcs;
  std::vector<std::unique_ptr<Line>> buried;  // freed at the turn's end
};

}  // namespace ringway::client
