// proxy/wrappers: calls inside calls.
//
// invokeWithLayer and initConnection are the session's own business: where a caller sends them, for
// the session's own layer, they are taken off. invokeAfterMsg names a message of a session that the
// caller does not see; it is refused, as is another layer. Other wrappers are passed on. Pure.
#pragma once

#include <string>
#include <vector>

#include "base/bytes.h"
#include "proxy/method_table.h"
#include "tl/layout.h"

namespace ringway::proxy {

struct Unwrapped {
  size_t skip = 0;                // so many bytes of the call are taken off in front
  std::vector<uint32_t> methods;  // what is left, outermost first
  std::string refused;            // why it is not allowed; empty: it is
};

// `tl` is a whole call of `method`, as tl::ToTl makes it. `layer` is the session's.
[[nodiscard]] Unwrapped unwrap(const tl::Layout& layout, const MethodTable& table, int layer,
                               uint32_t method, ByteView tl);

}  // namespace ringway::proxy
