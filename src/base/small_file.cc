#include "base/small_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace ringway {
namespace {

class Fd {
 public:
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { close(); }
  [[nodiscard]] int get() const noexcept { return fd_; }
  bool close() noexcept {
    const bool good = fd_ >= 0 && ::close(fd_) == 0;
    fd_ = -1;
    return good;
  }

 private:
  int fd_;
};

Error fail(std::string& problem, std::string_view what, const std::string& path) {
  problem = fmt::format("cannot {} {}: {}", what, path, std::strerror(errno));
  return Error::kIo;
}

bool write_all(int fd, ByteView bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t written = ::write(fd, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(written));
  }
  return true;
}

bool read_all(int fd, ByteSpan bytes) noexcept {
  while (!bytes.empty()) {
    const ssize_t got = ::read(fd, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got == 0) errno = EIO;  // it became shorter meanwhile
    if (got <= 0) return false;
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
  return true;
}

// A new name is on the disk once its folder is.
void sync_folder(const std::string& path) noexcept {
  const auto folder = std::filesystem::path(path).parent_path();
  const Fd fd(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Not every file system can; the file itself is on the disk already.
  if (fd.get() >= 0) static_cast<void>(::fsync(fd.get()));
}

}  // namespace

Result<Bytes> read_small_file(const std::string& path, size_t bytes_max, FileAccess access,
                              std::string& problem) {
  // Without waiting for who would write to it, should it be a pipe.
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat info {};
  if (fd.get() < 0 || ::fstat(fd.get(), &info) != 0) {
    const bool missing = errno == ENOENT;
    fail(problem, "read", path);
    return missing ? Error::kNotFound : Error::kIo;
  }
  if (!S_ISREG(info.st_mode)) {
    problem = fmt::format("cannot read {}: it is no regular file", path);
    return Error::kIo;
  }
  if (access == FileAccess::kOwnerOnly && (info.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    problem = fmt::format("{} has mode {:04o}, so others than its owner may use it: chmod 600 {}",
                          path, info.st_mode & 07777U, path);
    return Error::kNotAllowed;
  }
  if (static_cast<uint64_t>(info.st_size) > bytes_max) {
    problem = fmt::format("{} has {} bytes: more than the {} that such a file may have", path,
                          info.st_size, bytes_max);
    return Error::kTooLarge;
  }
  Bytes bytes(static_cast<size_t>(info.st_size));
  if (!read_all(fd.get(), bytes)) return fail(problem, "read", path);
  return bytes;
}

Result<void> replace_small_file(const std::string& path, ByteView bytes, mode_t mode,
                                std::string& problem) {
  const std::string next = path + ".new";
  // What a crash left of an earlier one; its mode may be another.
  ::unlink(next.c_str());
  Fd fd(::open(next.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  bool good = fd.get() >= 0 && ::fchmod(fd.get(), mode) == 0 && write_all(fd.get(), bytes) &&
              ::fsync(fd.get()) == 0 && fd.close();
  good = good && ::rename(next.c_str(), path.c_str()) == 0;
  if (!good) {
    fail(problem, "write", path);
    ::unlink(next.c_str());
    return Error::kIo;
  }
  sync_folder(path);
  return {};
}

}  // namespace ringway
