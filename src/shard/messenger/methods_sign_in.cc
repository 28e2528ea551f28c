// Signing in and out; see methods.h.
#include <fmt/format.h>

#include "base/limits.h"
#include "base/log.h"
#include "crypto/random.h"
#include "shard/messenger/methods.h"
#include "shard/messenger/objects.h"

namespace ringway::shard::messenger {
namespace {

constexpr int32_t kUnauthorized = 401;
constexpr int32_t kNotAcceptable = 406;

// From here on a password is proven by SRP; the form before that needs the password's own hash.
bool knows_srp(const Layer& layer) { return layer.has("inputCheckPasswordSRP"); }

Answer sent_code(Call& call, std::string_view phone, const Codes::Sent& sent) {
  if (sent.hash.empty()) return flood_wait(sent.wait_seconds);
  // The one who signs in reads it here. Whose number it is stays out of the log.
  log_info("messenger", "a sign-in code was asked for: {}", sent.code);
  return Object{"auth.sentCode",
                {{"phone_registered", call.room.ledger.user_of_phone(phone) != nullptr},
                 {"type", Object{"auth.sentCodeTypeSms", {{"length", sent.code.size()}}}},
                 {"phone_code_hash", sent.hash}}};
}

Answer authorize(Call& call, int64_t user_id) {
  Room& room = call.room;
  const auto stored =
      room.ledger.authorize(call.caller.perm_auth_key_id, {user_id, call.caller.layer});
  if (!stored.ok()) return store_error(stored.error());
  if (call.user_id != 0) room.listeners.drop_key(call.user_id, call.caller.perm_auth_key_id);
  room.listeners.add(user_id, call.caller.listener());
  room.passwords.forget(call.caller.perm_auth_key_id);
  return Object{"auth.authorization", {{"user", user_object(*room.ledger.user(user_id), user_id)}}};
}

// Nothing when the code is right; the error otherwise.
std::optional<RpcError> wrong_code(Call& call, std::string_view phone) {
  const std::string_view hash = call.request.text("phone_code_hash");
  const std::string_view code = call.request.text("phone_code");
  if (phone.empty()) return bad_request("PHONE_NUMBER_INVALID");
  if (hash.empty()) return bad_request("PHONE_CODE_HASH_EMPTY");
  if (code.empty()) return bad_request("PHONE_CODE_EMPTY");
  const auto checked = call.room.codes.check(phone, hash, code, call.caller.unix_seconds);
  switch (checked.verdict) {
    case Codes::Verdict::kRight:
      return std::nullopt;
    case Codes::Verdict::kWrong:
      return bad_request("PHONE_CODE_INVALID");
    case Codes::Verdict::kExpired:
      return bad_request("PHONE_CODE_EXPIRED");
    case Codes::Verdict::kFlood:
      return flood_wait(checked.wait_seconds);
  }
  return bad_request("PHONE_CODE_INVALID");
}

// Of whom the password is asked with this key; null for nobody.
const User* password_owner(const Call& call) {
  const int64_t expected = call.room.passwords.expected(call.caller.perm_auth_key_id);
  return call.room.ledger.user(expected != 0 ? expected : call.user_id);
}

std::string random_text(size_t bytes) {
  Bytes raw(bytes);
  crypto::random_bytes(raw);
  return std::string(as_text(raw));
}

}  // namespace

Answer send_code(Call& call) {
  const std::string phone = phone_digits(call.request.text("phone_number"));
  if (phone.empty()) return bad_request("PHONE_NUMBER_INVALID");
  return sent_code(call, phone, call.room.codes.send(phone, call.caller.unix_seconds));
}

Answer resend_code(Call& call) {
  const std::string phone = phone_digits(call.request.text("phone_number"));
  if (phone.empty()) return bad_request("PHONE_NUMBER_INVALID");
  const std::string_view hash = call.request.text("phone_code_hash");
  if (!call.room.codes.knows(phone, hash, call.caller.unix_seconds)) {
    return bad_request("PHONE_CODE_EXPIRED");
  }
  return sent_code(call, phone, call.room.codes.send(phone, call.caller.unix_seconds));
}

Answer sign_in(Call& call) {
  const std::string phone = phone_digits(call.request.text("phone_number"));
  if (auto wrong = wrong_code(call, phone)) return *std::move(wrong);
  const User* user = call.room.ledger.user_of_phone(phone);
  if (user == nullptr) {
    // The code stays proven, for auth.signUp.
    if (!call.layer.has("auth.authorizationSignUpRequired")) {
      return bad_request("PHONE_NUMBER_UNOCCUPIED");
    }
    return Object{"auth.authorizationSignUpRequired", {}};
  }
  if (user->password.has_value()) {
    if (!knows_srp(call.layer)) return RpcError{kNotAcceptable, "UPDATE_APP_TO_LOGIN"};
    call.room.passwords.expect(call.caller.perm_auth_key_id, user->id);
    call.room.codes.used(phone);
    return RpcError{kUnauthorized, "SESSION_PASSWORD_NEEDED"};
  }
  call.room.codes.used(phone);
  return authorize(call, user->id);
}

Answer sign_up(Call& call) {
  const std::string phone = phone_digits(call.request.text("phone_number"));
  const std::string_view hash = call.request.text("phone_code_hash");
  // Old layers send the code along, later ones have shown it in auth.signIn.
  if (call.request.find("phone_code") != nullptr) {
    if (auto wrong = wrong_code(call, phone)) return *std::move(wrong);
  } else if (!call.room.codes.proven(phone, hash, call.caller.unix_seconds)) {
    return bad_request("PHONE_CODE_EXPIRED");
  }
  if (call.room.ledger.user_of_phone(phone) != nullptr) {
    return bad_request("PHONE_NUMBER_OCCUPIED");
  }
  User user;
  user.phone = phone;
  user.first_name = call.request.text("first_name");
  user.last_name = call.request.text("last_name");
  if (user.first_name.empty()) return bad_request("FIRSTNAME_INVALID");
  if (character_count(user.first_name) > kMessengerNameCharactersMax) {
    return too_large(call, "FIRSTNAME_INVALID");
  }
  if (character_count(user.last_name) > kMessengerNameCharactersMax) {
    return too_large(call, "LASTNAME_INVALID");
  }
  const auto added = call.room.ledger.add_user(std::move(user));
  if (!added.ok()) return store_error(added.error());
  call.room.codes.used(phone);
  return authorize(call, *added);
}

Answer log_out(Call& call) {
  const auto stored = call.room.ledger.sign_out(call.caller.perm_auth_key_id);
  if (!stored.ok()) return store_error(stored.error());
  call.room.listeners.drop_key(call.user_id, call.caller.perm_auth_key_id);
  if (call.layer.result_type(call.method) == "Bool") return Value(true);
  return Object{"auth.loggedOut", {}};
}

Answer get_password(Call& call) {
  const User* user = password_owner(call);
  if (user == nullptr) return RpcError{kUnauthorized, "AUTH_KEY_UNREGISTERED"};
  if (!knows_srp(call.layer)) return RpcError{kNotAcceptable, "UPDATE_APP_TO_LOGIN"};
  // What a new password would be made with; setting one is not served.
  Object password{"account.password",
                  {{"new_algo", Object{"passwordKdfAlgoUnknown", {}}},
                   {"new_secure_algo", Object{"securePasswordKdfAlgoUnknown", {}}},
                   {"secure_random", random_text(32)}}};
  if (!user->password.has_value()) return password;
  call.room.passwords.expect(call.caller.perm_auth_key_id, user->id);
  const auto challenge =
      call.room.passwords.challenge(call.caller.perm_auth_key_id, *user->password);
  password.fields.push_back({"has_password", true});
  password.fields.push_back(
      {"current_algo", Object{"passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow",
                              {{"salt1", as_text(user->password->first_salt)},
                               {"salt2", as_text(user->password->second_salt)},
                               {"g", crypto::kDhG},
                               {"p", as_text(crypto::dh_prime())}}}});
  password.fields.push_back({"srp_B", as_text(challenge.value)});
  password.fields.push_back({"srp_id", challenge.srp_id});
  return password;
}

Answer check_password(Call& call) {
  const int64_t key = call.caller.perm_auth_key_id;
  const User* user = password_owner(call);
  if (user == nullptr) return RpcError{kUnauthorized, "AUTH_KEY_UNREGISTERED"};
  if (!knows_srp(call.layer)) return RpcError{kNotAcceptable, "UPDATE_APP_TO_LOGIN"};
  const Object* proof = call.request.object("password");
  if (!user->password.has_value() || proof == nullptr || proof->name != "inputCheckPasswordSRP") {
    return bad_request("PASSWORD_HASH_INVALID");
  }
  switch (call.room.passwords.check(key, *user->password, proof->number("srp_id"),
                                    as_bytes(proof->text("A")), as_bytes(proof->text("M1")),
                                    call.caller.unix_seconds)) {
    case PasswordChecks::Verdict::kRight:
      return authorize(call, user->id);
    case PasswordChecks::Verdict::kUnknownId:
      return bad_request("SRP_ID_INVALID");
    case PasswordChecks::Verdict::kFlood:
      return flood_wait(kMessengerPasswordPauseSeconds);
    case PasswordChecks::Verdict::kWrong:
      break;
  }
  return bad_request("PASSWORD_HASH_INVALID");
}

}  // namespace ringway::shard::messenger
