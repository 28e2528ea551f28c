#include "e2e/door_test.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/hex.h"

namespace ringway::testing {
namespace {

constexpr int kToolTimeoutMs = 20'000;
constexpr timespec kBetweenPieces{0, 100'000};

}  // namespace

CertificateFiles make_certificate_files(const TempDir& directory, const std::string& name) {
  const CertificateFiles files{directory.file(name + ".pem"), directory.file(name + ".key")};
  const std::string log = directory.file(name + ".log");
  ChildProcess openssl(
      {"openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
       "-days", "2", "-subj", "/CN=" + name, "-addext", "subjectAltName=DNS:localhost", "-keyout",
       files.key, "-out", files.certificate},
      directory.path(), log);
  EXPECT_EQ(openssl.wait(kToolTimeoutMs), 0) << read_text(log);
  return files;
}

std::shared_ptr<const tls::TlsContext> trust(const std::string& certificate_file) {
  tls::TlsLoaded loaded = tls::TlsContext::client({certificate_file, false});
  EXPECT_NE(loaded.context, nullptr) << loaded.error;
  return std::move(loaded.context);
}

std::string fake_tls_secret_text() {
  return fmt::format("ee{}{}", kFakeTlsKey, to_hex(text_bytes(kFakeTlsDomain)));
}

tls::FakeTlsSecret fake_tls_secret() {
  return {transport_secret(kFakeTlsKey), std::string(kFakeTlsDomain)};
}

Secret<kTransportSecretBytes> transport_secret(std::string_view hex) {
  const Bytes bytes = *from_hex(hex);
  return Secret<kTransportSecretBytes>(ByteView(bytes).last<kTransportSecretBytes>());
}

door::ProxyAddress proxy_address(std::string_view ip, uint16_t port) {
  door::ProxyAddress address;
  const bool v6 = ip.find(':') != std::string_view::npos;
  address.ip_bytes = v6 ? 16 : 4;
  EXPECT_EQ(inet_pton(v6 ? AF_INET6 : AF_INET, std::string(ip).c_str(), address.ip.data()), 1);
  address.port = port;
  return address;
}

Bytes text_bytes(std::string_view text) { return {text.begin(), text.end()}; }

Bytes joined(ByteView a, ByteView b) {
  Bytes all(a.begin(), a.end());
  all.insert(all.end(), b.begin(), b.end());
  return all;
}

const TempDir& DoorTest::files() {
  if (files_ == nullptr) files_ = std::make_unique<TempDir>();
  return *files_;
}

void DoorTest::start_doors(std::vector<Door> doors, const std::string& limits) {
  std::string yaml = limits + "  Listeners:\n";
  for (const Door& door : doors) {
    if (door.listener.empty()) continue;
    yaml += fmt::format("    - {{Address: \"127.0.0.1:{}\", {}}}\n", door.port, door.listener);
  }
  doors_ = std::move(doors);
  start_stack({.ringway_yaml = yaml, .shard_arguments = {"--load-methods"}});
}

std::vector<Door> DoorTest::all_doors() {
  const CertificateFiles certificate = make_certificate_files(files(), "server");
  const std::string tls_text =
      fmt::format("Tls: {{Cert: {}, Key: {}}}", certificate.certificate, certificate.key);
  const std::string believed = "ProxyProtocol: {From: [127.0.0.0/8]}";
  client::ClientDoorsOptions plain;
  plain.server_name = "localhost";
  client::ClientDoorsOptions websocket = plain;
  websocket.websocket = true;
  client::ClientDoorsOptions behind_tls = plain;
  behind_tls.tls = trust(certificate.certificate);
  client::ClientDoorsOptions wss = behind_tls;
  wss.websocket = true;
  client::ClientDoorsOptions fake;
  fake.fake_tls = fake_tls_secret();
  const auto proxied = [](client::ClientDoorsOptions options, client::ProxyVersion version) {
    options.proxy = version;
    options.source = proxy_address("203.0.113.7", 4711);
    options.destination = proxy_address("192.0.2.1", 443);
    return options;
  };
  using enum client::ProxyVersion;
  const uint16_t autos = free_port();
  const uint16_t proxy = free_port();
  const uint16_t proxy_ws = free_port();
  return {
      {"tcp", free_port(), "Proto: tcp", "intermediate"},
      {"auto", autos, "Proto: auto", "abridged"},
      {"auto, obfuscated", autos, "", "obfuscated-padded"},
      {"auto, websocket", autos, "", "obfuscated-intermediate", websocket},
      {"websocket", free_port(), "Proto: websocket", "obfuscated-abridged", websocket},
      {"wss", free_port(), "Proto: websocket, " + tls_text, "obfuscated-padded", wss},
      {"tls", free_port(), "Proto: tcp, " + tls_text, "padded", behind_tls},
      {"fake TLS", free_port(), fmt::format("Proto: tcp, Secrets: [{}]", fake_tls_secret_text()),
       "obfuscated-padded", fake, transport_secret(kFakeTlsKey)},
      {"secret", free_port(), fmt::format("Proto: tcp, Secrets: [{}]", kPaddedSecret),
       "obfuscated-padded", plain, transport_secret(kPaddedSecret)},
      {"PROXY v1", proxy, "Proto: tcp, " + believed, "full", proxied(plain, kV1)},
      {"PROXY v2", proxy, "", "abridged", proxied(plain, kV2)},
      {"PROXY v1, websocket", proxy_ws, "Proto: websocket, " + believed, "obfuscated-intermediate",
       proxied(websocket, kV1)},
      {"PROXY v2, websocket", proxy_ws, "", "obfuscated-intermediate", proxied(websocket, kV2)},
      {"PROXY v2, wss", free_port(), fmt::format("Proto: auto, {}, {}", tls_text, believed),
       "obfuscated-intermediate", proxied(wss, kV2)},
  };
}

const Door& DoorTest::door(std::string_view name) {
  const auto found = std::find_if(doors_.begin(), doors_.end(),
                                  [name](const Door& door) { return door.name == name; });
  EXPECT_NE(found, doors_.end()) << name;
  return *found;
}

std::unique_ptr<BlockingClient> DoorTest::enter(const Door& door) {
  auto options = transport(door.transport);
  options.secret = door.secret;
  auto client = std::make_unique<BlockingClient>(options);
  client->use_doors(door.options);
  EXPECT_TRUE(client->connect(address(door)).ok()) << door.name << ": " << client->problem();
  return client;
}

std::unique_ptr<BlockingClient> DoorTest::enter_with_key(const Door& door) {
  auto client = enter(door);
  client->use_key(key());
  return client;
}

std::unique_ptr<BlockingClient> DoorTest::knock(const Door& door, std::string_view transport_name) {
  auto client = std::make_unique<BlockingClient>(transport(transport_name));
  EXPECT_TRUE(client->connect(address(door)).ok()) << door.name << ": " << client->problem();
  return client;
}

void DoorTest::send_raw(BlockingClient& client, ByteView bytes, size_t piece) {
  while (!bytes.empty()) {
    const size_t count = std::min(piece, bytes.size());
    // Who is refused in the middle does not take the rest: what comes back tells.
    if (!client.socket().send_all(bytes.first(count), kNsPerSecond).ok()) return;
    bytes = bytes.subspan(count);
    if (!bytes.empty()) nanosleep(&kBetweenPieces, nullptr);
  }
}

void DoorTest::send_split(BlockingClient& client, ByteView bytes, size_t split) {
  send_raw(client, bytes.first(split));
  nanosleep(&kBetweenPieces, nullptr);
  send_raw(client, bytes.subspan(split));
}

std::string DoorTest::read_head(BlockingClient& client) {
  std::string head;
  while (!head.ends_with("\r\n\r\n")) {
    const Bytes byte = read_exactly(client, 1);
    if (byte.empty()) break;
    head.push_back(static_cast<char>(byte[0]));
  }
  return head;
}

}  // namespace ringway::testing
