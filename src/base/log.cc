#include "base/log.h"

#include <signal.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "base/limits.h"
#include "base/log_file.h"
#include "base/log_reopen.h"
#include "base/log_text.h"
#include "base/mpsc_queue.h"

namespace ringway {
namespace {

std::atomic<LogLevel> g_level{LogLevel::kInfo};
std::atomic<bool> g_json{false};
std::atomic<uint32_t> g_content_bytes_max{kLogLineBytesMax};

std::array<std::atomic<uint64_t>, kLogLevels> g_lines{};
std::atomic<uint64_t> g_dropped{0};
std::atomic<uint64_t> g_write_errors{0};

spdlog::level::level_enum to_spdlog(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
    case LogLevel::kOff:
      return spdlog::level::off;
  }
  return spdlog::level::info;
}

int64_t unix_ns_of(spdlog::log_clock::time_point time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

// Used by one thread at a time: the log's.
class FileSink final : public spdlog::sinks::base_sink<spdlog::details::null_mutex> {
 public:
  FileSink(std::string path, const LogRotation& rotation) : file_(std::move(path), rotation) {}
  [[nodiscard]] std::string open() { return file_.open(); }
  void reopen() { file_.reopen(); }

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    if (!file_.write({line.data(), line.size()}, unix_ns_of(message.time))) {
      g_write_errors.fetch_add(1, std::memory_order_relaxed);
    }
  }
  void flush_() override {}

  LogFile file_;
};

struct Line {
  LogLevel level = LogLevel::kInfo;
  spdlog::log_clock::time_point time;
  std::string text;
};

void write_to(spdlog::sinks::sink& sink, const Line& line) {
  spdlog::details::log_msg message(line.time, {}, "", to_spdlog(line.level), line.text);
  sink.log(message);
}

// The queue and the thread behind it.
class Writer {
 public:
  // `file` is the sink when that is a file, else null.
  Writer(spdlog::sink_ptr sink, std::shared_ptr<FileSink> file)
      : sink_(std::move(sink)), file_(std::move(file)), queue_(kLogLinesMax) {
    thread_ = std::thread([this] { run(); });
  }
  ~Writer() {
    stopping_.store(true, std::memory_order_release);
    knock();
    thread_.join();
  }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  // Any thread. False when there is no room.
  [[nodiscard]] bool push(Line&& line) {
    const size_t bytes = line.text.size();
    if (queued_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes > kLogBytesMax ||
        !queue_.push(std::move(line))) {
      queued_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
      return false;
    }
    pushed_.fetch_add(1, std::memory_order_release);
    knock();
    return true;
  }

  // Any thread.
  void reopen() noexcept {
    reopening_.store(true, std::memory_order_release);
    knock();
  }

  void flush() {
    const uint64_t wanted = pushed_.load(std::memory_order_acquire);
    std::unique_lock lock(mutex_);
    (void)written_more_.wait_for(lock, std::chrono::nanoseconds(kLogFlushTimeoutNs),
                                 [&] { return written_ >= wanted; });
  }

 private:
  void knock() noexcept {
    knocks_.fetch_add(1, std::memory_order_release);
    knocks_.notify_one();
  }

  void run() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "rw-log");
    for (;;) {
      const uint32_t knocks = knocks_.load(std::memory_order_acquire);
      const bool stopping = stopping_.load(std::memory_order_acquire);
      if (reopening_.exchange(false, std::memory_order_acq_rel) && file_) file_->reopen();
      write_queued();
      if (stopping) return;
      knocks_.wait(knocks, std::memory_order_acquire);
    }
  }

  void write_queued() {
    uint64_t count = 0;
    for (Line line; queue_.pop(line); ++count) {
      queued_bytes_.fetch_sub(line.text.size(), std::memory_order_relaxed);
      own_up(line.time);
      write_to(*sink_, line);
    }
    if (count == 0) return;
    sink_->flush();
    {
      const std::scoped_lock lock(mutex_);
      written_ += count;
    }
    written_more_.notify_all();
  }

  // Says what was dropped since the last time.
  void own_up(spdlog::log_clock::time_point time) {
    const uint64_t dropped = g_dropped.load(std::memory_order_relaxed);
    if (dropped == dropped_told_) return;
    const std::string text =
        fmt::format("{} lines were dropped: the log could not keep up", dropped - dropped_told_);
    dropped_told_ = dropped;
    write_to(*sink_, {LogLevel::kWarning, time,
                      g_json.load(std::memory_order_relaxed)
                          ? fmt::format(R"("room":"log","content":"{}")", text)
                          : "log: " + text});
  }

  const spdlog::sink_ptr sink_;
  const std::shared_ptr<FileSink> file_;
  MpscQueue<Line> queue_;
  std::atomic<size_t> queued_bytes_{0};
  std::atomic<uint64_t> pushed_{0};
  std::atomic<uint32_t> knocks_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> reopening_{false};
  uint64_t dropped_told_ = g_dropped.load(std::memory_order_relaxed);
  std::mutex mutex_;
  std::condition_variable written_more_;
  uint64_t written_ = 0;
  std::thread thread_;
};

