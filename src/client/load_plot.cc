#include "client/load_plot.h"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string_view>

#include "net/owned_fd.h"

extern char** environ;  // POSIX has it declared by whoever uses it

namespace ringway::client {
namespace {

constexpr const char* kProgram = "gnuplot";

// Inside single quotes gnuplot knows one special character.
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    out += c;
    if (c == '\'') out += '\'';
  }
  return out + "'";
}

double ms(int64_t ns) noexcept { return static_cast<double>(ns) / 1e6; }

// Lines of 1/(1 - percentile) and milliseconds; the maximum stands at the number of values.
std::string percentile_data(const Histogram& latency) {
  std::string out = "$percentiles << END\n";
  uint64_t seen = 0;
  const uint64_t count = latency.count();
  latency.for_each([&](int64_t value, uint64_t values) {
    const auto left = static_cast<double>(std::max<uint64_t>(count - seen, 1));
    out += fmt::format("{:.6f} {:.6f}\n", static_cast<double>(count) / left, ms(value));
    seen += values;
  });
  if (count > 0) {
    out += fmt::format("{:.6f} {:.6f}\n", static_cast<double>(count), ms(latency.max()));
  }
  return out + "END\n";
}

std::string series_data(const std::vector<LoadPoint>& series) {
  std::string out = "$series << END\n";
  for (const LoadPoint& point : series) {
    // Without a message there is no latency: gnuplot leaves a gap at a question mark.
    const auto latency = [&point](int64_t ns) {
      return point.per_second > 0 ? fmt::format("{:.6f}", ms(ns)) : std::string("?");
    };
    out += fmt::format("{:.3f} {} {} {} {} {:.3f} {:.3f} {:.3f} {:.3f}\n", point.at_seconds,
                       latency(point.p50_ns), latency(point.p99_ns), latency(point.p999_ns),
                       latency(point.max_ns), point.per_second, point.rate, point.gateway_cores,
                       static_cast<double>(point.gateway_resident_bytes) / (1 << 20));
  }
  return out + "END\n";
}

bool is_program(const std::string& path) { return ::access(path.c_str(), X_OK) == 0; }

std::string wait_for(pid_t pid) {
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0) {
    if (errno != EINTR) return fmt::format("cannot wait for gnuplot: {}", std::strerror(errno));
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  return "gnuplot failed; it says why on standard error";
}

}  // namespace

std::string plot_problem() {
  const char* const search = std::getenv("PATH");
  const std::string_view directories = search == nullptr ? "/usr/bin:/bin" : search;
  for (size_t begin = 0; begin <= directories.size();) {
    const size_t end = std::min(directories.find(':', begin), directories.size());
    if (is_program(fmt::format("{}/{}", directories.substr(begin, end - begin), kProgram))) {
      return {};
    }
    begin = end + 1;
  }
  return "plots are drawn by gnuplot, which is not installed (Debian: apt-get install gnuplot-nox)";
}

std::string plot_script(const std::string& path, const LoadOptions& options,
                        const LoadReport& report) {
  std::string out = percentile_data(report.result.latency) + series_data(report.series);
  out += "set datafile missing '?'\n";
  out += "set terminal svg size 900,1100 font 'sans,12' background 'white'\n";
  out += fmt::format("set output {}\n", quoted(path));
  out += fmt::format(
      "set multiplot layout 3,1 title {}\n",
      quoted(fmt::format("ringway-load: {}, {} connections, {:.0f}/s", to_string(options.mode),
                         options.connections, report.result.per_second())));
  out += "set grid\nset key left top\nset ylabel 'latency, ms'\n";
  out += "set xlabel 'percentile'\nset logscale x\n";
  // The labels are formats.
  out +=
      "set xtics ('0%%' 1, '50%%' 2, '90%%' 10, '99%%' 100, '99.9%%' 1000, '99.99%%' 10000, "
      "'99.999%%' 100000, '99.9999%%' 1000000)\n";
  out += "plot $percentiles using 1:2 with steps linewidth 2 notitle\n";
  out += "unset logscale x\nset xtics auto\nset xlabel 'seconds since the traffic began'\n";
  out += "set logscale y\n";
  out +=
      "plot $series using 1:2 with lines title 'p50', $series using 1:3 with lines title 'p99', "
      "$series using 1:4 with lines title 'p99.9', $series using 1:5 with lines title 'max'\n";
  out += "unset logscale y\nset yrange [0:*]\nset ylabel 'per second'\n";
  out += "plot $series using 1:6 with lines linewidth 2 title 'answered'";
  if (options.open_loop()) out += ", $series using 1:7 with steps title 'asked for'";
  if (options.watches_gateway()) {
    out += ", $series using 1:8 axes x1y2 with lines title 'gateway, cores (right)'";
  }
  out += "\nunset multiplot\n";
  if (!options.watches_gateway()) return out;
  const size_t last_plot = out.rfind("plot $series using 1:6");
  return out.insert(last_plot, "set y2tics\nset y2range [0:*]\n");
}

std::string write_plot(const std::string& path, const LoadOptions& options,
                       const LoadReport& report) {
  if (std::string problem = plot_problem(); !problem.empty()) return problem;
  int ends[2];
  // A socket and no pipe, because writing to it can be told not to raise SIGPIPE.
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return fmt::format("no socket: {}", std::strerror(errno));
  }
  net::OwnedFd reader(ends[0]);
  net::OwnedFd writer(ends[1]);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, reader.get(), STDIN_FILENO);
  std::string program = kProgram;
  char* const arguments[] = {program.data(), nullptr};
  pid_t pid = 0;
  const int error = ::posix_spawnp(&pid, kProgram, &actions, nullptr, arguments, environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) return fmt::format("cannot start gnuplot: {}", std::strerror(error));
  reader.reset();
  const std::string script = plot_script(path, options, report);
  for (size_t at = 0; at < script.size();) {
    const ssize_t written =
        ::send(writer.get(), script.data() + at, script.size() - at, MSG_NOSIGNAL);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) break;  // gnuplot has ended; its status tells
    at += static_cast<size_t>(written);
  }
  writer.reset();
  return wait_for(pid);
}

}  // namespace ringway::client
