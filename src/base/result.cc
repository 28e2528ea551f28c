#include "base/result.h"

namespace ringway {

std::string_view to_string(Error error) noexcept {
  switch (error) {
    case Error::kNone:
      return "none";
    case Error::kTruncated:
      return "truncated";
    case Error::kMalformed:
      return "malformed";
    case Error::kTooLarge:
      return "too large";
    case Error::kTrailing:
      return "trailing bytes";
    case Error::kBadTransport:
      return "unknown transport";
    case Error::kBadLength:
      return "bad frame length";
    case Error::kBadChecksum:
      return "bad checksum";
    case Error::kBadSequence:
      return "bad sequence number";
    case Error::kUnknownKey:
      return "unknown auth_key_id";
    case Error::kBadMsgKey:
      return "bad msg_key";
    case Error::kBadPadding:
      return "bad padding";
    case Error::kBadNonce:
      return "bad nonce";
    case Error::kBadFingerprint:
      return "unknown key fingerprint";
    case Error::kBadRsa:
      return "bad RSA data";
    case Error::kBadInnerData:
      return "bad inner data";
    case Error::kBadDh:
      return "bad DH value";
    case Error::kBadState:
      return "step out of order";
    case Error::kNotAllowed:
      return "not allowed";
    case Error::kFull:
      return "full";
    case Error::kNotFound:
      return "not found";
    case Error::kTimeout:
      return "timeout";
    case Error::kUnavailable:
      return "unavailable";
    case Error::kInvalidArgument:
      return "invalid argument";
    case Error::kIo:
      return "I/O error";
  }
  return "unknown error";
}

}  // namespace ringway
