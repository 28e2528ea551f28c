#include "tls/tls_context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "base/assert.h"
#include "tls/pem_files.h"

namespace ringway::tls {
namespace {

// Of TLS 1.2; those of 1.3 are all fit for use.
constexpr const char* kCiphers = "ECDHE+AESGCM:ECDHE+CHACHA20";
constexpr const char* kGroups = "X25519:P-256";
constexpr std::string_view kProtocol("\x08http/1.1", 9);
constexpr std::string_view kSessionContext = "ringway";

// Seals or opens a ticket, as SSL_CTX_set_tlsext_ticket_key_evp_cb asks: 1 go on, 2 go on and renew
// the ticket, 0 no ticket of ours, -1 give up.
int prepare_ticket(SSL* stream, unsigned char* name, unsigned char* iv, EVP_CIPHER_CTX* cipher,
                   EVP_MAC_CTX* code, int seal) {
  const auto* keys =
      static_cast<const TlsTicketKeys*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(stream)));
  const std::span<unsigned char, TlsTicketKeys::kNameBytes> place(name, TlsTicketKeys::kNameBytes);
  const TlsTicketKeys::Key* key = seal != 0 ? &keys->current() : keys->find(place);
  if (key == nullptr) return 0;
  if (seal != 0) {
    std::copy_n(key->name.data(), place.size(), place.begin());
    if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(EVP_aes_256_cbc())) != 1) return -1;
  }
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, const_cast<uint8_t*>(key->code.data()),
                                        key->code.size()),
      OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, const_cast<char*>("sha256"), 0),
      OSSL_PARAM_construct_end()};
  if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), nullptr, key->cipher.data(), iv, seal) != 1 ||
      EVP_MAC_CTX_set_params(code, parameters) != 1) {
    return -1;
  }
  return seal != 0 || key == &keys->current() ? 1 : 2;
}

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* chosen_size,
                    const unsigned char* offered, unsigned offered_size, void*) {
  unsigned char* match = nullptr;
  const int found =
      SSL_select_next_proto(&match, chosen_size, as_bytes(kProtocol).data(),
                            static_cast<unsigned>(kProtocol.size()), offered, offered_size);
  *chosen = match;
  return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

// What servers and clients have in common.
SSL_CTX* make_context(const SSL_METHOD* method, TlsVersion min_version) {
  SSL_CTX* context = SSL_CTX_new(method);
  RW_ASSERT(context != nullptr);
  RW_ASSERT(SSL_CTX_set_min_proto_version(
                context, min_version == TlsVersion::k13 ? TLS1_3_VERSION : TLS1_2_VERSION) == 1);
  RW_ASSERT(SSL_CTX_set_cipher_list(context, kCiphers) == 1);
  RW_ASSERT(SSL_CTX_set1_groups_list(context, kGroups) == 1);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // An idle connection keeps no record buffers.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  return context;
}

}  // namespace

TlsLoaded TlsContext::load(const TlsServerOptions& options, int64_t unix_seconds) {
  RW_ASSERT(options.ticket_keys != nullptr);
  SSL_CTX* raw = make_context(TLS_server_method(), options.min_version);
  const std::shared_ptr<TlsContext> context(new TlsContext(raw, TlsRole::kServer));
  TlsLoaded loaded;
  IdentityProblem problem;
  if (!use_identity(raw, options.cert_file, options.key_file, unix_seconds, loaded.warnings,
                    problem)) {
    loaded.error = std::move(problem.text);
    return loaded;
  }
  context->ticket_keys_ = options.ticket_keys;
  SSL_CTX_set_app_data(raw, const_cast<TlsTicketKeys*>(options.ticket_keys.get()));
  RW_ASSERT(SSL_CTX_set_tlsext_ticket_key_evp_cb(raw, prepare_ticket) == 1);
  RW_ASSERT(SSL_CTX_set_session_id_context(raw, as_bytes(kSessionContext).data(),
                                           kSessionContext.size()) == 1);
  // One ticket for a connection: a client that wants more asks with its next one.
  RW_ASSERT(SSL_CTX_set_num_tickets(raw, 1) == 1);
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  loaded.context = context;
  return loaded;
}

TlsLoaded TlsContext::client(const TlsClientOptions& options) {
  SSL_CTX* raw = make_context(TLS_client_method(), TlsVersion::k12);
  const std::shared_ptr<TlsContext> context(new TlsContext(raw, TlsRole::kClient));
  TlsLoaded loaded;
  // Zero is success, unlike everywhere else.
  RW_ASSERT(SSL_CTX_set_alpn_protos(raw, as_bytes(kProtocol).data(), kProtocol.size()) == 0);
  if (!options.insecure) {
    context->verifies_ = true;
    SSL_CTX_set_verify(raw, SSL_VERIFY_PEER, nullptr);
    if (options.ca_file.empty()) {
      RW_ASSERT(SSL_CTX_set_default_verify_paths(raw) == 1);
    } else {
      const auto authorities = read_certificates(options.ca_file, loaded.error);
      if (!authorities) return loaded;
      for (const X509Ptr& authority : *authorities) {
        RW_ASSERT(X509_STORE_add_cert(SSL_CTX_get_cert_store(raw), authority.get()) == 1);
      }
    }
  }
  loaded.context = context;
  return loaded;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

}  // namespace ringway::tls
