#include "client/account/known_servers.h"

#include <fmt/format.h>

#include <utility>

#include "base/assert.h"
#include "base/small_file.h"
#include "client/account/net_address.h"

namespace ringway::client {
namespace {

// The production key, then the test one. https://core.telegram.org/api/auth#getting-the-public-keys
constexpr std::string_view kKeys[] = {
    R"(-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEA6LszBcC1LGzyr992NzE0ieY+BSaOW622Aa9Bd4ZHLl+TuFQ4lo4g
5nKaMBwK/BIb9xUfg0Q29/2mgIR6Zr9krM7HjuIcCzFvDtr+L0GQjae9H0pRB2OO
62cECs5HKhT5DZ98K33vmWiLowc621dQuwKWSQKjWf50XYFw42h21P2KXUGyp2y/
+aEyZ+uVgLLQbRA1dEjSDZ2iGRy12Mk5gpYc397aYp438fsJoHIgJ2lgMv5h7WY9
t6N/byY9Nw9p21Og3AoXSL2q/2IJ1WRUhebgAdGVMlV1fkuOQoEzR7EdpqtQD9Cs
5+bfo3Nhmcyvk5ftB0WkJ9z6bNZ7yxrP8wIDAQAB
-----END RSA PUBLIC KEY-----
)",
    R"(-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEAyMEdY1aR+sCR3ZSJrtztKTKqigvO/vBfqACJLZtS7QMgCGXJ6XIR
yy7mx66W0/sOFa7/1mAZtEoIokDP3ShoqF4fVNb6XeqgQfaUHd8wJpDWHcR2OFwv
plUUI1PLTktZ9uW2WE23b+ixNwJjJGwBDJPQEQFBE+vfmH0JP503wr5INS1poWg/
j25sIWeYPHYeOrFp/eXaqhISP6G+q2IeTaWTXpwZj4LzXq5YOpk4bYEQ6mvRq7D1
aHWfYmlEGepfaYR8Q0YqvvhYtMte3ITnuSJs171+GDqpdKcSwHnd6FudwGO4pcCO
j4WcDuXc2CTHgH8gFTNhp/Y8/SpDOhvn9QIDAQAB
-----END RSA PUBLIC KEY-----
)"};

constexpr const char* kHosts[] = {"149.154.175.50", "149.154.167.51", "149.154.175.100",
                                  "149.154.167.91", "149.154.171.5"};
constexpr const char* kTestHosts[] = {"149.154.175.10", "149.154.167.40", "149.154.175.117"};
// Where mtprotod signed in.
constexpr std::string_view kOldHost = "149.154.167.50";
constexpr int32_t kOldHostDc = 2;
// In the order in which they are tried.
constexpr uint16_t kPorts[] = {443, 80, 5222};

constexpr size_t kKeyFileBytesMax = 64 * 1024;

ServerKey server_key(std::shared_ptr<const crypto::RsaKey> key) {
  const uint64_t fingerprint = key->fingerprint();
  return {std::move(key), fingerprint};
}

template <typename Hosts>
std::vector<DcAddress> addresses_of(const Hosts& hosts) {
  std::vector<DcAddress> addresses;
  int32_t dc = 0;
  for (const char* host : hosts) {
    ++dc;
    for (const uint16_t port : kPorts) addresses.push_back({dc, host, port, false});
  }
  return addresses;
}

}  // namespace

std::vector<DcAddress> known_addresses(bool test) {
  return test ? addresses_of(kTestHosts) : addresses_of(kHosts);
}

int32_t known_dc(std::string_view host) {
  if (host == kOldHost) return kOldHostDc;
  for (const bool test : {false, true}) {
    for (const DcAddress& address : known_addresses(test)) {
      if (address.host == host) return address.dc;
    }
  }
  return 0;
}

std::vector<ServerKey> known_server_keys() {
  std::vector<ServerKey> keys;
  for (const std::string_view pem : kKeys) {
    auto key = crypto::RsaKey::from_pem(pem);
    RW_ASSERT(key.ok());
    keys.push_back(server_key(*std::move(key)));
  }
  return keys;
}

Result<ServerKey> load_server_key(const std::string& path, std::string& problem) {
  RW_TRY_ASSIGN(const Bytes pem,
                read_small_file(path, kKeyFileBytesMax, FileAccess::kAny, problem));
  auto key = crypto::RsaKey::from_pem(as_text(pem));
  if (key.ok()) return server_key(*std::move(key));
  problem = fmt::format("{} is no 2048-bit RSA key in PEM", path);
  return key.error();
}

ServerChoiceEnd choose_server(const ServerChoice& choice, AccountOptions& options,
                              std::string& problem) {
  for (const std::string& file : choice.key_files) {
    auto key = load_server_key(file, problem);
    if (!key.ok()) return ServerChoiceEnd::kBadKey;
    options.server_keys.push_back(*std::move(key));
  }
  if (options.server_keys.empty()) options.server_keys = known_server_keys();
  for (const std::string& text : choice.addresses) {
    auto address = read_address(text);
    if (!address.has_value()) {
      problem = text + ": expected HOST:PORT or DC=HOST:PORT";
      return ServerChoiceEnd::kBadAddress;
    }
    options.addresses.push_back(*std::move(address));
  }
  // What stands behind a gateway may name addresses that only it can reach.
  options.follow_config = choice.addresses.empty();
  if (choice.addresses.empty()) options.addresses = known_addresses(choice.test_servers);
  return ServerChoiceEnd::kGood;
}

void begin_at(const AccountOptions& options, AccountState& state) {
  // Telegram's own are where the state says.
  if (options.follow_config || options.addresses.empty() || !state.keys.empty()) return;
  const int32_t dc = options.addresses.front().dc;
  if (dc != 0) state.main_dc = dc;
}

}  // namespace ringway::client
