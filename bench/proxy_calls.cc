// What a call costs the proxy's own processor: many callers at once, and an account that answers
// at once, so that only gRPC, conversion and queueing are left.
//
// The server runs in a process of its own, whose processor time, of all threads, is divided by the
// calls. One line of JSON comes out. With --port and --pid it is a ringway-proxy that runs already,
// and help.getConfig goes all the way to its server. With --rate a call is due so many times a
// second, evenly or --burst of them at once, each caller's in turn, and its time counts from then.
//
// With --bare 1 the server is gRPC alone, which answers each call with an empty message.
//
//   proxy_calls [--callers 1000] [--connections 8] [--calls 100000] [--rate N [--burst N]]
//               [--bare 1 | --port N --pid N]
#include <fmt/format.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "client/account/loop.h"
#include "proxy/byte_buffers.h"
#include "proxy/rpc_server.h"
#include "proxy/server.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace {

using ringway::client::CallOutcome;

constexpr char kPath[] = "/mtproto.l228.Mtproto/HelpGetNearestDc";
constexpr char kServedPath[] = "/mtproto.l228.Mtproto/HelpGetConfig";
constexpr uint8_t kNearestDc[] = {0x75, 0x17, 0x1a, 0x8e, 0x02, 0x58, 0x58, 0x00,
                                  0x02, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00};

// Answers each call in the loop's next turn.
class Answering final : public ringway::client::Calls {
 public:
  explicit Answering(ringway::client::EventLoop& loop) : loop_(loop) {}
  ringway::client::CallId start(ringway::Bytes, const ringway::client::CallOptions&,
                                ringway::client::CallSink& sink) override {
    waiting_.push_back(&sink);
    if (waiting_.size() == 1) {
      loop_.post([this] { answer(); });
    }
    return ++last_id_;
  }
  void cancel(ringway::client::CallId) override {}
  void forget(ringway::client::CallId) override {}

 private:
  void answer() {
    std::vector<ringway::client::CallSink*> sinks;
    std::swap(sinks, waiting_);
    for (ringway::client::CallSink* sink : sinks) {
      CallOutcome outcome;
      outcome.end = CallOutcome::End::kResult;
      outcome.result.assign(std::begin(kNearestDc), std::end(kNearestDc));
      sink->on_call_done(0, std::move(outcome));
    }
  }

  ringway::client::EventLoop& loop_;
  std::vector<ringway::client::CallSink*> waiting_;
  ringway::client::CallId last_id_ = 0;
};

// Answers each call with nothing, on gRPC's thread.
class Echoing final : public ringway::proxy::RpcAcceptor {
 public:
  ringway::proxy::RpcHandler& accept(ringway::proxy::Rpc& rpc) override { return *new Echo(rpc); }

 private:
  class Echo final : public ringway::proxy::RpcHandler {
   public:
    explicit Echo(ringway::proxy::Rpc& rpc) : rpc_(rpc) { rpc_.read(message_); }
    void on_read(bool good) override {
      if (!good) return rpc_.finish(grpc::Status::CANCELLED);
      rpc_.write_and_finish(message_);
    }
    void on_done() override { delete this; }

   private:
    ~Echo() = default;
    ringway::proxy::Rpc& rpc_;
    grpc::ByteBuffer message_;
  };
};

struct Load {
  size_t callers = 1000;
  size_t connections = 8;
  size_t calls = 100'000;
  size_t rate = 0;  // 0: as many as go
  size_t burst = 1;
  size_t bare = 0;
  size_t port = 0;  // 0: a server of our own
  size_t pid = 0;
};

