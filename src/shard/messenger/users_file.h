// shard/messenger/users_file: users that are there from the start, from a file of text.
//
// One user a line, words between blanks: phone number, first name, username or "-", and, if the
// user has one, the two-factor password. "#" begins a comment. Read once, at start.
#pragma once

#include <string>
#include <string_view>

#include "shard/messenger/ledger.h"

namespace ringway::shard::messenger {

// Adds those who are not there yet, by phone number; those who are stay as they are. An empty
// string, or what is wrong, with the file and the line.
[[nodiscard]] std::string add_users_of_file(const std::string& path, Ledger& ledger);
[[nodiscard]] std::string add_users(std::string_view text, const std::string& path, Ledger& ledger);

}  // namespace ringway::shard::messenger
