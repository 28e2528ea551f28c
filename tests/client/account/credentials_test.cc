// A sign-in's files: what mtprotod wrote, what is written, who may read it and who may not.
#include "client/account/credentials.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/small_file.h"
#include "client/account/limits.h"

namespace ringway::client {
namespace {

namespace fs = std::filesystem;

class CredentialsFile : public ::testing::Test {
 protected:
  CredentialsFile() {
    std::string pattern = (fs::temp_directory_path() / "ringway-credentials-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    path_ = folder_ + "/credentials.json";
  }
  ~CredentialsFile() override { fs::remove_all(folder_); }

  void put(const std::string& path, std::string_view text, mode_t mode = 0600) {
    std::ofstream(path, std::ios::binary) << text;
    ::chmod(path.c_str(), mode);
  }
  static std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
  std::unique_ptr<CredentialsStore> open(std::string_view passphrase = "") {
    auto store = CredentialsStore::open(path_, SecretString(as_bytes(passphrase)), problem_);
    EXPECT_NE(store, nullptr) << problem_;
    return store;
  }
  Error load_error(std::string_view passphrase = "") {
    const auto loaded = open(passphrase)->load(problem_);
    return loaded.ok() ? Error::kNone : loaded.error();
  }

  std::string folder_;
  std::string path_;
  std::string problem_;
};

DcKey key(uint8_t fill, int64_t salt, int64_t user_id) {
  DcKey made;
  std::fill_n(made.key.data(), AuthKeyBytes::size(), fill);
  made.salt = salt;
  made.user_id = user_id;
  return made;
}

Credentials example() {
  Credentials credentials;
  credentials.phone = "+15550001";
  credentials.api_id = 12345;
  credentials.api_hash = "0123456789abcdef0123456789abcdef";
  credentials.layer = 228;
  credentials.account.main_dc = 4;
  credentials.account.host = "127.0.0.1";
  credentials.account.port = 10443;
  credentials.account.keys[4] = key(4, 0x0807060504030201, 77);
  credentials.account.keys[2] = key(2, -2, 77);
  credentials.updates = {1, 2, 3};
  return credentials;
}

// The key is 256 bytes of zero. Its id is SHA-1's last eight bytes.
std::string old_file() {
  return R"({"phone":"+15550001","api_id":12345,"api_hash":"abc","ip":"149.154.167.50","port":443,)"
         R"("salt":"AQIDBAUGBwg=","auth_key":")" +
         std::string(341, 'A') + R"(A=="})";
}

TEST_F(CredentialsFile, ReadsWhatMtprotodWrote) {
  put(path_, old_file());
  const auto loaded = open()->load(problem_);
  ASSERT_TRUE(loaded.ok()) << problem_;
  EXPECT_EQ(loaded->phone, "+15550001");
  EXPECT_EQ(loaded->api_id, 12345);
  EXPECT_EQ(loaded->account.host, "149.154.167.50");
  EXPECT_EQ(loaded->account.port, 443);
  EXPECT_EQ(loaded->account.main_dc, 2);
  ASSERT_EQ(loaded->account.keys.size(), 1u);
  const DcKey& key = loaded->account.keys.at(2);
  EXPECT_EQ(key.salt, 0x0807060504030201);
  // sha1 of 256 zero bytes: b376885ac8452b6cbf9ced81b1080bfd570d9b91
  EXPECT_EQ(static_cast<uint64_t>(key.auth_key_id), 0x919b0d57fd0b08b1u);
}

TEST_F(CredentialsFile, TheAddressSaysWhichDcIsHomeWhereNothingElseDoes) {
  const auto home_of = [this](const std::string& host) {
    std::string text = old_file();
    text.replace(text.find("149.154.167.50"), 14, host);
    put(path_, text);
    const auto loaded = open()->load(problem_);
    EXPECT_TRUE(loaded.ok()) << problem_;
    EXPECT_TRUE(loaded->account.keys.contains(loaded->account.main_dc)) << host;
    return loaded->account.main_dc;
  };
  EXPECT_EQ(home_of("149.154.175.50"), 1);
  EXPECT_EQ(home_of("149.154.167.91"), 4);
  EXPECT_EQ(home_of("149.154.175.117"), 3) << "one of those for tests";
  EXPECT_EQ(home_of("149.154.167.50"), 2) << "where mtprotod signed in";
  EXPECT_EQ(home_of("127.0.0.1"), 0) << "the server will say";
  EXPECT_EQ(home_of(""), 2) << "nothing is said, so Telegram's";
}

