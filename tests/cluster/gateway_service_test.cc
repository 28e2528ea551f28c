// The gateway's gRPC service as a session service calls it, with generated stubs.
#include "cluster/gateway_service.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "base/limits.h"
#include "gateway.grpc.pb.h"

namespace ringway::cluster {
namespace {

using ::gateway::GatewayStreamRequest;
using ::gateway::GatewayStreamResponse;
using ::gateway::TL_gateway_sendDataToGateway;

// An inbox that keeps what it is given until the test answers it.
class TestSink final : public PushSink {
 public:
  bool push(PushRequest& push) override {
    const std::lock_guard lock(mutex_);
    if (full_) return false;
    pushes_.push_back(std::move(push));
    if (automatic_) answer_from(pushes_.size() - 1);
    changed_.notify_all();
    return true;
  }
  // Answers at once: true when the session is 1.
  void set_automatic() {
    const std::lock_guard lock(mutex_);
    automatic_ = true;
  }
  void set_full(bool full) {
    const std::lock_guard lock(mutex_);
    full_ = full;
  }
  bool wait_for(size_t count) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return pushes_.size() >= count; });
  }
  void answer(size_t number, bool delivered) {
    const std::lock_guard lock(mutex_);
    pushes_[number].reply->done(delivered);
    pushes_[number].reply = nullptr;
  }
  void drop_all() {
    const std::lock_guard lock(mutex_);
    pushes_.clear();
  }
  size_t count() {
    const std::lock_guard lock(mutex_);
    return pushes_.size();
  }
  const PushRequest& at(size_t number) {
    const std::lock_guard lock(mutex_);
    return pushes_[number];
  }

 private:
  void answer_from(size_t number) {
    pushes_[number].reply->done(pushes_[number].session_id == 1);
    pushes_[number].reply = nullptr;
  }
  std::mutex mutex_;
  std::condition_variable changed_;
  bool full_ = false;
  bool automatic_ = false;
  std::deque<PushRequest> pushes_;
};

class GatewayServiceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string error;
    service_ = GatewayService::start({.listen_on = "127.0.0.1:0"}, sink_, error);
    ASSERT_NE(service_, nullptr) << error;
    ASSERT_NE(service_->port(), 0);
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(service_->port()),
                                   grpc::InsecureChannelCredentials());
    unary_ = ::gateway::RPCGateway::NewStub(channel_);
    stream_ = ::gateway::RPCGatewayStream::NewStub(channel_);
  }
  void TearDown() override {
    sink_.drop_all();
    if (service_ != nullptr) service_->shutdown(kNsPerSecond);
  }

  static TL_gateway_sendDataToGateway request(int64_t key, int64_t session, std::string payload) {
    TL_gateway_sendDataToGateway r;
    r.set_auth_key_id(key);
    r.set_session_id(session);
    r.set_payload(std::move(payload));
    return r;
  }
  grpc::Status call(const TL_gateway_sendDataToGateway& r, mtproto::Bool& response,
                    int timeout_ms = 10'000) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
    return unary_->gateway_sendDataToGateway(&context, r, &response);
  }

  TestSink sink_;
  std::unique_ptr<GatewayService> service_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<::gateway::RPCGateway::Stub> unary_;
  std::unique_ptr<::gateway::RPCGatewayStream::Stub> stream_;
};

TEST_F(GatewayServiceTest, UnaryTellsWhatBecameOfIt) {
  std::thread worker([this] {
    ASSERT_TRUE(sink_.wait_for(1));
    sink_.answer(0, true);
    ASSERT_TRUE(sink_.wait_for(2));
    sink_.answer(1, false);
  });
  mtproto::Bool response;
  ASSERT_TRUE(call(request(-7, 1, "abc"), response).ok());
  EXPECT_EQ(response.predicate_name(), "boolTrue");
  EXPECT_EQ(response.constructor(), -1720552011);
  ASSERT_TRUE(call(request(-7, 2, "abc"), response).ok());
  EXPECT_EQ(response.predicate_name(), "boolFalse");
  EXPECT_EQ(response.constructor(), -1132882121);
  worker.join();
  EXPECT_EQ(sink_.at(0).auth_key_id, -7);
  EXPECT_EQ(sink_.at(0).session_id, 1);
  EXPECT_EQ(as_text(sink_.at(0).payload), "abc");
}

TEST_F(GatewayServiceTest, AFullInboxAndADroppedPushAreFalse) {
  sink_.set_full(true);
  mtproto::Bool response;
  ASSERT_TRUE(call(request(1, 1, "x"), response).ok());
  EXPECT_EQ(response.predicate_name(), "boolFalse");
  sink_.set_full(false);
  std::thread worker([this] {
    ASSERT_TRUE(sink_.wait_for(1));
    sink_.drop_all();
  });
  ASSERT_TRUE(call(request(1, 1, "x"), response).ok());
  EXPECT_EQ(response.predicate_name(), "boolFalse");
  worker.join();
}

TEST_F(GatewayServiceTest, ManyCallersAtOnce) {
  sink_.set_automatic();
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t) {
    callers.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        mtproto::Bool response;
        const int64_t session = (i + t) % 2;
        const bool ok = call(request(i, session, "x"), response).ok();
        const bool truth = response.predicate_name() == "boolTrue";
        if (!ok || truth != (session == 1)) ++wrong;
      }
    });
  }
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(sink_.count(), 800U);
}

