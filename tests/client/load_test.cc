#include "client/load.h"

#include <gtest/gtest.h>

#include <thread>

#include "client/test_server.h"

namespace ringway::client {
namespace {

using testing::TestServer;

LoadOptions options_for(const TestServer& server) {
  LoadOptions options;
  options.address = server.address();
  options.server_keys = {{server.key(), server.key()->fingerprint()}};
  options.transport = *mtproto::client_transport_by_name(options.transport_name);
  options.connections = 8;
  options.threads = 2;
  options.keys = 3;
  options.warmup_ns = 20 * kNsPerMs;
  options.duration_ns = 300 * kNsPerMs;
  return options;
}

LoadReport run(const LoadOptions& options) {
  EXPECT_EQ(check(options), "");
  const std::atomic<bool> stop{false};
  return run_load(options, stop, {});
}

TEST(Load, Pings) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.window = 4;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_EQ(report.connections_ready, 8U);
  EXPECT_EQ(report.keys_made, 3U);
  EXPECT_GT(report.completed, 32U);
  EXPECT_EQ(report.latency.count(), report.completed);
  EXPECT_GT(report.cpu_ns_per_message, 0);
  EXPECT_TRUE(report.errors.empty()) << to_text(options, report);
  EXPECT_NEAR(report.measured_seconds, 0.3, 0.1);
}

TEST(Load, QuickAcksOverEveryTransportThatHasThem) {
  TestServer server;
  for (const char* name : {"abridged", "intermediate", "padded", "obfuscated-abridged",
                           "obfuscated-intermediate", "obfuscated-padded"}) {
    LoadOptions options = options_for(server);
    options.mode = LoadMode::kQuickAck;
    options.transport_name = name;
    options.transport = *mtproto::client_transport_by_name(name);
    options.message_bytes = 1000;
    const LoadReport report = run(options);
    EXPECT_EQ(report.failure, "") << name;
    EXPECT_GT(report.completed, 8U) << name;
    EXPECT_TRUE(report.errors.empty()) << to_text(options, report);
  }
}

TEST(Load, Echoes) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kEcho;
  options.window = 3;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_GT(report.completed, 24U);
  EXPECT_TRUE(report.errors.empty()) << to_text(options, report);
}

TEST(Load, Handshakes) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kHandshake;
  options.duration_ns = 600 * kNsPerMs;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_GT(report.completed, 0U);
  EXPECT_GT(server.connections(), 8U) << "each exchange has its own connection";
  EXPECT_TRUE(report.errors.empty()) << to_text(options, report);
}

TEST(Load, KeepsARate) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.rate = 500;
  options.duration_ns = 800 * kNsPerMs;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_NEAR(report.per_second(), 500, 50);
}

TEST(Load, LearnsSaltsAndCountsIt) {
  TestServer server({.refuse_first_salt = true});
  const LoadReport report = run(options_for(server));
  EXPECT_EQ(report.failure, "");
  ASSERT_EQ(report.errors.size(), 1U);
  EXPECT_EQ(report.errors.begin()->first, "sent again, code 48");
  EXPECT_EQ(report.errors.begin()->second, 8U);
}

TEST(Load, WaitsOutAFlood) {
  TestServer server({.refuse_exchanges = 7});
  const LoadReport report = run(options_for(server));
  EXPECT_EQ(report.failure, "");
  EXPECT_EQ(report.connections_ready, 8U);
  EXPECT_EQ(report.errors.at("transport error -429"), 7U);
}

TEST(Load, SaysWhyNothingWorked) {
  TestServer server({.error_on_encrypted = -404});
  LoadOptions options = options_for(server);
  options.connections = 2;
  options.keys = 1;
  options.setup_timeout_ns = 2 * kNsPerSecond;
  const LoadReport report = run(options);
  EXPECT_NE(report.failure.find("transport error -404"), std::string::npos) << report.failure;
  EXPECT_EQ(report.completed, 0U);
  const std::string json = to_json(options, report);
  EXPECT_NE(json.find("\"ok\":false"), std::string::npos) << json;
}

TEST(Load, SaysThatNobodyListens) {
  LoadOptions options;
  {
    TestServer server;
    options = options_for(server);
  }
  options.setup_timeout_ns = kNsPerSecond;
  const LoadReport report = run(options);
  EXPECT_NE(report.failure.find("cannot connect"), std::string::npos) << report.failure;
}

TEST(Load, StopsWhenAsked) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.duration_ns = 60 * kNsPerSecond;
  std::atomic<bool> stop{false};
  int shown = 0;
  const LoadReport report = run_load(options, stop, [&](const LoadProgress& progress) {
    ++shown;
    if (progress.phase == LoadProgress::Phase::kMeasure && progress.completed > 100) stop = true;
  });
  EXPECT_TRUE(report.interrupted);
  EXPECT_EQ(report.failure, "");
  EXPECT_GT(report.completed, 0U);
  EXPECT_LT(report.measured_seconds, 30);
  EXPECT_GT(shown, 0);
}

TEST(LoadOptions, NamesAndDurations) {
  for (const char* name : {"handshake", "ping", "quick-ack", "echo"}) {
    EXPECT_EQ(to_string(*load_mode_by_name(name)), name);
  }
  EXPECT_FALSE(load_mode_by_name("pings").ok());
  EXPECT_EQ(*parse_duration("250ms"), 250 * kNsPerMs);
  EXPECT_EQ(*parse_duration("10"), 10 * kNsPerSecond);
  EXPECT_EQ(*parse_duration("1.5s"), 1500 * kNsPerMs);
  EXPECT_EQ(*parse_duration("2m"), 120 * kNsPerSecond);
  EXPECT_EQ(*parse_duration("1h"), 3600 * kNsPerSecond);
  for (const char* text : {"", "s", "-1s", "1d", "1e99", "nan", "10 s", "99999999h"}) {
    EXPECT_FALSE(parse_duration(text).ok()) << text;
  }
}

TEST(LoadOptions, ChecksNameWhatIsWrong) {
  TestServer server;
  const LoadOptions good = options_for(server);
  EXPECT_EQ(check(good), "");
  const auto broken = [&good](auto change) {
    LoadOptions options = good;
    change(options);
    return !check(options).empty();
  };
  EXPECT_TRUE(broken([](LoadOptions& o) { o.address.clear(); }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.server_keys.clear(); }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.connections = 0; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.threads = 0; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.threads = 9; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.keys = 9; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.window = 0; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.window = 1 << 20; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.message_bytes = 1 << 24; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.rate = -1; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.duration_ns = 0; }));
  EXPECT_TRUE(broken([](LoadOptions& o) {
    o.mode = LoadMode::kQuickAck;
    o.transport.kind = mtproto::TransportKind::kFull;
  }));
  EXPECT_TRUE(broken([](LoadOptions& o) {
    o.mode = LoadMode::kHandshake;
    o.rate = 1;
  }));
}

}  // namespace
}  // namespace ringway::client
