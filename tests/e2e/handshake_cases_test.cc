// The key exchange against the running gateway: civil, replayed, tampered with.
#include <gtest/gtest.h>

#include <algorithm>

#include "base/hex.h"
#include "crypto/aes_ige.h"
#include "crypto/dh.h"
#include "crypto/random.h"
#include "crypto/sha.h"
#include "e2e/gateway_test.h"
#include "mtproto/message.h"
#include "mtproto/tl.h"

namespace ringway::testing {
namespace {

using client::make_client_dh_inner;
using client::make_inner_data;
using client::make_req_dh_params;
using mtproto::DhGen;

// A big-endian number of 256 bytes with one bit set.
Bytes power_of_two(size_t bit) {
  Bytes number(crypto::kDhBytes);
  number[crypto::kDhBytes - 1 - bit / 8] = static_cast<uint8_t>(1U << bit % 8);
  return number;
}

// a - b for big-endian numbers of the same length, a >= b.
Bytes difference(ByteView a, ByteView b) {
  Bytes out(a.size());
  int borrow = 0;
  for (size_t i = a.size(); i-- > 0;) {
    const int digit = a[i] - b[i] - borrow;
    borrow = digit < 0 ? 1 : 0;
    out[i] = static_cast<uint8_t>(digit + 256 * borrow);
  }
  return out;
}

// A key exchange taken step by step over a connection of its own.
class Exchange {
 public:
  explicit Exchange(std::unique_ptr<BlockingClient> client, const Stack& stack)
      : client_(std::move(client)), server_key_{stack.key(), stack.key()->fingerprint()} {
    client::make_nonces(values, &crypto::random_bytes);
  }

  [[nodiscard]] BlockingClient& connection() { return *client_; }
  [[nodiscard]] const crypto::RsaKey& rsa() const { return *server_key_.key; }

  Bytes ask(ByteView object) {
    EXPECT_TRUE(client_->send_unencrypted(object).ok()) << client_->problem();
    Arrival answer = client_->wait();
    EXPECT_EQ(answer.kind, Arrival::Kind::kUnencrypted) << answer.to_string();
    return std::move(answer.payload);
  }

  void take_first(ByteView answer) {
    ASSERT_TRUE(client::take_res_pq(answer, {&server_key_, 1}, values).ok());
    ASSERT_TRUE(client::solve_pq(values).ok());
  }
  void first_step() { take_first(ask(client::make_req_pq(values))); }

  [[nodiscard]] Bytes encrypt(const mtproto::PqInnerData& inner) const {
    return *client::rsa_pad_encrypt(rsa(), mtproto::write_pq_inner_data(inner).view(),
                                    &crypto::random_bytes);
  }
  [[nodiscard]] Bytes req_dh() const {
    return make_req_dh_params(values, encrypt(make_inner_data(values)));
  }

  void take_second(ByteView answer) {
    ASSERT_TRUE(client::take_server_dh_params(answer, values).ok());
    ASSERT_TRUE(client::compute_key(values, &crypto::random_bytes).ok());
  }
  void second_step() { take_second(ask(req_dh())); }

  [[nodiscard]] Bytes set_client(const mtproto::ClientDhInnerData& inner) const {
    return client::make_set_client_dh_params(values, mtproto::write_client_dh_inner_data(inner),
                                             &crypto::random_bytes);
  }
  [[nodiscard]] Bytes set_client() const { return set_client(make_client_dh_inner(values)); }
  // set_client_DH_params around any encrypted_data.
  [[nodiscard]] Bytes set_client_raw(Bytes plain) const {
    crypto::IgeKeyIv key_iv;
    mtproto::derive_tmp_key_iv(values.new_nonce, values.server_nonce, key_iv);
    const crypto::IgeJob job{&key_iv, ByteSpan(plain).first(plain.size() / 16 * 16)};
    crypto::ige_encrypt_many({&job, 1});
    return mtproto::write_set_client_dh_params({values.nonce, values.server_nonce, plain});
  }

  [[nodiscard]] DhGen answer_of(ByteView answer) const {
    const auto result = client::take_dh_gen(answer, values);
    EXPECT_TRUE(result.ok()) << to_string(result.error());
    return result.ok() ? *result : DhGen::kFail;
  }
  // The key as the server should have it now.
  [[nodiscard]] SessionKey made_key() const {
    SessionKey made;
    made.key = values.auth_key;
    made.auth_key_id = mtproto::auth_key_id(values.auth_key);
    const auto fresh = load_le<int64_t>(values.new_nonce.data());
    made.salt = fresh ^ load_le<int64_t>(values.server_nonce.data());
    return made;
  }

