#include "client/load.h"

#include <gtest/gtest.h>

#include <thread>

#include "client/test_server.h"
#include "support/process.h"

namespace ringway::client {
namespace {

using testing::TestServer;

LoadOptions options_for(const TestServer& server) {
  LoadOptions options;
  options.address = server.address();
  options.server_keys = {{server.key(), server.key()->fingerprint()}};
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
  EXPECT_GT(report.result.completed, 32U);
  EXPECT_EQ(report.result.latency.count(), report.result.completed);
  EXPECT_GT(report.result.cpu_seconds, 0);
  EXPECT_TRUE(report.errors.empty()) << to_text(options, report);
  EXPECT_NEAR(report.result.seconds, 0.3, 0.1);
}

TEST(Load, QuickAcksOverEveryTransportThatHasThem) {
  TestServer server;
  for (const char* name : {"abridged", "intermediate", "padded", "obfuscated-abridged",
                           "obfuscated-intermediate", "obfuscated-padded"}) {
    LoadOptions options = options_for(server);
    options.mode = LoadMode::kQuickAck;
    options.transports = *parse_transports(name);
    options.sizes = *parse_sizes("1000");
    const LoadReport report = run(options);
    EXPECT_EQ(report.failure, "") << name;
    EXPECT_GT(report.result.completed, 8U) << name;
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
  EXPECT_GT(report.result.completed, 24U);
  EXPECT_TRUE(report.errors.empty()) << to_text(options, report);
}

TEST(Load, Handshakes) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kHandshake;
  options.duration_ns = 600 * kNsPerMs;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_GT(report.result.completed, 0U);
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
  EXPECT_NEAR(report.result.per_second(), 500, 50);
}

TEST(Load, HandshakesAtARate) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kHandshake;
  options.rate = 20;
  options.drain_ns = 20 * kNsPerSecond;
  options.duration_ns = 500 * kNsPerMs;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_EQ(report.result.sent, 10U);
  EXPECT_EQ(report.result.latency.count(), 10U) << "however late they are done";
  EXPECT_EQ(report.result.unfinished + report.result.overdue, 0U);
}

TEST(Load, ReconnectsWithTheSameSessions) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kReconnect;
  const LoadReport closed = run(options);
  EXPECT_EQ(closed.failure, "");
  EXPECT_GT(closed.result.completed, 8U);
  EXPECT_GE(server.connections(), 8 + closed.result.completed);
  EXPECT_EQ(closed.keys_made, 3U);
  EXPECT_TRUE(closed.errors.empty()) << to_text(options, closed);

  options.rate = 40;
  options.burst = 4;
  options.drain_ns = 20 * kNsPerSecond;
  options.duration_ns = 500 * kNsPerMs;
  const LoadReport storm = run(options);
  EXPECT_EQ(storm.failure, "");
  EXPECT_EQ(storm.result.sent, 20U) << "five storms of four";
  EXPECT_EQ(storm.result.latency.count(), 20U);
}

TEST(Load, MixesTransportsAndSizes) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kQuickAck;
  options.transports = *parse_transports("intermediate=2,abridged,obfuscated-padded");
  options.sizes = *parse_sizes("64=3,2048=1");
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_TRUE(report.errors.empty()) << to_text(options, report);
  EXPECT_NE(to_text(options, report).find("intermediate=2,abridged=1,obfuscated-padded=1"),
            std::string::npos);
}

TEST(Load, LeavesTheIdleOnesAlone) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.active = 2;
  options.connections = 20;
  options.sources = *SourceAddresses::parse("127.0.3.1-127.0.3.5");
  options.connect_rate = 1000;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_EQ(report.connections_ready, 20U);
  EXPECT_EQ(server.source_addresses(), 5U);
  EXPECT_GT(report.result.completed, 2U);
}

TEST(Load, CountsWhatIsNeverAnsweredWithTheTimeItWaited) {
  TestServer server({.never_quick_ack = true});
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kQuickAck;
  options.rate = 200;
  options.drain_ns = 100 * kNsPerMs;
  const LoadReport report = run(options);
  EXPECT_NE(report.failure.find("nothing succeeded"), std::string::npos) << report.failure;
  EXPECT_EQ(report.result.sent, 60U);
  EXPECT_EQ(report.result.unfinished, 60U);
  EXPECT_EQ(report.result.latency.count(), 60U);
  EXPECT_GE(report.result.latency.min(), 60 * kNsPerMs) << "the drain at least";
  EXPECT_FALSE(report.result.missed.empty());
}

