// The key exchange against known answers: Telegram's published run, an older sample, and a
// deterministic run of the server that must come out byte for byte.
#include <gtest/gtest.h>

#include "crypto/sha.h"
#include "mtproto/message.h"
#include "mtproto/unencrypted.h"
#include "support/handshake_harness.h"

namespace ringway::mtproto {
namespace {

namespace vectors = handshake_vectors;
using testing::hex;
using testing::hex_array;
using testing::own_key;
using testing::ScriptedRandom;

template <size_t N>
Secret<N> secret(std::string_view text) {
  return Secret<N>(hex_array<N>(text));
}

std::string hex_of(ByteView bytes) { return to_hex(bytes); }

int64_t number(std::string_view wire_bytes) { return load_le<int64_t>(hex(wire_bytes).data()); }

void expect_tmp_key(std::string_view new_nonce, std::string_view server_nonce, std::string_view key,
                    std::string_view iv) {
  crypto::IgeKeyIv key_iv;
  derive_tmp_key_iv(secret<32>(new_nonce), hex_array<16>(server_nonce), key_iv);
  EXPECT_EQ(hex_of(key_iv.key.view()), key);
  EXPECT_EQ(hex_of(key_iv.iv.view()), iv);
}

TEST(HandshakeKdf, TemporaryKeysMatchPublishedSamples) {
  expect_tmp_key(vectors::kOfficialNewNonce, vectors::kOfficialServerNonce,
                 vectors::kOfficialTmpKey, vectors::kOfficialTmpIv);
  expect_tmp_key(vectors::kOlderNewNonce, vectors::kOlderServerNonce, vectors::kOlderTmpKey,
                 vectors::kOlderTmpIv);
}

TEST(HandshakeKdf, LeadingZerosOfNoncesCount) {
  expect_tmp_key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
                 "002122232425262728292a2b2c2d2e2f", vectors::kLeadingZeroTmpKey,
                 vectors::kLeadingZeroTmpIv);
}

TEST(HandshakeKdf, HashesAndSaltOfTheOfficialRun) {
  const NewNonce new_nonce = secret<32>(vectors::kOfficialNewNonce);
  const AuthKeyBytes key = secret<256>(vectors::kOfficialAuthKey);
  EXPECT_EQ(auth_key_id(key), number(vectors::kOfficialAuthKeyId));
  EXPECT_EQ(auth_key_aux_hash(key), number(vectors::kOfficialAuxHash));
  const int64_t aux = auth_key_aux_hash(key);
  EXPECT_EQ(hex_of(new_nonce_hash(new_nonce, DhGen::kOk, aux)), vectors::kOfficialNewNonceHash1);
  EXPECT_EQ(hex_of(new_nonce_hash(new_nonce, DhGen::kRetry, aux)), vectors::kOfficialNewNonceHash2);
  EXPECT_EQ(hex_of(new_nonce_hash(new_nonce, DhGen::kFail, aux)), vectors::kOfficialNewNonceHash3);
  EXPECT_EQ(initial_salt(new_nonce, hex_array<16>(vectors::kOfficialServerNonce)),
            number(vectors::kOfficialSalt));
}

class OfficialRun : public ::testing::Test {
 protected:
  OfficialRun() {
    values_.nonce = hex_array<16>(vectors::kOfficialNonce);
    values_.server_nonce = hex_array<16>(vectors::kOfficialServerNonce);
    values_.new_nonce = secret<32>(vectors::kOfficialNewNonce);
    values_.b = secret<256>(vectors::kOfficialB);
    values_.g_b = hex(vectors::kOfficialGB);
    values_.g_a = hex_array<256>(vectors::kOfficialGA);
  }
  client::ExchangeValues values_;
};

TEST_F(OfficialRun, RequestAndInnerData) {
  const Bytes frame = hex(vectors::kOfficialReqPq);
  const Result<UnencryptedMessage> message = read_unencrypted(frame);
  ASSERT_TRUE(message.ok());
  EXPECT_EQ(hex_of(client::make_req_pq(values_)), hex_of(message->data));

  values_.pq = hex("1460e7d3fa727791");
  values_.dc = 2;
  ASSERT_TRUE(client::solve_pq(values_).ok());
  EXPECT_EQ(hex_of(values_.p), "3c2357cf");
  EXPECT_EQ(hex_of(values_.q), "56bfb29f");
  EXPECT_EQ(hex_of(write_pq_inner_data(client::make_inner_data(values_)).view()),
            vectors::kOfficialInnerData);
}

TEST_F(OfficialRun, ClientReadsTheAnswer) {
  const Bytes sealed = hex(vectors::kOfficialEncryptedAnswer);
  ServerDhParamsOk answer{values_.nonce, values_.server_nonce, sealed};
  values_.g_a.fill(0);
  ASSERT_TRUE(client::take_server_dh_params(write_server_dh_params_ok(answer), values_).ok());
  EXPECT_EQ(values_.server_time, 1705754877);
  EXPECT_EQ(hex_of(values_.g_a), vectors::kOfficialGA);
}

TEST_F(OfficialRun, AnswerIsSealedTheSame) {
  crypto::IgeKeyIv key_iv;
  derive_tmp_key_iv(values_.new_nonce, values_.server_nonce, key_iv);
  ServerDhInnerData inner;
  inner.nonce = values_.nonce;
  inner.server_nonce = values_.server_nonce;
  inner.g = crypto::kDhG;
  inner.dh_prime = crypto::dh_prime();
  inner.g_a = values_.g_a;
  inner.server_time = 1705754877;
  const Bytes object = write_server_dh_inner_data(inner);
  EXPECT_EQ(object.size(), 564u);
  EXPECT_EQ(hex_of(crypto::sha1({object})), vectors::kOfficialAnswerHash);
  ScriptedRandom random;
  random.add(hex(vectors::kOfficialAnswerPadding));
  EXPECT_EQ(hex_of(seal_with_hash(object, key_iv, &ScriptedRandom::source)),
            vectors::kOfficialEncryptedAnswer);
}

TEST_F(OfficialRun, ClientMakesTheSameKeyAndRequest) {
  ScriptedRandom random;
  random.add(hex(vectors::kOfficialB));
  ASSERT_TRUE(client::compute_key(values_, &ScriptedRandom::source, crypto::kDhBytes).ok());
  EXPECT_EQ(hex_of(values_.g_b), vectors::kOfficialGB);
  EXPECT_EQ(hex_of(values_.auth_key.view()), vectors::kOfficialAuthKey);

  random.add(hex(vectors::kOfficialClientPadding));
  const Bytes inner = write_client_dh_inner_data(client::make_client_dh_inner(values_));
  const Bytes request = client::make_set_client_dh_params(values_, inner, &ScriptedRandom::source);
  ByteReader reader(request);
  const Result<SetClientDhParams> read = read_set_client_dh_params(reader);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(hex_of(read->encrypted_data), vectors::kOfficialClientEncrypted);
}

TEST_F(OfficialRun, ClientAcceptsDhGenOkWithWordsBehindIt) {
  values_.auth_key = secret<256>(vectors::kOfficialAuthKey);
  const Bytes frame = hex(vectors::kOfficialDhGenOk);
  // The page prints the object only; the declared length counts random words that are not printed.
  const Result<DhGen> answer = client::take_dh_gen(ByteView(frame).subspan(20), values_);
  ASSERT_TRUE(answer.ok());
  EXPECT_EQ(*answer, DhGen::kOk);
}

TEST(RsaPadding, ProductionKeyVector) {
  const auto key = crypto::RsaKey::from_pem(vectors::kProductionPem);
  ASSERT_TRUE(key.ok());
  uint8_t fingerprint[8];
  store_le(fingerprint, (*key)->fingerprint());
  EXPECT_EQ(hex_of(fingerprint), "85fd64de851d9dd0");
  ScriptedRandom random;
  random.add(48, 0x00);
  random.add(32, 0x00);
  const Result<Bytes> encrypted =
      client::rsa_pad_encrypt(**key, Bytes(144, 'a'), &ScriptedRandom::source);
  ASSERT_TRUE(encrypted.ok());
  EXPECT_EQ(hex_of(*encrypted), vectors::kProductionPadResult);
}

TEST(RsaPadding, BlocksAboveTheModulusTakeAnotherTempKey) {
  // Under the production key (modulus e8bb...) temp_keys whose block begins with e9..ff are
  // skipped.
  const auto key = *crypto::RsaKey::from_pem(vectors::kProductionPem);
  const Secret<client::kRsaPadDataBytes> padded(
      std::span<const uint8_t, 192>(std::array<uint8_t, 192>{}));
  std::array<uint8_t, 32> temp_key{};
  while (client::make_rsa_pad_block(padded.view(), temp_key).data()[0] < 0xe9) ++temp_key[0];
  std::array<uint8_t, 32> next_key{};
  while (client::make_rsa_pad_block(padded.view(), next_key).data()[0] > 0xe7) ++next_key[0];

  ScriptedRandom random;
  random.add(48, 0x00);
  random.add(Bytes(temp_key.begin(), temp_key.end()));
  random.add(Bytes(next_key.begin(), next_key.end()));
  const Result<Bytes> encrypted =
      client::rsa_pad_encrypt(*key, Bytes(144, 0), &ScriptedRandom::source);
  ASSERT_TRUE(encrypted.ok());
  std::array<uint8_t, 256> expected{};
  ASSERT_TRUE(
      key->public_raw(client::make_rsa_pad_block(padded.view(), next_key).view(), expected).ok());
  EXPECT_EQ(hex_of(*encrypted), hex_of(expected));
}

crypto::PrimePair own_primes() noexcept { return {.p = 0x494c553b, .q = 0x53911073}; }

// The deterministic run: server and client values as the vectors fix them.
class OwnRun : public ::testing::Test {
 protected:
  OwnRun() {
    server_.config.random = &ScriptedRandom::source;
    server_.config.make_primes = &own_primes;
    server_.now.unix_ns = int64_t{0x65000000} * kNsPerSecond;
    values_.nonce = hex_array<16>("000102030405060708090a0b0c0d0e0f");
    values_.server_nonce = hex_array<16>("101112131415161718191a1b1c1d1e1f");
    values_.new_nonce =
        secret<32>("202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f");
    values_.pq = hex("17ed48941a08f981");
    values_.p = hex("494c553b");
    values_.q = hex("53911073");
    values_.server_key = {own_key(), own_key()->fingerprint()};
  }

