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

// What OpenSSL said last on this thread, as a short phrase; empties its queue.
[[nodiscard]] std::string take_openssl_reason();

}  // namespace ringway::tls
