// client/blocking_client: a synchronous MTProto client, for demonstrations and tests.
//
// One thread owns it. It drives a transport, a key exchange and a session over a plain socket;
// every wait has a timeout. Besides the civil calls (make_key, send, call, ping) it gives raw
// access: any bytes, frames and unencrypted objects may be sent, and all that arrives can be looked
// at, so that tests can misbehave on purpose. Keys and plaintext are never logged.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "client/client_doors.h"
#include "client/handshake.h"
#include "client/session.h"
#include "client/stream_socket.h"
#include "mtproto/client_transport.h"

namespace ringway::client {

// The next thing that happened on the connection.
struct Arrival {
  enum class Kind : uint8_t {
    kEvent,           // an event of the session's; its body is in its storage
    kUnencrypted,     // payload: the TL object
    kEncrypted,       // payload: a frame for a key that is not the session's
    kQuickAck,        // a token that the session does not wait for
    kTransportError,  // error_code
    kClosed,          // the server ended the stream
    kReset,           // the connection was reset
    kBroken,          // the server sent what it may not: error
    kTimeout,         // nothing happened
  };
  Kind kind = Kind::kTimeout;
  SessionEvent event;
  Bytes payload;
  uint32_t quick_ack_token = 0;
  int32_t error_code = 0;
  Error error = Error::kNone;

  [[nodiscard]] bool is_end() const noexcept {
    return kind == Kind::kClosed || kind == Kind::kReset || kind == Kind::kBroken;
  }
  // One phrase, such as "transport error -404".
  [[nodiscard]] std::string to_string() const;
};

class BlockingClient {
 public:
  static constexpr int64_t kDefaultTimeoutNs = 10 * kNsPerSecond;

  explicit BlockingClient(const mtproto::ClientTransportOptions& transport);
  // With an obfuscation init that was drawn elsewhere; see mtproto/client_transport.h.
  BlockingClient(const mtproto::ClientTransportOptions& transport,
                 std::span<const uint8_t, kObfuscationInitBytes> drawn_init);

  // What stands around the stream, from the next connect() on.
  void use_doors(const ClientDoorsOptions& doors) { door_options_ = doors; }

  // --- The connection. Errors: kUnavailable, kTimeout, kIo; problem() has the text.
  Result<void> connect(const std::string& address, int64_t timeout_ns = kDefaultTimeoutNs);
  void close() noexcept { socket_.close(); }
  [[nodiscard]] StreamSocket& socket() noexcept { return socket_; }
  [[nodiscard]] mtproto::ClientTransport& transport() noexcept { return transport_; }

  // --- Keys.
  // Runs a key exchange and begins a session with the key. kUnavailable when the server ended it
  // (problem() says how), kTimeout, or what client/handshake found wrong.
  Result<HandshakeResult> make_key(const HandshakeOptions& options,
                                   int64_t timeout_ns = kDefaultTimeoutNs);
  // The same without touching the session.
  Result<HandshakeResult> exchange(const HandshakeOptions& options,
                                   int64_t timeout_ns = kDefaultTimeoutNs);
  void use_key(const SessionKey& key, const SessionOptions& options = {});
  [[nodiscard]] Session& session() noexcept;

  // --- Messages of the session. send() returns once the bytes are with the kernel.
  Result<RequestId> send(ByteView object, const RequestOptions& options = {});
  // Waits for what is said about `request`: kReply, kPong, kService or kFailed; other arrivals are
  // dropped, but an end or a transport error is returned.
  Arrival wait_for(RequestId request, int64_t timeout_ns = kDefaultTimeoutNs);
  // Waits for the quick ack of `request`, likewise.
  Arrival wait_quick_ack(RequestId request, int64_t timeout_ns = kDefaultTimeoutNs);
  // send() and wait_for(): the bytes of the result; kUnavailable when the connection ended,
  // kNotAllowed on rpc_error, kTimeout. problem() has the text.
  Result<Bytes> call(ByteView object, int64_t timeout_ns = kDefaultTimeoutNs);
  // Binds the session's temporary key to a permanent one; errors as call()'s. `expires_at` in unix
  // seconds.
  Result<void> bind(const SessionKey& permanent, int32_t expires_at,
                    int64_t timeout_ns = kDefaultTimeoutNs);
  // An encrypted ping; the time from sending to pong.
  Result<int64_t> ping(int64_t timeout_ns = kDefaultTimeoutNs);
  // Sends what the session has to send of itself (acknowledgements, resends).
  Result<void> flush();

  // --- Raw access.
  // Bytes of the stream as they are, without the transport's opening.
  Result<void> send_bytes(ByteView bytes);
  // A frame of the transport, the opening before the first one.
  Result<void> send_frame(ByteView payload, bool quick_ack = false);
  // What send_frame() would send, for tests that cut or change it.
  [[nodiscard]] Bytes frame_bytes(ByteView payload, bool quick_ack = false);
  Result<void> send_unencrypted(ByteView object);
  // Whatever happens next.
  Arrival wait(int64_t timeout_ns = kDefaultTimeoutNs);
  // Drops arrivals until the connection ends; the transport error that came before it, if any, is
  // left in last_transport_error().
  Arrival wait_end(int64_t timeout_ns = kDefaultTimeoutNs);
  [[nodiscard]] std::optional<int32_t> last_transport_error() const noexcept {
    return last_transport_error_;
  }

  // What went wrong last, for people.
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  Result<Bytes> result_of(RequestId request, int64_t timeout_ns);
  template <typename Found>
  Arrival wait_until(Found found, int64_t timeout_ns);
  Result<void> open_doors(int64_t deadline_ns);
  void take_bytes(ByteSpan bytes);
  void take_through_doors(ByteSpan bytes);
  void take_frame(ByteSpan payload);
  void take_events(std::vector<SessionEvent>& events);
  void push_end(Arrival::Kind kind, Error error);
  Error fail(Error error, std::string text);

  mtproto::ClientTransport transport_;
  mtproto::TransportKind kind_;
  ClientDoorsOptions door_options_;
  std::unique_ptr<ClientDoors> doors_;
  StreamSocket socket_;
  std::optional<Session> session_;
  ClientMsgId unencrypted_ids_;
  bool opened_ = false;
  std::deque<Arrival> arrivals_;
  Bytes input_;
  std::optional<int32_t> last_transport_error_;
  std::string problem_;
};

}  // namespace ringway::client
