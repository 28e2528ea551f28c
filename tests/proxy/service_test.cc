// The whole way of a call, through gRPC's library on both sides, with an account that is made up.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "client/account/loop_thread.h"
#include "harness.h"
#include "proxy/limits.h"
#include "proxy/proto_fields.h"

namespace ringway::proxy::test {
namespace {

using grpc::StatusCode;

constexpr char kBoolTrue[] = "b5757299";
constexpr char kTypeBoolTrue[] = "1200";  // TypeBool{BoolTrue{}}
constexpr char kResetPath[] = "/mtproto.l228.Mtproto/AccountResetNotifySettings";
constexpr char kGetNearestDcPath[] = "/mtproto.l228.Mtproto/HelpGetNearestDc";
// nearestDc country "XX", this_dc 2, nearest_dc 4.
constexpr char kNearestDc[] = "75171a8e025858000200000004000000";
constexpr char kTypeNearestDc[] = "0a080a02585810021804";

Bytes id_of(int layer, std::string_view name) {
  for (const auto& combinator : contract_of(layer)->schema().combinators) {
    if (combinator.name != name) continue;
    Bytes out;
    ByteAppender(out).u32(combinator.id);
    return out;
  }
  return {};
}

std::string any(std::string_view type, std::string_view value) {
  std::string out;
  add_bytes(out, 1, "type.googleapis.com/" + std::string(type));
  add_bytes(out, 2, value);
  return out;
}

TEST(Service, CallReachesTheAccountAndItsAnswerTheCaller) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return result_of(kNearestDc); });
  const Reply reply = call(server.channel(), kGetNearestDcPath, "");
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.body, unhex(kTypeNearestDc));
  ASSERT_EQ(server.calls().started().size(), 1U);
  EXPECT_EQ(server.calls().started()[0].tl, id_of(228, "help.getNearestDc"));
}

TEST(Service, RequestThatIsNoneNamesTheField) {
  TestServer server;
  const Reply reply =
      call(server.channel(), "/mtproto.l228.Mtproto/MessagesSendMessage", unhex("12020a00"));
  EXPECT_EQ(reply.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(reply.status.error_message().find("messages.sendMessage: "), std::string::npos)
      << reply.status.error_message();
  EXPECT_TRUE(server.calls().started().empty());
}

TEST(Service, AnswerThatIsNoneEndsThatCallOnly) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return result_of(kBoolTrue); });
  const auto channel = server.channel();
  const Reply reply = call(channel, kGetNearestDcPath, "");
  EXPECT_EQ(reply.status.error_code(), StatusCode::INTERNAL);
  EXPECT_NE(reply.status.error_message().find("help.getNearestDc"), std::string::npos);
  EXPECT_EQ(call(channel, kResetPath, "").body, unhex(kTypeBoolTrue));
}

TEST(Service, ServerErrorComesWithTrailersAndDetails) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return rpc_error(420, "FLOOD_WAIT_600", 600); });
  const Reply reply = call(server.channel(), kGetNearestDcPath, "");
  EXPECT_EQ(reply.status.error_code(), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(reply.status.error_message(), "mtproto RPC error: 420 FLOOD_WAIT_600");
  const auto trailer = [&](const std::string& key) {
    const auto found = reply.trailers.find(key);
    return found == reply.trailers.end() ? std::string() : found->second;
  };
  EXPECT_EQ(trailer("x-mtproto-error-code"), "420");
  EXPECT_EQ(trailer("x-mtproto-error"), "FLOOD_WAIT_600");
  EXPECT_EQ(trailer("x-mtproto-retry-after"), "600");
  EXPECT_NE(trailer("grpc-status-details-bin").find("google.rpc.RetryInfo"), std::string::npos);
}

