// tls/pem_files: certificates and private keys from files. Blocks on them: for start and reload.
// Only for .cc files of this room.
#pragma once

#include <openssl/ssl.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "crypto/openssl_ptr.h"

namespace ringway::tls {

using X509Ptr = std::unique_ptr<X509, crypto::OpensslFree<X509_free>>;

// One to kTlsChainMax certificates, in the file's order. On an error `error` says which file it is
// and what is wrong with it.
Result<std::vector<X509Ptr>> read_certificates(const std::string& file, std::string& error);
Result<crypto::PkeyPtr> read_private_key(const std::string& file, std::string& error);

// A server's certificate chain, and the private key that belongs to its first certificate.
struct ServerIdentity {
  std::vector<X509Ptr> chain;
  crypto::PkeyPtr key;
};
enum class PemFile : uint8_t { kCertificate, kKey };
struct IdentityProblem {
  PemFile file = PemFile::kCertificate;  // which one is at fault
  std::string text;
};
// Reads both and fills an SSL_CTX with them: what is returned is fit for serving. `unix_seconds`:
// now, for `warnings` of a certificate that is expired or not valid yet.
Result<ServerIdentity> use_identity(SSL_CTX* context, const std::string& cert_file,
                                    const std::string& key_file, int64_t unix_seconds,
                                    std::vector<std::string>& warnings, IdentityProblem& problem);

// What OpenSSL said last on this thread, as a short phrase; empties its queue.
[[nodiscard]] std::string take_openssl_reason();

}  // namespace ringway::tls
