// The client's side of the key exchange: with our server in every form, and what it refuses to
// believe.
#include "client/handshake.h"

#include <gtest/gtest.h>
#include <openssl/bn.h>

#include <functional>

#include "base/limits.h"
#include "crypto/dh_group.h"
#include "crypto/openssl_ptr.h"
#include "mtproto/message.h"
#include "mtproto/tl.h"
#include "support/handshake_harness.h"

namespace ringway::client {
namespace {

using mtproto::DhGen;
using mtproto::HandshakeOutcome;
using mtproto::StoreResult;
using testing::own_key;
using testing::ServerHarness;
using testing::with_words;
using Kind = Handshake::Outcome::Kind;

HandshakeOptions options() {
  HandshakeOptions made;
  made.keys = {{own_key(), own_key()->fingerprint()}};
  return made;
}

Bytes ask(ServerHarness& server, ByteView request) {
  HandshakeOutcome outcome = server.send(request);
  EXPECT_EQ(outcome.kind, HandshakeOutcome::Kind::kReply) << to_string(outcome.error);
  return std::move(outcome.reply);
}

// Runs an exchange to its end, through on_answer().
Handshake::Outcome run(Handshake& handshake, ServerHarness& server) {
  Handshake::Outcome outcome{.kind = Kind::kSend, .object = handshake.start()};
  while (outcome.kind == Kind::kSend) {
    outcome = handshake.on_answer(ask(server, outcome.object), server.now);
  }
  return outcome;
}

struct Form {
  RsaPadding padding;
  int32_t expires_in;
  std::optional<int32_t> dc;
  mtproto::AuthKeyType type;
};

class EveryForm : public ::testing::TestWithParam<Form> {};

TEST_P(EveryForm, MakesTheSameKeyOnBothSides) {
  HandshakeOptions chosen = options();
  chosen.padding = GetParam().padding;
  chosen.expires_in = GetParam().expires_in;
  chosen.dc = GetParam().dc;
  Handshake handshake(chosen);
  ServerHarness server;
  ASSERT_EQ(run(handshake, server).kind, Kind::kDone);
  ASSERT_EQ(server.stored.size(), 1u);
  const mtproto::CreatedKey& ours = handshake.result().created;
  const mtproto::CreatedKey& theirs = *server.stored[0];
  EXPECT_TRUE(equal(ours.key.view(), theirs.key.view()));
  EXPECT_EQ(ours.auth_key_id, theirs.auth_key_id);
  EXPECT_EQ(ours.salt, theirs.salt);
  EXPECT_EQ(ours.type, GetParam().type);
  EXPECT_EQ(theirs.type, GetParam().type);
  EXPECT_EQ(ours.expires_in, theirs.expires_in);
  EXPECT_EQ(handshake.result().fingerprint, own_key()->fingerprint());
}

using mtproto::AuthKeyType;
INSTANTIATE_TEST_SUITE_P(
    Handshake, EveryForm,
    ::testing::Values(Form{RsaPadding::kRsaPad, 0, std::nullopt, AuthKeyType::kPermanent},
                      Form{RsaPadding::kRsaPad, 0, 2, AuthKeyType::kPermanent},
                      Form{RsaPadding::kRsaPad, 60, std::nullopt, AuthKeyType::kTemporary},
                      Form{RsaPadding::kRsaPad, 86400, 10002, AuthKeyType::kTemporary},
                      Form{RsaPadding::kRsaPad, 1, -2, AuthKeyType::kMediaTemporary},
                      Form{RsaPadding::kLegacy, 0, std::nullopt, AuthKeyType::kPermanent},
                      Form{RsaPadding::kLegacy, 0, 2, AuthKeyType::kPermanent},
                      Form{RsaPadding::kLegacy, 60, std::nullopt, AuthKeyType::kTemporary},
                      Form{RsaPadding::kLegacy, 86400, 4, AuthKeyType::kTemporary},
                      Form{RsaPadding::kLegacy, 1, -2, AuthKeyType::kMediaTemporary}));

TEST(ClientHandshake, HeavyStepsCanRunApart) {
  Handshake handshake(options());
  ServerHarness server;
  Bytes request = handshake.start();
  for (int step = 0; step < 2; ++step) {
    ASSERT_EQ(handshake.accept(ask(server, request), server.now).kind, Kind::kWork);
    Handshake::Outcome sent = handshake.work();
    ASSERT_EQ(sent.kind, Kind::kSend);
    request = std::move(sent.object);
  }
  EXPECT_EQ(handshake.accept(ask(server, request), server.now).kind, Kind::kDone);
  EXPECT_TRUE(handshake.done());
}

TEST(ClientHandshake, WordsBehindAnswersAreAccepted) {
  Handshake handshake(options());
  ServerHarness server;
  Handshake::Outcome outcome{.kind = Kind::kSend, .object = handshake.start()};
  while (outcome.kind == Kind::kSend) {
    outcome = handshake.on_answer(with_words(ask(server, outcome.object), 15), server.now);
  }
  EXPECT_EQ(outcome.kind, Kind::kDone);
}

TEST(ClientHandshake, TellsTheDifferenceOfTheClocks) {
  for (const int64_t offset : {-100'000, 0, 3, 86'400}) {
    Handshake handshake(options());
    ServerHarness server;
    Now ours = server.now;
    ours.unix_ns -= offset * kNsPerSecond;
    Handshake::Outcome outcome{.kind = Kind::kSend, .object = handshake.start()};
    while (outcome.kind == Kind::kSend) {
      outcome = handshake.on_answer(ask(server, outcome.object), ours);
    }
    ASSERT_EQ(outcome.kind, Kind::kDone);
    EXPECT_EQ(handshake.result().time_offset_seconds, offset);
  }
}

TEST(ClientHandshake, PrefersItsFirstKeyThatIsOffered) {
  const auto unknown = crypto::RsaKey::generate();
  const auto second = crypto::RsaKey::generate();
  ServerHarness server;
  server.config.keys.push_back({second, second->fingerprint()});
  HandshakeOptions chosen;
  chosen.keys = {{unknown, unknown->fingerprint()},
                 {second, second->fingerprint()},
                 {own_key(), own_key()->fingerprint()}};
  Handshake handshake(chosen);
  ASSERT_EQ(run(handshake, server).kind, Kind::kDone);
  EXPECT_EQ(handshake.result().fingerprint, second->fingerprint());
}

TEST(ClientHandshake, RetriesWithAnotherKey) {
  Handshake handshake(options());
  ServerHarness server;
  server.store_results = {StoreResult::kRetry, StoreResult::kRetry};
  ASSERT_EQ(run(handshake, server).kind, Kind::kDone);
  ASSERT_EQ(server.stored.size(), 3u);
  EXPECT_EQ(handshake.result().created.auth_key_id, server.stored[2]->auth_key_id);
  EXPECT_NE(server.stored[0]->auth_key_id, server.stored[2]->auth_key_id);
}

TEST(ClientHandshake, GivesUpWhenTheServerDoes) {
  for (const StoreResult result : {StoreResult::kRetry, StoreResult::kFailed}) {
    Handshake handshake(options());
    ServerHarness server;
    server.store_results.assign(6, result);
    const Handshake::Outcome outcome = run(handshake, server);
    EXPECT_EQ(outcome.kind, Kind::kFailed);
    EXPECT_EQ(outcome.error, Error::kUnavailable);
  }
}

TEST(ClientHandshake, AServerThatRetriesForEverIsLeft) {
  Handshake handshake(options());
  ServerHarness server;
  Bytes request = handshake.start();
  for (int step = 0; step < 2; ++step) {
    request = handshake.on_answer(ask(server, request), server.now).object;
  }
  const auto retry = [&] {
    ExchangeValues& values = handshake.values();
    return mtproto::write_dh_gen_answer(
        {DhGen::kRetry, values.nonce, values.server_nonce,
         mtproto::new_nonce_hash(values.new_nonce, DhGen::kRetry,
                                 mtproto::auth_key_aux_hash(values.auth_key))});
  };
  for (int i = 0; i < kHandshakeRetriesMax; ++i) {
    ASSERT_EQ(handshake.on_answer(retry(), server.now).kind, Kind::kSend);
  }
  EXPECT_EQ(handshake.on_answer(retry(), server.now).error, Error::kUnavailable);
}

TEST(ClientHandshake, LaterMessagesDoNotTakeTheKeyAway) {
  Handshake handshake(options());
  ServerHarness server;
  ASSERT_EQ(run(handshake, server).kind, Kind::kDone);
  const Handshake::Outcome outcome = handshake.on_answer(Bytes(64, 0x11), server.now);
  EXPECT_EQ(outcome.kind, Kind::kFailed);
  EXPECT_EQ(outcome.error, Error::kBadState);
  EXPECT_EQ(handshake.result().created.auth_key_id, server.stored[0]->auth_key_id);
}

TEST(ClientHandshake, AnswersOutOfOrderAreRefused) {
  ServerHarness server;
  Handshake idle(options());
  EXPECT_EQ(idle.on_answer(Bytes(64), server.now).error, Error::kBadState);
  Handshake handshake(options());
  const Bytes res_pq = ask(server, handshake.start());
  ASSERT_EQ(handshake.on_answer(res_pq, server.now).kind, Kind::kSend);
  EXPECT_EQ(handshake.on_answer(res_pq, server.now).error, Error::kMalformed);
  EXPECT_EQ(handshake.on_answer(res_pq, server.now).error, Error::kBadState);
  EXPECT_EQ(handshake.work().error, Error::kBadState);
}

// What a careful client refuses. A server of our own, whose answers are rewritten on the way.

class CarefulClient : public ::testing::Test {
 protected:
  // The client's verdict on a changed resPQ.
  Error on_res_pq(const std::function<void(mtproto::ResPq&)>& change) {
    ServerHarness server;
    Handshake handshake(options());
    const Bytes object = ask(server, handshake.start());
    ByteReader reader(object);
    mtproto::ResPq answer = *mtproto::read_res_pq(reader);
    change(answer);
    return handshake.on_answer(mtproto::write_res_pq(answer), server.now).error;
  }

