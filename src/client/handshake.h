// client/handshake: the client's side of the authorization key exchange.
//
// Pure: TL objects in, TL objects out; no sockets, no clock. One Handshake makes one key. It
// belongs to one thread at a time; its two heavy steps (factoring pq, two modular exponentiations:
// milliseconds) run inside on_answer(), or, for callers that must not block, apart from it:
//
//   Outcome next = handshake.accept(object, now);                     // microseconds
//   if (next.kind == Outcome::Kind::kWork) next = handshake.work();   // any thread, then back
//
//   state            event                       next             outcome
//   idle             start()                     req_pq_sent      send req_pq_multi
//   req_pq_sent      resPQ, checks hold          making_req_dh    work
//   making_req_dh    work()                      req_dh_sent      send req_DH_params
//   req_dh_sent      server_DH_params_ok, same   making_key       work
//   making_key       work()                      client_dh_sent   send set_client_DH_params
//   client_dh_sent   dh_gen_ok                   done             done: result()
//   client_dh_sent   dh_gen_retry                making_key       work; up to kHandshakeRetriesMax
//   times done             anything                    done             failed (kBadState),
//   result() stays any other        anything else               failed           failed
#pragma once

#include <vector>

#include "base/clock.h"
#include "client/handshake_steps.h"
#include "mtproto/handshake.h"

namespace ringway::client {

enum class RsaPadding : uint8_t { kRsaPad, kLegacy };

struct HandshakeOptions {
  std::vector<ServerKey> keys;  // in order of preference
  RsaPadding padding = RsaPadding::kRsaPad;
  int32_t expires_in = 0;     // seconds; 0 makes a permanent key, else a temporary one
  std::optional<int32_t> dc;  // sent when set; negative asks for a media key
  // Random bytes of the secret exponent, up to the 256 that most clients draw; crypto/dh.h says why
  // 32 are as good.
  size_t exponent_bytes = crypto::kDhExponentBytes;
  RandomSource random = &crypto::random_bytes;
};

struct HandshakeResult {
  mtproto::CreatedKey created;
  int64_t time_offset_seconds = 0;  // server's clock minus ours
  uint64_t fingerprint = 0;         // of the server key that was used
};

class Handshake {
 public:
  struct Outcome {
    enum class Kind : uint8_t { kSend, kWork, kDone, kFailed };
    Kind kind = Kind::kFailed;
    Error error = Error::kNone;  // kFailed
    Bytes object;                // kSend: a TL object for an unencrypted message
  };

  explicit Handshake(HandshakeOptions options);

  // The first object to send. Once.
  [[nodiscard]] Bytes start();
  // Takes the data of an unencrypted message from the server; borrowed for the call.
  [[nodiscard]] Outcome on_answer(ByteView object, Now now);
  // The same in two parts; see above. work() is due exactly after an Outcome of kWork.
  [[nodiscard]] Outcome accept(ByteView object, Now now);
  [[nodiscard]] Outcome work();

  [[nodiscard]] bool done() const noexcept { return state_ == State::kDone; }
  // After kDone.
  [[nodiscard]] const HandshakeResult& result() const noexcept;
  // What is known so far; tests look at it and change it between steps.
  [[nodiscard]] ExchangeValues& values() noexcept { return values_; }

 private:
  enum class State : uint8_t {
    kIdle,
    kReqPqSent,
    kMakingReqDh,
    kReqDhSent,
    kMakingKey,
    kClientDhSent,
    kDone,
    kFailed
  };

  void set_state(State next) noexcept;
  Result<Outcome> accept_in_state(ByteView object, Now now);
  Result<Outcome> accept_dh_gen(ByteView object);
  Result<Outcome> work_in_state();
  Result<Bytes> make_req_dh();
  Result<Bytes> make_client_dh();
  Outcome settle(Result<Outcome> outcome);
  void finish() noexcept;

  HandshakeOptions options_;
  State state_ = State::kIdle;
  ExchangeValues values_;
  HandshakeResult result_;
  int retries_ = 0;
};

}  // namespace ringway::client
