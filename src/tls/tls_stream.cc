#include "tls/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <string>

#include "base/assert.h"
#include "base/limits.h"
#include "base/spare_bytes.h"

namespace ringway::tls {
namespace {

constexpr size_t kRecordHeaderBytes = 5;
constexpr size_t kRecordPlainMax = SSL3_RT_MAX_PLAIN_LENGTH;
// Header, nonce, tag, and what versions pad: more than any of our ciphers takes.
constexpr size_t kRecordOverheadMax = 64;
// Alerts and answers to key updates come on top of what write() was given.
constexpr size_t kControlOutputMax = 64 * 1024;

size_t sealed_bytes_max(size_t plain) noexcept {
  return plain + (plain / kRecordPlainMax + 1) * kRecordOverheadMax;
}

// Whether OpenSSL has something to say to a record that starts like this before it is whole: it is
// of no version, or too large.
bool is_no_record(ByteView start) noexcept {
  if (start.size() > 1 && start[1] != SSL3_VERSION_MAJOR) return true;
  if (start.size() < kRecordHeaderBytes) return false;
  return (size_t{start[3]} << 8 | start[4]) > SSL3_RT_MAX_ENCRYPTED_LENGTH;
}

// Appends to a buffer that is taken from the thread's spare ones, and given back when it is empty.
void append_spare(Bytes& to, ByteView bytes) {
  if (to.empty()) {
    give_spare_bytes(std::move(to));
    to = take_spare_bytes(bytes.size());
  }
  append(to, bytes);
}

void release(Bytes& bytes) noexcept {
  give_spare_bytes(std::move(bytes));
  bytes = Bytes();
}

}  // namespace

// The two ends of the stream as OpenSSL sees them. Its own memory BIOs keep the memory of the
// largest thing that ever lay in them.
struct TlsStreamBio {
  static TlsStream& stream(BIO* bio) noexcept {
    return *static_cast<TlsStream*>(BIO_get_data(bio));
  }

  static int read(BIO* bio, char* out, int size) {
    BIO_clear_retry_flags(bio);
    const size_t count = stream(bio).take_input(
        {reinterpret_cast<uint8_t*>(out), static_cast<size_t>(std::max(size, 0))});
    if (count > 0) return static_cast<int>(count);
    BIO_set_retry_read(bio);
    return -1;
  }

  static int write(BIO* bio, const char* bytes, int size) {
    BIO_clear_retry_flags(bio);
    const ByteView view(reinterpret_cast<const uint8_t*>(bytes),
                        static_cast<size_t>(std::max(size, 0)));
    if (stream(bio).append_output(view)) return size;
    BIO_set_retry_write(bio);
    return -1;
  }

  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* make_method() {
    BIO_METHOD* method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "ringway stream");
    RW_ASSERT(method != nullptr);
    BIO_meth_set_read(method, read);
    BIO_meth_set_write(method, write);
    BIO_meth_set_ctrl(method, control);
    return method;
  }

  static BIO* make(TlsStream* stream) {
    static BIO_METHOD* const method = make_method();
    BIO* bio = BIO_new(method);
    RW_ASSERT(bio != nullptr);
    BIO_set_data(bio, stream);
    BIO_set_init(bio, 1);
    return bio;
  }
};

TlsStream::TlsStream(std::shared_ptr<const TlsContext> context, std::string_view server_name)
    : context_(std::move(context)), ssl_(SSL_new(context_->openssl())) {
  RW_ASSERT(ssl_ != nullptr);
  BIO* bio = TlsStreamBio::make(this);
  SSL_set_bio(ssl_, bio, bio);
  if (context_->role() == TlsRole::kServer) {
    SSL_set_accept_state(ssl_);
    return;
  }
  SSL_set_connect_state(ssl_);
  set_server_name(server_name);
}

TlsStream::~TlsStream() { SSL_free(ssl_); }

// An address is no name that could be asked for (RFC 6066, 3), but stands in certificates.
void TlsStream::set_server_name(std::string_view name) {
  if (name.empty()) {
    RW_ASSERT(!context_->verifies());
    return;
  }
  RW_ASSERT(name.size() <= kTlsServerNameBytesMax);
  std::string text(name);
  X509_VERIFY_PARAM* checks = SSL_get0_param(ssl_);
  if (X509_VERIFY_PARAM_set1_ip_asc(checks, text.c_str()) == 1) return;
  ERR_clear_error();
  RW_ASSERT(SSL_ctrl(ssl_, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, text.data()) ==
            1);
  if (context_->verifies()) RW_ASSERT(SSL_set1_host(ssl_, text.c_str()) == 1);
}

