// tls/pem_pair: a certificate and its private key, checked, as the text that libraries with a TLS
// of their own take.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/secret.h"

namespace ringway::tls {

struct PemPair {
  std::string certificates;  // PEM: the server's, then those that lead to its authority
  SecretString key;          // PEM, without a passphrase
};

struct PemPairLoaded {
  std::shared_ptr<const PemPair> pair;  // null: `error` says what is wrong
  std::string error;                    // names the file
  bool key_is_wrong = false;            // it is the key's file, and not the certificate's
  std::vector<std::string> warnings;    // a certificate that is expired or not valid yet
};

// Blocks on the files. A pair that is returned belongs together and is fit for TLS 1.2 and 1.3.
// `unix_seconds`: now.
[[nodiscard]] PemPairLoaded load_pem_pair(const std::string& cert_file, const std::string& key_file,
                                          int64_t unix_seconds);

}  // namespace ringway::tls
