#include "client/account/blocking_calls.h"

#include <fmt/format.h>

#include <future>

#include "client/account/call_text.h"

namespace ringway::client {
namespace {

class Waiter final : public CallSink {
 public:
  void on_call_done(CallId /*call*/, CallOutcome outcome) override {
    done_.set_value(std::move(outcome));
  }
  CallOutcome wait() { return done_.get_future().get(); }

 private:
  std::promise<CallOutcome> done_;
};

}  // namespace

CallOutcome BlockingCalls::call(Bytes tl, int64_t timeout_ns) {
  Waiter waiter;
  loop_.post([&] {
    CallOptions options;
    if (timeout_ns != 0) options.deadline_ns = loop_.now().mono_ns + timeout_ns;
    calls_.start(std::move(tl), options, waiter);
  });
  return waiter.wait();
}

ApiAnswer BlockingCalls::call(const tl::dynamic::Layer& layer, const tl::dynamic::Object& object,
                              int64_t timeout_ns) {
  Bytes tl;
  ByteAppender out(tl);
  if (!layer.write_call(object, out)) {
    return ApiError{0, fmt::format("layer {} has no {}", layer.number(), object.name)};
  }
  const CallOutcome outcome = call(std::move(tl), timeout_ns);
  if (outcome.end != CallOutcome::End::kResult) return ApiError{outcome.code, describe(outcome)};
  auto answer = layer.read_answer(*layer.method(object.name), outcome.result);
  if (!answer.ok()) return ApiError{0, "the server's answer is not what the schema says"};
  return *std::move(answer);
}

}  // namespace ringway::client
