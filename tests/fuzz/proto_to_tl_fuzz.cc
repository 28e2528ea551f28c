// Fuzzing of protobuf from a caller.
//
// The first byte chooses layer and mode, the next two the constructor or method that the message is
// of. What is taken must come back: the TL becomes protobuf, and that the same TL. What is refused
// leaves the output alone and says where.
#include "tl_support.h"

using namespace ringway;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 3 || size > fuzz::kTranscodeInputBytesMax) return 0;
  const fuzz::Served& served = fuzz::served(data[0]);
  const uint32_t combinator = load_le<uint16_t>(data + 1) % served.combinators();
  tl::ToTl to_tl(*served.layout);
  tl::Output out;
  if (!to_tl.combinator(combinator, {data + 3, size - 3}, out)) {
    require(out.size() == 0);
    require(!describe(*served.contract, to_tl.problem()).empty());
    return 0;
  }
  tl::ToProto to_proto(*served.layout);
  tl::Output proto;
  const Result<uint32_t> found = to_proto.combinator(out.bytes(), proto);
  require(found.ok() && *found == combinator && to_proto.repaired_strings() == 0);
  tl::Output again;
  require(to_tl.combinator(combinator, proto.bytes(), again).ok());
  require(equal(again.bytes(), out.bytes()));
  return 0;
}
