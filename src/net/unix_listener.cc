#include "net/unix_listener.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/clock.h"

namespace ringway::net {
namespace {

std::string remedy(int error) {
  switch (error) {
    case ENOENT:
      return "; its directory has to be there (RuntimeDirectory= in a systemd unit makes one)";
    case EACCES:
    case EPERM:
      return "; its directory has to be writable for this user";
    case EROFS:
      return "; name a path below /run";
    default:
      return "";
  }
}

std::string describe(const std::string& path, std::string_view step, int error) {
  return fmt::format("cannot listen on unix:{}: {}: {} ({}){}", path, step, std::strerror(error),
                     strerrorname_np(error), remedy(error));
}

using AddressCall = int (*)(int, const sockaddr*, socklen_t);

int bind_or_connect(AddressCall call, int fd, const SocketAddress& address) noexcept {
  return call(fd, address.get(), address.length) == 0 ? 0 : errno;
}

// What stands at the path goes, if it is a socket that nobody listens to. Empty, or why it stays.
std::string clear_path(const std::string& path, const SocketAddress& address) {
  struct stat found {};
  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? "" : describe(path, "looking at it", errno);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return fmt::format(
        "cannot listen on unix:{}: there is a file that is no socket; remove it, or name another "
        "path",
        path);
  }
  const OwnedFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.valid()) return describe(path, "opening a socket", errno);
  const int answer = bind_or_connect(::connect, probe.get(), address);
  // Its backlog may be full, and it may be of another kind.
  if (answer == 0 || answer == EAGAIN || answer == EPROTOTYPE) {
    return fmt::format(
        "cannot listen on unix:{}: another program listens there already; stop it, or name "
        "another path",
        path);
  }
  if (answer != ECONNREFUSED) return describe(path, "asking who listens there", answer);
  return unlink(path.c_str()) == 0 ? "" : describe(path, "removing an old socket", errno);
}

bool is_same_file(const std::string& path, const struct stat& opened) noexcept {
  struct stat found {};
  return lstat(path.c_str(), &found) == 0 && found.st_dev == opened.st_dev &&
         found.st_ino == opened.st_ino;
}

// Keeps out other processes that start with the same path. The file is this user's alone: whoever
// else could open it could hold the lock, and the gateway back, for ever.
class PathLock {
 public:
  explicit PathLock(const std::string& path) : path_(path + ".lock") {}
  ~PathLock() {
    if (fd_.valid()) (void)unlink(path_.c_str());  // while nobody else has it
  }
  PathLock(const PathLock&) = delete;
  PathLock& operator=(const PathLock&) = delete;

  // Empty, or what failed: `path` is the socket's. Waits for at most kTries times kPauseNs.
  [[nodiscard]] std::string take(const std::string& path) {
    for (int tried = 0; tried < kTries; ++tried) {
      if (tried != 0) sleep_ns(kPauseNs);
      OwnedFd fd(::open(path_.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
      struct stat opened {};
      if (!fd.valid() || fstat(fd.get(), &opened) != 0) {
        return describe(path, fmt::format("opening {}", path_), errno);
      }
      if (opened.st_uid != geteuid() || !S_ISREG(opened.st_mode)) {
        return fmt::format(
            "cannot listen on unix:{}: {} is another user's; remove it, and let nobody else write "
            "to "
            "the directory",
            path, path_);
      }
      if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) continue;
      // Whoever had it may have removed it meanwhile: then the lock is of no file.
      if (!is_same_file(path_, opened)) continue;
      fd_ = std::move(fd);
      return "";
    }
    return fmt::format(
        "cannot listen on unix:{}: another process of this user has {} locked; it is starting here "
        "too, or hangs: stop it",
        path, path_);
  }

 private:
  static constexpr int kTries = 20;
  static constexpr int64_t kPauseNs = 50 * kNsPerMs;

  const std::string path_;
  OwnedFd fd_;
};

// The file is made with these permissions: setting them afterwards would follow a link that
// somebody puts in its place. The mask is the whole process's, for the time of one call.
int bind_with_mode(int fd, const SocketAddress& address, uint32_t mode) noexcept {
  const mode_t before = umask(~mode & 0777);
  const int error = bind_or_connect(::bind, fd, address);
  umask(before);
  return error;
}

}  // namespace

UnixSocketFile::UnixSocketFile(std::string path) : path_(std::move(path)) {
  struct stat found {};
  if (lstat(path_.c_str(), &found) != 0) {
    path_.clear();
    return;
  }
  device_ = found.st_dev;
  inode_ = found.st_ino;
}

UnixSocketFile::UnixSocketFile(UnixSocketFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), device_(other.device_), inode_(other.inode_) {}

UnixSocketFile& UnixSocketFile::operator=(UnixSocketFile&& other) noexcept {
  if (this != &other) {
    remove();
    path_ = std::exchange(other.path_, {});
    device_ = other.device_;
    inode_ = other.inode_;
  }
  return *this;
}

void UnixSocketFile::remove() noexcept {
  if (path_.empty()) return;
  struct stat found {};
  const bool ours = lstat(path_.c_str(), &found) == 0 && S_ISSOCK(found.st_mode) &&
                    found.st_dev == device_ && found.st_ino == inode_;
  if (ours) (void)unlink(path_.c_str());
  path_.clear();
}

UnixListenerResult open_unix_listener(const std::string& path, uint32_t mode,
                                      const ListenerOptions& options) {
  UnixListenerResult result;
  const auto fail = [&](std::string_view step) {
    result.error = describe(path, step, errno);
    return std::move(result);
  };
  const auto address = unix_socket_address(path);
  if (!address) {
    errno = ENAMETOOLONG;
    return fail("its path");
  }
  PathLock lock(path);
  result.error = lock.take(path);
  if (!result.error.empty()) return result;
  result.error = clear_path(path, *address);
  if (!result.error.empty()) return result;

  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail("opening a socket");
  if (const int error = bind_with_mode(fd.get(), *address, mode); error != 0) {
    errno = error;
    return fail("binding");
  }
  result.file = UnixSocketFile(path);
  if (::listen(fd.get(), options.backlog) != 0) return fail("listening");
  result.fd = std::move(fd);
  return result;
}

}  // namespace ringway::net
