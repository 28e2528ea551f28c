// programs/proxy/terminal: who signs in is asked here: at the terminal, or by files and variables
// where nobody sits at one.
#pragma once

#include "client/account/sign_in.h"
#include "programs/proxy/connect_options.h"

namespace ringway::programs {

// `wait_token` waits, at most so many seconds, for an update that says that a QR code was scanned.
[[nodiscard]] client::SignInPrompts terminal_prompts(
    const ConnectOptions& options, std::function<void(int64_t seconds)> wait_token);

// A line without its end; nothing at the end of the input. With `hidden` it is not shown.
[[nodiscard]] std::optional<std::string> ask(const std::string& prompt, bool hidden);

}  // namespace ringway::programs
