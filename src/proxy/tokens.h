// proxy/tokens: who may call, by the token that a caller sends as `authorization: Bearer TOKEN`.
//
// A token file has one token a line, words between blanks, `#` for a comment line:
//
//   TOKEN NAME [allow=GLOB[,GLOB...]] [deny=GLOB[,GLOB...]] [sessions=NAME[,NAME...]]
//
// TOKEN has 16 to 512 printable characters without blanks; NAME names it in metrics and in limits
// (letters, digits, `.`, `_`, `-`), and each is there once. See proxy/access.h for globs. As
// "allow=" with a dangerous method's full name allows nothing else, write "allow=*,auth.logOut".
//
// What is kept of a token is its SHA-256, and looking one up compares with all of them, in constant
// time. Immutable once made; any thread. To change it, make a new one and swap.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/access.h"

namespace ringway::proxy {

using TokenDigest = std::array<uint8_t, 32>;

struct Client {
  std::string name;
  Access access;
  TokenDigest digest{};  // of the token
};

// Names of clients and sessions: 1 to kTokenNameBytesMax letters, digits, '.', '_' and '-'.
[[nodiscard]] bool is_plain_name(std::string_view text) noexcept;

class Tokens {
 public:
  struct Made {
    std::shared_ptr<const Tokens> tokens;  // null when there are errors
    std::vector<std::string> errors;       // "FILE:LINE: what is wrong, and what would be right"
  };
  // `file` is how the errors name it.
  [[nodiscard]] static Made parse(std::string_view text, std::string_view file);
  // Reads it; refuses a file that others than its owner may read or write.
  [[nodiscard]] static Made load(const std::string& path);

  // Null when there is none like it. Borrowed from this object.
  [[nodiscard]] const Client* find(std::string_view token) const;
  // What became of a client of another set: who has the same token now; null when nobody has.
  [[nodiscard]] const Client* successor_of(const Client& client) const noexcept;
  // What follows "Bearer " in an authorization header; empty when it is none.
  [[nodiscard]] static std::string_view bearer(std::string_view header) noexcept;

  [[nodiscard]] size_t size() const noexcept { return clients_.size(); }

 private:
  [[nodiscard]] const Client* find_digest(const TokenDigest& digest) const noexcept;
  // What is wrong with it, empty when it was taken.
  std::string add_line(std::string_view line);

  std::vector<Client> clients_;
};

}  // namespace ringway::proxy
