// tl/descriptors: a contract as protobuf descriptors, for reflection, clients without files and
// tests.
//
// The one place of this room that sees protobuf's runtime. Pure; any thread.
#pragma once

#include <google/protobuf/descriptor.pb.h>

#include <string>

#include "tl/contract.h"

namespace ringway::tl {

// The messages and the service Mtproto; file "types.tl.proto" in the contract's folder.
[[nodiscard]] google::protobuf::FileDescriptorProto types_file(const Contract& contract);
// The updates stream; file "tl_update.proto", which imports the other.
[[nodiscard]] google::protobuf::FileDescriptorProto updates_file(const Contract& contract);

// Every message, field and method as a line of its own, sorted: two contracts are wire compatible
// when these are the same. Its SHA-256 is the contract's fingerprint.
[[nodiscard]] std::string fingerprint_lines(const google::protobuf::FileDescriptorProto& file);

}  // namespace ringway::tl
