#include "proxy/tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/small_file.h"
#include "crypto/sha.h"
#include "proxy/limits.h"

namespace ringway::proxy {
namespace {

constexpr std::string_view kBlanks = " \t\r";

std::string_view next_word(std::string_view& line) noexcept {
  line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlanks));
  line.remove_prefix(word.size());
  return word;
}

bool is_name_character(char c) noexcept {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
         c == '_' || c == '-';
}
bool is_glob_character(char c) noexcept { return is_name_character(c) || c == '*'; }
bool is_token_character(char c) noexcept { return c > 0x20 && c < 0x7f; }

template <typename Predicate>
bool consists_of(std::string_view text, Predicate predicate) {
  return !text.empty() && std::all_of(text.begin(), text.end(), predicate);
}

// "a,b,c" into `out`; false when an element is empty or has other characters.
template <typename Predicate>
bool split_list(std::string_view text, Predicate predicate, std::vector<std::string>& out) {
  while (true) {
    const std::string_view element = text.substr(0, text.find(','));
    if (!consists_of(element, predicate)) return false;
    out.emplace_back(element);
    if (element.size() == text.size()) return true;
    text.remove_prefix(element.size() + 1);
  }
}

std::string add_option(std::string_view word, Access& access) {
  const size_t equals = word.find('=');
  const std::string_view key = word.substr(0, equals);
  std::vector<std::string>* list = nullptr;
  if (equals != std::string_view::npos) {
    if (key == "allow") list = &access.allow;
    if (key == "deny") list = &access.deny;
    if (key == "sessions") list = &access.sessions;
  }
  if (list == nullptr) {
    return "after the name come allow=..., deny=... and sessions=..., each at most once";
  }
  if (!list->empty()) return fmt::format("{}= is there twice: put commas between its values", key);
  const std::string_view values = word.substr(equals + 1);
  const bool good = list == &access.sessions ? split_list(values, is_name_character, *list)
                                             : split_list(values, is_glob_character, *list);
  if (!good) {
    return fmt::format("{}= takes names with commas between them, such as {}=messages.*,users.*",
                       key, key);
  }
  if (list->size() > kGlobsPerTokenMax) {
    return fmt::format("{}= has more than {} values", key, kGlobsPerTokenMax);
  }
  return {};
}

}  // namespace

bool is_plain_name(std::string_view text) noexcept {
  return text.size() <= kTokenNameBytesMax && consists_of(text, is_name_character);
}

std::string Tokens::add_line(std::string_view line) {
  const std::string_view token = next_word(line);
  if (token.size() < kTokenBytesMin || token.size() > kTokenBytesMax ||
      !consists_of(token, is_token_character)) {
    return fmt::format(
        "a token has {} to {} printable characters; `openssl rand -hex 32` makes one",
        kTokenBytesMin, kTokenBytesMax);
  }
  Client client;
  const std::string_view name = next_word(line);
  if (!is_plain_name(name)) {
    return fmt::format(
        "behind the token stands its name, of at most {} letters, digits, '.', '_' and '-'",
        kTokenNameBytesMax);
  }
  client.name = name;
  for (std::string_view word = next_word(line); !word.empty(); word = next_word(line)) {
    if (std::string wrong = add_option(word, client.access); !wrong.empty()) return wrong;
  }
  client.digest = crypto::sha256({as_bytes(token)});
  for (const Client& other : clients_) {
    if (other.name == client.name) {
      return fmt::format("the name {} is taken by a line above", client.name);
    }
    if (other.digest == client.digest) {
      return fmt::format("the token is that of {}, above", other.name);
    }
  }
  if (clients_.size() == kTokensMax) return fmt::format("more than {} tokens", kTokensMax);
  clients_.push_back(std::move(client));
  return {};
}

Tokens::Made Tokens::parse(std::string_view text, std::string_view file) {
  auto tokens = std::make_shared<Tokens>();
  Made made;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    line.remove_prefix(std::min(line.find_first_not_of(kBlanks), line.size()));
    if (line.empty() || line.front() == '#') continue;
    if (const std::string wrong = tokens->add_line(line); !wrong.empty()) {
      made.errors.push_back(fmt::format("{}:{}: {}", file, number, wrong));
    }
  }
  if (tokens->clients_.empty() && made.errors.empty()) {
    made.errors.push_back(fmt::format("{}: no tokens in it: nobody could call", file));
  }
  if (made.errors.empty()) made.tokens = std::move(tokens);
  return made;
}

Tokens::Made Tokens::load(const std::string& path) {
  std::string problem;
  auto read = read_small_file(path, kTokenFileBytesMax, FileAccess::kOwnerOnly, problem);
  if (!read.ok()) return {.tokens = nullptr, .errors = {std::move(problem)}};
  Bytes text = *std::move(read);
  Made made = parse(as_text(text), path);
  cleanse(text.data(), text.size());
  return made;
}

const Client* Tokens::find_digest(const TokenDigest& digest) const noexcept {
  const Client* found = nullptr;
  for (const Client& client : clients_) {
    if (equal_constant_time(client.digest, digest)) found = &client;
  }
  return found;
}

const Client* Tokens::find(std::string_view token) const {
  return find_digest(crypto::sha256({as_bytes(token)}));
}

const Client* Tokens::successor_of(const Client& client) const noexcept {
  return find_digest(client.digest);
}

std::string_view Tokens::bearer(std::string_view header) noexcept {
  constexpr std::string_view kScheme = "bearer ";
  if (header.size() <= kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c) != kScheme[i]) return {};
  }
  header.remove_prefix(kScheme.size());
  header.remove_prefix(std::min(header.find_first_not_of(' '), header.size()));
  return header;
}

}  // namespace ringway::proxy
