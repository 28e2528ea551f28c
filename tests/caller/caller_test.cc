#include "caller/caller.h"

#include <gtest/gtest.h>

namespace ringway {
namespace {

// Whether a connection is made, and if not, that the reason names the way out.
bool connects(const ProxyOptions& options) {
  std::string problem;
  const auto caller = connect_to_proxy(options, problem);
  EXPECT_EQ(caller == nullptr, problem.find("name a ca_file") != std::string::npos) << problem;
  return caller != nullptr;
}

TEST(ProxyCaller, ATokenStaysOnThisMachineOutsideTls) {
  ProxyOptions options;
  options.token = "reader-0123456789abcdef";
  for (const char* address : {"127.0.0.1:11011", "localhost:11011", "[::1]:11011"}) {
    options.address = address;
    EXPECT_TRUE(connects(options)) << address;
  }
  for (const char* address : {"10.0.0.1:11011", "127.example:11011", "127.0.0.1.example:11011"}) {
    options.address = address;
    EXPECT_FALSE(connects(options)) << address;
  }
  options.token.clear();
  EXPECT_TRUE(connects(options));
}

}  // namespace
}  // namespace ringway
