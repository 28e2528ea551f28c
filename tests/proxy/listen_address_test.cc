#include "base/listen_address.h"

#include <gtest/gtest.h>

#include "client/account/loop.h"
#include "harness.h"

namespace ringway::proxy::test {
namespace {

TEST(ListenAddress, OnlyLoopbacksAreLoopbacks) {
  for (const char* address :
       {"127.0.0.1:1", "127.1.2.3:11011", "localhost:1", "[::1]:1", "unix:/tmp/x"}) {
    EXPECT_TRUE(is_loopback(address)) << address;
  }
  for (const char* address : {"0.0.0.0:1", "[::]:1", "10.0.0.1:1", "127.0.0.1.example:1",
                              "127.example:1", "128.0.0.1:1", "127.0.0.256:1", "127.0.0:1", ":1",
                              "", "127.0.0.1", "[::ffff:127.0.0.1]:1", "localhost.example:1"}) {
    EXPECT_FALSE(is_loopback(address)) << address;
  }
}

TEST(ListenAddress, HostAndPort) {
  for (const char* address : {"127.0.0.1:0", "example.org:65535", "[::1]:1", "unix:/tmp/x"}) {
    EXPECT_TRUE(is_listen_address(address)) << address;
  }
  for (const char* address : {"127.0.0.1", ":1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                              "127.0.0.1:1x", "unix:", ""}) {
    EXPECT_FALSE(is_listen_address(address)) << address;
  }
}

std::string refusal(const ServerOptions& options) {
  LoopThread loop;
  ScriptedCalls calls(loop.loop());
  SessionSetup setup;
  setup.name = "main";
  setup.layer = 228;
  setup.contract = contract_of(228);
  setup.calls = &calls;
  std::string error;
  const auto server = Server::start(options, loop.loop(), {setup}, error);
  EXPECT_EQ(server == nullptr, !error.empty());
  return error;
}

TEST(ListenAddress, OthersNeedTlsAndTokens) {
  ServerOptions options;
  options.listen = "0.0.0.0:0";
  EXPECT_NE(refusal(options).find("--insecure"), std::string::npos);
  options.tokens = Tokens::parse("0123456789abcdef name", "tokens").tokens;
  EXPECT_NE(refusal(options).find("--tls-cert"), std::string::npos);
  options.tls_certificate_file = "nowhere.pem";
  EXPECT_NE(refusal(options).find("--tls-key"), std::string::npos);
  options.tls_key_file = "nowhere.key";
  EXPECT_NE(refusal(options).find("nowhere.pem"), std::string::npos);
  options.tls_certificate_file.clear();
  EXPECT_NE(refusal(options).find("--tls-cert"), std::string::npos);
  options.listen = "127.0.0.1:99999";
  options.tls_key_file.clear();
  EXPECT_NE(refusal(options).find("--listen"), std::string::npos);
}

TEST(ListenAddress, TakenPortIsSaidSo) {
  TestServer server;
  ServerOptions options;
  options.listen = server.address();
  EXPECT_NE(refusal(options).find(server.address()), std::string::npos);
}

}  // namespace
}  // namespace ringway::proxy::test
