// config/key_value: what a key's reading left behind, for those who tell an operator what is in
// effect. Plain data, made at start-up.
#pragma once

#include <string>

namespace ringway::config {

// One key as it was read.
struct KeyValue {
  std::string path;   // "Ringway.Workers.Count"; in a list with the number: "RSAKey[0].KeyFile"
  std::string key;    // the path without numbers
  std::string value;  // in effect, in the file's notation; secrets are not in it
  std::string why;    // where it comes from: "default", "ringway.yaml:12", or a sentence
  bool in_file = false;
  bool ignored = false;  // known, and changes nothing

  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};

}  // namespace ringway::config
