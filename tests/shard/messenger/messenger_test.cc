// The messenger as the shard calls it: bytes in and out, updates in order, state over restarts.
#include "shard/messenger/messenger.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>

#include "room_bench.h"

namespace ringway::shard::messenger {
namespace {

constexpr uint32_t kGetState = 0xedd4882a;     // updates.getState
constexpr uint32_t kGetSupport = 0x9cdf08cd;   // help.getSupport
constexpr uint32_t kGetUsers = 0x0d91a548;     // users.getUsers
constexpr uint32_t kSendMessage = 0x0d9d75a4;  // messages.sendMessage of layer 144
constexpr uint32_t kState = 0xa56c2a3e;        // updates.state

class Directory {
 public:
  Directory() { RW_ASSERT(mkdtemp(path_.data()) != nullptr); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  ~Directory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = testing::TempDir() + "messenger-XXXXXX";
};

Caller caller_of(int64_t key, int64_t session) {
  return {key, key, session, tl::kMiddleLayer, kStartSeconds};
}

std::string error_of(const std::optional<Messenger::Reply>& reply) {
  if (!reply.has_value()) return "not served";
  const auto* error = std::get_if<RpcError>(&*reply);
  return error == nullptr ? "" : std::to_string(error->code) + " " + error->text;
}

// Two users, 1000001 and 1000002, signed in with the keys 1 and 2.
void fill(const std::string& directory) {
  RoomBench bench(std::move(open_lmdb_store(directory).store));
  ASSERT_EQ(bench.room.ledger.load(), "");
  bench.join("15550001", "Alice", 1);
  bench.join("15550002", "Bob", 2);
}

std::unique_ptr<Messenger> open(const std::string& directory) {
  auto opened = Messenger::open({.data_dir = directory});
  EXPECT_EQ(opened.failure, "");
  return std::move(opened.messenger);
}

// To oneself: all other sessions of the user hear of it.
Bytes note(int64_t random_id) {
  Bytes arguments;
  ByteAppender out(arguments);
  out.u32(0);
  out.u32(0x7da07ec9);  // inputPeerSelf
  out.u32(0x00636202);  // "bc"
  out.i64(random_id);
  return arguments;
}

TEST(Messenger, ServesOnlyThoseWhoAreSignedIn) {
  Directory directory;
  fill(directory.path());
  const auto messenger = open(directory.path());
  EXPECT_EQ(error_of(messenger->serve(caller_of(3, 1), kGetState, {})),
            "401 AUTH_KEY_UNREGISTERED");
  EXPECT_EQ(error_of(messenger->serve(caller_of(1, 1), kGetSupport, {})), "not served");
  EXPECT_EQ(error_of(messenger->serve(caller_of(1, 1), 0x12345678, {})), "not served");
  EXPECT_EQ(error_of(messenger->serve(caller_of(1, 1), kGetUsers, {})),
            "400 INPUT_REQUEST_INVALID");
  const auto reply = messenger->serve(caller_of(1, 1), kGetState, {});
  ASSERT_EQ(error_of(reply), "");
  EXPECT_EQ(load_le<uint32_t>(std::get<Bytes>(*reply).data()), kState);
}

TEST(Messenger, StateIsThereAfterARestart) {
  Directory directory;
  fill(directory.path());
  ASSERT_EQ(error_of(open(directory.path())->serve(caller_of(1, 1), kSendMessage, note(9))), "");
  const auto messenger = open(directory.path());
  // The layer was not told again.
  Caller caller = caller_of(1, 1);
  caller.layer = 0;
  const auto reply = messenger->serve(caller, kGetState, {});
  ASSERT_EQ(error_of(reply), "");
  EXPECT_EQ(load_le<int32_t>(std::get<Bytes>(*reply).data() + 4), 2) << "pts";
  const auto again = messenger->serve(caller, kSendMessage, note(9));
  ASSERT_EQ(error_of(again), "") << "understood as layer 144";
  const auto state = messenger->serve(caller, kGetState, {});
  EXPECT_EQ(load_le<int32_t>(std::get<Bytes>(*state).data() + 4), 2) << "known by its random_id";
}

TEST(Messenger, OtherSessionsHearInOrderAndUnknownOnesAreForgotten) {
  Directory directory;
  fill(directory.path());
  const auto messenger = open(directory.path());
  messenger->session_started(caller_of(1, 11));
  messenger->session_started(caller_of(1, 12));
  messenger->session_started(caller_of(3, 13));  // nobody's
  std::vector<int64_t> heard;
  const auto deliver = [&] {
    heard.clear();
    messenger->deliver([&](const Push& push) {
      heard.push_back(push.session_id);
      return push.session_id != 12;
    });
    return heard;
  };
  ASSERT_EQ(error_of(messenger->serve(caller_of(1, 10), kSendMessage, note(1))), "");
  ASSERT_EQ(error_of(messenger->serve(caller_of(1, 10), kSendMessage, note(2))), "");
  EXPECT_EQ(deliver(), (std::vector<int64_t>{11, 12, 11, 12}));
  EXPECT_TRUE(deliver().empty());
  ASSERT_EQ(error_of(messenger->serve(caller_of(1, 10), kSendMessage, note(3))), "");
  EXPECT_EQ(deliver(), std::vector<int64_t>{11});
}

TEST(Messenger, TellsWhatIsWrongWithItsFiles) {
  Directory directory;
  EXPECT_NE(Messenger::open({.data_dir = "/proc/no/such/place"}).failure, "");
  EXPECT_EQ(Messenger::open({.users_path = directory.path() + "/none"}).failure,
            "cannot read " + directory.path() + "/none");
  const std::vector<Change> foreign = {{Bytes{1, 2, 3}, Bytes{4}}};
  ASSERT_TRUE(open_lmdb_store(directory.path()).store->commit(foreign));
  EXPECT_EQ(Messenger::open({.data_dir = directory.path()}).failure,
            directory.path() + "/messenger.mdb: an entry that is none of this program's");
}

TEST(Messenger, RecordsRefuseWhatTheyDidNotMake) {
  User user;
  user.id = 7;
  user.phone = "15550001";
  user.first_name = "Alice";
  user.password = Password{};
  const Bytes encoded = encode(user);
  const auto key = read_key(user_key(7));
  ASSERT_TRUE(key.ok());
  EXPECT_EQ(decode_user(*key, encoded)->first_name, "Alice");
  EXPECT_TRUE(decode_user(*key, encoded)->password.has_value());
  for (size_t bytes = 0; bytes < encoded.size(); ++bytes) {
    EXPECT_FALSE(decode_user(*key, ByteView(encoded).first(bytes)).ok()) << bytes;
  }
}

}  // namespace
}  // namespace ringway::shard::messenger
