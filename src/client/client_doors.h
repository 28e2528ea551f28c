// client/client_doors: the client's side of what may stand around an MTProto stream: a PROXY header
// before it, TLS, and inside that HTTP or WebSocket; or fake TLS.
//
//   PROXY header -> TLS -> { HTTP | WebSocket | fake TLS | nothing } -> mtproto::ClientTransport
//
// No socket and no clock: bytes in, bytes out; one object for one connection and its thread. What
// is to be sent before the doors are open waits inside.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "client/http_stream.h"
#include "door/proxy_header.h"
#include "door/websocket.h"
#include "tls/fake_hello.h"
#include "tls/fake_records.h"
#include "tls/tls_context.h"
#include "tls/tls_stream.h"

namespace ringway::client {

enum class ProxyVersion : uint8_t { kNone, kV1, kV2 };

struct ClientDoorsOptions {
  ProxyVersion proxy = ProxyVersion::kNone;
  door::ProxyAddress source;  // what the header says; of one family
  door::ProxyAddress destination;
  std::shared_ptr<const tls::TlsContext> tls;  // null: no TLS
  std::string server_name;                     // for TLS, and the Host of a request
  bool websocket = false;
  std::string path = "/apiws";
  bool http = false;  // the stream is of the intermediate transport, plain
  std::string http_path = "/apiw1";
  std::optional<tls::FakeTlsSecret> fake_tls;

  [[nodiscard]] bool any() const noexcept {
    return proxy != ProxyVersion::kNone || tls != nullptr || websocket || http ||
           fake_tls.has_value();
  }
};

class ClientDoors {
 public:
  explicit ClientDoors(const ClientDoorsOptions& options);
  ~ClientDoors();

  // Appends what opens the connection. `unix_seconds` is for fake TLS.
  Result<void> start(int64_t unix_seconds, Bytes& out);
  // Takes bytes of the server's, changed in place. What they hold of the stream is appended to
  // `stream`, and answers to `out`. kMalformed: the server broke a protocol, or refused; kTooLarge:
  // its answer has no end; kNotFound: it has closed the connection. problem() says how.
  Result<void> receive(ByteSpan bytes, Bytes& stream, Bytes& out);
  // Appends bytes of the stream as they go onto the socket, or keeps them until the doors are open.
  Result<void> wrap(ByteView bytes, Bytes& out);
  [[nodiscard]] bool is_open() const noexcept { return stage_ == Stage::kOpen; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  enum class Stage : uint8_t { kTls, kRequest, kHello, kOpen };

  Result<void> after_tls(Bytes& out);
  Result<void> open(Bytes& out);
  Result<void> read_answer(Bytes& stream, Bytes& out);
  Result<void> read_flight(Bytes& stream, Bytes& out);
  Result<void> read_stream(ByteSpan bytes, Bytes& stream, Bytes& out);
  Result<void> read_websocket(ByteSpan bytes, Bytes& stream, Bytes& out);
  Result<void> decrypt(ByteView bytes, Bytes& plain, Bytes& out);
  Result<void> encrypt(ByteView bytes, Bytes& out);
  void take_output(Bytes& out);
  [[nodiscard]] std::string host() const;
  Error fail(Error error, std::string text);

  const ClientDoorsOptions& options_;
  Stage stage_ = Stage::kOpen;
  int64_t unix_seconds_ = 0;
  Bytes waiting_;    // for the doors to open
  Bytes answer_;     // of the server, not complete yet
  std::string key_;  // of the WebSocket request
  tls::TlsRandom random_{};
  std::unique_ptr<tls::TlsStream> tls_;
  std::optional<door::WebSocketReader> websocket_;
  std::optional<tls::FakeTlsReader> fake_;
  std::optional<HttpStream> http_;
  std::string problem_;
};

}  // namespace ringway::client
