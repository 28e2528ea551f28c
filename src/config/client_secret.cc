#include "config/client_secret.h"

#include <algorithm>

namespace ringway::config {
namespace {

constexpr size_t kPrefixed = 1 + kTransportSecretBytes;
constexpr uint8_t kPadded = 0xdd;
constexpr uint8_t kFakeTls = 0xee;

// What a text stands for.
struct Decoded {
  Secret<kPrefixed + kFakeTlsDomainBytesMax> bytes;
  size_t size = 0;

  [[nodiscard]] bool add(uint32_t byte) noexcept {
    if (size == decltype(bytes)::size()) return false;
    bytes.data()[size++] = static_cast<uint8_t>(byte);
    return true;
  }
};

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

int base64url_digit(char c) noexcept {
  if (c >= 'A' && c <= 'Z') return c - 'A';
  if (c >= 'a' && c <= 'z') return c - 'a' + 26;
  if (c >= '0' && c <= '9') return c - '0' + 52;
  if (c == '-') return 62;
  return c == '_' ? 63 : -1;
}

bool decode_hex(std::string_view text, Decoded& out) noexcept {
  if (text.size() % 2 != 0) return false;
  for (size_t i = 0; i < text.size(); i += 2) {
    const int byte = hex_digit(text[i]) * 16 + hex_digit(text[i + 1]);
    if (!out.add(static_cast<uint32_t>(byte))) return false;
  }
  return true;
}

bool decode_base64url(std::string_view text, Decoded& out) noexcept {
  if (text.size() % 4 == 0) {
    for (int i = 0; i < 2 && text.ends_with('='); ++i) text.remove_suffix(1);
  }
  if (text.size() % 4 == 1) return false;
  uint32_t bits = 0;  // what is over from the digits so far, `count` of them
  int count = 0;
  for (const char c : text) {
    const int digit = base64url_digit(c);
    if (digit < 0) return false;
    bits = bits << 6 | static_cast<uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    if (!out.add(bits >> count)) return false;
    bits &= (1U << count) - 1;
  }
  return bits == 0;
}

bool is_domain(std::string_view text) noexcept {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.';
  });
}

}  // namespace

std::optional<ClientSecret> parse_client_secret(std::string_view text) {
  Decoded decoded;
  const bool hex = std::all_of(text.begin(), text.end(), [](char c) { return hex_digit(c) >= 0; });
  if (!(hex ? decode_hex(text, decoded) : decode_base64url(text, decoded))) return {};

  const uint8_t* bytes = decoded.bytes.data();
  const auto key_at = [bytes](size_t offset) {
    return Secret<kTransportSecretBytes>(
        std::span<const uint8_t, kTransportSecretBytes>(bytes + offset, kTransportSecretBytes));
  };
  if (decoded.size == kTransportSecretBytes) return ClientSecret{key_at(0), {}};
  if (decoded.size == kPrefixed && bytes[0] == kPadded) return ClientSecret{key_at(1), {}};
  if (decoded.size <= kPrefixed || bytes[0] != kFakeTls) return {};
  std::string domain(as_text({bytes + kPrefixed, decoded.size - kPrefixed}));
  if (!is_domain(domain)) return {};
  return ClientSecret{key_at(1), std::move(domain)};
}

}  // namespace ringway::config
