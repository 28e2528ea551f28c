// mtproto/framing: what lies inside a frame: unencrypted message, encrypted message, or nothing.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "mtproto/transport.h"

namespace ringway::mtproto {

struct FrameContent {
  bool encrypted = false;
  int64_t auth_key_id = 0;  // encrypted only
  // Encrypted: auth_key_id, msg_key and whole cipher blocks. Unencrypted: the frame up to the end
  // of message_data. Padding of the transport is cut off.
  ByteSpan bytes;
};

// Tells the two apart and checks lengths by the transport's rules: kTruncated or kBadLength when
// the payload is neither.
Result<FrameContent> read_frame(TransportKind kind, ByteSpan payload) noexcept;

// The four bytes of a transport error; sent as a frame's payload, then the connection is closed.
inline constexpr int32_t kErrorUnknownKey = -404;
inline constexpr int32_t kErrorFlood = -429;
inline constexpr int32_t kErrorWrongDc = -444;

}  // namespace ringway::mtproto
