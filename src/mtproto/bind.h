// mtproto/bind: auth.bindTempAuthKey and the message inside it, for both sides.
//
// A client proves to hold the permanent key by a message in the layout of MTProto 1.0, encrypted
// with that key: the only use that is left of the old derivation. Pure; any thread; all input is
// borrowed for the call. Source: https://core.telegram.org/method/auth.bindTempAuthKey
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "mtproto/handshake_kdf.h"

namespace ringway::mtproto {

// auth.bindTempAuthKey, its constructor read already.
struct BindCall {
  int64_t perm_auth_key_id = 0;
  int64_t nonce = 0;
  int32_t expires_at = 0;      // unix seconds
  ByteView encrypted_message;  // borrowed
};
// Reads the arguments and leaves `reader` behind them.
Result<BindCall> read_bind_call(ByteReader& reader) noexcept;
// The whole object, constructor included.
[[nodiscard]] Bytes write_bind_call(const BindCall& call);

// bind_auth_key_inner.
struct BindInner {
  int64_t nonce = 0;
  int64_t temp_auth_key_id = 0;
  int64_t perm_auth_key_id = 0;
  int64_t temp_session_id = 0;
  int32_t expires_at = 0;

  friend bool operator==(const BindInner&, const BindInner&) = default;
};

// encrypted_message: `inner` under the permanent key, for the call that has `msg_id`.
[[nodiscard]] Bytes seal_bind_inner(const AuthKeyBytes& perm_key, const BindInner& inner,
                                    int64_t msg_id, RandomSource random);
// The other way. kBadLength, kBadMsgKey when it was not made with this key, kMalformed when it is
// not the inner object of a call with `msg_id`.
Result<BindInner> open_bind_inner(const AuthKeyBytes& perm_key, ByteView encrypted_message,
                                  int64_t msg_id);

}  // namespace ringway::mtproto
