// tls/tls_stream: one TLS connection between bytes of a socket and bytes of an application.
//
// No socket, no clock: received bytes in, bytes to be sent out. A stream belongs to one connection
// and to one thread at a time. Steps of the handshake take longer than a worker may spend at once
// (they sign and exchange keys), so handshake_step() may run on another thread, while nobody
// else touches the stream: receive() and the step keep nothing of the caller's memory.
//
// What comes is collected until a record is whole and only then shown to OpenSSL: a client that
// sends half a record holds as many bytes as it has sent, and no record buffer. An idle stream
// holds none either.
//
// Sealing costs in proportion to the bytes, like opening: give write() slices of
// kCryptoSliceBytes.
#pragma once

#include <memory>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "tls/tls_context.h"

struct bio_st;
struct bio_method_st;
struct ssl_st;

namespace ringway::tls {

class TlsStream {
 public:
  // The context's role is the stream's. `server_name`, for clients: a host name or an address,
  // which the certificate must be for if the context verifies; at most kTlsServerNameBytesMax.
  explicit TlsStream(std::shared_ptr<const TlsContext> context, std::string_view server_name = {});
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;
  ~TlsStream();

  // Takes bytes from the peer: copied. kFull: more than kTlsInputBytesMax rest here already; read
  // first.
  Result<void> receive(ByteView bytes);

  // Does as much of the handshake as the bytes here allow; nothing when it is done. A client begins
  // with a call before it has received anything. kMalformed: it failed, reason() says why, and what
  // is pending then (an alert) is still to be sent.
  Result<void> handshake_step();
  [[nodiscard]] bool handshake_done() const noexcept { return handshake_done_; }
  // Whether there is work for a step: a whole record has come.
  [[nodiscard]] bool has_record() const noexcept;

  // Fills `out` with what the application's peer has sent; `count` bytes of it are there. Nothing
  // before the handshake is done. Fewer than asked for: everything was read, or peer_closed().
  // kMalformed: the connection is dead, as above. kFull: see write().
  Result<void> read(ByteSpan out, size_t& count);
  [[nodiscard]] bool peer_closed() const noexcept { return peer_closed_; }

  // Seals bytes for the peer, all of them. kFull, and nothing was sealed: pending_output() would
  // grow above kTlsOutputBytesMax. kBadState: the handshake is not done, or the stream is dead or
  // closed by us.
  Result<void> write(ByteView bytes);
  // Says goodbye, once, if there is still somebody to say it to.
  void close_notify();

  // What is to be sent: borrowed until the next call of anything else.
  [[nodiscard]] ByteView pending_output() const noexcept;
  void consume_output(size_t count) noexcept;

  // For the log and for metrics; views live as long as the stream.
  [[nodiscard]] std::string_view alpn() const noexcept;     // empty: none agreed on
  [[nodiscard]] std::string_view version() const noexcept;  // such as TLSv1.3
  [[nodiscard]] bool resumed() const noexcept;
  [[nodiscard]] std::string_view reason() const noexcept { return reason_; }
  // Bytes of the stream's own that rest here, in and out.
  [[nodiscard]] size_t buffered_bytes() const noexcept;

 private:
  friend struct TlsStreamBio;

  void set_server_name(std::string_view name);
  // After a call into OpenSSL that did not do what was asked.
  Result<void> judge(int result);
  // How many bytes OpenSSL may have of the input now.
  [[nodiscard]] size_t shown_bytes() const noexcept;
  [[nodiscard]] ByteView unread_input() const noexcept;
  size_t take_input(ByteSpan out) noexcept;
  bool append_output(ByteView bytes);

  std::shared_ptr<const TlsContext> context_;
  ssl_st* ssl_;  // owned
  Bytes input_;  // ciphertext
  Bytes output_;
  size_t input_read_ = 0;
  size_t output_sent_ = 0;
  size_t record_left_ = 0;  // of a record that OpenSSL has begun to read
  std::string_view reason_;
  bool handshake_done_ = false;
  bool peer_closed_ = false;
  bool closed_ = false;
  bool dead_ = false;
};

}  // namespace ringway::tls
