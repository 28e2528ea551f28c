// The server's side of the key exchange: what it accepts, and that everything else is refused
// alike.
#include <gtest/gtest.h>

#include <limits>

#include "base/limits.h"
#include "crypto/factor.h"
#include "mtproto/message.h"
#include "mtproto/tl.h"
#include "support/handshake_harness.h"

namespace ringway::mtproto {
namespace {

using testing::expect_refused;
using testing::expect_reply;
using testing::own_key;
using testing::ServerHarness;
using testing::StepClient;
using testing::with_words;
using Kind = HandshakeOutcome::Kind;

class Handshake : public ::testing::Test {
 protected:
  // A server and a client that stand before step 2, or before step 3.
  void begin() { client_.begin(server_); }
  void begin_and_exchange() {
    client_.begin(server_);
    client_.exchange(server_);
  }
  HandshakeOutcome finish() { return server_.send(client_.set_client()); }

  ServerHarness server_;
  StepClient client_;
};

// Step 1.

TEST_F(Handshake, ResPqOffersEveryKeyAndTwoPrimes) {
  server_.config.keys.push_back({own_key(), 0x1122334455667788});
  const HandshakeOutcome answer = server_.send(client_.req_pq());
  ASSERT_EQ(answer.kind, Kind::kReply);
  EXPECT_EQ(answer.nonce, client_.values.nonce);
  ByteReader reader(answer.reply);
  const Result<ResPq> res_pq = read_res_pq(reader);
  ASSERT_TRUE(res_pq.ok());
  EXPECT_EQ(reader.remaining(), 0u);
  EXPECT_EQ(res_pq->nonce, client_.values.nonce);
  EXPECT_EQ(res_pq->fingerprints,
            (std::vector<uint64_t>{own_key()->fingerprint(), 0x1122334455667788}));
  const Result<uint64_t> pq = from_big_endian(res_pq->pq);
  ASSERT_TRUE(pq.ok());
  EXPECT_LT(*pq, uint64_t{1} << 63);
  const crypto::PrimePair primes = crypto::factor(*pq);
  EXPECT_TRUE(crypto::is_prime(primes.p));
  EXPECT_TRUE(crypto::is_prime(primes.q));
  EXPECT_LT(primes.p, primes.q);
}

TEST_F(Handshake, ServerNoncesDiffer) {
  StepClient other;
  client_.begin(server_);
  other.begin(server_);
  EXPECT_NE(client_.values.server_nonce, other.values.server_nonce);
  EXPECT_NE(client_.values.pq, other.values.pq);
}

TEST_F(Handshake, RepeatedReqPqGetsTheSameAnswer) {
  const HandshakeOutcome first = server_.send(client_.req_pq());
  expect_reply(server_.send(client_.req_pq()), first.reply);
  EXPECT_EQ(server_.set.size(), 1u);
}

TEST_F(Handshake, OlderReqPqWorksToo) {
  const Bytes object = write_req_pq({.multi = false, .nonce = client_.values.nonce});
  const HandshakeOutcome first = server_.send(object);
  ASSERT_EQ(first.kind, Kind::kReply);
  // The other form with the same nonce is another request in a used state.
  expect_refused(server_.send(client_.req_pq()), Error::kBadState);
  EXPECT_EQ(server_.set.size(), 0u);
}

TEST_F(Handshake, ReqPqInALaterStateIsRefused) {
  begin_and_exchange();
  expect_refused(server_.send(client_.req_pq()), Error::kBadState);
  expect_refused(finish(), Error::kBadState);
}

TEST_F(Handshake, FourthNonceEvictsTheOldest) {
  std::array<StepClient, kHandshakeStatesPerConnection + 1> clients;
  for (StepClient& client : clients) client.begin(server_);
  EXPECT_EQ(server_.set.size(), kHandshakeStatesPerConnection);
  EXPECT_EQ(server_.set.take_evicted(), 1u);
  EXPECT_EQ(server_.set.take_evicted(), 0u);
  for (size_t i = 1; i < clients.size(); ++i) clients[i].exchange(server_);
  for (size_t i = 1; i < clients.size(); ++i) {
    EXPECT_TRUE(server_.send(clients[i].set_client()).finished);
  }
  expect_refused(server_.send(clients[0].req_dh_params()), Error::kBadState);
}

// Step 2.

TEST_F(Handshake, WrongNoncesInReqDhParams) {
  begin();
  const Bytes good = client_.req_dh_params();
  for (const size_t at : {4u, 19u, 20u, 35u}) {
    ServerHarness server;
    StepClient client;
    client.begin(server);
    Bytes object = client.req_dh_params();
    object[at] ^= 0x01;
    expect_refused(server.send(object), at < 20 ? Error::kBadState : Error::kBadNonce);
  }
  EXPECT_EQ(server_.send(good).kind, Kind::kReply);
}

TEST_F(Handshake, AFailureKillsTheNonce) {
  begin();
  Bytes object = client_.req_dh_params();
  object[20] ^= 0x01;
  expect_refused(server_.send(object), Error::kBadNonce);
  EXPECT_EQ(server_.set.size(), 0u);
  expect_refused(server_.send(client_.req_dh_params()), Error::kBadState);
}

TEST_F(Handshake, FactorsMustBeOursAndInOrder) {
  const auto refuse = [](auto change) {
    ServerHarness server;
    StepClient client;
    client.begin(server);
    const Bytes encrypted = client.encrypt();
    change(client.values);
    expect_refused(server.send(client::make_req_dh_params(client.values, encrypted)),
                   Error::kMalformed);
  };
  refuse([](client::ExchangeValues& values) { std::swap(values.p, values.q); });
  refuse([](client::ExchangeValues& values) { values.p.back() ^= 2; });
  refuse([](client::ExchangeValues& values) { values.q.back() ^= 2; });
  refuse([](client::ExchangeValues& values) { values.p.clear(); });
  refuse([](client::ExchangeValues& values) { values.p.insert(values.p.begin(), 8, 1); });
}

TEST_F(Handshake, FactorsAreComparedAsNumbers) {
  begin();
  for (Bytes* number : {&client_.values.pq, &client_.values.p, &client_.values.q}) {
    number->insert(number->begin(), 6, 0);
  }
  EXPECT_EQ(server_.send(client_.req_dh_params()).kind, Kind::kReply);
}

TEST_F(Handshake, UnknownFingerprint) {
  begin();
  client_.values.server_key.fingerprint ^= 1;
  expect_refused(server_.send(client_.req_dh_params()), Error::kBadFingerprint);
}

TEST_F(Handshake, ConfiguredFingerprintIsUsed) {
  server_.config.keys[0].fingerprint = 42;
  const HandshakeOutcome answer = server_.send(client_.req_pq());
  const client::ServerKey keys[] = {{own_key(), 42}};
  ASSERT_TRUE(client::take_res_pq(answer.reply, keys, client_.values).ok());
  ASSERT_TRUE(client::solve_pq(client_.values).ok());
  client_.exchange(server_);
  EXPECT_TRUE(finish().finished);
}

TEST_F(Handshake, TheKeyThatTheFingerprintNamesIsUsed) {
  const auto second = crypto::RsaKey::generate();
  server_.config.keys.push_back({second, second->fingerprint()});
  const HandshakeOutcome answer = server_.send(client_.req_pq());
  const client::ServerKey keys[] = {{second, second->fingerprint()}};
  ASSERT_TRUE(client::take_res_pq(answer.reply, keys, client_.values).ok());
  ASSERT_TRUE(client::solve_pq(client_.values).ok());
  const SecretString data = write_pq_inner_data(client::make_inner_data(client_.values));
  const Bytes encrypted = *client::rsa_pad_encrypt(*second, data.view(), &crypto::random_bytes);
  EXPECT_EQ(server_.send(client::make_req_dh_params(client_.values, encrypted)).kind, Kind::kReply);
}

TEST_F(Handshake, EncryptedDataHasExactly256Bytes) {
  for (const size_t size : {0u, 1u, 255u, 257u, 512u}) {
    ServerHarness server;
    StepClient client;
    client.begin(server);
    Bytes encrypted = client.encrypt();
    encrypted.resize(size);
    expect_refused(server.send(client::make_req_dh_params(client.values, encrypted)),
                   Error::kBadLength);
  }
  // A zero in front does not change the number, but the length counts.
  begin();
  Bytes encrypted = client_.encrypt();
  encrypted.insert(encrypted.begin(), 0);
  expect_refused(server_.send(client::make_req_dh_params(client_.values, encrypted)),
                 Error::kBadLength);
}

Bytes modulus() { return {own_key()->modulus().begin(), own_key()->modulus().end()}; }

TEST_F(Handshake, BadCiphertextsAreRefusedAfterTheSameWork) {
  Bytes below = modulus();
  below.back() -= 1;
  Bytes random(256);
  crypto::random_bytes(random);
  random[0] = 0x11;
  for (const Bytes& encrypted : {Bytes(256, 0xff), modulus(), below, random, Bytes(256)}) {
    ServerHarness server;
    StepClient client;
    client.begin(server);
    HandshakeOutcome outcome =
        server.set.on_message(client::make_req_dh_params(client.values, encrypted), server.now);
    ASSERT_EQ(outcome.kind, Kind::kWork);
    outcome.job->run();
    EXPECT_EQ(outcome.job->error, Error::kBadRsa);
    EXPECT_EQ(outcome.job->inner_data.size(), 0u);
    // The first power is computed all the same: the answer's time tells nothing.
    EXPECT_TRUE(crypto::dh_value_in_range(outcome.job->g_a));
    expect_refused(server.set.on_work_done(std::move(outcome.job), server.now), Error::kBadRsa);
  }
}

// Encrypts a block as it is.
Bytes raw_encrypt(const client::RsaBlock& block) {
  Bytes encrypted(crypto::kRsaBytes);
  EXPECT_TRUE(
      own_key()->public_raw(block.view(), std::span<uint8_t, crypto::kRsaBytes>(encrypted)).ok());
  return encrypted;
}

TEST_F(Handshake, EveryByteOfRsaPadIsCovered) {
  begin();
  Secret<client::kRsaPadDataBytes> padded;
  const SecretString data = write_pq_inner_data(client::make_inner_data(client_.values));
  std::ranges::copy(data.view(), padded.data());
  const std::array<uint8_t, 32> temp_key{0x31};
  for (const size_t at : {1u, 31u, 32u, 100u, 223u, 224u, 255u}) {
    client::RsaBlock block = client::make_rsa_pad_block(padded.view(), temp_key);
    block.data()[0] = 0x55;  // some temp_key, below the modulus
    block.data()[at] ^= 0x80;
    ServerHarness server;
    StepClient client;
    client.begin(server);
    expect_refused(server.send(client::make_req_dh_params(client.values, raw_encrypt(block))),
                   Error::kBadRsa);
  }
}

class LegacyPadding : public Handshake {
 protected:
  client::RsaBlock block() {
    const SecretString data = write_pq_inner_data(client::make_inner_data(client_.values));
    Bytes padding(235 - data.size());
    crypto::random_bytes(padding);
    return client::make_legacy_block(data.view(), padding);
  }
  HandshakeOutcome send(const client::RsaBlock& block) {
    return server_.send(client::make_req_dh_params(client_.values, raw_encrypt(block)));
  }
};

TEST_F(LegacyPadding, Accepted) {
  begin();
  EXPECT_EQ(send(block()).kind, Kind::kReply);
}

TEST_F(LegacyPadding, RefusedWhenSwitchedOff) {
  server_.config.legacy_rsa_padding = false;
  begin();
  expect_refused(send(block()), Error::kBadRsa);
}

TEST_F(LegacyPadding, FirstByteMustBeZero) {
  begin();
  client::RsaBlock changed = block();
  changed.data()[0] = 1;
  expect_refused(send(changed), Error::kBadRsa);
}

TEST_F(LegacyPadding, HashMustMatch) {
  for (const size_t at : {1u, 20u, 21u, 60u}) {
    server_.set = HandshakeSet(&server_.config);
    begin();
    client::RsaBlock changed = block();
    changed.data()[at] ^= 0x40;
    expect_refused(send(changed), Error::kBadRsa);
  }
}

TEST_F(LegacyPadding, ObjectMustFitTheBlock) {
  begin();
  // A pq that claims to run past the end of the block.
  client::RsaBlock changed = block();
  changed.data()[21 + 4] = 253;
  expect_refused(send(changed), Error::kBadRsa);
}

TEST_F(Handshake, InnerDataMustMatch) {
  const auto refuse = [](Error error, auto change) {
    ServerHarness server;
    StepClient client;
    client.begin(server);
    PqInnerData inner = client::make_inner_data(client.values);
    change(inner);
    const Bytes object = client::make_req_dh_params(client.values, client.encrypt(inner));
    expect_refused(server.send(object), error);
    EXPECT_EQ(server.set.size(), 0u);
  };
  const Bytes seven{7};
  refuse(Error::kBadInnerData, [&](PqInnerData& inner) { inner.pq = seven; });
  refuse(Error::kBadInnerData, [&](PqInnerData& inner) { inner.p = seven; });
  refuse(Error::kBadInnerData, [&](PqInnerData& inner) { inner.q = seven; });
  refuse(Error::kBadInnerData, [](PqInnerData& inner) { std::swap(inner.p, inner.q); });
  refuse(Error::kBadNonce, [](PqInnerData& inner) { inner.nonce[15] ^= 1; });
  refuse(Error::kBadNonce, [](PqInnerData& inner) { inner.server_nonce[0] ^= 1; });
}

TEST_F(Handshake, InnerDataMustBeThatObject) {
  begin();
  const Bytes object = client_.req_pq();
  const Bytes encrypted = *client::rsa_pad_encrypt(*own_key(), object, &crypto::random_bytes);
  expect_refused(server_.send(client::make_req_dh_params(client_.values, encrypted)),
                 Error::kBadInnerData);
}

struct TypeCase {
  std::optional<int32_t> dc;
  int32_t expires_in;  // 0: permanent form
  AuthKeyType type;
};

TEST_F(Handshake, KeyTypes) {
  constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
  constexpr int32_t kMin = std::numeric_limits<int32_t>::min();
  for (const TypeCase& c :
       {TypeCase{std::nullopt, 0, AuthKeyType::kPermanent}, TypeCase{2, 0, AuthKeyType::kPermanent},
        TypeCase{-2, 0, AuthKeyType::kPermanent},
        TypeCase{std::nullopt, 86400, AuthKeyType::kTemporary},
        TypeCase{4, 1, AuthKeyType::kTemporary}, TypeCase{0, 1, AuthKeyType::kTemporary},
        TypeCase{10002, kMax, AuthKeyType::kTemporary},
        TypeCase{-2, kMax, AuthKeyType::kMediaTemporary},
        TypeCase{kMin, 60, AuthKeyType::kMediaTemporary}}) {
    ServerHarness server;
    StepClient client;
    client.values.dc = c.dc;
    client.values.temporary = c.expires_in != 0;
    client.values.expires_in = c.expires_in;
    client.begin(server);
    client.exchange(server);
    EXPECT_TRUE(server.send(client.set_client()).finished);
    ASSERT_EQ(server.stored.size(), 1u);
    EXPECT_EQ(server.stored[0]->type, c.type);
    EXPECT_EQ(server.stored[0]->expires_in, c.expires_in);
  }
}

TEST_F(Handshake, LifeTimeOfATemporaryKeyIsPositive) {
  for (const int32_t expires_in : {0, -1, std::numeric_limits<int32_t>::min()}) {
    for (const std::optional<int32_t> dc : {std::optional<int32_t>(), std::optional<int32_t>(2)}) {
      ServerHarness server;
      StepClient client;
      client.values.temporary = true;
      client.values.expires_in = expires_in;
      client.values.dc = dc;
      client.begin(server);
      expect_refused(server.send(client.req_dh_params()), Error::kBadInnerData);
    }
  }
}

TEST_F(Handshake, DataCentreIsCheckedWhenConfigured) {
  server_.config.dc = 2;
  for (const int32_t dc : {2, -2, 10002, -10002}) {
    server_.set = HandshakeSet(&server_.config);
    client_.values.dc = dc;
    begin();
    EXPECT_EQ(server_.send(client_.req_dh_params()).kind, Kind::kReply) << dc;
  }
  for (const int32_t dc : {0, 1, 3, -3, 20, std::numeric_limits<int32_t>::min()}) {
    server_.set = HandshakeSet(&server_.config);
    client_.values.dc = dc;
    begin();
    const HandshakeOutcome outcome = server_.send(client_.req_dh_params());
    EXPECT_EQ(outcome.kind, Kind::kFail) << dc;
    EXPECT_EQ(outcome.transport_error, kErrorWrongDc);
  }
  // A client that names no data centre is welcome.
  server_.set = HandshakeSet(&server_.config);
  client_.values.dc.reset();
  begin();
  EXPECT_EQ(server_.send(client_.req_dh_params()).kind, Kind::kReply);
}

TEST_F(Handshake, RepeatedReqDhParamsGetsTheSameAnswer) {
  begin();
  const Bytes object = client_.req_dh_params();
  const HandshakeOutcome first = server_.send(object);
  ASSERT_EQ(first.kind, Kind::kReply);
  expect_reply(server_.send(object), first.reply);
  // Other random words behind it do not make it another request.
  expect_reply(server_.send(with_words(object, 3)), first.reply);
  // Another encryption of the same data does.
  expect_refused(server_.send(client_.req_dh_params()), Error::kBadState);
}

TEST_F(Handshake, RepeatWhileTheJobRunsIsIgnored) {
  begin();
  const Bytes object = client_.req_dh_params();
  HandshakeOutcome work = server_.set.on_message(object, server_.now);
  ASSERT_EQ(work.kind, Kind::kWork);
  EXPECT_TRUE(server_.set.busy());
  EXPECT_EQ(server_.set.on_message(object, server_.now).kind, Kind::kIgnore);
  EXPECT_EQ(server_.settle(std::move(work)).kind, Kind::kReply);
  EXPECT_FALSE(server_.set.busy());
}

TEST_F(Handshake, AnotherRequestWhileTheJobRunsFails) {
  begin();
  HandshakeOutcome work = server_.set.on_message(client_.req_dh_params(), server_.now);
  expect_refused(server_.set.on_message(client_.req_dh_params(), server_.now), Error::kBadState);
  work.job->run();
  EXPECT_EQ(server_.set.on_work_done(std::move(work.job), server_.now).kind, Kind::kIgnore);
}

TEST_F(Handshake, ResultsForEvictedExchangesAreDropped) {
  begin();
  HandshakeOutcome work = server_.set.on_message(client_.req_dh_params(), server_.now);
  ASSERT_EQ(work.kind, Kind::kWork);
  std::array<StepClient, kHandshakeStatesPerConnection> others;
  for (StepClient& other : others) other.begin(server_);
  EXPECT_FALSE(server_.set.busy());
  // The same nonce comes back: a new exchange, which the old result must not touch.
  client_.begin(server_);
  HandshakeOutcome again = server_.set.on_message(client_.req_dh_params(), server_.now);
  work.job->run();
  EXPECT_EQ(server_.set.on_work_done(std::move(work.job), server_.now).kind, Kind::kIgnore);
  EXPECT_EQ(server_.settle(std::move(again)).kind, Kind::kReply);
}

TEST_F(Handshake, ServerDhParamsDescribeTheGroup) {
  begin();
  const HandshakeOutcome answer = server_.send(client_.req_dh_params());
  ASSERT_EQ(answer.kind, Kind::kReply);
  ASSERT_TRUE(client::take_server_dh_params(answer.reply, client_.values).ok());
  EXPECT_EQ(client_.values.server_time, server_.now.unix_seconds());
  EXPECT_TRUE(crypto::dh_value_in_range(client_.values.g_a));
}

// Any step.

TEST_F(Handshake, StepsMayNotBeSkipped) {
  begin();
  expect_refused(server_.send(client_.set_client()), Error::kBadState);
  StepClient stranger;
  expect_refused(server_.send(stranger.req_dh_params()), Error::kBadState);
  expect_refused(server_.send(stranger.set_client()), Error::kBadState);
}

TEST_F(Handshake, MsgsAckIsIgnoredInEveryState) {
  Bytes ack;
  ByteAppender out(ack);
  out.u32(constructor::kMsgsAck);
  out.u32(constructor::kVector);
  out.u32(1);
  out.i64(0x6500000000000001);
  EXPECT_EQ(server_.send(ack).kind, Kind::kIgnore);
  begin();
  EXPECT_EQ(server_.send(ack).kind, Kind::kIgnore);
  client_.exchange(server_);
  EXPECT_EQ(server_.send(ack).kind, Kind::kIgnore);
  EXPECT_TRUE(finish().finished);
  EXPECT_EQ(server_.send(ack).kind, Kind::kIgnore);
}

TEST_F(Handshake, OtherConstructorsAreRefused) {
  for (const uint32_t id : {0u, constructor::kResPq, constructor::kServerDhParamsOk,
                            constructor::kPing, constructor::kMsgContainer, 0xffffffffu}) {
    Bytes object(64);
    store_le(object.data(), id);
    expect_refused(server_.send(object), Error::kNotAllowed);
  }
  expect_refused(server_.send({}), Error::kTruncated);
  expect_refused(server_.send(Bytes{0x78, 0x97, 0x46}), Error::kTruncated);
}

TEST_F(Handshake, TruncatedRequestsAreRefused) {
  begin_and_exchange();
  for (const Bytes& object : {client_.req_pq(), client_.req_dh_params(), client_.set_client()}) {
    for (size_t size = 4; size < object.size(); ++size) {
      ServerHarness server;
      const HandshakeOutcome outcome = server.send(ByteView(object).first(size));
      expect_refused(outcome, Error::kTruncated);
    }
  }
}

TEST_F(Handshake, ATruncatedRequestKillsItsNonce) {
  begin();
  const Bytes object = client_.req_dh_params();
  expect_refused(server_.send(ByteView(object).first(100)), Error::kTruncated);
  expect_refused(server_.send(object), Error::kBadState);
}

TEST_F(Handshake, RandomWordsBehindObjectsAreAccepted) {
  const HandshakeOutcome res_pq = server_.send(with_words(client_.req_pq(), 2));
  const client::ServerKey keys[] = {{own_key(), own_key()->fingerprint()}};
  ASSERT_TRUE(client::take_res_pq(res_pq.reply, keys, client_.values).ok());
  ASSERT_TRUE(client::solve_pq(client_.values).ok());
  const HandshakeOutcome params = server_.send(with_words(client_.req_dh_params(), 7));
  ASSERT_TRUE(client::take_server_dh_params(params.reply, client_.values).ok());
  ASSERT_TRUE(client::compute_key(client_.values, &crypto::random_bytes).ok());
  EXPECT_TRUE(server_.send(with_words(client_.set_client(), 15)).finished);
}

TEST_F(Handshake, OldExchangesExpire) {
  begin_and_exchange();
  server_.now.mono_ns += kHandshakeTtlNs;
  server_.set.expire(server_.now);
  EXPECT_EQ(server_.set.size(), 1u);
  server_.now.mono_ns += 1;
  expect_refused(finish(), Error::kBadState);
  EXPECT_EQ(server_.set.size(), 0u);
}

TEST_F(Handshake, BusyExchangesDoNotExpire) {
  begin();
  HandshakeOutcome work = server_.set.on_message(client_.req_dh_params(), server_.now);
  server_.now.mono_ns += kHandshakeTtlNs + 1;
  server_.set.expire(server_.now);
  EXPECT_EQ(server_.set.size(), 1u);
  EXPECT_EQ(server_.settle(std::move(work)).kind, Kind::kReply);
  server_.set.expire(server_.now);
  EXPECT_EQ(server_.set.size(), 0u);
}

}  // namespace
}  // namespace ringway::mtproto
