// Every method, at every layer that has it; and what hostile clients are told.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "room_bench.h"
#include "shard/messenger/users_file.h"

namespace ringway::shard::messenger {
namespace {

constexpr int64_t kAlice = 1, kBob = 2, kGuest = 3;  // keys

struct Pair : RoomBench {
  int64_t alice = join("+1 555 0001", "Alice", kAlice);
  int64_t bob = join("15550002", "Bob", kBob);
};

TEST(MessengerMethods, AnswersFitEveryLayer) {
  Pair room;
  room.send(kAlice, room.bob, "hello", 1);
  for (const int layer : kLayers) {
    SCOPED_TRACE(layer);
    room.send(kBob, room.alice, "at layer " + std::to_string(layer), layer, layer);
    const Object self{"inputUserSelf", {}};
    const Object stranger{"inputUser", {{"user_id", 5}}};
    const Answer users = room.call("users.getUsers", {{"id", List{self, stranger}}}, kAlice, layer);
    const auto& list = std::get<List>(std::get<Value>(users).data);
    ASSERT_EQ(list.size(), 2u);
    EXPECT_EQ(std::get<Object>(list[0].data).text("first_name"), "Alice");
    EXPECT_EQ(std::get<Object>(list[1].data).name, "userEmpty");
    room.answered("users.getFullUser", {{"id", self}}, kAlice, layer);
    EXPECT_EQ(room.answered("contacts.getContacts", {}, kAlice, layer).list("users")->size(), 1u);
    const Object contact{"inputPhoneContact", {{"client_id", 7}, {"phone", "+15550002"}}};
    EXPECT_EQ(room.answered("contacts.importContacts", {{"contacts", List{contact}}}, kAlice, layer)
                  .list("imported")
                  ->size(),
              1u);
    room.answered("messages.getDialogs", {{"limit", 10}}, kAlice, layer);
    room.answered("messages.getHistory", {{"peer", room.peer(room.bob)}, {"limit", 1}}, kAlice,
                  layer);
    room.answered("updates.getState", {}, kAlice, layer);
    EXPECT_EQ(room.answered("updates.getDifference", {{"pts", 1}}, kAlice, layer).name,
              "updates.difference");
    room.code_hash("15550009", kGuest, layer);
  }
}

TEST(MessengerMethods, NewUsersAreToldAsTheirLayerHasIt) {
  RoomBench room;
  for (const int layer : kLayers) {
    const std::string hash = room.code_hash("15550009", kGuest, layer);
    const std::vector<Field> fields = {
        {"phone_number", "15550009"}, {"phone_code_hash", hash}, {"phone_code", kCode}};
    if (layer == tl::kCompatLayer) {
      EXPECT_EQ(room.refused("auth.signIn", fields, kGuest, layer), "400 PHONE_NUMBER_UNOCCUPIED");
    } else {
      EXPECT_EQ(room.answered("auth.signIn", fields, kGuest, layer).name,
                "auth.authorizationSignUpRequired");
    }
  }
  EXPECT_EQ(room.room.ledger.authorization(kGuest), nullptr);
}

TEST(MessengerMethods, SignUpNeedsTheCodeAndAName) {
  RoomBench room;
  const std::string hash = room.code_hash("15550009", kGuest);
  const auto sign_up = [&](const char* name) {
    return room.refused(
        "auth.signUp",
        {{"phone_number", "15550009"}, {"phone_code_hash", hash}, {"first_name", name}}, kGuest);
  };
  EXPECT_EQ(sign_up("Carol"), "400 PHONE_CODE_EXPIRED") << "the code was never shown";
  room.answered("auth.signIn",
                {{"phone_number", "15550009"}, {"phone_code_hash", hash}, {"phone_code", kCode}},
                kGuest);
  EXPECT_EQ(sign_up(""), "400 FIRSTNAME_INVALID");
  EXPECT_EQ(sign_up("\xff"), "400 FIRSTNAME_INVALID");
  EXPECT_EQ(sign_up(std::string(kMessengerNameCharactersMax + 1, 'x').c_str()),
            "400 FIRSTNAME_INVALID");
  EXPECT_EQ(sign_up("Carol"), "");
}

TEST(MessengerMethods, WrongCodesEndInAWait) {
  RoomBench room;
  const std::string hash = room.code_hash("15550009", kGuest);
  const auto sign_in = [&](const std::string& code) {
    return room.refused(
        "auth.signIn",
        {{"phone_number", "15550009"}, {"phone_code_hash", hash}, {"phone_code", code}}, kGuest);
  };
  EXPECT_EQ(sign_in(""), "400 PHONE_CODE_EMPTY");
  for (int i = 0; i < kMessengerCodeTriesMax; ++i) {
    EXPECT_EQ(sign_in("00000"), "400 PHONE_CODE_INVALID");
  }
  EXPECT_EQ(sign_in(kCode), "420 FLOOD_WAIT_300") << "not even the right one";
  EXPECT_EQ(room.refused("auth.sendCode", {{"phone_number", "15550009"}}, kGuest),
            "420 FLOOD_WAIT_300");
  room.now += kMessengerCodeLifeSeconds;
  EXPECT_EQ(sign_in(kCode), "400 PHONE_CODE_EXPIRED");
  EXPECT_NE(room.code_hash("15550009", kGuest), hash);
  EXPECT_EQ(room.refused("auth.sendCode", {{"phone_number", "1x"}}, kGuest),
            "400 PHONE_NUMBER_INVALID");
}

TEST(MessengerMethods, MessagesAreInBothBoxes) {
  Pair room;
  const Object sent = room.send(kAlice, room.bob, "hello", 11);
  EXPECT_EQ(sent.list("updates")->size(), 2u);
  ASSERT_EQ(room.room.ledger.messages(room.bob).size(), 1u);
  const Message& got = room.room.ledger.messages(room.bob).front();
  EXPECT_EQ(got.text, "hello");
  EXPECT_EQ(got.peer, room.alice);
  EXPECT_FALSE(got.out);
  EXPECT_EQ(room.room.ledger.user(room.bob)->pts, 2);
  ASSERT_EQ(room.room.pushes.size(), 1u) << "one session of Bob's; Alice's own has the answer";
  EXPECT_EQ(room.room.pushes[0].auth_key_id, kBob);

  room.send(kAlice, room.bob, "hello", 11);
  EXPECT_EQ(room.room.ledger.messages(room.bob).size(), 1u) << "the same random_id";
  EXPECT_EQ(room.room.pushes.size(), 1u);

  room.send(kAlice, room.alice, "a note", 12);
  EXPECT_EQ(room.room.ledger.messages(room.alice).size(), 2u);
  EXPECT_EQ(room.room.ledger.user(room.alice)->pts, 3);
}

TEST(MessengerMethods, BadMessagesAreRefused) {
  Pair room;
  const auto send = [&](Object peer, std::string text, int64_t random_id) {
    return room.refused(
        "messages.sendMessage",
        {{"peer", std::move(peer)}, {"message", std::move(text)}, {"random_id", random_id}},
        kAlice);
  };
  EXPECT_EQ(send(room.peer(room.bob), "", 1), "400 MESSAGE_EMPTY");
  EXPECT_EQ(send(room.peer(room.bob), "x", 0), "400 RANDOM_ID_EMPTY");
  EXPECT_EQ(send(room.peer(room.bob), std::string(kMessengerTextCharactersMax + 1, 'x'), 1),
            "400 MESSAGE_TOO_LONG");
  EXPECT_EQ(send({"inputPeerChat", {{"chat_id", 1}}}, "x", 1), "400 PEER_ID_INVALID");
  Object wrong_hash = room.peer(room.bob);
  wrong_hash.fields[1].value = 1;
  EXPECT_EQ(send(wrong_hash, "x", 1), "400 PEER_ID_INVALID");
}

TEST(MessengerMethods, DifferenceComesInSlices) {
  Pair room;
  const auto count = static_cast<int64_t>(kMessengerAnswerMessagesMax) * 2 + 7;
  for (int64_t i = 1; i <= count; ++i) room.send(kAlice, room.bob, std::to_string(i), i);
  int64_t pts = 1;
  std::vector<std::string> texts;
  for (const size_t expected :
       {kMessengerAnswerMessagesMax, kMessengerAnswerMessagesMax, size_t{7}}) {
    const Object part = room.answered("updates.getDifference", {{"pts", pts}}, kBob);
    ASSERT_EQ(part.list("new_messages")->size(), expected);
    for (const Value& one : *part.list("new_messages")) {
      texts.emplace_back(std::get<Object>(one.data).text("message"));
    }
    const bool last = expected == 7;
    EXPECT_EQ(part.name, last ? "updates.difference" : "updates.differenceSlice");
    pts = part.object(last ? "state" : "intermediate_state")->number("pts");
  }
  for (int64_t i = 1; i <= count; ++i)
    EXPECT_EQ(texts[static_cast<size_t>(i - 1)], std::to_string(i));
  EXPECT_EQ(room.answered("updates.getDifference", {{"pts", pts}}, kBob).name,
            "updates.differenceEmpty");
  EXPECT_EQ(room.refused("updates.getDifference", {{"pts", 0}}, kBob),
            "400 PERSISTENT_TIMESTAMP_INVALID");
}

TEST(MessengerMethods, AFullBoxForgetsTheOldest) {
  Pair room;
  const auto count = static_cast<int64_t>(kMessengerMessagesPerUserMax) + 5;
  for (int64_t i = 1; i <= count; ++i) {
    ASSERT_TRUE(room.room.ledger.send(room.alice, room.bob, std::to_string(i), i, 1).ok());
  }
  const auto& box = room.room.ledger.messages(room.bob);
  EXPECT_EQ(box.size(), kMessengerMessagesPerUserMax);
  EXPECT_EQ(box.front().text, "6");
  const Object difference = room.answered("updates.getDifference", {{"pts", 1}}, kBob);
  EXPECT_EQ(difference.name, "updates.differenceTooLong");
  EXPECT_EQ(difference.number("pts"), count + 1);
  const std::string large(16 * 1024, 'x');
  for (int64_t i = 1; i <= 100; ++i) {
    ASSERT_TRUE(room.room.ledger.send(room.alice, room.bob, large, count + i, 1).ok());
  }
  EXPECT_LE(box.size(), kMessengerTextBytesPerUserMax / large.size());
}

TEST(MessengerMethods, HistoryIsPaged) {
  Pair room;
  for (int64_t i = 1; i <= 10; ++i) room.send(kAlice, room.bob, std::to_string(i), i);
  const auto ids = [&](std::vector<Field> fields) {
    fields.push_back({"peer", room.peer(room.bob)});
    const Object page = room.answered("messages.getHistory", std::move(fields), kAlice);
    std::vector<int64_t> found;
    for (const Value& one : *page.list("messages")) {
      found.push_back(std::get<Object>(one.data).number("id"));
    }
    return found;
  };
  using Ids = std::vector<int64_t>;
  EXPECT_EQ(ids({{"limit", 3}}), (Ids{10, 9, 8}));
  EXPECT_EQ(ids({{"limit", 2}, {"offset_id", 8}}), (Ids{7, 6}));
  EXPECT_EQ(ids({{"limit", 2}, {"offset_id", 8}, {"add_offset", -2}}), (Ids{9, 8}));
  EXPECT_EQ(ids({{"limit", 9}, {"min_id", 7}, {"max_id", 10}}), (Ids{9, 8}));
  EXPECT_EQ(ids({{"limit", 0}}), Ids{});
  EXPECT_EQ(ids({{"limit", -1}, {"add_offset", INT32_MIN}}), Ids{});
  EXPECT_EQ(ids({{"limit", 5}, {"add_offset", INT32_MAX}}), Ids{});
}

TEST(MessengerMethods, PasswordsAreAskedForAndCounted) {
  RoomBench room;
  ASSERT_EQ(add_users("15550002 Bob bob secret", "users", room.room.ledger), "");
  const auto sign_in = [&](int layer) {
    const std::string hash = room.code_hash("15550002", kBob, layer);
    return room.refused(
        "auth.signIn",
        {{"phone_number", "15550002"}, {"phone_code_hash", hash}, {"phone_code", kCode}}, kBob,
        layer);
  };
  EXPECT_EQ(room.refused("account.getPassword", {}, kBob), "401 AUTH_KEY_UNREGISTERED");
  EXPECT_EQ(sign_in(tl::kCompatLayer), "406 UPDATE_APP_TO_LOGIN");
  EXPECT_EQ(sign_in(tl::kModernLayer), "401 SESSION_PASSWORD_NEEDED");
  EXPECT_EQ(room.room.ledger.authorization(kBob), nullptr);
  // What the client should send is what the server expects; crypto/srp_test has the client's side.
  const crypto::SrpNumber value = crypto::srp_verifier(crypto::SrpSecret());
  const auto check = [&](int64_t srp_id) {
    const Object proof{"inputCheckPasswordSRP",
                       {{"srp_id", srp_id}, {"A", as_text(value)}, {"M1", std::string(32, 'x')}}};
    return room.refused("auth.checkPassword", {{"password", proof}}, kBob);
  };
  EXPECT_EQ(check(1), "400 SRP_ID_INVALID");
  for (int i = 0; i < kMessengerPasswordTriesMax; ++i) {
    const Object password = room.answered("account.getPassword", {}, kBob);
    ASSERT_EQ(password.text("srp_B").size(), 256u);
    const int64_t srp_id = password.number("srp_id");
    EXPECT_EQ(check(srp_id), "400 PASSWORD_HASH_INVALID");
    EXPECT_NE(check(srp_id), "400 PASSWORD_HASH_INVALID") << "a challenge serves for one try";
  }
  EXPECT_EQ(check(1), "420 FLOOD_WAIT_60");
  EXPECT_EQ(room.room.ledger.authorization(kBob), nullptr);
}

TEST(MessengerMethods, UsersFileNamesTheLine) {
  RoomBench room;
  EXPECT_EQ(add_users("# nobody\n\n15550001 Alice - \n", "users", room.room.ledger), "");
  EXPECT_EQ(room.room.ledger.users().size(), 1u);
  EXPECT_EQ(add_users("15550001 Other -", "users", room.room.ledger), "") << "she is there already";
  EXPECT_EQ(room.room.ledger.users().front()->first_name, "Alice");
  EXPECT_EQ(add_users("15550003 Carol carol\n15550004 Dave CAROL", "users", room.room.ledger),
            "users:2: the username is another user's");
  EXPECT_EQ(add_users("1 Eve -", "users", room.room.ledger),
            "users:1: the phone number must have 5 to 15 digits");
  EXPECT_EQ(add_users("15550005 Eve", "users", room.room.ledger),
            "users:1: expected PHONE FIRST_NAME USERNAME|- [PASSWORD]");
}

TEST(MessengerMethods, UsersAreBounded) {
  RoomBench room;
  for (size_t i = 0; i < kMessengerUsersMax; ++i) {
    User user;
    user.phone = std::to_string(10'000 + i);
    ASSERT_TRUE(room.room.ledger.add_user(std::move(user)).ok());
  }
  EXPECT_EQ(room.room.ledger.add_user({}).error(), Error::kFull);
}

}  // namespace
}  // namespace ringway::shard::messenger
