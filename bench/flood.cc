// Strangers who ask for what is expensive, for measuring what that does to everybody else.
//
//   handshakes     begins key exchanges up to the server's Diffie-Hellman parameters, which costs
//   the
//                  server an RSA private operation and an exponentiation, and goes away
//   unknown-keys   sends encrypted frames for keys that nobody has, which costs a question to a
//   shard
//
// Each thread does one thing after the other, each on a connection of its own. Runs until SIGTERM
// or SIGINT, then prints one line of JSON: how often, and how often it went wrong.
//
//   flood --mode handshakes|unknown-keys --addr HOST:PORT --key PUBLIC.pem [--threads 16]
#include <signal.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "base/bytes.h"
#include "client/blocking_client.h"
#include "crypto/random.h"

namespace {

using namespace ringway;

constexpr size_t kUnknownFrameBytes = 24 + 80;  // a header and five blocks of noise
constexpr int64_t kTimeoutNs = 20 * kNsPerSecond;

std::atomic<bool> g_stop{false};
void on_signal(int) { g_stop = true; }

struct Options {
  std::string mode;
  std::string address;
  std::string key_path;
  unsigned threads = 16;
};

struct Counts {
  std::atomic<uint64_t> done{0};
  std::atomic<uint64_t> failed{0};
};

bool begin_exchange(client::BlockingClient& connection, const client::HandshakeOptions& options) {
  client::Handshake exchange(options);
  if (!connection.send_unencrypted(exchange.start()).ok()) return false;
  const client::Arrival offer = connection.wait(kTimeoutNs);
  if (offer.kind != client::Arrival::Kind::kUnencrypted) return false;
  const auto request = exchange.on_answer(offer.payload, read_clocks());
  if (request.kind != client::Handshake::Outcome::Kind::kSend) return false;
  if (!connection.send_unencrypted(request.object).ok()) return false;
  return connection.wait(kTimeoutNs).kind == client::Arrival::Kind::kUnencrypted;
}

bool ask_unknown_key(client::BlockingClient& connection) {
  Bytes frame(kUnknownFrameBytes);
  crypto::random_bytes(frame);
  if (!connection.send_frame(frame).ok()) return false;
  return connection.wait(kTimeoutNs).kind == client::Arrival::Kind::kTransportError;
}

void run(const Options& options, const client::HandshakeOptions& exchange, Counts& counts) {
  const auto transport = mtproto::client_transport_by_name("intermediate");
  while (!g_stop) {
    client::BlockingClient connection(*transport);
    const bool done = connection.connect(options.address).ok() &&
                      (options.mode == "handshakes" ? begin_exchange(connection, exchange)
                                                    : ask_unknown_key(connection));
    if (g_stop) return;
    (done ? counts.done : counts.failed).fetch_add(1, std::memory_order_relaxed);
  }
}

[[noreturn]] void die(const std::string& why) {
  std::fprintf(stderr, "flood: %s\n", why.c_str());
  std::exit(2);
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--mode") options.mode = value;
    if (name == "--addr") options.address = value;
    if (name == "--key") options.key_path = value;
    if (name == "--threads") options.threads = static_cast<unsigned>(std::atoi(value.c_str()));
  }
  if (argc % 2 == 0 || options.address.empty() || options.threads == 0 || options.threads > 1024 ||
      (options.mode != "handshakes" && options.mode != "unknown-keys")) {
    die("usage: flood --mode handshakes|unknown-keys --addr HOST:PORT --key PUBLIC.pem "
        "[--threads N]");
  }
  return options;
}

client::HandshakeOptions read_key(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string pem((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  auto key = crypto::RsaKey::from_pem(pem);
  if (!key.ok()) die("cannot read the key " + path);
  const uint64_t fingerprint = (*key)->fingerprint();
  client::HandshakeOptions options;
  options.keys.push_back({*std::move(key), fingerprint});
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  const client::HandshakeOptions exchange = read_key(options.key_path);
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
  Counts counts;
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.threads; ++i) {
    threads.emplace_back(run, std::cref(options), std::cref(exchange), std::ref(counts));
  }
  for (std::thread& thread : threads) thread.join();
  std::printf("{\"done\":%llu,\"failed\":%llu}\n",
              static_cast<unsigned long long>(counts.done.load()),
              static_cast<unsigned long long>(counts.failed.load()));
  return 0;
}
