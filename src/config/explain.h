// config/explain: the configuration in effect, for people.
//
// What the loader read (loader.h), joined with what each key means (key_notes.h) and with what this
// machine makes of the keys that are left to it. Text for a terminal, in the same order whatever
// the file says; called before anything starts.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/loader.h"

namespace ringway::config {

struct Machine {
  std::vector<int> allowed_cores;  // what the scheduler lets this process use, ascending
  uint64_t open_files = 0;         // the hard limit
  std::string crypto_kernel;       // what the processor does best
};

// Every key: its value, where that comes from, and what it trades; then each worker's values.
[[nodiscard]] std::string explain(const LoadOutcome& outcome, const Machine& machine);

// "Key: value", one line each.
[[nodiscard]] std::string values_text(const LoadOutcome& outcome);

// Errors in the form of the loader's: cores that the file names and that are not among `online`.
[[nodiscard]] std::vector<std::string> check_cores(const LoadOutcome& outcome,
                                                   const std::vector<int>& online);

// "file:line: key", or the key alone where the file does not have it; how errors begin that only
// come up later.
[[nodiscard]] std::string place_of(const LoadOutcome& outcome, std::string_view key);

}  // namespace ringway::config
