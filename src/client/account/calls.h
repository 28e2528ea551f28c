// client/account/calls: an API call as its caller sees it, and who takes calls.
//
// Everything here happens on the thread of one EventLoop (client/account/loop.h).
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ringway::client {

using CallId = uint64_t;

struct CallOptions {
  int64_t deadline_ns = 0;  // mono; 0: the account's default from now
  // Calls of the same number run on the server in the order in which they were started. 0: no
  // order.
  uint64_t order = 0;
  // The sink wants to know when the server is done with the call that was given up after it was
  // sent: see CallOutcome::settles.
  bool tell_settled = false;
};

struct CallOutcome {
  enum class End : uint8_t {
    kResult,       // `result` is the TL of what the method answers, unpacked
    kRpcError,     // code and text are the server's
    kSignedOut,    // the server ended this sign-in; code and text as it said so, now or before
    kUnavailable,  // no connection, or it was given up; `text` says why, for people
    kFull,         // too many calls at once
    kDeadline,     // whether it took effect is not known, unless `sent` is false
    kCancelled,    // by cancel(); likewise
  };
  End end = End::kUnavailable;
  bool sent = false;  // it may have reached the server
  // Of kDeadline and kCancelled, for those who asked for it: the server was told that nobody waits
  // for the answer any more, and may be at work. on_call_settled() follows.
  bool settles = false;
  Bytes result;
  int32_t code = 0;
  std::string text;
  int64_t retry_after_seconds = 0;  // of a wait that the server asked for
};

class CallSink {
 public:
  virtual void on_call_done(CallId call, CallOutcome outcome) = 0;
  // A call that waits, because the server asked for that, occupies nothing there until it goes on.
  virtual void on_call_held(CallId call, bool held) {
    static_cast<void>(call);
    static_cast<void>(held);
  }
  // Once, after the end of a call whose outcome `settles`: the server has answered one way or the
  // other, or did not in kCallSettleNs, or what it says cannot be heard any more.
  virtual void on_call_settled(CallId call) { static_cast<void>(call); }

 protected:
  ~CallSink() = default;
};

class Calls {
 public:
  virtual ~Calls() = default;
  // `tl` is a method's call, without invokeWithLayer and initConnection. The sink hears of every
  // started call exactly once, never from inside start(), and must live until then, or until
  // on_call_settled() when that follows.
  virtual CallId start(Bytes tl, const CallOptions& options, CallSink& sink) = 0;
  // Does nothing for a call that is done. Otherwise its sink hears of it, never from inside here.
  virtual void cancel(CallId call) = 0;
  // The sink of a call that is settling hears nothing more of it. Nothing for other calls.
  virtual void forget(CallId call) = 0;
};

}  // namespace ringway::client