TEST(Service, OtherPackageIsToldTheRightOne) {
  TestServer server;
  const Reply reply = call(server.channel(), "/mtproto.Mtproto/HelpGetNearestDc", "");
  EXPECT_EQ(reply.status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_NE(reply.status.error_message().find("mtproto.l228"), std::string::npos);
  const Reply method = call(server.channel(), "/mtproto.l228.Mtproto/HelpNoSuchThing", "");
  EXPECT_EQ(method.status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_NE(method.status.error_message().find("HelpNoSuchThing"), std::string::npos);
  const Reply service = call(server.channel(), "/no.such.Service/Method", "");
  EXPECT_EQ(service.status.error_code(), StatusCode::UNIMPLEMENTED);
}

TEST(Service, SessionsOfTwoLayers) {
  TestServer server({{.name = "new", .layer = 228}, {.name = "old", .layer = 71}});
  for (size_t i = 0; i < 2; ++i) {
    server.calls(i).set_answer([](ByteView) { return result_of(kNearestDc); });
  }
  const auto channel = server.channel();
  CallSettings old;
  old.metadata.emplace("x-ringway-session", "old");
  EXPECT_TRUE(call(channel, kGetNearestDcPath, "").status.ok());
  EXPECT_TRUE(call(channel, "/mtproto.Mtproto/HelpGetNearestDc", "", old).status.ok());
  EXPECT_EQ(server.calls(0).started().size(), 1U);
  EXPECT_EQ(server.calls(1).started().size(), 1U);
  const Reply hint = call(channel, "/mtproto.Mtproto/HelpGetNearestDc", "");
  EXPECT_EQ(hint.status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_NE(hint.status.error_message().find("x-ringway-session: old"), std::string::npos);
  CallSettings nobody;
  nobody.metadata.emplace("x-ringway-session", "nobody");
  EXPECT_EQ(call(channel, kGetNearestDcPath, "", nobody).status.error_code(),
            StatusCode::NOT_FOUND);
}

TEST(Service, OwnLayerIsTakenOff) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return result_of(kNearestDc); });
  std::string inner = any("mtproto.l228.ReqHelpGetNearestDc", "");
  std::string connection;  // initConnection: flags, api_id, seven texts, query
  add_number(connection, 2, 7);
  for (uint32_t field = 3; field <= 8; ++field) add_bytes(connection, field, "x");
  add_bytes(connection, 11, inner);
  std::string request;
  add_number(request, 1, 228);
  add_bytes(request, 2, any("mtproto.l228.ReqInitConnection", connection));
  const Reply reply = call(server.channel(), "/mtproto.l228.Mtproto/InvokeWithLayer", request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  EXPECT_EQ(reply.body, any("mtproto.l228.TypeNearestDc", unhex(kTypeNearestDc)));
  ASSERT_EQ(server.calls().started().size(), 1U);
  EXPECT_EQ(server.calls().started()[0].tl, id_of(228, "help.getNearestDc"));
}

TEST(Service, OtherLayersAndMessageIdsAreRefused) {
  TestServer server;
  const auto channel = server.channel();
  const std::string query = any("mtproto.l228.ReqHelpGetNearestDc", "");
  std::string layer;
  add_number(layer, 1, 70);
  add_bytes(layer, 2, query);
  const Reply other = call(channel, "/mtproto.l228.Mtproto/InvokeWithLayer", layer);
  EXPECT_EQ(other.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(other.status.error_message().find("layer 228, not 70"), std::string::npos);
  std::string after;
  add_number(after, 1, 4);
  add_bytes(after, 2, query);
  const Reply ordered = call(channel, "/mtproto.l228.Mtproto/InvokeAfterMsg", after);
  EXPECT_EQ(ordered.status.error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(ordered.status.error_message().find("x-ringway-order"), std::string::npos);
  EXPECT_TRUE(server.calls().started().empty());
}

TEST(Service, OtherWrappersPassWithWhatTheyWrap) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return result_of(kNearestDc); });
  const auto channel = server.channel();
  std::string request;
  add_bytes(request, 1, any("mtproto.l228.ReqHelpGetNearestDc", ""));
  const Reply reply = call(channel, "/mtproto.l228.Mtproto/InvokeWithoutUpdates", request);
  ASSERT_TRUE(reply.status.ok()) << reply.status.error_message();
  Bytes expected = id_of(228, "invokeWithoutUpdates");
  append(expected, id_of(228, "help.getNearestDc"));
  EXPECT_EQ(server.calls().started()[0].tl, expected);
  // The wrapper does not hide what is inside.
  std::string hidden;
  add_bytes(hidden, 1, any("mtproto.l228.ReqAuthLogOut", ""));
  EXPECT_EQ(call(channel, "/mtproto.l228.Mtproto/InvokeWithoutUpdates", hidden).status.error_code(),
            StatusCode::PERMISSION_DENIED);
}

