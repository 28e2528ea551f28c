#include "crypto/base64.h"

#include <gtest/gtest.h>

namespace ringway::crypto {
namespace {

// RFC 4648, section 10.
TEST(Base64, KnownAnswers) {
  const std::pair<std::string_view, std::string_view> answers[] = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
  };
  for (const auto& [plain, text] : answers) {
    EXPECT_EQ(to_base64(as_bytes(plain)), text);
    const auto back = from_base64(text);
    ASSERT_TRUE(back.ok()) << text;
    EXPECT_EQ(as_text(*back), plain);
  }
}

TEST(Base64, RefusesWhatNobodyWrites) {
  for (const std::string_view text : {"Zg", "Zg=", "Zg= ", "Z===", "====", "Zh==", "Zm9=", "Zm9v\n",
                                      " Zg=", "Zm9v====", "Zg==Zg==", "Zm-v", "Zm9vZ"}) {
    EXPECT_FALSE(from_base64(text).ok()) << text;
  }
}

}  // namespace
}  // namespace ringway::crypto
