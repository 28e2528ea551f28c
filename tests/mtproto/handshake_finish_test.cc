// The end of the key exchange on the server: g_b, storing, retries, repeats, and moving exchanges.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.h"
#include "crypto/sha.h"
#include "mtproto/message.h"
#include "support/handshake_harness.h"

namespace ringway::mtproto {
namespace {

using testing::expect_refused;
using testing::expect_reply;
using testing::ServerHarness;
using testing::StepClient;
using testing::with_words;
using Kind = HandshakeOutcome::Kind;

class HandshakeFinish : public ::testing::Test {
 protected:
  void SetUp() override { restart(); }
  // A new exchange that stands before step 3.
  void restart() {
    client_.begin(server_);
    client_.exchange(server_);
  }
  HandshakeOutcome send(const ClientDhInnerData& inner) {
    return server_.send(client_.set_client(inner));
  }
  HandshakeOutcome send_g_b(ByteView g_b) {
    ClientDhInnerData inner = client::make_client_dh_inner(client_.values);
    inner.g_b = g_b;
    return send(inner);
  }
  // encrypted_data as the client would have it, in the clear.
  Bytes opened() const {
    const Bytes object = write_client_dh_inner_data(client::make_client_dh_inner(client_.values));
    Bytes bytes;
    ByteAppender out(bytes);
    out.bytes(crypto::sha1({object}));
    out.bytes(object);
    while (bytes.size() % 16 != 0) out.u8(0x77);
    return bytes;
  }
  HandshakeOutcome send_encrypted(ByteView encrypted) {
    return server_.send(
        write_set_client_dh_params({client_.values.nonce, client_.values.server_nonce, encrypted}));
  }
  HandshakeOutcome send_opened(Bytes bytes) {
    crypto::IgeKeyIv key_iv;
    derive_tmp_key_iv(client_.values.new_nonce, client_.values.server_nonce, key_iv);
    const crypto::IgeJob job{&key_iv, bytes};
    crypto::ige_encrypt_many({&job, 1});
    return send_encrypted(bytes);
  }
  DhGen answer_of(const HandshakeOutcome& outcome) {
    EXPECT_EQ(outcome.kind, Kind::kReply) << to_string(outcome.error);
    const Result<DhGen> answer = client::take_dh_gen(outcome.reply, client_.values);
    EXPECT_TRUE(answer.ok()) << to_string(answer.error());
    return answer.ok() ? *answer : DhGen::kFail;
  }
  // What a client does after dh_gen_retry.
  void make_another_key() {
    client_.values.retry_id = auth_key_aux_hash(client_.values.auth_key);
    ASSERT_TRUE(client::compute_key(client_.values, &crypto::random_bytes).ok());
  }

