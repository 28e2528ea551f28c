// The unary and the stream wire, against a real client and a real gateway service over loopback.
#include <gtest/gtest.h>

#include "base/limits.h"
#include "wire_bench.h"

namespace ringway::shard {
namespace {

namespace mt = mtproto::constructor;

TEST(UnaryWire, KeysAreStoredOnceAndFound) {
  WireBench bench;
  ::mtproto::Bool answer;
  ASSERT_TRUE(bench.set_key(9, 1, answer).ok());
  EXPECT_EQ(answer.predicate_name(), "boolTrue");
  ASSERT_TRUE(bench.set_key(9, 2, answer).ok());
  EXPECT_EQ(answer.predicate_name(), "boolFalse");
  session::TL_session_queryAuthKey query;
  query.set_auth_key_id(9);
  ::mtproto::AuthKeyInfo info;
  grpc::ClientContext found;
  ASSERT_TRUE(bench.unary->session_queryAuthKey(&found, query, &info).ok());
  EXPECT_EQ(info.auth_key(), std::string(256, 1));
  EXPECT_EQ(info.auth_key_id(), 9);
  EXPECT_EQ(info.perm_auth_key_id(), 9);
}

TEST(UnaryWire, AnUnknownKeyIsCode401WithThatMessage) {
  WireBench bench;
  session::TL_session_queryAuthKey query;
  query.set_auth_key_id(10);
  ::mtproto::AuthKeyInfo info;
  grpc::ClientContext context;
  grpc::Status status = bench.unary->session_queryAuthKey(&context, query, &info);
  EXPECT_EQ(static_cast<int>(status.error_code()), 401);
  EXPECT_EQ(status.error_message(), "AUTH_KEY_UNREGISTERED");
  EXPECT_EQ(status.error_details(), "");
  ::mtproto::Bool answer;
  status = bench.send_unary(bench.data(ping(1), 0), answer);
  EXPECT_EQ(static_cast<int>(status.error_code()), 401);
  EXPECT_EQ(status.error_message(), "AUTH_KEY_UNREGISTERED");
}

TEST(UnaryWire, KeysOfAWrongSizeAreRefused) {
  WireBench bench;
  session::TL_session_setAuthKey request;
  request.mutable_auth_key()->set_auth_key_id(3);
  request.mutable_auth_key()->set_auth_key(std::string(255, 'x'));
  ::mtproto::Bool answer;
  grpc::ClientContext context;
  ASSERT_TRUE(bench.unary->session_setAuthKey(&context, request, &answer).ok());
  EXPECT_EQ(answer.predicate_name(), "boolFalse");
}

TEST(UnaryWire, AnswersGoToTheGatewayByUnaryCall) {
  WireBench bench;
  bench.make_key();
  ::mtproto::Bool answer;
  ASSERT_TRUE(bench.send_unary(bench.data(ping(7), 0, 1), answer).ok());
  EXPECT_EQ(answer.predicate_name(), "boolTrue");
  const Pushed pushed = bench.gateway.next();
  EXPECT_FALSE(pushed.by_stream);
  EXPECT_EQ(pushed.auth_key_id, WireBench::kKey);
  EXPECT_EQ(pushed.session_id, WireBench::kSession);
  ASSERT_EQ(pushed.answers.size(), 2u);
  EXPECT_EQ(pushed.answers[0].constructor, mt::kNewSessionCreated);
  EXPECT_EQ(pushed.answers[1].constructor, mt::kPong);
}

TEST(UnaryWire, AMalformedPayloadIsAnInvalidArgument) {
  WireBench bench;
  bench.make_key();
  auto data = bench.data(ping(7), 0);
  data.set_payload("short");
  ::mtproto::Bool answer;
  EXPECT_EQ(bench.send_unary(data, answer).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST(UnaryWire, WhatNoConnectionTookIsSentAgain) {
  WireBench bench;
  bench.make_key();
  bench.gateway.deliver(false);
  ::mtproto::Bool answer;
  ASSERT_TRUE(bench.send_unary(bench.data(get_config(), 1, 1), answer).ok());
  const Pushed lost = bench.gateway.next();
  ASSERT_EQ(lost.answers.size(), 2u);
  while (bench.shard.stats().pushes_failed == 0) std::this_thread::yield();
  bench.gateway.deliver(true);
  ASSERT_TRUE(bench.send_unary(bench.data(ping(1), 2), answer).ok());
  const Pushed again = bench.gateway.next();
  ASSERT_EQ(again.answers.size(), 2u);
  EXPECT_EQ(again.answers[0].constructor, mt::kPong);
  EXPECT_EQ(again.answers[1].msg_id, lost.answers[1].msg_id);
}

TEST(UnaryWire, HttpAnswersComeBackInTheResponse) {
  WireBench bench;
  bench.make_key();
  session::TL_session_sendHttpDataToSession request;
  *request.mutable_client() = bench.data(get_config(), 1, 2);
  session::HttpSessionData answer;
  grpc::ClientContext context;
  ASSERT_TRUE(bench.unary->session_sendHttpDataToSession(&context, request, &answer).ok());
  int64_t salt = 0;
  int64_t session_id = 0;
  EXPECT_EQ(read_payload(as_bytes(answer.payload()), &salt, &session_id).size(), 2u);
  // A poll with nothing to say is held for a while and comes back empty.
  *request.mutable_client() = bench.data(Tl(constructor::kHttpWait).i32(0).i32(0).i32(100), 2, 2);
  const int64_t before = read_clocks().mono_ns;
  grpc::ClientContext poll;
  ASSERT_TRUE(bench.unary->session_sendHttpDataToSession(&poll, request, &answer).ok());
  EXPECT_EQ(answer.payload(), "");
  EXPECT_GE(read_clocks().mono_ns - before, 90 * kNsPerMs);
  EXPECT_EQ(bench.gateway.waiting(), 0u);
}

// Polls of one session, each on a thread of its own.
class Polls {
 public:
  explicit Polls(WireBench& bench) : bench_(bench) {}
  ~Polls() {
    for (auto& context : contexts_) context->TryCancel();
    for (std::thread& thread : threads_) thread.join();
  }
  void start(int sequence, int32_t gather_ms, int32_t wait_ms) {
    session::TL_session_sendHttpDataToSession request;
    *request.mutable_client() = bench_.data(
        Tl(constructor::kHttpWait).i32(gather_ms).i32(gather_ms).i32(wait_ms), sequence, 2);
    auto& context = *contexts_.emplace_back(std::make_unique<grpc::ClientContext>());
    const uint64_t taken = bench_.shard.stats().messages;
    threads_.emplace_back([this, request, &context] {
      session::HttpSessionData answer;
      const grpc::Status status =
          bench_.unary->session_sendHttpDataToSession(&context, request, &answer);
      const std::lock_guard lock(mutex_);
      payloads_.push_back(status.ok() ? answer.payload() : "failed");
      ended_.notify_all();
    });
    while (bench_.shard.stats().messages == taken) std::this_thread::yield();
  }
  // The payload of the poll that ends next.
  std::string next() {
    std::unique_lock lock(mutex_);
    if (!ended_.wait_for(lock, kPatience, [this] { return !payloads_.empty(); })) return "none";
    std::string payload = std::move(payloads_.front());
    payloads_.erase(payloads_.begin());
    return payload;
  }
  std::vector<Answer> next_answers() {
    const std::string payload = next();
    int64_t salt = 0;
    int64_t session_id = 0;
    return read_payload(as_bytes(payload), &salt, &session_id);
  }
  void cancel(size_t which) { contexts_[which]->TryCancel(); }

 private:
  WireBench& bench_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::vector<std::string> payloads_;
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::thread> threads_;
};

Bytes update(uint32_t number) {
  Bytes body(8);
  store_le(body.data(), 0x12345678u);
  store_le(body.data() + 4, number);
  return body;
}

TEST(UnaryWire, APollIsAnsweredByWhatComesLater) {
  WireBench bench;
  bench.make_key();
  session::TL_session_sendHttpDataToSession request;
  *request.mutable_client() = bench.data(get_config(), 1, 2);
  const int64_t session_id = request.client().session_id();
  session::HttpSessionData answer;
  grpc::ClientContext context;
  ASSERT_TRUE(bench.unary->session_sendHttpDataToSession(&context, request, &answer).ok());
  Polls polls(bench);
  polls.start(2, 0, 25'000);
  polls.start(4, 0, 25'000);
  // One push, one poll; what is not acknowledged comes with it again.
  ASSERT_TRUE(bench.shard.push(WireBench::kKey, session_id, update(1)));
  EXPECT_EQ(polls.next_answers().back().constructor, 0x12345678u);
  ASSERT_TRUE(bench.shard.push(WireBench::kKey, session_id, update(2)));
  EXPECT_EQ(polls.next_answers().back().constructor, 0x12345678u);
  // With no poll open it waits for the next one.
  ASSERT_TRUE(bench.shard.push(WireBench::kKey, session_id, update(3)));
  polls.start(6, 0, 25'000);
  EXPECT_GE(polls.next_answers().size(), 3u);
  EXPECT_EQ(bench.gateway.waiting(), 0u);
}

TEST(UnaryWire, APollThatIsGivenUpTakesNothingAlong) {
  WireBench bench;
  bench.make_key();
  session::TL_session_sendHttpDataToSession request;
  *request.mutable_client() = bench.data(ping(1), 0, 2);
  const int64_t session_id = request.client().session_id();
  session::HttpSessionData answer;
  grpc::ClientContext context;
  ASSERT_TRUE(bench.unary->session_sendHttpDataToSession(&context, request, &answer).ok());
  Polls polls(bench);
  polls.start(2, 0, 25'000);
  polls.cancel(0);
  EXPECT_EQ(polls.next(), "failed");
  // Whether or not the shard has heard of it by now.
  ASSERT_TRUE(bench.shard.push(WireBench::kKey, session_id, update(1)));
  polls.start(4, 50, 25'000);
  const std::vector<Answer> answers = polls.next_answers();
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().constructor, 0x12345678u);
  // It is sent again until it is acknowledged, and the poll that was given up may have had it too.
  *request.mutable_client() = bench.data(Tl(mt::kMsgsAck).ids({answers.back().msg_id}), 6, 2);
  grpc::ClientContext acknowledgement;
  ASSERT_TRUE(bench.unary->session_sendHttpDataToSession(&acknowledgement, request, &answer).ok());
  // So many are held and no more.
  for (int i = 0; i <= static_cast<int>(kShardHttpPollsMax); ++i) polls.start(8 + 2 * i, 0, 25'000);
  EXPECT_EQ(polls.next(), "");
}

// It was woken for an update and goes before it brings it: another open one does.
TEST(UnaryWire, AWokenPollThatIsGivenUpHandsItsWakeOn) {
  WireBench bench;
  bench.make_key();
  session::TL_session_sendHttpDataToSession request;
  *request.mutable_client() = bench.data(ping(1), 0, 2);
  session::HttpSessionData answer;
  grpc::ClientContext context;
  ASSERT_TRUE(bench.unary->session_sendHttpDataToSession(&context, request, &answer).ok());
  Polls polls(bench);
  polls.start(2, 1000, 25'000);
  polls.start(4, 0, 25'000);
  ASSERT_TRUE(bench.shard.push(WireBench::kKey, WireBench::kSession, update(1)));
  polls.cancel(0);
  EXPECT_EQ(polls.next(), "failed");
  const std::vector<Answer> answers = polls.next_answers();
  ASSERT_FALSE(answers.empty());
  EXPECT_EQ(answers.back().constructor, 0x12345678u);
}

TEST(UnaryWire, WhatACallWasGivenThatEndedBeforeIsSentAgain) {
  ShardOptions options;
  options.faults.delay_ms = 300;
  WireBench bench(options);
  bench.make_key();
  session::TL_session_sendHttpDataToSession request;
  *request.mutable_client() = bench.data(get_config(), 1, 2);
  session::HttpSessionData answer;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  EXPECT_EQ(bench.unary->session_sendHttpDataToSession(&context, request, &answer).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (bench.shard.stats().pushes_failed == 0 && std::chrono::steady_clock::now() < end) {
    std::this_thread::yield();
  }
  *request.mutable_client() = bench.data(Tl(constructor::kHttpWait).i32(0).i32(0).i32(100), 2, 2);
  grpc::ClientContext poll;
  ASSERT_TRUE(bench.unary->session_sendHttpDataToSession(&poll, request, &answer).ok());
  int64_t salt = 0;
  int64_t session_id = 0;
  const auto again = read_payload(as_bytes(answer.payload()), &salt, &session_id);
  ASSERT_EQ(again.size(), 1u);
  EXPECT_EQ(again[0].constructor, mt::kRpcResult);
}

TEST(StreamWire, OneAnswerForEachRequestInOrder) {
  WireBench bench;
  bench.make_key();
  grpc::ClientContext context;
  WireBench::set_deadline(context);
  const auto stream = bench.stream->SessionDataStream(&context);
  std::vector<session::SessionStreamRequest> requests(6);
  *requests[0].mutable_send_data()->mutable_data() = bench.data(ping(1), 0, 1);
  requests[1].mutable_query_auth_key()->set_auth_key_id(WireBench::kKey);
  requests[2].mutable_query_auth_key()->set_auth_key_id(404);
  auto* key = requests[3].mutable_set_auth_key()->mutable_auth_key();
  key->set_auth_key_id(404);
  key->set_auth_key(std::string(256, 'k'));
  requests[4].mutable_query_auth_key()->set_auth_key_id(404);
  for (size_t i = 0; i < requests.size(); ++i) {
    requests[i].set_request_id("r" + std::to_string(i));
    ASSERT_TRUE(stream->Write(requests[i]));
  }
  std::vector<session::SessionStreamResponse> responses(requests.size());
  for (size_t i = 0; i < responses.size(); ++i) {
    ASSERT_TRUE(stream->Read(&responses[i]));
    EXPECT_EQ(responses[i].request_id(), requests[i].request_id());
  }
  EXPECT_TRUE(responses[0].ack().success());
  EXPECT_EQ(responses[1].auth_key().auth_key_id(), WireBench::kKey);
  EXPECT_EQ(responses[2].error().code(), 500);
  EXPECT_EQ(responses[2].error().message(),
            "rpc error: code = Code(401) desc = AUTH_KEY_UNREGISTERED");
  EXPECT_TRUE(responses[3].ack().success());
  EXPECT_EQ(responses[4].auth_key().auth_key(), std::string(256, 'k'));
  EXPECT_EQ(responses[5].error().code(), 400);
  const Pushed pushed = bench.gateway.next();
  EXPECT_TRUE(pushed.by_stream);
  ASSERT_EQ(pushed.answers.size(), 2u);
  stream->WritesDone();
  EXPECT_FALSE(stream->Read(&responses[0]));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST(StreamWire, AGatewayWithoutAStreamGetsUnaryCalls) {
  WireBench bench({}, false);
  bench.make_key();
  grpc::ClientContext context;
  WireBench::set_deadline(context);
  const auto stream = bench.stream->SessionDataStream(&context);
  for (int i = 0; i < 20; ++i) {
    session::SessionStreamRequest request;
    request.set_request_id(std::to_string(i));
    *request.mutable_send_data()->mutable_data() = bench.data(ping(i), 0, 0);
    ASSERT_TRUE(stream->Write(request));
  }
  session::SessionStreamResponse response;
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(stream->Read(&response));
  for (int i = 0; i < 20; ++i) {
    const Pushed pushed = bench.gateway.next();
    EXPECT_EQ(pushed.session_id, WireBench::kSession);
    EXPECT_FALSE(pushed.by_stream);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST(StreamWire, AnUnknownKeyIsWordedAsTeamgramDoes) {
  WireBench bench;
  grpc::ClientContext context;
  WireBench::set_deadline(context);
  const auto stream = bench.stream->SessionDataStream(&context);
  session::SessionStreamRequest request;
  *request.mutable_send_data()->mutable_data() = bench.data(ping(1), 0, 1);
  ASSERT_TRUE(stream->Write(request));
  session::SessionStreamResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.error().code(), 500);
  EXPECT_EQ(response.error().message(), "rpc error: code = Code(401) desc = AUTH_KEY_UNREGISTERED");
  context.TryCancel();
  (void)stream->Finish();
}

TEST(Wires, OnlyWhatIsSwitchedOnIsServed) {
  ShardOptions options;
  EXPECT_EQ(parse_wires("unary", options), "");
  WireBench unary_only(options);
  unary_only.make_key();
  grpc::ClientContext stream_context;
  const auto stream = unary_only.stream->SessionDataStream(&stream_context);
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);
  grpc::ClientContext link_context;
  const auto link = unary_only.link->Attach(&link_context);
  EXPECT_EQ(link->Finish().error_code(), grpc::StatusCode::UNIMPLEMENTED);

  EXPECT_EQ(parse_wires("batch", options), "");
  WireBench batch_only(options);
  batch_only.make_key();
  ::mtproto::Bool answer;
  EXPECT_EQ(batch_only.send_unary(batch_only.data(ping(1), 0), answer).error_code(),
            grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_NE(parse_wires("batch,carrier-pigeon", options), "");
  EXPECT_NE(parse_wires("", options), "");
}

TEST(Faults, AreReadFromText) {
  Faults faults;
  EXPECT_EQ(parse_fault("set-auth-key=3", faults), "");
  EXPECT_EQ(faults.refuse_set_auth_key, 3);
  EXPECT_EQ(parse_fault("set-auth-key=false", faults), "");
  EXPECT_EQ(faults.refuse_set_auth_key, INT64_MAX);
  EXPECT_EQ(parse_fault("delay-ms=20", faults), "");
  EXPECT_EQ(faults.delay_ms, 20);
  EXPECT_EQ(parse_fault("query-unavailable", faults), "");
  EXPECT_EQ(parse_fault("data-unavailable", faults), "");
  EXPECT_EQ(parse_fault("never-ack", faults), "");
  EXPECT_TRUE(faults.query_unavailable);
  EXPECT_TRUE(faults.data_unavailable);
  EXPECT_TRUE(faults.never_ack);
  for (const char* wrong :
       {"", "delay-ms=", "delay-ms=-1", "delay-ms=1x", "set-auth-key=", "explode"}) {
    EXPECT_NE(parse_fault(wrong, faults), "") << wrong;
  }
}

TEST(Faults, TheFirstKeysAreRefused) {
  ShardOptions options;
  options.faults.refuse_set_auth_key = 2;
  WireBench bench(options);
  ::mtproto::Bool answer;
  for (const char* expected : {"boolFalse", "boolFalse", "boolTrue"}) {
    ASSERT_TRUE(bench.set_key(9, 1, answer).ok());
    EXPECT_EQ(answer.predicate_name(), expected);
  }
}

TEST(Faults, UnavailableAndDelayed) {
  ShardOptions options;
  options.faults.query_unavailable = true;
  options.faults.data_unavailable = true;
  options.faults.delay_ms = 50;
  WireBench bench(options);
  bench.make_key();
  session::TL_session_queryAuthKey query;
  ::mtproto::AuthKeyInfo info;
  grpc::ClientContext context;
  const int64_t before = read_clocks().mono_ns;
  EXPECT_EQ(bench.unary->session_queryAuthKey(&context, query, &info).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  EXPECT_GE(read_clocks().mono_ns - before, 45 * kNsPerMs);
  ::mtproto::Bool answer;
  EXPECT_EQ(bench.send_unary(bench.data(ping(1), 0), answer).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST(Faults, ACallThatIsNeverAcknowledgedRunsIntoItsDeadline) {
  ShardOptions options;
  options.faults.never_ack = true;
  WireBench bench(options);
  bench.make_key();
  session::TL_session_sendDataToSession request;
  *request.mutable_data() = bench.data(ping(1), 0);
  ::mtproto::Bool answer;
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
  EXPECT_EQ(bench.unary->session_sendDataToSession(&context, request, &answer).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(bench.gateway.next().answers.size(), 2u) << "served all the same";
}

TEST(ReferenceShard, KeysAndSaltsSurviveARestart) {
  const TempDir dir;
  ShardOptions options;
  options.data_dir = dir.path();
  {
    WireBench bench(options);
    bench.make_key();
  }
  WireBench bench(options);
  ::mtproto::Bool answer;
  ASSERT_TRUE(bench.send_unary(bench.data(ping(1), 0), answer).ok());
  const Pushed pushed = bench.gateway.next();
  ASSERT_EQ(pushed.answers.size(), 2u);
  EXPECT_EQ(pushed.answers[1].constructor, mt::kPong)
      << "the salt of the key exchange is still good";
}

TEST(ReferenceShard, RecordsWhatReachesIt) {
  const TempDir dir;
  ShardOptions options;
  options.record_path = dir.path() + "/events";
  WireBench bench(options);
  bench.make_key();
  ::mtproto::Bool answer;
  ASSERT_TRUE(bench.send_unary(bench.data(ping(1), 0, 1), answer).ok());
  session::TL_session_closeSession close;
  close.mutable_client()->set_auth_key_id(WireBench::kKey);
  close.mutable_client()->set_session_id(WireBench::kSession);
  grpc::ClientContext context;
  ASSERT_TRUE(bench.unary->session_closeSession(&context, close, &answer).ok());
  std::ifstream file(options.record_path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0], "set_auth_key auth_key_id=5005 type=0 stored=1");
  EXPECT_EQ(lines[1].find("send_data wire=unary conn_type=1 auth_key_id=5005 "), 0u) << lines[1];
  EXPECT_NE(lines[1].find("msg_id=" + std::to_string(bench.last_id)), std::string::npos);
  EXPECT_EQ(lines[2], "close wire=unary conn_type=0 auth_key_id=5005 session_id=6006");
}

TEST(ReferenceShard, TellsWhyItCannotStart) {
  ReferenceShard first;
  ASSERT_EQ(first.start({}), "");
  ReferenceShard second;
  ShardOptions options;
  options.listen = "127.0.0.1:" + std::to_string(first.port());
  EXPECT_NE(second.start(options), "");
  options.listen = "127.0.0.1:0";
  options.data_dir = "/dev/null/x";
  EXPECT_NE(second.start(options), "");
  EXPECT_EQ(second.port(), 0);
}

TEST(ReferenceShard, PushesToASessionWhereItLastSpoke) {
  WireBench bench;
  bench.make_key();
  const Bytes update = Tl(0xe317af7e);
  EXPECT_FALSE(bench.shard.push(WireBench::kKey, WireBench::kSession, update));
  ::mtproto::Bool answer;
  ASSERT_TRUE(bench.send_unary(bench.data(ping(1), 0, 1), answer).ok());
  bench.gateway.next();
  EXPECT_TRUE(bench.shard.push(WireBench::kKey, WireBench::kSession, update));
  const Pushed pushed = bench.gateway.next();
  ASSERT_EQ(pushed.answers.size(), 1u);
  EXPECT_EQ(pushed.answers[0].constructor, 0xe317af7e);
  EXPECT_EQ(pushed.answers[0].msg_id & 3, 3);
  EXPECT_EQ(pushed.answers[0].seq_no & 1, 1);
}

}  // namespace
}  // namespace ringway::shard
