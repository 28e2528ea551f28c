#include "cluster/verdict.h"

#include <array>
#include <charconv>

#include "base/limits.h"

namespace ringway::cluster {
namespace {

constexpr std::string_view kKeyUnregisteredText = "AUTH_KEY_UNREGISTERED";
constexpr std::string_view kRedirectText = "REDIRECT_TO_";

struct Row {
  Verdict verdict = Verdict::kRefused;
  std::string_view name;  // as Go's gRPC writes it into errors
};

// By gRPC's status code.
constexpr std::array<Row, 17> kTable = {{
    {Verdict::kServed, "OK"},
    {Verdict::kRetry, "Canceled"},
    {Verdict::kRefused, "Unknown"},
    {Verdict::kRefused, "InvalidArgument"},
    {Verdict::kRetry, "DeadlineExceeded"},
    {Verdict::kRefused, "NotFound"},
    {Verdict::kRefused, "AlreadyExists"},
    {Verdict::kRefused, "PermissionDenied"},
    {Verdict::kRetry, "ResourceExhausted"},  // of a large message: see verdict_of_code()
    {Verdict::kRefused, "FailedPrecondition"},
    {Verdict::kRetryFew, "Aborted"},
    {Verdict::kRefused, "OutOfRange"},
    {Verdict::kRefused, "Unimplemented"},
    {Verdict::kRetryFew, "Internal"},
    {Verdict::kRetry, "Unavailable"},
    {Verdict::kRefused, "DataLoss"},
    {Verdict::kRefused, "Unauthenticated"},
}};

struct Quoted {
  int32_t code = kStatusUnknown;
  std::string_view text;
};

// "rpc error: code = NAME desc = TEXT", NAME being Code(401) for what has no name.
Quoted read_quoted(std::string_view text) noexcept {
  constexpr std::string_view kCode = "code = ";
  constexpr std::string_view kDesc = " desc = ";
  constexpr std::string_view kNumber = "Code(";
  Quoted quoted;
  const size_t at = text.find(kCode);
  if (at == std::string_view::npos) return quoted;
  text.remove_prefix(at + kCode.size());
  const size_t end = text.find(kDesc);
  std::string_view name = text.substr(0, end);
  if (end != std::string_view::npos) quoted.text = text.substr(end + kDesc.size());
  if (name.starts_with(kNumber)) {
    name.remove_prefix(kNumber.size());
    (void)std::from_chars(name.data(), name.data() + name.size(), quoted.code);
    return quoted;
  }
  for (size_t code = 0; code < kTable.size(); ++code) {
    if (name == kTable[code].name) quoted.code = static_cast<int32_t>(code);
  }
  return quoted;
}

Verdict verdict_of_code(int32_t code, size_t size) noexcept {
  if (code == kStatusResourceExhausted && size > kBatchBytesMax) return Verdict::kRetryFew;
  if (code == kStatusKeyUnregistered) return Verdict::kUnregistered;
  if (code == kStatusRedirect) return Verdict::kRedirected;
  const auto row = static_cast<size_t>(code);
  return row < kTable.size() ? kTable[row].verdict : Verdict::kRefused;
}

}  // namespace

Verdict verdict_of(int32_t code, std::string_view text, size_t size) noexcept {
  if (code == kStatusOk) return Verdict::kServed;
  if (text.find(kKeyUnregisteredText) != std::string_view::npos) return Verdict::kUnregistered;
  if (code != kStatusBackend) return verdict_of_code(code, size);
  const Verdict quoted = verdict_of_code(read_quoted(text).code, size);
  return quoted == Verdict::kServed ? Verdict::kRefused : quoted;  // an error it is in any case
}

std::string_view redirect_target(std::string_view text) noexcept {
  const size_t at = text.find(kRedirectText);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + kRedirectText.size());
  return text.substr(0, text.find_first_of(" \t\r\n,;\"'"));
}

bool is_objection(int32_t status, size_t size) noexcept {
  if (status == kStatusResourceExhausted) return size > kBatchBytesMax;
  return status != kStatusOk && status != kStatusUnavailable && status != kStatusCancelled &&
         status != kStatusDeadlineExceeded;
}

}  // namespace ringway::cluster
