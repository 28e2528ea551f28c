#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/distribution.h"
#include "base/limits.h"
#include "base/log_file.h"
#include "base/log_text.h"

namespace ringway {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr int64_t kDay = 86400 * kNsPerSecond;
// 2026-11-22T12:00:00Z: the same day everywhere but at the very edges of the world.
constexpr int64_t kNoon = 1795348800 * kNsPerSecond;

class LogTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/ringway-log-XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    directory_ = name;
    setenv("TZ", "UTC", 1);
    tzset();
  }
  void TearDown() override {
    ASSERT_EQ(log_setup({}), "") << "the next test logs to the console again";
    fs::remove_all(directory_);
  }

  [[nodiscard]] std::string path(const std::string& name = "ringway.log") const {
    return (directory_ / name).string();
  }
  [[nodiscard]] std::string text(const std::string& name = "ringway.log") const {
    std::ifstream file(path(name));
    std::stringstream all;
    all << file.rdbuf();
    return all.str();
  }
  [[nodiscard]] std::vector<std::string> names() const {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      found.push_back(entry.path().filename().string());
    }
    std::sort(found.begin(), found.end());
    return found;
  }
  void touch(const std::string& name) const { std::ofstream(path(name)) << "x\n"; }

  fs::path directory_;
};

TEST(LogText, JsonIsValidWhateverComes) {
  EXPECT_EQ(json_escape("a\"b\\c\nd\x7f"), "a\\\"b\\\\c\\u000ad\\u007f");
  EXPECT_EQ(json_escape("h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
            "h\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
  const std::string bad = "\xef\xbf\xbd";
  EXPECT_EQ(json_escape("\xff|\xc3"), bad + "|" + bad) << "no start, and one that is cut off";
  EXPECT_EQ(json_escape("\xc0\xaf"), bad + bad) << "overlong";
  EXPECT_EQ(json_escape("\xed\xa0\x80"), bad + bad + bad) << "half a surrogate pair";
  EXPECT_EQ(json_escape("\xf4\x90\x80\x80"), bad + bad + bad + bad) << "beyond Unicode";
}

TEST(LogText, APlainLineCannotBeForged) {
  EXPECT_EQ(plain_escape("a\n2026 error: b\x1b[2J\xc3\xa9"), "a\\x0a2026 error: b\\x1b[2J\xc3\xa9");
}

TEST_F(LogTest, WritesLinesInOrderFromManyThreads) {
  ASSERT_EQ(log_setup({.file_path = path()}), "");
  const LogTally before = log_tally();
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) log_info("test", "thread {} line {}", t, i);
    });
  }
  for (std::thread& thread : threads) thread.join();
  log_debug("test", "not at this level");
  log_flush();
  const std::string all = text();
  EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 800);
  size_t at = 0;
  for (int i = 0; i < 200; ++i) {
    at = all.find("info test: thread 2 line " + std::to_string(i) + "\n", at);
    ASSERT_NE(at, std::string::npos) << i;
  }
  EXPECT_EQ(log_tally().lines[static_cast<size_t>(LogLevel::kInfo)] -
                before.lines[static_cast<size_t>(LogLevel::kInfo)],
            800U);
}

TEST_F(LogTest, CutsLongTextsAndEscapes) {
  ASSERT_EQ(
      log_setup(
          {.json = true, .file_path = path(), .service = "100% \"edge\"", .content_bytes_max = 8}),
      "");
  log_warning("test", "{}", "0123\n6789");
  log_flush();
  EXPECT_THAT(text(), HasSubstr(R"("level":"warning","service":"100% \"edge\"",)"
                                R"("room":"test","content":"0123\u000a678"})"
                                "\n"));
}

