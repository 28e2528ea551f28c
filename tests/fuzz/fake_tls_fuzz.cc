// Fuzzing of fake TLS: hello and records, as a gateway reads them from a stranger.
//
// Byte 0 seeds how the rest is cut; bit 7 of it says that the hello is made authentic first, as far
// as its layout allows, so that what is behind the digest is reached as well. What follows the
// hello is read as records, at once and in pieces: both must see the same stream and the same
// error.
#include <algorithm>

#include "fuzz_support.h"
#include "tls/fake_hello.h"
#include "tls/fake_records.h"
#include "tls/hmac.h"

namespace {

using namespace ringway;
using namespace ringway::tls;
using fuzz::Choices;
using fuzz::require;
using Event = FakeTlsReader::Event;

constexpr size_t kInputBytesMax = 64 * 1024;
constexpr int64_t kNow = 1'800'000'000;

const std::array<FakeTlsSecret, 2>& secrets() {
  static const std::array<FakeTlsSecret, 2> made = [] {
    std::array<FakeTlsSecret, 2> out;
    std::fill_n(out[0].key.data(), out[0].key.size(), uint8_t{0x11});
    std::fill_n(out[1].key.data(), out[1].key.size(), uint8_t{0x22});
    out[0].domain = "a.example";
    out[1].domain = "b.example";
    return out;
  }();
  return made;
}

// Signs whatever stands where a hello's record would.
void make_authentic(Bytes& stream) {
  const Result<ByteView> record = cut_client_hello(stream);
  if (!record || record->size() < kTlsHelloRandomAt + kTlsRandomBytes) return;
  const auto random = stream.begin() + kTlsHelloRandomAt;
  std::fill_n(random, kTlsRandomBytes, uint8_t{0});
  const auto digest = hmac_sha256(secrets()[1].key, {ByteView(stream).first(record->size())});
  std::copy(digest.begin(), digest.end(), random);
  uint8_t* time = stream.data() + kTlsHelloRandomAt + 28;
  store_le(time, load_le<uint32_t>(time) ^ static_cast<uint32_t>(kNow));
}

// Reads the hello at the start; how many bytes it has, none when it is not authentic.
size_t read_hello(ByteView stream) {
  const Result<FakeHello> hello = read_fake_hello(stream, secrets(), kNow);
  if (!hello) {
    // Waiting is for what may still become one.
    if (hello.error() == Error::kTruncated) require(stream.size() < kFakeHelloBytesMax + 5);
    return 0;
  }
  require(hello->record.data() == stream.data());
  require(hello->record.size() <= stream.size());
  require(hello->session_id_bytes <= hello->session_id.size());
  require(hello->secret < secrets().size());
  // Whatever the client said, its answer is one that it takes.
  const FakeTlsSecret& secret = secrets()[hello->secret];
  const Bytes flight = make_fake_flight(*hello, secret);
  const Result<size_t> read = read_fake_flight(flight, secret, hello->random);
  require(read.ok() && *read == flight.size());
  return hello->record.size();
}

struct Seen {
  Bytes data;
  Error error = Error::kNone;
  bool operator==(const Seen&) const = default;
};

Seen read_records(ByteView stream, size_t piece_max, Choices choices) {
  FakeTlsReader reader(FakeTlsSide::kServer);
  Seen seen;
  while (!stream.empty() && seen.error == Error::kNone) {
    const size_t size = std::min(stream.size(), 1 + choices.below(piece_max));
    // Memory of its own, freed at the end of the round.
    Bytes piece(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(size));
    stream = stream.subspan(size);
    reader.receive(piece);
    ByteSpan data;
    while (reader.next(data) == Event::kData) {
      require(!data.empty());
      seen.data.insert(seen.data.end(), data.begin(), data.end());
    }
    seen.error = reader.error();
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > kInputBytesMax) return 0;
  Bytes stream(data + 1, data + size);
  if ((data[0] & 0x80) != 0) make_authentic(stream);
  const ByteView rest = ByteView(stream).subspan(read_hello(stream));
  require(read_records(rest, 1, Choices(data[0])) ==
          read_records(rest, kInputBytesMax, Choices(data[0])));
  const Seen seen = read_records(rest, 1 + data[0], Choices(data[0]));
  require(seen == read_records(rest, 1, Choices(data[0])));
  require(seen.data.size() <= rest.size());
  // A flight of strangers.
  (void)read_fake_flight(stream, secrets()[0], TlsRandom{});
  return 0;
}
