// The floor of a shard link: a bare gRPC stream that carries batches of bytes and gets a short
// answer for each.
//
// No protobuf, no bookkeeping: the client writes the same slice again and again, as many bytes as a
// batch of 64 messages has, with a few batches unanswered; the server answers each with eight
// bytes. The client prints one line of JSON: its own processor time per message, all of gRPC's
// threads included.
//
//   grpc_floor --serve PORT
//   grpc_floor --target PORT [--messages 64] [--bytes 256] [--duration SECONDS]
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <signal.h>

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>

#include "base/clock.h"

namespace {

constexpr int kUnansweredMax = 16;  // batches
constexpr const char* kMethod = "/ringway.bench.Floor/Stream";

grpc::ByteBuffer buffer_of(size_t size) {
  const grpc::Slice slice(std::string(size, 'x'));
  return grpc::ByteBuffer(&slice, 1);
}

class Answerer final : public grpc::ServerGenericBidiReactor {
 public:
  Answerer() { StartRead(&request_); }
  void OnReadDone(bool ok) override {
    if (!ok) {
      Finish(grpc::Status::OK);
      return;
    }
    StartWrite(&answer_);
  }
  void OnWriteDone(bool ok) override {
    if (ok) {
      StartRead(&request_);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnDone() override { delete this; }

 private:
  grpc::ByteBuffer request_;
  const grpc::ByteBuffer answer_ = buffer_of(8);
};

class Service final : public grpc::CallbackGenericService {
 public:
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext*) override {
    return new Answerer();
  }
};

int serve(const std::string& address) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  Service service;
  grpc::ServerBuilder builder;
  builder.AddListeningPort(address, grpc::InsecureServerCredentials());
  builder.RegisterCallbackGenericService(&service);
  const auto server = builder.BuildAndStart();
  if (!server) return 1;
  int signal = 0;
  sigwait(&signals, &signal);
  server->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
  return 0;
}

class Writer final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  Writer(grpc::GenericStub& stub, size_t batch_bytes) : batch_(buffer_of(batch_bytes)) {
    stub.PrepareBidiStreamingCall(&context_, kMethod, grpc::StubOptions(), this);
    AddHold();
    StartCall();
    StartRead(&answer_);
    const std::lock_guard lock(mutex_);
    write();
  }
  void OnWriteDone(bool ok) override {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (ok) write();
  }
  void OnReadDone(bool ok) override {
    if (!ok) return;
    {
      const std::lock_guard lock(mutex_);
      --unanswered_;
      ++answered_;
      write();
    }
    StartRead(&answer_);
  }
  void OnDone(const grpc::Status&) override {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    changed_.notify_one();
  }
  uint64_t answered() {
    const std::lock_guard lock(mutex_);
    return answered_;
  }
  bool ended() {
    const std::lock_guard lock(mutex_);
    return ended_;
  }
  void stop() {
    context_.TryCancel();
    RemoveHold();
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return ended_; });
  }

 private:
  void write() {
    if (writing_ || unanswered_ >= kUnansweredMax) return;
    writing_ = true;
    ++unanswered_;
    StartWrite(&batch_);
  }

  grpc::ClientContext context_;
  const grpc::ByteBuffer batch_;
  grpc::ByteBuffer answer_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool writing_ = false;
  bool ended_ = false;
  int unanswered_ = 0;
  uint64_t answered_ = 0;
};

struct Options {
  std::string serve;
  std::string target;
  unsigned messages = 64;
  unsigned bytes = 256;
  double seconds = 2;
};

int measure(const Options& options) {
  grpc::GenericStub stub(grpc::CreateChannel(options.target, grpc::InsecureChannelCredentials()));
  Writer writer(stub, size_t{options.messages} * options.bytes);
  const auto pause = [](double seconds) {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
  };
  pause(options.seconds / 4);
  const uint64_t first = writer.answered();
  const int64_t cpu_begin = ringway::read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  pause(options.seconds);
  const int64_t cpu_end = ringway::read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
  const uint64_t batches = writer.answered() - first;
  const bool broken = writer.ended();
  writer.stop();
  if (broken || batches == 0) {
    std::fprintf(stderr, "grpc_floor: the stream carried nothing\n");
    return 1;
  }
  const auto messages = static_cast<double>(batches) * options.messages;
  std::printf("{\"cpu_us_per_message\":%.4f,\"messages_per_second\":%.0f}\n",
              static_cast<double>(cpu_end - cpu_begin) / 1e3 / messages,
              messages / options.seconds);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const char* value = argv[i + 1];
    if (name == "--serve") options.serve = std::string("127.0.0.1:") + value;
    if (name == "--target") options.target = std::string("127.0.0.1:") + value;
    if (name == "--messages") options.messages = static_cast<unsigned>(std::atoi(value));
    if (name == "--bytes") options.bytes = static_cast<unsigned>(std::atoi(value));
    if (name == "--duration") options.seconds = std::atof(value);
  }
  if (argc % 2 == 0 || options.serve.empty() == options.target.empty() || options.messages == 0 ||
      options.bytes == 0 || !(options.seconds > 0)) {
    std::fprintf(
        stderr,
        "usage: grpc_floor --serve PORT\n"
        "       grpc_floor --target PORT [--messages N] [--bytes N] [--duration SECONDS]\n");
    return 2;
  }
  return options.serve.empty() ? measure(options) : serve(options.serve);
}
