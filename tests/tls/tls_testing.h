// What the tests of this room share: bytes from hexadecimal text, secrets, and a known hello.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/hex.h"
#include "tls/fake_hello.h"

namespace ringway::tls {

inline Bytes hex(std::string_view text) {
  Result<Bytes> bytes = from_hex(text);
  EXPECT_TRUE(bytes.ok()) << text;
  return bytes.ok() ? *std::move(bytes) : Bytes();
}

inline FakeTlsSecret make_secret(std::string_view key, std::string domain) {
  FakeTlsSecret secret;
  const Bytes bytes = hex(key);
  EXPECT_EQ(bytes.size(), secret.key.size());
  std::copy_n(bytes.begin(), std::min(bytes.size(), secret.key.size()), secret.key.data());
  secret.domain = std::move(domain);
  return secret;
}

// A hello that mtg's tests have from a real client, with its secret and what is in it.
// https://github.com/9seconds/mtg, client-hello-ok-19dfe38384b9884b
inline constexpr std::string_view kKnownHello =
    "1603010200010001fc03035ef08f7376806c76e144bbf49149b2e817cf64e1afb2eb1e779fc736c29710fb204add81"
    "67"
    "6b873059f7076b6b0f58df76da63a0938e83a24178b84573208c0aae0034130313011302c02cc02bc024c023c00ac0"
    "09"
    "cca9c030c02fc028c027c014c013cca8009d009c003d003c0035002fc008c012000a0100017fff010001000000001b"
    "00"
    "1900001673746f726167652e676f6f676c65617069732e636f6d00170000000d001800160403080404010503020308"
    "05"
    "08050501080606010201000500050100000000337400000012000000100030002e0268320568322d31360568322d31"
    "35"
    "0568322d313408737064792f332e3106737064792f3308687474702f312e31000b00020100003300260024001d0020"
    "07"
    "fee82f1f491252002ec2c94bdd47d903725351f4a2c2b02147a556776c2f22002d00020101002b0009080304030303"
    "02"
    "0301000a000a0008001d001700180019001500a1000000000000000000000000000000000000000000000000000000"
    "00"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00"
    "0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
    "00"
    "00000000000000000000000000000000000000000000000000000000000000000000000000";
inline constexpr int64_t kKnownSeconds = 1617181365;
inline FakeTlsSecret known_secret() {
  return make_secret("367a189aee18fa31c190054efd4a8e95", "storage.googleapis.com");
}

// The byte behind a place, for tests that change one.
inline Bytes with_byte(Bytes bytes, size_t at, uint8_t value) {
  bytes[at] = value;
  return bytes;
}

}  // namespace ringway::tls
