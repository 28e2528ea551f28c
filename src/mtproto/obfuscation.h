// mtproto/obfuscation: the 64 bytes that open an obfuscated2 stream, for both roles.
//
// Pure functions. The client draws 64 bytes; keys for both directions are cut out of bytes 8..55,
// read forward for client to server and backward for server to client, and hashed together with a
// secret where there is one. Bytes 56..63 carry, encrypted with the client's own stream, the tag of
// the inner framing and a data center number. Everything that follows runs through AES-256-CTR.
#pragma once

#include <span>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/aes_ctr.h"
#include "mtproto/transport_kind.h"

namespace ringway::mtproto {

using TransportSecret = Secret<kTransportSecretBytes>;
using ObfuscationInit = std::span<const uint8_t, kObfuscationInitBytes>;

// The two cipher streams at the first byte behind the init: the client's has advanced by its 64
// bytes, the server's starts at 0.
struct ObfuscationStreams {
  crypto::AesCtr client_to_server;
  crypto::AesCtr server_to_client;
};

// Server: what an init says.
struct ObfuscationOpening {
  TransportKind kind = TransportKind::kUndecided;
  int16_t dc = 0;  // +10000: test, negative: media; random from clients that use no secret
  ObfuscationStreams streams;
};

// Reads an init with one secret, or with none (nullptr). kBadTransport when the tag is not one of
// the three: the secret is another one, or this is no obfuscated stream.
Result<ObfuscationOpening> read_obfuscation_init(ObfuscationInit init,
                                                 const TransportSecret* secret) noexcept;
// Tries each secret in turn; with none given, plain derivation.
Result<ObfuscationOpening> read_obfuscation_init(ObfuscationInit init,
                                                 std::span<const TransportSecret> secrets) noexcept;

// Whether a stream that begins like this would be taken for something else than obfuscation, here
// or by a server or censor that knows more protocols (HTTP verbs, a TLS hello, the plain
// transports).
[[nodiscard]] bool is_reserved_opening(std::span<const uint8_t, 8> first) noexcept;

// Client: fills `init` with random bytes that are not a reserved opening.
void draw_obfuscation_init(std::span<uint8_t, kObfuscationInitBytes> init) noexcept;
// Client: turns 64 drawn bytes into what goes on the wire, by writing bytes 56..63. `kind` is
// abridged, intermediate or padded; bytes 62 and 63 stay random underneath.
[[nodiscard]] ObfuscationStreams seal_obfuscation_init(
    std::span<uint8_t, kObfuscationInitBytes> init, TransportKind kind, int16_t dc,
    const TransportSecret* secret) noexcept;

}  // namespace ringway::mtproto
