#include "mtproto/message_v1.h"

#include <algorithm>

#include "crypto/sha.h"

namespace ringway::mtproto {
namespace {

constexpr size_t kMsgKeyBytes = 16;
constexpr size_t kShiftOfServer = 8;  // where in the key a server's messages look

}  // namespace

// SHA-1 over the plaintext without its padding, as 1.0 has it.
std::array<uint8_t, 16> msg_key_v1(ByteView plain) noexcept {
  const crypto::Sha1Digest digest = crypto::sha1({plain});
  std::array<uint8_t, kMsgKeyBytes> msg_key{};
  std::copy(digest.begin() + 4, digest.end(), msg_key.begin());
  return msg_key;
}

void derive_key_iv_v1(const AuthKeyBytes& key, std::span<const uint8_t, 16> msg_key,
                      crypto::IgeKeyIv& out, Sender sender) noexcept {
  const ByteView k = key.view().subspan(sender == Sender::kServer ? kShiftOfServer : 0);
  crypto::Sha1Digest a = crypto::sha1({msg_key, k.first(32)});
  crypto::Sha1Digest b = crypto::sha1({k.subspan(32, 16), msg_key, k.subspan(48, 16)});
  crypto::Sha1Digest c = crypto::sha1({k.subspan(64, 32), msg_key});
  crypto::Sha1Digest d = crypto::sha1({msg_key, k.subspan(96, 32)});
  ByteWriter aes_key(out.key.span());
  aes_key.bytes(ByteView(a).first(8));
  aes_key.bytes(ByteView(b).subspan(8, 12));
  aes_key.bytes(ByteView(c).subspan(4, 12));
  ByteWriter aes_iv(out.iv.span());
  aes_iv.bytes(ByteView(a).subspan(8, 12));
  aes_iv.bytes(ByteView(b).first(8));
  aes_iv.bytes(ByteView(c).subspan(16, 4));
  aes_iv.bytes(ByteView(d).first(8));
  for (crypto::Sha1Digest* digest : {&a, &b, &c, &d}) cleanse(digest->data(), digest->size());
}

Result<OpenedV1> open_v1(const AuthKeyBytes& key, ByteView frame, Sender sender) {
  if (frame.size() < kMessageHeaderBytes + kMessagePrefixBytes) return Error::kBadLength;
  const auto msg_key = frame.subspan<8, kMsgKeyBytes>();
  Bytes plain(frame.begin() + kMessageHeaderBytes, frame.end());
  if (plain.size() % crypto::kAesBlockBytes != 0) return Error::kBadLength;
  crypto::IgeKeyIv key_iv;
  derive_key_iv_v1(key, msg_key, key_iv, sender);
  const crypto::IgeJob job{&key_iv, plain};
  crypto::ige_decrypt_many({&job, 1});
  ByteReader reader(plain);
  OpenedV1 opened;
  opened.header.salt = *reader.i64();
  opened.header.session_id = *reader.i64();
  opened.header.msg_id = *reader.i64();
  opened.header.seq_no = *reader.i32();
  opened.header.body_bytes = *reader.u32();
  const size_t body_bytes = opened.header.body_bytes;
  // The length is not to be believed before the hash is: it says what is hashed.
  const bool fits =
      body_bytes <= reader.remaining() && reader.remaining() - body_bytes < crypto::kAesBlockBytes;
  if (!fits) return Error::kBadMsgKey;
  const ByteView hashed = ByteView(plain).first(kMessagePrefixBytes + body_bytes);
  if (!equal_constant_time(msg_key_v1(hashed), msg_key)) return Error::kBadMsgKey;
  if (body_bytes % 4 != 0 || body_bytes == 0) return Error::kBadPadding;
  const ByteView body = hashed.subspan(kMessagePrefixBytes);
  opened.body.assign(body.begin(), body.end());
  return opened;
}

}  // namespace ringway::mtproto
