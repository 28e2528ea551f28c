#include "proxy/tokens.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "proxy/limits.h"

namespace ringway::proxy {
namespace {

constexpr char kOne[] = "0123456789abcdef";
constexpr char kTwo[] = "fedcba9876543210";

std::string first_error(std::string_view text) {
  const auto made = Tokens::parse(text, "tokens");
  EXPECT_EQ(made.tokens, nullptr) << text;
  return made.errors.empty() ? "none" : made.errors.front();
}

TEST(Tokens, LinesBecomeClients) {
  const std::string text = std::string("# who may call\n\n  ") + kOne +
                           "\treader  allow=help.*,users.getUsers deny=help.getConfig\r\n" + kTwo +
                           " admin sessions=main,second allow=*,auth.logOut";
  const auto made = Tokens::parse(text, "tokens");
  ASSERT_NE(made.tokens, nullptr);
  EXPECT_EQ(made.tokens->size(), 2U);
  const Client* reader = made.tokens->find(kOne);
  ASSERT_NE(reader, nullptr);
  EXPECT_EQ(reader->name, "reader");
  EXPECT_TRUE(reader->access.allows_method("help.getNearestDc"));
  EXPECT_TRUE(reader->access.allows_method("users.getUsers"));
  EXPECT_FALSE(reader->access.allows_method("users.getFullUser"));
  EXPECT_FALSE(reader->access.allows_method("help.getConfig"));
  EXPECT_TRUE(reader->access.allows_session("anything"));
  const Client* admin = made.tokens->find(kTwo);
  ASSERT_NE(admin, nullptr);
  EXPECT_TRUE(admin->access.allows_method("auth.logOut"));
  EXPECT_FALSE(admin->access.allows_method("account.deleteAccount"));
  EXPECT_TRUE(admin->access.allows_session("second"));
  EXPECT_FALSE(admin->access.allows_session("third"));
  EXPECT_EQ(made.tokens->find("0123456789abcdeF"), nullptr);
  EXPECT_EQ(made.tokens->find("0123456789abcde"), nullptr);
  EXPECT_EQ(made.tokens->find(""), nullptr);
}

TEST(Tokens, DangerousMethodsNeedTheirName) {
  for (const std::string_view method : kDangerousMethods) {
    Access access;
    EXPECT_FALSE(access.allows_method(method));
    access.allow = {"*"};
    EXPECT_FALSE(access.allows_method(method));
    access.allow.emplace_back(method);
    EXPECT_TRUE(access.allows_method(method));
    access.deny = {"*." + std::string(method.substr(method.find('.') + 1))};
    EXPECT_FALSE(access.allows_method(method));
  }
}

TEST(Tokens, ErrorsNameTheLineAndTheFix) {
  const std::string one(kOne);
  EXPECT_EQ(first_error("\n\nshort name").substr(0, 9), "tokens:3:");
  EXPECT_NE(first_error("short name").find("openssl rand"), std::string::npos);
  EXPECT_NE(first_error(one).find("its name"), std::string::npos);
  EXPECT_NE(first_error(one + " na/me").find("its name"), std::string::npos);
  EXPECT_NE(first_error(one + " name may=all").find("allow=..."), std::string::npos);
  EXPECT_NE(first_error(one + " name allow").find("allow=..."), std::string::npos);
  EXPECT_NE(first_error(one + " name allow=").find("allow="), std::string::npos);
  EXPECT_NE(first_error(one + " name allow=a,,b").find("commas"), std::string::npos);
  EXPECT_NE(first_error(one + " name sessions=*").find("sessions="), std::string::npos);
  EXPECT_NE(first_error(one + " name deny=a deny=b").find("twice"), std::string::npos);
  EXPECT_NE(first_error(one + " name\n" + one + " other").find("that of name"), std::string::npos);
  EXPECT_NE(first_error(one + " name\n" + kTwo + " name").find("is taken"), std::string::npos);
  EXPECT_NE(first_error("# nothing\n").find("no tokens"), std::string::npos);
  // The token itself is never shown.
  EXPECT_EQ(first_error(one + " na/me").find(one), std::string::npos);
}

TEST(Tokens, TooManyAreRefused) {
  std::string text;
  for (size_t i = 0; i <= kTokensMax; ++i) {
    text += std::string(kOne) + std::to_string(i) + " n" + std::to_string(i) + '\n';
  }
  EXPECT_NE(first_error(text).find("more than"), std::string::npos);
}

TEST(Tokens, SuccessorHasTheSameToken) {
  const std::string one(kOne);
  const auto before = Tokens::parse(one + " name", "tokens").tokens;
  const Client& client = *before->find(kOne);
  const auto renamed = Tokens::parse(one + " other deny=*", "tokens").tokens;
  ASSERT_NE(renamed->successor_of(client), nullptr);
  EXPECT_EQ(renamed->successor_of(client)->name, "other");
  // Its name with another token is somebody else.
  const auto rotated = Tokens::parse(std::string(kTwo) + " name", "tokens").tokens;
  EXPECT_EQ(rotated->successor_of(client), nullptr);
}

TEST(Tokens, PlainNames) {
  EXPECT_TRUE(is_plain_name("a.B_9-"));
  EXPECT_TRUE(is_plain_name(std::string(kTokenNameBytesMax, 'a')));
  EXPECT_FALSE(is_plain_name(std::string(kTokenNameBytesMax + 1, 'a')));
  for (const char* bad : {"", "a b", "a/b", "a\n", "a\"", "\xc3\xa9"}) {
    EXPECT_FALSE(is_plain_name(bad)) << bad;
  }
}

TEST(Tokens, BearerOfAHeader) {
  EXPECT_EQ(Tokens::bearer("Bearer abc"), "abc");
  EXPECT_EQ(Tokens::bearer("bEARER   abc"), "abc");
  EXPECT_EQ(Tokens::bearer("Basic abc"), "");
  EXPECT_EQ(Tokens::bearer("Bearer"), "");
  EXPECT_EQ(Tokens::bearer("Bearer "), "");
  EXPECT_EQ(Tokens::bearer(""), "");
}

TEST(Tokens, FilesOfOthersAreRefused) {
  std::string path = ::testing::TempDir() + "tokens_XXXXXX";
  const int fd = mkstemp(path.data());
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(path) << kOne << " name\n";
  ASSERT_EQ(chmod(path.c_str(), 0600), 0);
  EXPECT_NE(Tokens::load(path).tokens, nullptr);
  for (const mode_t mode : {0640, 0604, 0620}) {
    ASSERT_EQ(chmod(path.c_str(), mode), 0);
    const auto made = Tokens::load(path);
    EXPECT_EQ(made.tokens, nullptr);
    ASSERT_EQ(made.errors.size(), 1U);
    EXPECT_NE(made.errors[0].find("chmod 600"), std::string::npos);
  }
  ASSERT_EQ(unlink(path.c_str()), 0);
  EXPECT_NE(Tokens::load(path).errors.at(0).find(path), std::string::npos);
  // Whose other end nobody has opened: nothing waits for it.
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  EXPECT_NE(Tokens::load(path).errors.at(0).find(path), std::string::npos);
  ASSERT_EQ(unlink(path.c_str()), 0);
}

TEST(Access, Globs) {
  EXPECT_TRUE(glob_matches("*", ""));
  EXPECT_TRUE(glob_matches("messages.*", "messages.sendMessage"));
  EXPECT_FALSE(glob_matches("messages.*", "message.sendMessage"));
  EXPECT_TRUE(glob_matches("*.get*s", "users.getUsers"));
  EXPECT_FALSE(glob_matches("*.get*s", "users.getUser"));
  EXPECT_TRUE(glob_matches("a*b*c", "aXbXbXc"));
  EXPECT_FALSE(glob_matches("", "a"));
  EXPECT_TRUE(glob_matches("", ""));
  EXPECT_FALSE(glob_matches(std::string(30, '*') + "b", std::string(1000, 'a')));
}

}  // namespace
}  // namespace ringway::proxy
