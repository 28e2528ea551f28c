#include "proxy/call.h"

#include <fmt/format.h>

#include <chrono>
#include <functional>

#include "base/clock.h"
#include "proxy/byte_buffers.h"
#include "proxy/limits.h"
#include "proxy/request.h"
#include "tl/problem.h"

namespace ringway::proxy {
namespace {

constexpr char kOrderKey[] = "x-ringway-order";

int64_t mono_deadline_ns(const grpc::GenericServerContext& context) {
  const Now now = read_clocks();
  const auto deadline = context.deadline();
  if (deadline == std::chrono::system_clock::time_point::max()) {
    return now.mono_ns + kDefaultCallTimeoutNs;
  }
  const int64_t unix_ns =
      std::chrono::duration_cast<std::chrono::nanoseconds>(deadline.time_since_epoch()).count();
  return now.mono_ns + (unix_ns - now.unix_ns);
}

}  // namespace

Call::Call(Rpc& rpc, Session& session, const CallRules& rules, Caller caller, uint32_t method)
    : rpc_(rpc), session_(session), rules_(rules), caller_(std::move(caller)), method_(method) {
  rpc_.read(request_);
}

void Call::release() noexcept {
  if (knowing_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
}

void Call::on_done() { release(); }

void Call::on_read(bool good) {
  if (!good) {
    // It ended its side without a message, or is gone.
    fail(grpc::StatusCode::INVALID_ARGUMENT, "no request came");
    return;
  }
  if (!convert()) return;
  read_options();
  knowing_.fetch_add(1, std::memory_order_relaxed);
  session_.loop().post([this] { arrive(); });
}

bool Call::convert() {
  const FlatBytes proto(request_);
  const int64_t begin_ns = read_clock_ns(CLOCK_MONOTONIC);
  Transcoders::Lease transcoder(session_.transcoders());
  Request request = read_request(session_.layout(), session_.methods(), session_.layer(), method_,
                                 *caller_.access, proto.view(), *transcoder);
  SessionTally& tally = session_.tally();
  count(tally.to_tl_bytes, proto.view().size());
  count(tally.to_tl_ns, static_cast<uint64_t>(read_clock_ns(CLOCK_MONOTONIC) - begin_ns));
  request_.Clear();
  if (request.verdict != Request::Verdict::kGood) {
    fail(request.verdict == Request::Verdict::kWrong ? grpc::StatusCode::INVALID_ARGUMENT
                                                     : grpc::StatusCode::PERMISSION_DENIED,
         std::move(request.reason));
    return false;
  }
  answered_ = request.answered;
  tl_.assign(request.tl.begin(), request.tl.end());
  return true;
}

void Call::read_options() {
  deadline_ns_ = mono_deadline_ns(rpc_.context());
  const auto& metadata = rpc_.context().client_metadata();
  const auto order = metadata.find(kOrderKey);
  if (order != metadata.end()) {
    std::string key = caller_.key;
    key += '\0';
    key.append(order->second.data(), order->second.size());
    // Two keys with one number are put in an order that nobody asked for, and nothing worse.
    order_ = std::hash<std::string>()(key) | 1;
  } else if (session_.methods().row(answered_).transfer) {
    // One order goes through one lane.
    lane_ = FairQueue::Lane::kTransfers;
  }
}

void Call::arrive() {
  if (cancelled_) {
    state_ = State::kEnded;
    fail(failure_of({.end = client::CallOutcome::End::kCancelled}, rules_.unavailable_errors));
    release();
    return;
  }
  if (!session_.enqueue(caller_.key, lane_, *this, tl_.size())) {
    state_ = State::kEnded;
    fail(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls of this client wait already");
    release();
    return;
  }
  state_ = State::kWaiting;
}

void Call::start(client::Calls& calls) {
  state_ = State::kStarted;
  id_ = calls.start(std::move(tl_),
                    {.deadline_ns = deadline_ns_, .order = order_, .tell_settled = true}, *this);
}

void Call::expire() {
  state_ = State::kEnded;
  fail(failure_of({.end = client::CallOutcome::End::kDeadline}, rules_.unavailable_errors));
  release();
}

void Call::on_gone() {
  knowing_.fetch_add(1, std::memory_order_relaxed);
  session_.loop().post([this] {
    cancelled();
    release();
  });
}

void Call::cancelled() {
  switch (state_) {
    case State::kArriving:
      cancelled_ = true;
      break;
    case State::kWaiting:
      state_ = State::kEnded;
      session_.withdraw(*this);
      count(session_.tally().cancelled_waiting);
      fail(failure_of({.end = client::CallOutcome::End::kCancelled}, rules_.unavailable_errors));
      release();
      break;
    case State::kStarted:
      session_.cancel(id_);
      break;
    case State::kEnded:
      break;
  }
}

void Call::on_call_done(client::CallId id, client::CallOutcome outcome) {
  using End = client::CallOutcome::End;
  state_ = State::kEnded;
  if (outcome.end == End::kResult) {
    answer(outcome.result);
  } else {
    fail(failure_of(outcome, rules_.unavailable_errors));
  }
  // settled() is what comes last.
  session_.finished(*this, id, outcome.settles);
}

void Call::on_call_settled(client::CallId id) { session_.settle(id); }

void Call::settled() { release(); }

void Call::on_call_held(client::CallId, bool held) { session_.hold(*this, held); }

void Call::answer(ByteView tl) {
  SessionTally& tally = session_.tally();
  const int64_t begin_ns = read_clock_ns(CLOCK_MONOTONIC);
  Transcoders::Lease transcoder(session_.transcoders());
  const uint64_t repaired = transcoder->to_proto.repaired_strings();
  const auto converted = transcoder->to_proto.answer(method_, answered_, tl, transcoder->out);
  if (!converted) {
    fail(grpc::StatusCode::INTERNAL,
         "the server's answer: " +
             tl::describe(session_.contract(), transcoder->to_proto.problem(), method_));
    return;
  }
  response_ = buffer_of(transcoder->out.bytes());
  count(tally.repaired_strings, transcoder->to_proto.repaired_strings() - repaired);
  count(tally.to_proto_bytes, tl.size());
  count(tally.to_proto_ns, static_cast<uint64_t>(read_clock_ns(CLOCK_MONOTONIC) - begin_ns));
  count_end(grpc::StatusCode::OK);
  rpc_.write_and_finish(response_);
}

void Call::fail(grpc::StatusCode code, std::string text) {
  fail({.status = grpc::Status(code, std::move(text)), .trailers = {}});
}

void Call::fail(Failure failure) {
  for (const auto& [key, value] : failure.trailers) rpc_.context().AddTrailingMetadata(key, value);
  count_end(failure.status.error_code());
  rpc_.finish(failure.status);
}

void Call::count_end(grpc::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  const size_t method = method_ - session_.methods().first_method();
  count(session_.tally().by_method[method].ends[index]);
  if (caller_.tally != nullptr) count(caller_.tally->ends[index]);
}

}  // namespace ringway::proxy
