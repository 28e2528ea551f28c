// client/load_source: the addresses that a load's connections come from.
//
// Pure but for bind_source(). A gateway limits what one client address may do, and one address has
// some 28,000 ports towards one listener; a crowd needs many. On one machine all of 127/8 is there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace ringway::client {

class SourceAddresses {
 public:
  // "127.0.1.1", "127.0.1.1-127.0.1.200" or several of both with commas: IPv4 addresses.
  // kInvalidArgument for anything else.
  static Result<SourceAddresses> parse(std::string_view text);

  [[nodiscard]] bool empty() const noexcept { return ranges_.empty(); }
  [[nodiscard]] uint64_t count() const noexcept { return count_; }
  // The address, in host byte order, of connection k; they take turns. Not when empty.
  [[nodiscard]] uint32_t pick(uint64_t k) const noexcept;

 private:
  struct Range {
    uint32_t first = 0;
    uint32_t last = 0;
  };
  std::vector<Range> ranges_;
  uint64_t count_ = 0;
};

// Gives a socket its address and leaves the choice of the port to connect(), which may then use the
// same port towards different peers. kIo with errno set.
Result<void> bind_source(int fd, uint32_t address) noexcept;

}  // namespace ringway::client
