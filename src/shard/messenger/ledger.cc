#include "shard/messenger/ledger.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/limits.h"
#include "crypto/random.h"

namespace ringway::shard::messenger {
namespace {

// Below it clients of layer 71 have system accounts; above 2^31 they have no room.
constexpr int64_t kFirstUserId = 1'000'001;

int64_t random_long() {
  uint8_t raw[sizeof(int64_t)];
  crypto::random_bytes(raw);
  return load_le<int64_t>(raw);
}

bool same_name(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [lower](char x, char y) { return lower(x) == lower(y); });
}

// The next message of a user, whose counters go on.
Message next_message(User& user, int64_t peer, bool out, int32_t date, std::string text) {
  Message message;
  message.id = ++user.last_message_id;
  message.pts = ++user.pts;
  message.date = date;
  message.out = out;
  message.peer = peer;
  message.text = std::move(text);
  return message;
}

void put(std::vector<Change>& changes, const User& user, const Message& message) {
  changes.push_back({user_key(user.id), encode(user)});
  changes.push_back({message_key(user.id, message.id), encode(message)});
}

void drop(std::vector<Change>& changes, int64_t user_id, const std::deque<Message>& messages,
          size_t count) {
  for (size_t i = 0; i < count; ++i) {
    changes.push_back({message_key(user_id, messages[i].id), {}});
  }
}

}  // namespace

std::string Ledger::load() {
  std::string wrong =
      store_->load([this](ByteView key, ByteView value) { return take(key, value); });
  if (!wrong.empty()) return wrong;
  for (const auto& [id, box] : boxes_) {
    if (box.user.id == 0) return fmt::format("messages of user {}, who is not there", id);
  }
  return "";
}

std::string Ledger::take(ByteView key, ByteView value) {
  static const std::string kUnreadable = "an entry that is none of this program's";
  const auto name = read_key(key);
  if (!name.ok()) return kUnreadable;
  if (name->table == Table::kUsers) {
    auto user = decode_user(*name, value);
    if (!user.ok()) return kUnreadable;
    boxes_[name->id].user = *std::move(user);
  } else if (name->table == Table::kMessages) {
    auto message = decode_message(*name, value);
    if (!message.ok()) return kUnreadable;
    Box& box = boxes_[name->id];
    box.text_bytes += message->text.size();
    box.messages.push_back(*std::move(message));
  } else {
    const auto authorization = decode_authorization(value);
    if (!authorization.ok()) return kUnreadable;
    authorizations_[name->id] = *authorization;
  }
  return "";
}

Ledger::Box* Ledger::box(int64_t user_id) {
  const auto found = boxes_.find(user_id);
  return found == boxes_.end() ? nullptr : &found->second;
}

const User* Ledger::user(int64_t user_id) const {
  const auto found = boxes_.find(user_id);
  return found == boxes_.end() ? nullptr : &found->second.user;
}

const User* Ledger::user_of_phone(std::string_view phone) const {
  for (const auto& [id, box] : boxes_) {
    if (box.user.phone == phone) return &box.user;
  }
  return nullptr;
}

const User* Ledger::user_of_name(std::string_view username) const {
  if (username.empty()) return nullptr;
  for (const auto& [id, box] : boxes_) {
    if (same_name(box.user.username, username)) return &box.user;
  }
  return nullptr;
}

std::vector<const User*> Ledger::users() const {
  std::vector<const User*> all;
  for (const auto& [id, box] : boxes_) all.push_back(&box.user);
  std::sort(all.begin(), all.end(), [](const User* a, const User* b) { return a->id < b->id; });
  return all;
}

const std::deque<Message>& Ledger::messages(int64_t user_id) const {
  static const std::deque<Message> kNone;
  const auto found = boxes_.find(user_id);
  return found == boxes_.end() ? kNone : found->second.messages;
}

