// Tells ThreadSanitizer what Debian's gRPC, which is not built for it, guarantees: what a thread
// did before it started an operation has happened when the operation's completion is told, on
// whatever thread.
//
// The functions below stand before gRPC's own of the same names and call them. Linked into test
// programs of the thread sanitizer's build only; there it takes the place of suppressions, which
// would have to name our own callbacks.
#include <dlfcn.h>
#include <grpc/grpc.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

extern "C" {
void __tsan_acquire(void* address);
void __tsan_release(void* address);
}

namespace {

// For what reads and writes gRPC's own objects, which the sanitizer would take for ours.
#define UNSEEN __attribute__((no_sanitize("thread")))

using Functor = grpc_completion_queue_functor;
using Run = void (*)(Functor*, int);

[[noreturn]] void die(const char* what) {
  std::fprintf(stderr, "grpc_happens_before: %s\n", what);
  std::abort();
}

template <typename Function>
Function* real(const char* name) {
  void* found = dlsym(RTLD_NEXT, name);
  if (found == nullptr) die(name);
  return reinterpret_cast<Function*>(found);
}

// A tag is a functor on a callback queue and any object on others. A functor begins with the
// address of code, an object with that of its table of virtual functions.
bool is_code(const void* address) {
  struct Range {
    uintptr_t begin, end;
  };
  static const std::vector<Range> code = [] {
    std::vector<Range> ranges;
    std::FILE* maps = std::fopen("/proc/self/maps", "re");
    if (maps == nullptr) die("/proc/self/maps");
    char line[512];
    while (std::fgets(line, sizeof line, maps) != nullptr) {
      unsigned long begin = 0;
      unsigned long end = 0;
      char rights[5] = {};
      if (std::sscanf(line, "%lx-%lx %4s", &begin, &end, rights) == 3 && rights[2] == 'x') {
        ranges.push_back({begin, end});
      }
    }
    std::fclose(maps);
    return ranges;
  }();
  const auto at = reinterpret_cast<uintptr_t>(address);
  for (const Range& range : code) {
    if (at >= range.begin && at < range.end) return true;
  }
  return false;
}

// gRPC has a handful of functions that run functors; each gets a stand-in that knows it.
constexpr size_t kRunsMax = 32;
std::array<std::atomic<Run>, kRunsMax> g_runs{};

template <size_t kIndex>
UNSEEN void run_after(Functor* functor, int ok) {
  __tsan_acquire(functor);
  const Run run = g_runs[kIndex].load(std::memory_order_relaxed);
  functor->functor_run = run;
  run(functor, ok);
}

template <size_t... kIndex>
constexpr std::array<Run, kRunsMax> make_stand_ins(std::index_sequence<kIndex...>) {
  return {run_after<kIndex>...};
}
constexpr std::array<Run, kRunsMax> kStandIns =
    make_stand_ins(std::make_index_sequence<kRunsMax>());

Run stand_in_for(Run run) {
  for (size_t i = 0; i < kRunsMax; ++i) {
    if (kStandIns[i] == run) return run;
    Run known = nullptr;
    if (g_runs[i].compare_exchange_strong(known, run, std::memory_order_relaxed) || known == run) {
      return kStandIns[i];
    }
  }
  die("too many kinds of functors");
}

UNSEEN void started(void* tag) {
  if (tag == nullptr) return;
  const Run run = static_cast<Functor*>(tag)->functor_run;
  if (is_code(reinterpret_cast<const void*>(run))) {
    static_cast<Functor*>(tag)->functor_run = stand_in_for(run);
  }
  __tsan_release(tag);
}

grpc_event told(grpc_event event) {
  if (event.type == GRPC_OP_COMPLETE && event.tag != nullptr) __tsan_acquire(event.tag);
  return event;
}

// What gRPC's executor is given to run, as far as it matters here: grpc_closure of gRPC 1.51.
struct Closure {
  void* next;
  void (*run)(void* argument, void* status);
  void* argument;
};

struct HandedOver {
  Closure* closure;
  void (*run)(void* argument, void* status);
  void* argument;
};

UNSEEN void run_handed_over(void* argument, void* status) {
  __tsan_acquire(argument);
  auto* handed = static_cast<HandedOver*>(argument);
  const HandedOver what = *handed;
  delete handed;
  what.closure->run = what.run;
  what.closure->argument = what.argument;
  what.run(what.argument, status);
}

}  // namespace

