#include "tls/pem_pair.h"

#include <openssl/pem.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "tls/pem_files.h"

namespace ringway::tls {
namespace {

using SslCtxPtr = std::unique_ptr<SSL_CTX, crypto::OpensslFree<SSL_CTX_free>>;

ByteView written(const crypto::BioPtr& bio) {
  char* data = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(bio.get(), &data));
  return as_bytes(std::string_view(data, size));
}

std::string text_of(const std::vector<X509Ptr>& chain) {
  const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
  for (const X509Ptr& certificate : chain) {
    RW_ASSERT(PEM_write_bio_X509(bio.get(), certificate.get()) == 1);
  }
  return std::string(as_text(written(bio)));
}

SecretString text_of(const crypto::PkeyPtr& key) {
  const crypto::BioPtr bio(BIO_new(BIO_s_secmem()));
  RW_ASSERT(PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) ==
            1);
  return SecretString(written(bio));
}

}  // namespace

PemPairLoaded load_pem_pair(const std::string& cert_file, const std::string& key_file,
                            int64_t unix_seconds) {
  PemPairLoaded loaded;
  const SslCtxPtr context(SSL_CTX_new(TLS_server_method()));
  RW_ASSERT(context != nullptr);
  IdentityProblem problem;
  const auto identity =
      use_identity(context.get(), cert_file, key_file, unix_seconds, loaded.warnings, problem);
  if (!identity.ok()) {
    loaded.error = std::move(problem.text);
    loaded.key_is_wrong = problem.file == PemFile::kKey;
    return loaded;
  }
  loaded.pair =
      std::make_shared<const PemPair>(PemPair{text_of(identity->chain), text_of(identity->key)});
  return loaded;
}

}  // namespace ringway::tls
