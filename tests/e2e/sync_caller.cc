#include "e2e/sync_caller.h"

#include <fmt/format.h>

namespace ringway::client {
namespace {

constexpr int64_t kTurnNs = kNsPerSecond;

Answer failed(std::string text) {
  Answer answer;
  answer.outcome.end = CallOutcome::End::kUnavailable;
  answer.outcome.text = std::move(text);
  return answer;
}

}  // namespace

std::string Answer::problem() const {
  using End = CallOutcome::End;
  switch (outcome.end) {
    case End::kResult:
      return {};
    case End::kRpcError:
    case End::kSignedOut:
      return fmt::format("{} {}", outcome.code, outcome.text);
    case End::kUnavailable:
    case End::kFull:
      break;
    case End::kDeadline:
      return outcome.text.empty() ? "no answer in time" : outcome.text;
    case End::kCancelled:
      return "cancelled";
  }
  return outcome.text;
}

CallOutcome SyncCaller::call_tl(Bytes tl, int64_t timeout_ns) {
  CallOptions options;
  if (timeout_ns != 0) options.deadline_ns = loop_.now().mono_ns + timeout_ns;
  outcome_.reset();
  waiting_ = calls_.start(std::move(tl), options, *this);
  while (!outcome_) loop_.run_once(kTurnNs);
  waiting_ = 0;
  return *std::exchange(outcome_, std::nullopt);
}

Answer SyncCaller::call(const tl::dynamic::Object& request, int64_t timeout_ns) {
  const tl::Combinator* method = layer_->method(request.name);
  if (method == nullptr) {
    return failed(fmt::format("layer {} has no method {}", layer_->number(), request.name));
  }
  Bytes tl;
  ByteAppender out(tl);
  if (!layer_->write_call(request, out)) {
    return failed(fmt::format("{}: a field is missing, or of another type", request.name));
  }
  Answer answer;
  answer.outcome = call_tl(std::move(tl), timeout_ns);
  if (!answer.ok()) return answer;
  auto value = layer_->read_answer(*method, answer.outcome.result);
  if (!value.ok()) {
    return failed(fmt::format("the answer to {} is none of layer {}: {}", request.name,
                              layer_->number(), to_string(value.error())));
  }
  answer.value = *std::move(value);
  return answer;
}

void SyncCaller::on_call_done(CallId call, CallOutcome outcome) {
  if (call == waiting_) outcome_ = std::move(outcome);
}

}  // namespace ringway::client