// It was written by who was signed in: that nobody is any more is another thing than a sign-in that
// was begun.
TEST_F(CredentialsFile, OneThatSaysNothingOfAUserStaysSo) {
  put(path_, old_file());
  Credentials loaded = *open()->load(problem_);
  EXPECT_TRUE(loaded.user_unsaid);
  ASSERT_TRUE(open()->save(loaded, problem_).ok()) << problem_;
  loaded = *open()->load(problem_);
  EXPECT_TRUE(loaded.user_unsaid);
  loaded.account.keys.at(loaded.account.main_dc).user_id = 77;
  ASSERT_TRUE(open()->save(loaded, problem_).ok()) << problem_;
  loaded = *open()->load(problem_);
  EXPECT_FALSE(loaded.user_unsaid);
  EXPECT_EQ(loaded.account.user_id(), 77);
  Credentials begun = example();
  begun.account.keys.at(begun.account.main_dc).user_id = 0;
  ASSERT_TRUE(open()->save(begun, problem_).ok()) << problem_;
  EXPECT_FALSE(open()->load(problem_)->user_unsaid);
}

TEST_F(CredentialsFile, AHomeThatIsNotKnownYetIsNotWrittenAndComesBack) {
  Credentials credentials = example();
  credentials.account.main_dc = 0;
  credentials.account.keys[0] = key(9, 5, 78);
  ASSERT_TRUE(open()->save(credentials, problem_).ok()) << problem_;
  EXPECT_EQ(text_of(path_).find("dc_id"), std::string::npos);
  const auto loaded = open()->load(problem_);
  ASSERT_TRUE(loaded.ok()) << problem_;
  EXPECT_EQ(loaded->account.main_dc, 0);
  EXPECT_EQ(loaded->account.user_id(), 78);
  EXPECT_EQ(loaded->account.keys.size(), 3U);
}