int64_t process_cpu_ns() { return ringway::read_clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

// Says its port, then its processor time each time that it is asked, until nobody asks any more.
void report(int control, int port) {
  int64_t word = port;
  while (write(control, &word, sizeof word) == sizeof word &&
         read(control, &word, sizeof word) == sizeof word) {
    word = process_cpu_ns();
  }
}

int serve_bare(int control) {
  Echoing echoing;
  ringway::proxy::RpcServer server(echoing);
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  if (!server.start(builder)) return 1;
  report(control, port);
  return 0;
}

int serve(int control) {
  auto loop = *ringway::client::EventLoop::make();
  Answering calls(*loop);
  auto schema = ringway::tl::parse_schema(*ringway::tl::embedded_schema(228));
  ringway::proxy::SessionSetup setup;
  setup.name = "bench";
  setup.layer = 228;
  setup.contract =
      ringway::tl::Contract::make(std::move(schema.schema),
                                  ringway::tl::options_of_layer(228, ringway::tl::Mode::kExtended))
          .contract;
  setup.calls = &calls;
  ringway::proxy::ServerOptions options;
  options.listen = "127.0.0.1:0";
  std::string error;
  auto server = ringway::proxy::Server::start(options, *loop, {setup}, error);
  if (server == nullptr) {
    std::fprintf(stderr, "%s\n", error.c_str());
    return 1;
  }
  std::thread turning([&] { loop->run(); });
  report(control, server->port());
  server->stop();
  loop->stop();
  turning.join();
  return 0;
}

class Caller {
 public:
  Caller(std::shared_ptr<grpc::Channel> channel, grpc::CompletionQueue& queue, const char* path)
      : stub_(std::move(channel)), queue_(queue), path_(path) {}
  // That was due at `begin_ns`.
  void call(int64_t begin_ns) {
    begin_ns_ = begin_ns;
    busy_.store(true, std::memory_order_relaxed);
    context_ = std::make_unique<grpc::ClientContext>();
    reader_ = stub_.PrepareUnaryCall(context_.get(), path_, request_, &queue_);
    reader_->StartCall();
    reader_->Finish(&response_, &status_, this);
  }
  void done() { busy_.store(false, std::memory_order_release); }
  [[nodiscard]] bool busy() const { return busy_.load(std::memory_order_acquire); }
  [[nodiscard]] bool good() const { return status_.ok(); }
  [[nodiscard]] int64_t begin_ns() const { return begin_ns_; }
  uint64_t calls = 0;

 private:
  grpc::GenericStub stub_;
  grpc::CompletionQueue& queue_;
  const char* path_;
  std::atomic<bool> busy_{false};
  const grpc::ByteBuffer request_ = ringway::proxy::buffer_of(std::string_view());
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader_;
  grpc::ByteBuffer response_;
  grpc::Status status_;
  int64_t begin_ns_ = 0;
};

int64_t now_ns() { return ringway::read_clock_ns(CLOCK_MONOTONIC); }

void sleep_until(int64_t mono_ns) {
  const timespec when{mono_ns / ringway::kNsPerSecond, mono_ns % ringway::kNsPerSecond};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &when, nullptr);
}

// Begins all calls when they are due; one whose caller still waits for an answer begins after it.
void pace(const Load& load, size_t calls, std::vector<std::unique_ptr<Caller>>& all) {
  constexpr int64_t kLookAgainNs = 20'000;
  const int64_t start_ns = now_ns();
  for (size_t i = 0; i < calls; ++i) {
    const size_t first = i - i % load.burst;
    const int64_t due_ns = start_ns + static_cast<int64_t>(static_cast<double>(first) * 1e9 /
                                                           static_cast<double>(load.rate));
    if (due_ns > now_ns()) sleep_until(due_ns);
    Caller& caller = *all[i % all.size()];
    while (caller.busy()) sleep_until(now_ns() + kLookAgainNs);
    caller.call(due_ns);
  }
}

// The processor time of who serves, of all its threads.
int64_t cpu_of(int control, const Load& load) {
  if (load.pid != 0) {
    clockid_t clock = 0;
    if (clock_getcpuclockid(static_cast<pid_t>(load.pid), &clock) != 0) return 0;
    return ringway::read_clock_ns(clock);
  }
  int64_t word = 0;
  if (write(control, &word, sizeof word) != sizeof word ||
      read(control, &word, sizeof word) != sizeof word) {
    return 0;
  }
  return word;
}

