#include "client/blocking_client.h"

#include <gtest/gtest.h>

#include "client/demo.h"
#include "client/objects.h"
#include "client/test_server.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

using testing::TestServer;
using testing::TestServerOptions;

constexpr int64_t kShortNs = 200 * kNsPerMs;
constexpr const char* kTransports[] = {"abridged",
                                       "intermediate",
                                       "padded",
                                       "full",
                                       "obfuscated-abridged",
                                       "obfuscated-intermediate",
                                       "obfuscated-padded"};

mtproto::ClientTransportOptions transport(std::string_view name) {
  return *mtproto::client_transport_by_name(name);
}

HandshakeOptions handshake(const TestServer& server) {
  HandshakeOptions options;
  options.keys = {{server.key(), server.key()->fingerprint()}};
  return options;
}

class EachTransport : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(BlockingClient, EachTransport, ::testing::ValuesIn(kTransports),
                         [](const ::testing::TestParamInfo<const char*>& param) {
                           std::string name = param.param;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(EachTransport, MakesAKeyAndTalks) {
  TestServer server;
  BlockingClient client(transport(GetParam()));
  ASSERT_TRUE(client.connect(server.address()).ok()) << client.problem();
  const auto made = client.make_key(handshake(server));
  ASSERT_TRUE(made.ok()) << client.problem();
  EXPECT_EQ(made->fingerprint, server.key()->fingerprint());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(client.ping().ok()) << client.problem();
  const auto config = client.call(make_get_config(144, 1));
  ASSERT_TRUE(config.ok()) << client.problem();
  EXPECT_EQ(read_config_summary(*config)->this_dc, 2);
  EXPECT_EQ(server.bad_messages(), 0U);
}

TEST_P(EachTransport, ReconnectsWithItsKey) {
  TestServer server;
  SessionKey key;
  {
    BlockingClient client(transport(GetParam()));
    ASSERT_TRUE(client.connect(server.address()).ok());
    ASSERT_TRUE(client.make_key(handshake(server)).ok()) << client.problem();
    ASSERT_TRUE(client.ping().ok());
    key = client.session().key();
  }
  BlockingClient client(transport(GetParam()));
  ASSERT_TRUE(client.connect(server.address()).ok());
  client.use_key(key);
  EXPECT_TRUE(client.ping().ok()) << client.problem();
}

TEST_P(EachTransport, QuickAckArrives) {
  if (std::string_view(GetParam()) == "full") return;  // it has none
  TestServer server;
  BlockingClient client(transport(GetParam()));
  ASSERT_TRUE(client.connect(server.address()).ok());
  ASSERT_TRUE(client.make_key(handshake(server)).ok()) << client.problem();
  for (const size_t bytes : {16U, 500U, 512U, 70'000U}) {
    const auto request =
        client.send(make_padded_ack(bytes),
                    {.content_related = false, .expect_reply = false, .quick_ack = true});
    ASSERT_TRUE(request.ok());
    const Arrival arrival = client.wait_quick_ack(*request);
    ASSERT_EQ(arrival.kind, Arrival::Kind::kEvent) << arrival.to_string();
    EXPECT_EQ(arrival.event.kind, SessionEvent::Kind::kQuickAck);
  }
}

TEST(BlockingClient, LearnsTheSalt) {
  TestServer server({.refuse_first_salt = true});
  BlockingClient client(transport("intermediate"));
  ASSERT_TRUE(client.connect(server.address()).ok());
  ASSERT_TRUE(client.make_key(handshake(server)).ok()) << client.problem();
  EXPECT_TRUE(client.ping().ok()) << client.problem();
  EXPECT_EQ(client.session().counts().salt_changes, 1U);
}

TEST(BlockingClient, TellsRpcErrors) {
  TestServer server;
  BlockingClient client(transport("abridged"));
  ASSERT_TRUE(client.connect(server.address()).ok());
  ASSERT_TRUE(client.make_key(handshake(server)).ok());
  EXPECT_EQ(client.call(Bytes{1, 2, 3, 4}).error(), Error::kNotAllowed);
  EXPECT_EQ(client.problem(), "rpc_error 400 METHOD_NOT_IMPLEMENTED");
}

TEST(BlockingClient, TellsTransportErrorsAndTheEndAfterThem) {
  TestServer server({.error_on_encrypted = -404});
  BlockingClient client(transport("padded"));
  ASSERT_TRUE(client.connect(server.address()).ok());
  ASSERT_TRUE(client.make_key(handshake(server)).ok());
  EXPECT_EQ(client.ping().error(), Error::kUnavailable);
  EXPECT_EQ(client.problem(), "transport error -404");
  EXPECT_EQ(client.wait().kind, Arrival::Kind::kClosed);
  EXPECT_EQ(client.wait().kind, Arrival::Kind::kClosed) << "an end stays an end";
  EXPECT_EQ(client.last_transport_error(), -404);
}

TEST(BlockingClient, TimesOut) {
  TestServer server({.silent = true});
  BlockingClient client(transport("intermediate"));
  ASSERT_TRUE(client.connect(server.address()).ok());
  EXPECT_EQ(client.make_key(handshake(server), kShortNs).error(), Error::kTimeout);
  EXPECT_EQ(client.wait(0).kind, Arrival::Kind::kTimeout);
}

TEST(BlockingClient, SeesTheServerClose) {
  TestServer server;
  BlockingClient client(transport("intermediate"));
  ASSERT_TRUE(client.connect(server.address()).ok());
  ASSERT_TRUE(client.send_bytes(Bytes{0xee, 0xee, 0xee, 0xee, 0, 0, 0, 0}).ok());
  EXPECT_EQ(client.wait_end().kind, Arrival::Kind::kClosed);
}

TEST(BlockingClient, CannotConnectWhereNobodyListens) {
  std::string address;
  { address = TestServer().address(); }
  BlockingClient client(transport("intermediate"));
  EXPECT_EQ(client.connect(address).error(), Error::kUnavailable);
  EXPECT_NE(client.problem().find("refused"), std::string::npos) << client.problem();
  EXPECT_EQ(client.connect("nonsense").error(), Error::kInvalidArgument);
}

TEST(BlockingClient, RefusesAServerWithAnotherKey) {
  TestServer server;
  BlockingClient client(transport("intermediate"));
  ASSERT_TRUE(client.connect(server.address()).ok());
  const auto other = crypto::RsaKey::generate();
  HandshakeOptions options;
  options.keys = {{other, other->fingerprint()}};
  EXPECT_EQ(client.make_key(options).error(), Error::kBadFingerprint);
}

TEST(BlockingClient, TwoKeysOnOneConnection) {
  TestServer server;
  BlockingClient client(transport("intermediate"));
  ASSERT_TRUE(client.connect(server.address()).ok());
  ASSERT_TRUE(client.make_key(handshake(server)).ok());
  ASSERT_TRUE(client.ping().ok());
  const int64_t first = client.session().auth_key_id();
  ASSERT_TRUE(client.make_key(handshake(server)).ok()) << client.problem();
  EXPECT_NE(client.session().auth_key_id(), first);
  EXPECT_TRUE(client.ping().ok()) << client.problem();
}

TEST(Demo, TellsEveryStep) {
  for (const char* name : {"obfuscated-padded", "full"}) {
    TestServer server;
    LoadOptions options;
    options.address = server.address();
    options.server_keys = {{server.key(), server.key()->fingerprint()}};
    options.transports = *parse_transports(name);
    std::vector<std::string> lines;
    const DemoReport report =
        run_demo(options, [&lines](std::string_view line) { lines.emplace_back(line); });
    EXPECT_EQ(report.failure, "");
    EXPECT_EQ(report.fingerprint, server.key()->fingerprint());
    EXPECT_EQ(lines.size(), 6U);
    EXPECT_NE(lines.back().find("config#330b4067"), std::string::npos) << lines.back();
  }
}

TEST(Demo, NamesTheStepThatFailed) {
  TestServer server({.error_on_encrypted = -404});
  LoadOptions options;
  options.address = server.address();
  options.server_keys = {{server.key(), server.key()->fingerprint()}};
  const DemoReport report = run_demo(options, [](std::string_view) {});
  EXPECT_EQ(report.failure, "encrypted ping: transport error -404");
}

}  // namespace
}  // namespace ringway::client
