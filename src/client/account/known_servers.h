// client/account/known_servers: where Telegram is, for who names no server of his own.
#pragma once

#include <string_view>
#include <vector>

#include "client/account/account.h"

namespace ringway::client {

// The five DCs, and the three for tests; more come with help.getConfig.
[[nodiscard]] std::vector<DcAddress> known_addresses(bool test);
// Which DC is at an address, be it one that is not connected to any more. 0: not known.
[[nodiscard]] int32_t known_dc(std::string_view host);
// The public keys that they prove to be Telegram with.
[[nodiscard]] std::vector<ServerKey> known_server_keys();
// Another server's key, from a PEM file. kNotFound, kIo, kMalformed with `problem`.
Result<ServerKey> load_server_key(const std::string& path, std::string& problem);

}  // namespace ringway::client
