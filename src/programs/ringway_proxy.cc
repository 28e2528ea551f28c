// ringway-proxy: one sign-in at a Telegram-compatible server, for many programs over gRPC. See
// docs/PROXY.md.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>

#include "base/log.h"
#include "programs/proxy/commands.h"

int main(int argc, char** argv) {
  // A terminal or a pipe that is gone is seen where it is written to.
  std::signal(SIGPIPE, SIG_IGN);
  CLI::App app(
      "ringway-proxy holds a sign-in at a Telegram-compatible server and lets programs in any\n"
      "language call its methods over gRPC and listen to its updates.");
  app.set_version_flag("--version", "ringway-proxy " RINGWAY_VERSION);
  app.require_subcommand(1);

  using namespace ringway::programs;
  std::vector<std::pair<CLI::App*, Command>> commands;
  const auto add = [&](const char* name, const char* what, auto declare) {
    CLI::App* command = app.add_subcommand(name, what);
    commands.emplace_back(command, declare(*command));
  };
  add("start", "sign in where that is needed, and serve", declare_start);
  add("login", "sign in and store the credentials", declare_login);
  add("shell", "call methods and watch updates at the terminal", declare_shell);
  add("access", "store the access hashes of chats and contacts", declare_access);
  add("replay", "print the updates in recorded server bytes", declare_replay);
  add("test", "ask a running proxy for the newest dialog", declare_test);
  add("proto", "write the .proto files of a layer", declare_proto);
  add("check", "look into a schema, credentials or token file", declare_check);
  app.add_subcommand("version", "print the version")->callback([] {
    fmt::print("ringway-proxy {} (MTProto layers 71, 144 and 228)\n", RINGWAY_VERSION);
  });

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kBadConfiguration;
  }
  int status = 0;
  for (const auto& [command, run] : commands) {
    if (command->parsed()) status = run();
  }
  ringway::log_flush();
  return status;
}