int run(int control, const Load& load) {
  const size_t callers = std::min(load.callers, load.calls);
  const size_t connections = std::min(load.connections, callers);
  const size_t calls = load.calls;
  auto port = static_cast<int64_t>(load.port);
  if (port == 0 && read(control, &port, sizeof port) != sizeof port) return 1;
  std::vector<std::shared_ptr<grpc::Channel>> channels;
  for (size_t i = 0; i < connections; ++i) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    channels.push_back(grpc::CreateCustomChannel(fmt::format("127.0.0.1:{}", port),
                                                 grpc::InsecureChannelCredentials(), arguments));
  }
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Caller>> all;
  for (size_t i = 0; i < callers; ++i) {
    all.push_back(std::make_unique<Caller>(channels[i % connections], queue,
                                           load.port == 0 ? kPath : kServedPath));
  }
  // A tenth more to warm up, which does not count.
  const size_t warm = calls / 10;
  int64_t begin_cpu_ns = 0;
  int64_t begin_ns = 0;
  std::vector<int64_t> times_ns;
  std::thread pacer;
  if (load.rate != 0) {
    pacer = std::thread([&] { pace(load, warm + calls, all); });
  } else {
    for (auto& caller : all) caller->call(now_ns());
  }
  size_t failed = 0;
  size_t begun = callers;
  for (size_t done = 0; done < warm + calls; ++done) {
    if (done == warm) {
      begin_cpu_ns = cpu_of(control, load);
      begin_ns = now_ns();
      for (auto& caller : all) caller->calls = 0;
    }
    void* tag = nullptr;
    bool ok = false;
    if (!queue.Next(&tag, &ok)) break;
    auto& caller = *static_cast<Caller*>(tag);
    if (!caller.good()) ++failed;
    ++caller.calls;
    if (done >= warm) times_ns.push_back(now_ns() - caller.begin_ns());
    if (load.rate != 0) {
      caller.done();
    } else if (begun < warm + calls) {
      ++begun;
      caller.call(now_ns());
    }
  }
  if (pacer.joinable()) pacer.join();
  const int64_t cpu_ns = cpu_of(control, load) - begin_cpu_ns;
  const int64_t took_ns = now_ns() - begin_ns;
  const auto count = static_cast<double>(times_ns.size());
  std::sort(times_ns.begin(), times_ns.end());
  const auto by_calls = [](const auto& a, const auto& b) { return a->calls < b->calls; };
  const auto [least, most] = std::minmax_element(all.begin(), all.end(), by_calls);
  fmt::print(
      "{{\"callers\": {}, \"connections\": {}, \"calls\": {}, \"failed\": {}, "
      "\"cpu_us_per_call\": {:.2f}, \"calls_per_second\": {:.0f}, \"p50_us\": {}, \"p99_us\": {}, "
      "\"least_calls\": {}, \"most_calls\": {}}}\n",
      callers, connections, times_ns.size(), failed, static_cast<double>(cpu_ns) / count / 1e3,
      count * 1e9 / static_cast<double>(took_ns), times_ns[times_ns.size() / 2] / 1000,
      times_ns[times_ns.size() * 99 / 100] / 1000, (*least)->calls, (*most)->calls);
  return failed == 0 ? 0 : 1;
}

bool take_number(std::string_view text, size_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc() && end == text.data() + text.size() && out > 0;
}

}  // namespace

int main(int argc, char** argv) {
  Load load;
  for (int i = 1; i < argc; i += 2) {
    const std::string_view name = argv[i];
    size_t* value = name == "--callers"       ? &load.callers
                    : name == "--connections" ? &load.connections
                    : name == "--calls"       ? &load.calls
                    : name == "--rate"        ? &load.rate
                    : name == "--burst"       ? &load.burst
                    : name == "--bare"        ? &load.bare
                    : name == "--port"        ? &load.port
                    : name == "--pid"         ? &load.pid
                                              : nullptr;
    if (value == nullptr || i + 1 == argc || !take_number(argv[i + 1], *value)) {
      std::fprintf(stderr,
                   "usage: proxy_calls [--callers N] [--connections N] [--calls N] "
                   "[--rate N [--burst N]] [--bare 1 | --port N --pid N]\n");
      return 2;
    }
  }
  if (load.port != 0) return run(-1, load);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return 1;
  const pid_t server = fork();
  if (server == 0) {
    close(ends[0]);
    return load.bare != 0 ? serve_bare(ends[1]) : serve(ends[1]);
  }
  close(ends[1]);
  const int result = run(ends[0], load);
  close(ends[0]);
  int status = 0;
  waitpid(server, &status, 0);
  return result != 0 || status != 0 ? 1 : 0;
}
