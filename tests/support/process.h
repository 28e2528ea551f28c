// Programs under test as child processes: started with their output in a file, killed by pid when
// their owner goes, whatever became of the test.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ringway::testing {

// A directory that is removed with everything in it.
class TempDir {
 public:
  TempDir();
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

class ChildProcess {
 public:
  // Runs `arguments` (the program first, found by PATH) in `directory`; standard output and error
  // are appended to `log_path`. Fails the test when the program cannot be started.
  ChildProcess(const std::vector<std::string>& arguments, const std::string& directory,
               const std::string& log_path);
  ~ChildProcess();  // SIGKILL, and waits
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const;
  // The exit status (128 + signal when it was killed), or nothing if it still runs after the
  // timeout.
  std::optional<int> wait(int timeout_ms);
  [[nodiscard]] bool running() { return !wait(0).has_value(); }
  // Resident memory, KiB; 0 when it is gone.
  [[nodiscard]] uint64_t resident_kib() const;
  [[nodiscard]] size_t open_files() const;

 private:
  pid_t pid_ = -1;
  std::optional<int> status_;
};

// A port that nobody listened on a moment ago.
[[nodiscard]] uint16_t free_port();
[[nodiscard]] std::string read_text(const std::string& path);
void write_text(const std::string& path, const std::string& text);
// Looks every 10 ms until `found` says so; false after the timeout.
template <typename Found>
bool wait_until(Found found, int timeout_ms);
void sleep_ms(int ms);

template <typename Found>
bool wait_until(Found found, int timeout_ms) {
  for (int waited = 0; !found(); waited += 10) {
    if (waited >= timeout_ms) return false;
    sleep_ms(10);
  }
  return true;
}

}  // namespace ringway::testing
