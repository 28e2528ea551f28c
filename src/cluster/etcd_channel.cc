#include "cluster/etcd_channel.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/security/tls_certificate_provider.h>
#include <grpcpp/security/tls_certificate_verifier.h>
#include <grpcpp/security/tls_credentials_options.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "base/limits.h"

namespace ringway::cluster {
namespace {

// A member that froze or fell off the network answers no ping. etcd takes one in five seconds.
constexpr int kKeepAliveMs = 10'000;
constexpr int kKeepAliveTimeoutMs = 5'000;
// Attempts are paced by who calls; gRPC's own pauses only have to stay below that.
constexpr int kConnectBackoffMs = 100;

struct PemFiles {
  std::string cert;
  std::string key;
  std::string ca;
};

bool read_pem(const std::string& path, std::string& out, std::string& error) {
  if (path.empty()) return true;
  std::ifstream file(path, std::ios::binary);
  std::string text(kPemFileBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad()) {
    error = "cannot read " + path + ": " + std::strerror(errno);
    return false;
  }
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.empty() || text.size() > kPemFileBytesMax) {
    error = path + " is no PEM file";
    return false;
  }
  out = std::move(text);
  return true;
}

std::shared_ptr<grpc::ChannelCredentials> verifying(const PemFiles& pem) {
  grpc::SslCredentialsOptions options;
  options.pem_root_certs = pem.ca;
  options.pem_cert_chain = pem.cert;
  options.pem_private_key = pem.key;
  return grpc::SslCredentials(options);
}

// InsecureSkipVerify: encrypted, and whoever answers is believed.
std::shared_ptr<grpc::ChannelCredentials> trusting(const PemFiles& pem) {
  namespace tls = grpc::experimental;
  tls::TlsChannelCredentialsOptions options;
  if (!pem.cert.empty()) {
    const std::vector<tls::IdentityKeyCertPair> pairs{{pem.key, pem.cert}};
    options.set_certificate_provider(std::make_shared<tls::StaticDataCertificateProvider>(pairs));
    options.watch_identity_key_cert_pairs();
  }
  options.set_verify_server_certs(false);
  options.set_check_call_host(false);
  options.set_certificate_verifier(std::make_shared<tls::NoOpCertificateVerifier>());
  return tls::TlsCredentials(options);
}

}  // namespace

std::shared_ptr<grpc::Channel> make_etcd_channel(const EtcdOptions& options,
                                                 const std::string& host, std::string& error) {
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (options.tls) {
    PemFiles pem;
    if (!read_pem(options.cert_file, pem.cert, error)) return nullptr;
    if (!read_pem(options.key_file, pem.key, error)) return nullptr;
    if (!read_pem(options.ca_file, pem.ca, error)) return nullptr;
    credentials = options.skip_verify ? trusting(pem) : verifying(pem);
  } else {
    credentials = grpc::InsecureChannelCredentials();
  }
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectBackoffMs);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kEtcdMessageBytesMax));
  return grpc::CreateCustomChannel(host, credentials, arguments);
}

}  // namespace ringway::cluster
