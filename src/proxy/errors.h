// proxy/errors: how calls end that have no result, as gRPC says it.
//
// What a server answered keeps its own words: "mtproto RPC error: 420 FLOOD_WAIT_30". Beside the
// status there are trailers for programs, and google.rpc.Status for those who know it:
//
//   x-mtproto-error-code    420
//   x-mtproto-error         FLOOD_WAIT_30
//   x-mtproto-retry-after   30, in seconds, where the server wants a wait
//   grpc-status-details-bin ErrorInfo{reason, domain "telegram.org"}, RetryInfo for a wait
//
// UNAVAILABLE, which many clients retry by themselves, is only said of calls that the server does
// not have, or has refused; one that it may have run when the connection went is ABORTED.
//
// Texts are made harmless first: printable ASCII, bounded. Pure; any thread.
#pragma once

#include <grpcpp/support/status.h>

#include <string>
#include <utility>
#include <vector>

#include "client/account/calls.h"

namespace ringway::proxy {

struct Failure {
  grpc::Status status;
  std::vector<std::pair<std::string, std::string>> trailers;
};

// Errors of servers that say "try again": INTERNAL would say the opposite.
[[nodiscard]] const std::vector<std::string>& default_unavailable_errors();

// `outcome` is not kResult. Errors from 500 on whose text is in `unavailable` are UNAVAILABLE.
[[nodiscard]] Failure failure_of(const client::CallOutcome& outcome,
                                 const std::vector<std::string>& unavailable);

// The canonical status of an error code of MTProto.
[[nodiscard]] grpc::StatusCode status_code_of(int32_t code, std::string_view text,
                                              const std::vector<std::string>& unavailable);

}  // namespace ringway::proxy
