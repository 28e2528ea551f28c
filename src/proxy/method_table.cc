#include "proxy/method_table.h"

#include <algorithm>

namespace ringway::proxy {
namespace {

Wrapper wrapper_of(const tl::Combinator& method) {
  const bool takes_query =
      std::any_of(method.params.begin(), method.params.end(),
                  [](const tl::Param& param) { return param.value.kind == tl::Kind::kQuery; });
  if (!takes_query) return Wrapper::kNone;
  if (method.name == "invokeWithLayer") return Wrapper::kLayer;
  if (method.name == "initConnection") return Wrapper::kConnection;
  if (method.name == "invokeAfterMsg" || method.name == "invokeAfterMsgs") return Wrapper::kAfter;
  return Wrapper::kOther;
}

}  // namespace

MethodTable::MethodTable(const tl::Schema& schema) : first_method_(schema.constructor_count) {
  rows_.reserve(schema.method_count());
  for (size_t i = first_method_; i < schema.combinators.size(); ++i) {
    const tl::Combinator& method = schema.combinators[i];
    rows_.push_back(
        {.wrapper = wrapper_of(method), .transfer = method.name.starts_with("upload.")});
  }
}

}  // namespace ringway::proxy
