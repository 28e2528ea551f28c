// gateway/doors: what a connection comes through before its MTProto stream: the PROXY header, TLS,
// and then, by the listener's protocol or the first bytes, HTTP, WebSocket, fake TLS, or nothing.
//
//   PROXY header -> TLS -> { HTTP | WebSocket | fake TLS | nothing } -> mtproto::ServerTransport
//
// HTTP gives its requests one at a time: each body is one frame of the stream, what is wrapped next
// is its answer, and only then go_on() gives the next one. It is also what decrypts an upload that
// came during TLS's handshake, in slices.
//
// Doors composes the pure parts of door/ and tls/ as a stack and owns no socket. A plain TCP
// connection has no Doors at all, and one that turns out to be plain behind its PROXY header loses
// it again: Outcome::plain. Used by the connection's worker only; it moves with its connection from
// one worker to another as it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/counters.h"
#include "base/limits.h"
#include "config/config.h"
#include "door/http_server.h"
#include "door/websocket.h"
#include "mtproto/transport.h"
#include "net/address.h"
#include "tls/fake_hello.h"
#include "tls/fake_records.h"
#include "tls/replay_cache.h"
#include "tls/tls_context.h"
#include "tls/tls_stream.h"

namespace ringway::gateway {

// What the connections of one listener come through. Shared by all workers; made before them and
// outlives them. Only `open` and the TLS context change.
struct ListenerDoors {
  config::Listener listener;
  mtproto::TransportConfig plain;    // a stream of its own
  mtproto::TransportConfig wrapped;  // inside WebSocket: obfuscated whatever it begins with
  mtproto::TransportConfig posted;   // of HTTP's bodies
  door::HttpServed served;           // to HTTP's requests
  std::vector<tls::FakeTlsSecret> fake_secrets;
  std::vector<mtproto::TransportConfig> fake;  // inside fake TLS, by secret
  // Nothing is answered but fake TLS: there are secrets for nothing else.
  bool hidden = false;
  // Held while a step of TLS's handshake is away: what any connection may have parked, for clients
  // of TLS 1.3 are done before the server and may begin with an upload.
  size_t held_bytes_max = kInputBytesPerConnection;
  tls::ReplayCache* replays = nullptr;
  mutable std::atomic<uint32_t> open{0};  // connections, where max_connections limits them

  [[nodiscard]] bool any() const noexcept {
    return listener.protocol != config::Protocol::kTcp || listener.tls.has_value() ||
           listener.proxy_protocol.enabled || !fake_secrets.empty();
  }
  // The context for the next connections; any thread. Those that are open keep theirs.
  [[nodiscard]] std::shared_ptr<const tls::TlsContext> tls_context() const;
  void set_tls_context(std::shared_ptr<const tls::TlsContext> context);

 private:
  mutable std::mutex tls_mutex_;  // held for the copy of a pointer
  std::shared_ptr<const tls::TlsContext> tls_context_;
};

// The doors of each listener, without TLS contexts. `replays` outlives them; it is asked where
// listeners have secrets for fake TLS.
[[nodiscard]] std::vector<std::unique_ptr<ListenerDoors>> make_doors(const config::Config& config,
                                                                     tls::ReplayCache* replays);

// Bytes that must outlast the receive buffers they came from, until the turn's frames are opened.
class TurnBytes {
 public:
  // The bytes, where they stay until clear().
  [[nodiscard]] ByteSpan keep(Bytes bytes);
  void clear() noexcept;

 private:
  std::vector<Bytes> kept_;
};

class Doors {
 public:
  // What the bytes of one receive() came to.
  struct Outcome {
    ByteSpan stream;  // of the transport; good until the end of the turn
    // The stream begins with this one's configuration; null: it goes on, or has not begun.
    const mtproto::TransportConfig* begins = nullptr;
    bool proxy_header_done = false;        // it came, or it will not come
    std::optional<net::PeerAddress> peer;  // the client's address, when the header has told it
    // A step of TLS's handshake, for the crypto pool: resume() takes it back.
    std::unique_ptr<tls::TlsStream> handshake;
    bool plain = false;   // nothing is left to unwrap: this object is done with
    bool masked = false;  // the listener's mask gets it: take_start()
    bool failed = false;  // takes no more: close() it once what it is owed was wrapped
  };

