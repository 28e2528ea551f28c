// programs/proxy/open_session: a stored sign-in, connected and ready, as the command line says.
#pragma once

#include <memory>
#include <string>

#include "client/account/stored_account.h"
#include "programs/proxy/connect_options.h"

namespace ringway::programs {

struct OpenSession {
  SchemaChoice schema;
  std::unique_ptr<client::StoredAccount> account;
  client::SignedIn user;
};

// Locks and reads the credentials, connects, and, when the server knows nobody, signs in as
// `options` say, with prompts at the terminal. Nothing, and the program's exit status; the reason
// is printed.
[[nodiscard]] std::optional<OpenSession> open_session(client::LoopThread& thread,
                                                      const ConnectOptions& options,
                                                      const std::string& path, int& status);

}  // namespace ringway::programs
