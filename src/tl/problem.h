// tl/problem: what is wrong with a message that was to be transcoded, and where in it.
//
// A transcoder fills one on its way out of what failed, and only then.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tl/contract.h"

namespace ringway::tl {

enum class Fault : uint8_t {
  kNone,
  kTooDeep,
  kTooLarge,
  // protobuf that cannot become TL.
  kBadProto,      // no protobuf message
  kWireType,      // a field in another form than its type has
  kUnknownField,  // number: the field's
  kUnset,         // a Type message without a value
  kMissing,       // a message that must be there, or that its bit in Flags announces
  kFixedBytes,    // int128 or int256 of another size; number: what it must be
  kNotUtf8,
  kStringTooLong,
  kForeignQuery,   // an Any that is no request of this contract
  kTooManyFields,  // out of order, and too many to be sorted
  // TL that cannot become protobuf.
  kTruncated,
  kTrailing,
  kUnknownConstructor,  // number: the id
  kWrongConstructor,    // of another type; number: the id
  kNoVector,            // number: the id that stands in its place
  kVectorCount,         // number: more elements than the bytes can hold
  kBadString,
};

struct Problem {
  static constexpr uint32_t kMember = UINT32_MAX;      // the combinator itself, not a parameter
  static constexpr uint32_t kAnswer = UINT32_MAX - 1;  // the Vector that a method answers
  static constexpr uint32_t kNoElement = UINT32_MAX;

  struct Place {
    uint32_t combinator = 0;
    uint32_t param = 0;             // its index, kMember or kAnswer
    uint32_t element = kNoElement;  // of a vector, from 0
  };

  Fault fault = Fault::kNone;
  uint32_t number = 0;
  std::vector<Place> trail;  // innermost first

  void clear() noexcept {
    fault = Fault::kNone;
    number = 0;
    trail.clear();
  }
};

// "Peer.InputPeerUser.AccessHash: has another wire type than its field".
[[nodiscard]] std::string describe(const Contract& contract, const Problem& problem);
// The same behind the method's TL name: "messages.sendMessage: Peer.InputPeerUser.AccessHash: ...".
[[nodiscard]] std::string describe(const Contract& contract, const Problem& problem,
                                   uint32_t method);

}  // namespace ringway::tl
