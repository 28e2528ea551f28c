// The gateway between its clients and its shards: every wire, pushes from outside, restarts,
// draining, several workers, a shard that does not acknowledge.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <thread>

#include "base/limits.h"
#include "client/load.h"
#include "e2e/gateway_test.h"
#include "gateway.grpc.pb.h"
#include "mtproto/message.h"

namespace ringway::testing {
namespace {

// A push's payload: salt, session_id, msg_id, seq_no, length, body.
std::string push_payload(int64_t session_id, int64_t msg_id, ByteView body) {
  Bytes payload;
  ByteAppender out(payload);
  out.i64(1);
  out.i64(session_id);
  out.i64(msg_id);
  out.i32(1);
  out.u32(static_cast<uint32_t>(body.size()));
  out.bytes(body);
  return std::string(as_text(payload));
}

class PushCases : public GatewayTest {
 protected:
  static void SetUpTestSuite() { start_stack({.ringway_yaml = kGenerousLimits, .workers = 4}); }

  static std::shared_ptr<grpc::Channel> channel() {
    return grpc::CreateChannel("127.0.0.1:" + std::to_string(stack().service_port()),
                               grpc::InsecureChannelCredentials());
  }
  static gateway::TL_gateway_sendDataToGateway request(int64_t auth_key_id, int64_t session_id,
                                                       int64_t number) {
    gateway::TL_gateway_sendDataToGateway data;
    data.set_auth_key_id(auth_key_id);
    data.set_session_id(session_id);
    const int64_t msg_id = (read_clocks().unix_seconds() << 32) + 4 * number + 1;
    data.set_payload(push_payload(session_id, msg_id, client::make_echo(number, 24)));
    return data;
  }
  // The unary answer: the predicate name of a Bool.
  static std::string push(const gateway::TL_gateway_sendDataToGateway& data) {
    const auto stub = gateway::RPCGateway::NewStub(channel());
    grpc::ClientContext context;
    ::mtproto::Bool answer;
    const grpc::Status status = stub->gateway_sendDataToGateway(&context, data, &answer);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return answer.predicate_name();
  }
  static void expect_push(BlockingClient& client, int64_t number) {
    for (;;) {
      const Arrival arrival = client.wait();
      ASSERT_EQ(arrival.kind, Arrival::Kind::kEvent) << arrival.to_string();
      if (arrival.event.kind == client::SessionEvent::Kind::kNewSession) continue;
      ASSERT_EQ(arrival.event.kind, client::SessionEvent::Kind::kPush);
      EXPECT_TRUE(equal(arrival.event.body, client::make_echo(number, 24)));
      return;
    }
  }
};

// Case 58.
TEST_F(PushCases, UnknownSessionsAreFalse) {
  EXPECT_EQ(push(request(key().auth_key_id, 12345, 1)), "boolFalse");
  EXPECT_EQ(push(request(987654321, 12345, 1)), "boolFalse");
}

TEST_F(PushCases, KnownSessionsGetThePush) {
  // Several clients, so that homes on every worker are tried.
  for (int i = 0; i < 8; ++i) {
    auto client = connect("padded");
    ASSERT_TRUE(client->make_key(stack().handshake()).ok()) << client->problem();
    ASSERT_TRUE(client->ping().ok());
    const int64_t auth_key_id = client->session().auth_key_id();
    const int64_t session_id = client->session().session_id();
    EXPECT_EQ(push(request(auth_key_id, session_id, i + 1)), "boolTrue");
    expect_push(*client, i + 1);
    EXPECT_EQ(push(request(auth_key_id, session_id + 1, i + 1)), "boolFalse");
    client->close();
    EXPECT_TRUE(
        wait_until([&] { return push(request(auth_key_id, session_id, 99)) == "boolFalse"; }, 5000))
        << "the session ended with its connection";
  }
}

TEST_F(PushCases, StreamAnswersEveryPushInOrder) {
  auto client = connect_with_key("intermediate");
  ASSERT_TRUE(client->ping().ok());
  const int64_t session_id = client->session().session_id();
  const auto stub = gateway::RPCGatewayStream::NewStub(channel());
  grpc::ClientContext context;
  const auto stream = stub->GatewayDataStream(&context);
  constexpr int kPushes = 100;
  for (int i = 1; i <= kPushes; ++i) {
    gateway::GatewayStreamRequest message;
    message.set_request_id(std::to_string(i));
    *message.mutable_send_data() = request(key().auth_key_id, i % 10 == 0 ? 555 : session_id, i);
    ASSERT_TRUE(stream->Write(message));
  }
  for (int i = 1; i <= kPushes; ++i) {
    gateway::GatewayStreamResponse answer;
    ASSERT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.request_id(), std::to_string(i));
    EXPECT_EQ(answer.success(), i % 10 != 0) << i;
  }
  for (int i = 1; i <= kPushes; ++i) {
    if (i % 10 != 0) expect_push(*client, i);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(PushCases, MalformedPushesAreFalse) {
  auto client = connect_with_key("intermediate");
  ASSERT_TRUE(client->ping().ok());
  const int64_t session_id = client->session().session_id();
  for (const size_t bytes : {0UL, 7UL, 31UL}) {
    auto data = request(key().auth_key_id, session_id, 1);
    data.mutable_payload()->resize(bytes);
    EXPECT_EQ(push(data), "boolFalse") << bytes;
  }
  auto huge = request(key().auth_key_id, session_id, 1);
  huge.mutable_payload()->resize(3 << 20);
  EXPECT_EQ(push(huge), "boolFalse") << "clients drop answers above 2 MiB";
  EXPECT_TRUE(client->ping().ok()) << client->problem();
}

// Keys spread over four workers: connections move to the home of their key and work there.
TEST_F(PushCases, ClientsLiveOnEveryWorker) {
  std::vector<std::unique_ptr<BlockingClient>> clients;
  for (int i = 0; i < 24; ++i) {
    clients.push_back(connect(kTransports[static_cast<size_t>(i) % std::size(kTransports)]));
    ASSERT_TRUE(clients.back()->make_key(stack().handshake()).ok()) << clients.back()->problem();
  }
  for (int round = 0; round < 3; ++round) {
    for (auto& client : clients) ASSERT_TRUE(client->ping().ok()) << client->problem();
  }
  EXPECT_GE(stack().counter("connections_moved_in"), 1U);
  EXPECT_EQ(stack().counter("connections_moved_in"), stack().counter("connections_moved_out"));
}

// --- The three wires ---

class WireCases : public GatewayTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    start_stack({.ringway_yaml = kGenerousLimits, .shard_arguments = {"--wire", GetParam()}});
    GatewayTest::SetUp();
  }
};
INSTANTIATE_TEST_SUITE_P(EachWire, WireCases, ::testing::Values("batch", "stream", "unary"),
                         [](const ::testing::TestParamInfo<const char*>& wire) {
                           return std::string(wire.param);
                         });

TEST_P(WireCases, EverythingWorksAndStaysInOrder) {
  auto client = connect("intermediate");
  ASSERT_TRUE(client->make_key(stack().handshake()).ok()) << client->problem();
  ASSERT_TRUE(client->ping().ok()) << client->problem();
  const auto config = client->call(client::make_get_config(144, 1));
  ASSERT_TRUE(config.ok()) << client->problem();
  EXPECT_TRUE(client::read_config_summary(*config).ok());

  RawSession session(key());
  std::vector<int64_t> sent;
  for (int i = 0; i < 200; ++i) {
    const Sealed message = session.seal(client::make_padded_ack(64));
    ASSERT_TRUE(client->send_frame(message.frame).ok());
    sent.push_back(message.msg_id);
  }
  const std::string mark = " session_id=" + std::to_string(session.session_id()) + " ";
  ASSERT_TRUE(wait_until([&] { return stack().record(mark).size() >= sent.size(); }, 10'000))
      << stack().record(mark).size();
  const auto lines = stack().record(mark);
  ASSERT_EQ(lines.size(), sent.size());
  for (size_t i = 0; i < sent.size(); ++i) {
    EXPECT_EQ(field(lines[i], "msg_id"), std::to_string(sent[i])) << i;
    EXPECT_EQ(field(lines[i], "wire"), GetParam());
  }
}

TEST_P(WireCases, KeysOutliveGatewayAndShard) {
  auto client = connect_with_key("padded");
  ASSERT_TRUE(client->ping().ok());
  stack().stop_gateway();
  EXPECT_TRUE(client->wait_end().is_end());
  stack().stop_shard();
  stack().start_shard({"--wire", GetParam()});
  stack().start_gateway();
  for (const char* name : kTransports) {
    auto again = connect_with_key(name);
    EXPECT_TRUE(again->ping().ok()) << name << ": " << again->problem() << "\n"
                                    << stack().gateway_log();
  }
  GatewayTest::SetUp();  // the healthy connection ended with the gateway
}

TEST_P(WireCases, ShardRestartsUnderTraffic) {
  auto client = connect_with_key("intermediate");
  ASSERT_TRUE(client->ping().ok());
  stack().stop_shard();
  // Sent into the gap; answered once the shard is back.
  const auto request = client->send(client::make_ping(77),
                                    {.content_related = false, .timeout_ns = 60 * kNsPerSecond});
  ASSERT_TRUE(request.ok());
  sleep_ms(200);
  stack().start_shard({"--wire", GetParam()});
  const Arrival pong = client->wait_for(*request, 20 * kNsPerSecond);
  if (std::string_view(GetParam()) == "batch") {
    ASSERT_EQ(pong.kind, Arrival::Kind::kEvent) << pong.to_string();
    EXPECT_EQ(pong.event.kind, client::SessionEvent::Kind::kPong);
  }
  EXPECT_TRUE(wait_until(
      [] {
        auto probe = connect_with_key("abridged");
        return probe->ping(2 * kNsPerSecond).ok();
      },
      20'000));
  GatewayTest::SetUp();
}

// --- Life and death of the process ---

class DrainCases : public GatewayTest {
 protected:
  static void SetUpTestSuite() { start_stack({.ringway_yaml = kGenerousLimits}); }
};

TEST_F(DrainCases, TermClosesSessionsAtTheShardAndExitsCleanly) {
  auto client = connect_with_key("intermediate");
  ASSERT_TRUE(client->ping().ok());
  const std::string mark = "session_id=" + std::to_string(client->session().session_id());
  stack().stop_gateway();
  EXPECT_TRUE(client->wait_end().is_end());
  const auto closes = stack().record("close ");
  EXPECT_EQ(
      std::count_if(closes.begin(), closes.end(),
                    [&](const std::string& line) { return line.find(mark) != std::string::npos; }),
      1);
  stack().start_gateway();
  SetUp();
}

TEST_F(DrainCases, LinkThatNeverAcknowledgesIsBoundedAndRecovers) {
  stack().stop_shard();
  stack().start_shard({"--fault", "never-ack"});
  const uint64_t before = stack().gateway().resident_kib();
  auto client = connect_with_key("intermediate");
  RawSession session(key());
  // Far more than the link's window and the connection's input hold.
  const Bytes body = client::make_padded_ack(48 * 1024);
  size_t taken_bytes = 0;
  bool stopped = false;
  while (!stopped && taken_bytes < 200UL << 20) {
    const Sealed message = session.seal(body);
    const auto sent = client->socket().send_all(client->frame_bytes(message.frame), kNsPerSecond);
    stopped = !sent.ok();
    taken_bytes += message.frame.size();
  }
  EXPECT_TRUE(stopped) << "nothing held the client back";
  EXPECT_LT(stack().gateway().resident_kib(), before + kMemoryFactor * 160 * 1024);
  EXPECT_GE(stack().counter("back_pressure_pauses"), 1U);
  stack().stop_shard();
  stack().start_shard({});
  EXPECT_TRUE(wait_until(
      [] {
        auto probe = connect_with_key("abridged");
        return probe->ping(2 * kNsPerSecond).ok();
      },
      20'000));
  SetUp();
}

// --- The load client as a program ---

class LoadProgram : public GatewayTest {
 protected:
  static void SetUpTestSuite() {
    start_stack({.ringway_yaml = kGenerousLimits, .shard_arguments = {"--push-echo"}});
  }
  struct Output {
    int status = -1;
    std::string text;
  };
  static Output run(std::vector<std::string> arguments) {
    const char* program = std::getenv("RINGWAY_LOAD_BIN");
    EXPECT_NE(program, nullptr);
    if (program == nullptr) return {};
    arguments.insert(arguments.begin(), program);
    TempDir directory;
    ChildProcess child(arguments, directory.path(), directory.file("out"));
    const auto status = child.wait(60'000);
    EXPECT_TRUE(status.has_value()) << "still running";
    return {status.value_or(-1), read_text(directory.file("out"))};
  }
  static std::vector<std::string> target() {
    return {"--addr", stack().address(), "--key", stack().directory().file("server_pub.pem")};
  }
  static std::vector<std::string> with(std::vector<std::string> more) {
    auto all = target();
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
};

TEST_F(LoadProgram, DemonstrationTellsEveryStep) {
  for (const char* name : kTransports) {
    const Output output = run(with({"--demo", "--transport", name}));
    EXPECT_EQ(output.status, 0) << output.text;
    for (const char* step : {"connect", "key exchange", "encrypted ping", "quick ack",
                             "help.getConfig", "server key fingerprint"}) {
      EXPECT_NE(output.text.find(step), std::string::npos) << step << "\n" << output.text;
    }
  }
}

TEST_F(LoadProgram, EveryModeMeasures) {
  for (const char* mode : {"handshake", "ping", "quick-ack", "echo"}) {
    const Output output =
        run(with({"--mode", mode, "--connections", "8", "--threads", "2", "--window", "2",
                  "--duration", "500ms", "--warmup", "100ms", "--keys", "4", "--json"}));
    EXPECT_EQ(output.status, 0) << output.text;
    EXPECT_TRUE(output.text.starts_with("{\"ok\":true")) << output.text;
    EXPECT_NE(output.text.find("\"errors\":{}"), std::string::npos) << mode << " " << output.text;
  }
}

TEST_F(LoadProgram, FailuresHaveAReasonAndAStatus) {
  const std::string key_file = stack().directory().file("server_pub.pem");
  const auto fails = [](const std::vector<std::string>& arguments, std::string_view reason) {
    const Output output = run(arguments);
    EXPECT_NE(output.status, 0);
    EXPECT_NE(output.text.find(reason), std::string::npos) << output.text;
  };
  const std::string nobody = "127.0.0.1:" + std::to_string(free_port());
  fails({"--addr", nobody, "--key", key_file, "--demo"}, "refused");
  fails({"--addr", nobody, "--key", key_file, "--connections", "2", "--setup-timeout", "1s"},
        "cannot connect");
  fails({"--addr", stack().address(), "--key", "/nonexistent.pem"}, "cannot read the key file");
  fails(with({"--mode", "nonsense"}), "unknown mode");
  fails(with({"--transport", "pigeon"}), "unknown transport");
  fails(with({"--duration", "soon"}), "not a duration");
  fails(with({"--connections", "0"}), "at least one connection");
  // Another server's key.
  TempDir directory;
  write_text(directory.file("other.pem"), crypto::RsaKey::generate()->public_pem());
  fails({"--addr", stack().address(), "--key", directory.file("other.pem"), "--demo"},
        "key exchange");
}

TEST_F(LoadProgram, InterruptEndsWithTheSummary) {
  TempDir directory;
  std::vector<std::string> arguments = with({"--duration", "60s", "--warmup", "0", "--keys", "1"});
  arguments.insert(arguments.begin(), std::getenv("RINGWAY_LOAD_BIN"));
  ChildProcess child(arguments, directory.path(), directory.file("out"));
  sleep_ms(2500);
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(10'000), 0);
  const std::string text = read_text(directory.file("out"));
  EXPECT_NE(text.find("interrupted"), std::string::npos) << text;
  EXPECT_NE(text.find("throughput"), std::string::npos) << text;
}

}  // namespace
}  // namespace ringway::testing
