// Fuzzing of what the proxy does with a caller's message, whatever the method, and with the
// server's answer to it.
//
// The first byte chooses layer and mode (bits 0 and 1), who calls (bit 2: one with few rights), and
// whether the bytes are the request or the answer (bit 3); the next two choose the method. A
// request that is taken is a call of a method that the caller may use, and none of the session's
// own business is in front of it. What is refused says why.
#include "base/limits.h"
#include "proxy/access.h"
#include "proxy/method_table.h"
#include "proxy/request.h"
#include "proxy/transcoders.h"
#include "tl_support.h"

using namespace ringway;
using fuzz::require;

namespace {

constexpr size_t kHeaderBytes = 3;
constexpr size_t kReasonBytesMax = 4096;

int layer_of(const fuzz::Served& served) {
  const bool old = served.contract->options().package == "mtproto";
  return old ? tl::kCompatLayer : tl::kModernLayer;
}

const proxy::Access& access_of(bool few) {
  static const proxy::Access everything;
  static const proxy::Access some{.allow = {"help.*", "invoke*", "initConnection", "auth.logOut"},
                                  .deny = {"help.getConfig"}};
  return few ? some : everything;
}

void check_request(const fuzz::Served& served, uint32_t method, const proxy::Access& access,
                   ByteView proto) {
  const proxy::MethodTable table(served.contract->schema());
  proxy::Transcoder transcoder(*served.layout);
  const proxy::Request request = proxy::read_request(*served.layout, table, layer_of(served),
                                                     method, access, proto, transcoder);
  if (request.verdict != proxy::Request::Verdict::kGood) {
    require(!request.reason.empty() && request.reason.size() <= kReasonBytesMax);
    require(request.tl.empty());
    return;
  }
  require(request.tl.size() >= sizeof(uint32_t) && request.tl.size() <= kTranscodedBytesMax);
  const auto& combinators = served.contract->schema().combinators;
  require(served.contract->schema().is_method(request.answered));
  const uint32_t sent = served.layout->by_id(load_le<uint32_t>(request.tl.data()));
  require(sent != tl::Layout::kNone && served.contract->schema().is_method(sent));
  const proxy::Wrapper wrapper = table.row(sent).wrapper;
  require(wrapper == proxy::Wrapper::kNone || wrapper == proxy::Wrapper::kOther);
  require(wrapper != proxy::Wrapper::kNone || request.answered == sent);
  require(access.allows_method(combinators[sent].name));
  require(access.allows_method(combinators[request.answered].name));
}

uint32_t method_named(const tl::Contract& contract, std::string_view name) {
  const auto method =
      contract.method_of_request(contract.options().package + ".Req" + std::string(name));
  require(method.has_value());
  return *method;
}

void check_answer(const fuzz::Served& served, uint32_t method, ByteView tl) {
  // What wraps a call is answered what that is answered.
  const bool wraps = served.contract->schema().combinators[method].result.kind == tl::Kind::kQuery;
  const uint32_t answered = wraps ? method_named(*served.contract, "HelpGetConfig") : method;
  proxy::Transcoder transcoder(*served.layout);
  const auto converted = transcoder.to_proto.answer(method, answered, tl, transcoder.out);
  if (converted.ok()) {
    require(transcoder.out.size() <= kTranscodedBytesMax);
    return;
  }
  require(transcoder.out.size() == 0);
  require(!tl::describe(*served.contract, transcoder.to_proto.problem(), method).empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < kHeaderBytes || size > fuzz::kTranscodeInputBytesMax) return 0;
  const fuzz::Served& served = fuzz::served(data[0]);
  const auto& schema = served.contract->schema();
  const auto choice = load_le<uint16_t>(data + 1);
  const auto method =
      static_cast<uint32_t>(schema.constructor_count + choice % schema.method_count());
  const ByteView input(data + kHeaderBytes, size - kHeaderBytes);
  if ((data[0] & 8) != 0) {
    check_answer(served, method, input);
  } else {
    check_request(served, method, access_of((data[0] & 4) != 0), input);
  }
  return 0;
}