TEST(Load, TakesSteps) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.step_rates = {100, 200};
  options.p99_max_ns = 10 * kNsPerSecond;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  ASSERT_EQ(report.steps.size(), 2U);
  EXPECT_EQ(report.steps[0].sent, 30U);
  EXPECT_EQ(report.steps[1].sent, 60U);
  EXPECT_EQ(report.steps[1].latency.count(), 60U) << "nothing of the step before";
  EXPECT_GE(report.series.size(), 2U);
  const std::string json = to_json(options, report);
  EXPECT_NE(json.find("\"steps\":[{\"rate\":100"), std::string::npos) << json;
  EXPECT_NE(to_text(options, report).find("p99.9 ms"), std::string::npos);
}

TEST(Load, AStepMissesALatencyThatNobodyCouldKeep) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.rate = 4;
  options.find_rate = true;
  options.p99_max_ns = 1;
  options.duration_ns = 600 * kNsPerMs;
  const LoadReport report = run(options);
  EXPECT_NE(report.failure.find("no rate kept the promise"), std::string::npos) << report.failure;
  EXPECT_GE(report.steps.size(), 2U) << "4, 2, 1";
  for (const LoadResult& step : report.steps) EXPECT_FALSE(step.missed.empty());
}

TEST(Load, ReusesKeysAndRenewsThoseThatAreUnknown) {
  const testing::TempDir directory;
  TestServer server;
  LoadOptions options = options_for(server);
  options.keys_path = directory.file("keys");
  EXPECT_EQ(run(options).keys_made, 3U);
  const LoadReport again = run(options);
  EXPECT_EQ(again.failure, "");
  EXPECT_EQ(again.keys_made, 0U);
  EXPECT_EQ(again.keys_reused, 3U);
  options.keys = 5;
  const LoadReport more = run(options);
  EXPECT_EQ(more.keys_made, 2U);
  EXPECT_EQ(more.keys_reused, 3U);

  TestServer stranger;
  options.address = stranger.address();
  const LoadReport renewed = run(options);
  EXPECT_EQ(renewed.failure, "") << to_text(options, renewed);
  EXPECT_EQ(renewed.connections_ready, 8U);
  EXPECT_EQ(renewed.keys_made, 5U);
  EXPECT_GE(renewed.errors.at("stored key unknown to the gateway"), 5U);
  EXPECT_EQ(run(options).keys_made, 0U);

  testing::write_text(options.keys_path, "something else\n");
  EXPECT_NE(run(options).failure.find("line 1"), std::string::npos);
}

TEST(Load, VerifiesThatNothingIsLost) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kQuickAck;
  options.window = 3;
  options.verify = true;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "") << to_text(options, report);
  ASSERT_TRUE(report.verdict);
  EXPECT_TRUE(report.verdict->good());
  EXPECT_EQ(report.verdict->sessions, 8U);
  EXPECT_EQ(report.verdict->arrived, report.verdict->sent);
  EXPECT_GE(report.verdict->sent, report.result.completed);
}

TEST(Load, NoticesALostMessage) {
  TestServer server({.lose_counted = 5});
  LoadOptions options = options_for(server);
  options.mode = LoadMode::kQuickAck;
  options.verify = true;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "5 acknowledged messages were lost");
  EXPECT_EQ(report.verdict->lost, 5U);
  EXPECT_NE(to_json(options, report).find("\"lost\":5"), std::string::npos);
}

TEST(Load, WaitsForTheTimeToStart) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.start_at_seconds = read_clocks().unix_seconds() - 1;
  EXPECT_NE(run(options).failure.find("after the time to start"), std::string::npos);
  options.start_at_seconds = read_clocks().unix_seconds() + 2;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_GE(read_clocks().unix_seconds(), options.start_at_seconds);
}

TEST(Load, RampsUp) {
  TestServer server;
  LoadOptions options = options_for(server);
  options.ramp_ns = 200 * kNsPerMs;
  EXPECT_EQ(run(options).failure, "");
  options.rate = 100;
  const LoadReport report = run(options);
  EXPECT_EQ(report.failure, "");
  EXPECT_EQ(report.result.sent, 30U) << "the full rate is measured";
}

