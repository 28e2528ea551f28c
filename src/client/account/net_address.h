// client/account/net_address: a server's address as people write it. Pure; any thread.
#pragma once

#include <optional>
#include <string_view>

#include "client/account/account.h"

namespace ringway::client {

// HOST:PORT or [IPV6]:PORT, of any DC; DC=HOST:PORT, of that one. Nothing for anything else.
[[nodiscard]] std::optional<DcAddress> read_address(std::string_view text);

}  // namespace ringway::client