// A pipe that nobody reads holds up the log's thread, as a disk that hangs does, and nobody else.
TEST_F(LogTest, AStuckFileBlocksNobodyAndLosesAreCounted) {
  ASSERT_EQ(mkfifo(path().c_str(), 0600), 0);
  const int reader = open(path().c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_GE(reader, 0);
  ASSERT_EQ(log_setup({.file_path = path()}), "");
  const uint64_t before = log_tally().dropped;
  const std::string filler(1000, 'x');
  constexpr uint64_t kLines = 2 * kLogLinesMax;
  for (uint64_t i = 0; i < kLines; ++i) log_info("test", "{}", filler);
  const uint64_t dropped = log_tally().dropped - before;
  EXPECT_GT(dropped, 0U);
  EXPECT_LT(dropped, kLines);
  // Once it is read again, everything that was queued comes, and the loss is owned up to.
  fcntl(reader, F_SETFL, 0);
  std::string all;
  std::vector<char> part(1 << 20);
  bool room_again = false;
  while (all.find("the last one") == std::string::npos) {
    const ssize_t size = read(reader, part.data(), part.size());
    ASSERT_GT(size, 0);
    all.append(part.data(), static_cast<size_t>(size));
    if (!room_again && all.size() > 2'000'000) {
      room_again = true;
      log_info("test", "the last one");
    }
  }
  close(reader);
  EXPECT_THAT(all, HasSubstr("lines were dropped: the log could not keep up"));
}

TEST_F(LogTest, AFullDiskIsCounted) {
  fs::create_symlink("/dev/full", path());
  ASSERT_EQ(log_setup({.file_path = path()}), "");
  const uint64_t before = log_tally().write_errors;
  log_info("test", "one");
  log_info("test", "two");
  log_flush();
  EXPECT_EQ(log_tally().write_errors - before, 2U);
}

TEST_F(LogTest, SaysWhatIsWrongWithTheFile) {
  touch("plain");
  EXPECT_THAT(log_setup({.file_path = path("plain/x/ringway.log")}), HasSubstr("cannot make"));
  fs::create_directories(path("ringway.log"));
  EXPECT_THAT(log_setup({.file_path = path()}), HasSubstr("Is a directory"));
}

TEST_F(LogTest, SetsAsideByDay) {
  {
    LogFile file(path(), {.keep_days = 2});
    ASSERT_EQ(file.open(), "");
    touch("ringway.log-2026-11-19");
    touch("ringway.log-2026-11-21");
    touch("ringway.log-else");
    EXPECT_TRUE(file.write("first\n", kNoon));
    EXPECT_TRUE(file.write("same day\n", kNoon + kDay / 3));
    EXPECT_TRUE(file.write("next day\n", kNoon + kDay));
    EXPECT_TRUE(file.write("still\n", kNoon + kDay));
  }
  EXPECT_THAT(names(), ElementsAre("ringway.log", "ringway.log-2026-11-21",
                                   "ringway.log-2026-11-22", "ringway.log-else"));
  EXPECT_EQ(text("ringway.log-2026-11-22"), "first\nsame day\n");
  EXPECT_EQ(text(), "next day\nstill\n");
}

// With the date behind it the name is longer than a file system takes.
TEST_F(LogTest, AFileThatCannotBeSetAsideGoesOn) {
  const std::string name(250, 'l');
  LogFile file(path(name), {});
  ASSERT_EQ(file.open(), "");
  EXPECT_TRUE(file.write("first\n", kNoon));
  EXPECT_TRUE(file.write("next day\n", kNoon + kDay));
  EXPECT_EQ(text(name), "first\nnext day\n");
}

TEST_F(LogTest, AFileOfYesterdayIsSetAsideAfterARestart) {
  touch("ringway.log");
  const timespec then{kNoon / kNsPerSecond, 0};
  const timespec times[2] = {then, then};
  ASSERT_EQ(utimensat(AT_FDCWD, path().c_str(), times, 0), 0);
  LogFile file(path(), {});
  ASSERT_EQ(file.open(), "");
  EXPECT_TRUE(file.write("today\n", kNoon + kDay));
  EXPECT_EQ(text(), "today\n");
  EXPECT_EQ(text("ringway.log-2026-11-22"), "x\n");
}

TEST_F(LogTest, SetsAsideBySizeAndCompresses) {
  const std::string line(999, 'x');
  {
    LogFile file(path(),
                 {.by_size = true, .size_max_bytes = 10'000, .backups_max = 3, .compress = true});
    ASSERT_EQ(file.open(), "");
    for (int i = 0; i < 65; ++i) {
      EXPECT_TRUE(file.write(line + "\n", kNoon + i * kNsPerSecond));
    }
  }
  const auto found = names();
  ASSERT_EQ(found.size(), 4U) << testing::PrintToString(found);
  EXPECT_EQ(found[0], "ringway-2026-11-22T12:00:40.000Z.log.gz");
  EXPECT_EQ(found[2], "ringway-2026-11-22T12:01:00.000Z.log.gz");
  EXPECT_EQ(text().size(), 5000U);
  const gzFile packed = gzopen(path(found[0]).c_str(), "rb");
  ASSERT_NE(packed, nullptr);
  std::vector<char> unpacked(20'000);
  EXPECT_EQ(gzread(packed, unpacked.data(), 20'000), 10'000);
  gzclose(packed);
  EXPECT_EQ(std::string(unpacked.data(), 1000), line + "\n");
}

TEST_F(LogTest, TwoFilesOfOneMomentKeepTheirNames) {
  LogFile file(path(), {.by_size = true, .size_max_bytes = 10});
  ASSERT_EQ(file.open(), "");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(file.write("12345678\n", kNoon));
  EXPECT_THAT(names(), ElementsAre("ringway-2026-11-22T12:00:00.000Z.1.log",
                                   "ringway-2026-11-22T12:00:00.000Z.log", "ringway.log"));
}

TEST_F(LogTest, WhatIsNoFileIsNeverSetAside) {
  fs::create_symlink("/dev/null", path());
  LogFile file(path(), {.by_size = true, .size_max_bytes = 10});
  ASSERT_EQ(file.open(), "");
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(file.write("12345678\n", kNoon + i * kDay));
  EXPECT_THAT(names(), ElementsAre("ringway.log"));
}

TEST(Distribution, CountsIntoTheFirstBucketThatHolds) {
  DistributionBlock block;
  block.observe(Distribution::kTurnMessages, 1);
  block.observe(Distribution::kTurnMessages, 2);
  block.observe(Distribution::kTurnMessages, 3, 5);
  block.observe(Distribution::kTurnMessages, 1025);
  const DistributionCounts counts = block.read(Distribution::kTurnMessages);
  EXPECT_EQ(counts.buckets[0], 1U);
  EXPECT_EQ(counts.buckets[1], 1U);
  EXPECT_EQ(counts.buckets[2], 5U);
  EXPECT_EQ(counts.buckets[distribution_bounds(Distribution::kTurnMessages).size()], 1U);
  EXPECT_EQ(counts.sum, 1U + 2 + 15 + 1025);
  EXPECT_EQ(block.read(Distribution::kBatchMessages).sum, 0U);
}

}  // namespace
}  // namespace ringway
