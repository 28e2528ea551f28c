// A server that others may reach: TLS and a token.
#include <gtest/gtest.h>

#include "harness.h"
#include "openssl_peer.h"

namespace ringway::proxy::test {
namespace {

constexpr char kPath[] = "/mtproto.l228.Mtproto/HelpGetNearestDc";

TEST(Tls, CallsThroughTlsWithAToken) {
  const auto certificate = tls::make_certificate();
  tls::TestFiles files;
  ServerOptions options;
  options.tls_certificate_file = files.write("chain.pem", certificate.certificate);
  options.tls_key_file = files.write("key.pem", certificate.key);
  options.tokens = Tokens::parse("0123456789abcdef name", "tokens").tokens;
  TestServer server({NamedSession{}}, options);
  server.calls().set_answer([](ByteView) { return result_of("75171a8e025858000200000004000000"); });
  grpc::SslCredentialsOptions trust;
  trust.pem_root_certs = certificate.certificate;
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("gateway.example");
  const auto channel =
      grpc::CreateCustomChannel(server.address(), grpc::SslCredentials(trust), arguments);
  CallSettings settings;
  settings.metadata.emplace("authorization", "Bearer 0123456789abcdef");
  const Reply reply = call(channel, kPath, "", settings);
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(call(channel, kPath, "").status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  // Nothing is served in the clear.
  EXPECT_EQ(call(server.channel(), kPath, "", settings).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST(Tls, OptionsAreJudgedWithoutAServer) {
  const auto certificate = tls::make_certificate();
  tls::TestFiles files;
  ServerOptions good;
  good.listen = "0.0.0.0:0";
  good.tls_certificate_file = files.write("chain.pem", certificate.certificate);
  good.tls_key_file = files.write("key.pem", certificate.key);
  good.tokens = Tokens::parse("0123456789abcdef name", "tokens").tokens;
  EXPECT_EQ(Server::check(good), "");
  const auto says = [&](void (*change)(ServerOptions&), std::string_view what) {
    ServerOptions options = good;
    change(options);
    const std::string error = Server::check(options);
    EXPECT_NE(error.find(what), std::string::npos) << error;
  };
  says([](ServerOptions& o) { o.tokens = nullptr; }, "--insecure");
  says([](ServerOptions& o) { o.tls_key_file = ""; }, "--tls-key");
  says([](ServerOptions& o) { o.listen = "nowhere"; }, "--listen");
  says([](ServerOptions& o) { o.tls_key_file += ".none"; }, "key.pem.none");
  files.write("key.pem", "nothing");
  says([](ServerOptions&) {}, "not a PEM file");
  files.write("key.pem", certificate.key + std::string(kPemBytesMax, '\n'));
  says([](ServerOptions&) {}, "more than");
}

TEST(Tls, KeyOfAnotherCertificateIsRefused) {
  tls::TestFiles files;
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  options.tls_certificate_file = files.write("chain.pem", tls::make_certificate().certificate);
  LoopThread loop;
  ScriptedCalls calls(loop.loop());
  SessionSetup setup;
  setup.name = "main";
  setup.layer = 228;
  setup.contract = contract_of(228);
  setup.calls = &calls;
  for (const std::string& text : {tls::make_certificate().key, std::string("nothing")}) {
    options.tls_key_file = files.write("key.pem", text);
    std::string error;
    EXPECT_EQ(Server::start(options, loop.loop(), {setup}, error), nullptr);
    EXPECT_FALSE(error.empty());
  }
}

}  // namespace
}  // namespace ringway::proxy::test
