// A shard that costs as little as a shard can, for benchmarks of the gateway.
//
// Where load and shard share a core, a shard on gRPC takes more of it than the load does, and the
// row measures that. This one is a real shard as far as a gateway can tell, on the batched stream
// alone: keys by unary calls, messages by /ringway.link.v1.ShardLink/Attach, served by the
// reference shard's own MTProto code, with --load-methods as it were. One thread, epoll and
// nghttp2, keys in memory; SessionDataStream and messages by unary calls answer UNIMPLEMENTED.
//
// After each look at its sockets it sleeps for the gathering time (500 us), so it takes many
// messages at once and sends one acknowledgement for all of them. A shard that answers at once
// sends more and smaller ones, which cost a gateway more, and a push comes back sooner from it than
// from here.
//
//   shard_sink --port PORT [--gather-us 500]
//
// Ends on SIGTERM or SIGINT and tells what it took, as the reference shard does.
#include <signal.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "sink_server.h"
#include "sink_shard.h"

namespace {

using namespace ringway;

constexpr int64_t kGatherUsMax = 100'000;

volatile std::sig_atomic_t g_stop = 0;
void on_signal(int /*signal*/) { g_stop = 1; }

struct Options {
  int64_t port = 0;
  int64_t gather_us = 500;
};

bool parse(int argc, char** argv, Options& options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view text = argv[i + 1];
    int64_t value = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) return false;
    if (name == "--port") {
      options.port = value;
    } else if (name == "--gather-us") {
      options.gather_us = value;
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && options.port > 0 && options.port <= UINT16_MAX &&
         options.gather_us >= 0 && options.gather_us <= kGatherUsMax;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  if (!parse(argc, argv, options)) {
    std::fprintf(stderr, "usage: shard_sink --port PORT [--gather-us 0..%lld]\n",
                 static_cast<long long>(kGatherUsMax));
    return 2;
  }
  // Blocked but for the wait of the server, so that none is missed between two waits.
  sigset_t signals;
  sigset_t unmasked;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, &unmasked);
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);

  bench::SinkShard shard;
  bench::SinkServer server(shard, options.gather_us * 1000);
  if (const std::string failure = server.listen(static_cast<uint16_t>(options.port));
      !failure.empty()) {
    std::fprintf(stderr, "shard_sink: port %lld: %s\n", static_cast<long long>(options.port),
                 failure.c_str());
    return 1;
  }
  server.run(g_stop, unmasked);
  const bench::SinkStats stats = shard.stats();
  std::fprintf(stderr, "stopping: %llu messages, %llu refused, %llu answers, %zu sessions\n",
               static_cast<unsigned long long>(stats.messages),
               static_cast<unsigned long long>(stats.refused),
               static_cast<unsigned long long>(stats.answers), shard.session_count());
  return 0;
}
