// proxy/byte_buffers: gRPC's buffers as plain bytes.
//
// Any thread. A message that came in one piece is used where it lies.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <string_view>

#include "base/bytes.h"

namespace ringway::proxy {

// A message's bytes in one piece. The buffer may go away before it.
class FlatBytes {
 public:
  explicit FlatBytes(const grpc::ByteBuffer& buffer) {
    // An empty buffer has no slice; then there are no bytes either.
    if (buffer.Valid() && !buffer.TrySingleSlice(&slice_).ok()) {
      good_ = buffer.DumpToSingleSlice(&slice_).ok();
    }
  }
  // False: the buffer cannot be read.
  [[nodiscard]] bool good() const noexcept { return good_; }
  [[nodiscard]] ByteView view() const noexcept { return {slice_.begin(), slice_.size()}; }

 private:
  grpc::Slice slice_;
  bool good_ = true;
};

[[nodiscard]] inline grpc::ByteBuffer buffer_of(ByteView bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return {&slice, 1};
}
[[nodiscard]] inline grpc::ByteBuffer buffer_of(std::string_view bytes) {
  return buffer_of(as_bytes(bytes));
}

}  // namespace ringway::proxy
