// client/account/known_servers: which server an account speaks to: Telegram's own, or the one that
// somebody names.
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

struct ServerChoice {
  // HOST:PORT, a gateway for all DCs, or DC=HOST:PORT; none: Telegram's.
  std::vector<std::string> addresses;
  bool test_servers = false;
  std::vector<std::string> key_files;  // PEM; empty: Telegram's
};
enum class ServerChoiceEnd : uint8_t { kGood, kBadKey, kBadAddress };

// Fills addresses, keys and follow_config of `options`. `problem` names what is bad.
[[nodiscard]] ServerChoiceEnd choose_server(const ServerChoice& choice, AccountOptions& options,
                                            std::string& problem);
// A sign-in that has no key yet begins at the DC of the first address, where that names one.
void begin_at(const AccountOptions& options, AccountState& state);

}  // namespace ringway::client