Result<void> TlsStream::receive(ByteView bytes) {
  if (unread_input().size() > kTlsInputBytesMax) return Error::kFull;
  if (dead_ || bytes.empty()) return {};
  if (input_read_ > 0) {
    input_.erase(input_.begin(), input_.begin() + static_cast<ptrdiff_t>(input_read_));
    input_read_ = 0;
  }
  append_spare(input_, bytes);
  return {};
}

Result<void> TlsStream::handshake_step() {
  if (dead_) return Error::kMalformed;
  if (handshake_done_) return {};
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  handshake_done_ = result == 1;
  return handshake_done_ ? Result<void>() : judge(result);
}

bool TlsStream::has_record() const noexcept { return shown_bytes() > 0; }

Result<void> TlsStream::read(ByteSpan out, size_t& count) {
  count = 0;
  if (dead_) return Error::kMalformed;
  if (!handshake_done_) return {};
  while (count < out.size() && !peer_closed_) {
    size_t step = 0;
    ERR_clear_error();
    const int result = SSL_read_ex(ssl_, out.data() + count, out.size() - count, &step);
    if (result != 1) return judge(result);
    count += step;
  }
  return {};
}

Result<void> TlsStream::write(ByteView bytes) {
  if (dead_ || closed_ || !handshake_done_) return Error::kBadState;
  if (bytes.empty()) return {};
  if (pending_output().size() + sealed_bytes_max(bytes.size()) > kTlsOutputBytesMax) {
    return Error::kFull;
  }
  size_t written = 0;
  ERR_clear_error();
  const int result = SSL_write_ex(ssl_, bytes.data(), bytes.size(), &written);
  if (result != 1) {
    // There was room, so the connection cannot go on.
    const Result<void> judged = judge(result);
    dead_ = true;
    return judged.ok() ? Error::kMalformed : judged.error();
  }
  RW_ASSERT(written == bytes.size());
  return {};
}

void TlsStream::close_notify() {
  if (dead_ || closed_ || !handshake_done_) return;
  closed_ = true;
  ERR_clear_error();
  if (SSL_shutdown(ssl_) < 0) ERR_clear_error();
}

ByteView TlsStream::pending_output() const noexcept {
  return ByteView(output_).subspan(output_sent_);
}

void TlsStream::consume_output(size_t count) noexcept {
  RW_ASSERT(count <= output_.size() - output_sent_);
  output_sent_ += count;
  if (output_sent_ < output_.size()) return;
  release(output_);
  output_sent_ = 0;
}

std::string_view TlsStream::alpn() const noexcept {
  const unsigned char* name = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl_, &name, &size);
  return as_text({name, size});
}

std::string_view TlsStream::version() const noexcept { return SSL_get_version(ssl_); }

bool TlsStream::resumed() const noexcept { return SSL_session_reused(ssl_) == 1; }

size_t TlsStream::buffered_bytes() const noexcept { return input_.capacity() + output_.capacity(); }

Result<void> TlsStream::judge(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_WANT_READ:
      return {};
    case SSL_ERROR_WANT_WRITE:
      return Error::kFull;
    case SSL_ERROR_ZERO_RETURN:
      peer_closed_ = true;
      return {};
    default:
      break;
  }
  // The text lies in OpenSSL's tables.
  const char* reason = ERR_reason_error_string(ERR_peek_error());
  reason_ = reason == nullptr ? "failed" : reason;
  ERR_clear_error();
  dead_ = true;
  release(input_);
  input_read_ = 0;
  return Error::kMalformed;
}

ByteView TlsStream::unread_input() const noexcept { return ByteView(input_).subspan(input_read_); }

size_t TlsStream::shown_bytes() const noexcept {
  const ByteView unread = unread_input();
  if (unread.empty()) return 0;
  if (record_left_ > 0) return std::min(record_left_, unread.size());
  if (is_no_record(unread)) return unread.size();
  if (unread.size() < kRecordHeaderBytes) return 0;
  const size_t record = kRecordHeaderBytes + (size_t{unread[3]} << 8 | unread[4]);
  return record <= unread.size() ? record : 0;
}

size_t TlsStream::take_input(ByteSpan out) noexcept {
  const size_t shown = shown_bytes();
  const size_t count = std::min(shown, out.size());
  if (count == 0) return 0;
  std::copy_n(input_.begin() + static_cast<ptrdiff_t>(input_read_), count, out.begin());
  record_left_ = shown - count;
  input_read_ += count;
  if (input_read_ == input_.size()) {
    release(input_);
    input_read_ = 0;
  }
  return count;
}

bool TlsStream::append_output(ByteView bytes) {
  if (pending_output().size() + bytes.size() > kTlsOutputBytesMax + kControlOutputMax) return false;
  append_spare(output_, bytes);
  return true;
}

}  // namespace ringway::tls
