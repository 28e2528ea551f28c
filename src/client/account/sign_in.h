// client/account/sign_in: how a user, or a bot, becomes signed in.
//
// One step after the other, for programs that have nothing else to do meanwhile: by phone number,
// code and, where the account has one, password (SRP); by a bot's token; or by a QR code that
// another device of the user's scans. Codes, passwords and numbers are never logged and never part
// of a problem's text.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <variant>

#include "base/secret.h"
#include "tl/dynamic/layer.h"

namespace ringway::client {

// What the server said, or why it could not be asked (code 0).
struct ApiError {
  int32_t code = 0;
  std::string text;
};
using ApiAnswer = std::variant<tl::dynamic::Value, ApiError>;
// Calls a method and waits for its answer.
using ApiCall = std::function<ApiAnswer(const tl::dynamic::Object& call)>;

struct SignInOptions {
  int32_t api_id = 0;
  std::string api_hash;
  std::string phone;  // one of phone, bot_token, qr
  std::string bot_token;
  bool qr = false;
};

// Who is asked. Nothing as an answer gives up.
struct SignInPrompts {
  // `how`: "as a text message", say. An empty answer asks the server to send the code in another
  // way.
  std::function<std::optional<std::string>(std::string_view how)> code;
  std::function<std::optional<SecretString>(std::string_view hint)> password;
  // Shows tg://login?token=... and waits until an update says that it was scanned, or `seconds`
  // have passed. False gives up.
  std::function<bool(const std::string& url, int64_t seconds)> qr;
  // Something to tell: a wrong code, a wait.
  std::function<void(const std::string& text)> notice;
};

struct SignedIn {
  int64_t user_id = 0;
  std::string first_name;
  bool is_bot = false;
};
// Of a user object.
[[nodiscard]] SignedIn signed_in_user(const tl::dynamic::Object& user);

// Who is signed in, or what prevented it, as a sentence.
[[nodiscard]] std::variant<SignedIn, std::string> sign_in(const tl::dynamic::Layer& layer,
                                                          const SignInOptions& options,
                                                          const ApiCall& call,
                                                          const SignInPrompts& prompts);

}  // namespace ringway::client
