// What TLS costs a server: handshakes by kind of certificate, version and whether a session is
// resumed, sealing and opening, and the hello of fake TLS.
//
// Only the server's share is counted. `cpu_us` is processor time of a whole handshake; `step_us`
// the median of its longest step, as the client's bytes come in, which is what a worker would be
// away for. `bytes` is what the allocator has given out for a stream at rest.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include <algorithm>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "crypto/openssl_ptr.h"
#include "tls/fake_client_hello.h"
#include "tls/fake_hello.h"
#include "tls/tls_context.h"
#include "tls/tls_stream.h"

namespace {

using namespace ringway;
using namespace ringway::tls;

using SslPtr = std::unique_ptr<SSL, crypto::OpensslFree<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, crypto::OpensslFree<SSL_CTX_free>>;
using SessionPtr = std::unique_ptr<SSL_SESSION, crypto::OpensslFree<SSL_SESSION_free>>;
using X509Ptr = std::unique_ptr<X509, crypto::OpensslFree<X509_free>>;

int64_t cpu_ns() { return read_clock_ns(CLOCK_THREAD_CPUTIME_ID); }

double median_us(std::vector<int64_t>& times) {
  if (times.empty()) return 0;
  const auto middle = times.begin() + static_cast<ptrdiff_t>(times.size() / 2);
  std::nth_element(times.begin(), middle, times.end());
  return static_cast<double>(*middle) / 1000;
}

void write_pem(const std::string& path, EVP_PKEY* key, X509* certificate) {
  const crypto::BioPtr bio(BIO_new_file(path.c_str(), "w"));
  PEM_write_bio_PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr);
  PEM_write_bio_X509(bio.get(), certificate);
}

// A context with a certificate that is made on the spot.
std::shared_ptr<const TlsContext> make_context(bool rsa) {
  const crypto::PkeyPtr key(rsa ? EVP_RSA_gen(2048u) : EVP_EC_gen("P-256"));
  const X509Ptr certificate(X509_new());
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  std::string folder = (std::filesystem::temp_directory_path() / "tls_bench_XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) std::abort();
  const std::string path = folder + "/both.pem";
  write_pem(path, key.get(), certificate.get());
  TlsLoaded loaded =
      TlsContext::load({path, path, TlsVersion::k12, TlsTicketKeys::draw()}, time(nullptr));
  std::filesystem::remove_all(folder);
  if (loaded.context == nullptr) std::abort();
  return loaded.context;
}

const std::shared_ptr<const TlsContext>& context_of(bool rsa) {
  static const std::shared_ptr<const TlsContext> contexts[] = {make_context(false),
                                                               make_context(true)};
  return contexts[rsa ? 1 : 0];
}

// OpenSSL's own client, over its memory BIOs.
class Client {
 public:
  Client(SSL_CTX* context, int version, SSL_SESSION* session) : ssl_(SSL_new(context)) {
    SSL_set_min_proto_version(ssl_.get(), version);
    SSL_set_max_proto_version(ssl_.get(), version);
    if (session != nullptr) SSL_set_session(ssl_.get(), session);
    SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl_.get());
  }
  // Takes what the server has sent, and says what comes next; nothing when it is done.
  Bytes step(ByteView from_server) {
    BIO_write(SSL_get_rbio(ssl_.get()), from_server.data(), static_cast<int>(from_server.size()));
    if (SSL_do_handshake(ssl_.get()) == 1) {
      uint8_t byte = 0;
      size_t count = 0;
      (void)SSL_read_ex(ssl_.get(), &byte, 1, &count);  // takes the ticket
    }
    Bytes out(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())));
    BIO_read(SSL_get_wbio(ssl_.get()), out.data(), static_cast<int>(out.size()));
    return out;
  }
  [[nodiscard]] SessionPtr session() const {
    return SessionPtr(SSL_SESSION_dup(SSL_get0_session(ssl_.get())));
  }
  void write(ByteView bytes) {
    size_t count = 0;
    SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
  }

 private:
  SslPtr ssl_;
};

struct Cost {
  int64_t all_ns = 0;
  int64_t longest_ns = 0;
};

// A handshake to its end. The server's work includes its stream's making.
Cost shake_hands(Client& client, std::unique_ptr<TlsStream>& server,
                 const std::shared_ptr<const TlsContext>& context) {
  Cost cost;
  Bytes to_client;
  for (int round = 0; round < 5; ++round) {
    const Bytes to_server = client.step(to_client);
    if (to_server.empty()) break;
    const int64_t start = cpu_ns();
    if (server == nullptr) server = std::make_unique<TlsStream>(context);
    if (!server->receive(to_server) || !server->handshake_step()) std::abort();
    to_client.assign(server->pending_output().begin(), server->pending_output().end());
    server->consume_output(to_client.size());
    const int64_t spent = cpu_ns() - start;
    cost.all_ns += spent;
    cost.longest_ns = std::max(cost.longest_ns, spent);
  }
  if (!server->handshake_done()) std::abort();
  return cost;
}

