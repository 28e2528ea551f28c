// base/log_reopen: for the program that takes SIGHUP, and nobody else.
#pragma once

namespace ringway {

// Any thread: the log's thread closes its file and opens Path anew before its next line, so that
// whoever has moved the file away has it to himself. Nothing happens where lines go to the console.
void log_reopen() noexcept;

}  // namespace ringway
