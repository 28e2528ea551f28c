// The floor of a key exchange: what OpenSSL alone needs for the two operations that no server can
// leave out, an RSA-2048 private operation and one 2048-bit modular exponentiation.
//
// Both are done as a server must: the RSA operation with blinding, the exponentiation in constant
// time, with the prime's Montgomery context made once. Prints one line of JSON; times are processor
// time of this process.
//
//   handshake_floor [SECONDS]
#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "base/clock.h"
#include "crypto/dh.h"
#include "crypto/openssl_ptr.h"

namespace {

using ringway::crypto::BnCtxPtr;
using ringway::crypto::BnPtr;
using ringway::crypto::MontPtr;
using ringway::crypto::PkeyCtxPtr;
using ringway::crypto::PkeyPtr;

constexpr int kRsaBits = 2048;
constexpr size_t kRsaBytes = 256;

void need(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "handshake_floor: %s failed\n", what);
  std::exit(1);
}

double cpu_seconds() {
  return static_cast<double>(ringway::read_clock_ns(CLOCK_PROCESS_CPUTIME_ID)) / 1e9;
}

class Rsa {
 public:
  Rsa() : key_(EVP_RSA_gen(kRsaBits)), context_(EVP_PKEY_CTX_new(key_.get(), nullptr)) {
    need(key_ && context_, "making an RSA key");
    need(EVP_PKEY_decrypt_init(context_.get()) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(context_.get(), RSA_NO_PADDING) == 1,
         "RSA set-up");
    input_.fill(0x5a);
    input_[0] = 0;  // below the modulus
  }
  void run() {
    size_t size = output_.size();
    need(EVP_PKEY_decrypt(context_.get(), output_.data(), &size, input_.data(), input_.size()) == 1,
         "the RSA operation");
  }

 private:
  PkeyPtr key_;
  PkeyCtxPtr context_;
  std::array<uint8_t, kRsaBytes> input_{};
  std::array<uint8_t, kRsaBytes> output_{};
};

class Exponentiation {
 public:
  Exponentiation()
      : context_(BN_CTX_new()),
        montgomery_(BN_MONT_CTX_new()),
        prime_(BN_bin2bn(ringway::crypto::dh_prime().data(), ringway::crypto::kDhBytes, nullptr)),
        base_(BN_new()),
        exponent_(BN_new()),
        result_(BN_new()) {
    need(context_ && montgomery_ && prime_ && base_ && exponent_ && result_, "memory");
    need(BN_MONT_CTX_set(montgomery_.get(), prime_.get(), context_.get()) == 1 &&
             BN_rand_range(base_.get(), prime_.get()) == 1 &&
             BN_rand(exponent_.get(), 2048, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1,
         "exponentiation set-up");
  }
  void run() {
    need(BN_mod_exp_mont_consttime(result_.get(), base_.get(), exponent_.get(), prime_.get(),
                                   context_.get(), montgomery_.get()) == 1,
         "the exponentiation");
  }

 private:
  BnCtxPtr context_;
  MontPtr montgomery_;
  BnPtr prime_;
  BnPtr base_;
  BnPtr exponent_;
  BnPtr result_;
};

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 2;
  Rsa rsa;
  Exponentiation exponentiation;
  rsa.run();  // makes the key's blinding and contexts
  exponentiation.run();
  uint64_t count = 0;
  double rsa_seconds = 0;
  double exponentiation_seconds = 0;
  while (rsa_seconds + exponentiation_seconds < seconds) {
    const double begin = cpu_seconds();
    rsa.run();
    const double between = cpu_seconds();
    exponentiation.run();
    rsa_seconds += between - begin;
    exponentiation_seconds += cpu_seconds() - between;
    ++count;
  }
  const auto operations = static_cast<double>(count);
  std::printf("{\"rsa_us\":%.2f,\"exponentiation_us\":%.2f,\"per_cpu_second\":%.2f}\n",
              rsa_seconds * 1e6 / operations, exponentiation_seconds * 1e6 / operations,
              operations / (rsa_seconds + exponentiation_seconds));
  return 0;
}
