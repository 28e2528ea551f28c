#include "config/listener.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ringway::config {
namespace {

Listener at(std::string host, uint16_t port) { return {Protocol::kTcp, {std::move(host), port}}; }

Listener at_path(std::string path) {
  Listener listener;
  listener.unix_path = std::move(path);
  return listener;
}

TEST(SamePlace, KnowsTheNotationsOfOneAddress) {
  EXPECT_TRUE(same_place(at("127.0.0.1", 1), at("127.0.0.1", 1)));
  EXPECT_TRUE(same_place(at("127.0.0.1", 1), at("localhost", 1)));
  EXPECT_TRUE(same_place(at("::1", 1), at("0:0::1", 1)));
  EXPECT_FALSE(same_place(at("127.0.0.1", 1), at("127.0.0.1", 2)));
  EXPECT_FALSE(same_place(at("127.0.0.1", 1), at("127.0.0.2", 1)));
  EXPECT_FALSE(same_place(at("127.0.0.1", 0), at("127.0.0.1", 0)))
      << "port 0 is another port each time";
  Listener other = at("127.0.0.1", 1);
  other.protocol = Protocol::kHttp;
  EXPECT_TRUE(same_place(at("127.0.0.1", 1), other)) << "whatever is spoken there";
}

TEST(SamePlace, KnowsWhatAWildcardTakes) {
  EXPECT_TRUE(same_place(at("", 1), at("", 1)));
  EXPECT_TRUE(same_place(at("", 1), at("0.0.0.0", 1)));
  EXPECT_TRUE(same_place(at("::", 1), at("", 1)));
  EXPECT_FALSE(same_place(at("::", 1), at("0.0.0.0", 1))) << "IPv6 alone, and IPv4 alone";
  EXPECT_FALSE(same_place(at("", 1), at("127.0.0.1", 1))) << "the one address wins";
  EXPECT_FALSE(same_place(at("", 1), at("0.0.0.0", 2)));
}

TEST(SamePlace, ComparesUnixSocketsByPath) {
  EXPECT_TRUE(same_place(at_path("/a"), at_path("/a")));
  EXPECT_FALSE(same_place(at_path("/a"), at_path("/b")));
  EXPECT_FALSE(same_place(at_path("/a"), at("", 1)));
}

TEST(BelievesProxyHeader, GoesByThePeersAddress) {
  const IpBytes inside = *parse_ip("10.1.2.3");
  const IpBytes outside = *parse_ip("192.0.2.1");
  Listener listener = at("", 1);
  listener.proxy_protocol.from = {*parse_cidr("10.0.0.0/8"), *parse_cidr("2001:db8::/32")};
  EXPECT_FALSE(listener.believes_proxy_header(inside)) << "it is off";
  listener.proxy_protocol.enabled = true;
  EXPECT_TRUE(listener.believes_proxy_header(inside));
  EXPECT_TRUE(listener.believes_proxy_header(*parse_ip("2001:db8::9")));
  EXPECT_FALSE(listener.believes_proxy_header(outside));

  Listener local = at_path("/a");
  EXPECT_FALSE(local.believes_proxy_header(std::nullopt));
  local.proxy_protocol.enabled = true;
  EXPECT_TRUE(local.believes_proxy_header(std::nullopt));
  EXPECT_FALSE(local.believes_proxy_header(IpBytes{})) << "zeros are no unix socket";
}

TEST(ListenerText, NamesWhatIsSpecialAndNoSecret) {
  EXPECT_EQ(to_string(at("::1", 443)), "tcp [::1]:443");
  Listener listener = at_path("/run/s");
  listener.protocol = Protocol::kAuto;
  listener.proxy_protocol.enabled = true;
  listener.secrets.emplace_back();
  listener.fake_tls_secrets.push_back({{}, "example.com"});
  EXPECT_EQ(to_string(listener), "auto unix:/run/s (PROXY protocol, secrets, fake TLS)");
  listener = {Protocol::kWebsocket, {"", 443}};
  listener.tls.emplace();
  EXPECT_EQ(to_string(listener), "websocket :443 (TLS)");
}

TEST(ListenerEquality, LooksAtEveryMember) {
  const Listener plain = at("", 1);
  const auto differs = [&plain](auto change) {
    Listener listener = plain;
    change(listener);
    return !(listener == plain);
  };
  EXPECT_TRUE(plain == at("", 1));
  EXPECT_TRUE(differs([](Listener& l) { l.protocol = Protocol::kHttp; }));
  EXPECT_TRUE(differs([](Listener& l) { l.address.port = 2; }));
  EXPECT_TRUE(differs([](Listener& l) { l.unix_path = "/s"; }));
  EXPECT_TRUE(differs([](Listener& l) { l.tls.emplace(); }));
  EXPECT_TRUE(differs([](Listener& l) { l.proxy_protocol.require = true; }));
  EXPECT_TRUE(differs([](Listener& l) { l.secrets.emplace_back(); }));
  EXPECT_TRUE(differs([](Listener& l) { l.fake_tls_secrets.emplace_back(); }));
  EXPECT_TRUE(differs([](Listener& l) { l.mask.emplace(); }));
  EXPECT_TRUE(differs([](Listener& l) { l.max_connections = 1; }));
  EXPECT_TRUE(differs([](Listener& l) { l.http_error_style = HttpErrorStyle::kGnetway; }));
}

}  // namespace
}  // namespace ringway::config
