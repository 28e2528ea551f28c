// client/handshake_steps: the single steps of the client's side of the key exchange.
//
// Pure functions over one ExchangeValues, which holds everything the two sides know so far.
// Handshake (client/handshake.h) strings them together; tests take them one by one and change a
// value, an object or an encrypted block on the way. make_... builds what is sent next; take_...
// checks an answer as a careful client must, before it changes any value. Names and formulas:
// https://core.telegram.org/mtproto/auth_key
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/dh_group.h"
#include "crypto/factor.h"
#include "crypto/random.h"
#include "crypto/rsa.h"
#include "mtproto/handshake_kdf.h"
#include "mtproto/handshake_wire.h"

namespace ringway::client {

using mtproto::RandomSource;

// A server's public key that this client trusts.
struct ServerKey {
  std::shared_ptr<const crypto::RsaKey> key;
  uint64_t fingerprint = 0;  // key->fingerprint(), unless the server was given another one by hand
};

struct ExchangeValues {
  mtproto::Nonce nonce{};
  mtproto::Nonce server_nonce{};
  mtproto::NewNonce new_nonce;
  Bytes pq;  // big-endian, as sent
  Bytes p;
  Bytes q;
  ServerKey server_key;
  bool temporary = false;
  int32_t expires_in = 0;  // seconds, when temporary
  std::optional<int32_t> dc;
  int32_t server_time = 0;  // unix seconds
  crypto::DhGroup group;
  std::array<uint8_t, 256> g_a{};
  Secret<256> b;
  Bytes g_b;
  int64_t retry_id = 0;
  AuthKeyBytes auth_key;
};

// Fresh nonce and new_nonce.
void make_nonces(ExchangeValues& values, RandomSource random) noexcept;

// Step 1. make_req_pq gives req_pq_multi. take_res_pq checks the nonce, picks the first of `keys`
// that the server offers and keeps pq: kBadNonce, kBadFingerprint, kMalformed. solve_pq factors it
// (milliseconds): kMalformed when it is no product of two different primes.
[[nodiscard]] Bytes make_req_pq(const ExchangeValues& values);
Result<void> take_res_pq(ByteView answer, std::span<const ServerKey> keys, ExchangeValues& values);
Result<void> solve_pq(ExchangeValues& values);

// Step 2. The inner data borrows from `values`. encrypted_data is 256 bytes.
[[nodiscard]] mtproto::PqInnerData make_inner_data(const ExchangeValues& values) noexcept;
[[nodiscard]] Bytes make_req_dh_params(const ExchangeValues& values, ByteView encrypted_data);

using RsaBlock = Secret<crypto::kRsaBytes>;
inline constexpr size_t kRsaPadDataBytes = 192;
// RSA_PAD's block before RSA, from the padded data. It may be above the modulus: then take another
// temp_key.
[[nodiscard]] RsaBlock make_rsa_pad_block(std::span<const uint8_t, kRsaPadDataBytes> padded_data,
                                          std::span<const uint8_t, 32> temp_key) noexcept;
// 0 | SHA-1(data) | data | padding. data and padding fill the block exactly.
[[nodiscard]] RsaBlock make_legacy_block(ByteView data, ByteView padding) noexcept;
// Pads and encrypts `data`: kTooLarge above 144 bytes (RSA_PAD) or 235 bytes (legacy).
Result<Bytes> rsa_pad_encrypt(const crypto::RsaKey& key, ByteView data, RandomSource random);
Result<Bytes> legacy_encrypt(const crypto::RsaKey& key, ByteView data, RandomSource random);

// Decrypts and checks server_DH_params_ok: kMalformed, kBadLength, kBadNonce, kBadInnerData (the
// hash), kBadDh (a g that does not fit the prime, g_a out of range). server_time, the group and g_a
// are kept.
Result<void> take_server_dh_params(ByteView answer, ExchangeValues& values);

// Step 3. Makes b, g_b and the auth key (milliseconds; half a second for a prime that was not seen
// before): kBadDh when the prime is not a safe one. The functions below it take what it made. b has
// `exponent_bytes` random bytes, its higher ones are zero.
Result<void> compute_key(ExchangeValues& values, RandomSource random,
                         size_t exponent_bytes = crypto::kDhExponentBytes);
[[nodiscard]] mtproto::ClientDhInnerData make_client_dh_inner(
    const ExchangeValues& values) noexcept;
// set_client_DH_params around an inner object of any content.
[[nodiscard]] Bytes make_set_client_dh_params(const ExchangeValues& values, ByteView inner_object,
                                              RandomSource random);
// dh_gen_ok, _retry or _fail: kBadNonce, kBadInnerData when the hash is not that of our key.
Result<mtproto::DhGen> take_dh_gen(ByteView answer, const ExchangeValues& values) noexcept;

}  // namespace ringway::client
