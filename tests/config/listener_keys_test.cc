// The listeners of a file: Gnetway.Server and Ringway.Listeners, each key and each error.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "config/loader.h"

namespace ringway::config {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr char kKey[] = "00112233445566778899aabbccddeeff";
constexpr char kFakeTls[] = "ee00112233445566778899aabbccddeeff6578616d706c652e636f6d";

LoadOutcome load(std::string_view text) { return load_text(text, "f.yaml"); }

Config good(std::string_view text) {
  LoadOutcome outcome = load(text);
  EXPECT_THAT(outcome.errors, IsEmpty()) << text;
  return outcome.config;
}

std::string bad(std::string_view text) {
  const LoadOutcome outcome = load(text);
  EXPECT_THAT(outcome.errors, SizeIs(1)) << text;
  return outcome.errors.empty() ? "" : outcome.errors[0];
}

// A file with one listener, whose address stands in line 3 and `keys` in line 4.
std::string with(std::string_view keys, std::string_view address = ":1") {
  return fmt::format("Ringway:\n  Listeners:\n    - Address: \"{}\"\n      {}\n", address, keys);
}

// The one listener of such a file.
Listener listener_with(std::string_view keys, std::string_view address = ":1") {
  const Config config = good(with(keys, address));
  EXPECT_THAT(load(with(keys, address)).warnings, IsEmpty()) << keys;
  EXPECT_THAT(config.listeners, SizeIs(1));
  return config.listeners.at(0);
}

std::string error_of(std::string_view keys, std::string_view address = ":1") {
  return bad(with(keys, address));
}

std::string warning_of(std::string_view keys, std::string_view address = ":1") {
  const LoadOutcome outcome = load(with(keys, address));
  EXPECT_THAT(outcome.errors, IsEmpty()) << keys;
  EXPECT_THAT(outcome.warnings, SizeIs(1)) << keys;
  return outcome.warnings.empty() ? "" : outcome.warnings[0];
}

TEST(GnetwayServer, NamesEachAddress) {
  const Config config = good(
      "Gnetway:\n"
      "  Server:\n"
      "    - {Proto: TCP, Addresses: [\":1\", \"[::1]:2\"]}\n"
      "    - {Addresses: [\"1.2.3.4:3\"], PPV1: true}\n"
      "    - {Proto: http, Addresses: [\"1.2.3.4:4\"]}\n"
      "    - {Proto: websocket, Addresses: [\":11443\"]}\n");
  ASSERT_THAT(config.listeners, SizeIs(5));
  EXPECT_EQ(config.listeners[0], (Listener{Protocol::kTcp, {"", 1}}));
  EXPECT_EQ(config.listeners[1], (Listener{Protocol::kTcp, {"::1", 2}}));
  EXPECT_EQ(to_string(config.listeners[2]), "tcp 1.2.3.4:3 (PROXY protocol)");
  EXPECT_EQ(config.listeners[3], (Listener{Protocol::kHttp, {"1.2.3.4", 4}}));
  EXPECT_EQ(config.listeners[4], (Listener{Protocol::kWebsocket, {"", 11443}})) << "all addresses";
}

TEST(GnetwayServer, BelievesAnybodysProxyHeader) {
  const LoadOutcome outcome =
      load("Gnetway:\n  Server:\n    - PPV1: true\n      Addresses: [\":1\"]\n");
  ASSERT_THAT(outcome.errors, IsEmpty());
  ASSERT_THAT(outcome.config.listeners, SizeIs(1));
  const Listener& listener = outcome.config.listeners[0];
  EXPECT_TRUE(listener.proxy_protocol.enabled);
  EXPECT_FALSE(listener.proxy_protocol.require) << "gnetway does without, too";
  EXPECT_TRUE(listener.believes_proxy_header(*parse_ip("203.0.113.1")));
  EXPECT_TRUE(listener.believes_proxy_header(*parse_ip("2001:db8::1")));
  EXPECT_THAT(outcome.warnings, ElementsAre(HasSubstr("f.yaml:3: Gnetway.Server.PPV1: any client "
                                                      "may claim any address")));
}

TEST(GnetwayServer, IsChecked) {
  EXPECT_THAT(bad("Gnetway: {Server: [{Addresses: [\"x\"]}]}\n"),
              HasSubstr("f.yaml:1: Gnetway.Server.Addresses: expected host:port"));
  EXPECT_THAT(bad("Gnetway: {Server: [{Addresses: [\"edge.example.com:1\"]}]}\n"),
              HasSubstr("expected an IP address and a port, such as 0.0.0.0:10443"));
  EXPECT_THAT(bad("Gnetway: {Server: [{Addresses: []}]}\n"), HasSubstr("expected at least one"));
  EXPECT_THAT(bad("Gnetway: {Server: [{Proto: tcp}]}\n"),
              HasSubstr("expected a list of host:port"));
  for (const char* proto : {"udp", "auto"}) {
    EXPECT_THAT(
        bad(fmt::format("Gnetway: {{Server: [{{Proto: {}, Addresses: [\":1\"]}}]}}\n", proto)),
        HasSubstr(fmt::format("expected one of tcp websocket http, found \"{}\"", proto)));
  }
  EXPECT_THAT(good("Gnetway: {Server: [{Addresses: [\":0\", \":0\"]}]}\n").listeners, SizeIs(2))
      << "port 0 is another port each time";
}

TEST(Listeners, StandBesideGnetwaysListOrInsteadOfIt) {
  const Listener tcp1{Protocol::kTcp, {"", 1}};
  const Listener tcp2{Protocol::kTcp, {"", 2}};
  const std::string server = "Gnetway: {Server: [{Addresses: [\":1\"]}]}\n";
  const std::string listeners = "Ringway: {Listeners: [{Address: \":2\"}]}\n";
  EXPECT_THAT(good(server).listeners, ElementsAre(tcp1));
  EXPECT_THAT(good(listeners).listeners, ElementsAre(tcp2)) << "the default is gone";
  EXPECT_THAT(good(server + listeners).listeners, ElementsAre(tcp1, tcp2));
  EXPECT_THAT(good(listeners + server).listeners, ElementsAre(tcp1, tcp2));
  for (const char* empty : {"Ringway: {Listeners: []}\n", "Ringway: {Listeners: }\n"}) {
    EXPECT_EQ(good(empty), defaults()) << empty;
  }
}

TEST(Listeners, HaveDefaults) {
  const Config config = good("Ringway: {Listeners: [{Address: \"127.0.0.1:2\"}]}\n");
  EXPECT_THAT(config.listeners, ElementsAre(Listener{Protocol::kTcp, {"127.0.0.1", 2}}));
  const Listener& listener = config.listeners[0];
  EXPECT_FALSE(listener.tls || listener.mask || listener.proxy_protocol.enabled);
  EXPECT_EQ(listener.max_connections, 0U);
  EXPECT_EQ(listener.http_error_style, HttpErrorStyle::kStatus);
}

TEST(Listeners, HaveAnAddressOrAPath) {
  EXPECT_EQ(listener_with("", "[::]:443").address, (Endpoint{"::", 443}));
  EXPECT_EQ(listener_with("", "*:443").address, (Endpoint{"", 443}));
  EXPECT_EQ(listener_with("", "localhost:443").address, (Endpoint{"localhost", 443}));
  const Listener local = listener_with("", "unix:/run/ringway/s.sock");
  EXPECT_EQ(local.unix_path, "/run/ringway/s.sock");
  EXPECT_EQ(listener_with("", "unix:" + std::string(107, 'x')).unix_path, std::string(107, 'x'));

  EXPECT_EQ(error_of("", "unix:" + std::string(108, 'x')),
            "f.yaml:3: Ringway.Listeners.Address: expected at most 107 bytes of path behind unix:, "
            "found 108");
  for (const char* path : {"unix:", "unix:@abstract", "unix:/a\\0b"}) {
    EXPECT_EQ(error_of("", path),
              "f.yaml:3: Ringway.Listeners.Address: expected the path of a socket behind unix:");
  }
  EXPECT_EQ(listener_with("", "systemd:ringway-clients").systemd_name, "ringway-clients");
  EXPECT_EQ(listener_with("", "systemd:" + std::string(255, 'x')).systemd_name.size(), 255U);
  for (const std::string& name : {std::string(), std::string("a b"), std::string("a:b"),
                                  std::string(256, 'x'), std::string("\u00fc")}) {
    EXPECT_EQ(error_of("", "systemd:" + name),
              "f.yaml:3: Ringway.Listeners.Address: expected a FileDescriptorName behind systemd: "
              "1 to 255 letters, no colon");
  }
  EXPECT_THAT(error_of("", "443"), HasSubstr("expected host:port (IPv6 in brackets), unix:PATH or "
                                             "systemd:NAME, found \"443\""));
  EXPECT_THAT(error_of("", "edge:443"), HasSubstr("expected an IP address and a port"));
  EXPECT_THAT(bad("Ringway: {Listeners: [{Proto: tcp}]}\n"),
              HasSubstr("f.yaml:1: Ringway.Listeners.Address: expected host:port"));
}

TEST(Listeners, SpeakOneOfFourProtocols) {
  EXPECT_EQ(listener_with("Proto: tcp").protocol, Protocol::kTcp);
  EXPECT_EQ(listener_with("Proto: WebSocket").protocol, Protocol::kWebsocket);
  EXPECT_EQ(listener_with("Proto: http").protocol, Protocol::kHttp);
  EXPECT_EQ(listener_with("Proto: auto").protocol, Protocol::kAuto);
  EXPECT_EQ(error_of("Proto: udp"),
            "f.yaml:4: Ringway.Listeners.Proto: expected one of tcp websocket http auto, found "
            "\"udp\"");
}

TEST(Listeners, KnowTheirKeys) {
  EXPECT_EQ(error_of("Protocol: tcp"),
            "f.yaml:4: unknown key \"Protocol\" in section Ringway.Listeners (did you mean "
            "\"Proto\"?)");
  EXPECT_THAT(error_of("Tls: {Cert: c, Key: k, MinVersoin: 1.2}"),
              AllOf(HasSubstr("f.yaml:4: unknown key \"MinVersoin\" in section "
                              "Ringway.Listeners.Tls"),
                    HasSubstr("\"MinVersion\"")));
  EXPECT_THAT(error_of("ProxyProtocol: {From: [10.0.0.0/8], Required: true}"),
              HasSubstr("unknown key \"Required\" in section Ringway.Listeners.ProxyProtocol"));
  EXPECT_THAT(bad("Ringway: {Listeners: {Address: \":1\"}}\n"), HasSubstr("expected a list"));
}

TEST(ListenerTls, IsACertificateAndItsKey) {
  const Listener listener = listener_with("Tls: {Cert: c.pem, Key: k.pem}");
  EXPECT_EQ(listener.tls, (Tls{"c.pem", "k.pem", TlsVersion::k12}));
  EXPECT_EQ(listener_with("Tls: {Cert: c, Key: k, MinVersion: \"1.3\"}").tls->min_version,
            TlsVersion::k13);
  EXPECT_EQ(listener_with("Tls: {Cert: c, Key: k, MinVersion: 1.2}").tls->min_version,
            TlsVersion::k12);
  EXPECT_THAT(error_of("Tls: {Cert: c, Key: k, MinVersion: 1.1}"),
              HasSubstr("f.yaml:4: Ringway.Listeners.Tls.MinVersion: expected one of 1.2 1.3"));
  EXPECT_THAT(error_of("Tls: {Cert: c}"),
              HasSubstr("f.yaml:4: Ringway.Listeners.Tls.Key: expected the path of a PEM file"));
  EXPECT_THAT(error_of("Tls: {Key: k}"),
              HasSubstr("Ringway.Listeners.Tls.Cert: expected the path"));
  EXPECT_THAT(error_of("Tls:"), HasSubstr("f.yaml:4: Ringway.Listeners.Tls: expected Cert and Key"))
      << "not a listener without TLS";
  EXPECT_THAT(error_of("Tls: true"), HasSubstr("expected a section with keys"));
}

// Only a file's own load looks for other files.
TEST(ListenerTls, FilesAreReadable) {
  const std::string path = ::testing::TempDir() + "listener_tls_test.yaml";
  std::ofstream(path) << with("Tls: {Cert: /dev/null, Key: /nonexistent/key.pem}");
  EXPECT_THAT(load_file(path).errors,
              ElementsAre(path + ":4: Ringway.Listeners.Tls.Key: cannot read /nonexistent/key.pem: "
                                 "No such file or directory"));
}

TEST(ListenerProxyProtocol, BelievesWhomTheFileNames) {
  const Listener listener =
      listener_with("ProxyProtocol: {From: [10.0.0.0/8, \"2001:db8::/32\", 192.0.2.1]}");
  EXPECT_TRUE(listener.proxy_protocol.enabled);
  EXPECT_FALSE(listener.proxy_protocol.require);
  EXPECT_THAT(listener.proxy_protocol.from, SizeIs(3));
  EXPECT_TRUE(listener.believes_proxy_header(*parse_ip("10.9.9.9")));
  EXPECT_TRUE(listener.believes_proxy_header(*parse_ip("192.0.2.1")));
  EXPECT_FALSE(listener.believes_proxy_header(*parse_ip("192.0.2.2")));
  EXPECT_TRUE(
      listener_with("ProxyProtocol: {From: [10.0.0.1], Require: true}").proxy_protocol.require);
  const Listener local = listener_with("ProxyProtocol: {Require: true}", "unix:/s");
  EXPECT_TRUE(local.proxy_protocol.enabled) << "with peers that have no address";
}

TEST(Listeners, GiveAUnixSocketItsPermissions) {
  EXPECT_EQ(listener_with("", "unix:/s").unix_mode, kUnixModeDefault);
  EXPECT_EQ(listener_with("Mode: 0600", "unix:/s").unix_mode, 0600U);
  EXPECT_EQ(listener_with("Mode: \"0777\"", "unix:/s").unix_mode, 0777U);
  for (const char* wrong : {"0888", "1777", "rw-rw----", "0x1ff", "-1", "\"0660 \""}) {
    EXPECT_THAT(error_of(fmt::format("Mode: {}", wrong), "unix:/s"),
                HasSubstr("f.yaml:4: Ringway.Listeners.Mode: expected permissions of a unix socket "
                          "in octal, such as \"0660\""))
        << wrong;
  }
  EXPECT_THAT(warning_of("Mode: 0600"), HasSubstr("without a unix: address it has no effect"));
}

TEST(ListenerProxyProtocol, OfSystemdsSocketsIsAnyones) {
  const Listener handed = listener_with("ProxyProtocol: {Require: true}", "systemd:clients");
  EXPECT_TRUE(handed.believes_proxy_header(std::nullopt)) << "it came by a unix socket";
  EXPECT_FALSE(handed.believes_proxy_header(IpBytes{})) << "zeros are no unix socket";
  EXPECT_FALSE(handed.believes_proxy_header(*parse_ip("192.0.2.1")));
  EXPECT_TRUE(listener_with("ProxyProtocol: {From: [192.0.2.0/24]}", "systemd:clients")
                  .believes_proxy_header(*parse_ip("192.0.2.1")));
}

TEST(ListenerProxyProtocol, IsChecked) {
  EXPECT_EQ(error_of("ProxyProtocol: {From: [10.0.0.0/8, nonsense]}"),
            "f.yaml:4: Ringway.Listeners.ProxyProtocol.From: expected addresses such as "
            "10.0.0.0/8, 2001:db8::/32 or 192.0.2.1, found \"nonsense\"");
  EXPECT_THAT(error_of("ProxyProtocol: {From: [10.0.0.0/8, 10.0.0.0/33]}"),
              HasSubstr("found \"10.0.0.0/33\""));
  EXPECT_EQ(error_of("ProxyProtocol: {From: [192.0.2.0/24, 10.1.2.3/8]}"),
            "f.yaml:4: Ringway.Listeners.ProxyProtocol.From: \"10.1.2.3/8\" has bits beyond its "
            "prefix: expected 10.0.0.0/8, or the address without a prefix");
  for (const char* nobody : {"{Require: true}", "{From: []}", "{}"}) {
    EXPECT_THAT(error_of(fmt::format("ProxyProtocol: {}", nobody)),
                HasSubstr("f.yaml:4: Ringway.Listeners.ProxyProtocol.From: expected the addresses "
                          "of those whose headers are believed"));
  }
  EXPECT_THAT(error_of("ProxyProtocol:"),
              HasSubstr("f.yaml:4: Ringway.Listeners.ProxyProtocol: expected From"));
  EXPECT_THAT(warning_of("ProxyProtocol: {From: [10.0.0.0/8]}", "unix:/s"),
              HasSubstr("f.yaml:4: Ringway.Listeners.ProxyProtocol.From: peers of a unix socket "
                        "have no address"));
  std::string many = "ProxyProtocol: {From: [";
  for (size_t i = 0; i <= kProxySourcesMax; ++i) many += "10.0.0.1, ";
  // Nobody is left to believe, which is said as well.
  EXPECT_THAT(load(with(many + "]}")).errors,
              testing::Contains(HasSubstr("expected at most 256 ranges")));
}

TEST(ListenerSecrets, AreOfThreeKinds) {
  const Listener listener =
      listener_with(fmt::format("Secrets: [{0}, dd{0}, {1}]", kKey, kFakeTls));
  ASSERT_THAT(listener.secrets, SizeIs(2));
  EXPECT_EQ(listener.secrets[1].data()[0], 0x00);
  EXPECT_EQ(listener.secrets[1].data()[15], 0xff);
  ASSERT_THAT(listener.fake_tls_secrets, SizeIs(1));
  EXPECT_EQ(listener.fake_tls_secrets[0].domain, "example.com");
  EXPECT_EQ(listener.fake_tls_secrets[0].key.data()[1], 0x11);
  EXPECT_THAT(listener_with("Secrets: [7gARIjNEVWZ3iJmqu8zd7v9leGFtcGxlLmNvbQ]").fake_tls_secrets,
              testing::Pointwise(testing::Eq(), listener.fake_tls_secrets));
}

TEST(ListenerSecrets, AreNeverRepeated) {
  for (const std::string& text :
       {std::string("[00ff]"), "[" + std::string(kKey) + "c0ffee]", std::string("c0ffee")}) {
    const std::string message = error_of("Secrets: " + text);
    EXPECT_THAT(message, HasSubstr("f.yaml:4: Ringway.Listeners.Secrets: "));
    EXPECT_THAT(message,
                AllOf(Not(HasSubstr("00ff")), Not(HasSubstr("c0ffee")), Not(HasSubstr("001122"))));
  }
  EXPECT_THAT(error_of(fmt::format("Secrets: [{}, ee{}]", kKey, kKey)),
              HasSubstr("entry 2: expected 32 hexadecimal digits, or dd and 32, or ee and 32 and a "
                        "domain of up to 182 letters"));
}

TEST(ListenerSecrets, AreBoundedInNumber) {
  const auto many = [](std::string_view secret) {
    std::string text = "Secrets: [";
    for (size_t i = 0; i <= kTransportSecretsMax; ++i) text += fmt::format("{}, ", secret);
    return text + "]";
  };
  EXPECT_THAT(error_of(many(kKey)), HasSubstr("expected at most 16 without ee"));
  EXPECT_THAT(error_of(many(kFakeTls)), HasSubstr("expected at most 16 with ee"));
}

TEST(ListenerSecrets, GoWithTheProtocol) {
  const auto beside = [](std::string_view other, std::string_view secret) {
    return fmt::format("{}\n      Secrets: [{}]", other, secret);
  };
  EXPECT_THAT(listener_with(beside("Proto: websocket", kKey)).secrets, SizeIs(1));
  EXPECT_EQ(warning_of(beside("Proto: auto", kFakeTls)),
            "f.yaml:4: Ringway.Listeners.Proto: beside ee secrets nobody is answered who shows "
            "none, so neither HTTP nor WebSocket: auto is tcp here");
  EXPECT_THAT(listener_with(beside("Tls: {Cert: c, Key: k}", kKey)).secrets, SizeIs(1));
  EXPECT_THAT(error_of(beside("Proto: http", kKey)),
              HasSubstr("f.yaml:5: Ringway.Listeners.Secrets: a POST is not obfuscated"));
  for (const char* proto : {"http", "websocket"}) {
    EXPECT_THAT(error_of(beside(fmt::format("Proto: {}", proto), kFakeTls)),
                HasSubstr("f.yaml:5: Ringway.Listeners.Secrets: clients with an ee secret speak "
                          "neither HTTP nor WebSocket"));
  }
  EXPECT_THAT(error_of(beside("Tls: {Cert: c, Key: k}", kFakeTls)),
              HasSubstr("f.yaml:4: Ringway.Listeners.Tls: ee secrets only look like TLS"));
}

TEST(ListenerMask, IsWhereStrangersGo) {
  const std::string secrets = fmt::format("\n      Secrets: [{}]", kFakeTls);
  EXPECT_EQ(listener_with("Mask: example.com:443" + secrets).mask, (Endpoint{"example.com", 443}));
  EXPECT_EQ(listener_with("Mask: \"[::1]:443\"" + secrets).mask, (Endpoint{"::1", 443}));
  EXPECT_EQ(listener_with("Mask:" + secrets).mask, std::nullopt);
  for (const char* wrong : {"example.com", "example.com:0", "\":443\"", "unix:/s"}) {
    EXPECT_THAT(error_of(fmt::format("Mask: {}", wrong) + secrets),
                HasSubstr("f.yaml:4: Ringway.Listeners.Mask: expected host:port, found"));
  }
  EXPECT_EQ(good(with("Mask: example.com:443", ":1")).listeners.at(0).mask, std::nullopt)
      << "nobody asks about a mask what else the listener has";
  // What is not in effect is not shown as if it were.
  const std::vector<KeyValue> values = load(with("Mask: example.com:443", ":1")).values;
  const auto shown = std::find_if(values.begin(), values.end(), [](const KeyValue& value) {
    return value.path == "Ringway.Listeners[0].Mask";
  });
  ASSERT_NE(shown, values.end());
  EXPECT_EQ(shown->value, "none");
  EXPECT_EQ(shown->why, "without ee secrets it has no effect");
  EXPECT_THAT(warning_of("Mask: example.com:443"),
              HasSubstr("f.yaml:4: Ringway.Listeners.Mask: without ee secrets it has no effect"));
}

TEST(ListenerMaxConnections, IsANumber) {
  EXPECT_EQ(listener_with("MaxConnections: 10000").max_connections, 10'000U);
  EXPECT_EQ(listener_with("MaxConnections: 0").max_connections, 0U);
  for (const char* wrong : {"-1", "many", "4294967295"}) {
    EXPECT_THAT(error_of(fmt::format("MaxConnections: {}", wrong)),
                HasSubstr("f.yaml:4: Ringway.Listeners.MaxConnections: expected a number from 0 to "
                          "1073741824"));
  }
}

TEST(ListenerHttpErrorStyle, IsTheListenersOwnOrThatOfAll) {
  EXPECT_EQ(listener_with("Proto: http\n      HttpErrorStyle: gnetway").http_error_style,
            HttpErrorStyle::kGnetway);
  const Config config = good(
      "Gnetway: {Server: [{Proto: http, Addresses: [\":1\"]}]}\n"
      "Ringway:\n"
      "  Listeners:\n"
      "    - {Address: \":2\", Proto: auto}\n"
      "    - {Address: \":3\", Proto: http, HttpErrorStyle: status}\n"
      "  Transports: {HttpErrorStyle: gnetway}\n");
  EXPECT_EQ(config.transports.http_error_style, HttpErrorStyle::kGnetway);
  ASSERT_THAT(config.listeners, SizeIs(3));
  EXPECT_EQ(config.listeners[0].http_error_style, HttpErrorStyle::kGnetway);
  EXPECT_EQ(config.listeners[1].http_error_style, HttpErrorStyle::kGnetway);
  EXPECT_EQ(config.listeners[2].http_error_style, HttpErrorStyle::kStatus);
  EXPECT_EQ(
      good("Ringway: {Transports: {HttpErrorStyle: gnetway}}\n").listeners[0].http_error_style,
      HttpErrorStyle::kGnetway)
      << "the default listener's as well";
  EXPECT_THAT(
      error_of("Proto: http\n      HttpErrorStyle: html"),
      HasSubstr("f.yaml:5: Ringway.Listeners.HttpErrorStyle: expected one of status gnetway"));
  EXPECT_THAT(warning_of("HttpErrorStyle: gnetway"),
              HasSubstr("f.yaml:4: Ringway.Listeners.HttpErrorStyle: without Proto http or auto it "
                        "has no effect"));
}

TEST(Listeners, TakeEachPlaceOnce) {
  EXPECT_EQ(bad("Gnetway:\n  Server:\n    - Addresses: [\":1\", \":1\"]\n"),
            "f.yaml:3: Gnetway.Server.Addresses: :1 stands twice, first at f.yaml:3");
  EXPECT_EQ(bad("Gnetway:\n"
                "  Server:\n"
                "    - {Proto: http, Addresses: [\"127.0.0.1:1\"]}\n"
                "Ringway:\n"
                "  Listeners:\n"
                "    - {Address: \"localhost:1\"}\n"),
            "f.yaml:6: Ringway.Listeners.Address: localhost:1 stands twice, first as 127.0.0.1:1 "
            "at f.yaml:3");
  EXPECT_EQ(bad("Ringway: {Listeners: [{Address: unix:/s}, {Address: unix:/s}]}\n"),
            "f.yaml:1: Ringway.Listeners.Address: unix:/s stands twice, first at f.yaml:1");
  EXPECT_EQ(bad("Ringway: {Listeners: [{Address: systemd:s}, {Address: systemd:s}]}\n"),
            "f.yaml:1: Ringway.Listeners.Address: systemd:s stands twice, first at f.yaml:1");
  EXPECT_THAT(good("Ringway: {Listeners: [{Address: systemd:s}, {Address: unix:s}]}\n").listeners,
              SizeIs(2));
  EXPECT_THAT(bad("Ringway: {Listeners: [{Address: \"0.0.0.0:1\"}, {Address: \":1\"}]}\n"),
              HasSubstr(":1 stands twice, first as 0.0.0.0:1"));
  EXPECT_THAT(
      good("Ringway: {Listeners: [{Address: \"0.0.0.0:1\"}, {Address: \"[::]:1\"}]}\n").listeners,
      SizeIs(2));
}

TEST(Listeners, AreBoundedInNumber) {
  std::string text = "Gnetway:\n  Server:\n    - Addresses: [";
  for (size_t i = 0; i < kListenersMax; ++i) text += fmt::format("\":{}\", ", i + 1);
  text += "]\n";
  EXPECT_THAT(good(text).listeners, SizeIs(kListenersMax));
  EXPECT_EQ(
      bad(text + "Ringway:\n  Listeners:\n    - Address: \":10000\"\n"),
      "f.yaml:6: Ringway.Listeners.Address: expected at most 256 listeners in the whole file");
}

}  // namespace
}  // namespace ringway::config
