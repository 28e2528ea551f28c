// What the tests of the doors share: a gateway with a listener of each kind, and clients that know
// their way in.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "e2e/gateway_test.h"

namespace ringway::testing {

// A certificate for "localhost", its own authority, and its key.
struct CertificateFiles {
  std::string certificate;
  std::string key;
};
// Writes both below `directory`, in place of what is there; fails the test when it cannot.
CertificateFiles make_certificate_files(const TempDir& directory, const std::string& name);
// A client's context that trusts this certificate and nothing else.
[[nodiscard]] std::shared_ptr<const tls::TlsContext> trust(const std::string& certificate_file);

// A way in.
struct Door {
  std::string name;
  uint16_t port = 0;
  std::string listener;  // in the configuration, without its address
  std::string transport = "obfuscated-intermediate";
  client::ClientDoorsOptions options{};
  std::optional<Secret<kTransportSecretBytes>> secret{};
};

// Both secrets of the tests, as the configuration has them and as clients do.
inline constexpr std::string_view kPaddedSecret = "dd00112233445566778899aabbccddeeff";
inline constexpr std::string_view kFakeTlsKey = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
inline constexpr std::string_view kFakeTlsDomain = "www.example.com";
[[nodiscard]] std::string fake_tls_secret_text();
[[nodiscard]] tls::FakeTlsSecret fake_tls_secret();
[[nodiscard]] Secret<kTransportSecretBytes> transport_secret(std::string_view hex);

[[nodiscard]] door::ProxyAddress proxy_address(std::string_view ip, uint16_t port);

class DoorTest : public GatewayTest {
 protected:
  // A stack whose gateway has a listener for each of the doors that names one; doors of one port
  // share the first one's. `limits` is a line below "Ringway:".
  static void start_doors(std::vector<Door> doors, const std::string& limits = kGenerousLimits);
  static void TearDownTestSuite() {
    GatewayTest::TearDownTestSuite();
    doors_.clear();
    files_.reset();
  }
  // Every kind of door. Its certificate lies in files().
  static std::vector<Door> all_doors();

  static const std::vector<Door>& doors() { return doors_; }
  static const Door& door(std::string_view name);
  static const TempDir& files();
  static std::string address(const Door& door) { return "127.0.0.1:" + std::to_string(door.port); }

  // A client that has come in; with a key its session is begun.
  static std::unique_ptr<BlockingClient> enter(const Door& door);
  static std::unique_ptr<BlockingClient> enter_with_key(const Door& door);
  // A connection on which nothing has been said.
  static std::unique_ptr<BlockingClient> knock(const Door& door,
                                               std::string_view transport_name = "abridged");

  // Sends bytes past the client's own doors, in pieces that arrive apart.
  static void send_raw(BlockingClient& client, ByteView bytes, size_t piece = SIZE_MAX);
  // The same in two pieces.
  static void send_split(BlockingClient& client, ByteView bytes, size_t split);
  // Reads up to and including the empty line of an HTTP answer.
  static std::string read_head(BlockingClient& client);

 private:
  static inline std::vector<Door> doors_;
  static inline std::unique_ptr<TempDir> files_;
};

[[nodiscard]] Bytes text_bytes(std::string_view text);
[[nodiscard]] Bytes joined(ByteView a, ByteView b);

}  // namespace ringway::testing
