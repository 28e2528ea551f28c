// shard/messenger/records: what the messenger keeps of users, their messages and signed-in keys,
// and the bytes of that in its file. Plain values; pure functions; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/result.h"
#include "crypto/srp.h"

namespace ringway::shard::messenger {

// A two-factor password, as SRP keeps it.
struct Password {
  std::array<uint8_t, 16> first_salt{};
  std::array<uint8_t, 16> second_salt{};
  crypto::SrpNumber verifier{};

  [[nodiscard]] crypto::SrpSalts salts() const noexcept { return {first_salt, second_salt}; }
};

struct User {
  int64_t id = 0;
  int64_t access_hash = 0;
  std::string phone;  // digits alone
  std::string first_name;
  std::string last_name;
  std::string username;  // may be empty
  int32_t pts = 1;       // of the last event; clients take 0 for none at all
  int32_t last_message_id = 0;
  std::optional<Password> password;
};

// A message in one user's box; the other user has a copy with an id of its own.
struct Message {
  int32_t id = 0;
  int32_t pts = 0;  // its event's
  int32_t date = 0;
  bool out = false;
  int64_t peer = 0;       // the other user; oneself for notes
  int64_t random_id = 0;  // of one that was sent
  std::string text;
};

struct Authorization {
  int64_t user_id = 0;
  int32_t layer = 0;  // the last one that the key's client told
};

// Keys sort by table, then by user, then by message.
[[nodiscard]] Bytes user_key(int64_t user_id);
[[nodiscard]] Bytes message_key(int64_t user_id, int32_t message_id);
[[nodiscard]] Bytes authorization_key(int64_t auth_key_id);

enum class Table : uint8_t { kUsers = 'u', kMessages = 'm', kAuthorizations = 'a' };
struct RecordKey {
  Table table = Table::kUsers;
  int64_t id = 0;  // of the user, or of the key
  int32_t message_id = 0;
};
[[nodiscard]] Result<RecordKey> read_key(ByteView key);

[[nodiscard]] Bytes encode(const User& user);
[[nodiscard]] Bytes encode(const Message& message);
[[nodiscard]] Bytes encode(const Authorization& authorization);
// kTruncated, kMalformed, kTrailing: not what encode() made.
[[nodiscard]] Result<User> decode_user(const RecordKey& key, ByteView value);
[[nodiscard]] Result<Message> decode_message(const RecordKey& key, ByteView value);
[[nodiscard]] Result<Authorization> decode_authorization(ByteView value);

}  // namespace ringway::shard::messenger
