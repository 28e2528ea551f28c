#include "net/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <set>

#include "net/listener.h"

namespace ringway::net {
namespace {

TEST(SocketAddress, ParsesWhatItShould) {
  const std::pair<const char*, const char*> cases[] = {
      {"127.0.0.1:443", "127.0.0.1:443"},
      {"localhost:80", "127.0.0.1:80"},
      {"0.0.0.0:0", "0.0.0.0:0"},
      {"[::1]:65535", "[::1]:65535"},
      {"[2001:db8::1]:443", "[2001:db8::1]:443"},
      {"[::]:443", "[::]:443"},
      {":443", "*:443"},
      {"*:443", "*:443"},
  };
  for (const auto& [text, expected] : cases) {
    const auto address = parse_socket_address(text);
    ASSERT_TRUE(address.ok()) << text;
    EXPECT_EQ(address->to_string(), expected);
    EXPECT_EQ(address->dual_stack, std::string_view(expected).front() == '*');
  }
}

TEST(SocketAddress, RefusesTheRest) {
  for (const char* text :
       {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:4x",
        "::1:443x", "[::1:443", "::1]:443", "[]:443", "example.org:443", "1.2.3:80", "[1.2.3.4]:1",
        "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17.18.19.20.21.22:80"}) {
    EXPECT_FALSE(parse_socket_address(text).ok()) << text;
  }
}

TEST(PeerAddress, MappedAddressesAreV4) {
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(7);
  const uint8_t mapped[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1};
  std::copy(std::begin(mapped), std::end(mapped), v6.sin6_addr.s6_addr);
  sockaddr_in v4{};
  v4.sin_family = AF_INET;
  v4.sin_port = htons(7);
  v4.sin_addr.s_addr = htonl(0xc0000201);
  const auto from_v6 = PeerAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&v6));
  const auto from_v4 = PeerAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&v4));
  EXPECT_EQ(from_v6, from_v4);
  EXPECT_TRUE(from_v6.is_v4());
  EXPECT_EQ(from_v6.ip_text().view(), "192.0.2.1");
  EXPECT_EQ(from_v6.to_string(), "192.0.2.1:7");
  EXPECT_EQ(from_v6.ip_hash(), from_v4.ip_hash());
}

PeerAddress v6_of(const std::array<uint16_t, 8>& groups) {
  PeerAddress address;
  for (size_t i = 0; i < groups.size(); ++i) {
    address.ip[2 * i] = static_cast<uint8_t>(groups[i] >> 8);
    address.ip[2 * i + 1] = static_cast<uint8_t>(groups[i]);
  }
  return address;
}

TEST(PeerAddress, TextOfV6) {
  EXPECT_EQ(v6_of({}).ip_text().view(), "::");
  EXPECT_EQ(v6_of({0, 0, 0, 0, 0, 0, 0, 1}).ip_text().view(), "::1");
  EXPECT_EQ(v6_of({1}).ip_text().view(), "1::");
  EXPECT_EQ(v6_of({0x2001, 0xdb8, 0, 1, 0, 0, 0, 1}).ip_text().view(), "2001:db8:0:1::1");
  EXPECT_EQ(v6_of({0x2001, 0xdb8, 0, 0, 1, 0, 0, 1}).ip_text().view(), "2001:db8::1:0:0:1");
  EXPECT_EQ(v6_of({1, 0, 3, 4, 5, 6, 7, 8}).ip_text().view(), "1:0:3:4:5:6:7:8");
  EXPECT_EQ(v6_of({0, 0, 0, 0, 0, 0, 0x102, 0x304}).ip_text().view(), "::102:304");
  const std::string_view longest = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
  EXPECT_EQ(
      v6_of({0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff, 0xffff}).ip_text().view(),
      longest);
}