// grpc_core::Executor::Run(grpc_closure*, absl::Status, ExecutorType, ExecutorJobType), by which
// the last callback of a reactor gets to its thread. A status is no trivial type: its address is
// what is passed.
void executor_run(void* closure, void* status, int type, int job) asm(
    "_ZN9grpc_core8Executor3RunEP12grpc_closureN4absl7debian36StatusENS_12ExecutorTypeENS_"
    "15ExecutorJobTypeE");
UNSEEN void executor_run(void* given, void* status, int type, int job) {
  auto* closure = static_cast<Closure*>(given);
  static auto* const next = real<void(Closure*, void*, int, int)>(
      "_ZN9grpc_core8Executor3RunEP12grpc_closureN4absl7debian36StatusENS_12ExecutorTypeENS_"
      "15ExecutorJobTypeE");
  auto* handed = new HandedOver{closure, closure->run, closure->argument};
  closure->run = run_handed_over;
  closure->argument = handed;
  __tsan_release(handed);
  next(closure, status, type, job);
}

// grpc::internal::ServerCallbackCall counts what must have happened before its reactor's OnCancel
// and OnDone. The sanitizer sees those who count down in headers, and not those who do in the
// library, so the last one takes over here from all of them: the counters lie behind the table of
// virtual functions.
void call_on_cancel(char* call, void* reactor) asm(
    "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE");
void call_on_cancel(char* call, void* reactor) {
  static auto* const next = real<void(char*, void*)>(
      "_ZN4grpc8internal18ServerCallbackCall12CallOnCancelEPNS0_13ServerReactorE");
  __tsan_acquire(call + sizeof(void*));
  next(call, reactor);
}

void schedule_on_done(char* call, bool is_inline) asm(
    "_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
void schedule_on_done(char* call, bool is_inline) {
  static auto* const next =
      real<void(char*, bool)>("_ZN4grpc8internal18ServerCallbackCall14ScheduleOnDoneEb");
  __tsan_acquire(call + sizeof(void*) + sizeof(int));
  next(call, is_inline);
}

// absl::Mutex::Lock() and Unlock(), by which gRPC's headers guard what a reactor is told before the
// call is bound to it: made in a library that the sanitizer does not look into.
void mutex_lock(void* mutex) asm("_ZN4absl7debian35Mutex4LockEv");
void mutex_lock(void* mutex) {
  static auto* const next = real<void(void*)>("_ZN4absl7debian35Mutex4LockEv");
  next(mutex);
  __tsan_acquire(mutex);
}

void mutex_unlock(void* mutex) asm("_ZN4absl7debian35Mutex6UnlockEv");
void mutex_unlock(void* mutex) {
  static auto* const next = real<void(void*)>("_ZN4absl7debian35Mutex6UnlockEv");
  __tsan_release(mutex);
  next(mutex);
}

extern "C" {

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t nops, void* tag,
                                      void* reserved) {
  static auto* const next = real<decltype(grpc_call_start_batch)>("grpc_call_start_batch");
  started(tag);
  return next(call, ops, nops, tag, reserved);
}

grpc_call_error grpc_server_request_call(grpc_server* server, grpc_call** call,
                                         grpc_call_details* details,
                                         grpc_metadata_array* request_metadata,
                                         grpc_completion_queue* cq_bound_to_call,
                                         grpc_completion_queue* cq_for_notification,
                                         void* tag_new) {
  static auto* const next = real<decltype(grpc_server_request_call)>("grpc_server_request_call");
  started(tag_new);
  return next(server, call, details, request_metadata, cq_bound_to_call, cq_for_notification,
              tag_new);
}

grpc_call_error grpc_server_request_registered_call(grpc_server* server, void* registered_method,
                                                    grpc_call** call, gpr_timespec* deadline,
                                                    grpc_metadata_array* request_metadata,
                                                    grpc_byte_buffer** optional_payload,
                                                    grpc_completion_queue* cq_bound_to_call,
                                                    grpc_completion_queue* cq_for_notification,
                                                    void* tag_new) {
  static auto* const next =
      real<decltype(grpc_server_request_registered_call)>("grpc_server_request_registered_call");
  started(tag_new);
  return next(server, registered_method, call, deadline, request_metadata, optional_payload,
              cq_bound_to_call, cq_for_notification, tag_new);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* cq, gpr_timespec deadline,
                                      void* reserved) {
  static auto* const next =
      real<decltype(grpc_completion_queue_next)>("grpc_completion_queue_next");
  return told(next(cq, deadline, reserved));
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* cq, void* tag, gpr_timespec deadline,
                                       void* reserved) {
  static auto* const next =
      real<decltype(grpc_completion_queue_pluck)>("grpc_completion_queue_pluck");
  return told(next(cq, tag, deadline, reserved));
}

}  // extern "C"