TEST(Service, WhatEndsTheSignInNeedsToBeAllowed) {
  TestServer server;
  const Reply reply = call(server.channel(), "/mtproto.l228.Mtproto/AuthLogOut", "");
  EXPECT_EQ(reply.status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(server.calls().started().empty());
  ServerOptions options;
  options.access.allow = {"*", "auth.logOut"};
  TestServer open({NamedSession{}}, options);
  open.calls().set_answer([](ByteView) { return rpc_error(400, "SEEN"); });
  EXPECT_EQ(call(open.channel(), "/mtproto.l228.Mtproto/AuthLogOut", "").status.error_code(),
            StatusCode::INVALID_ARGUMENT);
}

TEST(Service, TokensSayWhoMayCallWhat) {
  ServerOptions options;
  const std::string text =
      "aaaaaaaaaaaaaaaaaaaa reader allow=help.*\n"
      "bbbbbbbbbbbbbbbbbbbb other sessions=second\n";
  options.tokens = Tokens::parse(text, "tokens").tokens;
  ASSERT_NE(options.tokens, nullptr);
  TestServer server({{.name = "first"}, {.name = "second"}}, options);
  for (size_t i = 0; i < 2; ++i) {
    server.calls(i).set_answer([](ByteView) { return result_of(kNearestDc); });
  }
  const auto channel = server.channel();
  const auto with = [](const std::string& token) {
    CallSettings settings;
    settings.metadata.emplace("authorization", token);
    return settings;
  };
  const auto code = [&](const char* path, const CallSettings& settings) {
    return call(channel, path, "", settings).status.error_code();
  };
  EXPECT_EQ(code(kGetNearestDcPath, {}), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(code(kGetNearestDcPath, with("Bearer aaaaaaaaaaaaaaaaaaab")),
            StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(code(kGetNearestDcPath, with("Basic aaaaaaaaaaaaaaaaaaaa")),
            StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(code(kGetNearestDcPath, with("Bearer aaaaaaaaaaaaaaaaaaaa")), StatusCode::OK);
  EXPECT_EQ(code(kResetPath, with("Bearer aaaaaaaaaaaaaaaaaaaa")), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(code(kGetNearestDcPath, with("Bearer bbbbbbbbbbbbbbbbbbbb")), StatusCode::OK);
  EXPECT_EQ(server.calls(1).started().size(), 1U);
  CallSettings first = with("Bearer bbbbbbbbbbbbbbbbbbbb");
  first.metadata.emplace("x-ringway-session", "first");
  EXPECT_EQ(code(kGetNearestDcPath, first), StatusCode::PERMISSION_DENIED);
  // Taken away while the server runs.
  server.server().set_tokens(Tokens::parse("cccccccccccccccccccc reader", "tokens").tokens);
  EXPECT_EQ(code(kGetNearestDcPath, with("Bearer aaaaaaaaaaaaaaaaaaaa")),
            StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(code(kGetNearestDcPath, with("Bearer cccccccccccccccccccc")), StatusCode::OK);
}

TEST(Service, CancelledCallsLeaveNothing) {
  TestServer server;
  const auto channel = server.channel();
  RawCall sent(channel, kGetNearestDcPath, "");
  server.calls().wait_started(1);
  sent.cancel();
  EXPECT_EQ(sent.wait().status.error_code(), StatusCode::CANCELLED);
  while (server.calls().cancelled().empty()) sleep_ns(kNsPerMs);
  server.calls().settle(1);
  // One that waits is taken out: it is never started.
  std::vector<std::unique_ptr<RawCall>> busy;
  for (size_t i = 0; i < kCallsInFlightPerClientMax; ++i) {
    busy.push_back(std::make_unique<RawCall>(channel, kGetNearestDcPath, ""));
  }
  server.calls().wait_started(1 + kCallsInFlightPerClientMax);
  CallSettings shortly;
  shortly.timeout_ms = 200;
  RawCall waiting(channel, kResetPath, "", shortly);
  EXPECT_EQ(waiting.wait().status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  while (server.server().tally(0).cancelled_waiting == 0) sleep_ns(kNsPerMs);
  for (size_t i = 0; i < busy.size(); ++i) server.calls().finish(2 + i, result_of(kNearestDc));
  for (const auto& one : busy) EXPECT_TRUE(one->wait().status.ok());
  for (const auto& started : server.calls().started()) {
    EXPECT_EQ(started.tl, id_of(228, "help.getNearestDc"));
  }
}

TEST(Service, DeadlineAndOrderArePassedOn) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return result_of(kNearestDc); });
  const auto channel = server.channel();
  CallSettings settings;
  settings.timeout_ms = 20'000;
  settings.metadata.emplace("x-ringway-order", "one");
  CallSettings other = settings;
  other.metadata.clear();
  other.metadata.emplace("x-ringway-order", "two");
  for (const CallSettings& one : {settings, settings, other, CallSettings{}}) {
    EXPECT_TRUE(call(channel, kGetNearestDcPath, "", one).status.ok());
  }
  const auto started = server.calls().started();
  const int64_t now_ns = read_clocks().mono_ns;
  EXPECT_GT(started[0].options.deadline_ns, now_ns - 60 * kNsPerSecond);
  EXPECT_LT(started[0].options.deadline_ns, now_ns + 30 * kNsPerSecond);
  EXPECT_NE(started[0].options.order, 0U);
  EXPECT_EQ(started[0].options.order, started[1].options.order);
  EXPECT_NE(started[0].options.order, started[2].options.order);
  EXPECT_EQ(started[3].options.order, 0U);
}

TEST(Service, FullQueueIsSaidSo) {
  TestServer server;
  const auto channel = server.channel();
  std::vector<std::unique_ptr<RawCall>> calls;
  const size_t room = kCallsInFlightPerClientMax + kQueuedCallsPerClientMax;
  for (size_t i = 0; i < room + 20; ++i) {
    calls.push_back(std::make_unique<RawCall>(channel, kGetNearestDcPath, ""));
  }
  server.calls().wait_started(kCallsInFlightPerClientMax);
  // gRPC's threads decide which of them came too late.
  while (server.server().tally(0).refused_full < 20) sleep_ns(kNsPerMs);
  server.calls().set_answer([](ByteView) { return result_of(kNearestDc); });
  for (size_t i = 0; i < kCallsInFlightPerClientMax; ++i) {
    server.calls().finish(1 + i, result_of(kNearestDc));
  }
  std::map<StatusCode, size_t> ends;
  for (const auto& one : calls) ++ends[one->wait().status.error_code()];
  EXPECT_EQ(ends[StatusCode::RESOURCE_EXHAUSTED], 20U);
  EXPECT_EQ(ends[StatusCode::OK], room);
}

// Sent one behind the other on one connection, without waiting for answers.
TEST(Service, CallsOfOneClientKeepTheirOrder) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return result_of("15c4b51c00000000"); });
  const auto channel = server.channel();
  ASSERT_TRUE(call(channel, kGetNearestDcPath, "").status.error_code() == StatusCode::INTERNAL);
  std::vector<std::unique_ptr<RawCall>> calls;
  for (uint32_t i = 0; i < 200; ++i) {
    std::string request;
    add_number(request, 1, i + 1);
    calls.push_back(
        std::make_unique<RawCall>(channel, "/mtproto.l228.Mtproto/MessagesReceivedQueue", request));
  }
  for (const auto& one : calls) EXPECT_TRUE(one->wait().status.ok());
  const auto started = server.calls().started();
  ASSERT_EQ(started.size(), 201U);
  for (uint32_t i = 0; i < 200; ++i) {
    EXPECT_EQ(load_le<uint32_t>(started[1 + i].tl.data() + 4), i + 1);
  }
}

TEST(Service, FiftyClientsGetTheirOwnAnswers) {
  TestServer server;
  // messages.receivedQueue(max_qts:int) = Vector<long>: the account answers what it was asked.
  server.calls().set_answer([](ByteView tl) {
    client::CallOutcome outcome = result_of("15c4b51c01000000");
    ByteAppender(outcome.result).i64(load_le<int32_t>(tl.data() + 4));
    return outcome;
  });
  std::vector<std::thread> clients;
  std::atomic<int> wrong = 0;
  for (uint32_t client = 0; client < 50; ++client) {
    clients.emplace_back([&, client] {
      const auto channel = server.channel();
      for (uint32_t i = 0; i < 20; ++i) {
        const uint32_t key = client * 1000 + i + 1;
        std::string request;
        add_number(request, 1, key);
        std::string expected;
        add_varint(expected, key);
        const Reply reply = call(channel, "/mtproto.l228.Mtproto/MessagesReceivedQueue", request);
        if (!reply.body.ends_with(expected)) ++wrong;
      }
    });
  }
  for (auto& client : clients) client.join();
  EXPECT_EQ(wrong, 0);
}

// A few KiB that would become 20 MiB before anybody looks at the size.
TEST(Service, PackedMessagesAreRefused) {
  TestServer server;
  const auto channel = server.channel();
  for (const auto algorithm : {GRPC_COMPRESS_GZIP, GRPC_COMPRESS_DEFLATE}) {
    CallSettings settings;
    settings.compression = algorithm;
    const Reply reply =
        call(channel, kGetNearestDcPath, std::string(size_t{20} << 20, '\0'), settings);
    EXPECT_EQ(reply.status.error_code(), StatusCode::UNIMPLEMENTED) << reply.status.error_message();
  }
  EXPECT_TRUE(server.calls().started().empty());
}

TEST(Service, PlaceOfACallThatWasGivenUpIsKeptUntilTheServerIsDoneWithIt) {
  TestServer server;
  const auto channel = server.channel();
  std::vector<std::unique_ptr<RawCall>> calls;
  for (size_t i = 0; i < kCallsInFlightPerClientMax; ++i) {
    calls.push_back(std::make_unique<RawCall>(channel, kGetNearestDcPath, ""));
  }
  server.calls().wait_started(calls.size());
  calls[0]->cancel();
  while (server.calls().cancelled().empty()) sleep_ns(kNsPerMs);
  EXPECT_EQ(calls[0]->wait().status.error_code(), StatusCode::CANCELLED);
  RawCall next(channel, kGetNearestDcPath, "");
  while (server.server().tally(0).queued == 0) sleep_ns(kNsPerMs);
  EXPECT_EQ(server.calls().started().size(), calls.size());
  server.calls().settle(server.calls().cancelled().front());
  server.calls().wait_started(calls.size() + 1);
  for (size_t id = 1; id <= calls.size() + 1; ++id) {
    server.calls().finish(id, result_of(kNearestDc));
  }
  EXPECT_TRUE(next.wait().status.ok());
  for (size_t i = 1; i < calls.size(); ++i) EXPECT_TRUE(calls[i]->wait().status.ok());
}

// The program ends the loop between stop() and the server's own end.
TEST(Service, NothingOfAServerIsLeftOnTheLoopOnceItHasStopped) {
  std::string problem;
  auto loop = client::LoopThread::start(problem);
  ASSERT_NE(loop, nullptr) << problem;
  ScriptedCalls calls(loop->loop());
  SessionSetup setup;
  setup.name = "main";
  setup.layer = 228;
  setup.contract = contract_of(228);
  setup.calls = &calls;
  ServerOptions options;
  options.listen = "127.0.0.1:0";
  auto server = Server::start(options, loop->loop(), {setup}, problem);
  ASSERT_NE(server, nullptr) << problem;
  const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(server->port()),
                                           grpc::InsecureChannelCredentials());
  // One more than may be in flight, so that one waits and its deadline is watched.
  std::vector<std::unique_ptr<RawCall>> sent;
  for (size_t i = 0; i <= kCallsInFlightPerClientMax; ++i) {
    sent.push_back(std::make_unique<RawCall>(channel, kGetNearestDcPath, ""));
  }
  while (server->tally(0).queued == 0) sleep_ns(kNsPerMs);
  for (auto& call : sent) call->cancel();
  for (auto& call : sent) EXPECT_EQ(call->wait().status.error_code(), StatusCode::CANCELLED);
  server->stop();
  loop.reset();
  server.reset();
}

}  // namespace
}  // namespace ringway::proxy::test
