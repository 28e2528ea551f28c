// client/load_keys: auth keys kept in a file, so that a run needs not make them again.
//
// The file holds keys in the clear and is made readable for its owner alone. It is for load runs:
// whoever has it can speak as these clients.
#pragma once

#include <string>
#include <vector>

#include "client/session.h"

namespace ringway::client {

// The keys of a file; none when there is no such file. On an error `why` says what it is.
Result<std::vector<SessionKey>> read_load_keys(const std::string& path, std::string& why);
// Replaces the file. An empty string, or what failed.
[[nodiscard]] std::string write_load_keys(const std::string& path,
                                          const std::vector<SessionKey>& keys);

// The two without the file, for tests: kMalformed names the first line that is none in `line`.
Result<std::vector<SessionKey>> parse_load_keys(std::string_view text, size_t& line);
[[nodiscard]] std::string format_load_keys(const std::vector<SessionKey>& keys);

}  // namespace ringway::client