  // `believed`: a PROXY header of this connection counts.
  Doors(const ListenerDoors& doors, bool believed);
  ~Doors();

  // The client's address may still be told.
  [[nodiscard]] bool wants_proxy_header() const noexcept { return proxy_wanted_; }

  // Takes what came in; changed in place. Bytes for the socket are appended to `reply`: answers of
  // the doors' own protocols, which do not pass through wrap().
  [[nodiscard]] Outcome receive(ByteSpan bytes, Now now, TurnBytes& kept, CounterBlock& counters,
                                Bytes& reply);
  // The same once a step of the handshake is done; `ok` is what it returned.
  [[nodiscard]] Outcome resume(std::unique_ptr<tls::TlsStream> handshake, bool ok, Now now,
                               TurnBytes& kept, CounterBlock& counters, Bytes& reply);
  // A step that found no room on the pool rests here until it is tried again.
  void keep_step(std::unique_ptr<tls::TlsStream> handshake) noexcept {
    step_ = std::move(handshake);
  }
  [[nodiscard]] std::unique_ptr<tls::TlsStream> take_step() noexcept { return std::move(step_); }
  // A step of the handshake is on the pool, or waits for it.
  [[nodiscard]] bool awaits_step() const noexcept { return secure_ && tls_ == nullptr; }
  // Appends output of the transport as it goes onto the socket, also when nothing is taken in any
  // more. False: it cannot be sent, and nothing behind it.
  [[nodiscard]] bool wrap(ByteView bytes, Bytes& out);
  // The last words before the connection is closed: WebSocket's close or the echo of the client's,
  // TLS's close_notify. Nothing more is wrapped.
  void close(Bytes& out);
  // Nobody knows yet whether the client is one of ours, and the listener has a mask for those who
  // are not.
  [[nodiscard]] bool may_mask() const noexcept {
    return doors_.listener.mask.has_value() && !proxy_wanted_ && !failed_ &&
           (stage_ == Stage::kDetect || keeps_start_);
  }
  // The transport has decided: what came before that need not be kept beside it any more.
  void forget_start() noexcept {
    if (std::exchange(keeps_start_, false)) head_ = Bytes();
  }
  // For the mask: what came on, and all that has come.
  void keep_start(ByteView bytes) { head_.insert(head_.end(), bytes.begin(), bytes.end()); }
  [[nodiscard]] Bytes take_start() noexcept { return std::move(head_); }
  // Output on its way to wrap(): what the connection's queue must have room for.
  void stage(size_t bytes) noexcept { staged_bytes_ += bytes; }
  void unstage(size_t bytes) noexcept { staged_bytes_ -= bytes; }
  [[nodiscard]] size_t staged_bytes() const noexcept { return staged_bytes_; }
  // What wrap() makes of so many bytes, at most.
  [[nodiscard]] static constexpr size_t wrapped_bytes_max(size_t bytes) noexcept {
    return bytes + kWrapBytes + bytes / kWrapShare;
  }
  // Held until there is enough to go on with; not what is away with a step of the handshake.
  [[nodiscard]] size_t buffered_bytes() const noexcept {
    return head_.size() + upload_left() + (tls_ == nullptr ? 0 : tls_->buffered_bytes());
  }

  // --- of HTTP
  // The stream is made of requests, each of which wants one answer.
  [[nodiscard]] bool is_http() const noexcept { return stage_ == Stage::kHttp && begun_; }
  // A request was passed on and its answer has not been wrapped.
  [[nodiscard]] bool awaits_answer() const noexcept {
    return http_ != nullptr && http_->awaits_answer();
  }
  // A request has begun and is not whole.
  [[nodiscard]] bool mid_request() const noexcept {
    return http_ != nullptr && !awaits_answer() && !http_->ended() &&
           (http_->in_body() || !is_empty_line(head_));
  }

  // go_on() has something to do: with HTTP, once a request has been answered, what came meanwhile,
  // or the end; with TLS, more of what came during the handshake.
  [[nodiscard]] bool may_go_on() const noexcept {
    return go_on_ || (upload_left() > 0 && !awaits_answer());
  }
  [[nodiscard]] Outcome go_on(Now now, TurnBytes& kept, CounterBlock& counters, Bytes& reply);
  // The request that awaits an answer gets an empty one, or whatever request is in hand this
  // status as the connection's last word. Nothing where there is none.
  void answer_nothing(Bytes& out);
  void refuse_request(uint16_t status) noexcept { refusal_ = status; }
  // The connection ends with the answer that it awaits.
  void end_with_answer() noexcept { http_->end_with_answer(); }

