#include "mtproto/obfuscation.h"

#include <algorithm>
#include <array>

#include "crypto/random.h"
#include "crypto/sha.h"

namespace ringway::mtproto {
namespace {

constexpr size_t kKeyBytes = 32;
constexpr size_t kIvBytes = 16;
constexpr size_t kSeedOffset = 8;
constexpr size_t kSeedBytes = kKeyBytes + kIvBytes;
constexpr size_t kTagOffset = 56;
constexpr size_t kDcOffset = 60;
static_assert(kSeedOffset + kSeedBytes == kTagOffset);

constexpr uint32_t kTagAbridged = 0xefefefef;
constexpr uint32_t kTagIntermediate = 0xeeeeeeee;
constexpr uint32_t kTagPadded = 0xdddddddd;

// Streams no client may begin an init with, as little-endian first words.
constexpr std::array<uint32_t, 8> kReservedWords = {
    kTagIntermediate, kTagPadded,
    0x44414548,  // HEAD
    0x54534f50,  // POST
    0x20544547,  // GET
    0x4954504f,  // OPTI
    0x02010316,  // a TLS hello
    0x47725650,  // PVrG, refused by some servers
};
constexpr uint8_t kAbridgedMagic = 0xef;

TransportKind kind_of_tag(uint32_t tag) noexcept {
  switch (tag) {
    case kTagAbridged:
      return TransportKind::kAbridged;
    case kTagIntermediate:
      return TransportKind::kIntermediate;
    case kTagPadded:
      return TransportKind::kPadded;
    default:
      return TransportKind::kUndecided;
  }
}

uint32_t tag_of_kind(TransportKind kind) noexcept {
  switch (kind) {
    case TransportKind::kAbridged:
      return kTagAbridged;
    case TransportKind::kIntermediate:
      return kTagIntermediate;
    case TransportKind::kPadded:
      return kTagPadded;
    default:
      return 0;
  }
}

// `seed` is 32 bytes of key and 16 of iv.
crypto::AesCtr derive_stream(std::span<const uint8_t, kSeedBytes> seed,
                             const TransportSecret* secret) noexcept {
  const auto iv = seed.subspan<kKeyBytes, kIvBytes>();
  if (secret == nullptr) return {seed.first<kKeyBytes>(), iv};
  crypto::Sha256Digest digest = crypto::sha256({seed.first<kKeyBytes>(), secret->view()});
  crypto::AesCtr stream(digest, iv);
  cleanse(digest.data(), digest.size());
  return stream;
}

// Both at position 0.
ObfuscationStreams derive_streams(ObfuscationInit init, const TransportSecret* secret) noexcept {
  const auto seed = init.subspan<kSeedOffset, kSeedBytes>();
  Secret<kSeedBytes> reversed(seed);
  std::reverse(reversed.data(), reversed.data() + kSeedBytes);
  return {derive_stream(seed, secret), derive_stream(reversed.view(), secret)};
}

}  // namespace

Result<ObfuscationOpening> read_obfuscation_init(ObfuscationInit init,
                                                 const TransportSecret* secret) noexcept {
  ObfuscationOpening opening;
  opening.streams = derive_streams(init, secret);
  Secret<kObfuscationInitBytes> plain(init);
  opening.streams.client_to_server.apply(plain.span());
  opening.kind = kind_of_tag(load_le<uint32_t>(plain.data() + kTagOffset));
  if (opening.kind == TransportKind::kUndecided) return Error::kBadTransport;
  opening.dc = load_le<int16_t>(plain.data() + kDcOffset);
  return opening;
}

Result<ObfuscationOpening> read_obfuscation_init(
    ObfuscationInit init, std::span<const TransportSecret> secrets) noexcept {
  if (secrets.empty()) return read_obfuscation_init(init, nullptr);
  for (const TransportSecret& secret : secrets) {
    Result<ObfuscationOpening> opening = read_obfuscation_init(init, &secret);
    if (opening) return opening;
  }
  return Error::kBadTransport;
}

bool is_reserved_opening(std::span<const uint8_t, 8> first) noexcept {
  if (first[0] == kAbridgedMagic) return true;
  const uint32_t word = load_le<uint32_t>(first.data());
  if (std::find(kReservedWords.begin(), kReservedWords.end(), word) != kReservedWords.end())
    return true;
  return load_le<uint32_t>(first.data() + 4) == 0;  // sequence number 0 of the full transport
}

void draw_obfuscation_init(std::span<uint8_t, kObfuscationInitBytes> init) noexcept {
  do {
    crypto::random_bytes(init);
  } while (is_reserved_opening(init.first<8>()));
}

ObfuscationStreams seal_obfuscation_init(std::span<uint8_t, kObfuscationInitBytes> init,
                                         TransportKind kind, int16_t dc,
                                         const TransportSecret* secret) noexcept {
  RW_ASSERT(tag_of_kind(kind) != 0);
  store_le(init.data() + kTagOffset, tag_of_kind(kind));
  store_le(init.data() + kDcOffset, dc);
  ObfuscationStreams streams = derive_streams(init, secret);
  Secret<kObfuscationInitBytes> encrypted(init);
  streams.client_to_server.apply(encrypted.span());
  std::memcpy(init.data() + kTagOffset, encrypted.data() + kTagOffset,
              kObfuscationInitBytes - kTagOffset);
  return streams;
}

}  // namespace ringway::mtproto
