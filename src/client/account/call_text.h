// client/account/call_text: how a call ended, for people.
#pragma once

#include <string>

#include "client/account/calls.h"

namespace ringway::client {

// The server's own text where it refused the call ("FLOOD_WAIT_30"), a phrase otherwise; empty for
// a result.
[[nodiscard]] std::string describe(const CallOutcome& outcome);

}  // namespace ringway::client
