// Fuzzing of a link's HTTP/2: the input is what the shard says.
//
// The first byte seeds how the bytes are cut and what our side does meanwhile: it starts and
// cancels streams and calls, writes, takes its events or not, lets time pass. What must hold: each
// stream and call ends at most once, nothing is told about one that has ended, what is not taken
// stays bounded, and after a broken connection there is another one.
#include <map>
#include <memory>
#include <vector>

#include "base/limits.h"
#include "cluster/ring_transport.h"
#include "fuzz_support.h"
#include "support/memory_pipes.h"

namespace {

using namespace ringway;
using namespace ringway::cluster;
using ringway::fuzz::Choices;
using ringway::fuzz::require;

constexpr size_t kInputBytesMax = 64 * 1024;

class NoWaker final : public Waker {
 public:
  void wake() noexcept override { require(false); }
};

class Gateway {
 public:
  explicit Gateway(uint8_t seed) : choices_(seed) {
    turn(0);
    channel_ = transport_.open("10.0.0.1:20120", waker_);
    start();
    start();
  }

  void receive(ByteView bytes) {
    while (!bytes.empty()) {
      const size_t size = 1 + choices_.below(bytes.size());
      MemoryPipes::End& end = connection();
      end.give(bytes.first(size));
      bytes = bytes.subspan(size);
      act();
      turn(choices_.below(8) == 0 ? kNsPerSecond : kNsPerMs);
    }
  }

 private:
  struct State {
    bool call = false;
    bool writing = false;
    bool over = false;
    bool cancelled = false;  // a call whose answer may be on its way already
  };

  // The newest one that is in use; made when there is none.
  MemoryPipes::End& connection() {
    for (int attempts = 0;; ++attempts) {
      require(attempts < 10);
      for (auto end = pipes_.ends.rbegin(); end != pipes_.ends.rend(); ++end) {
        if ((*end)->events == nullptr) continue;
        if (!(*end)->open) (*end)->accept();
        return **end;
      }
      turn(kLinkConnectPauseMaxNs);
      start();
    }
  }

  void start() {
    const uint64_t id = ++last_id_;
    const bool call = choices_.below(2) == 0;
    states_[id].call = call;
    if (call) {
      channel_->call(id, CallMethod::kQueryAuthKey, make_wire_message(Bytes(20, 1)),
                     2 * kNsPerSecond, choices_.below(2) == 0);
    } else {
      channel_->start_stream(id, StreamMethod::kAttach);
    }
  }

  void act() {
    const uint64_t id = 1 + choices_.below(last_id_);
    State& state = states_[id];
    if (state.cancelled) return;
    switch (choices_.below(6)) {
      case 0:
        if (last_id_ < 50) start();
        break;
      case 1: {
        if (state.call || state.writing) break;
        state.writing = true;
        WireMessage message = make_wire_message(Bytes(choices_.below(40'000)));
        channel_->write(id, {&message, 1});
        break;
      }
      case 2:
        if (choices_.below(4) != 0) break;
        if (state.call) {
          channel_->cancel_call(id);
          state.cancelled = true;
        } else {
          channel_->cancel_stream(id);
        }
        break;
      default:
        break;
    }
  }

  void turn(int64_t later_ns) {
    now_.mono_ns += later_ns;
    transport_.begin_turn(now_);
    transport_.look_around();
    if (channel_ != nullptr && choices_.below(3) != 0) take();
    transport_.flush();
    for (const auto& end : pipes_.ends) (void)end->take();
  }

  void take() {
    channel_->take(events_);
    size_t messages = 0;
    for (const LinkEvent& event : events_) {
      State& state = states_.at(event.id);
      require(!state.over);
      switch (event.kind) {
        case LinkEvent::Kind::kMessage:
          require(!state.call);
          messages += event.bytes.size();
          break;
        case LinkEvent::Kind::kWritten:
          require(state.writing);
          state.writing = false;
          break;
        case LinkEvent::Kind::kEnded:
          require(!state.call);
          state.over = true;
          break;
        case LinkEvent::Kind::kReply:
          require(state.call);
          state.over = true;
          break;
      }
    }
    require(messages <= kLinkEventBytesMax + last_id_ * size_t{kLinkStreamWindow});
  }

  Choices choices_;
  NoWaker waker_;
  MemoryPipes pipes_;
  Now now_{1'000'000'000'000, 0};
  RingTransport transport_{pipes_};
  std::unique_ptr<ShardChannel> channel_;
  uint64_t last_id_ = 0;
  std::map<uint64_t, State> states_;
  std::vector<LinkEvent> events_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1 || size > kInputBytesMax) return 0;
  Gateway gateway(data[0]);
  gateway.receive({data + 1, size - 1});
  return 0;
}
