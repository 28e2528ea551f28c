// shard/messenger/methods: what the messenger answers, method by method.
//
// A method sees one call and the room's whole state; the messenger's lock is held. It answers a
// value of the method's result type, or an error with Telegram's names. What it publishes waits
// until the lock is released.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "shard/messenger/codes.h"
#include "shard/messenger/ledger.h"
#include "shard/messenger/listeners.h"
#include "shard/messenger/objects.h"
#include "shard/messenger/password_checks.h"

namespace ringway::shard::messenger {

struct RpcError {
  int32_t code = 0;
  std::string text;
};
using Answer = std::variant<Value, RpcError>;

// Who calls, and when.
struct Caller {
  int64_t auth_key_id = 0;
  int64_t perm_auth_key_id = 0;  // the same, but under a temporary key
  int64_t session_id = 0;
  int32_t layer = 0;  // 0: not told
  int64_t unix_seconds = 0;

  [[nodiscard]] Listener listener() const noexcept {
    return {auth_key_id, perm_auth_key_id, session_id, layer};
  }
};

struct Room {
  Room(std::unique_ptr<Store> store, std::string fixed_code)
      : ledger(std::move(store), counts),
        codes(std::move(fixed_code), counts),
        passwords(counts),
        listeners(counts) {}
  // Its parts count into it.
  Room(const Room&) = delete;
  Room& operator=(const Room&) = delete;

  Counts counts;
  Ledger ledger;
  Codes codes;
  PasswordChecks passwords;
  Listeners listeners;
  std::vector<Push> pushes;  // in the order of their events
};

struct Call {
  Room& room;
  const Layer& layer;
  const tl::Combinator& method;
  const Object& request;
  const Caller& caller;
  int64_t user_id = 0;  // who is signed in; 0: nobody

  [[nodiscard]] const User& user() const { return *room.ledger.user(user_id); }
};

using Method = Answer (*)(Call& call);

struct MethodRow {
  std::string_view name;
  Method method;
  bool for_all = false;  // serves those who are not signed in
};

// Null for a method that is not served.
[[nodiscard]] const MethodRow* find_method(std::string_view name);

// methods_sign_in.cc
Answer send_code(Call& call);
Answer resend_code(Call& call);
Answer sign_in(Call& call);
Answer sign_up(Call& call);
Answer log_out(Call& call);
Answer get_password(Call& call);
Answer check_password(Call& call);
// methods_users.cc
Answer get_users(Call& call);
Answer get_full_user(Call& call);
Answer get_contacts(Call& call);
Answer import_contacts(Call& call);
Answer resolve_username(Call& call);
Answer resolve_phone(Call& call);
// methods_messages.cc
Answer send_message(Call& call);
Answer get_dialogs(Call& call);
Answer get_history(Call& call);
// methods_updates.cc
Answer get_state(Call& call);
Answer get_difference(Call& call);

// What methods share.

[[nodiscard]] RpcError bad_request(std::string_view text);
// The same, and counted: more than such a request may hold.
[[nodiscard]] RpcError too_large(Call& call, std::string_view text);
[[nodiscard]] RpcError flood_wait(int64_t seconds);
[[nodiscard]] RpcError store_error(Error error);
// The user behind an InputUser or an InputPeer; null for nobody, and for a wrong access_hash.
[[nodiscard]] const User* user_of(const Call& call, const Object* input);
// The digits of a phone number; empty when it is none.
[[nodiscard]] std::string phone_digits(std::string_view text);
// How many characters there are in UTF-8; more than any limit when it is none.
[[nodiscard]] size_t character_count(std::string_view text);
// The users that these messages in the box of the caller are about, and the caller.
[[nodiscard]] List users_of(const Call& call, const std::vector<const Message*>& messages);
[[nodiscard]] List message_list(const Call& call, const std::vector<const Message*>& messages);

}  // namespace ringway::shard::messenger