  // The client's verdict on a changed server_DH_inner_data, sealed anew; `extra` bytes of padding
  // more.
  Error on_inner(const std::function<void(mtproto::ServerDhInnerData&)>& change,
                 size_t extra_bytes = 0) {
    ServerHarness server;
    Handshake handshake(options());
    const Bytes object = run_to_dh_params(server, handshake);
    ExchangeValues& values = handshake.values();
    crypto::IgeKeyIv key_iv;
    mtproto::derive_tmp_key_iv(values.new_nonce, values.server_nonce, key_iv);
    ByteReader reader(object);
    const mtproto::ServerDhParamsOk answer = *mtproto::read_server_dh_params_ok(reader);
    const Bytes opened = *mtproto::open_with_hash(answer.encrypted_answer, key_iv);
    ByteReader inner_reader(ByteView(opened).subspan(mtproto::kHashBytes));
    mtproto::ServerDhInnerData inner = *mtproto::read_server_dh_inner_data(inner_reader);
    change(inner);
    const Bytes changed = mtproto::write_server_dh_inner_data(inner);
    Bytes sealed = mtproto::seal_with_hash(changed, key_iv, &crypto::random_bytes);
    if (extra_bytes != 0) {
      sealed = *mtproto::open_with_hash(sealed, key_iv);
      sealed.resize(sealed.size() + extra_bytes);
      const crypto::IgeJob job{&key_iv, sealed};
      crypto::ige_encrypt_many({&job, 1});
    }
    const Error verdict =
        handshake
            .on_answer(
                mtproto::write_server_dh_params_ok({answer.nonce, answer.server_nonce, sealed}),
                server.now)
            .error;
    seen_ = values;
    return verdict;
  }

