// proxy/server_tls: the certificate that callers see, which can be renewed while they are served.
//
// gRPC asks for it at each new connection: a renewed one is used from the next one on, and those
// that are open go on undisturbed.
#pragma once

#include <grpcpp/security/server_credentials.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "tls/pem_pair.h"

namespace ringway::proxy {

class ServerTls {
 public:
  // Reads and checks both PEM files. Null with `error` set: it names the option and the file, and
  // says what would be right.
  [[nodiscard]] static std::unique_ptr<ServerTls> load(const std::string& certificate_file,
                                                       const std::string& key_file,
                                                       std::string& error);

  // For one address of one server, which this outlives.
  [[nodiscard]] std::shared_ptr<grpc::ServerCredentials> credentials();
  // Reads the files anew. Empty; or what is wrong with them, and all stays as it was. Any thread.
  [[nodiscard]] std::string reload();

 private:
  class Credentials;
  using Pair = std::shared_ptr<const tls::PemPair>;

  ServerTls(std::string certificate_file, std::string key_file)
      : certificate_file_(std::move(certificate_file)), key_file_(std::move(key_file)) {}
  // Empty, or what is wrong with the files.
  [[nodiscard]] std::string read();
  void show_warnings();
  // What to serve when it is not what was served last; else null.
  [[nodiscard]] Pair take_new();

  const std::string certificate_file_;
  const std::string key_file_;
  std::mutex mutex_;
  Pair fresh_;  // gRPC has not taken it yet; null when it has the newest. Guarded by mutex_
  std::vector<std::string> warnings_;  // of the newest; guarded by mutex_
};

}  // namespace ringway::proxy