TEST(Load, SaysWhenItWasTheLimitItself) {
  LoadResult result;
  EXPECT_EQ(result.own_limit(), "");
  result.thread_busy = 0.97;
  EXPECT_NE(result.own_limit().find("97%"), std::string::npos);
  result.thread_busy = 0.5;
  EXPECT_EQ(result.own_limit(), "");
  result.thread_wait = 0.45;
  EXPECT_NE(result.own_limit().find("waited for a core 45%"), std::string::npos);
}

TEST(Load, ShowsTheRunWhileItGoes) {
  LoadProgress progress;
  progress.phase = LoadProgress::Phase::kMeasure;
  progress.step = 2;
  progress.recent.per_second = 1234;
  progress.recent.rate = 2000;
  progress.recent.p99_ns = 5 * kNsPerMs;
  progress.recent.gateway_cores = 0.5;
  progress.recent.gateway_resident_bytes = 64 << 20;
  progress.watches_gateway = true;
  progress.errors = {{"closed by the server", 3}};
  const std::string lines = to_lines(LoadOptions(), progress);
  for (const char* text : {"step 2, measuring", "1234 messages/s of 2000", "p99 5.000",
                           "gateway 0.50 cores and 64.0 MiB", "closed by the server: 3"}) {
    EXPECT_NE(lines.find(text), std::string::npos) << text << " in " << lines;
  }
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
  EXPECT_EQ(report.result.completed, 0U);
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
  EXPECT_GT(report.result.completed, 0U);
  EXPECT_LT(report.result.seconds, 30);
  EXPECT_GT(shown, 0);
}

TEST(LoadOptions, NamesAndDurations) {
  for (const char* name : {"handshake", "reconnect", "ping", "quick-ack", "echo"}) {
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

TEST(LoadOptions, ReadsListsOfTransportsSizesAndRates) {
  const auto transports = parse_transports("full,obfuscated-abridged=7");
  ASSERT_TRUE(transports.ok());
  EXPECT_EQ((*transports)[0].transport.kind, mtproto::TransportKind::kFull);
  EXPECT_TRUE((*transports)[1].transport.obfuscated);
  EXPECT_EQ((*transports)[1].weight, 7U);
  EXPECT_FALSE(parse_transports("full,tcp").ok());
  EXPECT_EQ((*parse_sizes("128=9,1024"))[0].weight, 9U);
  EXPECT_EQ((*parse_sizes("128=9,1024"))[1].bytes, 1024U);
  for (const char* text : {"", "x", "-1", "12x", "128=0"}) {
    EXPECT_FALSE(parse_sizes(text).ok()) << text;
  }
  EXPECT_EQ(*parse_rates("10,2.5e3"), (std::vector<double>{10, 2500}));
  for (const char* text : {"", "0", "1,", "nan", "-5", "1e10"}) {
    EXPECT_FALSE(parse_rates(text).ok()) << text;
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
  EXPECT_TRUE(broken([](LoadOptions& o) { o.sizes = {{1 << 24, 1}}; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.rate = -1; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.duration_ns = 0; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.active = 9; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.active = 1; })) << "two threads";
  EXPECT_TRUE(broken([](LoadOptions& o) { o.connect_rate = -1; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.ramp_ns = -1; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.burst = 0; }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.burst = 2; })) << "no rate";
  EXPECT_TRUE(broken([](LoadOptions& o) { o.find_rate = true; }));
  EXPECT_TRUE(broken([](LoadOptions& o) {
    o.find_rate = true;
    o.rate = 10;
  })) << "no latency to keep";
  EXPECT_TRUE(broken([](LoadOptions& o) {
    o.step_rates = {10};
    o.rate = 10;
  }));
  EXPECT_TRUE(broken([](LoadOptions& o) { o.verify = true; })) << "pings are answered anyway";
  EXPECT_TRUE(broken([](LoadOptions& o) {
    o.mode = LoadMode::kQuickAck;
    o.transports = *parse_transports("intermediate,full");
  }));
  EXPECT_TRUE(broken([](LoadOptions& o) {
    o.mode = LoadMode::kHandshake;
    o.keys_path = "keys";
  }));
}

}  // namespace
}  // namespace ringway::client