TEST_F(GatewayServiceTest, ACallerThatGivesUpHarmsNobody) {
  mtproto::Bool response;
  EXPECT_EQ(call(request(1, 1, "x"), response, 100).error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  ASSERT_TRUE(sink_.wait_for(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  sink_.answer(0, true);  // to nobody
  sink_.set_automatic();
  ASSERT_TRUE(call(request(1, 1, "x"), response).ok());
  EXPECT_EQ(response.predicate_name(), "boolTrue");
}

TEST_F(GatewayServiceTest, AStreamIsAnsweredInItsOrder) {
  grpc::ClientContext context;
  auto stream = stream_->GatewayDataStream(&context);
  for (int i = 0; i < 5; ++i) {
    GatewayStreamRequest r;
    r.set_request_id("r" + std::to_string(i));
    if (i != 3) *r.mutable_send_data() = request(i, i, "payload");  // the fourth holds no push
    ASSERT_TRUE(stream->Write(r));
  }
  ASSERT_TRUE(sink_.wait_for(4));
  // The worker answers the other way round.
  for (size_t i = 4; i > 0; --i) sink_.answer(i - 1, i % 2 == 1);
  const bool expected[] = {true, false, true, false, false};
  for (int i = 0; i < 5; ++i) {
    GatewayStreamResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.request_id(), "r" + std::to_string(i));
    EXPECT_EQ(response.success(), expected[i]) << i;
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GatewayServiceTest, AStreamThatClosesGetsItsLastAnswers) {
  grpc::ClientContext context;
  auto stream = stream_->GatewayDataStream(&context);
  GatewayStreamRequest r;
  *r.mutable_send_data() = request(1, 1, "x");
  ASSERT_TRUE(stream->Write(r));
  stream->WritesDone();
  ASSERT_TRUE(sink_.wait_for(1));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  sink_.answer(0, true);
  GatewayStreamResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.success());
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GatewayServiceTest, AStreamReadsNoFurtherThanItsBound) {
  grpc::ClientContext context;
  auto stream = stream_->GatewayDataStream(&context);
  constexpr size_t kMany = kPushesPerStreamMax + 200;
  std::thread writer([&] {
    for (size_t i = 0; i < kMany; ++i) {
      GatewayStreamRequest r;
      r.set_request_id(std::to_string(i));
      *r.mutable_send_data() = request(1, 1, "x");
      stream->Write(r);
    }
    stream->WritesDone();
  });
  ASSERT_TRUE(sink_.wait_for(kPushesPerStreamMax));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(sink_.count(), kPushesPerStreamMax);
  for (size_t i = 0; i < kMany; ++i) {
    ASSERT_TRUE(sink_.wait_for(i + 1));
    sink_.answer(i, i % 2 == 0);
    GatewayStreamResponse response;
    ASSERT_TRUE(stream->Read(&response));
    ASSERT_EQ(response.request_id(), std::to_string(i));
    ASSERT_EQ(response.success(), i % 2 == 0);
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(GatewayServiceTest, ACancelledStreamLeavesItsPushesToTheWorker) {
  {
    grpc::ClientContext context;
    auto stream = stream_->GatewayDataStream(&context);
    for (int i = 0; i < 10; ++i) {
      GatewayStreamRequest r;
      *r.mutable_send_data() = request(1, 1, "x");
      ASSERT_TRUE(stream->Write(r));
    }
    ASSERT_TRUE(sink_.wait_for(10));
    context.TryCancel();
    EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  }
  for (size_t i = 0; i < 10; ++i) sink_.answer(i, true);
}

TEST_F(GatewayServiceTest, ShutdownWaitsForRunningCallsAndThenCancelsThem) {
  std::thread caller([this] {
    mtproto::Bool response;
    EXPECT_FALSE(call(request(1, 1, "x"), response).ok());
  });
  ASSERT_TRUE(sink_.wait_for(1));
  const int64_t before = read_clocks().mono_ns;
  service_->shutdown(200 * kNsPerMs);
  EXPECT_GE(read_clocks().mono_ns - before, 150 * kNsPerMs);
  caller.join();
  service_ = nullptr;
  sink_.answer(0, true);  // later than the service
}

TEST_F(GatewayServiceTest, Health) {
  // grpc.health.v1.Health/Check with an empty request; SERVING is field 1 = 1.
  grpc::GenericStub stub(channel_);
  grpc::ClientContext context;
  grpc::ByteBuffer empty_request;
  {
    grpc::Slice nothing;
    empty_request = grpc::ByteBuffer(&nothing, 1);
  }
  grpc::ByteBuffer response;
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  grpc::Status status;
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", {}, &empty_request, &response,
                 [&](grpc::Status s) {
                   const std::lock_guard lock(mutex);
                   status = std::move(s);
                   done = true;
                   changed.notify_all();
                 });
  std::unique_lock lock(mutex);
  ASSERT_TRUE(changed.wait_for(lock, std::chrono::seconds(10), [&] { return done; }));
  ASSERT_TRUE(status.ok()) << status.error_message();
  std::vector<grpc::Slice> slices;
  ASSERT_TRUE(response.Dump(&slices).ok());
  ASSERT_EQ(slices.size(), 1U);
  EXPECT_EQ(std::string(slices[0].begin(), slices[0].end()), "\x08\x01");
}

TEST_F(GatewayServiceTest, ATakenAddressIsAnError) {
  std::string error;
  const std::string taken = "127.0.0.1:" + std::to_string(service_->port());
  EXPECT_EQ(GatewayService::start({.listen_on = taken}, sink_, error), nullptr);
  EXPECT_NE(error.find(taken), std::string::npos);
  EXPECT_EQ(GatewayService::start({.listen_on = "nonsense"}, sink_, error), nullptr);
}

}  // namespace
}  // namespace ringway::cluster
