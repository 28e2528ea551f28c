#include "base/log_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <memory>
#include <system_error>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway {
namespace {

namespace fs = std::filesystem;

constexpr mode_t kFileMode = 0640;
constexpr std::string_view kCompressed = ".gz";
constexpr std::string_view kUnfinished = ".gz.part";
constexpr size_t kDateBytes = 10;  // 2026-11-22
constexpr int kSameNameMax = 1000;
constexpr size_t kCompressSliceBytes = 64 * 1024;

std::string date_of(int64_t unix_ns) {
  const std::time_t seconds = unix_ns / kNsPerSecond;
  std::tm parts{};
  localtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday);
}

std::string stamp_of(int64_t unix_ns) {
  const std::time_t seconds = unix_ns / kNsPerSecond;
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900,
                     parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     unix_ns % kNsPerSecond / kNsPerMs);
}

// What stands before the date in the names of files that were set aside.
std::string backup_prefix(const std::string& path, const LogRotation& rotation) {
  const fs::path file(path);
  return rotation.by_size ? file.stem().string() + "-" : file.filename().string() + "-";
}

bool starts_with_date(std::string_view text) noexcept {
  if (text.size() < kDateBytes) return false;
  for (size_t i = 0; i < kDateBytes; ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? text[i] != '-' : text[i] < '0' || text[i] > '9') return false;
  }
  return true;
}

struct Backup {
  std::string path;
  std::string stamp;  // the name from the date on
};

// Oldest first.
std::vector<Backup> find_backups(const std::string& path, const LogRotation& rotation) {
  const std::string prefix = backup_prefix(path, rotation);
  std::vector<Backup> found;
  std::error_code ignored;
  fs::path directory = fs::path(path).parent_path();
  if (directory.empty()) directory = ".";
  // What cannot be read ends the list: a log never throws.
  for (fs::directory_iterator at(directory, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    const fs::directory_entry& entry = *at;
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix) || name.ends_with(kUnfinished)) continue;
    std::string stamp = name.substr(prefix.size());
    if (starts_with_date(stamp)) found.push_back({entry.path().string(), std::move(stamp)});
  }
  std::sort(found.begin(), found.end(),
            [](const Backup& a, const Backup& b) { return a.stamp < b.stamp; });
  return found;
}

using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;

// Leaves the original when anything goes wrong.
void compress(const std::string& path) {
  const std::string part = path + std::string(kUnfinished);
  const File in(std::fopen(path.c_str(), "rbe"), &std::fclose);
  if (in == nullptr) return;
  gzFile out = gzopen(part.c_str(), "wbe");
  if (out == nullptr) return;
  std::vector<char> slice(kCompressSliceBytes);
  bool good = true;
  while (good) {
    const size_t size = std::fread(slice.data(), 1, slice.size(), in.get());
    if (size == 0) break;
    good = gzwrite(out, slice.data(), static_cast<unsigned>(size)) == static_cast<int>(size);
  }
  good = std::ferror(in.get()) == 0 && good;
  good = gzclose(out) == Z_OK && good;
  if (good && std::rename(part.c_str(), (path + std::string(kCompressed)).c_str()) == 0) {
    (void)::unlink(path.c_str());
  } else {
    (void)::unlink(part.c_str());
  }
}

}  // namespace

void clean_log_backups(const std::string& path, const LogRotation& rotation, int64_t unix_ns) {
  std::vector<Backup> backups = find_backups(path, rotation);
  size_t outdated = 0;
  if (rotation.by_size && rotation.backups_max > 0 && backups.size() > rotation.backups_max) {
    outdated = backups.size() - rotation.backups_max;
  }
  if (rotation.keep_days > 0) {
    const std::string oldest = date_of(unix_ns - rotation.keep_days * 86400 * kNsPerSecond);
    while (outdated < backups.size() && backups[outdated].stamp.substr(0, kDateBytes) < oldest) {
      ++outdated;
    }
  }
  for (size_t i = 0; i < backups.size(); ++i) {
    if (i < outdated) {
      (void)::unlink(backups[i].path.c_str());
    } else if (rotation.compress && !backups[i].path.ends_with(kCompressed)) {
      compress(backups[i].path);
    }
  }
}

LogFile::LogFile(std::string path, const LogRotation& rotation)
    : path_(std::move(path)), rotation_(rotation) {}

