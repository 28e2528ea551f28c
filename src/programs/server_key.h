// programs/server_key: the gateway's RSA keys: those of the config, or one kept in the data
// directory.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "gateway/gateway.h"

namespace ringway::programs {

struct ServerKeys {
  std::vector<gateway::GatewayKey> keys;
  std::string public_key_file;  // of the data directory's key; empty when the config names keys
  std::string error;            // what failed, and what to do; empty: all is well
};

// Loads the RSAKey files. Without any, loads DIR/server_key.pem, or makes it (mode 0600) with its
// public half DIR/server_pub.pem. A configured fingerprint that differs from the computed one is
// used, with a warning in the log: clients have it built in.
[[nodiscard]] ServerKeys load_server_keys(const config::Config& config,
                                          const std::string& data_dir);

}  // namespace ringway::programs
