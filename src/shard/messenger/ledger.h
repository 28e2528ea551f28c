// shard/messenger/ledger: users, their messages, and which keys are signed in.
//
// All of it is in memory, and every change is in the store before it is seen here: what was
// answered is there after a restart. One caller at a time: the messenger's lock guards it. Pointers
// last until the next change.
//
// A user's events are numbered by pts, one each, without gaps; a message is one event in the box of
// each of its two users. The oldest messages go when a box is full.
#pragma once

#include <deque>
#include <memory>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "shard/messenger/counts.h"
#include "shard/messenger/records.h"
#include "shard/messenger/store.h"

namespace ringway::shard::messenger {

class Ledger {
 public:
  // `counts` outlives it.
  Ledger(std::unique_ptr<Store> store, Counts& counts)
      : store_(std::move(store)), counts_(counts) {}

  // Reads what is stored; an empty string, or what is wrong.
  [[nodiscard]] std::string load();

  // Null for nobody.
  [[nodiscard]] const User* user(int64_t user_id) const;
  [[nodiscard]] const User* user_of_phone(std::string_view phone) const;
  [[nodiscard]] const User* user_of_name(std::string_view username) const;  // in any case
  [[nodiscard]] std::vector<const User*> users() const;                     // by id
  // By id, oldest first.
  [[nodiscard]] const std::deque<Message>& messages(int64_t user_id) const;

  // Adds a user, whose id and access_hash are made here. kFull: there are kMessengerUsersMax. kIo:
  // not stored; so with all of the following.
  [[nodiscard]] Result<int64_t> add_user(User user);

  struct Sent {
    const Message* own = nullptr;    // in the sender's box
    const Message* other = nullptr;  // in the receiver's; null when that is the sender
    bool again = false;              // the random_id was known: this is what it was sent as
  };
  [[nodiscard]] Result<Sent> send(int64_t from, int64_t to, std::string text, int64_t random_id,
                                  int32_t date);

  // Null when nobody is signed in with this key.
  [[nodiscard]] const Authorization* authorization(int64_t auth_key_id) const;
  // kFull: kMessengerAuthorizationsMax keys are signed in.
  [[nodiscard]] Result<void> authorize(int64_t auth_key_id, const Authorization& authorization);
  [[nodiscard]] Result<void> sign_out(int64_t auth_key_id);

 private:
  struct Box {
    User user;
    std::deque<Message> messages;
    size_t text_bytes = 0;
  };

  [[nodiscard]] std::string take(ByteView key, ByteView value);
  [[nodiscard]] Box* box(int64_t user_id);
  // How many of the oldest messages must go for one more of this size.
  [[nodiscard]] static size_t surplus(const Box& box, size_t text_bytes);
  void append(Box& box, const Message& message, size_t surplus);
  // False, and counted: not stored.
  [[nodiscard]] bool commit(std::span<const Change> changes);

  std::unique_ptr<Store> store_;
  Counts& counts_;
  std::unordered_map<int64_t, Box> boxes_;
  std::unordered_map<int64_t, Authorization> authorizations_;
};

}  // namespace ringway::shard::messenger
