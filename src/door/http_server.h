// door/http_server: the requests of one HTTP/1 connection and their answers, one at a time.
//
//   head --POST--> body --its last byte--> answering --answer()--> head, or ended
//   head --OPTIONS, answered here--> head, or ended
//   head --GET, an upgrade--> ended: the connection goes on as a WebSocket
//   any --refused--> ended
//
// A body is made a frame in place: four bytes of its length, which take the place of the empty
// line that ends its head, and the payload. So what reads frames with a length before them reads
// what a client has posted, and what it writes is an answer. Pure: bytes in, bytes out; one object
// for one connection. What comes behind a request is not looked at before that is answered: the
// caller keeps it.
//
// Source: core.telegram.org/mtproto/transports (HTTP); RFC 9112, 9.3.2: answers in the order of
// requests.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "door/http_api.h"

namespace ringway::door {

inline constexpr size_t kHttpFrameHeaderBytes = 4;

struct HttpStep {
  enum class Kind : uint8_t {
    kNeedMore,  // the head goes on: keep the bytes, and put what follows behind them
    kFrame,     // `frame` is to be passed on; the rest of it follows unless awaits_answer()
    kAnswered,  // nothing to pass on: the answer is in `reply`
    kUpgrade,   // the answer is in `reply`; what is behind `consumed` is a WebSocket's
    kRefused,   // the answer is in `reply`; nothing more is taken
  };
  Kind kind = Kind::kNeedMore;
  size_t consumed = 0;
  ByteSpan frame;
};

class HttpServer {
 public:
  // `errors_by_status`: transport errors are said by the status too; else by a 200's body alone.
  HttpServer(const HttpServed& served, bool errors_by_status) noexcept
      : served_(served), errors_by_status_(errors_by_status) {}

  // The next step of `bytes`, not empty, which begin with what was kept; `searched` of them were
  // there in a call before. Not while awaits_answer(), nor once ended(). Bytes for the client are
  // appended to `reply`.
  [[nodiscard]] HttpStep take(ByteSpan bytes, size_t searched, Bytes& reply);

  // A request is whole and has no answer.
  [[nodiscard]] bool awaits_answer() const noexcept { return state_ == State::kAnswering; }
  // A body is on its way.
  [[nodiscard]] bool in_body() const noexcept { return state_ == State::kBody; }
  // No further request is taken: close once what it is owed has been sent.
  [[nodiscard]] bool ended() const noexcept { return state_ == State::kEnded; }

  // Appends the answer to the request that awaits one. A payload of four bytes that are a negative
  // number is a transport error, and ends the connection; an empty one is an answer too.
  void answer(ByteView payload, Bytes& out);
  // The answer that is awaited is the last one.
  void end_with_answer() noexcept { keep_alive_ = false; }
  // Refuses the request in hand or on its way, and ends.
  void refuse(uint16_t status, Bytes& out);

 private:
  enum class State : uint8_t { kHead, kBody, kAnswering, kEnded };

  HttpStep take_head(ByteSpan bytes, size_t searched, Bytes& reply);
  HttpStep take_upgrade(const HttpRequest& request, Bytes& reply);
  HttpStep refused(uint16_t status, Bytes& reply);
  void write_head(uint16_t status, size_t content_length, Bytes& out) const;
  void finish_request() noexcept { state_ = keep_alive_ ? State::kHead : State::kEnded; }

  HttpServed served_;
  bool errors_by_status_;
  State state_ = State::kHead;
  bool keep_alive_ = false;  // after the request in hand
  bool used_ = false;        // there has been a request: no upgrade any more
  size_t body_left_ = 0;
};

}  // namespace ringway::door
