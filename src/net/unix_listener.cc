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

std::string directory_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
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
  if (answer == EACCES) return describe(path, "asking who listens there", answer);
  if (answer != ECONNREFUSED) {
    return fmt::format(
        "cannot listen on unix:{}: another program listens there already; stop it, or name "
        "another path",
        path);
  }
  return unlink(path.c_str()) == 0 ? "" : describe(path, "removing an old socket", errno);
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
  const OwnedFd directory(::open(directory_of(path).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.valid()) return fail("opening its directory");
  // Never waits: whoever holds it is starting here just now, or is a stranger who could hold it for
  // ever.
  if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0) return fail("locking its directory");
  result.error = clear_path(path, *address);
  if (!result.error.empty()) return result;

  OwnedFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return fail("opening a socket");
  if (const int error = bind_or_connect(::bind, fd.get(), *address); error != 0) {
    errno = error;
    return fail("binding");
  }
  result.file = UnixSocketFile(path);
  // Until it listens nobody gets in, whatever the permissions were in between.
  if (chmod(path.c_str(), mode) != 0) return fail("setting its permissions");
  if (::listen(fd.get(), options.backlog) != 0) return fail("listening");
  result.fd = std::move(fd);
  return result;
}

}  // namespace ringway::net
