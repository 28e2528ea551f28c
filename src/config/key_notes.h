// config/key_notes: what each key is for, in a sentence or two.
//
// The loader decides which keys there are; this table says of each in what it is counted and what
// more or less of it trades. A test holds the two together.
#pragma once

#include <span>
#include <string_view>

namespace ringway::config {

struct KeyNote {
  std::string_view key;   // "Ringway.Workers.Count"
  std::string_view unit;  // of a plain number; may be empty
  std::string_view text;
};

[[nodiscard]] std::span<const KeyNote> key_notes() noexcept;

// The note of a key, null when it has none: sections, and keys without effect. Entries of PerCore
// share those of Ringway.Workers.
[[nodiscard]] const KeyNote* key_note(std::string_view key) noexcept;

}  // namespace ringway::config
