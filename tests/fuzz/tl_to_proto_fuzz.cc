// Fuzzing of TL from a server.
//
// The first byte chooses layer and mode. What is taken must come back: the protobuf is taken the
// other way, and what that gives becomes the same protobuf again. What is refused leaves the output
// alone and says where.
#include "tl_support.h"

using namespace ringway;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > fuzz::kTranscodeInputBytesMax) return 0;
  const fuzz::Served& served = fuzz::served(data[0]);
  const ByteView input(data + 1, size - 1);
  tl::ToProto to_proto(*served.layout);
  tl::Output proto;
  const Result<uint32_t> combinator = to_proto.combinator(input, proto);
  if (!combinator) {
    require(proto.size() == 0);
    require(!describe(*served.contract, to_proto.problem()).empty());
    return 0;
  }
  tl::ToTl to_tl(*served.layout);
  tl::Output back;
  require(to_tl.combinator(*combinator, proto.bytes(), back).ok());
  require(to_tl.sorted_messages() == 0);
  tl::Output again;
  const Result<uint32_t> same = to_proto.combinator(back.bytes(), again);
  require(same.ok() && *same == *combinator && equal(again.bytes(), proto.bytes()));
  return 0;
}
