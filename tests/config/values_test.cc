#include "config/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringway::config {
namespace {

using testing::ElementsAre;

TEST(ParseFlag, TakesTheWordsOfYamlInAnyCase) {
  for (const char* yes : {"true", "True", "YES", "on"}) EXPECT_EQ(parse_flag(yes), true) << yes;
  for (const char* no : {"false", "FALSE", "no", "Off"}) EXPECT_EQ(parse_flag(no), false) << no;
  for (const char* bad : {"", "1", "0", "tru", "true "}) EXPECT_FALSE(parse_flag(bad)) << bad;
}

TEST(ParseNumber, TakesDigitsOnly) {
  EXPECT_EQ(parse_number("0"), 0U);
  EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX);
  for (const char* bad : {"", "-1", "+1", "1.0", "1e3", "0x10", " 1", "18446744073709551616"}) {
    EXPECT_FALSE(parse_number(bad)) << bad;
  }
}

TEST(ParseSize, KnowsBinaryUnits) {
  EXPECT_EQ(parse_size("65536"), 65536U);
  EXPECT_EQ(parse_size("64KiB"), 65536U);
  EXPECT_EQ(parse_size("4 mib"), 4U * 1024 * 1024);
  EXPECT_EQ(parse_size("1GiB"), 1024U * 1024 * 1024);
  EXPECT_EQ(parse_size("7B"), 7U);
  for (const char* bad : {"", "KiB", "4KB", "4M", "1.5MiB", "-1KiB", "99999999999999GiB"}) {
    EXPECT_FALSE(parse_size(bad)) << bad;
  }
}

TEST(ParseDuration, TakesSecondsAndUnits) {
  EXPECT_EQ(parse_duration_ns("30"), 30 * kNsPerSecond);
  EXPECT_EQ(parse_duration_ns("30s"), 30 * kNsPerSecond);
  EXPECT_EQ(parse_duration_ns("0.5"), 500 * kNsPerMs);
  EXPECT_EQ(parse_duration_ns("500ms"), 500 * kNsPerMs);
  EXPECT_EQ(parse_duration_ns("1m30s"), 90 * kNsPerSecond);
  EXPECT_EQ(parse_duration_ns("1.5h"), 5400 * kNsPerSecond);
  EXPECT_EQ(parse_duration_ns("250us"), 250'000);
  EXPECT_EQ(parse_duration_ns("12ns"), 12);
  EXPECT_EQ(parse_duration_ns("0"), 0);
  for (const char* bad :
       {"", "s", "-1s", "30 s", "30x", "1.2.3s", "1m30", "s30", "1e400", "99999999h", ".", "nan"}) {
    EXPECT_FALSE(parse_duration_ns(bad)) << bad;
  }
}

TEST(ParseCores, TakesRangesAndSingles) {
  EXPECT_THAT(*parse_cores("0-3,8"), ElementsAre(0, 1, 2, 3, 8));
  EXPECT_THAT(*parse_cores(" 5 , 1 - 2 "), ElementsAre(5, 1, 2));
  EXPECT_THAT(*parse_cores(""), ElementsAre());
  EXPECT_THAT(*parse_cores("4095"), ElementsAre(4095));
  for (const char* bad :
       {",", "1,", ",1", "3-1", "1-", "-1", "0-2,1", "a", "1;2", "4096", "0-99999"}) {
    EXPECT_FALSE(parse_cores(bad)) << bad;
  }
}

TEST(CoresText, IsShort) {
  EXPECT_EQ(cores_text({}), "any");
  EXPECT_EQ(cores_text({0, 1, 2, 3, 8}), "0-3,8");
  EXPECT_EQ(cores_text({5, 1, 2}), "5,1-2");
}

TEST(ParseFingerprint, TakesTheThreeNotationsOfOneValue) {
  // 0xa9e071c1771060cd, a fingerprint that is negative as a signed number.
  const auto value = static_cast<int64_t>(0xa9e071c1771060cdULL);
  EXPECT_EQ(parse_fingerprint("12240908862933197005"), value);
  EXPECT_EQ(parse_fingerprint("-6205835210776354611"), value);
  EXPECT_EQ(parse_fingerprint("0xa9e071c1771060cd"), value);
  EXPECT_EQ(parse_fingerprint("0XA9E071C1771060CD"), value);
  for (const char* bad : {"", "-", "0x", "12240908862933197005x", "18446744073709551616",
                          "-9223372036854775809", "a9e071c1771060cd"}) {
    EXPECT_FALSE(parse_fingerprint(bad)) << bad;
  }
}

TEST(ParseEndpoint, TakesNamesAndBothKindsOfAddresses) {
  EXPECT_EQ(parse_endpoint("127.0.0.1:10443"), (Endpoint{"127.0.0.1", 10443}));
  EXPECT_EQ(parse_endpoint("session-1.internal:20120"), (Endpoint{"session-1.internal", 20120}));
  EXPECT_EQ(parse_endpoint(":443"), (Endpoint{"", 443}));
  EXPECT_EQ(parse_endpoint("*:443"), (Endpoint{"", 443}));
  EXPECT_EQ(parse_endpoint("[::1]:443"), (Endpoint{"::1", 443}));
  EXPECT_EQ(parse_endpoint("[::]:0"), (Endpoint{"::", 0}));
  for (const char* bad : {"", "10443", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:443",
                          "[]:1", "[::1]", "[::1:443", "[host]:1", "a b:1", "host:-1", "host:1x"}) {
    EXPECT_FALSE(parse_endpoint(bad)) << bad;
  }
}

TEST(EditDistance, CountsLettersRegardlessOfCase) {
  EXPECT_EQ(edit_distance("Buffers", "buffers"), 0U);
  EXPECT_EQ(edit_distance("Bufers", "Buffers"), 1U);
  EXPECT_EQ(edit_distance("RingEntrys", "RingEntries"), 2U);
  EXPECT_EQ(edit_distance("", "abc"), 3U);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3U);
  EXPECT_EQ(edit_distance(std::string(100, 'a'), std::string(200, 'a')), 0U);
}

}  // namespace
}  // namespace ringway::config
