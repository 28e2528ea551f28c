// Certificates made on the spot, and a TLS client that is OpenSSL's own, over its memory BIOs:
// what our streams are tested against.
#pragma once

#include <openssl/ssl.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "crypto/openssl_ptr.h"
#include "tls/tls_context.h"
#include "tls/tls_stream.h"

namespace ringway::tls {

using SslPtr = std::unique_ptr<SSL, crypto::OpensslFree<SSL_free>>;
using SslCtxPtr = std::unique_ptr<SSL_CTX, crypto::OpensslFree<SSL_CTX_free>>;
using SslSessionPtr = std::unique_ptr<SSL_SESSION, crypto::OpensslFree<SSL_SESSION_free>>;

enum class KeyKind : uint8_t { kP256, kRsa2048, kRsa1024 };

struct CertificateOptions {
  KeyKind kind = KeyKind::kP256;
  std::string name = "DNS:gateway.example";  // the subject's alternative name
  long not_before_seconds = -3600;           // from now
  long not_after_seconds = 3600;
};

// Its own authority. PEM texts.
struct TestCertificate {
  std::string certificate;
  std::string key;
};
TestCertificate make_certificate(const CertificateOptions& options = {});
// The same key behind a passphrase.
std::string encrypt_key(const std::string& key);

// A directory that is gone with the object.
class TestFiles {
 public:
  TestFiles();
  TestFiles(const TestFiles&) = delete;
  TestFiles& operator=(const TestFiles&) = delete;
  ~TestFiles();
  // The path of a new file with this text.
  std::string write(const std::string& name, const std::string& text);
  [[nodiscard]] std::string path(const std::string& name) const {
    return (folder_ / name).string();
  }

 private:
  std::filesystem::path folder_;
};

// A server's context with this certificate; the files are gone when it returns.
std::shared_ptr<const TlsContext> server_context(
    const TestCertificate& certificate, TlsVersion min_version = TlsVersion::k12,
    std::shared_ptr<const TlsTicketKeys> keys = TlsTicketKeys::draw());

struct PeerOptions {
  int version = TLS1_3_VERSION;  // the only one
  std::vector<std::string> protocols;
  const char* ciphers = nullptr;
  const char* groups = nullptr;
  SSL_SESSION* session = nullptr;  // to be resumed
};

class OpensslPeer {
 public:
  explicit OpensslPeer(const PeerOptions& options = {});

  void give(ByteView bytes);
  // What it wants to send.
  Bytes take();
  // One round; false when it failed.
  bool step();
  [[nodiscard]] bool done() const { return SSL_is_init_finished(ssl_.get()) == 1; }
  Bytes read();
  void write(ByteView bytes);
  [[nodiscard]] SSL* ssl() const { return ssl_.get(); }
  // A copy: a session whose connection ends without goodbyes is not resumed any more.
  [[nodiscard]] SslSessionPtr session() const {
    return SslSessionPtr(SSL_SESSION_dup(SSL_get0_session(ssl_.get())));
  }

 private:
  SslCtxPtr context_;
  SslPtr ssl_;
  BIO* to_peer_;    // owned by ssl_
  BIO* from_peer_;  // owned by ssl_
};

// Moves all that is pending to the other side, in pieces of this size. False: refused.
bool move_output(TlsStream& from, TlsStream& to, size_t piece_bytes);
// A handshake to its end; false when either side gave up. Tickets have arrived.
bool shake_hands(OpensslPeer& client, TlsStream& server, size_t piece_bytes = SIZE_MAX);
bool shake_hands(TlsStream& client, TlsStream& server, size_t piece_bytes = SIZE_MAX);

// All that can be read.
Bytes read_all(TlsStream& stream, size_t piece_bytes = 16 * 1024);

}  // namespace ringway::tls
