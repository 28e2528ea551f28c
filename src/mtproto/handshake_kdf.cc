#include "mtproto/handshake_kdf.h"

#include <algorithm>

#include "base/limits.h"
#include "crypto/sha.h"

namespace ringway::mtproto {

void derive_tmp_key_iv(const NewNonce& new_nonce, const Nonce& server_nonce,
                       crypto::IgeKeyIv& out) noexcept {
  const ByteView secret = new_nonce.view();
  crypto::Sha1Digest s1 = crypto::sha1({secret, server_nonce});
  crypto::Sha1Digest s2 = crypto::sha1({server_nonce, secret});
  crypto::Sha1Digest s3 = crypto::sha1({secret, secret});
  ByteWriter key(out.key.span());
  key.bytes(s1);
  key.bytes(ByteView(s2).first(12));
  ByteWriter iv(out.iv.span());
  iv.bytes(ByteView(s2).subspan(12));
  iv.bytes(s3);
  iv.bytes(secret.first(4));
  for (crypto::Sha1Digest* digest : {&s1, &s2, &s3}) cleanse(digest->data(), digest->size());
}

Nonce new_nonce_hash(const NewNonce& new_nonce, DhGen result, int64_t aux_hash) noexcept {
  const uint8_t number = static_cast<uint8_t>(result);
  uint8_t aux[sizeof aux_hash];
  store_le(aux, aux_hash);
  const crypto::Sha1Digest digest = crypto::sha1({new_nonce.view(), {&number, 1}, aux});
  Nonce hash;
  std::copy(digest.begin() + 4, digest.end(), hash.begin());
  return hash;
}

int64_t initial_salt(const NewNonce& new_nonce, const Nonce& server_nonce) noexcept {
  return load_le<int64_t>(new_nonce.data()) ^ load_le<int64_t>(server_nonce.data());
}

Bytes seal_with_hash(ByteView object, const crypto::IgeKeyIv& key_iv, RandomSource random) {
  const size_t unpadded = kHashBytes + object.size();
  const size_t padding =
      (crypto::kAesBlockBytes - unpadded % crypto::kAesBlockBytes) % crypto::kAesBlockBytes;
  Bytes sealed(unpadded + padding);
  ByteWriter out(sealed);
  out.bytes(crypto::sha1({object}));
  out.bytes(object);
  random(out.take(padding));
  const crypto::IgeJob job{&key_iv, sealed};
  crypto::ige_encrypt_many({&job, 1});
  return sealed;
}

Result<Bytes> open_with_hash(ByteView sealed, const crypto::IgeKeyIv& key_iv) {
  if (sealed.size() % crypto::kAesBlockBytes != 0) return Error::kBadLength;
  if (sealed.size() < kHashBytes + sizeof(uint32_t)) return Error::kBadLength;
  if (sealed.size() > kUnencryptedBytesMax) return Error::kBadLength;
  Bytes opened(sealed.begin(), sealed.end());
  const crypto::IgeJob job{&key_iv, opened};
  crypto::ige_decrypt_many({&job, 1});
  return opened;
}

bool hash_matches(ByteView opened, size_t object_bytes) noexcept {
  RW_ASSERT(opened.size() >= kHashBytes + object_bytes);
  const size_t padding = opened.size() - kHashBytes - object_bytes;
  const crypto::Sha1Digest digest = crypto::sha1({opened.subspan(kHashBytes, object_bytes)});
  return equal_constant_time(digest, opened.first(kHashBytes)) && padding < crypto::kAesBlockBytes;
}

}  // namespace ringway::mtproto
