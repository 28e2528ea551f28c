// Users and how to find them; see methods.h.
//
// Everybody knows everybody: the contacts of a user are all the others.
#include "base/limits.h"
#include "shard/messenger/methods.h"
#include "shard/messenger/objects.h"

namespace ringway::shard::messenger {
namespace {

Answer resolved(const Call& call, const User& user) {
  return Object{"contacts.resolvedPeer",
                {{"peer", peer_object(user.id)}, {"users", List{user_object(user, call.user_id)}}}};
}

}  // namespace

Answer get_users(Call& call) {
  const List* wanted = call.request.list("id");
  if (wanted == nullptr || wanted->size() > kMessengerAnswerMessagesMax) {
    return too_large(call, "USER_IDS_TOO_MUCH");
  }
  List users;
  for (const Value& one : *wanted) {
    const auto* input = std::get_if<Object>(&one.data);
    const User* user = user_of(call, input);
    if (user != nullptr) {
      users.emplace_back(user_object(*user, call.user_id));
    } else {
      users.emplace_back(
          Object{"userEmpty", {{"id", input == nullptr ? 0 : input->number("user_id")}}});
    }
  }
  return Value(std::move(users));
}

Answer get_full_user(Call& call) {
  const User* user = user_of(call, call.request.object("id"));
  if (user == nullptr) return bad_request("USER_ID_INVALID");
  return full_user_object(call.layer, *user, call.user_id);
}

Answer get_contacts(Call& call) {
  List contacts;
  List users;
  for (const User* user : call.room.ledger.users()) {
    if (user->id == call.user_id) continue;
    contacts.emplace_back(Object{"contact", {{"user_id", user->id}, {"mutual", true}}});
    users.emplace_back(user_object(*user, call.user_id));
  }
  const size_t count = contacts.size();
  return Object{
      "contacts.contacts",
      {{"contacts", std::move(contacts)}, {"saved_count", count}, {"users", std::move(users)}}};
}

Answer import_contacts(Call& call) {
  const List* wanted = call.request.list("contacts");
  if (wanted == nullptr || wanted->size() > kMessengerUsersMax) {
    return too_large(call, "CONTACTS_TOO_MUCH");
  }
  List imported;
  List users;
  for (const Value& one : *wanted) {
    const auto* contact = std::get_if<Object>(&one.data);
    if (contact == nullptr) continue;
    const User* user = call.room.ledger.user_of_phone(phone_digits(contact->text("phone")));
    if (user == nullptr) continue;
    imported.emplace_back(Object{
        "importedContact", {{"user_id", user->id}, {"client_id", contact->number("client_id")}}});
    users.emplace_back(user_object(*user, call.user_id));
  }
  return Object{"contacts.importedContacts",
                {{"imported", std::move(imported)}, {"users", std::move(users)}}};
}

Answer resolve_username(Call& call) {
  const User* user = call.room.ledger.user_of_name(call.request.text("username"));
  if (user == nullptr) return bad_request("USERNAME_NOT_OCCUPIED");
  return resolved(call, *user);
}

Answer resolve_phone(Call& call) {
  const User* user = call.room.ledger.user_of_phone(phone_digits(call.request.text("phone")));
  if (user == nullptr) return bad_request("PHONE_NOT_OCCUPIED");
  return resolved(call, *user);
}

}  // namespace ringway::shard::messenger
