// gateway/cores: which cores there are, and which of them a thread runs on.
//
// A thread inherits the cores of the one that starts it. So threads that a library starts are put
// in their place by starting them under a RunOn.
#pragma once

#include <vector>

namespace ringway::gateway {

// What the scheduler lets the calling thread use, ascending; never empty.
[[nodiscard]] std::vector<int> allowed_cores();
// What the machine has in operation, ascending.
[[nodiscard]] std::vector<int> online_cores();
// The calling thread, from now on. 0 or an errno.
[[nodiscard]] int run_on(const std::vector<int>& cores);

// The calling thread runs on these cores for as long as this lives; no core changes nothing.
class RunOn {
 public:
  explicit RunOn(const std::vector<int>& cores);
  ~RunOn();
  RunOn(const RunOn&) = delete;
  RunOn& operator=(const RunOn&) = delete;

  [[nodiscard]] int error() const noexcept { return error_; }  // an errno, or 0

 private:
  std::vector<int> before_;
  int error_ = 0;
};

}  // namespace ringway::gateway
