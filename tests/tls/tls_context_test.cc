// What a context is loaded from, what is wrong with it, and what it makes of clients.
#include "tls/tls_context.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>

#include "base/limits.h"
#include "openssl_peer.h"
#include "tls/tls_stream.h"

namespace ringway::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class Files : public testing::Test {
 protected:
  TlsLoaded load(const std::string& cert, const std::string& key, int64_t now = time(nullptr)) {
    return TlsContext::load({cert, key, TlsVersion::k12, TlsTicketKeys::draw()}, now);
  }
  // What is wrong; names the file.
  std::string error_of(const std::string& cert, const std::string& key, const std::string& named) {
    const TlsLoaded loaded = load(cert, key);
    EXPECT_EQ(loaded.context, nullptr);
    EXPECT_THAT(loaded.error, HasSubstr(named));
    EXPECT_THAT(loaded.error, testing::Not(HasSubstr("PRIVATE")));
    return loaded.error;
  }

  TestFiles files_;
  const TestCertificate made_ = make_certificate();
  const std::string cert_ = files_.write("cert.pem", made_.certificate);
  const std::string key_ = files_.write("key.pem", made_.key);
};

TEST_F(Files, GoodOnesMakeAContext) {
  const TlsLoaded loaded = load(cert_, key_);
  EXPECT_NE(loaded.context, nullptr);
  EXPECT_EQ(loaded.error, "");
  EXPECT_THAT(loaded.warnings, IsEmpty());
  // One file may hold both.
  const std::string both = files_.write("both.pem", made_.key + made_.certificate);
  EXPECT_NE(load(both, both).context, nullptr);
}

TEST_F(Files, ErrorsNameTheFileAndTheReason) {
  const std::string missing = files_.path("missing.pem");
  EXPECT_THAT(error_of(missing, key_, missing), HasSubstr("No such file"));
  EXPECT_THAT(error_of(cert_, missing, missing), HasSubstr("private key"));
  const std::string empty = files_.write("empty.pem", "");
  EXPECT_THAT(error_of(empty, key_, empty), HasSubstr("empty"));
  const std::string text = files_.write("text.pem", "no certificate");
  EXPECT_THAT(error_of(text, key_, text), HasSubstr("no certificate in PEM"));
  EXPECT_THAT(error_of(cert_, text, text), HasSubstr("no private key in PEM"));
  EXPECT_THAT(error_of(files_.path("."), key_, files_.path(".")), HasSubstr("not a regular file"));
  const std::string large = files_.write("large.pem", std::string(kPemFileBytesMax + 1, '\n'));
  EXPECT_THAT(error_of(large, key_, large), HasSubstr("too large"));
  std::string broken = made_.certificate;
  broken[broken.size() / 2] = '*';
  const std::string damaged = files_.write("damaged.pem", broken);
  error_of(damaged, key_, damaged);
}

TEST_F(Files, APipeDoesNotHoldUpAReload) {
  const std::string pipe = files_.path("pipe");
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_THAT(error_of(cert_, pipe, pipe), HasSubstr("not a regular file"));
}

TEST_F(Files, KeysThatCannotServeAreRefused) {
  const std::string other = files_.write("other.pem", make_certificate().key);
  EXPECT_THAT(error_of(cert_, other, other), HasSubstr("does not belong to the certificate"));
  const std::string locked = files_.write("locked.pem", encrypt_key(made_.key));
  EXPECT_THAT(error_of(cert_, locked, locked), HasSubstr("passphrase"));
  const TestCertificate weak = make_certificate({.kind = KeyKind::kRsa1024});
  const std::string weak_cert = files_.write("weak.pem", weak.certificate);
  EXPECT_THAT(error_of(weak_cert, files_.write("weak_key.pem", weak.key), weak_cert),
              HasSubstr("too small"));
}

TEST_F(Files, ChainsAreSentAndBounded) {
  std::string chain = made_.certificate;
  const std::string second = make_certificate().certificate;
  for (size_t i = 1; i < kTlsChainMax; ++i) chain += second;
  const TlsLoaded loaded = load(files_.write("chain.pem", chain), key_);
  ASSERT_NE(loaded.context, nullptr) << loaded.error;
  OpensslPeer client;
  TlsStream server(loaded.context);
  ASSERT_TRUE(shake_hands(client, server));
  EXPECT_EQ(sk_X509_num(SSL_get_peer_cert_chain(client.ssl())), static_cast<int>(kTlsChainMax));
  const std::string longer = files_.write("longer.pem", chain + second);
  EXPECT_THAT(error_of(longer, key_, longer), HasSubstr("too many"));
}

TEST_F(Files, WrongTimesAreWarnings) {
  const TlsLoaded late = load(cert_, key_, time(nullptr) + 7200);
  EXPECT_NE(late.context, nullptr);
  EXPECT_THAT(late.warnings, ElementsAre(HasSubstr(cert_ + ": it has expired")));
  const TlsLoaded early = load(cert_, key_, time(nullptr) - 7200);
  EXPECT_NE(early.context, nullptr);
  EXPECT_THAT(early.warnings, ElementsAre(HasSubstr("not valid yet")));
}

TEST_F(Files, OfClientsAreChecked) {
  EXPECT_NE(TlsContext::client({.ca_file = cert_}).context, nullptr);
  EXPECT_NE(TlsContext::client({}).context, nullptr);
  const TlsLoaded missing = TlsContext::client({.ca_file = files_.path("no.pem")});
  EXPECT_EQ(missing.context, nullptr);
  EXPECT_THAT(missing.error, HasSubstr("no.pem"));
}

