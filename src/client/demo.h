// client/demo: one client's visit to a gateway, told step by step.
//
// It connects, makes a key, pings, sends a message that is acknowledged quickly, and asks for the
// configuration. Every step is one line with the time it took. Synchronous; the caller's thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "client/load_options.h"

namespace ringway::client {

struct DemoReport {
  std::string failure;       // empty: every step succeeded; else which did not, and why
  uint64_t fingerprint = 0;  // of the server's RSA key
  int64_t auth_key_id = 0;
};

// Uses address, server_keys, padding and transport of `options`. `say` gets one line per step,
// without the end of line.
[[nodiscard]] DemoReport run_demo(const LoadOptions& options,
                                  const std::function<void(std::string_view)>& say);

}  // namespace ringway::client
