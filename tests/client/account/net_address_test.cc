// Addresses as people write them.
#include "client/account/net_address.h"

#include <gtest/gtest.h>

namespace ringway::client {
namespace {

TEST(NetAddress, HostsAndPorts) {
  struct Case {
    const char* text;
    int32_t dc;
    const char* host;
    uint16_t port;
  };
  const Case cases[] = {
      {"127.0.0.1:443", 0, "127.0.0.1", 443},
      {"gateway.example:1", 0, "gateway.example", 1},
      {"[::1]:65535", 0, "::1", 65535},
      {"2=127.0.0.1:443", 2, "127.0.0.1", 443},
      {"10004=[2001:db8::7]:80", 10004, "2001:db8::7", 80},
  };
  for (const Case& one : cases) {
    const auto address = read_address(one.text);
    ASSERT_TRUE(address.has_value()) << one.text;
    EXPECT_EQ(address->dc, one.dc) << one.text;
    EXPECT_EQ(address->host, one.host) << one.text;
    EXPECT_EQ(address->port, one.port) << one.text;
  }
}

TEST(NetAddress, EverythingElseIsRefused) {
  for (const char* text : {"", ":", "host", "host:", ":443", "host:0", "host:65536", "host:443x",
                           "::1:443", "=host:443", "0=host:443", "-2=host:443", "32768=host:443",
                           "two=host:443", "2 =host:443", "2=", "2=:443"}) {
    EXPECT_FALSE(read_address(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace ringway::client