// Every pattern of groups that are zero, of all lengths of the others: as the C library has it.
TEST(PeerAddress, TextAgreesWithInetNtop) {
  constexpr uint16_t kDigits[] = {0x7, 0x70, 0x707, 0x7007};
  for (size_t pattern = 0; pattern < 256; ++pattern) {
    for (size_t first = 0; first < 4; ++first) {
      std::array<uint16_t, 8> groups{};
      for (size_t i = 0; i < groups.size(); ++i) {
        if ((pattern >> i & 1) != 0) groups[i] = kDigits[(first + i) % 4];
      }
      const bool v4_compatible = (pattern & 0x3f) == 0;  // which inet_ntop writes with dots
      if (v4_compatible) continue;
      const PeerAddress address = v6_of(groups);
      char expected[INET6_ADDRSTRLEN] = {};
      ASSERT_NE(inet_ntop(AF_INET6, address.ip.data(), expected, sizeof expected), nullptr);
      EXPECT_EQ(address.ip_text().view(), expected);
    }
  }
  for (const char* text : {"0.0.0.0", "255.255.255.255", "10.200.3.99"}) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    ASSERT_EQ(inet_pton(AF_INET, text, &v4.sin_addr), 1);
    const auto address = PeerAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&v4));
    EXPECT_EQ(address.ip_text().view(), text);
  }
}

TEST(PeerAddress, HashSpreadsNeighboursAndIgnoresThePort) {
  std::set<uint64_t> low_bits;
  PeerAddress address = PeerAddress::from_sockaddr(parse_socket_address("10.0.0.1:1")->get());
  const uint64_t hash = address.ip_hash();
  address.port = 2;
  EXPECT_EQ(address.ip_hash(), hash);
  for (int i = 0; i < 256; ++i) {
    address.ip[15] = static_cast<uint8_t>(i);
    low_bits.insert(address.ip_hash() % 64);
  }
  EXPECT_GT(low_bits.size(), 55U);
}

TEST(Listener, TakesAPortAndSharesIt) {
  const auto first = open_listener(*parse_socket_address("127.0.0.1:0"), {});
  ASSERT_EQ(first.error, "");
  ASSERT_NE(first.address.port(), 0);
  const auto second = open_listener(first.address, {});
  EXPECT_EQ(second.error, "");
  EXPECT_EQ(second.address.port(), first.address.port());
  int no_delay = 0;
  socklen_t length = sizeof no_delay;
  EXPECT_EQ(getsockopt(first.fd.get(), IPPROTO_TCP, TCP_NODELAY, &no_delay, &length), 0);
  EXPECT_NE(no_delay, 0);
}

TEST(Listener, ErrorsNameTheAddressAndTheCause) {
  // Without SO_REUSEPORT on the other side the port cannot be shared.
  const OwnedFd other(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  SocketAddress address = *parse_socket_address("127.0.0.1:0");
  ASSERT_EQ(::bind(other.get(), address.get(), address.length), 0);
  ASSERT_EQ(::listen(other.get(), 1), 0);
  ASSERT_EQ(
      ::getsockname(other.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.length),
      0);
  const auto in_use = open_listener(address, {});
  EXPECT_FALSE(in_use.fd.valid());
  EXPECT_NE(in_use.error.find(address.to_string()), std::string::npos) << in_use.error;
  EXPECT_NE(in_use.error.find("EADDRINUSE"), std::string::npos) << in_use.error;

  const auto foreign = open_listener(*parse_socket_address("192.0.2.77:1"), {});
  EXPECT_NE(foreign.error.find("EADDRNOTAVAIL"), std::string::npos) << foreign.error;
}

TEST(OpenFiles, RaisesOnlyAsFarAsAllowed) {
  const uint64_t current = raise_open_files(0);
  EXPECT_GT(current, 0U);
  EXPECT_EQ(raise_open_files(current), current);
  EXPECT_LT(raise_open_files(UINT64_MAX), UINT64_MAX);
}

}  // namespace
}  // namespace ringway::net
