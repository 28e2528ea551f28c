#include "tl/problem.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"

namespace ringway::tl {
namespace {

std::string place_text(const Contract& contract, const Problem::Place& place) {
  const Schema& schema = contract.schema();
  const Combinator& combinator = schema.combinators[place.combinator];
  if (place.param == Problem::kMember) {
    if (schema.is_method(place.combinator)) {
      return std::string(contract.method_name(place.combinator));
    }
    const uint32_t message = contract.message_of_type(combinator.result.type);
    return contract.messages()[message].fields[combinator.number - 1].name;
  }
  std::string name;
  if (place.param == Problem::kAnswer) {
    name = contract.messages()[contract.answer_of(place.combinator)].fields[0].name;
  } else {
    const FieldSpec* field = contract.field_of(place.combinator, place.param);
    name = field == nullptr ? proto_name(combinator.params[place.param].name) : field->name;
  }
  if (place.element != Problem::kNoElement) name += fmt::format("[{}]", place.element);
  return name;
}

std::string fault_text(const Contract& contract, const Problem& problem) {
  switch (problem.fault) {
    case Fault::kNone:
      return "nothing is wrong";
    case Fault::kTooDeep:
      return fmt::format("nested deeper than {} objects", kTranscodeDepthMax);
    case Fault::kTooLarge:
      return "the message becomes too large";
    case Fault::kBadProto:
      return "not a protobuf message";
    case Fault::kWireType:
      return "has another wire type than its field";
    case Fault::kUnknownField:
      return fmt::format("unknown field {}", problem.number);
    case Fault::kUnset:
      return "no value is set";
    case Fault::kMissing:
      return "is missing";
    case Fault::kFixedBytes:
      return fmt::format("must be {} bytes", problem.number);
    case Fault::kNotUtf8:
      return "is not UTF-8";
    case Fault::kStringTooLong:
      return fmt::format("longer than {} bytes", kTlStringBytesMax);
    case Fault::kForeignQuery:
      return fmt::format("must be a request of package {}", contract.options().package);
    case Fault::kTooManyFields:
      return fmt::format("more than {} fields, and not in order", kIndexedFieldsMax);
    case Fault::kTruncated:
      return "ends in the middle of a value";
    case Fault::kTrailing:
      return "bytes behind the end";
    case Fault::kUnknownConstructor:
      return fmt::format("unknown constructor {:08x}", problem.number);
    case Fault::kWrongConstructor:
      return fmt::format("constructor {:08x} is of another type", problem.number);
    case Fault::kNoVector:
      return fmt::format("{:08x} stands where a vector must be", problem.number);
    case Fault::kVectorCount:
      return fmt::format("a vector of {} elements does not fit the bytes", problem.number);
    case Fault::kBadString:
      return "a string begins with ff";
  }
  return {};
}

}  // namespace

std::string describe(const Contract& contract, const Problem& problem) {
  std::string text;
  for (auto place = problem.trail.rbegin(); place != problem.trail.rend(); ++place) {
    if (!text.empty()) text += '.';
    text += place_text(contract, *place);
  }
  if (!text.empty()) text += ": ";
  return text + fault_text(contract, problem);
}

std::string describe(const Contract& contract, const Problem& problem, uint32_t method) {
  return contract.schema().combinators[method].name + ": " + describe(contract, problem);
}

}  // namespace ringway::tl