Result<int64_t> Ledger::add_user(User user) {
  if (boxes_.size() >= kMessengerUsersMax) {
    ++counts_.users_refused;
    return Error::kFull;
  }
  user.id = kFirstUserId;
  for (const auto& [id, box] : boxes_) user.id = std::max(user.id, id + 1);
  user.access_hash = random_long();
  const std::vector<Change> changes = {{user_key(user.id), encode(user)}};
  if (!commit(changes)) return Error::kIo;
  const int64_t id = user.id;
  boxes_[id].user = std::move(user);
  return id;
}

size_t Ledger::surplus(const Box& box, size_t text_bytes) {
  size_t count = box.messages.size() + 1;
  size_t bytes = box.text_bytes + text_bytes;
  size_t gone = 0;
  while (count > kMessengerMessagesPerUserMax || bytes > kMessengerTextBytesPerUserMax) {
    if (gone == box.messages.size()) break;
    bytes -= box.messages[gone].text.size();
    --count;
    ++gone;
  }
  return gone;
}

bool Ledger::commit(std::span<const Change> changes) {
  if (store_->commit(changes)) return true;
  ++counts_.changes_not_stored;
  return false;
}

void Ledger::append(Box& box, const Message& message, size_t surplus) {
  counts_.messages_forgotten += surplus;
  for (; surplus > 0; --surplus) {
    box.text_bytes -= box.messages.front().text.size();
    box.messages.pop_front();
  }
  box.text_bytes += message.text.size();
  box.messages.push_back(message);
}

Result<Ledger::Sent> Ledger::send(int64_t from, int64_t to, std::string text, int64_t random_id,
                                  int32_t date) {
  Box* const sender = box(from);
  Box* const receiver = box(to);
  if (sender == nullptr || receiver == nullptr) return Error::kNotFound;
  const auto known = std::find_if(sender->messages.rbegin(), sender->messages.rend(),
                                  [random_id](const Message& message) {
                                    return message.out && message.random_id == random_id;
                                  });
  if (known != sender->messages.rend()) return Sent{&*known, nullptr, true};

  std::vector<Change> changes;
  User sender_after = sender->user;
  Message own = next_message(sender_after, to, true, date, text);
  own.random_id = random_id;
  const size_t sender_surplus = surplus(*sender, text.size());
  put(changes, sender_after, own);
  drop(changes, from, sender->messages, sender_surplus);
  const bool to_oneself = sender == receiver;
  User receiver_after = receiver->user;
  Message other;
  size_t receiver_surplus = 0;
  if (!to_oneself) {
    receiver_surplus = surplus(*receiver, text.size());
    other = next_message(receiver_after, from, false, date, std::move(text));
    put(changes, receiver_after, other);
    drop(changes, to, receiver->messages, receiver_surplus);
  }
  if (!commit(changes)) return Error::kIo;

  sender->user = std::move(sender_after);
  append(*sender, own, sender_surplus);
  if (to_oneself) return Sent{&sender->messages.back(), nullptr, false};
  receiver->user = std::move(receiver_after);
  append(*receiver, other, receiver_surplus);
  return Sent{&sender->messages.back(), &receiver->messages.back(), false};
}

const Authorization* Ledger::authorization(int64_t auth_key_id) const {
  const auto found = authorizations_.find(auth_key_id);
  return found == authorizations_.end() ? nullptr : &found->second;
}

Result<void> Ledger::authorize(int64_t auth_key_id, const Authorization& authorization) {
  if (!authorizations_.contains(auth_key_id) &&
      authorizations_.size() >= kMessengerAuthorizationsMax) {
    ++counts_.keys_refused;
    return Error::kFull;
  }
  const std::vector<Change> changes = {{authorization_key(auth_key_id), encode(authorization)}};
  if (!commit(changes)) return Error::kIo;
  authorizations_[auth_key_id] = authorization;
  return {};
}

Result<void> Ledger::sign_out(int64_t auth_key_id) {
  const std::vector<Change> changes = {{authorization_key(auth_key_id), {}}};
  if (!commit(changes)) return Error::kIo;
  authorizations_.erase(auth_key_id);
  return {};
}

}  // namespace ringway::shard::messenger
