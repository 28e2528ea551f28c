// programs/load_arguments: the command line of ringway-load.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "client/load_options.h"

namespace ringway {

struct LoadArguments {
  client::LoadOptions load;
  std::vector<std::string> key_files;
  std::string mode = "ping";
  std::string transport = "intermediate";
  std::string size = "128";
  std::string source;
  std::string secret;       // hexadecimal, as links for proxies carry it
  std::string ca_file;      // for transports behind TLS
  std::string server_name;  // likewise
  bool insecure = false;
  std::string path = "/apiws";
  std::string steps;
  std::string p99_max = "0";
  std::string duration = "10s";
  std::string warmup = "1s";
  std::string ramp = "0";
  std::string drain = "2s";
  std::string setup_timeout = "60s";
  std::string temporary = "0";
  bool legacy_padding = false;
  bool json = false;
  bool demo = false;
  std::string percentiles_path;
  std::string plot_path;
  std::string metrics;  // HOST:PORT[/PATH]
};

void declare(CLI::App& app, LoadArguments& arguments);
// Fills in `load` from the texts. An empty string, or what is wrong with an argument.
[[nodiscard]] std::string complete(LoadArguments& arguments);

}  // namespace ringway
