#include "programs/service_manager.h"

#include <fmt/format.h>
#include <systemd/sd-daemon.h>

#include <cstdlib>
#include <cstring>

#include "base/clock.h"

namespace ringway::programs {
namespace {

constexpr int kUnsetEnvironment = 1;
constexpr int kKeepEnvironment = 0;

// A service manager that does not listen is no reason to stop.
void tell(const std::string& state) { (void)sd_notify(kKeepEnvironment, state.c_str()); }

}  // namespace

std::vector<net::InheritedSocket> take_inherited_sockets(std::string& error) {
  char** names = nullptr;
  const int count = sd_listen_fds_with_names(kUnsetEnvironment, &names);
  if (count < 0) {
    error =
        fmt::format("the sockets that systemd hands over (LISTEN_FDS): {}", std::strerror(-count));
    return {};
  }
  std::vector<net::InheritedSocket> sockets;
  for (int i = 0; i < count; ++i) {
    sockets.push_back({net::OwnedFd(SD_LISTEN_FDS_START + i), names[i]});
    std::free(names[i]);
  }
  std::free(names);
  return sockets;
}

void tell_ready() { tell("READY=1"); }

void tell_reloading() {
  tell(fmt::format("RELOADING=1\nMONOTONIC_USEC={}", read_clocks().mono_ns / 1000));
}

void tell_stopping() { tell("STOPPING=1"); }

}  // namespace ringway::programs