  void run_req_pq() {
    random_.add(hex("101112131415161718191a1b1c1d1e1f"));
    const Bytes frame = hex(vectors::kOwnReqPq);
    const Result<UnencryptedMessage> request = read_unencrypted(frame);
    ASSERT_TRUE(request.ok());
    const HandshakeOutcome answer = server_.send(request->data);
    ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
    EXPECT_EQ(hex_of(write_unencrypted(0x6500000000000001, answer.reply)), vectors::kOwnResPq);
  }

  HandshakeOutcome run_req_dh(std::string_view encrypted) {
    return server_.send(client::make_req_dh_params(values_, hex(encrypted)));
  }

  // Steps 1 and 2 with a = 32 x 5a, of which the highest bit is set; leaves the server waiting for
  // set_client_DH_params.
  void run_to_dh_sent(std::string_view encrypted) {
    run_req_pq();
    random_.add(crypto::kDhExponentBytes, 0x5a);
    random_.add(8, 0xcc);
    const HandshakeOutcome answer = run_req_dh(encrypted);
    ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
    ByteReader reader(answer.reply);
    const Result<ServerDhParamsOk> params = read_server_dh_params_ok(reader);
    ASSERT_TRUE(params.ok());
    EXPECT_EQ(reader.remaining(), 0u);
    const ByteView sealed = params->encrypted_answer;
    ASSERT_EQ(sealed.size(), 592u);
    EXPECT_EQ(hex_of(crypto::sha256({sealed})), vectors::kOwnAnswerSha256);
    EXPECT_EQ(hex_of(sealed.first(32)), vectors::kOwnAnswerHead);
    EXPECT_EQ(hex_of(sealed.last(16)), vectors::kOwnAnswerTail);
    ASSERT_TRUE(client::take_server_dh_params(answer.reply, values_).ok());
    EXPECT_EQ(hex_of(values_.g_a), vectors::kOwnGA);
    EXPECT_EQ(values_.server_time, 0x65000000);
  }

