#include "mtproto/bind.h"

#include "crypto/sha.h"
#include "mtproto/message_v1.h"
#include "mtproto/tl.h"

namespace ringway::mtproto {
namespace {

constexpr size_t kMsgKeyBytes = 16;
constexpr size_t kHeaderBytes = 8 + kMsgKeyBytes;  // auth_key_id, msg_key
constexpr size_t kRandomBytes = 16;                // in the place of salt and session_id
constexpr size_t kInnerBytes = 40;
constexpr size_t kPlainBytes = kRandomBytes + 8 + 4 + 4 + kInnerBytes;
constexpr size_t kPaddedBytes =
    (kPlainBytes + crypto::kAesBlockBytes - 1) / crypto::kAesBlockBytes * crypto::kAesBlockBytes;
constexpr size_t kSealedBytes = kHeaderBytes + kPaddedBytes;

}  // namespace

Result<BindCall> read_bind_call(ByteReader& reader) noexcept {
  BindCall call;
  RW_TRY_ASSIGN(call.perm_auth_key_id, reader.i64());
  RW_TRY_ASSIGN(call.nonce, reader.i64());
  RW_TRY_ASSIGN(call.expires_at, reader.i32());
  RW_TRY_ASSIGN(call.encrypted_message, read_tl_string(reader));
  return call;
}

Bytes write_bind_call(const BindCall& call) {
  Bytes object;
  ByteAppender out(object);
  out.u32(constructor::kBindTempAuthKey);
  out.i64(call.perm_auth_key_id);
  out.i64(call.nonce);
  out.i32(call.expires_at);
  write_tl_string(out, call.encrypted_message);
  return object;
}

Bytes seal_bind_inner(const AuthKeyBytes& perm_key, const BindInner& inner, int64_t msg_id,
                      RandomSource random) {
  Bytes sealed(kSealedBytes);
  const ByteSpan body = ByteSpan(sealed).subspan(kHeaderBytes);
  ByteWriter plain(body);
  random(plain.take(kRandomBytes));
  plain.i64(msg_id);
  plain.i32(0);  // seq_no
  plain.u32(kInnerBytes);
  plain.u32(constructor::kBindAuthKeyInner);
  plain.i64(inner.nonce);
  plain.i64(inner.temp_auth_key_id);
  plain.i64(inner.perm_auth_key_id);
  plain.i64(inner.temp_session_id);
  plain.i32(inner.expires_at);
  const auto msg_key = msg_key_v1(plain.written());
  random(plain.take(kPaddedBytes - kPlainBytes));
  crypto::IgeKeyIv key_iv;
  derive_key_iv_v1(perm_key, msg_key, key_iv);
  const crypto::IgeJob job{&key_iv, body};
  crypto::ige_encrypt_many({&job, 1});
  ByteWriter header(ByteSpan(sealed).first(kHeaderBytes));
  header.i64(auth_key_id(perm_key));
  header.bytes(msg_key);
  return sealed;
}

Result<BindInner> open_bind_inner(const AuthKeyBytes& perm_key, ByteView encrypted_message,
                                  int64_t msg_id) {
  if (encrypted_message.size() != kSealedBytes) return Error::kBadLength;
  if (load_le<int64_t>(encrypted_message.data()) != auth_key_id(perm_key)) return Error::kBadMsgKey;
  const auto msg_key = encrypted_message.subspan<8, kMsgKeyBytes>();
  Bytes body(encrypted_message.begin() + kHeaderBytes, encrypted_message.end());
  crypto::IgeKeyIv key_iv;
  derive_key_iv_v1(perm_key, msg_key, key_iv);
  const crypto::IgeJob job{&key_iv, body};
  crypto::ige_decrypt_many({&job, 1});
  const ByteView plain = ByteView(body).first(kPlainBytes);
  if (!equal_constant_time(msg_key_v1(plain), msg_key)) return Error::kBadMsgKey;

  ByteReader reader(plain.subspan(kRandomBytes));
  const bool same_message = *reader.i64() == msg_id;
  const bool same_shape = *reader.i32() == 0 && *reader.u32() == kInnerBytes &&
                          *reader.u32() == constructor::kBindAuthKeyInner;
  if (!same_message || !same_shape) return Error::kMalformed;
  BindInner inner;
  inner.nonce = *reader.i64();
  inner.temp_auth_key_id = *reader.i64();
  inner.perm_auth_key_id = *reader.i64();
  inner.temp_session_id = *reader.i64();
  inner.expires_at = *reader.i32();
  return inner;
}

}  // namespace ringway::mtproto
