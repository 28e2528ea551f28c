// Fuzzing of the TL reader and of unencrypted messages.
//
// The input is read as a row of strings until one fails; a failed read must leave the reader where
// it was, and what was read must come back the same after it is written again. The same bytes are
// then taken for an unencrypted message, raw and as what a frame holds.
#include "fuzz_support.h"
#include "mtproto/framing.h"
#include "mtproto/tl.h"
#include "mtproto/unencrypted.h"

namespace {

using namespace ringway;
using namespace ringway::mtproto;
using fuzz::require;

constexpr size_t kInputBytesMax = 64 * 1024;

void check_strings(ByteView input) {
  ByteReader reader(input);
  while (!reader.empty()) {
    const size_t before = reader.position();
    const Result<ByteView> value = read_tl_string(reader);
    if (!value) {
      require(reader.position() == before);
      return;
    }
    require(reader.position() - before >= tl_string_bytes(value->size()));
    require(value->empty() || (value->data() > input.data() + before &&
                               value->data() + value->size() <= input.data() + reader.position()));
    Bytes again;
    ByteAppender out(again);
    write_tl_string(out, *value);
    require(again.size() == tl_string_bytes(value->size()));
    ByteReader second(again);
    const Result<ByteView> same = read_tl_string(second);
    require(same.ok() && equal(*same, *value) && second.empty());
  }
}

void check_unencrypted(ByteView input) {
  const Result<UnencryptedMessage> message = read_unencrypted(input);
  if (!message) return;
  const Bytes again = write_unencrypted(message->msg_id, message->data);
  const Result<UnencryptedMessage> same = read_unencrypted(again);
  require(same.ok() && same->msg_id == message->msg_id && equal(same->data, message->data));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kInputBytesMax) return 0;
  const ByteView input(data, size);
  check_strings(input);
  check_unencrypted(input);
  Bytes payload(input.begin(), input.end());
  for (const TransportKind kind : {TransportKind::kIntermediate, TransportKind::kPadded}) {
    const Result<FrameContent> content = read_frame(kind, payload);
    if (content && !content->encrypted) check_unencrypted(content->bytes);
  }
  return 0;
}
