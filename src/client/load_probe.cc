#include "client/load_probe.h"

#include <fmt/format.h>
#include <unistd.h>

#include <fstream>
#include <sstream>
#include <string>

#include "base/clock.h"

namespace ringway::client {
namespace {

std::string read_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

}  // namespace

std::optional<ProcessUse> read_process_use(pid_t pid) {
  const std::string line = read_line(fmt::format("/proc/{}/stat", pid));
  // The second field is the program's name in brackets and may hold anything.
  const size_t name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields(line.substr(name_end + 1));
  std::string skipped;
  for (int field = 3; field < 14; ++field) fields >> skipped;
  int64_t user_ticks = 0;
  int64_t system_ticks = 0;
  fields >> user_ticks >> system_ticks;
  for (int field = 16; field < 24; ++field) fields >> skipped;
  uint64_t resident_pages = 0;
  fields >> resident_pages;
  if (!fields) return std::nullopt;
  const int64_t tick_ns = kNsPerSecond / ::sysconf(_SC_CLK_TCK);
  return ProcessUse{(user_ticks + system_ticks) * tick_ns,
                    resident_pages * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE))};
}

ThreadUse read_thread_use(pid_t tid) {
  std::istringstream fields(read_line(fmt::format("/proc/self/task/{}/schedstat", tid)));
  ThreadUse use;
  fields >> use.cpu_ns >> use.wait_ns;
  return fields ? use : ThreadUse{};
}

pid_t current_thread() noexcept { return ::gettid(); }

}  // namespace ringway::client