  ServerHarness server_;
  StepClient client_;
};

TEST_F(HandshakeFinish, BothSidesHaveTheKey) {
  const HandshakeOutcome outcome = server_.send(client_.set_client());
  EXPECT_TRUE(outcome.finished);
  EXPECT_EQ(answer_of(outcome), DhGen::kOk);
  ASSERT_EQ(server_.stored.size(), 1u);
  const CreatedKey& created = *server_.stored[0];
  EXPECT_TRUE(equal(created.key.view(), client_.values.auth_key.view()));
  EXPECT_EQ(created.auth_key_id, auth_key_id(client_.values.auth_key));
  EXPECT_EQ(created.salt, initial_salt(client_.values.new_nonce, client_.values.server_nonce));
}

TEST_F(HandshakeFinish, WrongNonces) {
  for (const size_t at : {4u, 19u, 20u, 35u}) {
    Bytes object = client_.set_client();
    object[at] ^= 0x10;
    expect_refused(server_.send(object), at < 20 ? Error::kBadState : Error::kBadNonce);
    server_.set = HandshakeSet(&server_.config);
    restart();
  }
  ClientDhInnerData inner = client::make_client_dh_inner(client_.values);
  inner.nonce[3] ^= 1;
  expect_refused(send(inner), Error::kBadNonce);
  restart();
  inner = client::make_client_dh_inner(client_.values);
  inner.server_nonce[3] ^= 1;
  expect_refused(send(inner), Error::kBadNonce);
}

Bytes prime() { return {crypto::dh_prime().begin(), crypto::dh_prime().end()}; }
Bytes power_of_two(size_t exponent) {
  Bytes number(exponent / 8 + 1);
  number[0] = static_cast<uint8_t>(1u << exponent % 8);
  return number;
}
// p - number; both big-endian.
Bytes prime_minus(ByteView number) {
  Bytes difference = prime();
  int borrow = 0;
  for (size_t i = 0; i < difference.size(); ++i) {
    uint8_t& digit = difference[difference.size() - 1 - i];
    const int subtrahend = i < number.size() ? number[number.size() - 1 - i] : 0;
    const int value = digit - subtrahend - borrow;
    borrow = value < 0 ? 1 : 0;
    digit = static_cast<uint8_t>(value + 256 * borrow);
  }
  return difference;
}

TEST_F(HandshakeFinish, GBOutOfRangeIsRefused) {
  Bytes below = power_of_two(1984);  // 2^1984 - 1
  below.assign(below.size(), 0xff);
  below[0] = 0;
  Bytes above = prime_minus(power_of_two(1984));
  above.back() += 1;
  ASSERT_NE(above.back(), 0);
  Bytes beyond = prime();
  beyond.back() += 2;
  Bytes longer = power_of_two(2048);
  for (const Bytes& g_b :
       {Bytes(), Bytes{0}, Bytes{1}, Bytes{2}, prime_minus(Bytes{1}), prime(), beyond, longer,
        power_of_two(1983), prime_minus(power_of_two(1983)), below, above, Bytes(300, 0xff)}) {
    expect_refused(send_g_b(g_b), Error::kBadDh);
    restart();
  }
}

TEST_F(HandshakeFinish, GBAtTheEdgesIsAccepted) {
  Bytes padded = client_.values.g_b;
  padded.insert(padded.begin(), 0);
  ASSERT_EQ(padded.size(), 257u);
  for (const Bytes& g_b :
       {power_of_two(1984), prime_minus(power_of_two(1984)), padded, Bytes(256, 0x42)}) {
    const size_t stored = server_.stored.size();
    EXPECT_TRUE(send_g_b(g_b).finished) << g_b.size();
    EXPECT_EQ(server_.stored.size(), stored + 1);
    client_ = StepClient();
    restart();
  }
}

TEST_F(HandshakeFinish, GBWithLeadingZerosInEveryLength) {
  testing::ScriptedRandom random;
  Bytes b(crypto::kDhExponentBytes, 0x3c);
  b[30] = 0x00;
  b[31] = 0xed;  // 3^b mod p has 2037 bits
  for (const size_t size : {255u, 256u, 257u, 300u}) {
    random.add(b);
    ASSERT_TRUE(client::compute_key(client_.values, &testing::ScriptedRandom::source).ok());
    ASSERT_EQ(client_.values.g_b[0], 0);
    ByteView digits = ByteView(client_.values.g_b).subspan(1);
    Bytes g_b(size);
    std::ranges::copy(digits, g_b.end() - 255);
    const HandshakeOutcome outcome = send_g_b(g_b);
    EXPECT_TRUE(outcome.finished);
    EXPECT_EQ(answer_of(outcome), DhGen::kOk);
    client_ = StepClient();
    restart();
  }
}

TEST_F(HandshakeFinish, EncryptedDataLengths) {
  for (const size_t size : {0u, 1u, 15u, 16u, 17u, 335u, 337u, 1025u, 1040u, 2048u}) {
    expect_refused(send_encrypted(Bytes(size, 0x5c)), Error::kBadLength);
    restart();
  }
  for (const size_t size : {32u, 336u, 1024u}) {  // lawful lengths, but only noise inside
    expect_refused(send_encrypted(Bytes(size, 0x5c)), Error::kBadInnerData);
    restart();
  }
}

TEST_F(HandshakeFinish, HashCoversTheObject) {
  EXPECT_EQ(send_opened(opened()).kind, Kind::kReply);
  for (const size_t at : {0u, 19u, 20u, 60u, 64u, 323u}) {  // hash, constructor, retry_id, g_b
    client_ = StepClient();
    restart();
    Bytes changed = opened();
    changed[at] ^= 0x01;
    expect_refused(send_opened(changed), Error::kBadInnerData);
  }
  client_ = StepClient();
  restart();
  Bytes padding_changed = opened();
  padding_changed.back() ^= 0x01;
  EXPECT_TRUE(send_opened(padding_changed).finished);
}

TEST_F(HandshakeFinish, PaddingIsUnder16Bytes) {
  Bytes longer = opened();
  longer.resize(longer.size() + 16);
  expect_refused(send_opened(longer), Error::kBadInnerData);
}

TEST_F(HandshakeFinish, RetryIdIsZeroAtFirst) {
  client_.values.retry_id = 1;
  expect_refused(server_.send(client_.set_client()), Error::kBadInnerData);
}

TEST_F(HandshakeFinish, RetryThenOk) {
  server_.store_results = {StoreResult::kRetry};
  const HandshakeOutcome retry = server_.send(client_.set_client());
  EXPECT_TRUE(retry.retried);
  EXPECT_FALSE(retry.finished);
  EXPECT_EQ(answer_of(retry), DhGen::kRetry);
  EXPECT_FALSE(server_.set.busy());

  make_another_key();  // from the same g_a: the server has kept a
  const HandshakeOutcome ok = server_.send(client_.set_client());
  EXPECT_TRUE(ok.finished);
  EXPECT_EQ(answer_of(ok), DhGen::kOk);
  ASSERT_EQ(server_.stored.size(), 2u);
  EXPECT_TRUE(equal(server_.stored[1]->key.view(), client_.values.auth_key.view()));
  EXPECT_NE(server_.stored[0]->auth_key_id, server_.stored[1]->auth_key_id);
}

TEST_F(HandshakeFinish, RetryWithAWrongId) {
  using Change = void (*)(client::ExchangeValues&);
  for (const Change change : {Change{[](client::ExchangeValues& v) { v.retry_id ^= 1; }},
                              Change{[](client::ExchangeValues& v) { v.retry_id = 0; }}}) {
    client_ = StepClient();
    restart();
    server_.store_results = {StoreResult::kRetry};
    EXPECT_EQ(answer_of(server_.send(client_.set_client())), DhGen::kRetry);
    make_another_key();
    change(client_.values);
    expect_refused(server_.send(client_.set_client()), Error::kBadInnerData);
  }
}

TEST_F(HandshakeFinish, RepeatedRequestGetsTheSameRetry) {
  server_.store_results = {StoreResult::kRetry};
  const Bytes object = client_.set_client();
  const HandshakeOutcome retry = server_.send(object);
  const HandshakeOutcome again = server_.send(object);
  expect_reply(again, retry.reply);
  EXPECT_FALSE(again.retried);
  EXPECT_EQ(server_.stored.size(), 1u);
}

TEST_F(HandshakeFinish, FiveRetriesThenFailure) {
  server_.store_results.assign(6, StoreResult::kRetry);
  for (int i = 0; i < kHandshakeRetriesMax; ++i) {
    EXPECT_EQ(answer_of(server_.send(client_.set_client())), DhGen::kRetry) << i;
    make_another_key();
  }
  const Bytes last = client_.set_client();
  const HandshakeOutcome failed = server_.send(last);
  EXPECT_EQ(answer_of(failed), DhGen::kFail);
  EXPECT_FALSE(failed.finished);
  expect_reply(server_.send(last), failed.reply);
  make_another_key();
  expect_refused(server_.send(client_.set_client()), Error::kBadState);
}

TEST_F(HandshakeFinish, PermanentFailure) {
  server_.store_results = {StoreResult::kFailed};
  EXPECT_EQ(answer_of(server_.send(client_.set_client())), DhGen::kFail);
  // The connection lives on: another exchange is welcome.
  client_ = StepClient();
  restart();
  EXPECT_TRUE(server_.send(client_.set_client()).finished);
}

TEST_F(HandshakeFinish, RepeatAfterOkIsAnsweredButNotStoredAgain) {
  const Bytes object = client_.set_client();
  const HandshakeOutcome first = server_.send(object);
  const HandshakeOutcome again = server_.send(with_words(object, 1));
  expect_reply(again, first.reply);
  EXPECT_FALSE(again.finished);
  EXPECT_EQ(server_.stored.size(), 1u);
  expect_refused(server_.send(client_.set_client()), Error::kBadState);
}

TEST_F(HandshakeFinish, RepeatWhileWorkingOrStoringIsIgnored) {
  const Bytes object = client_.set_client();
  HandshakeOutcome outcome = server_.set.on_message(object, server_.now);
  ASSERT_EQ(outcome.kind, Kind::kWork);
  EXPECT_EQ(server_.set.on_message(object, server_.now).kind, Kind::kIgnore);
  outcome.job->run();
  outcome = server_.set.on_work_done(std::move(outcome.job), server_.now);
  ASSERT_EQ(outcome.kind, Kind::kStore);
  EXPECT_TRUE(server_.set.busy());
  EXPECT_EQ(server_.set.on_message(object, server_.now).kind, Kind::kIgnore);
  outcome = server_.set.on_stored(outcome.nonce, StoreResult::kStored, server_.now);
  EXPECT_TRUE(outcome.finished);
  // A second report of the same store changes nothing.
  EXPECT_EQ(server_.set.on_stored(outcome.nonce, StoreResult::kRetry, server_.now).kind,
            Kind::kIgnore);
}

TEST_F(HandshakeFinish, StoreOfAnUnknownExchangeIsIgnored) {
  EXPECT_EQ(server_.set.on_stored(Nonce{}, StoreResult::kStored, server_.now).kind, Kind::kIgnore);
  EXPECT_EQ(server_.set.on_stored(client_.values.nonce, StoreResult::kStored, server_.now).kind,
            Kind::kIgnore);
}

TEST_F(HandshakeFinish, ABadPowerIsRefused) {
  HandshakeJob job;
  job.kind = HandshakeJob::Kind::kClientDh;
  job.g_b = {1};
  job.run();
  EXPECT_EQ(job.error, Error::kBadDh);
}

bool contains(ByteView haystack, ByteView needle) {
  return std::search(haystack.begin(), haystack.end(), needle.begin(), needle.end()) !=
         haystack.end();
}

TEST_F(HandshakeFinish, SecretsAreGoneAfterOk) {
  const ByteView new_nonce = client_.values.new_nonce.view();
  EXPECT_TRUE(contains(server_.set.export_state().view(), new_nonce));
  EXPECT_TRUE(server_.send(client_.set_client()).finished);
  EXPECT_FALSE(contains(server_.set.export_state().view(), new_nonce));
}

// Moving a connection.

void move(ServerHarness& server) {
  const SecretString state = server.set.export_state();
  Result<HandshakeSet> set = HandshakeSet::import_state(&server.config, state.view());
  ASSERT_TRUE(set.ok());
  server.set = *std::move(set);
  EXPECT_TRUE(equal(server.set.export_state().view(), state.view()));
}

TEST(HandshakeMove, ExchangesGoOnElsewhereInEveryState) {
  ServerHarness server;
  move(server);
  StepClient client;
  client.values.temporary = true;
  client.values.expires_in = 3600;
  client.begin(server);
  const HandshakeOutcome res_pq = server.send(client.req_pq());
  move(server);
  expect_reply(server.send(client.req_pq()), res_pq.reply);
  StepClient other;
  other.begin(server);
  client.exchange(server);
  move(server);
  server.store_results = {StoreResult::kRetry};
  const Bytes first_try = client.set_client();
  const HandshakeOutcome retry = server.send(first_try);
  EXPECT_TRUE(retry.retried);
  move(server);
  expect_reply(server.send(first_try), retry.reply);
  client.values.retry_id = auth_key_aux_hash(client.values.auth_key);
  ASSERT_TRUE(client::compute_key(client.values, &crypto::random_bytes).ok());
  const Bytes second_try = client.set_client();
  const HandshakeOutcome ok = server.send(second_try);
  EXPECT_TRUE(ok.finished);
  EXPECT_EQ(server.stored.back()->type, AuthKeyType::kTemporary);
  EXPECT_EQ(server.stored.back()->expires_in, 3600);
  move(server);
  expect_reply(server.send(second_try), ok.reply);
  other.exchange(server);
  EXPECT_TRUE(server.send(other.set_client()).finished);
}

TEST(HandshakeMove, RetriesAreCountedAcrossMoves) {
  ServerHarness server;
  StepClient client;
  client.begin(server);
  client.exchange(server);
  server.store_results.assign(6, StoreResult::kRetry);
  for (int i = 0; i < kHandshakeRetriesMax; ++i) {
    EXPECT_TRUE(server.send(client.set_client()).retried);
    move(server);
    client.values.retry_id = auth_key_aux_hash(client.values.auth_key);
    ASSERT_TRUE(client::compute_key(client.values, &crypto::random_bytes).ok());
  }
  const HandshakeOutcome failed = server.send(client.set_client());
  EXPECT_EQ(*client::take_dh_gen(failed.reply, client.values), DhGen::kFail);
}

TEST(HandshakeMove, OnlyWholeStatesAreTaken) {
  ServerHarness server;
  StepClient client;
  client.begin(server);
  client.exchange(server);
  StepClient other;
  other.begin(server);
  const SecretString state = server.set.export_state();
  const auto error_of = [&](ByteView bytes) {
    return HandshakeSet::import_state(&server.config, bytes).error();
  };
  EXPECT_EQ(error_of(state.view()), Error::kNone);
  for (size_t size = 0; size < state.size(); ++size) {
    EXPECT_EQ(error_of(state.view().first(size)), Error::kMalformed) << size;
  }
  EXPECT_EQ(error_of(with_words(state.view(), 1)), Error::kMalformed);
  const auto changed = [&](size_t at, uint8_t value) {
    Bytes bytes(state.view().begin(), state.view().end());
    bytes[at] = value;
    return bytes;
  };
  EXPECT_EQ(error_of(changed(0, 1)), Error::kMalformed);    // version
  EXPECT_EQ(error_of(changed(9, 4)), Error::kMalformed);    // count
  for (const uint8_t bad_state : Bytes{1, 3, 4, 6, 255}) {  // working, storing, none
    EXPECT_EQ(error_of(changed(10, bad_state)), Error::kMalformed) << int{bad_state};
  }
}

TEST(HandshakeMove, ABusySetIsNotExported) {
  ServerHarness server;
  StepClient client;
  client.begin(server);
  const HandshakeOutcome work = server.set.on_message(client.req_dh_params(), server.now);
  ASSERT_EQ(work.kind, Kind::kWork);
  EXPECT_DEATH((void)server.set.export_state(), "busy");
}

}  // namespace
}  // namespace ringway::mtproto
