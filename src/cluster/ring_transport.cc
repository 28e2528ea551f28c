#include "cluster/ring_transport.h"

#include <algorithm>

namespace ringway::cluster {

std::unique_ptr<ShardChannel> RingTransport::open(const std::string& address, Waker&) {
  Http2Channels& channels = *this;
  return std::make_unique<Http2Channel>(address, pipes_, clock_, channels);
}

void RingTransport::look_around() {
  for (Http2Channel* channel : channels_) channel->look_around();
}

void RingTransport::flush() {
  for (Http2Channel* channel : channels_) channel->pump();
}

int64_t RingTransport::next_deadline_ns() const noexcept {
  int64_t deadline = INT64_MAX;
  for (const Http2Channel* channel : channels_) {
    deadline = std::min(deadline, channel->deadline_ns());
  }
  return deadline;
}

}  // namespace ringway::cluster
