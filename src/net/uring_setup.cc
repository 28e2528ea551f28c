#include "net/uring_setup.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <span>

#include "net/uring_abi.h"

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

constexpr FlagSet kPolledFlagSets[] = {
    {IORING_SETUP_SINGLE_ISSUER, "single_issuer, submission poll"},
    {0, "submission poll"},
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

namespace {

int try_flag_sets(io_uring& ring, unsigned entries, std::span<const FlagSet> sets,
                  const io_uring_params& base, std::string& flags_text) {
  int error = -EINVAL;
  for (const FlagSet& set : sets) {
    io_uring_params params = base;
    // Disabled at first, so that the thread which enables it becomes the single issuer. Multishot
    // operations complete without being submitted: the completion queue is larger than usual.
    params.flags |= set.flags | IORING_SETUP_R_DISABLED | IORING_SETUP_SUBMIT_ALL |
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

}  // namespace

int set_up_uring(io_uring& ring, unsigned entries, std::string& flags_text) {
  return try_flag_sets(ring, entries, kFlagSets, {}, flags_text);
}

int set_up_polled_uring(io_uring& ring, unsigned entries, int core, uint32_t idle_ms,
                        std::string& flags_text) {
  io_uring_params params{};
  params.flags = IORING_SETUP_SQPOLL;
  params.sq_thread_idle = idle_ms;
  if (core >= 0) {
    params.flags |= IORING_SETUP_SQ_AFF;
    params.sq_thread_cpu = static_cast<uint32_t>(core);
  }
  return try_flag_sets(ring, entries, kPolledFlagSets, params, flags_text);
}

int register_busy_poll(io_uring& ring, uint32_t microseconds) {
  NapiSettings settings;
  settings.busy_poll_us = microseconds;
  const long result = syscall(SYS_io_uring_register, ring.ring_fd, kRegisterNapi, &settings, 1);
  return result < 0 ? -errno : 0;
}

std::string explain_submission_poll_error(int error, int core,
                                          const UringEnvironment& environment) {
  const std::string key = "Ringway.Workers.SubmissionPoll: ";
  if (error == EINVAL && core >= 0) {
    return key + fmt::format(
                     "the kernel ({}) refuses a polling thread on core {}: name a core "
                     "that this process may use (see its cpuset), on Linux 5.11 or newer",
                     environment.kernel_release, core);
  }
  return key + explain_uring_error("start a thread that polls submissions", error, environment);
}

std::string explain_busy_poll_error(int error, const UringEnvironment& environment) {
  const std::string key = "Ringway.Workers.BusyPollMicroseconds: ";
  if (error == EINVAL || error == EOPNOTSUPP) {
    return key + fmt::format(
                     "this kernel ({}) cannot busy-poll for a ring: it takes Linux 6.9 or "
                     "newer, built with CONFIG_NET_RX_BUSY_POLL; 0 turns it off",
                     environment.kernel_release);
  }
  return key + explain_uring_error("turn on busy polling", error, environment);
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