struct Agreed {
  bool well = false;
  std::string version;
  std::string alpn;
};

Agreed agree(const std::shared_ptr<const TlsContext>& context, const PeerOptions& options) {
  OpensslPeer client(options);
  TlsStream server(context);
  const bool well = shake_hands(client, server);
  return {well, std::string(server.version()), std::string(server.alpn())};
}

TEST(Versions, From12OnOr13Alone) {
  const TestCertificate certificate = make_certificate();
  const auto both = server_context(certificate);
  EXPECT_EQ(agree(both, {.version = TLS1_3_VERSION}).version, "TLSv1.3");
  EXPECT_EQ(agree(both, {.version = TLS1_2_VERSION}).version, "TLSv1.2");
  EXPECT_TRUE(agree(both, {.version = TLS1_2_VERSION}).well);
  EXPECT_FALSE(agree(both, {.version = TLS1_1_VERSION}).well);
  EXPECT_FALSE(agree(both, {.version = TLS1_VERSION}).well);
  const auto newest = server_context(certificate, TlsVersion::k13);
  EXPECT_TRUE(agree(newest, {.version = TLS1_3_VERSION}).well);
  EXPECT_FALSE(agree(newest, {.version = TLS1_2_VERSION}).well);
}

TEST(Versions, RefusalsAreAnsweredWithAnAlert) {
  OpensslPeer client({.version = TLS1_1_VERSION});
  TlsStream server(server_context(make_certificate()));
  ASSERT_TRUE(client.step());
  ASSERT_TRUE(server.receive(client.take()).ok());
  EXPECT_EQ(server.handshake_step().error(), Error::kMalformed);
  EXPECT_EQ(server.reason(), "unsupported protocol");
  ASSERT_EQ(server.pending_output().size(), 7u);
  EXPECT_EQ(server.pending_output()[0], 21);
  EXPECT_EQ(server.pending_output()[6], 70);  // protocol_version
}

TEST(Ciphers, OnlyThoseWithForwardSecrecyAndAuthentication) {
  const auto rsa = server_context(make_certificate({.kind = KeyKind::kRsa2048}));
  const auto offers = [&](const char* ciphers) {
    return agree(rsa, {.version = TLS1_2_VERSION, .ciphers = ciphers}).well;
  };
  EXPECT_TRUE(offers("ECDHE-RSA-AES128-GCM-SHA256"));
  EXPECT_TRUE(offers("ECDHE-RSA-CHACHA20-POLY1305"));
  EXPECT_FALSE(offers("AES128-GCM-SHA256"));
  EXPECT_FALSE(offers("ECDHE-RSA-AES128-SHA256"));
  EXPECT_FALSE(offers("DHE-RSA-AES128-GCM-SHA256"));
  EXPECT_TRUE(agree(rsa, {.groups = "P-521:P-256"}).well);
  EXPECT_FALSE(agree(rsa, {.groups = "P-521:P-384"}).well);
}

TEST(Protocols, HttpIsAgreedOnWhenOffered) {
  const auto context = server_context(make_certificate());
  EXPECT_EQ(agree(context, {.protocols = {"http/1.1"}}).alpn, "http/1.1");
  EXPECT_EQ(agree(context, {.protocols = {"h2", "http/1.1"}}).alpn, "http/1.1");
  for (const std::vector<std::string>& offered :
       {std::vector<std::string>{}, {"h2"}, {"http/1.0", "h3"}}) {
    const Agreed agreed = agree(context, {.protocols = offered});
    EXPECT_TRUE(agreed.well);
    EXPECT_EQ(agreed.alpn, "");
  }
}

class Tickets : public testing::TestWithParam<int> {
 protected:
  // A connection to a server with these keys; whether it resumed the session, which is exchanged.
  bool connect(const std::shared_ptr<const TlsTicketKeys>& keys) {
    OpensslPeer client({.version = GetParam(), .session = session_.get()});
    TlsStream server(server_context(certificate_, TlsVersion::k12, keys));
    EXPECT_TRUE(shake_hands(client, server));
    EXPECT_EQ(server.resumed(), SSL_session_reused(client.ssl()) == 1);
    session_ = client.session();
    return server.resumed();
  }

  const TestCertificate certificate_ = make_certificate();
  SslSessionPtr session_;
};

TEST_P(Tickets, SurviveAReloadWithTheSameKeys) {
  const auto keys = TlsTicketKeys::draw();
  EXPECT_FALSE(connect(keys));
  EXPECT_TRUE(connect(keys));
  EXPECT_TRUE(connect(keys));
}

TEST_P(Tickets, AreGoodForOneChangeOfTheKeys) {
  const auto first = TlsTicketKeys::draw();
  const auto second = first->renewed();
  const auto third = second->renewed();
  EXPECT_FALSE(connect(first));
  SslSessionPtr old(SSL_SESSION_dup(session_.get()));
  EXPECT_TRUE(connect(second));
  EXPECT_TRUE(connect(third));  // with the ticket that the second sealed anew
  session_ = std::move(old);
  EXPECT_FALSE(connect(third));
}

TEST_P(Tickets, OfOtherKeysLeadToAFullHandshake) {
  EXPECT_FALSE(connect(TlsTicketKeys::draw()));
  EXPECT_FALSE(connect(TlsTicketKeys::draw()));
}

INSTANTIATE_TEST_SUITE_P(Versions, Tickets, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

}  // namespace
}  // namespace ringway::tls
