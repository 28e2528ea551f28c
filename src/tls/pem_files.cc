#include "tls/pem_files.h"

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <sys/stat.h>
#include <unistd.h>

#include <system_error>

#include "base/bytes.h"
#include "base/limits.h"

namespace ringway::tls {
namespace {

// What a file held; a key may be in it.
class FileText {
 public:
  FileText() = default;
  FileText(const FileText&) = delete;
  FileText& operator=(const FileText&) = delete;
  ~FileText() { cleanse(bytes_.data(), bytes_.size()); }

  // Empty: read. Otherwise why not.
  [[nodiscard]] std::string read(const std::string& file);
  [[nodiscard]] crypto::BioPtr bio() const {
    return crypto::BioPtr(BIO_new_mem_buf(bytes_.data(), static_cast<int>(bytes_.size())));
  }

 private:
  Bytes bytes_;
};

class OpenFile {
 public:
  // Not blocking: a pipe that nobody writes into must not stop a reload.
  explicit OpenFile(const std::string& file)
      : descriptor_(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

 private:
  const int descriptor_;
};

std::string reason_of_errno() { return std::generic_category().message(errno); }

std::string FileText::read(const std::string& file) {
  const OpenFile opened(file);
  if (opened.descriptor() < 0) return reason_of_errno();
  struct stat facts {};
  if (fstat(opened.descriptor(), &facts) != 0) return reason_of_errno();
  if (!S_ISREG(facts.st_mode)) return "not a regular file";
  if (facts.st_size > static_cast<off_t>(kPemFileBytesMax)) return "too large for PEM";
  // One size from the start: a buffer that grew would leave copies behind.
  bytes_.resize(kPemFileBytesMax);
  size_t size = 0;
  while (size < bytes_.size()) {
    const ssize_t count = ::read(opened.descriptor(), bytes_.data() + size, bytes_.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return reason_of_errno();
    if (count == 0) break;
    size += static_cast<size_t>(count);
  }
  bytes_.resize(size);
  return size == 0 ? "empty" : "";
}

// Refuses to ask the terminal for a passphrase, and notes that one was needed.
int refuse_passphrase(char*, int, int, void* needed) {
  *static_cast<bool*>(needed) = true;
  return -1;
}

// The decoders of keys say that nothing in there is supported where nothing is in there.
bool at_end_of_pem() noexcept {
  const unsigned long last = ERR_peek_last_error();
  if (ERR_GET_LIB(last) == ERR_LIB_OSSL_DECODER) return true;
  return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

Error refuse(std::string& error, std::string_view what, const std::string& file,
             const std::string& why) {
  error = std::string(what) + " " + file + ": " + why;
  ERR_clear_error();
  return Error::kInvalidArgument;
}

}  // namespace

std::string take_openssl_reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown reason" : reason;
}

Result<std::vector<X509Ptr>> read_certificates(const std::string& file, std::string& error) {
  constexpr std::string_view kWhat = "certificate";
  FileText text;
  if (const std::string why = text.read(file); !why.empty()) return refuse(error, kWhat, file, why);
  ERR_clear_error();
  std::vector<X509Ptr> chain;
  const crypto::BioPtr bio = text.bio();
  while (X509Ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr)}) {
    if (chain.size() == kTlsChainMax) return refuse(error, kWhat, file, "too many certificates");
    chain.push_back(std::move(certificate));
  }
  if (!at_end_of_pem()) return refuse(error, kWhat, file, take_openssl_reason());
  ERR_clear_error();
  if (chain.empty()) return refuse(error, kWhat, file, "no certificate in PEM in it");
  return chain;
}

Result<crypto::PkeyPtr> read_private_key(const std::string& file, std::string& error) {
  constexpr std::string_view kWhat = "private key";
  FileText text;
  if (const std::string why = text.read(file); !why.empty()) return refuse(error, kWhat, file, why);
  ERR_clear_error();
  bool encrypted = false;
  crypto::PkeyPtr key(
      PEM_read_bio_PrivateKey(text.bio().get(), nullptr, refuse_passphrase, &encrypted));
  if (key != nullptr) return key;
  if (encrypted) return refuse(error, kWhat, file, "it has a passphrase; store it without one");
  if (at_end_of_pem())
    return refuse(error, kWhat, file, "no private key in PEM in it that can be read");
  return refuse(error, kWhat, file, take_openssl_reason());
}

Result<ServerIdentity> use_identity(SSL_CTX* context, const std::string& cert_file,
                                    const std::string& key_file, int64_t unix_seconds,
                                    std::vector<std::string>& warnings, IdentityProblem& problem) {
  ServerIdentity identity;
  problem.file = PemFile::kCertificate;
  RW_TRY_ASSIGN(identity.chain, read_certificates(cert_file, problem.text));
  problem.file = PemFile::kKey;
  RW_TRY_ASSIGN(identity.key, read_private_key(key_file, problem.text));
  X509* const leaf = identity.chain.front().get();
  if (X509_check_private_key(leaf, identity.key.get()) != 1) {
    return refuse(problem.text, "private key", key_file,
                  "it does not belong to the certificate " + cert_file);
  }
  problem.file = PemFile::kCertificate;
  bool used = SSL_CTX_use_certificate(context, leaf) == 1 &&
              SSL_CTX_use_PrivateKey(context, identity.key.get()) == 1;
  for (size_t i = 1; used && i < identity.chain.size(); ++i) {
    used = SSL_CTX_add1_chain_cert(context, identity.chain[i].get()) == 1;
  }
  if (!used) return refuse(problem.text, "certificate", cert_file, take_openssl_reason());
  time_t now = unix_seconds;
  if (X509_cmp_time(X509_get0_notAfter(leaf), &now) < 0) {
    warnings.push_back("certificate " + cert_file + ": it has expired");
  }
  if (X509_cmp_time(X509_get0_notBefore(leaf), &now) > 0) {
    warnings.push_back("certificate " + cert_file + ": it is not valid yet");
  }
  return identity;
}

}  // namespace ringway::tls
