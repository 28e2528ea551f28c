// What tests of the key exchange share: a server whose jobs and stores run inline, a client that
// takes the exchange step by step, and a scripted source of randomness.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "base/hex.h"
#include "client/handshake_steps.h"
#include "crypto/dh.h"
#include "mtproto/handshake.h"
#include "support/handshake_vectors.h"

namespace ringway::testing {

using mtproto::HandshakeOutcome;
using mtproto::StoreResult;

inline Bytes hex(std::string_view text) {
  Result<Bytes> bytes = from_hex(text);
  EXPECT_TRUE(bytes.ok()) << text;
  return bytes.ok() ? *std::move(bytes) : Bytes();
}

template <size_t N>
std::array<uint8_t, N> hex_array(std::string_view text) {
  const Bytes bytes = hex(text);
  std::array<uint8_t, N> out{};
  EXPECT_EQ(bytes.size(), N);
  std::copy_n(bytes.begin(), std::min(bytes.size(), N), out.begin());
  return out;
}

inline std::shared_ptr<const crypto::RsaKey> own_key() {
  static const std::shared_ptr<const crypto::RsaKey> key =
      *crypto::RsaKey::from_pem(handshake_vectors::kOwnPem);
  return key;
}

// A RandomSource of scripted pieces: each request must ask for exactly the next piece. With an
// empty script, real randomness. One script per thread; ScriptedRandom clears it at both ends of
// its life.
class ScriptedRandom {
 public:
  ScriptedRandom() { script().clear(); }
  ~ScriptedRandom() {
    EXPECT_TRUE(script().empty()) << "randomness left over";
    script().clear();
  }
  ScriptedRandom(const ScriptedRandom&) = delete;
  ScriptedRandom& operator=(const ScriptedRandom&) = delete;

  void add(Bytes piece) { script().push_back(std::move(piece)); }
  void add(size_t count, uint8_t value) { add(Bytes(count, value)); }

  static void source(ByteSpan out) noexcept {
    if (script().empty()) return crypto::random_bytes(out);
    const Bytes piece = std::move(script().front());
    script().pop_front();
    EXPECT_EQ(piece.size(), out.size());
    std::copy_n(piece.begin(), std::min(piece.size(), out.size()), out.begin());
  }

 private:
  static std::deque<Bytes>& script() {
    thread_local std::deque<Bytes> pieces;
    return pieces;
  }
};

// A HandshakeSet whose outcomes are worked off at once.
struct ServerHarness {
  ServerHarness() { config.keys.push_back({own_key(), own_key()->fingerprint()}); }

  // Takes one object and answers kReply, kIgnore or kFail.
  HandshakeOutcome send(ByteView object) { return settle(set.on_message(object, now)); }

  HandshakeOutcome settle(HandshakeOutcome outcome) {
    for (;;) {
      if (outcome.kind == HandshakeOutcome::Kind::kWork) {
        outcome.job->run();
        outcome = set.on_work_done(std::move(outcome.job), now);
      } else if (outcome.kind == HandshakeOutcome::Kind::kStore) {
        const mtproto::Nonce nonce = outcome.nonce;
        stored.push_back(std::move(outcome.created));
        StoreResult result = StoreResult::kStored;
        if (!store_results.empty()) {
          result = store_results.front();
          store_results.pop_front();
        }
        outcome = set.on_stored(nonce, result, now);
      } else {
        return outcome;
      }
    }
  }

  mtproto::HandshakeConfig config;
  mtproto::HandshakeSet set{&config};
  Now now{.mono_ns = 5'000'000'000, .unix_ns = 1'700'000'000 * kNsPerSecond};
  std::deque<StoreResult> store_results;  // kStored when there is none left
  std::vector<std::unique_ptr<mtproto::CreatedKey>> stored;
};

// A client that holds its values in the open; each step may be tampered with.
struct StepClient {
  StepClient() { client::make_nonces(values, &crypto::random_bytes); }

  [[nodiscard]] Bytes req_pq() const { return client::make_req_pq(values); }

  // Runs step 1.
  void begin(ServerHarness& server) {
    const HandshakeOutcome answer = server.send(req_pq());
    ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
    const client::ServerKey keys[] = {{own_key(), own_key()->fingerprint()}};
    ASSERT_TRUE(client::take_res_pq(answer.reply, keys, values).ok());
    ASSERT_TRUE(client::solve_pq(values).ok());
  }

  [[nodiscard]] Bytes encrypt(const mtproto::PqInnerData& inner) const {
    const SecretString data = mtproto::write_pq_inner_data(inner);
    return *client::rsa_pad_encrypt(*own_key(), data.view(), &crypto::random_bytes);
  }
  [[nodiscard]] Bytes encrypt() const { return encrypt(client::make_inner_data(values)); }
  [[nodiscard]] Bytes req_dh_params() const {
    return client::make_req_dh_params(values, encrypt());
  }

  // Runs step 2, and makes g_b and the key.
  void exchange(ServerHarness& server) {
    const HandshakeOutcome answer = server.send(req_dh_params());
    ASSERT_EQ(answer.kind, HandshakeOutcome::Kind::kReply);
    ASSERT_TRUE(client::take_server_dh_params(answer.reply, values).ok());
    ASSERT_TRUE(client::compute_key(values, &crypto::random_bytes).ok());
  }

  [[nodiscard]] Bytes set_client(const mtproto::ClientDhInnerData& inner) const {
    return client::make_set_client_dh_params(values, mtproto::write_client_dh_inner_data(inner),
                                             &crypto::random_bytes);
  }
  [[nodiscard]] Bytes set_client() const {
    return set_client(client::make_client_dh_inner(values));
  }

  client::ExchangeValues values;
};

inline void expect_refused(const HandshakeOutcome& outcome, Error error) {
  EXPECT_EQ(outcome.kind, HandshakeOutcome::Kind::kFail);
  EXPECT_EQ(outcome.transport_error, mtproto::kErrorUnknownKey);
  EXPECT_EQ(to_string(outcome.error), to_string(error));
  EXPECT_TRUE(outcome.reply.empty());
}

inline void expect_reply(const HandshakeOutcome& outcome, ByteView object) {
  EXPECT_EQ(outcome.kind, HandshakeOutcome::Kind::kReply) << to_string(outcome.error);
  EXPECT_EQ(to_hex(outcome.reply), to_hex(object));
}

inline Bytes with_words(ByteView object, size_t words) {
  Bytes longer(object.begin(), object.end());
  longer.resize(object.size() + 4 * words, 0xa7);
  return longer;
}

}  // namespace ringway::testing
