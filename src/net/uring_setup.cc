#include "net/uring_setup.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

namespace ringway::net {
namespace {

constexpr std::string_view kNeeds = "Ringway needs Linux 6.0 or newer (6.1 for all features)";

struct FlagSet {
  unsigned flags;
  const char* text;
};

// Best first: 6.1, 6.0, 5.19.
constexpr FlagSet kFlagSets[] = {
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN, "single_issuer, defer_taskrun"},
    {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN, "single_issuer, coop_taskrun"},
    {IORING_SETUP_COOP_TASKRUN, "coop_taskrun"},
};

std::string explain_permission(const UringEnvironment& environment) {
  switch (environment.io_uring_disabled) {
    case 2:
      return "io_uring is switched off by the sysctl kernel.io_uring_disabled=2; allow it with: "
             "sysctl -w kernel.io_uring_disabled=0";
    case 1:
      return "the sysctl kernel.io_uring_disabled=1 allows io_uring only to CAP_SYS_ADMIN and to "
             "the "
             "group kernel.io_uring_group; join that group, or: sysctl -w "
             "kernel.io_uring_disabled=0";
    default:
      return "something other than kernel.io_uring_disabled forbids it: a seccomp filter "
             "(containers: "
             "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile) "
             "or a "
             "security module";
  }
}

std::string explain_cause(int error, const UringEnvironment& environment) {
  switch (error) {
    case ENOSYS:
      return fmt::format(
          "this kernel ({}) has no io_uring, or a seccomp filter hides it (containers: "
          "allow io_uring_setup, io_uring_enter and io_uring_register); {}",
          environment.kernel_release, kNeeds);
    case EINVAL:
    case EOPNOTSUPP:
      return fmt::format("this kernel ({}) lacks a feature; {}", environment.kernel_release,
                         kNeeds);
    case EPERM:
    case EACCES:
      return explain_permission(environment);
    case ENOMEM:
      return fmt::format(
          "not enough memory, or the limit of locked memory is too low "
          "(RLIMIT_MEMLOCK is {} KiB; raise it with ulimit -l, or lower RingEntries and "
          "Buffers)",
          environment.memlock_bytes / 1024);
    case EMFILE:
    case ENFILE:
      return "too many open files; raise the limit with ulimit -n";
    default:
      return fmt::format("kernel {}", environment.kernel_release);
  }
}

}  // namespace

UringEnvironment UringEnvironment::read() {
  UringEnvironment environment;
  utsname names{};
  if (uname(&names) == 0) environment.kernel_release = names.release;
  std::ifstream sysctl("/proc/sys/kernel/io_uring_disabled");
  if (!(sysctl >> environment.io_uring_disabled)) environment.io_uring_disabled = -1;
  rlimit limit{};
  if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0) environment.memlock_bytes = limit.rlim_cur;
  return environment;
}

std::string explain_uring_error(std::string_view step, int error,
                                const UringEnvironment& environment) {
  return fmt::format("cannot {}: {} ({}): {}", step, std::strerror(error), strerrorname_np(error),
                     explain_cause(error, environment));
}

int set_up_uring(io_uring& ring, unsigned entries, std::string& flags_text) {
  int error = -EINVAL;
  for (const FlagSet& set : kFlagSets) {
    io_uring_params params{};
    // Disabled at first, so that the thread which enables it becomes the single issuer. Multishot
    // operations complete without being submitted: the completion queue is larger than usual.
    params.flags = set.flags | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
                   IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE;
    params.cq_entries = entries * 4;
    error = io_uring_queue_init_params(entries, &ring, &params);
    if (error == 0) {
      flags_text = set.text;
      return 0;
    }
    if (error != -EINVAL) return error;
  }
  return error;
}

int enable_uring(io_uring& ring) {
  const long result =
      syscall(SYS_io_uring_register, ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, nullptr, 0);
  return result < 0 ? -errno : 0;
}

bool has_multishot_receive(io_uring& ring) {
  io_uring_probe* probe = io_uring_get_probe_ring(&ring);
  if (probe == nullptr) return false;
  // SEND_ZC arrived in the same release.
  const bool found = io_uring_opcode_supported(probe, IORING_OP_SEND_ZC) != 0;
  io_uring_free_probe(probe);
  return found;
}

}  // namespace ringway::net