  HandshakeOutcome send_encrypted(ByteView encrypted) {
    return server_.send(
        write_set_client_dh_params({values_.nonce, values_.server_nonce, encrypted}));
  }

  // client_DH_inner_data with this g_b and padding dd, encrypted.
  Bytes sealed_g_b(ByteView g_b) {
    values_.g_b.assign(g_b.begin(), g_b.end());
    const Bytes inner = write_client_dh_inner_data(client::make_client_dh_inner(values_));
    const size_t padding = (16 - (20 + inner.size()) % 16) % 16;
    random_.add(padding, 0xdd);
    crypto::IgeKeyIv key_iv;
    derive_tmp_key_iv(values_.new_nonce, values_.server_nonce, key_iv);
    return seal_with_hash(inner, key_iv, &ScriptedRandom::source);
  }

  ScriptedRandom random_;
  testing::ServerHarness server_;
  client::ExchangeValues values_;
};

TEST_F(OwnRun, ByteForByte) {
  EXPECT_EQ(own_key()->fingerprint(), 0x3acd07196f528bd6u);
  run_to_dh_sent(vectors::kOwnPadEncrypted);
  crypto::IgeKeyIv key_iv;
  derive_tmp_key_iv(values_.new_nonce, values_.server_nonce, key_iv);
  EXPECT_EQ(hex_of(key_iv.key.view()), vectors::kOwnTmpKey);
  EXPECT_EQ(hex_of(key_iv.iv.view()), vectors::kOwnTmpIv);

  random_.add(256, 0x3c);
  ASSERT_TRUE(client::compute_key(values_, &ScriptedRandom::source, crypto::kDhBytes).ok());
  EXPECT_EQ(hex_of(values_.g_b), vectors::kOwnGB);
  random_.add(12, 0xdd);
  const Bytes request = client::make_set_client_dh_params(
      values_, write_client_dh_inner_data(client::make_client_dh_inner(values_)),
      &ScriptedRandom::source);
  ByteReader reader(request);
  EXPECT_EQ(hex_of(read_set_client_dh_params(reader)->encrypted_data),
            vectors::kOwnClientEncrypted);

  const HandshakeOutcome answer = server_.send(request);
  ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
  EXPECT_TRUE(answer.finished);
  EXPECT_EQ(hex_of(write_unencrypted(0x6500000000000005, answer.reply)), vectors::kOwnDhGenOk);
  ASSERT_EQ(server_.stored.size(), 1u);
  const CreatedKey& created = *server_.stored[0];
  EXPECT_EQ(hex_of(created.key.view()), vectors::kOwnAuthKey);
  EXPECT_EQ(created.auth_key_id, number(vectors::kOwnAuthKeyId));
  EXPECT_EQ(created.auth_key_id, 6505441722758118015);
  EXPECT_EQ(created.salt, 3472328296227680304);
  EXPECT_EQ(created.type, AuthKeyType::kMediaTemporary);
  EXPECT_EQ(created.expires_in, 86400);
}

TEST_F(OwnRun, RetryAndFailureHashes) {
  const AuthKeyBytes key = secret<256>(vectors::kOwnAuthKey);
  EXPECT_EQ(auth_key_aux_hash(key), number(vectors::kOwnAuxHash));
  values_.auth_key = key;
  using Case = std::pair<StoreResult, std::string_view>;
  for (const Case& c : {Case{StoreResult::kRetry, vectors::kOwnNewNonceHash2},
                        Case{StoreResult::kFailed, vectors::kOwnNewNonceHash3}}) {
    server_.set = HandshakeSet(&server_.config);
    run_to_dh_sent(vectors::kOwnPadEncrypted);
    server_.store_results = {c.first};
    const HandshakeOutcome answer = send_encrypted(hex(vectors::kOwnClientEncrypted));
    ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
    EXPECT_FALSE(answer.finished);
    ByteReader reader(answer.reply);
    EXPECT_EQ(hex_of(read_dh_gen_answer(reader)->new_nonce_hash), c.second);
  }
}

TEST_F(OwnRun, InnerDataForms) {
  EXPECT_EQ(hex_of(write_pq_inner_data(client::make_inner_data(values_)).view()),
            vectors::kOwnInnerData);
  values_.dc = 2;
  EXPECT_EQ(hex_of(write_pq_inner_data(client::make_inner_data(values_)).view()),
            vectors::kOwnInnerDataDc);
  values_.dc.reset();
  values_.temporary = true;
  values_.expires_in = 86400;
  EXPECT_EQ(hex_of(write_pq_inner_data(client::make_inner_data(values_)).view()),
            vectors::kOwnInnerDataTemp);
  values_.dc = -2;
  EXPECT_EQ(hex_of(write_pq_inner_data(client::make_inner_data(values_)).view()),
            vectors::kOwnInnerDataTempDc);
}

TEST_F(OwnRun, ClientPadsTheSame) {
  Secret<client::kRsaPadDataBytes> padded;
  const Bytes data = hex(vectors::kOwnInnerDataTempDc);
  std::fill_n(padded.data(), padded.size(), uint8_t{0xaa});
  std::ranges::copy(data, padded.data());
  const std::array<uint8_t, 32> zero_key{};
  EXPECT_EQ(hex_of(client::make_rsa_pad_block(padded.view(), zero_key).view()),
            vectors::kOwnPadBlock);
  random_.add(88, 0xaa);
  random_.add(32, 0x00);
  EXPECT_EQ(hex_of(*client::rsa_pad_encrypt(*own_key(), data, &ScriptedRandom::source)),
            vectors::kOwnPadEncrypted);

  random_.add(88, 0xaa);
  random_.add(hex(vectors::kOwnZeroTempKey));
  EXPECT_EQ(hex_of(*client::rsa_pad_encrypt(*own_key(), data, &ScriptedRandom::source)),
            vectors::kOwnZeroEncrypted);

  const Bytes plain = hex(vectors::kOwnInnerData);
  random_.add(235 - plain.size(), 0xbb);
  EXPECT_EQ(hex_of(*client::legacy_encrypt(*own_key(), plain, &ScriptedRandom::source)),
            vectors::kOwnLegacyEncrypted);
}

TEST_F(OwnRun, BlockWithLeadingZeroByteIsAccepted) { run_to_dh_sent(vectors::kOwnZeroEncrypted); }

TEST_F(OwnRun, LegacyPaddingIsAccepted) { run_to_dh_sent(vectors::kOwnLegacyEncrypted); }

TEST_F(OwnRun, LegacyPaddingCanBeSwitchedOff) {
  server_.config.legacy_rsa_padding = false;
  run_req_pq();
  random_.add(crypto::kDhExponentBytes, 0x5a);
  testing::expect_refused(run_req_dh(vectors::kOwnLegacyEncrypted), Error::kBadRsa);
}

TEST_F(OwnRun, FlippedHashBitIsRefused) {
  run_req_pq();
  random_.add(crypto::kDhExponentBytes, 0x5a);
  testing::expect_refused(run_req_dh(vectors::kOwnFlippedEncrypted), Error::kBadRsa);
}

TEST_F(OwnRun, GBOfOneIsRefused) {
  run_to_dh_sent(vectors::kOwnPadEncrypted);
  const Bytes sealed = sealed_g_b(Bytes{1});
  EXPECT_EQ(hex_of(sealed), vectors::kOwnGBOneEncrypted);
  testing::expect_refused(send_encrypted(sealed), Error::kBadDh);
}

TEST_F(OwnRun, GBOfPMinusOneIsRefused) {
  run_to_dh_sent(vectors::kOwnPadEncrypted);
  Bytes g_b(crypto::dh_prime().begin(), crypto::dh_prime().end());
  --g_b.back();
  const Bytes sealed = sealed_g_b(g_b);
  EXPECT_EQ(hex_of(crypto::sha256({sealed})), vectors::kOwnGBMinusOneSha256);
  testing::expect_refused(send_encrypted(sealed), Error::kBadDh);
}

TEST_F(OwnRun, GBOf2To1983IsRefused) {
  run_to_dh_sent(vectors::kOwnPadEncrypted);
  Bytes g_b(248);
  g_b[0] = 0x80;
  const Bytes sealed = sealed_g_b(g_b);
  EXPECT_EQ(hex_of(crypto::sha256({sealed})), vectors::kOwnGB1983Sha256);
  testing::expect_refused(send_encrypted(sealed), Error::kBadDh);
}

// A draw of small value still gives an exponent of full length.
TEST_F(OwnRun, AHasItsFullLengthWhateverIsDrawn) {
  run_req_pq();
  Bytes small(crypto::kDhExponentBytes);
  small.back() = 7;  // 3^7 is far below 2^1984
  random_.add(small);
  random_.add(8, 0xcc);
  const HandshakeOutcome answer = run_req_dh(vectors::kOwnPadEncrypted);
  ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
  ASSERT_TRUE(client::take_server_dh_params(answer.reply, values_).ok());
  small.front() = 0x80;
  std::array<uint8_t, crypto::kDhBytes> expected{};
  crypto::dh_public(small, expected);
  EXPECT_EQ(hex_of(values_.g_a), hex_of(expected));
}

TEST_F(OwnRun, KeyWithLeadingZeroByteIsPaddedLeft) {
  run_to_dh_sent(vectors::kOwnPadEncrypted);
  Bytes b(256, 0x3c);
  b[254] = 0x02;
  b[255] = 0x48;  // with this a the key has 2040 bits
  random_.add(b);
  ASSERT_TRUE(client::compute_key(values_, &ScriptedRandom::source, crypto::kDhBytes).ok());
  ASSERT_EQ(values_.auth_key.data()[0], 0);
  const HandshakeOutcome answer = send_encrypted(sealed_g_b(Bytes(values_.g_b)));
  ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
  ASSERT_EQ(server_.stored.size(), 1u);
  EXPECT_EQ(hex_of(server_.stored[0]->key.view()), hex_of(values_.auth_key.view()));
  EXPECT_EQ(*client::take_dh_gen(answer.reply, values_), DhGen::kOk);
}

}  // namespace
}  // namespace ringway::mtproto
