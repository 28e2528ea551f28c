#include "metrics/process_use.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "base/clock.h"

namespace ringway::metrics {
namespace {

// The fields of /proc/self/stat from the third on, as proc(5) numbers them.
class StatFields {
 public:
  StatFields() {
    std::ifstream file("/proc/self/stat");
    std::string line;
    std::getline(file, line);
    // The second field is the program's name in brackets and may hold anything.
    const size_t name_end = line.rfind(')');
    if (name_end != std::string::npos) fields_.str(line.substr(name_end + 1));
  }
  // Fields are asked for in ascending order.
  uint64_t field(int number) {
    std::string text;
    for (; at_ <= number; ++at_) fields_ >> text;
    uint64_t value = 0;
    std::istringstream(text) >> value;
    return value;
  }

 private:
  std::istringstream fields_;
  int at_ = 3;
};

uint64_t count_open_files() {
  std::error_code ignored;
  uint64_t count = 0;
  for (auto entry = std::filesystem::directory_iterator("/proc/self/fd", ignored);
       entry != std::filesystem::directory_iterator(); entry.increment(ignored)) {
    ++count;
  }
  return count > 0 ? count - 1 : 0;  // one of them is this look
}

}  // namespace

ProcessUse read_process_use() {
  ProcessUse use;
  StatFields stat;
  const auto tick_hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  // Finer than the hundredths of a second of /proc.
  use.cpu_seconds = static_cast<double>(read_clock_ns(CLOCK_PROCESS_CPUTIME_ID)) / 1e9;
  use.threads = stat.field(20);
  const double age_at_boot = static_cast<double>(stat.field(22)) / tick_hz;
  use.virtual_bytes = stat.field(23);
  use.resident_bytes = stat.field(24) * static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  use.open_files = count_open_files();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) use.open_files_max = limit.rlim_cur;
  const int64_t boot_ns = read_clocks().unix_ns - read_clock_ns(CLOCK_BOOTTIME);
  use.start_unix_seconds = static_cast<double>(boot_ns) / 1e9 + age_at_boot;
  return use;
}

}  // namespace ringway::metrics
