#include "openssl_peer.h"

#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>
#include <fstream>

namespace ringway::tls {
namespace {

using X509Ptr = std::unique_ptr<X509, crypto::OpensslFree<X509_free>>;
constexpr int kRoundsMax = 20;

crypto::PkeyPtr make_key(KeyKind kind) {
  if (kind == KeyKind::kP256) return crypto::PkeyPtr(EVP_EC_gen("P-256"));
  return crypto::PkeyPtr(EVP_RSA_gen(kind == KeyKind::kRsa2048 ? 2048u : 1024u));
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio, &data);
  return {data, static_cast<size_t>(size)};
}

std::string key_text(EVP_PKEY* key, const EVP_CIPHER* cipher, const char* passphrase) {
  const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_PKCS8PrivateKey(bio.get(), key, cipher, nullptr, 0, nullptr,
                                          const_cast<char*>(passphrase)),
            1);
  return text_of(bio.get());
}

void add_alternative_name(X509* certificate, const std::string& name) {
  X509_EXTENSION* extension =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name.c_str());
  EXPECT_NE(extension, nullptr);
  EXPECT_EQ(X509_add_ext(certificate, extension, -1), 1);
  X509_EXTENSION_free(extension);
}

bool give_in_pieces(TlsStream& to, ByteView bytes, size_t piece_bytes) {
  while (!bytes.empty()) {
    const ByteView piece = bytes.first(std::min(piece_bytes, bytes.size()));
    if (!to.receive(piece)) return false;
    if (!to.handshake_done() && !to.handshake_step()) return false;
    bytes = bytes.subspan(piece.size());
  }
  return true;
}

}  // namespace

TestCertificate make_certificate(const CertificateOptions& options) {
  const crypto::PkeyPtr key = make_key(options.kind);
  const X509Ptr certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), options.not_before_seconds);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), options.not_after_seconds);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* name = X509_get_subject_name(certificate.get());
  const std::string_view common = "ringway test";
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, as_bytes(common).data(),
                             static_cast<int>(common.size()), -1, 0);
  X509_set_issuer_name(certificate.get(), name);
  add_alternative_name(certificate.get(), options.name);
  EXPECT_GT(X509_sign(certificate.get(), key.get(), EVP_sha256()), 0);
  const crypto::BioPtr bio(BIO_new(BIO_s_mem()));
  EXPECT_EQ(PEM_write_bio_X509(bio.get(), certificate.get()), 1);
  return {text_of(bio.get()), key_text(key.get(), nullptr, nullptr)};
}

