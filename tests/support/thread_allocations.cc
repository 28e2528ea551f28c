#include "support/thread_allocations.h"

#include <execinfo.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

// glibc's own names for what is replaced below.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
}

namespace {

struct Record {
  std::atomic<int> tid{0};
  std::atomic<uint64_t> count{0};
};
constexpr size_t kThreadsMax = 4096;
constinit std::array<Record, kThreadsMax> records;
constinit std::atomic<size_t> records_used{0};
constinit thread_local Record* own_record = nullptr;

struct Place {
  std::array<void*, 24> frames{};
  int depth = 0;
};
constexpr size_t kPlacesMax = 8;
constinit std::atomic<int> watched_tid{0};
constinit std::array<Place, kPlacesMax> places;
constinit std::atomic<size_t> places_used{0};
constinit thread_local bool looking = false;

void remember_place() {
  if (looking) return;  // backtrace() may allocate
  looking = true;
  const size_t index = places_used.load();
  if (index < kPlacesMax) {
    Place& place = places[index];
    place.depth = backtrace(place.frames.data(), static_cast<int>(place.frames.size()));
    places_used.store(index + 1);
  }
  looking = false;
}

void count_allocation() {
  if (own_record == nullptr) {
    const size_t index = records_used.fetch_add(1);
    own_record = &records[std::min(index, kThreadsMax - 1)];
    own_record->tid.store(gettid());
  }
  own_record->count.fetch_add(1, std::memory_order_relaxed);
  const int watched = watched_tid.load(std::memory_order_relaxed);
  if (watched != 0 && watched == own_record->tid.load(std::memory_order_relaxed)) remember_place();
}

Record* record_of(int tid) {
  const size_t used = std::min(records_used.load(), kThreadsMax);
  for (size_t i = 0; i < used; ++i) {
    if (records[i].tid.load() == tid) return &records[i];
  }
  return nullptr;
}

}  // namespace

extern "C" {

void* malloc(size_t size) {
  count_allocation();
  return __libc_malloc(size);
}
void* calloc(size_t count, size_t size) {
  count_allocation();
  return __libc_calloc(count, size);
}
void* realloc(void* memory, size_t size) {
  count_allocation();
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  count_allocation();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }
int posix_memalign(void** out, size_t alignment, size_t size) {
  *out = memalign(alignment, size);
  return *out != nullptr ? 0 : ENOMEM;
}

}  // extern "C"

namespace ringway::testing {

ThreadAllocations::ThreadAllocations(std::string_view thread_name) : tid_(0) {
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    std::ifstream file(task.path() / "comm");
    std::string name;
    std::getline(file, name);
    if (name == thread_name) tid_ = std::stoi(task.path().filename().string());
  }
  EXPECT_NE(tid_, 0) << "no thread " << thread_name;
}

uint64_t ThreadAllocations::count() const noexcept {
  const Record* record = record_of(tid_);
  return record == nullptr ? 0 : record->count.load();
}

void ThreadAllocations::remember_places() noexcept {
  Place warm_up;  // the first backtrace() of a process loads a library
  warm_up.depth = backtrace(warm_up.frames.data(), static_cast<int>(warm_up.frames.size()));
  places_used.store(0);
  watched_tid.store(tid_);
}

void ThreadAllocations::print_places() noexcept {
  watched_tid.store(0);
  for (size_t i = 0; i < places_used.load(); ++i) {
    (void)!write(STDERR_FILENO, "allocated at:\n", 14);
    backtrace_symbols_fd(places[i].frames.data(), places[i].depth, STDERR_FILENO);
  }
}

}  // namespace ringway::testing
