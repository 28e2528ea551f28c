#include "cluster/grpc_transport.h"
#include "cluster/link_harness.h"
#include "cluster/sleeping_waker.h"

namespace ringway::cluster {
namespace {

class GrpcHarness final : public LinkHarness {
 public:
  ShardTransport& transport() override { return *transport_; }
  Waker& waker() override { return waker_; }
  void begin_turn(Now) override {}
  void finish_turn(Now) override {}
  void sleep() override { waker_.sleep(); }

 private:
  SleepingWaker waker_;
  std::unique_ptr<ShardTransport> transport_ = make_grpc_transport();
};

}  // namespace

std::unique_ptr<LinkHarness> make_link_harness() { return std::make_unique<GrpcHarness>(); }

}  // namespace ringway::cluster
