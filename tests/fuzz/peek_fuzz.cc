// Fuzzing of the look into messages of keys that are not bound: the input is a body, and once more
// a whole payload. What is found must lie in the input and keep to the bounds; a bind, as it would
// be forwarded, must be found again as it is. The same bytes are then a push and a bind's proof.
#include "base/limits.h"
#include "fuzz_support.h"
#include "mtproto/bind.h"
#include "mtproto/peek.h"

namespace {

using namespace ringway;
using namespace ringway::mtproto;
using fuzz::require;

constexpr size_t kInputBytesMax = 128 * 1024;
constexpr int64_t kMsgId = 0x1234;

void check_bind(const PeekedMessage& message, size_t payload_bytes) {
  require(message.bind.size() <= payload_bytes + kPeekInflatedBytesMax);
  const Bytes again = frame_message(message.msg_id, message.seq_no, message.bind);
  require(find_bind(again) == message.msg_id);
  const auto same = peek(again);
  require(same.ok() && same->size() == 1);
  require(same->front().purpose == Purpose::kBind);
  require(same->front().perm_auth_key_id == message.perm_auth_key_id);
  require(same->front().expires_at == message.expires_at);
  require(equal(same->front().bind, message.bind));
}

// Where both looks see everything, they see the same.
void check_found(const std::vector<PeekedMessage>& messages, ByteView payload) {
  std::optional<int64_t> last;
  for (const PeekedMessage& message : messages) {
    if (message.purpose == Purpose::kBind) last = message.msg_id;
  }
  const auto found = find_bind(payload);
  require(messages.size() > kBindScanPackedMax || found == last);
}

void check(ByteView payload) {
  const auto messages = peek(payload);
  if (messages.ok()) {
    require(messages->size() <= kPeekContainerMessagesMax);
    const uint8_t* last = payload.data();
    for (const PeekedMessage& message : *messages) {
      require(message.body.data() >= last);
      last = message.body.data() + message.body.size();
      require(last <= payload.data() + payload.size());
      require((message.purpose == Purpose::kBind) == !message.bind.empty());
      if (message.purpose == Purpose::kBind) check_bind(message, payload.size());
    }
    check_found(*messages, payload);
  }
  // A push that answers one call cannot pass for a push to another.
  const PeekedPush push = peek_push(payload, kMsgId);
  if (push.answers && push.service_only) require(!peek_push(payload, kMsgId + 4).answers);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kInputBytesMax) return 0;
  const ByteView input(data, size);
  check(input);
  check(frame_message(kMsgId, 1, input.first(size / 4 * 4)));
  AuthKeyBytes key;
  require(!open_bind_inner(key, input, kMsgId).ok());
  return 0;
}
