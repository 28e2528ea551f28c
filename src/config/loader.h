// config/loader: from a YAML file to a validated Config.
//
// The file is a superset of gnetway's: its keys keep their names and meanings, and our own stand
// under `Ringway`. Keys are matched without regard to case. Everything wrong with a file is found
// in one run and told with file, line and key. Relative paths inside the file are left as they are:
// like gnetway's, they start at the working directory and not at the file. Environment variables
// are not expanded. Called at start-up, by one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"
#include "config/key_value.h"

namespace ringway::config {

struct LoadOutcome {
  Config config;                      // to be used only when ok()
  std::vector<std::string> errors;    // "file:line: ...", in the order of lines
  std::vector<std::string> warnings;  // the same form; the values are used all the same
  std::vector<KeyValue> values;       // every key that was read, in an order of its own

  [[nodiscard]] bool ok() const noexcept { return errors.empty(); }
};

[[nodiscard]] LoadOutcome load_file(const std::string& path);

// `file_name` stands in messages only. Files that the text names are not looked for, as load_file()
// does.
[[nodiscard]] LoadOutcome load_text(std::string_view text, std::string file_name);

// Every key that a file may have, as dotted paths such as "Ringway.Workers.Count".
[[nodiscard]] std::vector<std::string> known_keys();

}  // namespace ringway::config
