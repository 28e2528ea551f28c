#include "tl/utf8.h"

#include <cstring>

namespace ringway::tl {
namespace {

constexpr uint8_t kReplacement[] = {0xef, 0xbf, 0xbd};
constexpr uint64_t kHighBits = 0x8080808080808080;

// One character, or as much as there is of a broken one.
struct Character {
  size_t bytes = 0;
  bool valid = false;
};

bool in_range(uint8_t byte, uint8_t low, uint8_t high) { return byte >= low && byte <= high; }

Character read_character(const uint8_t* text, size_t size) {
  const uint8_t lead = text[0];
  if (lead < 0x80) return {1, true};
  if (!in_range(lead, 0xc2, 0xf4)) return {1, false};
  const size_t bytes = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  // What the second byte may be keeps overlong forms, surrogates and too large numbers out.
  const uint8_t low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const uint8_t high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (size < 2 || !in_range(text[1], low, high)) return {1, false};
  for (size_t i = 2; i < bytes; ++i) {
    if (i >= size || !in_range(text[i], 0x80, 0xbf)) return {i, false};
  }
  return {bytes, true};
}

// How many bytes at the beginning are ASCII: a lower bound, of whole words and then exactly.
size_t ascii_prefix(const uint8_t* text, size_t size) {
  size_t at = 0;
  while (size - at >= 8 && (load_le<uint64_t>(text + at) & kHighBits) == 0) at += 8;
  while (at < size && text[at] < 0x80) ++at;
  return at;
}

}  // namespace

bool is_utf8(ByteView text) noexcept {
  const uint8_t* data = text.data();
  size_t left = text.size();
  for (;;) {
    const size_t ascii = ascii_prefix(data, left);
    data += ascii;
    left -= ascii;
    if (left == 0) return true;
    const Character character = read_character(data, left);
    if (!character.valid) return false;
    data += character.bytes;
    left -= character.bytes;
  }
}

size_t repair_utf8(ByteView text, uint8_t* out) noexcept {
  size_t made = 0;
  size_t at = 0;
  while (at < text.size()) {
    const Character character = read_character(text.data() + at, text.size() - at);
    const uint8_t* from = character.valid ? text.data() + at : kReplacement;
    const size_t bytes = character.valid ? character.bytes : sizeof kReplacement;
    if (out != nullptr) std::memcpy(out + made, from, bytes);
    made += bytes;
    at += character.bytes;
  }
  return made;
}

}  // namespace ringway::tl
