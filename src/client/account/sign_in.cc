#include "client/account/sign_in.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/account/limits.h"
#include "crypto/base64.h"
#include "crypto/random.h"
#include "crypto/srp.h"

namespace ringway::client {
namespace {

using tl::dynamic::Layer;
using tl::dynamic::List;
using tl::dynamic::Object;
using tl::dynamic::Value;

constexpr std::string_view kSrpAlgorithm =
    "passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow";

using Outcome = std::variant<SignedIn, std::string>;

std::string describe(std::string_view method, const ApiError& error) {
  if (error.code == 0) return fmt::format("{}: {}", method, error.text);
  return fmt::format("{}: the server refused it: {} {}", method, error.code, error.text);
}

// What the user has to do to read the code.
std::string_view way_of(const Object* type) {
  if (type == nullptr) return "by the server";
  if (type->name == "auth.sentCodeTypeApp") return "to the account's other apps";
  if (type->name == "auth.sentCodeTypeSms") return "as a text message";
  if (type->name == "auth.sentCodeTypeCall") return "by a phone call";
  if (type->name == "auth.sentCodeTypeEmailCode") return "by e-mail";
  if (type->name == "auth.sentCodeTypeFragmentSms") return "to the number's owner at Fragment";
  return "by the server";
}

class SignIn {
 public:
  SignIn(const Layer& layer, const SignInOptions& options, const ApiCall& call,
         const SignInPrompts& prompts)
      : layer_(layer), options_(options), call_(call), prompts_(prompts) {}

  Outcome by_phone();
  Outcome by_bot_token();
  Outcome by_qr();

 private:
  // The object that was answered; nothing after an error, which is in error_ then.
  std::optional<Object> ask(const Object& call);
  Outcome fail(std::string_view method) const { return describe(method, error_); }
  // The end of every way: an auth.Authorization.
  Outcome finish(const Object& authorization) const;
  std::optional<Object> send_code();
  Outcome enter_code(Object sent);
  Outcome enter_password();
  // auth.checkPassword's argument for one password; nothing, with the problem, when the server asks
  // for what is not known here.
  std::optional<Object> prove(const Object& password, ByteView text, std::string& problem) const;