  // The client's verdict on an answer with one bit flipped, at step 2 or 3.
  Error on_flipped(int step, size_t at) {
    ServerHarness server;
    Handshake handshake(options());
    Bytes object = run_to_dh_params(server, handshake);
    if (step == 3) object = ask(server, handshake.on_answer(object, server.now).object);
    object[at] ^= 0x04;
    return handshake.on_answer(object, server.now).error;
  }

  static Bytes run_to_dh_params(ServerHarness& server, Handshake& handshake) {
    const Bytes res_pq = ask(server, handshake.start());
    return ask(server, handshake.on_answer(res_pq, server.now).object);
  }

  ExchangeValues seen_;  // after on_inner()
};

TEST_F(CarefulClient, ChecksResPq) {
  EXPECT_EQ(on_res_pq([](mtproto::ResPq&) {}), Error::kNone);
  EXPECT_EQ(on_res_pq([](mtproto::ResPq& answer) { answer.nonce[0] ^= 1; }), Error::kBadNonce);
  EXPECT_EQ(on_res_pq([](mtproto::ResPq& answer) { answer.fingerprints[0] ^= 1; }),
            Error::kBadFingerprint);
  EXPECT_EQ(on_res_pq([](mtproto::ResPq& answer) { answer.fingerprints.clear(); }),
            Error::kBadFingerprint);
  EXPECT_EQ(on_res_pq([](mtproto::ResPq& answer) { answer.fingerprints.resize(kServerKeysMax); }),
            Error::kNone);
  EXPECT_EQ(
      on_res_pq([](mtproto::ResPq& answer) { answer.fingerprints.resize(kServerKeysMax + 1); }),
      Error::kTooLarge);
}

TEST_F(CarefulClient, ChecksPq) {
  const auto verdict = [this](const Bytes& pq) {
    return on_res_pq([&](mtproto::ResPq& answer) { answer.pq = pq; });
  };
  EXPECT_EQ(verdict({}), Error::kMalformed);
  EXPECT_EQ(verdict({0}), Error::kMalformed);
  EXPECT_EQ(verdict({1}), Error::kMalformed);
  EXPECT_EQ(verdict(mtproto::to_big_endian(0x7fffffff)), Error::kMalformed);  // prime
  EXPECT_EQ(verdict(mtproto::to_big_endian(0x7fffffffULL * 0x7fffffffULL)), Error::kMalformed);
  EXPECT_EQ(verdict(Bytes(9, 0x7f)), Error::kTooLarge);
  EXPECT_EQ(verdict(Bytes(8, 0xff)), Error::kMalformed);
}

TEST_F(CarefulClient, ChecksServerDhInnerData) {
  using Inner = mtproto::ServerDhInnerData;
  EXPECT_EQ(on_inner([](Inner&) {}), Error::kNone);
  EXPECT_EQ(on_inner([](Inner& inner) { inner.nonce[9] ^= 1; }), Error::kBadNonce);
  EXPECT_EQ(on_inner([](Inner& inner) { inner.server_nonce[9] ^= 1; }), Error::kBadNonce);
  // The known prime allows 3, 4 and 7.
  for (const int32_t g : {-3, 0, 1, 2, 5, 6, 8}) {
    EXPECT_EQ(on_inner([g](Inner& inner) { inner.g = g; }), Error::kBadDh) << g;
  }
  EXPECT_EQ(on_inner([](Inner&) {}, 16), Error::kBadInnerData);  // padding of 16 and more
}

TEST_F(CarefulClient, ChecksPrimeAndGA) {
  using Inner = mtproto::ServerDhInnerData;
  const Bytes prime(crypto::dh_prime().begin(), crypto::dh_prime().end());
  Bytes other = prime;
  other.back() ^= 2;
  EXPECT_EQ(on_inner([&](Inner& inner) { inner.dh_prime = other; }), Error::kBadDh);
  EXPECT_EQ(on_inner([&](Inner& inner) { inner.dh_prime = ByteView(prime).first(255); }),
            Error::kBadDh);
  Bytes minus_one = prime;
  --minus_one.back();
  Bytes below(248, 0xff);  // 2^1984 - 1
  Bytes longer(257, 0x01);
  for (const Bytes& g_a :
       {Bytes(), Bytes{0}, Bytes{1}, Bytes{3}, minus_one, prime, below, longer}) {
    EXPECT_EQ(on_inner([&](Inner& inner) { inner.g_a = g_a; }), Error::kBadDh) << to_hex(g_a);
  }
  Bytes edge(249);  // 2^1984 is the first that may be
  edge[0] = 1;
  EXPECT_EQ(on_inner([&](Inner& inner) { inner.g_a = edge; }), Error::kNone);
}

// https://core.telegram.org/mtproto/auth_key leaves the group to the server, if it is a good one.
TEST_F(CarefulClient, TakesAnotherGroupThatIsGood) {
  using Inner = mtproto::ServerDhInnerData;
  const crypto::BnPtr number(BN_get_rfc3526_prime_2048(nullptr));
  Bytes prime(crypto::kDhBytes);
  BN_bn2bin(number.get(), prime.data());
  for (const auto& group : {*crypto::read_dh_group(2, prime), *crypto::read_dh_group(5, prime),
                            *crypto::read_dh_group(7, crypto::dh_prime())}) {
    crypto::DhExponent a;
    crypto::random_bytes(a.span());
    std::array<uint8_t, crypto::kDhBytes> g_a;
    crypto::dh_public(group, a.view(), g_a);
    const auto tell = [&](Inner& inner) {
      inner.g = group.g;
      inner.dh_prime = group.prime;
      inner.g_a = g_a;
    };
    EXPECT_EQ(on_inner(tell), Error::kNone);
    std::array<uint8_t, crypto::kDhBytes> key;
    ASSERT_TRUE(crypto::dh_power(group, seen_.g_b, a.view(), key).ok());
    EXPECT_TRUE(equal(seen_.auth_key.view(), key)) << group.g;
  }
  // g and its residue alone do not tell.
  Bytes composite = prime;
  composite[100] ^= 2;
  EXPECT_EQ(on_inner([&](Inner& inner) {
              inner.g = 4;
              inner.dh_prime = composite;
            }),
            Error::kBadDh);
}

TEST_F(CarefulClient, ChecksServerDhParams) {
  EXPECT_EQ(on_flipped(2, 0), Error::kMalformed);
  EXPECT_EQ(on_flipped(2, 4), Error::kBadNonce);
  EXPECT_EQ(on_flipped(2, 35), Error::kBadNonce);
  for (const size_t at : {40u, 59u, 60u, 200u, 600u}) {
    EXPECT_EQ(on_flipped(2, at), Error::kBadInnerData) << at;
  }
}

TEST_F(CarefulClient, ChecksDhGen) {
  EXPECT_EQ(on_flipped(3, 0), Error::kMalformed);
  EXPECT_EQ(on_flipped(3, 4), Error::kBadNonce);
  EXPECT_EQ(on_flipped(3, 20), Error::kBadNonce);
  for (const size_t at : {36u, 51u}) EXPECT_EQ(on_flipped(3, at), Error::kBadInnerData) << at;
}

TEST_F(CarefulClient, TheHashTellsTheAnswersApart) {
  // dh_gen_ok's hash under another constructor is no dh_gen_retry, nor the other way round.
  ServerHarness server;
  Handshake handshake(options());
  Bytes object = run_to_dh_params(server, handshake);
  object = ask(server, handshake.on_answer(object, server.now).object);
  store_le(object.data(), mtproto::constructor::kDhGenRetry);
  EXPECT_EQ(handshake.on_answer(object, server.now).error, Error::kBadInnerData);
}

TEST_F(CarefulClient, TruncatedAnswersAreRefused) {
  ServerHarness server;
  Handshake whole(options());
  const Bytes object = run_to_dh_params(server, whole);
  ExchangeValues values = whole.values();
  for (size_t size = 0; size < object.size(); ++size) {
    EXPECT_FALSE(take_server_dh_params(ByteView(object).first(size), values).ok()) << size;
  }
  EXPECT_TRUE(take_server_dh_params(object, values).ok());
}

TEST(ClientSteps, PaddingsRefuseWhatDoesNotFit) {
  EXPECT_TRUE(rsa_pad_encrypt(*own_key(), Bytes(144), &crypto::random_bytes).ok());
  EXPECT_EQ(rsa_pad_encrypt(*own_key(), Bytes(145), &crypto::random_bytes).error(),
            Error::kTooLarge);
  EXPECT_TRUE(legacy_encrypt(*own_key(), Bytes(235), &crypto::random_bytes).ok());
  EXPECT_EQ(legacy_encrypt(*own_key(), Bytes(236), &crypto::random_bytes).error(),
            Error::kTooLarge);
}

TEST(ClientSteps, WeakBIsDrawnAgain) {
  testing::ScriptedRandom random;
  Bytes weak(256);
  weak.back() = 5;
  random.add(weak);
  random.add(256, 0x3c);
  ExchangeValues values;
  values.g_a = testing::hex_array<256>(handshake_vectors::kOwnGA);
  ASSERT_TRUE(compute_key(values, &testing::ScriptedRandom::source, crypto::kDhBytes).ok());
  EXPECT_EQ(to_hex(values.g_b), handshake_vectors::kOwnGB);
  EXPECT_EQ(to_hex(values.auth_key.view()), handshake_vectors::kOwnAuthKey);
}

}  // namespace
}  // namespace ringway::client
