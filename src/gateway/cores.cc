#include "gateway/cores.h"

#include <sched.h>

#include <cerrno>
#include <fstream>
#include <string>

#include "base/limits.h"
#include "config/values.h"

namespace ringway::gateway {
namespace {

// As many as the configuration may name; glibc's own set ends at 1024.
class CoreSet {
 public:
  CoreSet() : set_(CPU_ALLOC(kCoreNumberMax + 1)) { CPU_ZERO_S(bytes(), set_); }
  ~CoreSet() { CPU_FREE(set_); }
  CoreSet(const CoreSet&) = delete;
  CoreSet& operator=(const CoreSet&) = delete;

  [[nodiscard]] static size_t bytes() noexcept { return CPU_ALLOC_SIZE(kCoreNumberMax + 1); }
  [[nodiscard]] cpu_set_t* get() noexcept { return set_; }
  void add(int core) noexcept { CPU_SET_S(static_cast<size_t>(core), bytes(), set_); }
  [[nodiscard]] bool has(int core) const noexcept {
    return CPU_ISSET_S(static_cast<size_t>(core), bytes(), set_) != 0;
  }

 private:
  cpu_set_t* set_;
};

}  // namespace

std::vector<int> allowed_cores() {
  CoreSet set;
  std::vector<int> cores;
  if (sched_getaffinity(0, CoreSet::bytes(), set.get()) == 0) {
    for (int core = 0; core <= kCoreNumberMax; ++core) {
      if (set.has(core)) cores.push_back(core);
    }
  }
  if (cores.empty()) cores.push_back(0);
  return cores;
}

std::vector<int> online_cores() {
  std::ifstream file("/sys/devices/system/cpu/online");
  std::string text;
  std::getline(file, text);
  auto cores = config::parse_cores(text);
  return cores && !cores->empty() ? std::move(*cores) : allowed_cores();
}

int run_on(const std::vector<int>& cores) {
  CoreSet set;
  for (const int core : cores) set.add(core);
  return sched_setaffinity(0, CoreSet::bytes(), set.get()) == 0 ? 0 : errno;
}

RunOn::RunOn(const std::vector<int>& cores) {
  if (cores.empty()) return;
  before_ = allowed_cores();
  error_ = run_on(cores);
}

RunOn::~RunOn() {
  if (!before_.empty()) (void)run_on(before_);
}

}  // namespace ringway::gateway
