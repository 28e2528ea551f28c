#include "proxy/errors.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "proxy/limits.h"
#include "proxy/proto_fields.h"

namespace ringway::proxy {
namespace {

using End = client::CallOutcome::End;

constexpr int32_t kRedirect = 303;
constexpr int32_t kTimeoutOfServer = -503;
constexpr char kErrorDomain[] = "telegram.org";
constexpr char kErrorInfoType[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kRetryInfoType[] = "type.googleapis.com/google.rpc.RetryInfo";

// gRPC gives up a whole call over a trailer that it cannot write.
std::string harmless(std::string_view text) {
  std::string out(text.substr(0, kErrorTextBytesMax));
  for (char& c : out) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  return out;
}

std::string any_of(std::string_view type_url, std::string_view value) {
  std::string any;
  add_bytes(any, 1, type_url);
  add_bytes(any, 2, value);
  return any;
}

// google.rpc.Status: code 1, message 2, details 3.
std::string details_of(grpc::StatusCode code, std::string_view message, std::string_view reason,
                       int64_t retry_after_seconds) {
  std::string details;
  add_number(details, 1, static_cast<uint64_t>(code));
  add_bytes(details, 2, message);
  std::string info;
  add_bytes(info, 1, reason);
  add_bytes(info, 2, kErrorDomain);
  add_bytes(details, 3, any_of(kErrorInfoType, info));
  if (retry_after_seconds > 0) {
    std::string duration;
    add_number(duration, 1, static_cast<uint64_t>(retry_after_seconds));
    std::string retry;
    add_bytes(retry, 1, duration);
    add_bytes(details, 3, any_of(kRetryInfoType, retry));
  }
  return details;
}

Failure server_error(const client::CallOutcome& outcome, grpc::StatusCode code) {
  const std::string reason = harmless(outcome.text);
  const std::string message = fmt::format("mtproto RPC error: {} {}", outcome.code, reason);
  Failure failure;
  failure.status =
      grpc::Status(code, message, details_of(code, message, reason, outcome.retry_after_seconds));
  failure.trailers.emplace_back("x-mtproto-error-code", std::to_string(outcome.code));
  failure.trailers.emplace_back("x-mtproto-error", reason);
  if (outcome.retry_after_seconds > 0) {
    failure.trailers.emplace_back("x-mtproto-retry-after",
                                  std::to_string(outcome.retry_after_seconds));
  }
  return failure;
}

std::string_view effect_text(const client::CallOutcome& outcome) {
  return outcome.sent ? "; whether it took effect is not known" : "; it was not sent";
}

Failure own_error(grpc::StatusCode code, std::string message) {
  return {.status = grpc::Status(code, std::move(message)), .trailers = {}};
}

}  // namespace

const std::vector<std::string>& default_unavailable_errors() {
  static const std::vector<std::string> errors = {"RPC_CALL_FAIL", "RPC_MCGET_FAIL",
                                                  "WORKER_BUSY_TOO_LONG_RETRY"};
  return errors;
}

grpc::StatusCode status_code_of(int32_t code, std::string_view text,
                                const std::vector<std::string>& unavailable) {
  switch (code) {
    case kRedirect:  // those that lead anywhere are followed
    case kTimeoutOfServer:
      return grpc::StatusCode::UNAVAILABLE;
    case 400:
      return grpc::StatusCode::INVALID_ARGUMENT;
    case 401:
      return grpc::StatusCode::UNAUTHENTICATED;
    case 403:
      return grpc::StatusCode::PERMISSION_DENIED;
    case 404:
      return grpc::StatusCode::NOT_FOUND;
    case 406:
      return grpc::StatusCode::FAILED_PRECONDITION;
    case 420:
      return grpc::StatusCode::RESOURCE_EXHAUSTED;
    default:
      break;
  }
  if (code >= 0 && code < 500) return grpc::StatusCode::UNKNOWN;
  const bool again = std::find(unavailable.begin(), unavailable.end(), text) != unavailable.end();
  return again ? grpc::StatusCode::UNAVAILABLE : grpc::StatusCode::INTERNAL;
}

Failure failure_of(const client::CallOutcome& outcome,
                   const std::vector<std::string>& unavailable) {
  switch (outcome.end) {
    case End::kResult:
      break;
    case End::kRpcError:
      return server_error(outcome, status_code_of(outcome.code, outcome.text, unavailable));
    case End::kSignedOut:
      return server_error(outcome, grpc::StatusCode::UNAUTHENTICATED);
    case End::kUnavailable:
      // Clients that retry by themselves take UNAVAILABLE as leave to do so.
      return own_error(
          outcome.sent ? grpc::StatusCode::ABORTED : grpc::StatusCode::UNAVAILABLE,
          fmt::format("no connection: {}{}", harmless(outcome.text), effect_text(outcome)));
    case End::kFull:
      return own_error(grpc::StatusCode::RESOURCE_EXHAUSTED, "too many calls at once");
    case End::kDeadline:
      return own_error(grpc::StatusCode::DEADLINE_EXCEEDED,
                       fmt::format("the deadline passed{}", effect_text(outcome)));
    case End::kCancelled:
      return own_error(grpc::StatusCode::CANCELLED,
                       fmt::format("cancelled{}", effect_text(outcome)));
  }
  return own_error(grpc::StatusCode::INTERNAL, "a result where an error was expected");
}

}  // namespace ringway::proxy
