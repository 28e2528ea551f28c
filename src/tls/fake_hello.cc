#include "tls/fake_hello.h"

#include <algorithm>

#include "base/assert.h"
#include "crypto/random.h"
#include "tls/hmac.h"
#include "tls/key_share.h"

namespace ringway::tls {
namespace {

constexpr size_t kTimeAt = 28;  // of the random
// A server's extensions, certificate, its proof and the end of its handshake.
constexpr size_t kFlightBodyBytesMin = 2500;
constexpr size_t kFlightBodyBytesMax = 4700;
static_assert(kFlightBodyBytesMax < kFakeRecordPayloadMax);
constexpr std::string_view kLengthLabel = "length of the flight";

constexpr std::array<uint8_t, 6> kChangeCipherSpec = {0x14, 0x03, 0x03, 0x00, 0x01, 0x01};
constexpr std::array<uint8_t, 3> kHandshakeStart = {0x16, 0x03, 0x03};
constexpr std::array<uint8_t, 3> kDataStart = {0x17, 0x03, 0x03};
// No compression, 46 bytes of extensions; the first is a key share on X25519.
constexpr std::array<uint8_t, 11> kKeyShareHead = {0x00, 0x00, 0x2e, 0x00, 0x33, 0x00,
                                                   0x24, 0x00, 0x1d, 0x00, 0x20};
constexpr std::array<uint8_t, 6> kSupportedVersions = {0x00, 0x2b, 0x00, 0x02, 0x03, 0x04};
// Behind the header of the handshake message: version, random, length of the session id, cipher.
constexpr size_t kServerHelloBytes =
    2 + kTlsRandomBytes + 1 + 2 + kKeyShareHead.size() + kKeyShareBytes + kSupportedVersions.size();
constexpr size_t kHandshakeHeaderBytes = 4;

void put_u16(ByteWriter& writer, size_t value) noexcept {
  writer.u8(static_cast<uint8_t>(value >> 8));
  writer.u8(static_cast<uint8_t>(value));
}

// What the digest leaves of the random: 28 zero bytes before the time when the key is the right
// one. In constant time.
bool digest_fits(const crypto::Sha256Digest& digest, ByteView random) noexcept {
  return equal_constant_time(ByteView(digest).first(kTimeAt), random.first(kTimeAt));
}

int64_t time_of(const crypto::Sha256Digest& digest, ByteView random) noexcept {
  return load_le<uint32_t>(digest.data() + kTimeAt) ^ load_le<uint32_t>(random.data() + kTimeAt);
}

// One of the secrets that a hello was made with.
struct Match {
  size_t secret = 0;
  int64_t made_seconds = 0;
};

// Secrets that share a key, for several domains, are told apart by the name that the client asks
// for. Only what has passed the comparisons makes a difference in time.
class Matches {
 public:
  void add(size_t secret, bool fits, bool named, int64_t made_seconds) noexcept {
    const bool better = fits && (!found_ || (named && !named_));
    if (better) match_ = {secret, made_seconds};
    named_ = named_ || (fits && named);
    found_ = found_ || fits;
  }
  [[nodiscard]] bool found() const noexcept { return found_; }
  [[nodiscard]] bool named() const noexcept { return named_; }
  [[nodiscard]] const Match& match() const noexcept { return match_; }

