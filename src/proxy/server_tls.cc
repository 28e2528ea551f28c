#include "proxy/server_tls.h"

#include <fmt/format.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <grpcpp/grpcpp.h>

#include <utility>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/log.h"

namespace ringway::proxy {

// gRPC's C++ part has credentials of files and of fixed text only; those that ask are its C part's.
class ServerTls::Credentials final : public grpc::ServerCredentials {
 public:
  explicit Credentials(ServerTls& owner)
      : credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE, &Credentials::fetch, &owner))) {
    RW_ASSERT(credentials_ != nullptr);
  }
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;
  ~Credentials() override { grpc_server_credentials_release(credentials_); }

  // Who calls is found out by the service.
  void SetAuthMetadataProcessor(
      const std::shared_ptr<grpc::AuthMetadataProcessor>& /*processor*/) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  // On gRPC's threads, one at a time.
  static grpc_ssl_certificate_config_reload_status fetch(
      void* owner, grpc_ssl_server_certificate_config** config) {
    const Pair pair = static_cast<ServerTls*>(owner)->take_new();
    if (pair == nullptr) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    std::string key(as_text(pair->key.view()));
    const grpc_ssl_pem_key_cert_pair texts = {key.c_str(), pair->certificates.c_str()};
    // It insists on authorities of clients, and then asks no client for a certificate.
    *config = grpc_ssl_server_certificate_config_create(pair->certificates.c_str(), &texts, 1);
    cleanse(key.data(), key.size());
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  grpc_server_credentials* credentials_;  // owned
};

std::unique_ptr<ServerTls> ServerTls::load(const std::string& certificate_file,
                                           const std::string& key_file, std::string& error) {
  std::unique_ptr<ServerTls> tls(new ServerTls(certificate_file, key_file));
  error = tls->read();
  return error.empty() ? std::move(tls) : nullptr;
}

std::shared_ptr<grpc::ServerCredentials> ServerTls::credentials() {
  show_warnings();
  return std::make_shared<Credentials>(*this);
}

std::string ServerTls::reload() {
  std::string wrong = read();
  if (wrong.empty()) show_warnings();
  return wrong;
}

void ServerTls::show_warnings() {
  const std::lock_guard lock(mutex_);
  for (const std::string& warning : warnings_) log_warning("proxy", "{}", warning);
}

std::string ServerTls::read() {
  tls::PemPairLoaded loaded =
      tls::load_pem_pair(certificate_file_, key_file_, read_clocks().unix_seconds());
  if (loaded.pair == nullptr) {
    return loaded.key_is_wrong
               ? fmt::format("--tls-key: {}; give the private key of the certificate in {} as PEM",
                             loaded.error, certificate_file_)
               : fmt::format(
                     "--tls-cert: {}; give the server's certificate, then those that lead to its "
                     "authority, as PEM",
                     loaded.error);
  }
  const std::lock_guard lock(mutex_);
  fresh_ = std::move(loaded.pair);
  warnings_ = std::move(loaded.warnings);
  return {};
}

ServerTls::Pair ServerTls::take_new() {
  const std::lock_guard lock(mutex_);
  return std::exchange(fresh_, nullptr);
}

}  // namespace ringway::proxy
