// ringway-load: an MTProto client that puts load on a gateway and measures it, or shows it at work.
#include <fmt/format.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <fstream>

#include "client/demo.h"
#include "client/histogram_text.h"
#include "client/load.h"
#include "client/load_plot.h"
#include "programs/load_arguments.h"

namespace {

using namespace ringway;

std::atomic<bool> g_stop{false};

// The first signal ends the run with its summary, the second one the program.
void on_signal(int signal_number) {
  if (g_stop.exchange(true)) {
    ::signal(signal_number, SIG_DFL);
    ::raise(signal_number);
  }
}

void install_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  ::signal(SIGPIPE, SIG_IGN);
}

[[nodiscard]] int fail(const std::string& why) {
  std::fputs(fmt::format("ringway-load: {}\n", why).c_str(), stderr);
  return 1;
}

// Some lines that overwrite themselves, on a terminal only.
class LiveView {
 public:
  LiveView() : shown_(::isatty(STDERR_FILENO) == 1) {}
  ~LiveView() { clear(); }
  LiveView(const LiveView&) = delete;
  LiveView& operator=(const LiveView&) = delete;
  [[nodiscard]] bool shown() const noexcept { return shown_; }
  void show(const std::string& lines) {
    clear();
    // A line that wraps would be counted wrongly.
    std::fputs(fmt::format("\x1b[?7l{}\x1b[?7h", lines).c_str(), stderr);
    std::fflush(stderr);
    lines_ = static_cast<int>(std::count(lines.begin(), lines.end(), '\n'));
  }
  void clear() {
    if (lines_ > 0) std::fputs(fmt::format("\x1b[{}A\r\x1b[J", lines_).c_str(), stderr);
    lines_ = 0;
  }

 private:
  const bool shown_;
  int lines_ = 0;
};

// As many open files as the system lets us have. An empty string, or why they are too few.
std::string raise_file_limit(const client::LoadOptions& options) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  constexpr rlim_t kOtherFiles = 64;
  if (options.connections + kOtherFiles <= limit.rlim_cur) return {};
  return fmt::format(
      "{} connections need more than the {} files that this process may open; raise the limit "
      "(ulimit -Hn), or use several processes with --start-at",
      options.connections, limit.rlim_cur);
}

int run_demo(const client::LoadOptions& options) {
  const auto report = client::run_demo(options, [](std::string_view line) {
    std::fputs(fmt::format("{}\n", line).c_str(), stdout);
    std::fflush(stdout);
  });
  if (!report.failure.empty()) return fail(report.failure);
  std::fputs(fmt::format("server key fingerprint {:016x}\n", report.fingerprint).c_str(), stdout);
  return 0;
}

bool write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  return !file.fail();
}

int run_load(const LoadArguments& arguments) {
  const client::LoadOptions& options = arguments.load;
  LiveView view;
  std::function<void(const client::LoadProgress&)> on_progress;
  if (view.shown()) {
    on_progress = [&](const client::LoadProgress& progress) {
      view.show(client::to_lines(options, progress));
    };
  }
  const client::LoadReport report = client::run_load(options, g_stop, on_progress);
  view.clear();
  if (arguments.json) {
    std::fputs((client::to_json(options, report) + '\n').c_str(), stdout);
  } else if (report.result.completed > 0 || !report.steps.empty()) {
    std::fputs(client::to_text(options, report).c_str(), stdout);
  }
  std::fflush(stdout);
  if (report.result.completed > 0) {
    constexpr double kMillisecond = 1e6;
    if (!arguments.percentiles_path.empty() &&
        !write_text(arguments.percentiles_path,
                    client::to_hgrm(report.result.latency, kMillisecond))) {
      return fail(fmt::format("cannot write '{}'", arguments.percentiles_path));
    }
    if (!arguments.plot_path.empty()) {
      const std::string failure = client::write_plot(arguments.plot_path, options, report);
      if (!failure.empty()) return fail(failure);
    }
  }
  return report.failure.empty() ? 0 : fail(report.failure);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Puts MTProto load on a gateway and measures throughput and latency.",
               "ringway-load");
  LoadArguments arguments;
  declare(app, arguments);
  CLI11_PARSE(app, argc, argv);
  if (const std::string wrong = complete(arguments); !wrong.empty()) return fail(wrong);
  install_signals();
  if (arguments.demo) return run_demo(arguments.load);
  if (const std::string wrong = raise_file_limit(arguments.load); !wrong.empty()) {
    return fail(wrong);
  }
  return run_load(arguments);
}
