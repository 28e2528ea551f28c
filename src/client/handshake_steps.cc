#include "client/handshake_steps.h"

#include <algorithm>

#include "crypto/sha.h"
#include "mtproto/message.h"

namespace ringway::client {
namespace {

constexpr size_t kTempKeyBytes = 32;
// More would leave less than 48 random bytes, which RSA_PAD's description asks for.
constexpr size_t kRsaPadObjectBytesMax = 144;
constexpr size_t kLegacyObjectAt = 1 + mtproto::kHashBytes;
constexpr size_t kLegacyObjectBytesMax = crypto::kRsaBytes - kLegacyObjectAt;

Result<Bytes> encrypt_block(const crypto::RsaKey& key, const RsaBlock& block) {
  Bytes encrypted(crypto::kRsaBytes);
  RW_TRY(key.public_raw(block.view(), std::span<uint8_t, crypto::kRsaBytes>(encrypted)));
  return encrypted;
}

template <typename T>
Result<void> check_nonces(const T& object, const ExchangeValues& values) noexcept {
  if (object.nonce != values.nonce) return Error::kBadNonce;
  if (object.server_nonce != values.server_nonce) return Error::kBadNonce;
  return {};
}

}  // namespace

void make_nonces(ExchangeValues& values, RandomSource random) noexcept {
  random(values.nonce);
  random(values.new_nonce.span());
}

Bytes make_req_pq(const ExchangeValues& values) {
  return mtproto::write_req_pq({.multi = true, .nonce = values.nonce});
}

Result<void> take_res_pq(ByteView answer, std::span<const ServerKey> keys, ExchangeValues& values) {
  ByteReader reader(answer);
  RW_TRY_ASSIGN(const mtproto::ResPq object, mtproto::read_res_pq(reader));
  if (object.nonce != values.nonce) return Error::kBadNonce;
  const auto offered = [&](const ServerKey& key) {
    return std::ranges::find(object.fingerprints, key.fingerprint) != object.fingerprints.end();
  };
  const auto key = std::ranges::find_if(keys, offered);
  if (key == keys.end()) return Error::kBadFingerprint;
  values.server_nonce = object.server_nonce;
  values.pq.assign(object.pq.begin(), object.pq.end());
  values.server_key = *key;
  return {};
}

Result<void> solve_pq(ExchangeValues& values) {
  RW_TRY_ASSIGN(const uint64_t pq, mtproto::from_big_endian(values.pq));
  const crypto::PrimePair primes = crypto::factor(pq);
  if (primes.p == 0 || primes.p == primes.q) return Error::kMalformed;
  values.p = mtproto::to_big_endian(primes.p);
  values.q = mtproto::to_big_endian(primes.q);
  return {};
}

mtproto::PqInnerData make_inner_data(const ExchangeValues& values) noexcept {
  mtproto::PqInnerData inner;
  inner.pq = values.pq;
  inner.p = values.p;
  inner.q = values.q;
  inner.nonce = values.nonce;
  inner.server_nonce = values.server_nonce;
  inner.new_nonce = values.new_nonce;
  inner.has_dc = values.dc.has_value();
  inner.dc = values.dc.value_or(0);
  inner.temporary = values.temporary;
  inner.expires_in = values.temporary ? values.expires_in : 0;
  return inner;
}

Bytes make_req_dh_params(const ExchangeValues& values, ByteView encrypted_data) {
  mtproto::ReqDhParams request;
  request.nonce = values.nonce;
  request.server_nonce = values.server_nonce;
  request.p = values.p;
  request.q = values.q;
  request.fingerprint = values.server_key.fingerprint;
  request.encrypted_data = encrypted_data;
  return mtproto::write_req_dh_params(request);
}

RsaBlock make_rsa_pad_block(std::span<const uint8_t, kRsaPadDataBytes> padded_data,
                            std::span<const uint8_t, 32> temp_key) noexcept {
  RsaBlock block;
  const std::span<uint8_t> aes = block.span().subspan(kTempKeyBytes);
  std::ranges::reverse_copy(padded_data, aes.begin());
  std::ranges::copy(crypto::sha256({temp_key, padded_data}), aes.begin() + kRsaPadDataBytes);
  crypto::IgeKeyIv key_iv;
  std::ranges::copy(temp_key, key_iv.key.data());
  const crypto::IgeJob job{&key_iv, aes};
  crypto::ige_encrypt_many({&job, 1});
  const crypto::Sha256Digest mask = crypto::sha256({aes});
  for (size_t i = 0; i < kTempKeyBytes; ++i) {
    block.data()[i] = static_cast<uint8_t>(temp_key[i] ^ mask[i]);
  }
  return block;
}

RsaBlock make_legacy_block(ByteView data, ByteView padding) noexcept {
  RsaBlock block;
  ByteWriter out(block.span());
  out.u8(0);
  out.bytes(crypto::sha1({data}));
  out.bytes(data);
  out.bytes(padding);
  RW_ASSERT(out.remaining() == 0);
  return block;
}

Result<Bytes> rsa_pad_encrypt(const crypto::RsaKey& key, ByteView data, RandomSource random) {
  if (data.size() > kRsaPadObjectBytesMax) return Error::kTooLarge;
  Secret<kRsaPadDataBytes> padded;
  ByteWriter out(padded.span());
  out.bytes(data);
  random(out.take(out.remaining()));
  Secret<kTempKeyBytes> temp_key;
  for (;;) {
    random(temp_key.span());
    const RsaBlock block = make_rsa_pad_block(padded.view(), temp_key.view());
    if (std::ranges::lexicographical_compare(block.view(), key.modulus())) {
      return encrypt_block(key, block);
    }
  }
}

Result<Bytes> legacy_encrypt(const crypto::RsaKey& key, ByteView data, RandomSource random) {
  if (data.size() > kLegacyObjectBytesMax) return Error::kTooLarge;
  Bytes padding(kLegacyObjectBytesMax - data.size());
  random(padding);
  return encrypt_block(key, make_legacy_block(data, padding));
}

Result<void> take_server_dh_params(ByteView answer, ExchangeValues& values) {
  ByteReader reader(answer);
  RW_TRY_ASSIGN(const mtproto::ServerDhParamsOk object, mtproto::read_server_dh_params_ok(reader));
  RW_TRY(check_nonces(object, values));
  crypto::IgeKeyIv key_iv;
  mtproto::derive_tmp_key_iv(values.new_nonce, values.server_nonce, key_iv);
  RW_TRY_ASSIGN(const Bytes opened, mtproto::open_with_hash(object.encrypted_answer, key_iv));
  ByteReader inner_reader(ByteView(opened).subspan(mtproto::kHashBytes));
  const Result<mtproto::ServerDhInnerData> inner = mtproto::read_server_dh_inner_data(inner_reader);
  if (!inner.ok()) return Error::kBadInnerData;
  if (!mtproto::hash_matches(opened, inner_reader.position())) return Error::kBadInnerData;
  RW_TRY(check_nonces(*inner, values));
  RW_TRY_ASSIGN(values.group, crypto::read_dh_group(inner->g, inner->dh_prime));
  if (inner->g_a.size() > crypto::kDhBytes) return Error::kBadDh;
  if (!crypto::dh_value_in_range(values.group, inner->g_a)) return Error::kBadDh;
  values.server_time = inner->server_time;
  values.g_a.fill(0);
  std::ranges::copy(inner->g_a, values.g_a.end() - static_cast<ptrdiff_t>(inner->g_a.size()));
  return {};
}

Result<void> compute_key(ExchangeValues& values, RandomSource random, size_t exponent_bytes) {
  RW_ASSERT(exponent_bytes > 0 && exponent_bytes <= crypto::kDhBytes);
  RW_TRY(crypto::check_dh_prime(values.group));
  values.g_b.resize(crypto::kDhBytes);
  values.b = {};
  const ByteSpan exponent = values.b.span().last(exponent_bytes);
  do {
    random(exponent);
    crypto::dh_public(values.group, exponent, std::span<uint8_t, crypto::kDhBytes>(values.g_b));
  } while (!crypto::dh_value_in_range(values.group, values.g_b));
  return crypto::dh_power(values.group, values.g_a, exponent, values.auth_key.span());
}

mtproto::ClientDhInnerData make_client_dh_inner(const ExchangeValues& values) noexcept {
  mtproto::ClientDhInnerData inner;
  inner.nonce = values.nonce;
  inner.server_nonce = values.server_nonce;
  inner.retry_id = values.retry_id;
  inner.g_b = values.g_b;
  return inner;
}

Bytes make_set_client_dh_params(const ExchangeValues& values, ByteView inner_object,
                                RandomSource random) {
  crypto::IgeKeyIv key_iv;
  mtproto::derive_tmp_key_iv(values.new_nonce, values.server_nonce, key_iv);
  const Bytes sealed = mtproto::seal_with_hash(inner_object, key_iv, random);
  mtproto::SetClientDhParams request;
  request.nonce = values.nonce;
  request.server_nonce = values.server_nonce;
  request.encrypted_data = sealed;
  return mtproto::write_set_client_dh_params(request);
}

Result<mtproto::DhGen> take_dh_gen(ByteView answer, const ExchangeValues& values) noexcept {
  ByteReader reader(answer);
  RW_TRY_ASSIGN(const mtproto::DhGenAnswer object, mtproto::read_dh_gen_answer(reader));
  RW_TRY(check_nonces(object, values));
  const mtproto::Nonce expected = mtproto::new_nonce_hash(
      values.new_nonce, object.result, mtproto::auth_key_aux_hash(values.auth_key));
  if (!equal_constant_time(object.new_nonce_hash, expected)) return Error::kBadInnerData;
  return object.result;
}

}  // namespace ringway::client
