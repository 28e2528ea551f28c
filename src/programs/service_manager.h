// programs/service_manager: what systemd and this process tell each other.
//
// systemd hands over sockets at start, and hears when the process is ready, reloads and stops. All
// of it does nothing where there is no systemd. Called on the main thread.
#pragma once

#include <string>
#include <vector>

#include "gateway/gateway.h"

namespace ringway::programs {

// The sockets of sd_listen_fds(3), each with its name; once, and before other threads start: the
// variables that tell of them are taken out of the environment. Empty with an `error` when they
// cannot be told.
[[nodiscard]] std::vector<net::InheritedSocket> take_inherited_sockets(std::string& error);

// For Type=notify and Type=notify-reload.
void tell_ready();
void tell_reloading();  // tell_ready() ends it
void tell_stopping();

}  // namespace ringway::programs
