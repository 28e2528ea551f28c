#include "client/account/call_text.h"

namespace ringway::client {

std::string describe(const CallOutcome& outcome) {
  switch (outcome.end) {
    case CallOutcome::End::kResult:
      return "";
    case CallOutcome::End::kRpcError:
    case CallOutcome::End::kSignedOut:
      return outcome.text;
    case CallOutcome::End::kUnavailable:
      return outcome.text.empty() ? "no connection to the server" : outcome.text;
    case CallOutcome::End::kFull:
      return "too many calls at once";
    case CallOutcome::End::kDeadline:
      return outcome.sent ? "no answer in time" : "no connection in time";
    case CallOutcome::End::kCancelled:
      return "cancelled";
  }
  return "";
}

}  // namespace ringway::client
