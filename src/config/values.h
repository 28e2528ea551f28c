// config/values: the notations that a configuration value may be written in.
//
// Pure functions from text to a value; an empty optional means that the text is not in the
// notation. They know nothing about keys or ranges: the loader adds those to its messages.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace ringway::config {

// true/false, yes/no, on/off in any case.
[[nodiscard]] std::optional<bool> parse_flag(std::string_view text);

// Decimal digits only.
[[nodiscard]] std::optional<uint64_t> parse_number(std::string_view text);

// Bytes: a plain number, or one with B, KiB, MiB or GiB.
[[nodiscard]] std::optional<uint64_t> parse_size(std::string_view text);

// Nanoseconds: a plain number of seconds, or numbers with units (ns, us, ms, s, m, h) in a row,
// such as "30s", "1.5s" or "1m30s".
[[nodiscard]] std::optional<int64_t> parse_duration_ns(std::string_view text);

// CPU numbers: "0-3,8"; an empty text is an empty list. Ranges go up, and no core comes twice.
[[nodiscard]] std::optional<std::vector<int>> parse_cores(std::string_view text);

// The other way round, "any" for no core: "0-3,8".
[[nodiscard]] std::string cores_text(const std::vector<int>& cores);

// The 64 bits of a key fingerprint: unsigned decimal, negative decimal, or hexadecimal with 0x.
[[nodiscard]] std::optional<int64_t> parse_fingerprint(std::string_view text);

// "host:port"; an empty host or "*" means all addresses, IPv6 stands in brackets.
[[nodiscard]] std::optional<Endpoint> parse_endpoint(std::string_view text);

// How many letters must be added, removed or changed to get from one word to the other, regardless
// of case; words longer than 64 letters are cut.
[[nodiscard]] size_t edit_distance(std::string_view a, std::string_view b);

// Compares keys as go-zero does: without regard to case.
[[nodiscard]] bool same_word(std::string_view a, std::string_view b) noexcept;

}  // namespace ringway::config
