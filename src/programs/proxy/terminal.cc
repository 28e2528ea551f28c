#include "programs/proxy/terminal.h"

#include <fmt/format.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <iostream>

#include "base/clock.h"

namespace ringway::programs {
namespace {

constexpr int64_t kCodeFileSeconds = 300;
constexpr int64_t kLookEveryNs = 200 * kNsPerMs;

// Switches the terminal's echo off for as long as it lives.
class Hidden {
 public:
  explicit Hidden(bool hide) : hide_(hide && ::tcgetattr(STDIN_FILENO, &before_) == 0) {
    if (!hide_) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO);
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &silent);
  }
  Hidden(const Hidden&) = delete;
  Hidden& operator=(const Hidden&) = delete;
  ~Hidden() {
    if (!hide_) return;
    ::tcsetattr(STDIN_FILENO, TCSAFLUSH, &before_);
    std::fputc('\n', stderr);
  }

 private:
  termios before_{};
  bool hide_;
};

// Somebody else writes the file when the code has come; until it has a whole line it is not there
// yet.
std::optional<std::string> code_of_file(const std::string& path) {
  fmt::print(stderr, "waiting for the code in {}\n", path);
  const int64_t end = read_clocks().mono_ns + kCodeFileSeconds * kNsPerSecond;
  std::string told;
  while (read_clocks().mono_ns < end) {
    std::string problem;
    auto code = read_secret_line(path, problem);
    if (code.has_value()) {
      // A code serves once: who asks again needs another one.
      ::unlink(path.c_str());
      return std::string(as_text(code->view()));
    }
    const bool is_there = ::access(path.c_str(), F_OK) == 0;
    if (is_there && problem != told) {
      told = problem;
      fmt::print(stderr, "--code-file: {}\n", problem);
    }
    sleep_ns(kLookEveryNs);
  }
  fmt::print(stderr, "no code in {} after {} seconds\n", path, kCodeFileSeconds);
  return std::nullopt;
}

}  // namespace

std::optional<std::string> ask(const std::string& prompt, bool hidden) {
  fmt::print(stderr, "{}", prompt);
  std::fflush(stderr);
  const Hidden off(hidden);
  std::string line;
  if (!std::getline(std::cin, line)) return std::nullopt;
  return line;
}

client::SignInPrompts terminal_prompts(const ConnectOptions& options,
                                       std::function<void(int64_t seconds)> wait_token) {
  client::SignInPrompts prompts;
  prompts.notice = [](const std::string& text) { fmt::print(stderr, "{}\n", text); };
  prompts.code = [&options,
                  used = false](std::string_view how) mutable -> std::optional<std::string> {
    if (!options.code_file.empty()) return code_of_file(options.code_file);
    const char* variable = std::getenv("RINGWAY_CODE");
    if (variable != nullptr) {
      // It would be as wrong the second time.
      if (std::exchange(used, true)) return std::nullopt;
      return std::string(variable);
    }
    return ask(fmt::format("Enter Code (sent {}; empty: another way): ", how), false);
  };
  prompts.password = [&options,
                      used = false](std::string_view hint) mutable -> std::optional<SecretString> {
    const char* variable = std::getenv("RINGWAY_PASSWORD");
    if (!options.password_file.empty() || variable != nullptr) {
      if (std::exchange(used, true)) return std::nullopt;
      if (options.password_file.empty()) return SecretString(as_bytes(variable));
      std::string problem;
      auto password = read_secret_line(options.password_file, problem);
      if (!password.has_value()) fmt::print(stderr, "--password-file: {}\n", problem);
      return password;
    }
    auto line =
        ask(hint.empty() ? "Enter Password: " : fmt::format("Enter Password ({}): ", hint), true);
    if (!line.has_value()) return std::nullopt;
    SecretString password(as_bytes(*line));
    cleanse(line->data(), line->size());
    return password;
  };
  prompts.qr = [wait = std::move(wait_token)](const std::string& url, int64_t seconds) {
    fmt::print(stderr, "Scan this as a QR code within {} seconds: {}\n", seconds, url);
    wait(seconds);
    return true;
  };
  return prompts;
}

}  // namespace ringway::programs
