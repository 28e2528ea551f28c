// Each limit of the messenger counts when it strikes, and nothing else does.
#include "shard/messenger/counts.h"

#include "base/limits.h"
#include "room_bench.h"
#include "shard/messenger/messenger.h"

namespace ringway::shard::messenger {
namespace {

constexpr int64_t kAlice = 1;
constexpr int64_t kGuest = 9;

// Can be full.
class FullStore final : public Store {
 public:
  explicit FullStore(const bool& full) : full_(full) {}
  bool commit(std::span<const Change> /*changes*/) override { return !full_; }
  std::string load(
      const std::function<std::string(ByteView key, ByteView value)>& /*visit*/) override {
    return "";
  }

 private:
  const bool& full_;
};

TEST(MessengerCounts, NothingStrikesInOrdinaryUse) {
  RoomBench room;
  const int64_t alice = room.join("15550001", "Alice", kAlice);
  room.send(kAlice, alice, "a note", 1);
  room.answered("updates.getState", {}, kAlice);
  EXPECT_EQ(to_text(room.room.counts),
            "users_refused=0 keys_refused=0 messages_forgotten=0 changes_not_stored=0 "
            "sessions_displaced=0 code_waits=0 password_waits=0 passwords_displaced=0 "
            "requests_too_large=0 requests_unreadable=0");
}

TEST(MessengerCounts, UsersKeysAndMessages) {
  RoomBench room;
  Ledger& ledger = room.room.ledger;
  const int64_t alice = room.join("15550001", "Alice", kAlice);
  for (size_t i = 1; i < kMessengerUsersMax; ++i) {
    User user;
    user.phone = std::to_string(10'000 + i);
    ASSERT_TRUE(ledger.add_user(std::move(user)).ok());
  }
  EXPECT_EQ(room.room.counts.users_refused, 0U);
  EXPECT_FALSE(ledger.add_user({}).ok());
  EXPECT_EQ(room.room.counts.users_refused, 1U);

  for (size_t i = 1; i < kMessengerAuthorizationsMax; ++i) {
    ASSERT_TRUE(ledger.authorize(static_cast<int64_t>(1000 + i), {alice, 228}).ok());
  }
  EXPECT_TRUE(ledger.authorize(kAlice, {alice, 71}).ok()) << "it has its place";
  EXPECT_EQ(room.room.counts.keys_refused, 0U);
  EXPECT_FALSE(ledger.authorize(5, {alice, 228}).ok());
  EXPECT_EQ(room.room.counts.keys_refused, 1U);

  for (size_t i = 1; i <= kMessengerMessagesPerUserMax + 3; ++i) {
    ASSERT_TRUE(ledger.send(alice, alice, "x", static_cast<int64_t>(i), 1).ok());
  }
  EXPECT_EQ(room.room.counts.messages_forgotten, 3U);
}

TEST(MessengerCounts, ChangesThatAreNotStored) {
  bool full = false;
  RoomBench room(std::make_unique<FullStore>(full));
  const int64_t alice = room.join("15550001", "Alice", kAlice);
  full = true;
  EXPECT_EQ(room.refused("messages.sendMessage",
                         {{"peer", room.peer(alice)}, {"message", "x"}, {"random_id", 1}}, kAlice),
            "500 MESSENGER_STORE_FAILED");
  EXPECT_EQ(room.room.counts.changes_not_stored, 1U);
}

TEST(MessengerCounts, SessionsThatLaterOnesDisplace) {
  RoomBench room;
  const auto sessions = static_cast<int64_t>(kMessengerSessionsPerUserMax);
  for (int64_t i = 1; i <= sessions; ++i) room.room.listeners.add(7, {i, i, i, 228});
  room.room.listeners.add(7, {1, 1, 1, 71});  // it is there already
  EXPECT_EQ(room.room.counts.sessions_displaced, 0U);
  room.room.listeners.add(7, {sessions + 1, sessions + 1, sessions + 1, 228});
  EXPECT_EQ(room.room.counts.sessions_displaced, 1U);
}

TEST(MessengerCounts, CodesThatAreWaitedFor) {
  RoomBench room;
  const std::string hash = room.code_hash("15550009", kGuest);
  for (int i = 0; i <= kMessengerCodeTriesMax; ++i) {
    room.refused("auth.signIn",
                 {{"phone_number", "15550009"}, {"phone_code_hash", hash}, {"phone_code", "0"}},
                 kGuest);
  }
  EXPECT_EQ(room.room.counts.code_waits, 1U) << "the wrong ones are answered";
  room.refused("auth.sendCode", {{"phone_number", "15550009"}}, kGuest);
  EXPECT_EQ(room.room.counts.code_waits, 2U);
  for (size_t i = 1; i < kMessengerCodesMax; ++i) {
    room.code_hash(std::to_string(100'000 + i), kGuest);
  }
  EXPECT_EQ(room.room.counts.code_waits, 2U);
  EXPECT_EQ(room.refused("auth.sendCode", {{"phone_number", "99999"}}, kGuest),
            "420 FLOOD_WAIT_300");
  EXPECT_EQ(room.room.counts.code_waits, 3U);
}

TEST(MessengerCounts, PasswordsThatAreOwed) {
  RoomBench room;
  PasswordChecks& passwords = room.room.passwords;
  const auto keys = static_cast<int64_t>(kMessengerPasswordChecksMax);
  for (int64_t key = 1; key <= keys; ++key) passwords.expect(key, 7);
  EXPECT_EQ(room.room.counts.passwords_displaced, 0U);
  passwords.expect(keys + 1, 7);
  EXPECT_EQ(room.room.counts.passwords_displaced, 1U);
  EXPECT_EQ(passwords.expected(1), 0) << "the oldest";

  const Password password;
  const auto check = [&] {
    const auto challenge = passwords.challenge(2, password);
    return passwords.check(2, password, challenge.srp_id, challenge.value, Bytes(32), room.now);
  };
  for (int i = 0; i < kMessengerPasswordTriesMax; ++i) {
    EXPECT_EQ(check(), PasswordChecks::Verdict::kWrong);
  }
  EXPECT_EQ(room.room.counts.password_waits, 0U);
  EXPECT_EQ(check(), PasswordChecks::Verdict::kFlood);
  EXPECT_EQ(room.room.counts.password_waits, 1U);
}

TEST(MessengerCounts, RequestsThatAreTooLarge) {
  RoomBench room;
  const int64_t alice = room.join("15550001", "Alice", kAlice);
  const std::string text(kMessengerTextCharactersMax + 1, 'x');
  EXPECT_EQ(room.refused("messages.sendMessage",
                         {{"peer", room.peer(alice)}, {"message", text}, {"random_id", 1}}, kAlice),
            "400 MESSAGE_TOO_LONG");
  EXPECT_EQ(room.room.counts.requests_too_large, 1U);
  List many;
  for (size_t i = 0; i <= kMessengerAnswerMessagesMax; ++i) {
    many.emplace_back(Object{"inputUserSelf", {}});
  }
  EXPECT_EQ(room.refused("users.getUsers", {{"id", std::move(many)}}, kAlice),
            "400 USER_IDS_TOO_MUCH");
  EXPECT_EQ(room.room.counts.requests_too_large, 2U);
}

TEST(MessengerCounts, RequestsThatCannotBeRead) {
  const auto opened = Messenger::open({});
  ASSERT_NE(opened.messenger, nullptr);
  const Caller caller{1, 1, 1, tl::kModernLayer, kStartSeconds};
  const auto reply =
      opened.messenger->serve(caller, method_of(tl::kModernLayer, "users.getUsers")->id, Bytes(3));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(std::get<RpcError>(*reply).text, "INPUT_REQUEST_INVALID");
  EXPECT_EQ(opened.messenger->counts().requests_unreadable, 1U);
}

}  // namespace
}  // namespace ringway::shard::messenger
