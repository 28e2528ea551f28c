// Civil clients through every door of the running gateway: key exchange, messages of all sizes,
// moves between workers, the address that a PROXY header tells, limits, and new certificates.
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "e2e/door_test.h"

namespace ringway::testing {
namespace {

constexpr size_t kLargeBytes = 300 * 1024;

class DoorCases : public DoorTest {
 protected:
  static void SetUpTestSuite() { start_doors(all_doors()); }

  // A message up with a quick ack, where the transport has them, and the same down.
  static void expect_echo(const Door& door, BlockingClient& client, int64_t id, size_t bytes) {
    const Bytes echo = client::make_echo(id, bytes);
    client::RequestOptions options;
    options.expect_reply = false;
    options.quick_ack = true;
    const auto request = client.send(echo, options);
    ASSERT_TRUE(request.ok()) << client.problem();
    bool acked = door.transport == "full";
    bool pushed = false;
    while (!acked || !pushed) {
      const Arrival arrival = client.wait();
      ASSERT_EQ(arrival.kind, Arrival::Kind::kEvent) << arrival.to_string();
      switch (arrival.event.kind) {
        case client::SessionEvent::Kind::kQuickAck:
          acked = acked || arrival.event.request == *request;
          break;
        case client::SessionEvent::Kind::kPush:
          ASSERT_TRUE(equal(arrival.event.body, echo));
          pushed = true;
          break;
        default:
          break;
      }
    }
  }
};

TEST_F(DoorCases, EveryDoorLeadsToTheShard) {
  for (const Door& door : doors()) {
    SCOPED_TRACE(door.name);
    auto client = enter(door);
    ASSERT_TRUE(client->make_key(stack().handshake()).ok()) << client->problem();
    EXPECT_TRUE(client->ping().ok()) << client->problem();
    expect_echo(door, *client, 1, 24);
    expect_echo(door, *client, 2, kLargeBytes);
    expect_echo(door, *client, 3, 24);
    EXPECT_TRUE(client->ping().ok()) << client->problem();
  }
}

// A connection is accepted by any worker and goes to that of its key.
TEST_F(DoorCases, ConnectionsMoveThroughEveryDoor) {
  constexpr int kTriesMax = 60;
  for (const Door& door : doors()) {
    SCOPED_TRACE(door.name);
    const uint64_t before = stack().counter("connections_moved_in");
    int tries = 0;
    for (bool moved = false; !moved; ++tries) {
      ASSERT_LT(tries, kTriesMax) << "never accepted by the other worker";
      for (int i = 0; i < 4; ++i) {
        auto client = enter_with_key(door);
        ASSERT_TRUE(client->ping().ok()) << client->problem();
        expect_echo(door, *client, i, 40'000);
      }
      moved = stack().counter("connections_moved_in") > before;
    }
  }
}

// With TLS 1.3 the client is done before the server is, and may send an upload while the server's
// last step of the handshake is still to come.
TEST_F(DoorCases, UploadsFollowTheHandshakeAtOnce) {
  constexpr int kTimes = 40;
  constexpr size_t kUploadBytes = 1024 * 1024;
  for (int i = 0; i < kTimes; ++i) {
    auto client = enter_with_key(door("tls"));
    expect_echo(door("tls"), *client, i, kUploadBytes);
    ASSERT_FALSE(HasFailure()) << "connection " << i;
  }
}

// The secret's listener wants the secret, and fake TLS's is closed to everything else.
TEST_F(DoorCases, SecretsAreAskedFor) {
  Door stranger = door("secret");
  stranger.secret = transport_secret("ffeeddccbbaa99887766554433221100");
  Door none = stranger;
  none.secret.reset();
  Door plain = door("fake TLS");
  plain.options = {};
  for (const Door& wrong : {stranger, none, plain}) {
    auto client = enter(wrong);
    RawSession session(key());
    ASSERT_TRUE(client->send_frame(session.ping().frame).ok());
    expect_closed_without_a_word(*client);
  }
}

TEST_F(DoorCases, TheClientsAddressReachesTheShard) {
  const auto address_at_shard = [](BlockingClient& client) {
    EXPECT_TRUE(client.ping().ok()) << client.problem();
    const auto lines =
        stack().record(" session_id=" + std::to_string(client.session().session_id()));
    EXPECT_FALSE(lines.empty());
    return lines.empty() ? std::string() : field(lines.front(), "client_ip");
  };
  for (const Door& door : doors()) {
    SCOPED_TRACE(door.name);
    auto client = enter_with_key(door);
    const bool proxied = door.options.proxy != client::ProxyVersion::kNone;
    EXPECT_EQ(address_at_shard(*client), proxied ? "203.0.113.7" : "127.0.0.1");
  }
  for (const client::ProxyVersion version :
       {client::ProxyVersion::kV1, client::ProxyVersion::kV2}) {
    Door six = door("PROXY v1");
    six.options.proxy = version;
    six.options.source = proxy_address("2001:db8::7", 4711);
    six.options.destination = proxy_address("2001:db8::1", 443);
    EXPECT_EQ(address_at_shard(*enter_with_key(six)), "2001:db8::7");
    Door unknown = six;
    unknown.options.source = unknown.options.destination = {};
    EXPECT_EQ(address_at_shard(*enter_with_key(unknown)), "127.0.0.1");
  }
  // Believed, and comes without a header.
  Door direct = door("PROXY v1");
  direct.options.proxy = client::ProxyVersion::kNone;
  EXPECT_EQ(address_at_shard(*enter_with_key(direct)), "127.0.0.1");
}

// --- Limits ---

class DoorLimits : public DoorTest {
 protected:
  static constexpr uint32_t kPerAddress = 4;
  static constexpr size_t kPerListener = 3;

  static void SetUpTestSuite() {
    const auto proxied = [](std::string name, uint16_t port, std::string listener,
                            std::string_view source, uint16_t source_port) {
      Door door{std::move(name), port, std::move(listener)};
      door.options.proxy = client::ProxyVersion::kV2;
      door.options.source = proxy_address(source, source_port);
      door.options.destination = proxy_address("192.0.2.1", 443);
      return door;
    };
    const uint16_t proxy = free_port();
    client::ClientDoorsOptions websocket;
    websocket.websocket = true;
    start_doors(
        {{"few", free_port(), fmt::format("Proto: auto, MaxConnections: {}", kPerListener),
          "obfuscated-intermediate", websocket},
         proxied("one", proxy, "Proto: tcp, ProxyProtocol: {From: [127.0.0.1], Require: true}",
                 "203.0.113.7", 1),
         proxied("other", proxy, "", "203.0.113.8", 1),
         {"headless", proxy, ""}},
        fmt::format("  Limits: {{HandshakesPerAddressPerSecond: 0, ConnectionsPerAddress: {}}}\n",
                    kPerAddress));
  }
};

TEST_F(DoorLimits, OfAListenerHoldOverAllWorkers) {
  const uint64_t before = stack().counter("connections_refused_listener");
  std::vector<std::unique_ptr<BlockingClient>> clients;
  for (size_t i = 0; i < kPerListener; ++i) {
    // The budget of the address stays above that of the listener: one is the healthy connection's.
    clients.push_back(enter_with_key(door("few")));
    ASSERT_TRUE(clients.back()->ping().ok()) << clients.back()->problem();
  }
  expect_closed_without_a_word(*knock(door("few")));
  EXPECT_EQ(stack().counter("connections_refused_listener"), before + 1);
  clients.pop_back();
  EXPECT_TRUE(wait_until(
      [] {
        BlockingClient client(transport("obfuscated-intermediate"));
        client.use_doors(door("few").options);
        return client.connect(address(door("few"))).ok();
      },
      5000))
      << "a place that is free again";
}

TEST_F(DoorLimits, PerAddressCountTheClientAndNotItsBalancer) {
  const uint64_t before = stack().counter("connections_refused_address");
  std::vector<std::unique_ptr<BlockingClient>> clients;
  for (const char* name : {"one", "other"}) {
    for (uint32_t i = 0; i < kPerAddress; ++i) {
      clients.push_back(enter_with_key(door(name)));
      ASSERT_TRUE(clients.back()->ping().ok()) << name << ": " << clients.back()->problem();
    }
    auto beyond = enter(door(name));
    expect_closed_without_a_word(*beyond);
  }
  EXPECT_EQ(stack().counter("connections_refused_address"), before + 2);
  clients.erase(clients.begin());
  EXPECT_TRUE(wait_until(
      [] {
        auto client = enter_with_key(door("one"));
        return client->ping(kNsPerSecond).ok();
      },
      5000))
      << "a place that is free again";
}

TEST_F(DoorLimits, RequiredHeadersAreRequired) {
  const uint64_t before = stack().counter("proxy_headers_refused");
  auto client = enter(door("headless"));
  ASSERT_TRUE(client->send_frame(RawSession(key()).ping().frame).ok());
  expect_closed_without_a_word(*client);
  EXPECT_EQ(stack().counter("proxy_headers_refused"), before + 1);
}

// --- Certificates ---

class CertificateReload : public DoorTest {
 protected:
  static void SetUpTestSuite() {
    const CertificateFiles first = make_certificate_files(files(), "first");
    served_ = {files().file("served.pem"), files().file("served.key")};
    serve(first);
    Door door{
        "wss", free_port(),
        fmt::format("Proto: auto, Tls: {{Cert: {}, Key: {}}}", served_.certificate, served_.key)};
    door.options.websocket = true;
    door.options.server_name = "localhost";
    door.options.tls = trust(first.certificate);
    start_doors({door});
  }
  static void serve(const CertificateFiles& from) {
    write_text(served_.certificate, read_text(from.certificate));
    write_text(served_.key, read_text(from.key));
  }
  // SIGHUP, and what the log then says.
  static void reload(const std::string& expected) {
    const size_t before = stack().gateway_log().size();
    stack().gateway().signal(SIGHUP);
    EXPECT_TRUE(wait_until(
        [&] { return stack().gateway_log().find(expected, before) != std::string::npos; }, 5000))
        << stack().gateway_log().substr(before);
  }
  // Whether a client that trusts this certificate alone comes in.
  static bool comes_in(const std::string& certificate) {
    Door trusting = door("wss");
    trusting.options.tls = trust(certificate);
    BlockingClient client(transport(trusting.transport));
    client.use_doors(trusting.options);
    if (!client.connect(address(trusting)).ok()) return false;
    client.use_key(key());
    return client.ping().ok();
  }

  static inline CertificateFiles served_;
};

TEST_F(CertificateReload, NewConnectionsSeeItAndOldOnesGoOn) {
  const std::string first = files().file("first.pem");
  const CertificateFiles second = make_certificate_files(files(), "second");
  auto old = enter_with_key(door("wss"));
  ASSERT_TRUE(old->ping().ok()) << old->problem();
  EXPECT_TRUE(comes_in(first));
  EXPECT_FALSE(comes_in(second.certificate));

  serve(second);
  EXPECT_TRUE(comes_in(first)) << "nothing is read before it is asked for";
  reload("the certificates of 1 listeners were read anew");
  EXPECT_TRUE(comes_in(second.certificate));
  EXPECT_FALSE(comes_in(first));
  EXPECT_TRUE(old->ping().ok()) << old->problem();

  // A file that is no certificate, and a key that is another's.
  write_text(served_.certificate, "not a certificate\n");
  reload("certificates stay as they were: Tls of " + address(door("wss")));
  EXPECT_NE(stack().gateway_log().find(served_.certificate), std::string::npos);
  EXPECT_TRUE(comes_in(second.certificate));
  serve({first, second.key});
  reload("certificates stay as they were");
  EXPECT_TRUE(comes_in(second.certificate));
  EXPECT_TRUE(old->ping().ok()) << old->problem();

  serve({first, files().file("first.key")});
  reload("were read anew");
  EXPECT_TRUE(comes_in(first));
  EXPECT_TRUE(old->ping().ok()) << old->problem();
}

}  // namespace
}  // namespace ringway::testing
