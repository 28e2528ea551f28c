// base/log_file: the file that lines go to, set aside by day or by size.
//
// Owned by the log's thread (or a test's). It reads no clock: every line brings its time. A file
// that is set aside keeps its directory and gets a name that sorts by age, as go-zero has it:
//
//   daily    ringway.log -> ringway.log-2026-11-22 (the day of its lines, local time)
//   by size  ringway.log -> ringway-2026-11-22T13:01:51.123Z.log (when it was full, UTC)
//
// and ".gz" behind it once it is compressed. Compressing and deleting happen on a thread of their
// own, at most one at a time, joined before the next one and at the end. A line that the disk does
// not take is lost as a whole: no half line stays behind.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <thread>

#include "base/log.h"

namespace ringway {

class LogFile {
 public:
  LogFile(std::string path, const LogRotation& rotation);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Opens the file and makes its directory. Empty, or what is wrong.
  [[nodiscard]] std::string open();
  // Lets the file go, which somebody may have moved away, and opens the path again; what goes wrong
  // with that the next write tells.
  void reopen();
  // A whole line with its end. False when it was not written; a file that cannot be opened or
  // written is tried again after kLogRetryNs.
  [[nodiscard]] bool write(std::string_view line, int64_t unix_ns);

 private:
  [[nodiscard]] bool must_rotate(size_t line_bytes, int64_t unix_ns) const;
  void rotate(int64_t unix_ns);
  [[nodiscard]] std::string backup_path(int64_t unix_ns) const;
  void start_cleaning(int64_t unix_ns);
  void close() noexcept;

  const std::string path_;
  const LogRotation rotation_;
  int fd_ = -1;
  bool regular_ = false;  // a pipe or a device is never set aside
  uint64_t size_ = 0;
  std::string day_;  // of the lines in the file, local time
  int64_t retry_at_ns_ = 0;
  std::thread cleaner_;
};

// What cleaning does, for its thread and for tests: compresses the files that were set aside, if
// that is wanted, and deletes those that are too many or too old.
void clean_log_backups(const std::string& path, const LogRotation& rotation, int64_t unix_ns);

}  // namespace ringway
