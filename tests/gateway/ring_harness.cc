#include <gtest/gtest.h>

#include <vector>

#include "base/limits.h"
#include "cluster/link_harness.h"
#include "gateway/ring_links.h"
#include "net/uring_ring.h"

namespace ringway::cluster {
namespace {

// The links of a worker without the worker: a real ring, real sockets.
class RingHarness final : public LinkHarness {
 public:
  RingHarness() : completions_(kTurnCompletionsMax) {
    auto created = net::UringRing::create({.entries = 256, .buffers = 64, .buffer_bytes = 4096});
    EXPECT_NE(created.ring, nullptr) << created.error;
    ring_ = std::move(created.ring);
    EXPECT_EQ(ring_->start(), "");
    links_ = std::make_unique<gateway::RingLinks>(*ring_, resolver_, counters_, read_clocks());
  }
  ~RingHarness() override {
    ring_->stop();
    links_ = nullptr;
  }

  ShardTransport& transport() override { return links_->transport(); }
  Waker& waker() override { return ring_->waker(); }
  void begin_turn(Now now) override {
    if (count_ == 0) count_ = ring_->turn(completions_, 0);
    links_->begin_turn({completions_.data(), count_}, now);
    count_ = 0;
  }
  void finish_turn(Now now) override {
    links_->flush();
    links_->expire(now);
  }
  void sleep() override { count_ = ring_->turn(completions_, 5 * kNsPerMs); }

 private:
  CounterBlock counters_;
  gateway::NameResolver resolver_;
  std::unique_ptr<net::UringRing> ring_;
  std::unique_ptr<gateway::RingLinks> links_;
  std::vector<net::Completion> completions_;
  size_t count_ = 0;
};

}  // namespace

std::unique_ptr<LinkHarness> make_link_harness() { return std::make_unique<RingHarness>(); }

}  // namespace ringway::cluster
