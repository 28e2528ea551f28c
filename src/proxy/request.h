// proxy/request: what a caller's message asks, converted and judged.
//
// Pure, but for the converter's buffers.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "proxy/access.h"
#include "proxy/method_table.h"
#include "proxy/transcoders.h"

namespace ringway::proxy {

struct Request {
  enum class Verdict : uint8_t {
    kGood,
    kWrong,      // it cannot be sent, whoever asks
    kForbidden,  // it is not open to this caller
  };
  Verdict verdict = Verdict::kGood;
  std::string reason;     // of the other two, for the caller
  ByteView tl;            // of kGood: what is sent; borrowed from the converter
  uint32_t answered = 0;  // of kGood: the method whose result will come
};

// `proto` is a message of `method`, `layer` the session's. The converter's output is empty, and
// belongs to the request afterwards.
[[nodiscard]] Request read_request(const tl::Layout& layout, const MethodTable& table, int layer,
                                   uint32_t method, const Access& access, ByteView proto,
                                   Transcoder& transcoder);

}  // namespace ringway::proxy
