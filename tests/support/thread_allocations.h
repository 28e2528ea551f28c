// What a thread takes from the heap. Linking this replaces malloc and its kin in the whole program,
// libraries included; each thread counts for itself.
#pragma once

#include <cstdint>
#include <string_view>

namespace ringway::testing {

class ThreadAllocations {
 public:
  // The thread of this process that has this name (pthread_setname_np). There must be one.
  explicit ThreadAllocations(std::string_view thread_name);

  // Since the thread began.
  [[nodiscard]] uint64_t count() const noexcept;
  // From here on the first few places that allocate are remembered; print_places() writes them to
  // standard error. One object at a time.
  void remember_places() noexcept;
  void print_places() noexcept;

 private:
  int tid_;
};

}  // namespace ringway::testing