 private:
  Match match_;
  bool found_ = false;
  bool named_ = false;
};

// Tries all keys on a record whose random is zeroed.
Matches try_secrets(ByteView zeroed, const ClientHello& hello,
                    std::span<const FakeTlsSecret> secrets) noexcept {
  Matches matches;
  for (size_t begin = 0; begin < secrets.size(); begin += kHmacBatchMax) {
    const size_t count = std::min(kHmacBatchMax, secrets.size() - begin);
    std::array<const HmacKey*, kHmacBatchMax> keys{};
    std::array<crypto::Sha256Digest, kHmacBatchMax> digests;
    for (size_t i = 0; i < count; ++i) keys[i] = &secrets[begin + i].key;
    hmac_sha256_many(std::span(keys).first(count), zeroed, std::span(digests).first(count));
    for (size_t i = 0; i < count; ++i) {
      matches.add(begin + i, digest_fits(digests[i], hello.random),
                  same_host_name(hello.server_name, secrets[begin + i].domain),
                  time_of(digests[i], hello.random));
    }
    cleanse(digests.data(), sizeof digests);
  }
  return matches;
}

Error judge(const Matches& matches, int64_t unix_seconds) noexcept {
  if (!matches.found()) return Error::kUnknownKey;
  const int64_t age = unix_seconds - matches.match().made_seconds;
  if (age > kFakeHelloAgeMaxSeconds || age < -kFakeHelloAheadMaxSeconds) return Error::kTimeout;
  return matches.named() ? Error::kNone : Error::kNotAllowed;
}

size_t draw_body_bytes(const FakeTlsSecret& secret) noexcept {
  const crypto::Sha256Digest digest =
      hmac_sha256(secret.key, {as_bytes(kLengthLabel), as_bytes(secret.domain)});
  constexpr size_t kRange = kFlightBodyBytesMax - kFlightBodyBytesMin - 1;
  const size_t usual = kFlightBodyBytesMin + 1 + load_le<uint32_t>(digest.data()) % kRange;
  uint8_t coins = 0;
  crypto::random_padding({&coins, 1});
  return usual + (coins & 1) - (coins >> 1 & 1);
}

void write_server_hello(ByteWriter& writer, const FakeHello& hello,
                        const KeyShare& key_share) noexcept {
  const ByteView session_id = ByteView(hello.session_id).first(hello.session_id_bytes);
  const size_t size = kServerHelloBytes + session_id.size();
  writer.bytes(kHandshakeStart);
  put_u16(writer, kHandshakeHeaderBytes + size);
  writer.u8(2);
  writer.u8(0);
  put_u16(writer, size);
  put_u16(writer, 0x0303);
  writer.fill(0, kTlsRandomBytes);
  writer.u8(hello.session_id_bytes);
  writer.bytes(session_id);
  put_u16(writer, hello.cipher);
  writer.bytes(kKeyShareHead);
  writer.bytes(key_share);
  writer.bytes(kSupportedVersions);
}

// Skips one record that starts with `start`.
Result<void> skip_record(ByteReader& reader, ByteView start) noexcept {
  const ByteView rest = reader.rest();
  const size_t known = std::min(rest.size(), start.size());
  if (!equal(rest.first(known), start.first(known))) return Error::kMalformed;
  if (rest.size() < kTlsRecordHeaderBytes) return Error::kTruncated;
  const size_t size = size_t{rest[3]} << 8 | rest[4];
  if (size > kFakeRecordBytesMax) return Error::kMalformed;
  return reader.skip(kTlsRecordHeaderBytes + size);
}

}  // namespace

Result<FakeHello> read_fake_hello(ByteView start, std::span<const FakeTlsSecret> secrets,
                                  int64_t unix_seconds) {
  RW_TRY_ASSIGN(const ByteView record, cut_client_hello(start));
  const Result<ClientHello> hello_read = read_client_hello(record);
  // A length that leads too far is a fault of the layout: the record is whole.
  if (!hello_read) return Error::kMalformed;
  const ClientHello& hello = *hello_read;
  Bytes zeroed(record.begin(), record.end());
  std::fill_n(zeroed.begin() + kTlsHelloRandomAt, kTlsRandomBytes, uint8_t{0});
  const Matches matches = try_secrets(zeroed, hello, secrets);
  if (const Error error = judge(matches, unix_seconds); error != Error::kNone) return error;
  if (hello.cipher == 0) return Error::kMalformed;
  FakeHello out;
  out.record = record;
  out.secret = matches.match().secret;
  out.cipher = hello.cipher;
  out.session_id_bytes = static_cast<uint8_t>(hello.session_id.size());
  std::copy(hello.random.begin(), hello.random.end(), out.random.begin());
  std::copy(hello.session_id.begin(), hello.session_id.end(), out.session_id.begin());
  return out;
}

Bytes make_fake_flight(const FakeHello& hello, const FakeTlsSecret& secret) {
  Bytes body(draw_body_bytes(secret));
  crypto::random_padding(body);
  return make_fake_flight(hello, secret, draw_key_share(), body);
}

Bytes make_fake_flight(const FakeHello& hello, const FakeTlsSecret& secret,
                       const KeyShare& key_share, ByteView body) {
  RW_ASSERT(body.size() <= kFakeRecordPayloadMax);
  Bytes flight(kTlsRecordHeaderBytes + kHandshakeHeaderBytes + kServerHelloBytes +
               hello.session_id_bytes + kChangeCipherSpec.size() + kTlsRecordHeaderBytes +
               body.size());
  ByteWriter writer(flight);
  write_server_hello(writer, hello, key_share);
  writer.bytes(kChangeCipherSpec);
  writer.bytes(kDataStart);
  put_u16(writer, body.size());
  writer.bytes(body);
  RW_ASSERT(writer.remaining() == 0);
  const crypto::Sha256Digest digest = hmac_sha256(secret.key, {hello.random, flight});
  std::copy(digest.begin(), digest.end(), flight.begin() + kTlsHelloRandomAt);
  return flight;
}

Result<size_t> read_fake_flight(ByteView start, const FakeTlsSecret& secret,
                                const TlsRandom& client_random) noexcept {
  ByteReader reader(start);
  RW_TRY(skip_record(reader, kHandshakeStart));
  if (reader.position() < kTlsHelloRandomAt + kTlsRandomBytes) return Error::kMalformed;
  RW_TRY(skip_record(reader, kChangeCipherSpec));
  RW_TRY(skip_record(reader, kDataStart));
  constexpr TlsRandom kZeros{};
  const ByteView before = start.first(kTlsHelloRandomAt);
  const ByteView random = start.subspan(kTlsHelloRandomAt, kTlsRandomBytes);
  const ByteView after = start.first(reader.position()).subspan(before.size() + random.size());
  const crypto::Sha256Digest digest =
      hmac_sha256(secret.key, {client_random, before, kZeros, after});
  if (!equal_constant_time(digest, random)) return Error::kUnknownKey;
  return reader.position();
}

}  // namespace ringway::tls
