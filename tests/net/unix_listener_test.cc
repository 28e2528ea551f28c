// Unix sockets and inherited ones: what is taken, what is left alone, and what is said of it.
#include "net/unix_listener.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "net/inherited_socket.h"

namespace ringway::net {
namespace {

using ::testing::HasSubstr;

class UnixListenerTest : public ::testing::Test {
 protected:
  UnixListenerTest() {
    char name[] = "/tmp/ringway-unix-XXXXXX";
    directory_ = mkdtemp(name);
    path_ = directory_ + "/s";
  }
  ~UnixListenerTest() override { std::filesystem::remove_all(directory_); }

  // Bound, and nobody listens.
  [[nodiscard]] OwnedFd bind_there(int type = SOCK_STREAM) const {
    OwnedFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    const auto address = unix_socket_address(path_);
    EXPECT_EQ(::bind(fd.get(), address->get(), address->length), 0);
    return fd;
  }
  [[nodiscard]] bool can_connect() const {
    const OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto address = unix_socket_address(path_);
    return ::connect(fd.get(), address->get(), address->length) == 0;
  }
  [[nodiscard]] bool is_there() const { return std::filesystem::exists(path_); }

  std::string directory_;
  std::string path_;
};

TEST_F(UnixListenerTest, ListensWithItsModeAndLeavesNothingBehind) {
  for (const uint32_t mode : {0600U, 0660U, 0666U}) {
    UnixListenerResult opened = open_unix_listener(path_, mode, {});
    ASSERT_TRUE(opened.fd.valid()) << opened.error;
    struct stat found {};
    ASSERT_EQ(stat(path_.c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 07777, mode);
    EXPECT_TRUE(can_connect());
    opened.file.remove();
    EXPECT_FALSE(is_there());
  }
}

TEST_F(UnixListenerTest, ReplacesWhatADeadProcessLeft) {
  (void)bind_there();
  ASSERT_TRUE(is_there());
  const UnixListenerResult opened = open_unix_listener(path_, 0600, {});
  EXPECT_TRUE(opened.fd.valid()) << opened.error;
  EXPECT_TRUE(can_connect());
}

TEST_F(UnixListenerTest, LeavesALivingSocketAlone) {
  const UnixListenerResult first = open_unix_listener(path_, 0600, {});
  ASSERT_TRUE(first.fd.valid()) << first.error;
  {
    const UnixListenerResult second = open_unix_listener(path_, 0600, {});
    EXPECT_FALSE(second.fd.valid());
    EXPECT_THAT(second.error, HasSubstr("another program listens there already"));
  }
  EXPECT_TRUE(can_connect());
}

TEST_F(UnixListenerTest, LeavesOtherFilesAlone) {
  std::ofstream(path_) << "precious";
  const UnixListenerResult opened = open_unix_listener(path_, 0600, {});
  EXPECT_FALSE(opened.fd.valid());
  EXPECT_THAT(opened.error, HasSubstr("there is a file that is no socket"));
  EXPECT_EQ(std::filesystem::file_size(path_), 8U);
  std::filesystem::remove(path_);
  std::filesystem::create_symlink(directory_ + "/elsewhere", path_);
  EXPECT_THAT(open_unix_listener(path_, 0600, {}).error, HasSubstr("no socket"));
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_THAT(open_unix_listener(path_, 0600, {}).error, HasSubstr("no socket"));
}

TEST_F(UnixListenerTest, RemovesWhatIsItsOwnAlone) {
  UnixListenerResult opened = open_unix_listener(path_, 0600, {});
  ASSERT_TRUE(opened.fd.valid());
  std::filesystem::remove(path_);
  const OwnedFd other = bind_there();
  opened.file.remove();
  EXPECT_TRUE(is_there());
}

TEST_F(UnixListenerTest, MovesWithItsOwner) {
  UnixListenerResult opened = open_unix_listener(path_, 0600, {});
  {
    UnixSocketFile file = std::move(opened.file);
    opened.file.remove();
    EXPECT_TRUE(is_there());
    UnixSocketFile last;
    last = std::move(file);
    EXPECT_TRUE(is_there());
  }
  EXPECT_FALSE(is_there());
}

TEST_F(UnixListenerTest, SaysWhatToDoAboutIt) {
  EXPECT_THAT(open_unix_listener(directory_ + "/nowhere/s", 0600, {}).error,
              HasSubstr("No such file or directory (ENOENT); its directory has to be there"));
  EXPECT_THAT(open_unix_listener(std::string(200, 'x'), 0600, {}).error, HasSubstr("its path"));
}

// Any user may open the directory and lock it.
TEST_F(UnixListenerTest, NobodyElsesLockHoldsItUp) {
  const OwnedFd locked(::open(directory_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(flock(locked.get(), LOCK_EX), 0);
  const UnixListenerResult opened = open_unix_listener(path_, 0600, {});
  EXPECT_TRUE(opened.fd.valid()) << opened.error;
  EXPECT_FALSE(std::filesystem::exists(path_ + ".lock")) << "it is gone with the call";
}

TEST_F(UnixListenerTest, WhoStartsThereAtTheSameTimeGoesFirst) {
  const std::string lock = path_ + ".lock";
  OwnedFd locked(::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  ASSERT_EQ(flock(locked.get(), LOCK_EX), 0);
  EXPECT_THAT(open_unix_listener(path_, 0600, {}).error,
              HasSubstr("another process of this user has " + lock + " locked"));
  EXPECT_FALSE(is_there());
  locked.reset();
  EXPECT_TRUE(open_unix_listener(path_, 0600, {}).fd.valid()) << "a lock that was left is nobody's";
}

TEST_F(UnixListenerTest, TheLockFollowsNoLink) {
  std::ofstream(directory_ + "/precious") << "precious";
  std::filesystem::create_symlink(directory_ + "/precious", path_ + ".lock");
  EXPECT_THAT(open_unix_listener(path_, 0600, {}).error, HasSubstr("(ELOOP)"));
  EXPECT_EQ(std::filesystem::file_size(directory_ + "/precious"), 8U);
}

TEST_F(UnixListenerTest, TheModeIsWholeFromTheStartWhateverTheUmask) {
  const mode_t before = umask(0777);
  const UnixListenerResult opened = open_unix_listener(path_, 0666, {});
  EXPECT_EQ(umask(before), 0777U) << "it is as it was";
  ASSERT_TRUE(opened.fd.valid()) << opened.error;
  EXPECT_EQ(std::filesystem::status(path_).permissions(), std::filesystem::perms{0666});
}

InheritedSocket handed(OwnedFd fd) { return {std::move(fd), "name"}; }

TEST_F(UnixListenerTest, InheritedSocketsAreLookedAt) {
  UnixListenerResult opened = open_unix_listener(path_, 0600, {});
  const InheritedSocket socket = handed(std::move(opened.fd));
  const InheritedPlace place = look_at(socket);
  EXPECT_EQ(place.error, "");
  EXPECT_EQ(place.unix_path, path_);
  EXPECT_EQ(place.to_string(), "unix:" + path_);
  EXPECT_FALSE(is_at(place, *parse_socket_address("127.0.0.1:1")));
  EXPECT_EQ(prepare(socket, place, {}), "");
  EXPECT_NE(fcntl(socket.fd.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(InheritedSocket, IsAtItsAddressAlone) {
  for (const std::string_view text : {"127.0.0.1:0", "[::1]:0", "*:0", "0.0.0.0:0", "[::]:0"}) {
    ListenerResult opened = open_listener(*parse_socket_address(text), {});
    ASSERT_TRUE(opened.fd.valid()) << opened.error;
    const InheritedPlace place = look_at(handed(std::move(opened.fd)));
    EXPECT_EQ(place.error, "");
    EXPECT_EQ(place.to_string(), opened.address.to_string());
    for (const std::string_view other : {"127.0.0.1:0", "[::1]:0", "*:0", "0.0.0.0:0", "[::]:0"}) {
      SocketAddress configured = *parse_socket_address(other);
      EXPECT_FALSE(is_at(place, configured)) << "port 0 is another port each time";
      configured.set_port(opened.address.port());
      EXPECT_EQ(is_at(place, configured), text == other) << text << " and " << other;
    }
  }
}

TEST_F(UnixListenerTest, WhatCannotBeAcceptedFromIsRefused) {
  EXPECT_THAT(look_at(handed(bind_there())).error, HasSubstr("it does not listen"));
  std::filesystem::remove(path_);
  EXPECT_THAT(look_at(handed(bind_there(SOCK_DGRAM))).error, HasSubstr("no stream socket"));
  OwnedFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(look_at(handed(std::move(file))).error, "it is no socket");
  EXPECT_EQ(look_at(handed(OwnedFd())).error, "it is no socket");
}

}  // namespace
}  // namespace ringway::net
