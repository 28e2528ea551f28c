#include "mtproto/inflate.h"

#include <zlib.h>

#include <algorithm>

namespace ringway::mtproto {
namespace {

constexpr size_t kFirstBytes = 4096;
// 15 bits of window, and 32 for "gzip or zlib, by its header".
constexpr int kWindowBits = 15 + 32;

// zlib's state, ended on every way out.
class Inflater {
 public:
  Inflater() { ready_ = inflateInit2(&stream_, kWindowBits) == Z_OK; }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  [[nodiscard]] bool ready() const noexcept { return ready_; }
  [[nodiscard]] z_stream& stream() noexcept { return stream_; }

 private:
  z_stream stream_{};
  bool ready_ = false;
};

}  // namespace

Result<Bytes> inflate_gzip(ByteView packed, size_t bytes_max) {
  Inflater inflater;
  if (!inflater.ready()) return Error::kUnavailable;
  if (packed.size() > UINT32_MAX) return Error::kTooLarge;
  z_stream& stream = inflater.stream();
  stream.next_in = const_cast<Bytef*>(packed.data());  // zlib does not write to its input
  stream.avail_in = static_cast<uInt>(packed.size());
  Bytes out;
  for (;;) {
    const size_t used = stream.total_out;
    if (used == out.size()) {
      // One byte past the bound tells "exactly full" from "too large".
      if (used > bytes_max) return Error::kTooLarge;
      out.resize(std::min(std::max(kFirstBytes, used * 2), bytes_max + 1));
    }
    stream.next_out = out.data() + used;
    stream.avail_out = static_cast<uInt>(out.size() - used);
    const int status = inflate(&stream, Z_NO_FLUSH);
    if (status == Z_STREAM_END) break;
    if (status != Z_OK) return Error::kMalformed;
    if (stream.avail_in == 0 && stream.avail_out != 0) return Error::kMalformed;
  }
  if (stream.total_out > bytes_max) return Error::kTooLarge;
  out.resize(stream.total_out);
  return out;
}

Result<Bytes> inflate_gzip(ByteView packed, InflateBudget& budget) {
  if (packed.size() > budget.packed_bytes || budget.parts == 0) return Error::kTooLarge;
  --budget.parts;
  auto inflated = inflate_gzip(packed, budget.inflated_bytes);
  if (inflated.ok()) {
    budget.packed_bytes -= packed.size();
    budget.inflated_bytes -= inflated->size();
  }
  return inflated;
}

size_t inflate_head(ByteView packed, ByteSpan head) noexcept {
  thread_local Inflater inflater;
  if (!inflater.ready() || packed.size() > UINT32_MAX) return 0;
  z_stream& stream = inflater.stream();
  if (inflateReset(&stream) != Z_OK) return 0;
  stream.next_in = const_cast<Bytef*>(packed.data());  // zlib does not write to its input
  stream.avail_in = static_cast<uInt>(packed.size());
  stream.next_out = head.data();
  stream.avail_out = static_cast<uInt>(head.size());
  // Why it stops does not matter: what came out before is what there is to see.
  (void)inflate(&stream, Z_NO_FLUSH);
  return head.size() - stream.avail_out;
}

}  // namespace ringway::mtproto