  const Layer& layer_;
  const SignInOptions& options_;
  const ApiCall& call_;
  const SignInPrompts& prompts_;
  ApiError error_;
};

std::optional<Object> SignIn::ask(const Object& call) {
  ApiAnswer answer = call_(call);
  if (auto* error = std::get_if<ApiError>(&answer)) {
    error_ = std::move(*error);
    return std::nullopt;
  }
  auto* object = std::get_if<Object>(&std::get<Value>(answer).data);
  if (object == nullptr) {
    error_ = {0, "the server answered something else than the schema says"};
    return std::nullopt;
  }
  return std::move(*object);
}

Outcome SignIn::finish(const Object& authorization) const {
  if (authorization.name == "auth.authorizationSignUpRequired") {
    return "no account has this number, and this program makes none: sign up with an app first";
  }
  const Object* user = authorization.object("user");
  if (user == nullptr) return "the server signed nobody in";
  return signed_in_user(*user);
}

std::optional<Object> SignIn::send_code() {
  Object call{"auth.sendCode",
              {{"phone_number", options_.phone},
               {"api_id", options_.api_id},
               {"api_hash", options_.api_hash}}};
  if (layer_.has("codeSettings")) {
    call.fields.push_back({"settings", Object{"codeSettings", {{"current_number", true}}}});
  } else {
    call.fields.push_back({"current_number", true});
  }
  return ask(call);
}

Outcome SignIn::by_phone() {
  auto sent = send_code();
  if (!sent.has_value() && error_.text == "SESSION_PASSWORD_NEEDED") return enter_password();
  if (!sent.has_value()) return fail("auth.sendCode");
  return enter_code(*std::move(sent));
}

Outcome SignIn::enter_code(Object sent) {
  for (int tries = 0; tries < kSignInTriesMax;) {
    if (sent.name == "auth.sentCodeSuccess") {
      const Object* authorization = sent.object("authorization");
      return authorization != nullptr ? finish(*authorization) : Outcome("nobody was signed in");
    }
    const std::string hash(sent.text("phone_code_hash"));
    if (sent.name != "auth.sentCode" || hash.empty()) {
      return fmt::format("the server wants something that this program does not do: {}", sent.name);
    }
    std::optional<std::string> code = prompts_.code(way_of(sent.object("type")));
    if (!code.has_value()) return "no code was entered";
    if (code->empty()) {
      ++tries;
      auto again =
          ask({"auth.resendCode", {{"phone_number", options_.phone}, {"phone_code_hash", hash}}});
      if (again.has_value()) {
        sent = *std::move(again);
      } else {
        prompts_.notice(describe("auth.resendCode", error_));
      }
      continue;
    }
    const auto authorization =
        ask({"auth.signIn",
             {{"phone_number", options_.phone}, {"phone_code_hash", hash}, {"phone_code", *code}}});
    cleanse(code->data(), code->size());
    if (authorization.has_value()) return finish(*authorization);
    if (error_.text == "SESSION_PASSWORD_NEEDED") return enter_password();
    if (error_.text == "PHONE_NUMBER_UNOCCUPIED") {
      return finish({"auth.authorizationSignUpRequired", {}, {}});
    }
    const bool again = error_.text == "PHONE_CODE_INVALID" || error_.text == "PHONE_CODE_EMPTY";
    if (!again || ++tries == kSignInTriesMax) return fail("auth.signIn");
    prompts_.notice("that code was wrong");
  }
  return "no code was entered";
}

std::optional<Object> SignIn::prove(const Object& password, ByteView text,
                                    std::string& problem) const {
  const Object* algorithm = password.object("current_algo");
  if (algorithm == nullptr || algorithm->name != kSrpAlgorithm) {
    problem = "the server wants the password proven in a way that this program does not know";
    return std::nullopt;
  }
  // A bad group could tell the server the password.
  const auto group = crypto::read_dh_group(static_cast<int32_t>(algorithm->number("g")),
                                           as_bytes(algorithm->text("p")));
  if (!group.ok() || !crypto::check_dh_prime(*group).ok()) {
    problem = "the server's group for passwords is none that is safe";
    return std::nullopt;
  }
  const crypto::SrpSalts salts{as_bytes(algorithm->text("salt1")),
                               as_bytes(algorithm->text("salt2"))};
  Secret<crypto::kDhBytes> a;
  crypto::random_bytes(a.span());
  const auto answer = crypto::srp_answer(crypto::srp_secret(text, salts), salts, a.view(),
                                         as_bytes(password.text("srp_B")), *group);
  if (!answer.ok()) {
    problem = "the server's part of the password's proof is not in its range";
    return std::nullopt;
  }
  return Object{"inputCheckPasswordSRP",
                {{"srp_id", password.number("srp_id")},
                 {"A", as_text(answer->value)},
                 {"M1", as_text(answer->proof)}}};
}

Outcome SignIn::enter_password() {
  if (!layer_.has("inputCheckPasswordSRP")) {
    return fmt::format("this account has a password, which layer {} cannot prove: use --layer 228",
                       layer_.number());
  }
  std::optional<SecretString> text;
  int challenges = 0;
  for (int tries = 0; tries < kSignInTriesMax;) {
    const auto password = ask({"account.getPassword", {}});
    if (!password.has_value()) return fail("account.getPassword");
    if (!text.has_value()) text = prompts_.password(password->text("hint"));
    if (!text.has_value()) return "no password was entered";
    std::string problem;
    const auto proof = prove(*password, text->view(), problem);
    if (!proof.has_value()) return problem;
    const auto authorization = ask({"auth.checkPassword", {{"password", *proof}}});
    if (authorization.has_value()) return finish(*authorization);
    // Somebody else asked in between: the password may still be right.
    if (error_.text == "SRP_ID_INVALID" && ++challenges < kSignInTriesMax) continue;
    if (error_.text != "PASSWORD_HASH_INVALID" || ++tries == kSignInTriesMax) {
      return fail("auth.checkPassword");
    }
    text.reset();
    prompts_.notice("that password was wrong");
  }
  return "no password was entered";
}

Outcome SignIn::by_bot_token() {
  const auto authorization = ask({"auth.importBotAuthorization",
                                  {{"flags", 0},
                                   {"api_id", options_.api_id},
                                   {"api_hash", options_.api_hash},
                                   {"bot_auth_token", options_.bot_token}}});
  return authorization.has_value() ? finish(*authorization) : fail("auth.importBotAuthorization");
}

Outcome SignIn::by_qr() {
  if (layer_.method("auth.exportLoginToken") == nullptr) {
    return fmt::format("layer {} has no sign-in by QR code: use --layer 228", layer_.number());
  }
  for (int tries = 0; tries < kSignInTokensMax; ++tries) {
    auto token = ask(
        {"auth.exportLoginToken",
         {{"api_id", options_.api_id}, {"api_hash", options_.api_hash}, {"except_ids", List()}}});
    if (!token.has_value() && error_.text == "SESSION_PASSWORD_NEEDED") return enter_password();
    if (!token.has_value()) return fail("auth.exportLoginToken");
    if (token->name == "auth.loginTokenSuccess") {
      const Object* authorization = token->object("authorization");
      return authorization != nullptr ? finish(*authorization) : Outcome("nobody was signed in");
    }
    if (token->name != "auth.loginToken") {
      return fmt::format("the server answered {} to a sign-in by QR code", token->name);
    }
    std::string text = crypto::to_base64(as_bytes(token->text("token")));
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    text.erase(std::find(text.begin(), text.end(), '='), text.end());
    // Servers give them half a minute; the time that they name is of their own clock.
    if (!prompts_.qr("tg://login?token=" + text, kSignInTokenSeconds)) {
      return "nobody scanned the QR code";
    }
  }
  return "nobody scanned the QR code";
}

}  // namespace

SignedIn signed_in_user(const Object& user) {
  return {user.number("id"), std::string(user.text("first_name")), user.find("bot") != nullptr};
}

std::variant<SignedIn, std::string> sign_in(const Layer& layer, const SignInOptions& options,
                                            const ApiCall& call, const SignInPrompts& prompts) {
  SignIn flow(layer, options, call, prompts);
  if (!options.bot_token.empty()) return flow.by_bot_token();
  if (options.qr) return flow.by_qr();
  return flow.by_phone();
}

}  // namespace ringway::client