TEST_F(CredentialsFile, WritesWhatMtprotodCanRead) {
  ASSERT_TRUE(open()->save(example(), problem_).ok()) << problem_;
  const std::string text = text_of(path_);
  EXPECT_TRUE(text.starts_with(
      R"({"phone":"+15550001","api_id":12345,"api_hash":"0123456789abcdef0123456789abcdef",)"
      R"("ip":"127.0.0.1","port":10443,"salt":"AQIDBAUGBwg=","auth_key":"BAQE)"))
      << text;
  EXPECT_LT(text.size(), 4096u);
  for (const std::string& path : {path_, path_ + ".state"}) {
    struct stat info {};
    ASSERT_EQ(::stat(path.c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 07777U, 0600U) << path;
  }
}

void expect_example(const Credentials& loaded) {
  const Credentials expected = example();
  EXPECT_EQ(format_credentials(loaded), format_credentials(expected));
  EXPECT_EQ(format_credentials_state(loaded), format_credentials_state(expected));
  EXPECT_EQ(loaded.account.user_id(), 77);
}

TEST_F(CredentialsFile, ComesBackWhole) {
  ASSERT_TRUE(open()->save(example(), problem_).ok());
  const auto loaded = open()->load(problem_);
  ASSERT_TRUE(loaded.ok()) << problem_;
  expect_example(*loaded);
}

TEST_F(CredentialsFile, IsSealedWithAPassphrase) {
  ASSERT_TRUE(open("correct horse")->save(example(), problem_).ok());
  for (const std::string& path : {path_, path_ + ".state"}) {
    EXPECT_TRUE(text_of(path).starts_with("RWSEC1"));
    EXPECT_EQ(text_of(path).find("phone"), std::string::npos);
  }
  const auto loaded = open("correct horse")->load(problem_);
  ASSERT_TRUE(loaded.ok()) << problem_;
  expect_example(*loaded);
  EXPECT_EQ(load_error("wrong"), Error::kNotAllowed);
  EXPECT_NE(problem_.find("the passphrase is another one"), std::string::npos) << problem_;
  EXPECT_EQ(load_error(), Error::kNotAllowed);
  EXPECT_NE(problem_.find("a passphrase is needed"), std::string::npos) << problem_;
}

TEST_F(CredentialsFile, MayBeReadByItsOwnerOnly) {
  for (const mode_t mode : {0644, 0640, 0604, 0620}) {
    put(path_, old_file(), mode);
    EXPECT_EQ(load_error(), Error::kNotAllowed) << std::oct << mode;
    EXPECT_NE(problem_.find("chmod 600 " + path_), std::string::npos) << problem_;
  }
}

TEST_F(CredentialsFile, NamesTheFieldThatIsWrong) {
  const std::pair<std::string_view, std::string_view> changes[] = {
      {R"("port":443)", R"("port":70000)"},
      {R"("port":443)", R"("port":"443")"},
      {R"("port":443)", R"("port":1e30)"},
      {R"("port":443)", R"("port":18446744073709551615)"},
      {R"("salt":"AQIDBAUGBwg=")", R"("salt":"AQID")"},
      {R"("salt":"AQIDBAUGBwg=")", R"("sald":"")"},
      {R"("api_id":12345)", R"("api_id":null)"},
      {R"("ip":"149.154.167.50")", R"("ip":[])"},
      {R"("auth_key":"AAAA)", R"("auth_key":"AAA)"},
  };
  for (const auto& [from, to] : changes) {
    std::string text = old_file();
    text.replace(text.find(from), from.size(), to);
    put(path_, text);
    EXPECT_EQ(load_error(), Error::kMalformed) << to;
    const std::string_view field = from.substr(0, from.find(':'));
    EXPECT_NE(problem_.find(path_ + ": " + std::string(field)), std::string::npos) << problem_;
  }
  const std::string whole = old_file();
  for (size_t bytes = 0; bytes < whole.size(); bytes += 7) {
    put(path_, whole.substr(0, bytes));
    EXPECT_EQ(load_error(), Error::kMalformed) << bytes;
  }
  put(path_, std::string(5000, ' '));
  EXPECT_EQ(load_error(), Error::kTooLarge);
  EXPECT_EQ(problem_.find("AAAA"), std::string::npos) << "keys stay out of messages";
}

TEST_F(CredentialsFile, AStateThatCannotBeReadIsNoEmptyOne) {
  ASSERT_TRUE(open()->save(example(), problem_).ok());
  for (const std::string_view text :
       {"", "{}", R"({"version":2,"keys":[],"updates":""})",
        R"({"version":1,"keys":[1],"updates":""})", R"({"version":1,"keys":[],"updates":"?"})",
        R"({"version":1,"keys":[{"dc_id":3}],"updates":""})"}) {
    put(path_ + ".state", text);
    EXPECT_EQ(load_error(), Error::kMalformed) << text;
    EXPECT_NE(problem_.find(path_ + ".state: "), std::string::npos) << problem_;
  }
}

TEST_F(CredentialsFile, BelongsToOneProgramAtATime) {
  const auto first = open();
  EXPECT_EQ(CredentialsStore::open(path_, {}, problem_), nullptr);
  EXPECT_NE(problem_.find("in use by another"), std::string::npos) << problem_;
}

TEST_F(CredentialsFile, MissingIsNotWrong) { EXPECT_EQ(load_error(), Error::kNotFound); }

TEST_F(CredentialsFile, IsWrittenOnlyWhenItDiffers) {
  const auto store = open();
  ASSERT_TRUE(store->save(example(), problem_).ok());
  fs::remove(path_);
  Credentials changed = example();
  changed.updates.push_back(4);
  ASSERT_TRUE(store->save(changed, problem_).ok());
  EXPECT_FALSE(fs::exists(path_)) << "only the state had changed";
}

// Killed again and again while it writes: the file is the old one or the new one.
TEST_F(CredentialsFile, SurvivesBeingKilledWhileItIsWritten) {
  ASSERT_TRUE(open()->save(example(), problem_).ok());
  for (int round = 0; round < 20; ++round) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      std::string problem;
      const auto store = CredentialsStore::open(path_, {}, problem);
      Credentials credentials = example();
      for (int64_t salt = 0;; ++salt) {
        credentials.account.keys[4].salt = salt;
        static_cast<void>(store->save(credentials, problem));
      }
    }
    ::usleep(static_cast<useconds_t>(2000 + 500 * round));
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    const auto loaded = open()->load(problem_);
    ASSERT_TRUE(loaded.ok()) << problem_;
    EXPECT_EQ(loaded->account.user_id(), 77);
  }
}

}  // namespace
}  // namespace ringway::client
