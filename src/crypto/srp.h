// crypto/srp: SRP-2048 as Telegram's two-factor password has it, both sides.
// https://core.telegram.org/api/srp
//
// The server keeps g^x and never the password; a check costs it one fresh secret b. H is SHA-256,
// numbers are 256 bytes big-endian. The group is the server's: a client checks it (check_dh_prime)
// before it answers.
//
// A power takes milliseconds and srp_secret() a tenth of a second: never on a worker thread.
// Otherwise any thread.
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/dh_group.h"
#include "crypto/sha.h"

namespace ringway::crypto {

using SrpNumber = std::array<uint8_t, kDhBytes>;
using SrpSecret = Secret<32>;

struct SrpSalts {
  ByteView first;   // salt1
  ByteView second;  // salt2
};

// x: SH(PBKDF2-HMAC-SHA512(SH(SH(password, salt1), salt2), salt1, 100000 rounds), salt2).
[[nodiscard]] SrpSecret srp_secret(ByteView password, const SrpSalts& salts) noexcept;
// g^x, which is what the server keeps.
[[nodiscard]] SrpNumber srp_verifier(const SrpSecret& secret,
                                     const DhGroup& group = DhGroup()) noexcept;
// B = (k * g^x + g^b) mod p, for a secret b of 1 to 256 bytes.
[[nodiscard]] SrpNumber srp_challenge(const SrpNumber& verifier, ByteView b,
                                      const DhGroup& group = DhGroup()) noexcept;
// M1 as a client that knows the password makes it, who sent the value A. kBadDh: A is not in range.
[[nodiscard]] Result<Sha256Digest> srp_proof(const SrpNumber& verifier, const SrpSalts& salts,
                                             ByteView b, ByteView client_value,
                                             const DhGroup& group = DhGroup()) noexcept;

// The client's side: what auth.checkPassword carries for the server's challenge B, with a secret a
// of 1 to 256 bytes. kBadDh: B is not in range.
struct SrpAnswer {
  SrpNumber value;     // A
  Sha256Digest proof;  // M1
};
[[nodiscard]] Result<SrpAnswer> srp_answer(const SrpSecret& secret, const SrpSalts& salts,
                                           ByteView a, ByteView challenge,
                                           const DhGroup& group = DhGroup()) noexcept;

}  // namespace ringway::crypto