 private:
  enum class Stage : uint8_t {
    kDetect,  // websocket, fake TLS or a plain stream
    kHttp,    // requests
    kWebSocket,
    kFakeTls,
    kPlain,
  };
  // An answer's head, or a WebSocket frame's header; then a record's header and tag for each 16 KiB
  // and what is left.
  static constexpr size_t kWrapBytes = door::kHttpResponseBytesMax + 128;
  static constexpr size_t kWrapShare = 128;

  struct Turn;
  void advance(ByteSpan rest, Turn& turn);
  [[nodiscard]] size_t upload_left() const noexcept { return upload_.size() - upload_taken_; }
  [[nodiscard]] bool decrypt_upload(ByteSpan& plain, Turn& turn);
  // Nothing, or what may stand ahead of a request and begins none.
  [[nodiscard]] static bool is_empty_line(ByteView bytes) noexcept;
  void take_plaintext(ByteSpan rest, Turn& turn);
  [[nodiscard]] bool take_proxy_header(ByteSpan& rest, Turn& turn);
  [[nodiscard]] bool decrypt(ByteSpan& rest, Turn& turn);
  [[nodiscard]] bool read_tls(size_t step, Bytes& plain);
  // `searched`: how many of the bytes were held before.
  void detect(ByteSpan rest, size_t searched, Turn& turn);
  void take_requests(ByteSpan rest, size_t searched, Turn& turn);
  void take_upgrade(ByteSpan rest, Turn& turn);
  void note_answered() noexcept;
  void take_end(Turn& turn) noexcept;
  void take_hello(ByteSpan rest, Turn& turn);
  void read_websocket(ByteSpan rest, Turn& turn);
  void read_fake_tls(ByteSpan rest, Turn& turn);
  void pass(ByteSpan rest, Turn& turn);
  void begin(Stage stage, const mtproto::TransportConfig& transport, Turn& turn);
  void fail(Turn& turn, Counter counter);
  void refuse_hello(ByteView rest, Turn& turn, Counter counter);
  void begin_plain(ByteSpan rest, Turn& turn);
  [[nodiscard]] Outcome finish(Turn& turn);
  // Puts what was held before these bytes, so that both lie together.
  [[nodiscard]] ByteSpan with_head(ByteSpan bytes, Turn& turn);
  void hold(ByteView bytes);
  void say(ByteView bytes, Turn& turn);
  [[nodiscard]] bool wrap_open(ByteView bytes, Bytes& out);
  [[nodiscard]] bool encrypt(ByteView bytes, Bytes& out);
  void take_output(Bytes& out);

  const ListenerDoors& doors_;
  bool proxy_wanted_;
  bool unproxied_;            // whose header would have to be believed, and would not be
  bool failed_ = false;       // nothing is taken in any more
  bool closed_ = false;       // nothing is wrapped any more
  bool keeps_start_ = false;  // in `head_`
  uint16_t close_code_ = static_cast<uint16_t>(door::WsCloseCode::kNormal);
  Stage stage_;
  size_t staged_bytes_ = 0;
  Bytes head_;
  // Ciphertext that came during TLS's handshake: a slice of it is decrypted at a time, and what
  // comes meanwhile stands behind it.
  Bytes upload_;
  size_t upload_taken_ = 0;
  bool begun_ = false;                   // the stream of HTTP's bodies has
  bool go_on_ = false;                   // see may_go_on()
  bool input_ended_ = false;             // by TLS's close_notify
  uint16_t refusal_ = 0;                 // see refuse_request(); 0: none
  bool secure_;                          // behind TLS
  std::unique_ptr<tls::TlsStream> tls_;  // null while it awaits a step of its handshake
  std::unique_ptr<tls::TlsStream> step_;
  std::unique_ptr<door::HttpServer> http_;
  std::unique_ptr<door::WebSocketReader> websocket_;
  std::unique_ptr<tls::FakeTlsReader> fake_;
};

}  // namespace ringway::gateway
