#include "shard/messenger/users_file.h"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <vector>

#include "base/limits.h"
#include "crypto/random.h"
#include "shard/messenger/methods.h"

namespace ringway::shard::messenger {
namespace {

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  std::istringstream in{std::string(line.substr(0, line.find('#')))};
  for (std::string word; in >> word;) words.push_back(std::move(word));
  return words;
}

Password password_of(std::string_view text) {
  Password password;
  crypto::random_bytes(password.first_salt);
  crypto::random_bytes(password.second_salt);
  password.verifier = crypto::srp_verifier(crypto::srp_secret(as_bytes(text), password.salts()));
  return password;
}

// An empty string, or what is wrong with the line. The words are never part of that: one of them is
// a password.
std::string add_user(const std::vector<std::string>& words, Ledger& ledger) {
  if (words.size() < 3 || words.size() > 4) {
    return "expected PHONE FIRST_NAME USERNAME|- [PASSWORD]";
  }
  User user;
  user.phone = phone_digits(words[0]);
  if (user.phone.empty()) return "the phone number must have 5 to 15 digits";
  if (ledger.user_of_phone(user.phone) != nullptr) return "";
  user.first_name = words[1];
  if (words[2] != "-") user.username = words[2];
  if (character_count(user.first_name) > kMessengerNameCharactersMax ||
      character_count(user.username) > kMessengerNameCharactersMax) {
    return fmt::format("a name must be UTF-8 of at most {} characters",
                       kMessengerNameCharactersMax);
  }
  if (ledger.user_of_name(user.username) != nullptr) return "the username is another user's";
  if (words.size() == 4) user.password = password_of(words[3]);
  const auto added = ledger.add_user(std::move(user));
  if (added.ok()) return "";
  return added.error() == Error::kFull
             ? fmt::format("there are {} users already", kMessengerUsersMax)
             : "the user cannot be stored";
}

}  // namespace

std::string add_users(std::string_view text, const std::string& path, Ledger& ledger) {
  int number = 0;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    ++number;
    const auto words = words_of(line);
    if (words.empty()) continue;
    if (const std::string wrong = add_user(words, ledger); !wrong.empty()) {
      return fmt::format("{}:{}: {}", path, number, wrong);
    }
  }
  return "";
}

std::string add_users_of_file(const std::string& path, Ledger& ledger) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fmt::format("cannot read {}", path);
  std::string text(kMessengerUsersFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMessengerUsersFileBytesMax) {
    return fmt::format("{}: more than {} bytes", path, kMessengerUsersFileBytesMax);
  }
  return add_users(text, path, ledger);
}

}  // namespace ringway::shard::messenger
