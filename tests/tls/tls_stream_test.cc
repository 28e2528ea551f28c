// Streams of both roles against each other and against OpenSSL's own client, at every split.
#include "tls/tls_stream.h"

#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "base/limits.h"
#include "openssl_peer.h"

namespace ringway::tls {
namespace {

Bytes drawn(size_t size, uint32_t seed = 1) {
  std::mt19937 random(seed);
  Bytes out(size);
  for (uint8_t& byte : out) byte = static_cast<uint8_t>(random());
  return out;
}

const TestCertificate& certificate() {
  static const TestCertificate made = make_certificate();
  return made;
}

const std::shared_ptr<const TlsContext>& server_side() {
  static const std::shared_ptr<const TlsContext> context = server_context(certificate());
  return context;
}

std::shared_ptr<const TlsContext> client_side() {
  return TlsContext::client({.insecure = true}).context;
}

TEST(TlsStream, TwoOfThemTalkThroughEverySplit) {
  const Bytes there = drawn(500, 1);
  const Bytes back = drawn(700, 2);
  const auto context = client_side();
  for (size_t piece = 1; piece < 1200; piece = piece < 40 ? piece + 1 : piece * 5 / 4) {
    TlsStream client(context, "gateway.example");
    TlsStream server(server_side());
    ASSERT_TRUE(shake_hands(client, server, piece)) << piece;
    EXPECT_EQ(server.version(), "TLSv1.3");
    EXPECT_EQ(server.alpn(), "http/1.1");
    EXPECT_EQ(client.alpn(), "http/1.1");
    ASSERT_TRUE(client.write(there).ok());
    ASSERT_TRUE(move_output(client, server, piece));
    EXPECT_EQ(read_all(server, piece), there);
    ASSERT_TRUE(server.write(back).ok());
    ASSERT_TRUE(move_output(server, client, piece));
    EXPECT_EQ(read_all(client), back);
  }
}

class AgainstOpenssl : public testing::TestWithParam<int> {};

TEST_P(AgainstOpenssl, LargeStreamsBothWays) {
  OpensslPeer client({.version = GetParam()});
  TlsStream server(server_side());
  ASSERT_TRUE(shake_hands(client, server, 1));
  for (const size_t size : {1u, 100u, 16384u, 16385u, 200'000u}) {
    const Bytes sent = drawn(size, static_cast<uint32_t>(size));
    client.write(sent);
    const Bytes sealed = client.take();
    Bytes opened;
    for (size_t at = 0; at < sealed.size(); at += 5000) {
      ASSERT_TRUE(
          server.receive(ByteView(sealed).subspan(at, std::min<size_t>(5000, sealed.size() - at)))
              .ok());
      const Bytes some = read_all(server, 3000);
      opened.insert(opened.end(), some.begin(), some.end());
    }
    EXPECT_EQ(opened, sent);
    ASSERT_TRUE(server.write(sent).ok());
    client.give(server.pending_output());
    server.consume_output(server.pending_output().size());
    EXPECT_EQ(client.read(), sent);
  }
}

TEST_P(AgainstOpenssl, AnIdleStreamHoldsNoBuffers) {
  OpensslPeer client({.version = GetParam()});
  TlsStream server(server_side());
  ASSERT_TRUE(shake_hands(client, server));
  client.write(drawn(50'000));
  ASSERT_TRUE(server.receive(client.take()).ok());
  EXPECT_EQ(read_all(server).size(), 50'000u);
  ASSERT_TRUE(server.write(drawn(50'000)).ok());
  server.consume_output(server.pending_output().size());
  EXPECT_EQ(server.buffered_bytes(), 0u);
}

TEST_P(AgainstOpenssl, GoodbyesAreHeardAndSaidOnce) {
  OpensslPeer client({.version = GetParam()});
  TlsStream server(server_side());
  ASSERT_TRUE(shake_hands(client, server));
  client.write(drawn(10));
  SSL_shutdown(client.ssl());
  ASSERT_TRUE(server.receive(client.take()).ok());
  EXPECT_EQ(read_all(server).size(), 10u);
  EXPECT_TRUE(server.peer_closed());
  ASSERT_TRUE(server.write(drawn(10)).ok());
  server.close_notify();
  const size_t size = server.pending_output().size();
  server.close_notify();
  EXPECT_EQ(server.pending_output().size(), size);
  EXPECT_EQ(server.write(drawn(10)).error(), Error::kBadState);
  client.give(server.pending_output());
  EXPECT_EQ(client.read().size(), 10u);
  EXPECT_EQ(SSL_get_shutdown(client.ssl()), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
}

TEST_P(AgainstOpenssl, KeyChangesAndRenegotiation) {
  OpensslPeer client({.version = GetParam()});
  TlsStream server(server_side());
  ASSERT_TRUE(shake_hands(client, server));
  if (GetParam() == TLS1_3_VERSION) {
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
  } else {
    ASSERT_EQ(SSL_renegotiate(client.ssl()), 1);
  }
  (void)client.step();
  const Bytes asked = client.take();
  ASSERT_FALSE(asked.empty());
  ASSERT_TRUE(server.receive(asked).ok());
  EXPECT_TRUE(read_all(server).empty());
  if (GetParam() == TLS1_2_VERSION) {
    client.give(server.pending_output());
    EXPECT_FALSE(client.step());  // the server does not start again
    return;
  }
  // The answer goes out with the next data.
  ASSERT_TRUE(server.write(drawn(10)).ok());
  client.give(server.pending_output());
  EXPECT_EQ(client.read(), drawn(10));
  client.write(drawn(20));
  ASSERT_TRUE(server.receive(client.take()).ok());
  EXPECT_EQ(read_all(server), drawn(20));
}

INSTANTIATE_TEST_SUITE_P(Versions, AgainstOpenssl, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST(TlsStream, NothingIsReadOrWrittenBeforeTheHandshake) {
  TlsStream server(server_side());
  EXPECT_EQ(server.write(drawn(1)).error(), Error::kBadState);
  uint8_t byte = 0;
  size_t count = 1;
  EXPECT_TRUE(server.read({&byte, 1}, count).ok());
  EXPECT_EQ(count, 0u);
  server.close_notify();
  EXPECT_TRUE(server.pending_output().empty());
}

TEST(TlsStream, ReceivingDoesNoWork) {
  OpensslPeer client;
  TlsStream server(server_side());
  ASSERT_TRUE(client.step());
  const Bytes hello = client.take();
  ASSERT_TRUE(server.receive(ByteView(hello).first(hello.size() - 1)).ok());
  EXPECT_FALSE(server.has_record());
  ASSERT_TRUE(server.handshake_step().ok());
  EXPECT_TRUE(server.pending_output().empty());
  ASSERT_TRUE(server.receive(ByteView(hello).last(1)).ok());
  EXPECT_TRUE(server.has_record());
  EXPECT_TRUE(server.pending_output().empty());
  ASSERT_TRUE(server.handshake_step().ok());
  EXPECT_FALSE(server.pending_output().empty());
}

// As a crypto pool would do it: each step on another thread than receiving and sending.
TEST(TlsStream, StepsMayRunOnAnotherThread) {
  OpensslPeer client;
  TlsStream server(server_side());
  for (int round = 0; round < 10 && !(client.done() && server.handshake_done()); ++round) {
    ASSERT_TRUE(client.step());
    ASSERT_TRUE(server.receive(client.take()).ok());
    bool well = false;
    std::thread([&] { well = server.handshake_step().ok(); }).join();
    ASSERT_TRUE(well);
    client.give(server.pending_output());
    server.consume_output(server.pending_output().size());
  }
  client.write(drawn(100));
  ASSERT_TRUE(server.receive(client.take()).ok());
  EXPECT_EQ(read_all(server), drawn(100));
}

TEST(TlsStream, ApplicationDataBehindTheHandshakeIsKept) {
  OpensslPeer client;
  TlsStream server(server_side());
  ASSERT_TRUE(client.step());
  ASSERT_TRUE(server.receive(client.take()).ok());
  ASSERT_TRUE(server.handshake_step().ok());
  client.give(server.pending_output());
  server.consume_output(server.pending_output().size());
  ASSERT_TRUE(client.step());
  client.write(drawn(100));
  ASSERT_TRUE(server.receive(client.take()).ok());
  ASSERT_TRUE(server.handshake_step().ok());
  EXPECT_TRUE(server.handshake_done());
  EXPECT_EQ(read_all(server), drawn(100));
}

TEST(TlsStream, InputIsBounded) {
  OpensslPeer client;
  TlsStream server(server_side());
  ASSERT_TRUE(shake_hands(client, server));
  Bytes sealed;
  while (sealed.size() <= 2 * kTlsInputBytesMax) {
    client.write(drawn(16'384));
    const Bytes more = client.take();
    sealed.insert(sealed.end(), more.begin(), more.end());
  }
  size_t given = 0;
  while (server.receive(ByteView(sealed).subspan(given, 1000)).ok()) given += 1000;
  EXPECT_GT(given, kTlsInputBytesMax);
  EXPECT_LE(given, kTlsInputBytesMax + 1000);
  EXPECT_FALSE(read_all(server).empty());
  EXPECT_TRUE(server.receive(ByteView(sealed).subspan(given)).ok());
}

TEST(TlsStream, OutputIsBoundedAndARefusalHarmless) {
  OpensslPeer client;
  TlsStream server(server_side());
  ASSERT_TRUE(shake_hands(client, server));
  const Bytes plain = drawn(1024 * 1024);
  size_t written = 0;
  while (server.write(plain).ok()) written += plain.size();
  EXPECT_EQ(server.write(plain).error(), Error::kFull);
  EXPECT_LE(server.pending_output().size(), kTlsOutputBytesMax);
  EXPECT_EQ(written, kTlsOutputBytesMax - plain.size());
  client.give(server.pending_output());
  server.consume_output(server.pending_output().size());
  EXPECT_EQ(client.read().size(), written);
  EXPECT_TRUE(server.write(drawn(10)).ok());
  client.give(server.pending_output());
  EXPECT_EQ(client.read(), drawn(10));
}

class Verified : public testing::Test {
 protected:
  // Whether a client that trusts `trusted` takes a server with `certificate` for `name`.
  static bool takes(const TestCertificate& trusted, const TestCertificate& shown,
                    std::string_view name) {
    TestFiles files;
    const auto context =
        TlsContext::client({.ca_file = files.write("ca.pem", trusted.certificate)}).context;
    TlsStream client(context, name);
    TlsStream server(server_context(shown));
    return shake_hands(client, server);
  }
};

TEST_F(Verified, CertificatesMustBeTrustedAndForTheName) {
  const TestCertificate own = make_certificate();
  EXPECT_TRUE(takes(own, own, "gateway.example"));
  EXPECT_FALSE(takes(own, own, "other.example"));
  EXPECT_FALSE(takes(make_certificate(), own, "gateway.example"));
  const TestCertificate address = make_certificate({.name = "IP:127.0.0.1"});
  EXPECT_TRUE(takes(address, address, "127.0.0.1"));
  EXPECT_FALSE(takes(address, address, "127.0.0.2"));
  const TestCertificate old = make_certificate({.not_after_seconds = -60});
  EXPECT_FALSE(takes(old, old, "gateway.example"));
}

}  // namespace
}  // namespace ringway::tls
