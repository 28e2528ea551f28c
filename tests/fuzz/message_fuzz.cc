// Fuzzing of message opening and sealing.
//
// Byte 0 chooses what is done with the rest: bit 0 the direction; bit 1 whether the rest is a frame
// as it comes from the wire or a plaintext that gets a valid msg_key first, without which no
// mutation would ever get past it; the bits above choose the slice size. Both ways of opening must
// agree, and what opens must obey the layout; what is sealed must open.

#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "mtproto/message.h"

namespace {

using namespace ringway;
using namespace ringway::mtproto;

constexpr size_t kInputBytesMax = 64 * 1024;

void require(bool condition) {
  if (!condition) std::abort();
}

const AuthKeyBytes& fixed_key() {
  static const AuthKeyBytes key = [] {
    AuthKeyBytes made;
    for (size_t i = 0; i < made.size(); ++i) made.data()[i] = static_cast<uint8_t>(i);
    return made;
  }();
  return key;
}

// A frame of whole blocks with a msg_key that fits, whatever the plaintext says.
Bytes sealed_as_is(ByteView plaintext, Sender sender) {
  const size_t x = sender == Sender::kClient ? 0 : 8;
  const auto large = crypto::sha256({fixed_key().view().subspan(88 + x, 32), plaintext});
  Bytes frame(kMessageHeaderBytes + plaintext.size());
  store_le(frame.data(), auth_key_id(fixed_key()));
  std::memcpy(frame.data() + 8, large.data() + 8, 16);
  if (!plaintext.empty()) std::memcpy(frame.data() + 24, plaintext.data(), plaintext.size());
  crypto::IgeKeyIv key_iv;
  derive_key_iv(fixed_key(), ByteView(frame).subspan(8).first<16>(), sender, key_iv);
  const crypto::IgeJob job{&key_iv, ByteSpan(frame).subspan(24)};
  crypto::ige_encrypt_many({&job, 1});
  return frame;
}

void check_layout(const OpenJob& job) {
  const size_t encrypted = job.frame.size() - kMessageHeaderBytes;
  const size_t padding = encrypted - kMessagePrefixBytes - job.header.body_bytes;
  require(job.header.body_bytes % 4 == 0 && job.header.body_bytes >= 4);
  require(job.header.body_bytes <= encrypted - kMessagePrefixBytes);
  require(padding >= kMessagePaddingMin && padding <= kMessagePaddingMax);
  require(job.payload.data() == job.frame.data() + 40);
  require(job.payload.size() == 16 + job.header.body_bytes);
  require((job.quick_ack_token & 0x8000'0000u) != 0);
}

// Opens at once and in slices; true when the message is good.
bool open_both_ways(Bytes frame, Sender sender, size_t slice_bytes) {
  Bytes copy = frame;
  OpenJob job;
  job.key = &fixed_key();
  job.frame = frame;
  job.sender = sender;
  open_many({&job, 1});
  SlicedOpen sliced(fixed_key(), copy, sender);
  while (!sliced.step(slice_bytes)) {
  }
  require(sliced.job().error == job.error);
  if (job.error != Error::kNone) {
    require(job.payload.empty() && sliced.job().payload.empty());
    return false;
  }
  require(copy == frame);
  require(sliced.job().quick_ack_token == job.quick_ack_token);
  check_layout(job);
  check_layout(sliced.job());
  return true;
}

// Seals the input as a message of its own; it must open again unless its length field is wrong.
void seal_and_open(ByteView plaintext, Sender sender, size_t slice_bytes) {
  Bytes frame(sealed_bytes(plaintext.size(), slice_bytes / 64 % 8));
  std::memcpy(frame.data() + kMessageHeaderBytes, plaintext.data(), plaintext.size());
  const uint32_t body_bytes = static_cast<uint32_t>(plaintext.size() - kMessagePrefixBytes);
  store_le(frame.data() + kMessageHeaderBytes + 28, body_bytes);
  SealJob job;
  job.key = &fixed_key();
  job.auth_key_id = auth_key_id(fixed_key());
  job.out = frame;
  job.plaintext_bytes = plaintext.size();
  job.sender = sender;
  SlicedSeal sliced(job);
  while (!sliced.step(slice_bytes)) {
  }
  require(open_both_ways(frame, sender, slice_bytes) == (body_bytes % 4 == 0 && body_bytes >= 4));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > kInputBytesMax) return 0;
  const uint8_t choice = data[0];
  const ByteView rest(data + 1, size - 1);
  const Sender sender = (choice & 1) == 0 ? Sender::kClient : Sender::kServer;
  const size_t slice_bytes = 64u * (1u + (choice >> 2));
  if ((choice & 2) == 0) {
    open_both_ways(Bytes(rest.begin(), rest.end()), sender, slice_bytes);
    return 0;
  }
  const size_t whole_blocks = rest.size() / 16 * 16;
  open_both_ways(sealed_as_is(rest.first(whole_blocks), sender), sender, slice_bytes);
  if (rest.size() >= kMessagePrefixBytes) seal_and_open(rest, sender, slice_bytes);
  return 0;
}
