// The parts of a load run that need no server: pace, mixes, sources, the search for a rate, key
// files, scripts for gnuplot, what /proc says.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "client/load_keys.h"
#include "client/load_mix.h"
#include "client/load_pacer.h"
#include "client/load_plot.h"
#include "client/load_probe.h"
#include "client/load_search.h"
#include "client/load_source.h"
#include "support/process.h"

namespace ringway::client {
namespace {

Pace pace_of(double rate, int64_t begin_ns, int64_t end_ns) {
  Pace pace;
  pace.rate = rate;
  pace.begin_ns = begin_ns;
  pace.end_ns = end_ns;
  return pace;
}

std::vector<int64_t> all_due(const Pace& pace) {
  std::vector<int64_t> due;
  for (LoadPacer pacer(pace); pacer.next_due_ns() != kNeverDue; pacer.advance()) {
    due.push_back(pacer.next_due_ns());
  }
  return due;
}

TEST(LoadPacer, MessagesAreDueOneIntervalApartUntilTheEnd) {
  const auto due = all_due(pace_of(4, 100, 100 + 2 * kNsPerSecond));
  ASSERT_EQ(due.size(), 8U);
  for (size_t k = 0; k < due.size(); ++k) {
    EXPECT_EQ(due[k], 100 + static_cast<int64_t>(k) * kNsPerSecond / 4);
  }
}

TEST(LoadPacer, AStallChangesNoIntendedTime) {
  // The sender looks at a clock of the test: on time, then not for 700 ms, then again. Latency
  // counted from the intended time shows the stall; from the sending it would not.
  LoadPacer pacer(pace_of(10, 0, kNsPerSecond));
  std::vector<int64_t> waited;
  for (const int64_t now_ns : {0 * kNsPerMs, 100 * kNsPerMs, 800 * kNsPerMs}) {
    EXPECT_EQ(pacer.overdue(now_ns), now_ns == 800 * kNsPerMs ? 7U : 1U);
    for (; pacer.next_due_ns() <= now_ns; pacer.advance()) {
      waited.push_back((now_ns - pacer.next_due_ns()) / kNsPerMs);
    }
  }
  EXPECT_EQ(waited, (std::vector<int64_t>{0, 0, 600, 500, 400, 300, 200, 100, 0}));
  EXPECT_EQ(pacer.overdue(800 * kNsPerMs), 0U);
}

TEST(LoadPacer, ARampGrowsTheRateFromNothing) {
  Pace pace = pace_of(100, 0, 8 * kNsPerSecond);
  pace.ramp_ns = 4 * kNsPerSecond;
  const auto due = all_due(pace);
  const auto count_before = [&due](int64_t at_ns) {
    return static_cast<double>(std::lower_bound(due.begin(), due.end(), at_ns) - due.begin());
  };
  // The integral of the rate: 100 t^2 / 8 during the ramp, then 100 more a second.
  EXPECT_NEAR(count_before(1 * kNsPerSecond), 12.5, 1);
  EXPECT_NEAR(count_before(2 * kNsPerSecond), 50, 1);
  EXPECT_NEAR(count_before(4 * kNsPerSecond), 200, 1);
  EXPECT_NEAR(count_before(5 * kNsPerSecond), 300, 1);
  EXPECT_NEAR(static_cast<double>(due.size()), 600, 1);
  EXPECT_TRUE(std::is_sorted(due.begin(), due.end()));
}

TEST(LoadPacer, ThreadsShareTheMessagesWithoutGapOrRepeat) {
  Pace pace = pace_of(300, 7, kNsPerSecond);
  const auto whole = all_due(pace);
  std::vector<int64_t> together;
  pace.stride = 3;
  for (pace.first = 0; pace.first < 3; ++pace.first) {
    const auto part = all_due(pace);
    together.insert(together.end(), part.begin(), part.end());
  }
  std::sort(together.begin(), together.end());
  EXPECT_EQ(together, whole);
}

TEST(LoadPacer, ABurstIsDueAtOnce) {
  Pace pace = pace_of(100, 0, kNsPerSecond);
  pace.burst = 50;
  const auto due = all_due(pace);
  ASSERT_EQ(due.size(), 100U);
  EXPECT_EQ(std::count(due.begin(), due.end(), 0), 50);
  EXPECT_EQ(std::count(due.begin(), due.end(), kNsPerSecond / 2), 50);
}

TEST(LoadMix, FollowsTheWeightsInEveryStretch) {
  const LoadMix mix({3, 1});
  for (const uint64_t begin : {0ULL, 1000ULL, 123456789ULL}) {
    size_t second = 0;
    for (uint64_t k = begin; k < begin + 400; ++k) second += mix.pick(k);
    EXPECT_NEAR(static_cast<double>(second), 100, 3) << begin;
  }
  EXPECT_EQ(LoadMix({5}).pick(77), 0U);
}

TEST(LoadMix, ReadsShares) {
  using Shares = std::vector<std::pair<std::string, uint32_t>>;
  EXPECT_EQ(*parse_shares("a"), (Shares{{"a", 1}}));
  EXPECT_EQ(*parse_shares("a=3,b,c=1000000"), (Shares{{"a", 3}, {"b", 1}, {"c", 1000000}}));
  for (const char* text : {"", ",", "a,", "a=", "a=0", "a=x", "a=1x", "=1", "a=-1", "a=1000001",
                           "a=1,a=2", "a=4294967297"}) {
    EXPECT_FALSE(parse_shares(text).ok()) << text;
  }
}

TEST(SourceAddresses, TakeTurns) {
  const auto sources = SourceAddresses::parse("127.0.1.254-127.0.2.1,10.0.0.1");
  ASSERT_TRUE(sources.ok());
  EXPECT_EQ(sources->count(), 5U);
  EXPECT_EQ(sources->pick(0), 0x7f0001feU);
  EXPECT_EQ(sources->pick(3), 0x7f000201U);
  EXPECT_EQ(sources->pick(4), 0x0a000001U);
  EXPECT_EQ(sources->pick(5), 0x7f0001feU);
  for (const char* text :
       {"", "127.0.0", "127.0.0.1-", "127.0.0.2-127.0.0.1", "::1", "a", "1.2.3.4,"}) {
    EXPECT_FALSE(SourceAddresses::parse(text).ok()) << text;
  }
}

// The rates that a search tries until it is over, when up to `limit` passes.
std::vector<double> search(double first, double limit, RateSearch& search) {
  std::vector<double> tried;
  while (const auto rate = search.next()) {
    tried.push_back(*rate);
    search.note(*rate <= limit);
  }
  EXPECT_EQ(tried.empty() ? 0 : tried.front(), first);
  return tried;
}

TEST(RateSearch, DoublesThenHalvesTheGap) {
  RateSearch up(100, 0.05, 50);
  const auto tried = search(100, 730, up);
  ASSERT_GE(tried.size(), 5U);
  EXPECT_EQ(std::vector<double>(tried.begin(), tried.begin() + 6),
            (std::vector<double>{100, 200, 400, 800, 600, 700}));
  EXPECT_LE(up.best(), 730);
  EXPECT_GE(up.best() * 1.05, 730);
}

TEST(RateSearch, HalvesWhenTheFirstRateIsTooMuch) {
  RateSearch down(1000, 0.05, 50);
  search(1000, 60, down);
  EXPECT_LE(down.best(), 60);
  EXPECT_GE(down.best() * 1.05, 60);
}

TEST(RateSearch, EndsInAnyCase) {
  RateSearch never(1000, 0.05, 50);
  EXPECT_LE(search(1000, 0, never).size(), 11U);
  EXPECT_EQ(never.best(), 0);
  RateSearch always(1, 0.05, 8);
  EXPECT_EQ(search(1, 1e18, always).size(), 8U);
  EXPECT_EQ(always.best(), 128);
}

std::vector<SessionKey> some_keys() {
  std::vector<SessionKey> keys(2);
  for (size_t i = 0; i < keys.size(); ++i) {
    keys[i].auth_key_id = i == 0 ? -5 : 77;
    keys[i].salt = INT64_MIN + static_cast<int64_t>(i);
    keys[i].time_offset_ns = i == 0 ? -kNsPerSecond : 3;
    for (size_t b = 0; b < 256; ++b) keys[i].key.data()[b] = static_cast<uint8_t>(b * 7 + i);
  }
  return keys;
}

void expect_same(const std::vector<SessionKey>& a, const std::vector<SessionKey>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    EXPECT_EQ(a[i].auth_key_id, b[i].auth_key_id);
    EXPECT_EQ(a[i].salt, b[i].salt);
    EXPECT_EQ(a[i].time_offset_ns, b[i].time_offset_ns);
    EXPECT_TRUE(equal(a[i].key.view(), b[i].key.view()));
  }
}

TEST(LoadKeys, ComeBackFromTheirFileWhichIsPrivate) {
  const testing::TempDir directory;
  const std::string path = directory.file("keys");
  std::string why;
  EXPECT_TRUE(read_load_keys(path, why)->empty()) << "no file, no keys";
  ASSERT_EQ(write_load_keys(path, some_keys()), "");
  ASSERT_EQ(write_load_keys(path, some_keys()), "") << "over the old one";
  const auto keys = read_load_keys(path, why);
  ASSERT_TRUE(keys.ok()) << why;
  expect_same(*keys, some_keys());
  struct stat status {};
  ASSERT_EQ(stat(path.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST(LoadKeys, SayWhichLineIsWrong) {
  const std::string good = format_load_keys(some_keys());
  size_t line = 0;
  EXPECT_TRUE(parse_load_keys(good, line).ok());
  const auto wrong_line = [&line](const std::string& text) {
    EXPECT_FALSE(parse_load_keys(text, line).ok()) << text;
    return line;
  };
  EXPECT_EQ(wrong_line(""), 1U);
  EXPECT_EQ(wrong_line("keys\n"), 1U);
  EXPECT_EQ(wrong_line(good + "\n"), 4U);
  EXPECT_EQ(wrong_line(good.substr(0, good.size() - 3)), 3U);
  std::string not_hex = good;
  not_hex[not_hex.size() - 2] = 'g';
  EXPECT_EQ(wrong_line(not_hex), 3U);

  const testing::TempDir directory;
  testing::write_text(directory.file("keys"), good + "x\n");
  std::string why;
  EXPECT_FALSE(read_load_keys(directory.file("keys"), why).ok());
  EXPECT_NE(why.find("line 4"), std::string::npos) << why;
  EXPECT_NE(write_load_keys(directory.file("no/such/place"), {}), "");
}

TEST(LoadProbe, KnowsThisProcessAndItsThreads) {
  const auto before = read_process_use(::getpid());
  ASSERT_TRUE(before);
  EXPECT_GT(before->resident_bytes, 100'000U);
  pid_t tid = 0;
  ThreadUse use;
  std::thread([&] {
    tid = current_thread();
    volatile uint64_t sink = 0;
    while (use.cpu_ns < 20 * kNsPerMs) {
      for (int i = 0; i < 100'000; ++i) sink = sink + 1;
      use = read_thread_use(tid);
    }
  }).join();
  EXPECT_NE(tid, ::getpid());
  EXPECT_GE(use.wait_ns, 0);
  const auto after = read_process_use(::getpid());
  ASSERT_TRUE(after);
  EXPECT_GE(after->cpu_ns - before->cpu_ns, 10 * kNsPerMs);
  EXPECT_FALSE(read_process_use(-1));
  EXPECT_EQ(read_thread_use(-1).cpu_ns, 0);
}

TEST(LoadPlot, TheScriptHoldsTheFigures) {
  LoadOptions options;
  options.rate = 100;
  options.gateway_pid = 1;
  LoadReport report;
  for (int i = 1; i <= 100; ++i) report.result.latency.record(i * kNsPerMs);
  LoadPoint busy;
  busy.at_seconds = 1.5;
  busy.per_second = 100;
  busy.rate = 100;
  busy.p99_ns = 42 * kNsPerMs;
  busy.gateway_cores = 0.25;
  LoadPoint silent;
  silent.at_seconds = 2;
  report.series = {busy, silent};
  const std::string script = plot_script("it's.svg", options, report);
  const auto has = [&script](const char* text) { return script.find(text) != std::string::npos; };
  EXPECT_TRUE(has("set output 'it''s.svg'\n")) << script;
  EXPECT_TRUE(has("\n1.500 0.000000 42.000000 ")) << script;
  EXPECT_TRUE(has("\n2.000 ? ? ? ? 0.000")) << "no latency without messages: " << script;
  EXPECT_TRUE(has("\n100.000000 100.000000\n")) << "the maximum is the last percentile: " << script;
  EXPECT_TRUE(has("title 'asked for'")) << script;
  EXPECT_TRUE(has("gateway, cores")) << script;
}

TEST(LoadPlot, AMissingGnuplotIsSaidBeforehand) {
  const char* const before = std::getenv("PATH");
  const std::string path = before == nullptr ? "" : before;
  ::setenv("PATH", "/nowhere:/neither", 1);
  const std::string problem = plot_problem();
  EXPECT_NE(problem.find("gnuplot"), std::string::npos);
  EXPECT_EQ(write_plot("never.svg", LoadOptions(), LoadReport()), problem);

  // Anything that takes its input and ends well will do as a gnuplot; one that fails will not.
  const testing::TempDir directory;
  const std::string program = directory.file("gnuplot");
  testing::write_text(program, "#!/bin/sh\n/bin/cat >" + directory.file("script") + "\n");
  ASSERT_EQ(chmod(program.c_str(), 0700), 0);
  ::setenv("PATH", directory.path().c_str(), 1);
  EXPECT_EQ(plot_problem(), "");
  EXPECT_EQ(write_plot("a.svg", LoadOptions(), LoadReport()), "");
  EXPECT_EQ(testing::read_text(directory.file("script")),
            plot_script("a.svg", LoadOptions(), LoadReport()));
  testing::write_text(program, "#!/bin/sh\nexit 3\n");
  EXPECT_NE(write_plot("a.svg", LoadOptions(), LoadReport()), "");
  ::setenv("PATH", path.c_str(), 1);
}

}  // namespace
}  // namespace ringway::client
