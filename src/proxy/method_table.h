// proxy/method_table: what the proxy has to know of each method beyond its parameters.
//
// Indexed by combinator. Made once from a schema; immutable; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "tl/schema.h"

namespace ringway::proxy {

// Methods that take a query and are answered what it is answered.
enum class Wrapper : uint8_t {
  kNone,
  kLayer,       // invokeWithLayer
  kConnection,  // initConnection
  kAfter,       // invokeAfterMsg, invokeAfterMsgs: of ids that callers cannot know
  kOther,       // what it says is passed on
};

struct MethodRow {
  Wrapper wrapper = Wrapper::kNone;
  bool transfer = false;  // uploads and downloads files
};

class MethodTable {
 public:
  explicit MethodTable(const tl::Schema& schema);

  [[nodiscard]] const MethodRow& row(uint32_t method) const noexcept {
    return rows_[method - first_method_];
  }
  [[nodiscard]] uint32_t first_method() const noexcept { return first_method_; }
  [[nodiscard]] size_t size() const noexcept { return rows_.size(); }

 private:
  uint32_t first_method_;
  std::vector<MethodRow> rows_;
};

}  // namespace ringway::proxy
