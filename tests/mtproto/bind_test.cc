#include "mtproto/bind.h"

#include <gtest/gtest.h>

#include "base/hex.h"
#include "crypto/random.h"
#include "crypto/sha.h"
#include "mtproto/message.h"
#include "mtproto/tl.h"

namespace ringway::mtproto {
namespace {

constexpr int64_t kMsgId = 0x6553f10000000004;
constexpr BindInner kInner{.nonce = 0x1122334455667788,
                           .temp_auth_key_id = 0x0102030405060708,
                           .perm_auth_key_id = 0,  // the known answer's comes from its key
                           .temp_session_id = 0x1020304050607080,
                           .expires_at = 1'700'000'000};

AuthKeyBytes vector_key() {
  AuthKeyBytes key;
  for (size_t i = 0; i < key.size(); ++i) key.span()[i] = static_cast<uint8_t>(7 * i + 3);
  return key;
}

BindInner vector_inner() {
  BindInner inner = kInner;
  inner.perm_auth_key_id = auth_key_id(vector_key());
  return inner;
}

// The known answer's random bytes: 00 to 0f in front, aa behind.
void vector_random(ByteSpan out) noexcept {
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = out.size() == 16 ? static_cast<uint8_t>(i) : 0xaa;
  }
}

Bytes vector_sealed() {
  return seal_bind_inner(vector_key(), vector_inner(), kMsgId, &vector_random);
}

TEST(BindInner, KnownAnswer) {
  const Bytes sealed = vector_sealed();
  ASSERT_EQ(sealed.size(), 104U);
  EXPECT_EQ(to_hex(ByteView(sealed).first(8)), "9ed6e6ef196cc931");
  EXPECT_EQ(to_hex(ByteView(sealed).subspan(8, 16)), "4870e58dc709c8a62937760cb5c6142c");
  EXPECT_EQ(to_hex(crypto::sha256({sealed})),
            "cf45f2c9cf1c5ae4c15c13f68b7f05426176bc5e29ca4d480af6e333e4ac2cf3");
  const auto opened = open_bind_inner(vector_key(), sealed, kMsgId);
  ASSERT_TRUE(opened.ok());
  EXPECT_EQ(*opened, vector_inner());
}

TEST(BindInner, EveryChangedBitIsFound) {
  const Bytes sealed = vector_sealed();
  for (size_t at = 0; at < sealed.size(); ++at) {
    Bytes changed = sealed;
    changed[at] ^= static_cast<uint8_t>(1U << at % 8);
    const auto opened = open_bind_inner(vector_key(), changed, kMsgId);
    // The last 8 bytes are padding, which no hash of 1.0 covers; IGE spreads a change of their
    // block over its first half, which is covered.
    EXPECT_FALSE(opened.ok()) << at;
  }
}

TEST(BindInner, AnotherKeyMessageOrLengthIsRefused) {
  const Bytes sealed = vector_sealed();
  AuthKeyBytes other = vector_key();
  other.span()[20] ^= 1;  // 1.0 derives from the first half only
  EXPECT_EQ(open_bind_inner(other, sealed, kMsgId).error(), Error::kBadMsgKey);
  // The id may be copied; the key cannot.
  Bytes forged = sealed;
  store_le(forged.data(), auth_key_id(other));
  EXPECT_EQ(open_bind_inner(other, forged, kMsgId).error(), Error::kBadMsgKey);
  EXPECT_EQ(open_bind_inner(vector_key(), sealed, kMsgId + 4).error(), Error::kMalformed);
  for (const size_t bytes : {0UL, 24UL, 88UL, 103UL}) {
    EXPECT_EQ(open_bind_inner(vector_key(), ByteView(sealed).first(bytes), kMsgId).error(),
              Error::kBadLength);
  }
  Bytes longer = sealed;
  longer.resize(120);
  EXPECT_EQ(open_bind_inner(vector_key(), longer, kMsgId).error(), Error::kBadLength);
}

TEST(BindCall, ReadsWhatItWrote) {
  const Bytes sealed = vector_sealed();
  const Bytes object = write_bind_call({.perm_auth_key_id = vector_inner().perm_auth_key_id,
                                        .nonce = kInner.nonce,
                                        .expires_at = kInner.expires_at,
                                        .encrypted_message = sealed});
  ByteReader reader(object);
  EXPECT_EQ(*reader.u32(), constructor::kBindTempAuthKey);
  const auto call = read_bind_call(reader);
  ASSERT_TRUE(call.ok());
  EXPECT_TRUE(reader.empty());
  EXPECT_EQ(call->perm_auth_key_id, vector_inner().perm_auth_key_id);
  EXPECT_EQ(call->nonce, kInner.nonce);
  EXPECT_EQ(call->expires_at, kInner.expires_at);
  EXPECT_TRUE(equal(call->encrypted_message, sealed));
  for (size_t bytes = 4; bytes < object.size(); ++bytes) {
    ByteReader cut(ByteView(object).first(bytes));
    ASSERT_TRUE(cut.skip(4).ok());
    EXPECT_FALSE(read_bind_call(cut).ok()) << bytes;
  }
}

}  // namespace
}  // namespace ringway::mtproto
