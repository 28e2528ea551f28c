// The same protobuf message in bytes that no serializer would write: fields in reverse order,
// split, doubled, and members of a oneof that others overrule.
#pragma once

#include <google/protobuf/descriptor.h>

#include <random>
#include <string>

namespace ringway::tl {

[[nodiscard]] std::string scramble(const std::string& proto,
                                   const google::protobuf::Descriptor* type,
                                   std::mt19937_64& random);

}  // namespace ringway::tl
