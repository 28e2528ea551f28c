// programs/proxy/commands: what ringway-proxy does, command by command. Each returns the program's
// exit status: 0, 1 when something failed, 128 when it was asked for something that cannot be.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <string>
#include <vector>

#include "programs/proxy/connect_options.h"

namespace ringway::programs {

inline constexpr int kFailed = 1;
inline constexpr int kBadConfiguration = 128;

// Adds the command; what it returns runs it, once the command line was read.
using Command = std::function<int()>;
[[nodiscard]] Command declare_start(CLI::App& app);
[[nodiscard]] Command declare_login(CLI::App& app);
[[nodiscard]] Command declare_shell(CLI::App& app);
[[nodiscard]] Command declare_access(CLI::App& app);
[[nodiscard]] Command declare_replay(CLI::App& app);
[[nodiscard]] Command declare_test(CLI::App& app);
[[nodiscard]] Command declare_proto(CLI::App& app);
[[nodiscard]] Command declare_check(CLI::App& app);

// Prints "ringway-proxy: TEXT" to standard error.
int fail(int status, const std::string& text);

}  // namespace ringway::programs