std::string encrypt_key(const std::string& key) {
  const crypto::BioPtr bio(BIO_new_mem_buf(key.data(), static_cast<int>(key.size())));
  const crypto::PkeyPtr read(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  return key_text(read.get(), EVP_aes_256_cbc(), "passphrase");
}

TestFiles::TestFiles() {
  std::string pattern = testing::TempDir() + "/ringway_tls_XXXXXX";
  EXPECT_NE(mkdtemp(pattern.data()), nullptr);
  folder_ = pattern;
}

TestFiles::~TestFiles() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string TestFiles::write(const std::string& name, const std::string& text) {
  std::ofstream(path(name), std::ios::binary) << text;
  return path(name);
}

std::shared_ptr<const TlsContext> server_context(const TestCertificate& certificate,
                                                 TlsVersion min_version,
                                                 std::shared_ptr<const TlsTicketKeys> keys) {
  TestFiles files;
  TlsServerOptions options;
  options.cert_file = files.write("cert.pem", certificate.certificate);
  options.key_file = files.write("key.pem", certificate.key);
  options.min_version = min_version;
  options.ticket_keys = std::move(keys);
  TlsLoaded loaded = TlsContext::load(options, time(nullptr));
  EXPECT_NE(loaded.context, nullptr) << loaded.error;
  return loaded.context;
}

OpensslPeer::OpensslPeer(const PeerOptions& options)
    : context_(SSL_CTX_new(TLS_client_method())),
      to_peer_(BIO_new(BIO_s_mem())),
      from_peer_(BIO_new(BIO_s_mem())) {
  // What is refused is to be the server's doing.
  SSL_CTX_set_security_level(context_.get(), 0);
  ssl_.reset(SSL_new(context_.get()));
  SSL_set_min_proto_version(ssl_.get(), options.version);
  SSL_set_max_proto_version(ssl_.get(), options.version);
  if (options.ciphers != nullptr) {
    EXPECT_EQ(SSL_set_cipher_list(ssl_.get(), options.ciphers), 1);
  }
  if (options.groups != nullptr) {
    EXPECT_EQ(SSL_set1_groups_list(ssl_.get(), options.groups), 1);
  }
  if (options.session != nullptr) {
    EXPECT_EQ(SSL_set_session(ssl_.get(), options.session), 1);
  }
  std::string protocols;
  for (const std::string& protocol : options.protocols) {
    protocols += static_cast<char>(protocol.size());
    protocols += protocol;
  }
  SSL_set_alpn_protos(ssl_.get(), as_bytes(protocols).data(),
                      static_cast<unsigned>(protocols.size()));
  SSL_set_bio(ssl_.get(), to_peer_, from_peer_);
  SSL_set_connect_state(ssl_.get());
}

void OpensslPeer::give(ByteView bytes) {
  if (bytes.empty()) return;
  EXPECT_EQ(BIO_write(to_peer_, bytes.data(), static_cast<int>(bytes.size())),
            static_cast<int>(bytes.size()));
}

Bytes OpensslPeer::take() {
  Bytes out(BIO_ctrl_pending(from_peer_));
  if (!out.empty()) BIO_read(from_peer_, out.data(), static_cast<int>(out.size()));
  return out;
}

bool OpensslPeer::step() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  const bool well = result == 1 || SSL_get_error(ssl_.get(), result) == SSL_ERROR_WANT_READ;
  ERR_clear_error();
  return well;
}

Bytes OpensslPeer::read() {
  Bytes out;
  uint8_t piece[4096];
  size_t count = 0;
  ERR_clear_error();
  while (SSL_read_ex(ssl_.get(), piece, sizeof piece, &count) == 1) {
    out.insert(out.end(), piece, piece + count);
  }
  ERR_clear_error();
  return out;
}

void OpensslPeer::write(ByteView bytes) {
  size_t count = 0;
  EXPECT_EQ(SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count), 1);
}

bool move_output(TlsStream& from, TlsStream& to, size_t piece_bytes) {
  const Bytes bytes(from.pending_output().begin(), from.pending_output().end());
  from.consume_output(bytes.size());
  return give_in_pieces(to, bytes, piece_bytes);
}

bool shake_hands(OpensslPeer& client, TlsStream& server, size_t piece_bytes) {
  for (int round = 0; round < kRoundsMax; ++round) {
    const bool client_well = client.step();
    const bool server_well = give_in_pieces(server, client.take(), piece_bytes);
    client.give(server.pending_output());
    server.consume_output(server.pending_output().size());
    if (!client_well || !server_well) return false;
    if (client.done() && server.handshake_done()) {
      EXPECT_TRUE(client.read().empty());  // takes the ticket
      return true;
    }
  }
  return false;
}

bool shake_hands(TlsStream& client, TlsStream& server, size_t piece_bytes) {
  if (!client.handshake_step()) return false;
  for (int round = 0; round < kRoundsMax; ++round) {
    if (!move_output(client, server, piece_bytes)) return false;
    if (!move_output(server, client, piece_bytes)) return false;
    if (client.handshake_done() && server.handshake_done() && client.pending_output().empty()) {
      return true;
    }
  }
  return false;
}

Bytes read_all(TlsStream& stream, size_t piece_bytes) {
  Bytes out;
  Bytes piece(piece_bytes);
  size_t count = piece_bytes;
  while (count == piece_bytes) {
    if (!stream.read(piece, count)) break;
    out.insert(out.end(), piece.begin(), piece.begin() + static_cast<ptrdiff_t>(count));
  }
  return out;
}

}  // namespace ringway::tls
