// programs/proxy/open_session: a stored sign-in, connected and ready, as the command line says.
#pragma once

#include <memory>
#include <string>

#include "client/account/stored_account.h"
#include "programs/proxy/connect_options.h"

namespace ringway::programs {

// Everything that a session needs of this machine: its files are read, its credentials locked.
// Nobody was asked for anything yet, neither the user nor a server.
struct PreparedSession {
  std::string path;  // of the credentials
  SchemaChoice schema;
  client::AccountOptions account;
  std::unique_ptr<client::CredentialsStore> store;
  client::Credentials credentials;
};

// Nothing, and which option or file is wrong.
[[nodiscard]] std::optional<PreparedSession> prepare_session(const ConnectOptions& options,
                                                             const std::string& path,
                                                             std::string& problem);

struct OpenSession {
  SchemaChoice schema;
  std::unique_ptr<client::StoredAccount> account;
  client::SignedIn user;
};

// Connects, and, when the server knows nobody, signs in as `options` say, with prompts at the
// terminal. Nothing, and the program's exit status; the reason is printed.
[[nodiscard]] std::optional<OpenSession> open_session(client::LoopThread& thread,
                                                      const ConnectOptions& options,
                                                      PreparedSession prepared, int& status);
// Prepares it first.
[[nodiscard]] std::optional<OpenSession> open_session(client::LoopThread& thread,
                                                      const ConnectOptions& options,
                                                      const std::string& path, int& status);

}  // namespace ringway::programs
