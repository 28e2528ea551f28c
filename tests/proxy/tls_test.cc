// A server that others may reach: TLS and a token.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "harness.h"
#include "openssl_peer.h"

namespace ringway::proxy::test {
namespace {

constexpr char kPath[] = "/mtproto.l228.Mtproto/HelpGetNearestDc";

// A channel that has a connection of its own and takes this certificate only.
std::shared_ptr<grpc::Channel> trusting(const TestServer& server, const std::string& certificate) {
  grpc::SslCredentialsOptions trust;
  trust.pem_root_certs = certificate;
  grpc::ChannelArguments arguments;
  arguments.SetSslTargetNameOverride("gateway.example");
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  return grpc::CreateCustomChannel(server.address(), grpc::SslCredentials(trust), arguments);
}

TEST(Tls, CallsThroughTlsWithAToken) {
  const auto certificate = tls::make_certificate();
  tls::TestFiles files;
  ServerOptions options;
  options.tls_certificate_file = files.write("chain.pem", certificate.certificate);
  options.tls_key_file = files.write("key.pem", certificate.key);
  options.tokens = Tokens::parse("0123456789abcdef name", "tokens").tokens;
  TestServer server({NamedSession{}}, options);
  server.calls().set_answer([](ByteView) { return result_of("75171a8e025858000200000004000000"); });
  const auto channel = trusting(server, certificate.certificate);
  CallSettings settings;
  settings.metadata.emplace("authorization", "Bearer 0123456789abcdef");
  const Reply reply = call(channel, kPath, "", settings);
  EXPECT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(call(channel, kPath, "").status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  // Nothing is served in the clear.
  EXPECT_EQ(call(server.channel(), kPath, "", settings).status.error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST(Tls, CertificateIsRenewedWhileItServes) {
  const auto first = tls::make_certificate();
  const auto second = tls::make_certificate({.kind = tls::KeyKind::kRsa2048});
  tls::TestFiles files;
  ServerOptions options;
  options.tls_certificate_file = files.write("chain.pem", first.certificate);
  options.tls_key_file = files.write("key.pem", first.key);
  TestServer server({NamedSession{}}, options);
  server.calls().set_answer([](ByteView) { return result_of("75171a8e025858000200000004000000"); });
  const auto code_of = [&](const std::shared_ptr<grpc::Channel>& channel) {
    return call(channel, kPath, "").status.error_code();
  };
  const auto open = trusting(server, first.certificate);
  EXPECT_EQ(code_of(open), grpc::StatusCode::OK);

  // Half of a renewal: nothing changes.
  files.write("chain.pem", second.certificate);
  EXPECT_NE(server.server().reload_tls().find("does not belong"), std::string::npos);
  EXPECT_EQ(code_of(trusting(server, first.certificate)), grpc::StatusCode::OK);

  files.write("key.pem", second.key);
  EXPECT_EQ(server.server().reload_tls(), "");
  EXPECT_EQ(code_of(trusting(server, second.certificate)), grpc::StatusCode::OK);
  EXPECT_EQ(code_of(trusting(server, first.certificate)), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(code_of(open), grpc::StatusCode::OK);  // on its old connection

  // Renewed twice before anybody connects: the last one is served.
  files.write("chain.pem", second.certificate);
  EXPECT_EQ(server.server().reload_tls(), "");
  files.write("chain.pem", first.certificate);
  files.write("key.pem", first.key);
  EXPECT_EQ(server.server().reload_tls(), "");
  EXPECT_EQ(code_of(trusting(server, first.certificate)), grpc::StatusCode::OK);
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
  says([](ServerOptions& o) { o.tls_key_file += ".none"; }, "--tls-key");
  says([](ServerOptions& o) { o.tls_certificate_file += ".none"; }, "--tls-cert");
  says([](ServerOptions& o) { o.metrics_listen = "9300"; }, "--metrics");
  says([](ServerOptions& o) { o.metrics_listen = "unix:/tmp/metrics"; }, "--metrics");
  files.write("key.pem", "nothing");
  says([](ServerOptions&) {}, "no private key in PEM");
  files.write("key.pem", certificate.key + std::string(kPemFileBytesMax, '\n'));
  says([](ServerOptions&) {}, "too large");
  files.write("key.pem", tls::encrypt_key(certificate.key));
  says([](ServerOptions&) {}, "passphrase");
  files.write("key.pem", tls::make_certificate().key);
  says([](ServerOptions&) {}, "does not belong to the certificate");
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
