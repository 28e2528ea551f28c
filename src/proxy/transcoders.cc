#include "proxy/transcoders.h"

#include "proxy/limits.h"

namespace ringway::proxy {

std::unique_ptr<Transcoder> Transcoders::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      std::unique_ptr<Transcoder> transcoder = std::move(idle_.back());
      idle_.pop_back();
      return transcoder;
    }
  }
  return std::make_unique<Transcoder>(layout_);
}

void Transcoders::give_back(std::unique_ptr<Transcoder> transcoder) {
  if (transcoder->out.size() > kKeptBufferBytesMax) {
    transcoder->out = tl::Output();
  } else {
    transcoder->out.clear();
  }
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(transcoder));
}

}  // namespace ringway::proxy
