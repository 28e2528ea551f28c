#include "config/client_secret.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringway::config {
namespace {

constexpr char kKey[] = "00112233445566778899aabbccddeeff";
constexpr char kExampleCom[] = "6578616d706c652e636f6d";

// The key as a test can compare it; the domain behind it.
std::string told(std::string_view text) {
  const auto secret = parse_client_secret(text);
  if (!secret) return "none";
  std::string out;
  for (const uint8_t byte : secret->key.view()) {
    out += "0123456789abcdef"[byte >> 4];
    out += "0123456789abcdef"[byte & 15];
  }
  return out + " " + secret->domain;
}

TEST(ParseClientSecret, KnowsTheThreeKinds) {
  const std::string key = kKey;
  EXPECT_EQ(told(key), key + " ");
  EXPECT_EQ(told("dd" + key), key + " ");
  EXPECT_EQ(told("DD00112233445566778899AABBCCDDEEFF"), key + " ");
  EXPECT_EQ(told("ee" + key + kExampleCom), key + " example.com");
  EXPECT_EQ(told("dd" + std::string(30, '0')), "dd" + std::string(30, '0') + " ")
      << "sixteen bytes are a key, whatever they begin with";
}

// base64.urlsafe_b64encode(bytes.fromhex(...)) of what stands above.
TEST(ParseClientSecret, TakesBase64url) {
  const std::string key = kKey;
  EXPECT_EQ(told("ABEiM0RVZneImaq7zN3u_w"), key + " ");
  EXPECT_EQ(told("ABEiM0RVZneImaq7zN3u_w=="), key + " ");
  EXPECT_EQ(told("3QARIjNEVWZ3iJmqu8zd7v8"), key + " ");
  EXPECT_EQ(told("3QARIjNEVWZ3iJmqu8zd7v8="), key + " ");
  EXPECT_EQ(told("7gARIjNEVWZ3iJmqu8zd7v9leGFtcGxlLmNvbQ"), key + " example.com");
  EXPECT_EQ(told("7gARIjNEVWZ3iJmqu8zd7v9leGFtcGxlLmNvbQ=="), key + " example.com");
  for (const char* bad :
       {"ABEiM0RVZneImaq7zN3u/w",
        "ABEiM0RVZneImaq7zN3u_w=", "ABEiM0RVZneImaq7zN3u_w===", "ABEiM0RVZneImaq7zN3u_x",
        "ABEiM0RVZneImaq7zN3u_", "ABEi=0RVZneImaq7zN3u_w", "====", " BEiM0RVZneImaq7zN3u_w"}) {
    EXPECT_EQ(told(bad), "none") << bad;
  }
}

TEST(ParseClientSecret, RefusesOtherLengthsAndKinds) {
  const std::string key = kKey;
  for (const std::string& bad :
       {std::string(), std::string("c0ffee"), key.substr(2), key.substr(1), key + "0", key + "00",
        "cc" + key, "dd" + key + "00", "ee" + key, "ee" + key + "6", "00" + key + kExampleCom,
        "ee" + key + "61 2", "ee" + key + "6120", "ee" + key + "6100", "ee" + key + "612f",
        "ee" + key + "c3a4", "zz" + key.substr(2), key.substr(0, 31) + " ", std::string(22, '1')}) {
    EXPECT_EQ(told(bad), "none") << bad;
  }
}

TEST(ParseClientSecret, BoundsTheDomain) {
  std::string text = "ee" + std::string(kKey);
  for (size_t i = 0; i < kFakeTlsDomainBytesMax; ++i) text += "61";
  EXPECT_EQ(told(text), kKey + (" " + std::string(kFakeTlsDomainBytesMax, 'a')));
  EXPECT_EQ(told(text + "61"), "none");
  EXPECT_EQ(told(std::string(1 << 20, 'a')), "none");
  EXPECT_EQ(told(std::string(1 << 20, 'x')), "none");
}

}  // namespace
}  // namespace ringway::config