  client::ExchangeValues values;

 private:
  std::unique_ptr<BlockingClient> client_;
  client::ServerKey server_key_;
};

class ExchangeTest : public GatewayTest {
 protected:
  static Exchange begin(std::string_view transport_name = "intermediate") {
    return Exchange(connect(transport_name), stack());
  }
  static Exchange after_first_step() {
    Exchange exchange = begin();
    exchange.first_step();
    return exchange;
  }
  static Exchange after_second_step() {
    Exchange exchange = after_first_step();
    exchange.second_step();
    return exchange;
  }
  static void expect_refused(Exchange& exchange, ByteView object) {
    ASSERT_TRUE(exchange.connection().send_unencrypted(object).ok());
    expect_error_then_close(exchange.connection(), -404);
  }
  static std::vector<std::string> stored(int64_t auth_key_id) {
    return stack().record("set_auth_key auth_key_id=" + std::to_string(auth_key_id) + " ");
  }
  static void expect_key_works(const SessionKey& made) {
    auto client = connect("intermediate");
    client->use_key(made);
    EXPECT_TRUE(client->ping().ok()) << client->problem();
  }
};

class HandshakeCases : public ExchangeTest {
 protected:
  static void SetUpTestSuite() { start_stack({.ringway_yaml = kGenerousLimits}); }
};

// Case 21.
TEST_F(HandshakeCases, KeysAgreeOverEveryTransportPaddingAndType) {
  for (const char* name : kTransports) {
    for (const auto padding : {client::RsaPadding::kRsaPad, client::RsaPadding::kLegacy}) {
      SCOPED_TRACE(name);
      auto client = connect(name);
      auto options = stack().handshake();
      options.padding = padding;
      const auto made = client->make_key(options);
      ASSERT_TRUE(made.ok()) << client->problem();
      EXPECT_TRUE(client->ping().ok()) << client->problem();
      const auto lines = stored(made->created.auth_key_id);
      ASSERT_EQ(lines.size(), 1U);
      EXPECT_EQ(field(lines[0], "type"), "0");
      EXPECT_EQ(field(lines[0], "stored"), "1");
    }
  }
}

TEST_F(HandshakeCases, TemporaryKeysAreStoredWithTheirType) {
  for (const auto& [dc, type] :
       {std::pair<std::optional<int32_t>, const char*>{std::nullopt, "1"}, {2, "1"}, {-2, "2"}}) {
    auto client = connect("intermediate");
    auto options = stack().handshake();
    options.expires_in = 86400;
    options.dc = dc;
    const auto made = client->make_key(options);
    ASSERT_TRUE(made.ok()) << client->problem();
    const auto lines = stored(made->created.auth_key_id);
    ASSERT_EQ(lines.size(), 1U);
    EXPECT_EQ(field(lines[0], "type"), type);
  }
}

// Case 22.
TEST_F(HandshakeCases, RepeatedReqPqGetsTheSameAnswer) {
  Exchange exchange = begin();
  const Bytes request = client::make_req_pq(exchange.values);
  const Bytes first = exchange.ask(request);
  EXPECT_EQ(exchange.ask(request), first);
  exchange.take_first(first);
  exchange.second_step();
  EXPECT_EQ(exchange.answer_of(exchange.ask(exchange.set_client())), DhGen::kOk);
}

// Case 23.
TEST_F(HandshakeCases, ThrowAwayReqPqAndThenEncryptedTraffic) {
  for (const char* name : kTransports) {
    SCOPED_TRACE(name);
    Exchange exchange = begin(name);
    static_cast<void>(exchange.ask(client::make_req_pq(exchange.values)));
    exchange.connection().use_key(key());
    EXPECT_TRUE(exchange.connection().ping().ok()) << exchange.connection().problem();
    // And the exchange may go on between messages.
    Exchange other = begin(name);
    other.connection().use_key(key());
    other.first_step();
    EXPECT_TRUE(other.connection().ping().ok());
    other.second_step();
    EXPECT_TRUE(other.connection().ping().ok());
    EXPECT_EQ(other.answer_of(other.ask(other.set_client())), DhGen::kOk);
    EXPECT_TRUE(other.connection().ping().ok());
  }
}

// Case 24.
TEST_F(HandshakeCases, WrongNoncesAreRefusedAtEachStep) {
  for (const bool server_nonce : {false, true}) {
    const auto spoil = [server_nonce](client::ExchangeValues& values) {
      (server_nonce ? values.server_nonce : values.nonce)[5] ^= 1;
    };
    Exchange second = after_first_step();
    spoil(second.values);
    expect_refused(second, second.req_dh());

    Exchange third = after_second_step();
    spoil(third.values);
    expect_refused(third, third.set_client());
  }
}

// Case 25.
TEST_F(HandshakeCases, WrongOuterFieldsAreRefused) {
  {
    Exchange exchange = after_first_step();
    const Bytes encrypted = exchange.encrypt(make_inner_data(exchange.values));
    exchange.values.server_key.fingerprint ^= 1;
    expect_refused(exchange, make_req_dh_params(exchange.values, encrypted));
  }
  {
    Exchange exchange = after_first_step();
    std::swap(exchange.values.p, exchange.values.q);
    expect_refused(exchange, exchange.req_dh());
  }
  for (const size_t size : {0U, 255U, 257U, 512U}) {
    SCOPED_TRACE(size);
    Exchange exchange = after_first_step();
    Bytes encrypted = exchange.encrypt(make_inner_data(exchange.values));
    encrypted.resize(size);
    expect_refused(exchange, make_req_dh_params(exchange.values, encrypted));
  }
}

// Case 26. All three fail alike, and take about as long: the quickest of several runs of each kind
// may not differ by an order of magnitude.
TEST_F(HandshakeCases, BadCiphertextsAreRefusedAlike) {
  const auto seconds_of = [&](auto make_encrypted) {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
      Exchange exchange = after_first_step();
      const Bytes request = make_req_dh_params(exchange.values, make_encrypted(exchange));
      const int64_t begin_ns = read_clocks().mono_ns;
      expect_refused(exchange, request);
      best = std::min(best, static_cast<double>(read_clocks().mono_ns - begin_ns) / 1e9);
    }
    return best;
  };
  const double not_below_n = seconds_of([](Exchange& exchange) {
    const auto n = exchange.rsa().modulus();
    return Bytes(n.begin(), n.end());
  });
  const double noise = seconds_of([](Exchange&) {
    Bytes bytes(crypto::kRsaBytes);
    crypto::random_bytes(bytes);
    bytes[0] = 0;  // below n
    return bytes;
  });
  const double flipped_hash = seconds_of([](Exchange& exchange) {
    // A block whose hash does not fit its data.
    std::array<uint8_t, client::kRsaPadDataBytes> padded{};
    const auto inner = mtproto::write_pq_inner_data(make_inner_data(exchange.values));
    std::copy(inner.view().begin(), inner.view().end(), padded.begin());
    std::array<uint8_t, 32> temp_key{};
    Bytes out(crypto::kRsaBytes);
    for (;;) {
      crypto::random_bytes(temp_key);
      client::RsaBlock block = client::make_rsa_pad_block(padded, temp_key);
      block.data()[100] ^= 1;  // inside the encrypted part: data and hash no longer agree
      if (exchange.rsa()
              .public_raw(block.view(), std::span<uint8_t, crypto::kRsaBytes>(out))
              .ok()) {
        return out;
      }
    }
  });
  EXPECT_LT(std::max({not_below_n, noise, flipped_hash}),
            10 * std::min({not_below_n, noise, flipped_hash}) + 0.02);
}

// Case 27.
TEST_F(HandshakeCases, RsaBlockWithALeadingZeroByteIsTaken) {
  Exchange exchange = after_first_step();
  std::array<uint8_t, client::kRsaPadDataBytes> padded{};
  crypto::random_bytes(padded);
  const auto inner = mtproto::write_pq_inner_data(make_inner_data(exchange.values));
  std::copy(inner.view().begin(), inner.view().end(), padded.begin());
  Bytes encrypted(crypto::kRsaBytes);
  for (;;) {
    std::array<uint8_t, 32> temp_key;
    crypto::random_bytes(temp_key);
    const client::RsaBlock block = client::make_rsa_pad_block(padded, temp_key);
    if (block.data()[0] != 0) continue;
    ASSERT_TRUE(exchange.rsa()
                    .public_raw(block.view(), std::span<uint8_t, crypto::kRsaBytes>(encrypted))
                    .ok());
    break;
  }
  exchange.take_second(exchange.ask(make_req_dh_params(exchange.values, encrypted)));
  EXPECT_EQ(exchange.answer_of(exchange.ask(exchange.set_client())), DhGen::kOk);
  expect_key_works(exchange.made_key());
}

// Case 29.
TEST_F(HandshakeCases, InnerDataMustAgreeWithTheOuter) {
  const auto refused_with = [&](auto change) {
    Exchange exchange = after_first_step();
    mtproto::PqInnerData inner = make_inner_data(exchange.values);
    change(inner);
    expect_refused(exchange, make_req_dh_params(exchange.values, exchange.encrypt(inner)));
  };
  const Bytes other = {0x17, 0xed, 0x48, 0x94, 0x1a, 0x08, 0xf9, 0x83};
  const Bytes prime = {0x49, 0x4c, 0x55, 0x3b};
  refused_with([&](auto& inner) { inner.pq = other; });
  refused_with([&](auto& inner) { inner.p = prime; });
  refused_with([&](auto& inner) { inner.q = prime; });
  refused_with([](auto& inner) { inner.nonce[0] ^= 1; });
  refused_with([](auto& inner) { inner.server_nonce[15] ^= 1; });
  for (const int32_t expires_in : {0, -1}) {
    refused_with([expires_in](auto& inner) {
      inner.temporary = true;
      inner.expires_in = expires_in;
    });
  }
}

// Case 30.
TEST_F(HandshakeCases, StepsMayNotBeSkipped) {
  Exchange skipped = after_first_step();
  skipped.values.g_b = power_of_two(1990);
  expect_refused(skipped, skipped.set_client());
  Exchange never_begun = begin();
  never_begun.values.g_b = power_of_two(1990);
  expect_refused(never_begun, never_begun.set_client());
  Exchange unknown = begin();
  expect_refused(unknown, client::make_echo(1, 24));
}

// Case 31.
TEST_F(HandshakeCases, RepeatedReqDhGetsTheSameAnswerAlteredOneNone) {
  Exchange exchange = after_first_step();
  const Bytes request = exchange.req_dh();
  const Bytes answer = exchange.ask(request);
  EXPECT_EQ(exchange.ask(request), answer);
  exchange.take_second(answer);
  EXPECT_EQ(exchange.answer_of(exchange.ask(exchange.set_client())), DhGen::kOk);

  Exchange altered = after_first_step();
  static_cast<void>(altered.ask(altered.req_dh()));
  expect_refused(altered, altered.req_dh());  // other padding, so other bytes
}

// Case 32.
TEST_F(HandshakeCases, PublicValueMustLieInItsRange) {
  const auto prime = crypto::dh_prime();
  const Bytes p(prime.begin(), prime.end());
  const auto inner_with = [](Exchange& exchange, ByteView g_b) {
    mtproto::ClientDhInnerData inner = make_client_dh_inner(exchange.values);
    inner.g_b = g_b;
    return exchange.set_client(inner);
  };
  const Bytes zero(1);
  const Bytes one = {1};
  for (const Bytes& g_b :
       {Bytes(), zero, one, difference(p, power_of_two(0)), p, power_of_two(1983),
        difference(p, power_of_two(1983)), Bytes(257, 0xff)}) {
    SCOPED_TRACE(g_b.size());
    Exchange exchange = after_second_step();
    expect_refused(exchange, inner_with(exchange, g_b));
  }
  for (const Bytes& g_b : {power_of_two(1984), difference(p, power_of_two(1984))}) {
    // Nobody knows the exponent of these, so only the constructor of the answer can be looked at.
    Exchange exchange = after_second_step();
    const Bytes answer = exchange.ask(inner_with(exchange, g_b));
    EXPECT_EQ(client::constructor_of(answer), mtproto::constructor::kDhGenOk);
  }
  Exchange longer = after_second_step();
  Bytes g_b = {0};
  g_b.resize(257 - longer.values.g_b.size());
  g_b.insert(g_b.end(), longer.values.g_b.begin(), longer.values.g_b.end());
  ASSERT_EQ(g_b.size(), 257U);
  EXPECT_EQ(longer.answer_of(longer.ask(inner_with(longer, g_b))), DhGen::kOk);
  expect_key_works(longer.made_key());
}

// Case 33.
TEST_F(HandshakeCases, EncryptedInnerDataIsChecked) {
  const auto refused_with = [&](auto change) {
    Exchange exchange = after_second_step();
    const Bytes object = mtproto::write_client_dh_inner_data(make_client_dh_inner(exchange.values));
    Bytes plain;
    ByteAppender out(plain);
    out.bytes(crypto::sha1({object}));
    out.bytes(object);
    plain.resize((plain.size() + 15) / 16 * 16, 0x77);
    change(plain);
    expect_refused(exchange, exchange.set_client_raw(std::move(plain)));
  };
  refused_with([](Bytes& plain) { plain[3] ^= 1; });                   // hash
  refused_with([](Bytes& plain) { plain[20] ^= 1; });                  // constructor
  refused_with([](Bytes& plain) { plain[60] ^= 1; });                  // retry_id
  refused_with([](Bytes& plain) { plain.resize(plain.size() - 1); });  // length % 16
  refused_with([](Bytes& plain) { plain.resize(plain.size() + 4); });
  refused_with([](Bytes& plain) { plain.resize(plain.size() + 16); });  // padding of 16 and more
  refused_with([](Bytes& plain) { plain.resize(2048); });
  refused_with([](Bytes& plain) { plain.resize(16); });
  refused_with([](Bytes& plain) { plain.clear(); });
}

// Case 35.
TEST_F(HandshakeCases, FourthExchangeEvictsTheOldest) {
  Exchange first = begin();
  first.first_step();
  const auto another = [&first] {
    client::ExchangeValues values;
    client::make_nonces(values, &crypto::random_bytes);
    static_cast<void>(first.ask(client::make_req_pq(values)));
  };
  const uint64_t evicted = stack().counter("handshakes_evicted");
  another();
  another();
  EXPECT_EQ(stack().counter("handshakes_evicted"), evicted);
  // Of three exchanges the first still works ...
  const Bytes request = first.req_dh();
  const Bytes answer = first.ask(request);
  first.take_second(answer);
  // ... and a fourth pushes it out.
  another();
  EXPECT_TRUE(stack().wait_counter("handshakes_evicted", evicted + 1));
  expect_refused(first, first.set_client());
}

// Case 36.
TEST_F(HandshakeCases, UnencryptedAcksAreIgnored) {
  Exchange exchange = begin();
  const int64_t some_id = 1;
  const Bytes acks = client::make_msgs_ack({&some_id, 1});
  ASSERT_TRUE(exchange.connection().send_unencrypted(acks).ok());
  exchange.first_step();
  ASSERT_TRUE(exchange.connection().send_unencrypted(acks).ok());
  exchange.second_step();
  ASSERT_TRUE(exchange.connection().send_unencrypted(acks).ok());
  EXPECT_EQ(exchange.answer_of(exchange.ask(exchange.set_client())), DhGen::kOk);
}

// Case 37.
TEST_F(HandshakeCases, RandomWordsBehindObjectsAreAccepted) {
  const auto with_words = [](Bytes object, size_t words) {
    const size_t begin = object.size();
    object.resize(begin + 4 * words);
    crypto::random_bytes(ByteSpan(object).subspan(begin));
    return object;
  };
  Exchange exchange = begin();
  exchange.take_first(exchange.ask(with_words(client::make_req_pq(exchange.values), 3)));
  exchange.take_second(exchange.ask(with_words(exchange.req_dh(), 11)));
  EXPECT_EQ(exchange.answer_of(exchange.ask(with_words(exchange.set_client(), 1))), DhGen::kOk);
  expect_key_works(exchange.made_key());
}

// Case 38.
TEST_F(HandshakeCases, RepeatedSetClientIsAnsweredFromMemory) {
  Exchange exchange = after_second_step();
  const Bytes request = exchange.set_client();
  const Bytes answer = exchange.ask(request);
  EXPECT_EQ(exchange.answer_of(answer), DhGen::kOk);
  EXPECT_EQ(exchange.ask(request), answer);
  EXPECT_EQ(stored(exchange.made_key().auth_key_id).size(), 1U);
  expect_key_works(exchange.made_key());
  // Another request in the used state is refused.
  expect_refused(exchange, exchange.set_client());
}

TEST_F(HandshakeCases, NothingSecretIsInTheLog) {
  auto client = connect("intermediate");
  const auto made = client->make_key(stack().handshake());
  ASSERT_TRUE(made.ok());
  const std::string log = stack().gateway_log();
  const auto contains = [&log](ByteView bytes) {
    const std::string hex_text = to_hex(bytes);
    std::string upper = hex_text;
    std::transform(upper.begin(), upper.end(), upper.begin(),
                   [](char c) { return static_cast<char>(std::toupper(c)); });
    return log.find(hex_text) != std::string::npos || log.find(upper) != std::string::npos;
  };
  EXPECT_FALSE(contains(ByteView(made->created.key.view()).first(16)));
  EXPECT_FALSE(contains(ByteView(made->created.key.view()).last(16)));
}

// Case 28.
class LegacyPaddingOff : public ExchangeTest {
 protected:
  static void SetUpTestSuite() {
    start_stack({.ringway_yaml =
                     std::string(kGenerousLimits) + "  Transports: {LegacyRsaPadding: false}\n"});
  }
};

TEST_F(LegacyPaddingOff, LegacyPaddingIsRefusedTheOtherTaken) {
  auto client = connect("intermediate");
  auto options = stack().handshake();
  options.padding = client::RsaPadding::kLegacy;
  EXPECT_EQ(client->make_key(options).error(), Error::kUnavailable);
  EXPECT_EQ(client->last_transport_error(), -404);
  auto modern = connect("intermediate");
  EXPECT_TRUE(modern->make_key(stack().handshake()).ok()) << modern->problem();
}

// Case 34. The healthy connection's key takes the first refusal upon itself: it retries.
class StoreRefused : public ExchangeTest {
 protected:
  static void SetUpTestSuite() { start_stack({.ringway_yaml = kGenerousLimits}); }
  static void restart_shard(const std::vector<std::string>& arguments) {
    stack().stop_shard();
    stack().start_shard(arguments);
  }
  void TearDown() override {
    restart_shard({});
    ExchangeTest::TearDown();
  }
  // dh_gen_retry may also come while the link to the restarted shard is not up yet.
  static Exchange after_refusal() {
    Exchange exchange = after_second_step();
    EXPECT_EQ(exchange.answer_of(exchange.ask(exchange.set_client())), DhGen::kRetry);
    return exchange;
  }
};

TEST_F(StoreRefused, RetryWithTheRightIdMakesTheKey) {
  restart_shard({"--fault", "set-auth-key=1"});
  Exchange exchange = after_refusal();
  exchange.values.retry_id = mtproto::auth_key_aux_hash(exchange.values.auth_key);
  ASSERT_TRUE(client::compute_key(exchange.values, &crypto::random_bytes).ok());
  DhGen answer = exchange.answer_of(exchange.ask(exchange.set_client()));
  EXPECT_EQ(answer, DhGen::kOk);
  expect_key_works(exchange.made_key());
}

TEST_F(StoreRefused, RetryWithAWrongIdIsRefused) {
  restart_shard({"--fault", "set-auth-key=false"});
  Exchange exchange = after_refusal();
  exchange.values.retry_id = mtproto::auth_key_aux_hash(exchange.values.auth_key) ^ 1;
  ASSERT_TRUE(client::compute_key(exchange.values, &crypto::random_bytes).ok());
  expect_refused(exchange, exchange.set_client());
}

TEST_F(StoreRefused, SixthRefusalEndsTheExchange) {
  restart_shard({"--fault", "set-auth-key=false"});
  Exchange exchange = after_refusal();
  for (int retry = 1; retry <= 5; ++retry) {
    exchange.values.retry_id = mtproto::auth_key_aux_hash(exchange.values.auth_key);
    ASSERT_TRUE(client::compute_key(exchange.values, &crypto::random_bytes).ok());
    EXPECT_EQ(exchange.answer_of(exchange.ask(exchange.set_client())),
              retry < 5 ? DhGen::kRetry : DhGen::kFail)
        << retry;
  }
}

// The budget of key exchanges per address.
class ExchangeBudget : public ExchangeTest {
 protected:
  static void SetUpTestSuite() {
    start_stack({.ringway_yaml = "  Limits: {HandshakesPerAddressPerSecond: 5}\n"});
  }
};

TEST_F(ExchangeBudget, FloodIsAnsweredWithItsError) {
  int floods = 0;
  for (int i = 0; i < 12; ++i) {
    auto client = connect("intermediate");
    const auto made = client->exchange(stack().handshake());
    if (made.ok()) continue;
    EXPECT_EQ(client->last_transport_error(), -429) << client->problem();
    ++floods;
  }
  EXPECT_GE(floods, 1);
  EXPECT_GE(stack().counter("handshakes_limited"), static_cast<uint64_t>(floods));
}

}  // namespace
}  // namespace ringway::testing
