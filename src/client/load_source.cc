#include "client/load_source.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/assert.h"

namespace ringway::client {
namespace {

Result<uint32_t> parse_address(std::string_view text) {
  in_addr address{};
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return Error::kInvalidArgument;
  return ntohl(address.s_addr);
}

}  // namespace

Result<SourceAddresses> SourceAddresses::parse(std::string_view text) {
  SourceAddresses sources;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string_view part = text.substr(begin, end - begin);
    begin = end + 1;
    const size_t dash = part.find('-');
    Range range;
    RW_TRY_ASSIGN(range.first, parse_address(part.substr(0, dash)));
    range.last = range.first;
    if (dash != std::string_view::npos) {
      RW_TRY_ASSIGN(range.last, parse_address(part.substr(dash + 1)));
    }
    if (range.last < range.first) return Error::kInvalidArgument;
    sources.count_ += uint64_t{range.last} - range.first + 1;
    sources.ranges_.push_back(range);
  }
  return sources;
}

uint32_t SourceAddresses::pick(uint64_t k) const noexcept {
  RW_ASSERT(count_ > 0);
  uint64_t at = k % count_;
  for (const Range& range : ranges_) {
    const uint64_t size = uint64_t{range.last} - range.first + 1;
    if (at < size) return range.first + static_cast<uint32_t>(at);
    at -= size;
  }
  RW_ASSERT(false);
  return 0;
}

Result<void> bind_source(int fd, uint32_t address) noexcept {
  const int on = 1;
  setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(address);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) return Error::kIo;
  return {};
}

}  // namespace ringway::client
