#include "proxy/errors.h"

#include <gtest/gtest.h>

#include "proxy/limits.h"

namespace ringway::proxy {
namespace {

using client::CallOutcome;
using grpc::StatusCode;

CallOutcome rpc_error(int32_t code, std::string text, int64_t wait = 0) {
  CallOutcome outcome;
  outcome.end = CallOutcome::End::kRpcError;
  outcome.sent = true;
  outcome.code = code;
  outcome.text = std::move(text);
  outcome.retry_after_seconds = wait;
  return outcome;
}

std::string trailer(const Failure& failure, std::string_view key) {
  for (const auto& [name, value] : failure.trailers) {
    if (name == key) return value;
  }
  return "none";
}

TEST(Errors, EveryRowOfTheTable) {
  struct Row {
    int32_t code;
    const char* text;
    StatusCode status;
  };
  const std::vector<Row> rows = {
      {303, "USER_MIGRATE_3", StatusCode::UNAVAILABLE},
      {400, "PEER_ID_INVALID", StatusCode::INVALID_ARGUMENT},
      {401, "SESSION_PASSWORD_NEEDED", StatusCode::UNAUTHENTICATED},
      {403, "CHAT_WRITE_FORBIDDEN", StatusCode::PERMISSION_DENIED},
      {404, "METHOD_NOT_FOUND", StatusCode::NOT_FOUND},
      {406, "UPDATE_APP_TO_LOGIN", StatusCode::FAILED_PRECONDITION},
      {420, "FLOOD_WAIT_7", StatusCode::RESOURCE_EXHAUSTED},
      {500, "NEED_MEMBER_INVALID", StatusCode::INTERNAL},
      {500, "RPC_CALL_FAIL", StatusCode::UNAVAILABLE},
      {500, "RPC_MCGET_FAIL", StatusCode::UNAVAILABLE},
      {500, "WORKER_BUSY_TOO_LONG_RETRY", StatusCode::UNAVAILABLE},
      {-503, "Timeout", StatusCode::UNAVAILABLE},
      {-500, "No workers running", StatusCode::INTERNAL},
      {777, "ODD", StatusCode::INTERNAL},
      {405, "ODD", StatusCode::UNKNOWN},
      {0, "ODD", StatusCode::UNKNOWN},
      {1, "RPC_CALL_FAIL", StatusCode::UNKNOWN},
  };
  for (const Row& row : rows) {
    const Failure failure = failure_of(rpc_error(row.code, row.text), default_unavailable_errors());
    EXPECT_EQ(failure.status.error_code(), row.status) << row.code << ' ' << row.text;
    EXPECT_EQ(failure.status.error_message(),
              "mtproto RPC error: " + std::to_string(row.code) + ' ' + row.text);
    EXPECT_EQ(trailer(failure, "x-mtproto-error-code"), std::to_string(row.code));
    EXPECT_EQ(trailer(failure, "x-mtproto-error"), row.text);
    EXPECT_EQ(trailer(failure, "x-mtproto-retry-after"), "none");
  }
}

TEST(Errors, DetailsAreGoogleRpcStatus) {
  const Failure failure = failure_of(rpc_error(420, "FLOOD_WAIT_300", 300), {});
  EXPECT_EQ(trailer(failure, "x-mtproto-retry-after"), "300");
  const std::string message = "mtproto RPC error: 420 FLOOD_WAIT_300";
  std::string expected = "\x08\x08\x12";  // code RESOURCE_EXHAUSTED
  expected += static_cast<char>(message.size());
  expected += message;
  const std::string info = std::string("\x0a\x0e") + "FLOOD_WAIT_300" + "\x12\x0c" + "telegram.org";
  const std::string info_type = "type.googleapis.com/google.rpc.ErrorInfo";
  const std::string info_any = "\x0a" + std::string(1, static_cast<char>(info_type.size())) +
                               info_type + "\x12" + std::string(1, static_cast<char>(info.size())) +
                               info;
  expected += "\x1a" + std::string(1, static_cast<char>(info_any.size())) + info_any;
  const std::string retry = std::string("\x0a\x03\x08\xac\x02");  // Duration of 300 seconds
  const std::string retry_type = "type.googleapis.com/google.rpc.RetryInfo";
  const std::string retry_any = "\x0a" + std::string(1, static_cast<char>(retry_type.size())) +
                                retry_type + "\x12" +
                                std::string(1, static_cast<char>(retry.size())) + retry;
  expected += "\x1a" + std::string(1, static_cast<char>(retry_any.size())) + retry_any;
  EXPECT_EQ(failure.status.error_details(), expected);
}

TEST(Errors, EndsThatAreNotTheServers) {
  const auto code = [](CallOutcome::End end) {
    CallOutcome outcome;
    outcome.end = end;
    return failure_of(outcome, {}).status.error_code();
  };
  EXPECT_EQ(code(CallOutcome::End::kUnavailable), StatusCode::UNAVAILABLE);
  EXPECT_EQ(code(CallOutcome::End::kFull), StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(code(CallOutcome::End::kDeadline), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_EQ(code(CallOutcome::End::kCancelled), StatusCode::CANCELLED);
  // The server's code does not matter once the sign-in is over.
  CallOutcome over = rpc_error(406, "AUTH_KEY_DUPLICATED");
  over.end = CallOutcome::End::kSignedOut;
  EXPECT_EQ(failure_of(over, {}).status.error_code(), StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(failure_of(over, {}).status.error_message(),
            "mtproto RPC error: 406 AUTH_KEY_DUPLICATED");
}

// Clients retry UNAVAILABLE by themselves: a message would be sent twice.
TEST(Errors, WhatMayHaveRunIsNoLeaveToRetry) {
  CallOutcome broken;
  broken.end = CallOutcome::End::kUnavailable;
  broken.text = "the connection broke";
  broken.sent = true;
  const grpc::Status sent = failure_of(broken, {}).status;
  EXPECT_EQ(sent.error_code(), StatusCode::ABORTED);
  EXPECT_NE(sent.error_message().find("not known"), std::string::npos);
  EXPECT_NE(sent.error_message().find(broken.text), std::string::npos);
  broken.sent = false;
  const grpc::Status waiting = failure_of(broken, {}).status;
  EXPECT_EQ(waiting.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_NE(waiting.error_message().find("not sent"), std::string::npos);
}

TEST(Errors, WhetherItTookEffectIsSaid) {
  CallOutcome late;
  late.end = CallOutcome::End::kDeadline;
  late.sent = true;
  EXPECT_NE(failure_of(late, {}).status.error_message().find("not known"), std::string::npos);
  late.sent = false;
  EXPECT_NE(failure_of(late, {}).status.error_message().find("not sent"), std::string::npos);
}

TEST(Errors, HostileTextsAreMadeHarmless) {
  const std::string text = std::string("A\r\nx-evil: 1\0\xff", 14) + std::string(10'000, 'B');
  const Failure failure = failure_of(rpc_error(400, text), {});
  for (const auto& [key, value] : failure.trailers) {
    EXPECT_LE(value.size(), kErrorTextBytesMax);
    for (const char c : value) EXPECT_TRUE(c >= 0x20 && c <= 0x7e);
  }
  for (const char c : failure.status.error_message()) EXPECT_TRUE(c >= 0x20 && c <= 0x7e);
}

}  // namespace
}  // namespace ringway::proxy
