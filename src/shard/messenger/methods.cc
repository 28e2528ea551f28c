#include "shard/messenger/methods.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

#include "base/limits.h"
#include "shard/messenger/objects.h"
#include "tl/utf8.h"

namespace ringway::shard::messenger {
namespace {

constexpr int32_t kBadRequest = 400;
constexpr int32_t kFlood = 420;
constexpr int32_t kInternal = 500;

constexpr std::array<MethodRow, 18> kMethods = {{
    {"account.getPassword", get_password, true},
    {"auth.checkPassword", check_password, true},
    {"auth.logOut", log_out},
    {"auth.resendCode", resend_code, true},
    {"auth.sendCode", send_code, true},
    {"auth.signIn", sign_in, true},
    {"auth.signUp", sign_up, true},
    {"contacts.getContacts", get_contacts},
    {"contacts.importContacts", import_contacts},
    {"contacts.resolvePhone", resolve_phone},
    {"contacts.resolveUsername", resolve_username},
    {"messages.getDialogs", get_dialogs},
    {"messages.getHistory", get_history},
    {"messages.sendMessage", send_message},
    {"updates.getDifference", get_difference},
    {"updates.getState", get_state},
    {"users.getFullUser", get_full_user},
    {"users.getUsers", get_users},
}};

}  // namespace

const MethodRow* find_method(std::string_view name) {
  const auto* const found = std::find_if(kMethods.begin(), kMethods.end(),
                                         [name](const MethodRow& row) { return row.name == name; });
  return found == kMethods.end() ? nullptr : found;
}

RpcError bad_request(std::string_view text) { return {kBadRequest, std::string(text)}; }

RpcError too_large(Call& call, std::string_view text) {
  ++call.room.counts.requests_too_large;
  return bad_request(text);
}

RpcError flood_wait(int64_t seconds) { return {kFlood, fmt::format("FLOOD_WAIT_{}", seconds)}; }

RpcError store_error(Error error) {
  return {kInternal, error == Error::kFull ? "MESSENGER_FULL" : "MESSENGER_STORE_FAILED"};
}

const User* user_of(const Call& call, const Object* input) {
  if (input == nullptr) return nullptr;
  if (input->name == "inputUserSelf" || input->name == "inputPeerSelf") return &call.user();
  if (input->name != "inputUser" && input->name != "inputPeerUser") return nullptr;
  const User* user = call.room.ledger.user(input->number("user_id"));
  if (user == nullptr || user->access_hash != input->number("access_hash")) return nullptr;
  return user;
}

std::string phone_digits(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c >= '0' && c <= '9') {
      digits.push_back(c);
    } else if (std::string_view("+-() ").find(c) == std::string_view::npos) {
      return "";
    }
  }
  const bool fits =
      digits.size() >= kMessengerPhoneDigitsMin && digits.size() <= kMessengerPhoneDigitsMax;
  return fits ? digits : "";
}

size_t character_count(std::string_view text) {
  if (!tl::is_utf8(as_bytes(text))) return SIZE_MAX;
  const auto begins = [](char c) { return (static_cast<uint8_t>(c) & 0xc0) != 0x80; };
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), begins));
}

List users_of(const Call& call, const std::vector<const Message*>& messages) {
  std::set<int64_t> ids = {call.user_id};
  for (const Message* message : messages) ids.insert(message->peer);
  List users;
  for (const int64_t id : ids) {
    users.emplace_back(user_object(*call.room.ledger.user(id), call.user_id));
  }
  return users;
}

List message_list(const Call& call, const std::vector<const Message*>& messages) {
  List list;
  for (const Message* message : messages) {
    list.emplace_back(message_object(call.layer, *message, call.user_id));
  }
  return list;
}

}  // namespace ringway::shard::messenger
