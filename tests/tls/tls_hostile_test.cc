// What strangers send where TLS is expected: it ends with an error, an alert where TLS has one, and
// no more memory than was sent.
#include <gtest/gtest.h>

#include <random>

#include "base/limits.h"
#include "openssl_peer.h"
#include "tls/tls_stream.h"
#include "tls_testing.h"

namespace ringway::tls {
namespace {

const std::shared_ptr<const TlsContext>& context() {
  static const std::shared_ptr<const TlsContext> made = server_context(make_certificate());
  return made;
}

// Gives bytes and does what a gateway does with them.
bool digest(TlsStream& server, ByteView bytes) {
  if (!server.receive(bytes)) return false;
  if (!server.handshake_done() && !server.handshake_step()) return false;
  uint8_t out[1000];
  size_t count = sizeof out;
  while (count == sizeof out) {
    if (!server.read(out, count)) return false;
  }
  return !server.peer_closed();
}

Bytes hello_of(const PeerOptions& options = {}) {
  OpensslPeer client(options);
  EXPECT_TRUE(client.step());
  return client.take();
}

TEST(Hostile, OtherProtocolsFailAtOnce) {
  for (const std::string_view start :
       {"GET / HTTP/1.1\r\n\r\n", "POST /api HTTP/1.1\r\n", "PROXY TCP4 1.2.3.4", "SSH-2.0-x\r\n",
        "\xef", "\xee\xee\xee\xee"}) {
    TlsStream server(context());
    // The error may need five bytes, the size of a record's header.
    const bool alive = digest(server, as_bytes(start)) && digest(server, Bytes(5, 0xee));
    EXPECT_FALSE(alive) << start;
    EXPECT_FALSE(server.reason().empty());
    EXPECT_FALSE(digest(server, Bytes(100, 0)));
  }
}

TEST(Hostile, RecordsTooLargeOrOfNoVersionAreNotWaitedFor) {
  for (const std::string_view start : {"160301ffff", "1603014800", "1604010100", "8004010100"}) {
    TlsStream server(context());
    EXPECT_FALSE(digest(server, hex(start))) << start;
  }
}

TEST(Hostile, EveryTruncationWaitsAndHoldsWhatWasSent) {
  const Bytes hello = hello_of();
  for (size_t size = 0; size < hello.size(); ++size) {
    TlsStream server(context());
    ASSERT_TRUE(digest(server, ByteView(hello).first(size))) << size;
    EXPECT_TRUE(server.pending_output().empty());
    EXPECT_LE(server.buffered_bytes(), std::max<size_t>(64, 2 * size));
  }
}

TEST(Hostile, NoChangedByteOfAHelloDoesHarm) {
  const Bytes hello = hello_of();
  std::mt19937 random(1);
  for (size_t at = 0; at < hello.size(); ++at) {
    TlsStream server(context());
    (void)digest(server, with_byte(hello, at, static_cast<uint8_t>(random())));
    // Whatever it made of that, the handshake cannot be at its end.
    EXPECT_FALSE(server.handshake_done());
    EXPECT_LE(server.buffered_bytes(), size_t{8192});
  }
}

TEST(Hostile, NoChangedByteOfDataIsTaken) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (size_t at = 0; at < 40; ++at) {
      OpensslPeer client({.version = version});
      TlsStream server(context());
      ASSERT_TRUE(shake_hands(client, server));
      client.write(as_bytes("eleven byte"));
      Bytes record = client.take();
      if (at >= record.size()) break;
      record[at] ^= 1;
      ASSERT_TRUE(server.receive(record).ok());
      EXPECT_TRUE(read_all(server).empty()) << at;
      // A record that is said to be longer is waited for, and is wrong when it has come.
      (void)server.receive(Bytes(70'000, 0));
      EXPECT_TRUE(read_all(server).empty()) << at;
      EXPECT_FALSE(server.reason().empty()) << version << " " << at;
      EXPECT_EQ(server.write(record).error(), Error::kBadState);
    }
  }
}

TEST(Hostile, GarbageOfEveryKindEnds) {
  std::mt19937 random(2);
  for (int i = 0; i < 500; ++i) {
    TlsStream server(context());
    Bytes garbage(random() % 3000);
    for (uint8_t& byte : garbage) byte = static_cast<uint8_t>(random());
    // Some pass for records.
    if (i % 2 == 0 && garbage.size() > 5) {
      const Bytes start = hex("1603010010");
      std::copy(start.begin(), start.end(), garbage.begin());
    }
    (void)digest(server, garbage);
    EXPECT_FALSE(server.handshake_done());
    EXPECT_LE(server.pending_output().size(), 64u);
  }
}

// Each asks for an answer that nobody takes away.
TEST(Hostile, AFloodOfKeyChangesIsBounded) {
  OpensslPeer client;
  TlsStream server(context());
  ASSERT_TRUE(shake_hands(client, server));
  while (server.write(Bytes(10'000, 1)).ok()) {
  }
  const size_t before = server.pending_output().size();
  Error error = Error::kNone;
  uint8_t out[16];
  size_t count = 0;
  for (int i = 0; i < 10'000 && error == Error::kNone; ++i) {
    ASSERT_EQ(SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED), 1);
    ASSERT_EQ(SSL_do_handshake(client.ssl()), 1);
    ASSERT_TRUE(server.receive(client.take()).ok());
    error = server.read(out, count).error();
  }
  EXPECT_EQ(error, Error::kFull);
  EXPECT_LE(server.pending_output().size(), before + 128 * 1024);
}

TEST(Hostile, AnAlertInsteadOfAHandshakeEndsIt) {
  TlsStream server(context());
  EXPECT_FALSE(digest(server, hex("15030300020228")));
  EXPECT_FALSE(server.reason().empty());
}

}  // namespace
}  // namespace ringway::tls
