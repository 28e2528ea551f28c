#include "config/cidr.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringway::config {
namespace {

bool holds(std::string_view range, std::string_view ip) {
  const auto cidr = parse_cidr(range);
  const auto address = parse_ip(ip);
  EXPECT_TRUE(cidr && address) << range << " " << ip;
  return cidr && address && cidr->contains(*address);
}

TEST(ParseIp, KeepsIpv4AsMapped) {
  EXPECT_EQ(parse_ip("192.0.2.1"), parse_ip("::ffff:192.0.2.1"));
  EXPECT_THAT(*parse_ip("192.0.2.1"),
              testing::ElementsAre(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1));
  EXPECT_EQ(parse_ip("2001:DB8::0:1"), parse_ip("2001:db8::1"));
  for (const char* bad : {"", "1.2.3", "1.2.3.4.5", "256.0.0.1", "01.2.3.4", " 1.2.3.4", "1.2.3.4 ",
                          "[::1]", "fe80::1%eth0", ":", ":::", "1::2::3", "localhost",
                          "1111:2222:3333:4444:5555:6666:255.255.255.2555555555555555555555"}) {
    EXPECT_FALSE(parse_ip(bad)) << bad;
  }
  EXPECT_FALSE(parse_ip(std::string_view("1.2.3.4\0", 8)));
}

TEST(ParseCidr, TakesRangesAndSingleAddresses) {
  EXPECT_EQ(parse_cidr("10.0.0.0/8"), (Cidr{*parse_ip("10.0.0.0"), 104}));
  EXPECT_EQ(parse_cidr("::ffff:10.0.0.0/104"), parse_cidr("10.0.0.0/8"));
  EXPECT_EQ(parse_cidr("2001:db8::/32"), (Cidr{*parse_ip("2001:db8::"), 32}));
  EXPECT_EQ(parse_cidr("192.0.2.1"), (Cidr{*parse_ip("192.0.2.1"), 128}));
  EXPECT_EQ(parse_cidr("192.0.2.1/32"), parse_cidr("192.0.2.1"));
  EXPECT_EQ(parse_cidr("::1"), parse_cidr("::1/128"));
  for (const char* bad :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/ 8",
        "10.0.0.0/8/8", "10.0.0/8", "::/129", "::/256", "::/999", "a/8", "10.0.0.0/255.0.0.0"}) {
    EXPECT_FALSE(parse_cidr(bad)) << bad;
  }
}

TEST(Cidr, HoldsWhatItsPrefixSays) {
  EXPECT_TRUE(holds("10.0.0.0/8", "10.255.255.255"));
  EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.0"));
  EXPECT_FALSE(holds("10.0.0.0/8", "9.255.255.255"));
  EXPECT_TRUE(holds("10.0.0.0/8", "::ffff:10.1.2.3"));
  EXPECT_FALSE(holds("10.0.0.0/8", "::10.1.2.3")) << "compatible is not mapped";
  // Prefixes that end inside a byte.
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.128"));
  EXPECT_TRUE(holds("192.0.2.128/25", "192.0.2.255"));
  EXPECT_FALSE(holds("192.0.2.128/25", "192.0.2.127"));
  EXPECT_TRUE(holds("2001:db8:8000::/33", "2001:db8:ffff::1"));
  EXPECT_FALSE(holds("2001:db8:8000::/33", "2001:db8:7fff::1"));
  EXPECT_TRUE(holds("192.0.2.1", "192.0.2.1"));
  EXPECT_FALSE(holds("192.0.2.1", "192.0.2.0"));
  EXPECT_FALSE(holds("192.0.2.1", "192.0.3.1"));
}

TEST(Cidr, KeepsTheTwoFamiliesApart) {
  EXPECT_TRUE(holds("0.0.0.0/0", "203.0.113.9"));
  EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  EXPECT_FALSE(holds("0.0.0.0/0", "::"));
  EXPECT_TRUE(holds("::/0", "2001:db8::1"));
  EXPECT_TRUE(holds("::/0", "::"));
  EXPECT_FALSE(holds("::/0", "203.0.113.9"));
  EXPECT_TRUE(holds("::ffff:0:0/96", "203.0.113.9"));
}

TEST(Cidr, FindsBitsBeyondItsPrefix) {
  const auto network = [](std::string_view text) { return to_string(parse_cidr(text)->network()); };
  EXPECT_EQ(network("10.1.2.3/8"), "10.0.0.0/8");
  EXPECT_EQ(network("192.0.2.255/25"), "192.0.2.128/25");
  EXPECT_EQ(network("2001:db8::1/33"), "2001:db8::/33");
  EXPECT_EQ(network("203.0.113.9/0"), "0.0.0.0/0");
  EXPECT_EQ(network("2001:db8::1/0"), "::/0");
  EXPECT_EQ(network("2001:db8::1"), "2001:db8::1/128");
}

}  // namespace
}  // namespace ringway::config