LogFile::~LogFile() {
  close();
  if (cleaner_.joinable()) cleaner_.join();
}

void LogFile::close() noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

std::string LogFile::open() {
  std::error_code failure;
  const fs::path directory = fs::path(path_).parent_path();
  if (!directory.empty()) fs::create_directories(directory, failure);
  if (failure) return fmt::format("cannot make {}: {}", directory.string(), failure.message());
  constexpr int kFlags = O_WRONLY | O_APPEND | O_CLOEXEC;
  fd_ = ::open(path_.c_str(), kFlags | O_CREAT | O_EXCL, kFileMode);
  if (fd_ >= 0) {
    // Whatever the process's mask is by now: who reads the first file reads those after it.
    (void)::fchmod(fd_, kFileMode);
  } else if (errno == EEXIST) {
    fd_ = ::open(path_.c_str(), kFlags);
  }
  if (fd_ < 0) return fmt::format("cannot open {}: {}", path_, std::strerror(errno));
  struct stat about {};
  (void)::fstat(fd_, &about);
  regular_ = S_ISREG(about.st_mode);
  size_ = static_cast<uint64_t>(about.st_size);
  day_ = size_ == 0 ? "" : date_of(int64_t{about.st_mtim.tv_sec} * kNsPerSecond);
  return "";
}

void LogFile::reopen() {
  close();
  retry_at_ns_ = 0;
  (void)open();
}

bool LogFile::write(std::string_view line, int64_t unix_ns) {
  if (fd_ < 0) {
    if (unix_ns < retry_at_ns_) return false;
    if (!open().empty()) {
      retry_at_ns_ = unix_ns + kLogRetryNs;
      return false;
    }
  }
  if (must_rotate(line.size(), unix_ns)) {
    rotate(unix_ns);
    if (fd_ < 0) return false;
  }
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t result = ::write(fd_, line.data() + written, line.size() - written);
    if (result < 0 && errno == EINTR) continue;
    if (result <= 0) break;
    written += static_cast<size_t>(result);
  }
  if (written < line.size()) {
    struct stat about {};
    if (written > 0 && regular_ && ::fstat(fd_, &about) == 0) {
      (void)!::ftruncate(fd_, std::max<off_t>(about.st_size - static_cast<off_t>(written), 0));
    }
    return false;
  }
  size_ += written;
  if (day_.empty()) day_ = date_of(unix_ns);
  return true;
}

bool LogFile::must_rotate(size_t line_bytes, int64_t unix_ns) const {
  if (!regular_ || size_ == 0) return false;
  if (rotation_.by_size) {
    return rotation_.size_max_bytes > 0 && size_ + line_bytes > rotation_.size_max_bytes;
  }
  return day_ < date_of(unix_ns);
}

std::string LogFile::backup_path(int64_t unix_ns) const {
  const fs::path file(path_);
  const std::string name =
      backup_prefix(path_, rotation_) + (rotation_.by_size ? stamp_of(unix_ns) : day_);
  const std::string ending = rotation_.by_size ? file.extension().string() : "";
  std::string path = (file.parent_path() / (name + ending)).string();
  const auto is_there = [](const std::string& at) {
    std::error_code ignored;  // a name that cannot be looked at fails again where it is used
    return fs::exists(at, ignored);
  };
  for (int i = 1; i < kSameNameMax && (is_there(path) || is_there(path + ".gz")); ++i) {
    path = (file.parent_path() / fmt::format("{}.{}{}", name, i, ending)).string();
  }
  return path;
}

void LogFile::rotate(int64_t unix_ns) {
  const std::string backup = backup_path(unix_ns);
  close();
  if (std::rename(path_.c_str(), backup.c_str()) == 0) start_cleaning(unix_ns);
  if (!open().empty()) retry_at_ns_ = unix_ns + kLogRetryNs;
  day_ = date_of(unix_ns);  // also when the file could not be set aside: not again with each line
}

void LogFile::start_cleaning(int64_t unix_ns) {
  if (cleaner_.joinable()) cleaner_.join();
  try {
    cleaner_ = std::thread([path = path_, rotation = rotation_, unix_ns] {
      clean_log_backups(path, rotation, unix_ns);
    });
  } catch (const std::system_error&) {
    // No thread to be had: the next rotation cleans up after this one, too.
  }
}

}  // namespace ringway