// The one writer; never destroyed at the end of the process, so that late threads may still log.
std::atomic<Writer*> g_writer{nullptr};

spdlog::sinks::sink& console() {
  static auto* instance = new spdlog::sinks::stderr_sink_mt();
  return *instance;
}

std::string pattern_of(const LogOptions& options) {
  if (!options.json) return "%Y-%m-%dT%H:%M:%S.%e%z %l %v";
  std::string service;
  // A percent sign would be taken for a flag of the pattern.
  for (const char c : json_escape(options.service)) service += c == '%' ? "%%" : std::string(1, c);
  if (!service.empty()) service = R"("service":")" + service + R"(",)";
  return R"({"@timestamp":"%Y-%m-%dT%H:%M:%S.%e%z","level":"%l",)" + service + "%v}";
}

}  // namespace

std::string_view to_string(LogLevel level) noexcept {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
    case LogLevel::kOff:
      return "off";
  }
  return "info";
}

std::string log_setup(const LogOptions& options) {
  spdlog::sink_ptr sink;
  std::shared_ptr<FileSink> file;
  if (options.file_path.empty()) {
    sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
  } else {
    file = std::make_shared<FileSink>(options.file_path, options.rotation);
    if (std::string error = file->open(); !error.empty()) return error;
    sink = file;
  }
  sink->set_pattern(pattern_of(options));
  delete g_writer.exchange(nullptr, std::memory_order_acq_rel);
  g_json.store(options.json, std::memory_order_relaxed);
  g_level.store(options.level, std::memory_order_relaxed);
  g_content_bytes_max.store(
      options.content_bytes_max == 0 || options.content_bytes_max > kLogLineBytesMax
          ? static_cast<uint32_t>(kLogLineBytesMax)
          : options.content_bytes_max,
      std::memory_order_relaxed);
  g_writer.store(new Writer(std::move(sink), std::move(file)), std::memory_order_release);
  return "";
}

bool log_enabled(LogLevel level) noexcept {
  return level >= g_level.load(std::memory_order_relaxed);
}

void log_write(LogLevel level, std::string_view room, std::string_view text) {
  if (level >= LogLevel::kOff || !log_enabled(level)) return;
  text = text.substr(0, g_content_bytes_max.load(std::memory_order_relaxed));
  Line line{level, spdlog::details::os::now(),
            g_json.load(std::memory_order_relaxed)
                ? fmt::format(R"("room":"{}","content":"{}")", json_escape(room), json_escape(text))
                : fmt::format("{}: {}", room, plain_escape(text))};
  Writer* writer = g_writer.load(std::memory_order_acquire);
  if (writer == nullptr) {
    write_to(console(), line);
  } else if (!writer->push(std::move(line))) {
    g_dropped.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  g_lines[static_cast<size_t>(level)].fetch_add(1, std::memory_order_relaxed);
}

void log_flush() {
  if (Writer* writer = g_writer.load(std::memory_order_acquire)) writer->flush();
}

void log_reopen() noexcept {
  if (Writer* writer = g_writer.load(std::memory_order_acquire)) writer->reopen();
}

LogTally log_tally() noexcept {
  LogTally tally;
  for (size_t i = 0; i < kLogLevels; ++i) {
    tally.lines[i] = g_lines[i].load(std::memory_order_relaxed);
  }
  tally.dropped = g_dropped.load(std::memory_order_relaxed);
  tally.write_errors = g_write_errors.load(std::memory_order_relaxed);
  return tally;
}

}  // namespace ringway
