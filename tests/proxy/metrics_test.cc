#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"
#include "proxy/metrics_page.h"

namespace ringway::proxy::test {
namespace {

// A connection to it, or -1.
int connect_to(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

std::string http(int port, const std::string& request) {
  const int fd = connect_to(port);
  EXPECT_GE(fd, 0);
  EXPECT_EQ(send(fd, request.data(), request.size(), 0), static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  ssize_t got = 0;
  while ((got = recv(fd, buffer, sizeof buffer, 0)) > 0) {
    answer.append(buffer, static_cast<size_t>(got));
  }
  close(fd);
  return answer;
}

std::string get(int port, const std::string& path) {
  return http(port, "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n");
}

ServerOptions with_metrics() {
  ServerOptions options;
  options.metrics_listen = "127.0.0.1:0";
  options.tokens = Tokens::parse("0123456789abcdef reader", "tokens").tokens;
  return options;
}

TEST(Metrics, CallsAreCounted) {
  TestServer server({NamedSession{}}, with_metrics());
  server.calls().set_answer([](ByteView) { return rpc_error(420, "FLOOD_WAIT_5", 5); });
  CallSettings settings;
  settings.metadata.emplace("authorization", "Bearer 0123456789abcdef");
  const auto channel = server.channel();
  for (int i = 0; i < 3; ++i) {
    EXPECT_FALSE(call(channel, "/mtproto.l228.Mtproto/HelpGetNearestDc", "", settings).status.ok());
  }
  EXPECT_FALSE(call(channel, "/mtproto.l228.Mtproto/HelpGetNearestDc", "").status.ok());
  const std::string page = get(server.server().metrics_port(), "/metrics");
  for (const char* line :
       {"HTTP/1.1 200 OK",
        "ringway_proxy_calls_total{session=\"main\",method=\"help.getNearestDc\","
        "status=\"RESOURCE_EXHAUSTED\"} 3",
        "ringway_proxy_client_calls_total{client=\"reader\",status=\"RESOURCE_EXHAUSTED\"} 3",
        "ringway_proxy_refused_total{status=\"UNAUTHENTICATED\"} 1",
        "ringway_proxy_in_flight{session=\"main\",lane=\"calls\"} 0",
        "ringway_proxy_ready{session=\"main\"} 0", "ringway_proxy_listeners 0",
        "ringway_proxy_listeners_refused_full_total 0"}) {
    EXPECT_NE(page.find(line), std::string::npos) << line << "\n" << page;
  }
  EXPECT_EQ(page.find("0123456789abcdef"), std::string::npos);
}

TEST(Metrics, HealthIsThatOfAllSessions) {
  TestServer server({{.name = "one"}, {.name = "two"}}, with_metrics());
  const int port = server.server().metrics_port();
  AccountStatus ready;
  ready.ready = true;
  server.server().set_account_status(0, ready);
  AccountStatus waiting;
  waiting.reason = "not signed in";
  server.server().set_account_status(1, waiting);
  const std::string bad = get(port, "/healthz");
  EXPECT_EQ(bad.substr(0, 12), "HTTP/1.1 503");
  EXPECT_NE(bad.find("one: ready\ntwo: not signed in\n"), std::string::npos) << bad;
  server.server().set_account_status(1, ready);
  EXPECT_EQ(get(port, "/healthz").substr(0, 12), "HTTP/1.1 200");
  EXPECT_EQ(get(port, "/else").substr(0, 12), "HTTP/1.1 404");
  EXPECT_EQ(
      http(port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n").substr(0, 12),
      "HTTP/1.1 405");
}

TEST(Metrics, RefusalsOfServersAndTheirClocks) {
  TestServer server({{.name = "one"}, {.name = "two"}}, with_metrics());
  AccountStatus status;
  status.counts.refusals.add(17);
  status.counts.refusals.add(17);
  status.counts.refusals.add(64);
  status.counts.refusals.add(1000);
  status.counts.bad_server_salts = 5;
  status.counts.time_offsets_ns = {{2, -1'500'000'000}, {4, 250'000'000}};
  server.server().set_account_status(1, status);
  const std::string page = get(server.server().metrics_port(), "/metrics");
  for (const char* line : {
           "ringway_proxy_bad_messages_total{session=\"two\",code=\"17\"} 2\n",
           "ringway_proxy_bad_messages_total{session=\"two\",code=\"64\"} 1\n",
           "ringway_proxy_bad_messages_total{session=\"two\",code=\"16\"} 0\n",
           "ringway_proxy_bad_messages_total{session=\"two\",code=\"other\"} 1\n",
           "ringway_proxy_bad_messages_total{session=\"one\",code=\"17\"} 0\n",
           "ringway_proxy_bad_server_salts_total{session=\"two\"} 5\n",
           "ringway_proxy_time_offset_seconds{session=\"two\",dc=\"2\"} -1.5\n",
           "ringway_proxy_time_offset_seconds{session=\"two\",dc=\"4\"} 0.25\n",
       }) {
    EXPECT_NE(page.find(line), std::string::npos) << line << "\n" << page;
  }
  EXPECT_EQ(page.find("time_offset_seconds{session=\"one\""), std::string::npos) << "not known";
}

TEST(Metrics, AreNotServedOnceTheServerHasStopped) {
  TestServer server({NamedSession{}}, with_metrics());
  const int port = server.server().metrics_port();
  EXPECT_FALSE(get(port, "/metrics").empty());
  // What they tell of is let go of next.
  server.server().stop();
  EXPECT_EQ(connect_to(port), -1);
}

TEST(Metrics, TakenAddressIsSaidSo) {
  TestServer first({NamedSession{}}, with_metrics());
  ServerOptions options = with_metrics();
  options.metrics_listen = "127.0.0.1:" + std::to_string(first.server().metrics_port());
  options.listen = "127.0.0.1:0";
  LoopThread loop;
  ScriptedCalls calls(loop.loop());
  SessionSetup setup;
  setup.name = "main";
  setup.layer = 228;
  setup.contract = contract_of(228);
  setup.calls = &calls;
  std::string error;
  EXPECT_EQ(Server::start(options, loop.loop(), {setup}, error), nullptr);
  EXPECT_NE(error.find(options.metrics_listen), std::string::npos) << error;
}

}  // namespace
}  // namespace ringway::proxy::test
