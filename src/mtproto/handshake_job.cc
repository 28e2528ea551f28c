#include "mtproto/handshake_job.h"

#include <algorithm>

#include "crypto/aes_ige.h"
#include "crypto/dh.h"
#include "crypto/sha.h"

namespace ringway::mtproto {
namespace {

using RsaBlock = Secret<crypto::kRsaBytes>;

// RSA_PAD: X = (temp_key ^ SHA256(aes)) | aes, aes = IGE(temp_key, iv 0, reverse(data) | hash) with
// hash = SHA256(temp_key | data).
constexpr size_t kTempKeyBytes = 32;
constexpr size_t kPadDataBytes = 192;

// The older padding: X = 0 | SHA1(object) | object | random bytes.
constexpr size_t kLegacyObjectAt = 1 + kHashBytes;

bool open_rsa_pad(const RsaBlock& block, Secret<kPadDataBytes>& data) noexcept {
  const ByteView aes = ByteView(block.view()).subspan(kTempKeyBytes);
  const crypto::Sha256Digest mask = crypto::sha256({aes});
  crypto::IgeKeyIv key_iv;
  for (size_t i = 0; i < kTempKeyBytes; ++i) {
    key_iv.key.data()[i] = static_cast<uint8_t>(block.data()[i] ^ mask[i]);
  }
  Secret<crypto::kRsaBytes - kTempKeyBytes> plain;
  std::copy(aes.begin(), aes.end(), plain.data());
  const crypto::IgeJob job{&key_iv, plain.span()};
  crypto::ige_decrypt_many({&job, 1});

  std::reverse_copy(plain.data(), plain.data() + kPadDataBytes, data.data());
  const crypto::Sha256Digest hash = crypto::sha256({key_iv.key.view(), data.view()});
  return equal_constant_time(hash, ByteView(plain.view()).subspan(kPadDataBytes));
}

bool open_legacy(const RsaBlock& block) noexcept {
  const ByteView rest = ByteView(block.view()).subspan(kLegacyObjectAt);
  ByteReader reader(rest);
  const bool parsed = read_pq_inner_data(reader).ok();
  const ByteView object = parsed ? rest.first(reader.position()) : rest;
  const crypto::Sha1Digest hash = crypto::sha1({object});
  const bool hash_equal = equal_constant_time(hash, ByteView(block.view()).subspan(1, kHashBytes));
  const bool first_is_zero = block.data()[0] == 0;
  return parsed && hash_equal && first_is_zero;
}

}  // namespace

void HandshakeJob::run() noexcept {
  switch (kind) {
    case Kind::kServerDh:
      return run_server_dh();
    case Kind::kClientDh:
      return run_client_dh();
  }
}

void HandshakeJob::run_server_dh() noexcept {
  RW_ASSERT(key != nullptr);
  RsaBlock block;
  bool rsa_done = key->private_raw(encrypted_data, block.span()).ok();
  if (!rsa_done) {
    // Not below the modulus. Something below it stands in, so that refusing costs the same time.
    std::array<uint8_t, crypto::kRsaBytes> stand_in = encrypted_data;
    stand_in[0] = 0;
    (void)key->private_raw(stand_in, block.span()).ok();
  }

  // Both paddings are always tried, and all that follows is done whatever they gave: an early
  // return would be an oracle for the padding of somebody else's captured message.
  Secret<kPadDataBytes> data;
  const bool padded = open_rsa_pad(block, data);
  const bool legacy = open_legacy(block) && legacy_padding_allowed;
  const ByteView legacy_data = ByteView(block.view()).subspan(kLegacyObjectAt);
  inner_data = SecretString(padded ? ByteView(data.view()) : legacy_data);
  do {
    random(a.span());
    crypto::set_dh_exponent_length(a);
    crypto::dh_public(a.view(), g_a);
  } while (!crypto::dh_value_in_range(g_a));

  if (!rsa_done || !(padded || legacy)) {
    error = Error::kBadRsa;
    inner_data = SecretString();
  }
}

void HandshakeJob::run_client_dh() noexcept {
  const Result<void> done = crypto::dh_power(g_b, a.view(), auth_key.span());
  if (!done.ok()) error = done.error();
}

}  // namespace ringway::mtproto