// Arguments: RSA-2048 or P-256, TLS 1.2 or 1.3, resumed or not.
void BM_Handshake(benchmark::State& state) {
  const auto& context = context_of(state.range(0) != 0);
  const int version = state.range(1) == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  const SslCtxPtr client_context(SSL_CTX_new(TLS_client_method()));
  SessionPtr session;
  if (state.range(2) != 0) {
    Client first(client_context.get(), version, nullptr);
    std::unique_ptr<TlsStream> server;
    shake_hands(first, server, context);
    session = first.session();
  }
  std::vector<int64_t> longest;
  int64_t all_ns = 0;
  for (auto _ : state) {
    Client client(client_context.get(), version, session.get());
    std::unique_ptr<TlsStream> server;
    const Cost cost = shake_hands(client, server, context);
    if (server->resumed() != (session != nullptr)) std::abort();
    if (session != nullptr) session = client.session();
    all_ns += cost.all_ns;
    longest.push_back(cost.longest_ns);
  }
  state.counters["cpu_us"] =
      static_cast<double>(all_ns) / 1000 / static_cast<double>(state.iterations());
  state.counters["step_us"] = median_us(longest);
}
BENCHMARK(BM_Handshake)
    ->ArgNames({"rsa", "tls", "resumed"})
    ->ArgsProduct({{0, 1}, {12, 13}, {0, 1}});

// A connected pair, after the handshake.
struct Connected {
  explicit Connected(int version)
      : client_context(SSL_CTX_new(TLS_client_method())),
        client(client_context.get(), version, nullptr) {
    shake_hands(client, server, context_of(false));
  }
  SslCtxPtr client_context;
  Client client;
  std::unique_ptr<TlsStream> server;
};

void BM_Seal(benchmark::State& state) {
  Connected pair(TLS1_3_VERSION);
  const Bytes plain(static_cast<size_t>(state.range(0)), 0x5a);
  for (auto _ : state) {
    if (!pair.server->write(plain)) std::abort();
    pair.server->consume_output(pair.server->pending_output().size());
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_Seal)->Arg(256)->Arg(4096)->Arg(32 * 1024);

// Includes the client's sealing, which is not separable: it cannot be done before.
void BM_SealAndOpen(benchmark::State& state) {
  Connected pair(TLS1_3_VERSION);
  const Bytes plain(static_cast<size_t>(state.range(0)), 0x5a);
  Bytes out(plain.size());
  for (auto _ : state) {
    pair.client.write(plain);
    size_t count = 0;
    if (!pair.server->receive(pair.client.step({})) || !pair.server->read(out, count)) std::abort();
    if (count != plain.size()) std::abort();
  }
  state.SetBytesProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_SealAndOpen)->Arg(256)->Arg(4096)->Arg(32 * 1024);

void BM_IdleStream(benchmark::State& state) {
  const auto& context = context_of(false);
  const SslCtxPtr client_context(SSL_CTX_new(TLS_client_method()));
  const int version = state.range(0) == 12 ? TLS1_2_VERSION : TLS1_3_VERSION;
  size_t bytes = 0;
  size_t streams = 0;
  for (auto _ : state) {
    std::vector<std::unique_ptr<TlsStream>> held(64);
    const size_t before = mallinfo2().uordblks;
    for (std::unique_ptr<TlsStream>& server : held) {
      Client client(client_context.get(), version, nullptr);
      shake_hands(client, server, context);
    }
    bytes += mallinfo2().uordblks - before;
    streams += held.size();
  }
  state.counters["bytes"] = static_cast<double>(bytes) / static_cast<double>(streams);
}
BENCHMARK(BM_IdleStream)->ArgName("tls")->Arg(12)->Arg(13);

FakeTlsSecret secret_of(size_t number) {
  FakeTlsSecret secret;
  std::fill_n(secret.key.data(), secret.key.size(), static_cast<uint8_t>(number));
  secret.domain = "gateway.example";
  return secret;
}

// Arguments: bytes of the hello, secrets that are tried.
void BM_FakeHello(benchmark::State& state) {
  constexpr int64_t kNow = 1'800'000'000;
  std::vector<FakeTlsSecret> secrets;
  for (int64_t i = 0; i < state.range(1); ++i) secrets.push_back(secret_of(static_cast<size_t>(i)));
  const Bytes record =
      make_fake_client_hello(secrets.back(), kNow, static_cast<size_t>(state.range(0))).record;
  for (auto _ : state) benchmark::DoNotOptimize(read_fake_hello(record, secrets, kNow).ok());
}
BENCHMARK(BM_FakeHello)->ArgNames({"bytes", "secrets"})->ArgsProduct({{517, 1800, 16384}, {1, 16}});

void BM_FakeFlight(benchmark::State& state) {
  constexpr int64_t kNow = 1'800'000'000;
  const std::vector<FakeTlsSecret> secrets = {secret_of(1)};
  const Bytes record = make_fake_client_hello(secrets[0], kNow).record;
  const Result<FakeHello> hello = read_fake_hello(record, secrets, kNow);
  for (auto _ : state) benchmark::DoNotOptimize(make_fake_flight(*hello, secrets[0]));
}
BENCHMARK(BM_FakeFlight);

}  // namespace

BENCHMARK_MAIN();
