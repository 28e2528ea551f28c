#include "door/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <string_view>

namespace ringway::door {
namespace {

constexpr std::string_view kV1Start = "PROXY ";
constexpr std::string_view kV2Signature("\r\n\r\n\0\r\nQUIT\n", 12);

constexpr uint8_t kV2Local = 0x20;
constexpr uint8_t kV2Proxy = 0x21;

// What a version 2 header may carry: family and transport in one byte, and the bytes of its block
// of addresses. Datagrams and everything else are refused.
struct Family {
  uint8_t code;
  uint8_t ip_bytes;
  size_t block_bytes;
};
constexpr std::array<Family, 4> kFamilies = {{
    {0x00, 0, 0},            // unspecified
    {0x11, 4, 2 * (4 + 2)},  // TCP over IPv4
    {0x21, 16, 2 * (16 + 2)},
    {0x31, 0, 2 * 108},  // a unix stream
}};

uint16_t load_be16(const uint8_t* from) noexcept {
  return static_cast<uint16_t>(from[0] << 8 | from[1]);
}
void store_be16(uint8_t* to, size_t value) noexcept {
  to[0] = static_cast<uint8_t>(value >> 8);
  to[1] = static_cast<uint8_t>(value);
}

// Whether `start` and `magic` are equal as far as both go.
bool agree(ByteView start, std::string_view magic) noexcept {
  const size_t count = std::min(start.size(), magic.size());
  return equal(start.first(count), as_bytes(magic).first(count));
}

// Takes the text up to the next space, and the space. Fields are separated by exactly one.
std::string_view take_field(std::string_view& line) noexcept {
  const size_t end = std::min(line.find(' '), line.size());
  const std::string_view field = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return field;
}

bool parse_ip(int family, std::string_view text, ProxyAddress& address) noexcept {
  char terminated[INET6_ADDRSTRLEN] = {};
  if (text.size() >= sizeof terminated) return false;
  std::copy(text.begin(), text.end(), terminated);
  // inet_pton ends at a zero byte, which may be one of the text's own.
  if (text.find('\0') != std::string_view::npos) return false;
  address.ip_bytes = family == AF_INET ? 4 : 16;
  return inet_pton(family, terminated, address.ip.data()) == 1;
}

bool parse_port(std::string_view text, uint16_t& port) noexcept {
  if (text.size() > 1 && text.front() == '0') return false;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

// `line` is what stands between "PROXY " and the line end.
Result<ProxyAddress> parse_v1(std::string_view line) noexcept {
  const std::string_view protocol = take_field(line);
  if (protocol == "UNKNOWN") return ProxyAddress{};  // whatever follows is to be ignored
  if (protocol != "TCP4" && protocol != "TCP6") return Error::kMalformed;
  const int family = protocol == "TCP4" ? AF_INET : AF_INET6;
  if (std::count(line.begin(), line.end(), ' ') != 3) return Error::kMalformed;
  ProxyAddress source;
  ProxyAddress destination;
  if (!parse_ip(family, take_field(line), source)) return Error::kMalformed;
  if (!parse_ip(family, take_field(line), destination)) return Error::kMalformed;
  if (!parse_port(take_field(line), source.port)) return Error::kMalformed;
  if (!parse_port(line, destination.port)) return Error::kMalformed;
  return source;
}

Result<ProxyHeader> read_v1(ByteView start) noexcept {
  const std::string_view text = as_text(start.first(std::min(start.size(), kProxyV1BytesMax)));
  const size_t line_end = text.find('\n');
  if (line_end == std::string_view::npos) {
    return text.size() < kProxyV1BytesMax ? Error::kTruncated : Error::kTooLarge;
  }
  if (text[line_end - 1] != '\r') return Error::kMalformed;
  const std::string_view line = text.substr(0, line_end - 1);
  RW_TRY_ASSIGN(const ProxyAddress source, parse_v1(line.substr(kV1Start.size())));
  return ProxyHeader{line_end + 1, source};
}

Result<ProxyHeader> read_v2(ByteView start) noexcept {
  // Each field is judged as soon as it is there, so that nothing is waited for in vain.
  if (start.size() <= 12) return Error::kTruncated;
  const uint8_t command = start[12];
  if (command != kV2Local && command != kV2Proxy) return Error::kMalformed;
  if (start.size() <= 13) return Error::kTruncated;
  auto family = std::find_if(kFamilies.begin(), kFamilies.end(),
                             [&](const Family& known) { return known.code == start[13]; });
  if (command == kV2Local) family = kFamilies.begin();  // its family is to be ignored
  if (family == kFamilies.end()) return Error::kMalformed;
  if (start.size() < kProxyV2HeaderBytes) return Error::kTruncated;
  const size_t payload_bytes = load_be16(start.data() + 14);
  if (payload_bytes > kProxyV2PayloadBytesMax) return Error::kTooLarge;
  if (payload_bytes < family->block_bytes) return Error::kMalformed;
  if (start.size() < kProxyV2HeaderBytes + payload_bytes) return Error::kTruncated;

  ProxyHeader header;
  header.bytes = kProxyV2HeaderBytes + payload_bytes;
  if (family->ip_bytes == 0) return header;
  // Source, destination, source port, destination port.
  const uint8_t* const block = start.data() + kProxyV2HeaderBytes;
  header.source.ip_bytes = family->ip_bytes;
  std::copy_n(block, family->ip_bytes, header.source.ip.begin());
  header.source.port = load_be16(block + 2 * family->ip_bytes);
  return header;
}

// The text of an address, as version 1 has it.
std::string_view ip_text(const ProxyAddress& address,
                         std::span<char, INET6_ADDRSTRLEN> out) noexcept {
  const int family = address.ip_bytes == 4 ? AF_INET : AF_INET6;
  const char* const text = inet_ntop(family, address.ip.data(), out.data(), INET6_ADDRSTRLEN);
  RW_ASSERT(text != nullptr);
  return text;
}

void write_text(ByteWriter& writer, std::string_view text) noexcept {
  writer.bytes(as_bytes(text));
}

void write_number(ByteWriter& writer, uint16_t value) noexcept {
  char digits[5];
  const auto [end, error] = std::to_chars(std::begin(digits), std::end(digits), value);
  RW_ASSERT(error == std::errc());
  write_text(writer, {digits, static_cast<size_t>(end - digits)});
}

}  // namespace

Result<ProxyHeader> read_proxy_header(ByteView start) noexcept {
  if (agree(start, kV1Start)) {
    return start.size() < kV1Start.size() ? Error::kTruncated : read_v1(start);
  }
  if (agree(start, kV2Signature)) return read_v2(start);
  return ProxyHeader{};
}

size_t write_proxy_v1(const ProxyAddress& source, const ProxyAddress& destination,
                      ByteSpan out) noexcept {
  RW_ASSERT(source.ip_bytes == destination.ip_bytes);
  ByteWriter writer(out);
  write_text(writer, kV1Start);
  if (source.ip_bytes == 0) {
    write_text(writer, "UNKNOWN\r\n");
    return writer.position();
  }
  char text[INET6_ADDRSTRLEN];
  write_text(writer, source.ip_bytes == 4 ? "TCP4 " : "TCP6 ");
  write_text(writer, ip_text(source, text));
  write_text(writer, " ");
  write_text(writer, ip_text(destination, text));
  write_text(writer, " ");
  write_number(writer, source.port);
  write_text(writer, " ");
  write_number(writer, destination.port);
  write_text(writer, "\r\n");
  return writer.position();
}

size_t write_proxy_v2(const ProxyAddress& source, const ProxyAddress& destination,
                      ByteSpan out) noexcept {
  RW_ASSERT(source.ip_bytes == destination.ip_bytes);
  const size_t ip_bytes = source.ip_bytes;
  ByteWriter writer(out);
  write_text(writer, kV2Signature);
  writer.u8(ip_bytes == 0 ? kV2Local : kV2Proxy);
  writer.u8(ip_bytes == 0 ? 0x00 : ip_bytes == 4 ? 0x11 : 0x21);
  const size_t block_bytes = ip_bytes == 0 ? 0 : 2 * (ip_bytes + 2);
  store_be16(writer.take(2).data(), block_bytes);
  if (ip_bytes == 0) return writer.position();
  writer.bytes(ByteView(source.ip).first(ip_bytes));
  writer.bytes(ByteView(destination.ip).first(ip_bytes));
  store_be16(writer.take(2).data(), source.port);
  store_be16(writer.take(2).data(), destination.port);
  return writer.position();
}

}  // namespace ringway::door
