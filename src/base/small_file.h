// base/small_file: whole files, read and replaced at once, for keys and what is kept beside them.
//
// For start and for threads that may wait for a disk. Problems are sentences for people and name
// the file.
#pragma once

#include <sys/types.h>

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway {

enum class FileAccess : uint8_t {
  kAny,
  kOwnerOnly,  // refused when its mode lets the group or others in
};

// The bytes of a regular file in one buffer of its size, so that no further copy is left in freed
// memory. kNotFound: there is none. kNotAllowed: others may read it. kTooLarge. kIo: anything else.
Result<Bytes> read_small_file(const std::string& path, size_t bytes_max, FileAccess access,
                              std::string& problem);

// Writes beside the file, waits for the disk and renames: a crash leaves the old file or the new
// one.
Result<void> replace_small_file(const std::string& path, ByteView bytes, mode_t mode,
                                std::string& problem);

}  // namespace ringway
