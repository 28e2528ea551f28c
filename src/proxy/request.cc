#include "proxy/request.h"

#include <algorithm>

#include "proxy/wrappers.h"
#include "tl/problem.h"

namespace ringway::proxy {

Request read_request(const tl::Layout& layout, const MethodTable& table, int layer, uint32_t method,
                     const Access& access, ByteView proto, Transcoder& transcoder) {
  using Verdict = Request::Verdict;
  const auto answered = transcoder.to_tl.request(method, proto, transcoder.out);
  if (!answered) {
    return {.verdict = Verdict::kWrong,
            .reason = tl::describe(layout.contract(), transcoder.to_tl.problem(), method)};
  }
  Request request{.tl = transcoder.out.bytes(), .answered = *answered};
  std::vector<uint32_t> methods = {method};
  if (table.row(method).wrapper != Wrapper::kNone) {
    Unwrapped unwrapped = unwrap(layout, table, layer, method, request.tl);
    if (!unwrapped.refused.empty()) {
      return {.verdict = Verdict::kWrong, .reason = std::move(unwrapped.refused)};
    }
    request.tl = request.tl.subspan(unwrapped.skip);
    methods = std::move(unwrapped.methods);
  }
  for (const uint32_t one : methods) {
    const std::string& name = layout.contract().schema().combinators[one].name;
    if (access.allows_method(name)) continue;
    return {.verdict = Verdict::kForbidden, .reason = name + ": not allowed for this caller"};
  }
  return request;
}

}  // namespace ringway::proxy
