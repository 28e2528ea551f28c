#include "tl/utf8.h"

#include <gtest/gtest.h>

#include <string>

namespace ringway::tl {
namespace {

std::string repaired(const std::string& text) {
  std::string out(repair_utf8(as_bytes(text), nullptr), '\0');
  EXPECT_EQ(repair_utf8(as_bytes(text), reinterpret_cast<uint8_t*>(out.data())), out.size());
  EXPECT_TRUE(is_utf8(as_bytes(out)));
  return out;
}

const std::string kMark = "\xef\xbf\xbd";

TEST(Utf8, GoodTextStays) {
  for (const std::string text :
       {"", "a", "0123456789abcdefg", "\x7f\xc2\x80\xdf\xbf",
        "\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
        "12345678\xc3\xa4"
        "12345678"}) {
    EXPECT_TRUE(is_utf8(as_bytes(text))) << text;
    EXPECT_EQ(repaired(text), text);
  }
  EXPECT_TRUE(is_utf8(as_bytes(std::string(3, '\0'))));
}

TEST(Utf8, BadPartsBecomeOneMarkEach) {
  const std::pair<std::string, std::string> cases[] = {
      {"\x80", kMark},
      {"a\xff"
       "b",
       "a" + kMark + "b"},
      {"\xc3", kMark},              // ends too early
      {"\xc3(", kMark + "("},       // not followed by what it announces
      {"\xc0\xaf", kMark + kMark},  // overlong
      {"\xe0\x9f\xbf", kMark + kMark + kMark},
      {"\xed\xa0\x80", kMark + kMark + kMark},  // a surrogate
      {"\xf4\x90\x80\x80", kMark + kMark + kMark + kMark},
      {"\xf5", kMark},
      {"\xe2\x82", kMark},  // one part, one mark
      {"\xf0\x9f\x98x", kMark + "x"},
      {"12345678\xf0", "12345678" + kMark},
  };
  for (const auto& [text, expected] : cases) {
    EXPECT_FALSE(is_utf8(as_bytes(text)));
    EXPECT_EQ(repaired(text), expected);
  }
}

}  // namespace
}  // namespace ringway::tl
