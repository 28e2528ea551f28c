// tls/fake_hello: the opening of fake TLS, by which a client that knows a secret shows itself in
// what looks like a TLS client hello, and the flight that answers it.
//
// A secret is `ee`, a 16-byte key and a domain. The client's random is HMAC-SHA256(key, the record
// with its random zeroed), with the time of day XORed into its last four bytes. Who does not know
// the key must see nothing but a TLS server: whatever fails here is to be answered by the server
// that the gateway hides behind, or not at all.
//
// The time is covered by no digest: who has recorded a hello can set it to any time, but not change
// random[0:16]. That is what tls/replay_cache is for, and the reason to ask it after
// read_fake_hello().
//
// Pure functions; any thread. Nothing of what is passed in is kept but where it says borrowed.
#pragma once

#include <span>
#include <string>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "tls/client_hello.h"
#include "tls/key_share.h"

namespace ringway::tls {

struct FakeTlsSecret {
  Secret<16> key;
  std::string domain;
};

// A hello that is authentic.
struct FakeHello {
  ByteView record;    // borrowed; what follows it in the stream is the client's next record
  size_t secret = 0;  // which of the secrets
  TlsRandom random{};
  uint16_t cipher = 0;
  uint8_t session_id_bytes = 0;
  std::array<uint8_t, kTlsSessionIdBytesMax> session_id{};

  // What a replay has in common with its original.
  [[nodiscard]] std::span<const uint8_t, 16> replay_id() const noexcept {
    return std::span(random).first<16>();
  }
};

// Server: reads the start of a stream; `unix_seconds` is now.
//   kTruncated      the record is not whole yet
//   kBadTransport   not the record of a client hello: it may be another transport
// Everything else is a TLS client, but none that is authentic:
//   kMalformed      not the layout of a hello, or no cipher of TLS 1.3 in it
//   kUnknownKey     made with none of the keys
//   kTimeout        made before kFakeHelloAgeMaxSeconds ago, or ahead of the time
//   kNotAllowed     for another server than the secret's domain
// All keys are tried, in a time that does not tell which one fits.
Result<FakeHello> read_fake_hello(ByteView start, std::span<const FakeTlsSecret> secrets,
                                  int64_t unix_seconds);

// Server: what answers a hello: server hello, change cipher spec, and one record that passes for
// the encrypted rest. How long the last one is belongs to the secret, give or take a byte: a real
// server has one certificate, and so does this one. Costs the making of an X25519 key.
[[nodiscard]] Bytes make_fake_flight(const FakeHello& hello, const FakeTlsSecret& secret);

// The same from given content: the key share, and the body of the last record, of at most
// kFakeRecordPayloadMax bytes.
[[nodiscard]] Bytes make_fake_flight(const FakeHello& hello, const FakeTlsSecret& secret,
                                     const KeyShare& key_share, ByteView body);

// Client: how long the flight at the start of the stream is, once it is whole and authentic.
// kTruncated: not whole yet; kMalformed: no flight; kUnknownKey: the server does not know the key.
Result<size_t> read_fake_flight(ByteView start, const FakeTlsSecret& secret,
                                const TlsRandom& client_random) noexcept;

}  // namespace ringway::tls
