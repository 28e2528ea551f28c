// cluster/shard_transport: the seam between the dispatcher and whatever carries its bytes to a
// shard.
//
// A ShardTransport opens a ShardChannel to one address for one worker. Through it the worker starts
// streams and calls; what happens to them comes back as LinkEvents, which the transport's own
// threads append to a bounded queue and announce with one Waker::wake(). Nothing here blocks the
// worker, and no logic runs on the transport's threads.
//
// The bytes are protobuf messages as the methods of proto/ take them; gRPC is one implementation
// (grpc_transport.h), the tests have one in memory, one on the worker's own ring may come.
//
// A channel belongs to the thread that opened it. It never connects for good: a stream or a call to
// a shard that is away ends with kStatusUnavailable, and a later one may succeed.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/secret.h"
#include "base/waker.h"
#include "cluster/chunk.h"
#include "cluster/verdict.h"

namespace ringway::cluster {

enum class StreamMethod : uint8_t {
  kAttach,       // /ringway.link.v1.ShardLink/Attach
  kSessionData,  // /session.RPCSessionStream/SessionDataStream
};
enum class CallMethod : uint8_t {
  kQueryAuthKey,  // /session.RPCSession/session_queryAuthKey, and so on
  kSetAuthKey,
  kSendData,
  kCloseSession,
  kSendHttpData,
};
[[nodiscard]] std::string_view method_path(StreamMethod method) noexcept;
[[nodiscard]] std::string_view method_path(CallMethod method) noexcept;

struct LinkEvent {
  enum class Kind : uint8_t {
    kMessage,  // `bytes` arrived on stream `id`
    kWritten,  // the messages given to the last write() of stream `id` are on their way
    kEnded,    // stream `id` is over with `status` and `text`; its last event
    kReply,    // call `id` is over: `bytes` when `status` is kStatusOk, else `text`
  };
  Kind kind = Kind::kMessage;
  uint64_t id = 0;
  int32_t status = kStatusOk;
  // Of kEnded and kReply: the connection went while the shard may have been at work on this. False
  // where the transport cannot tell.
  bool cut = false;
  std::string text;
  Bytes bytes;

  LinkEvent() = default;
  LinkEvent(LinkEvent&&) = default;
  LinkEvent& operator=(LinkEvent&&) = default;
  // A reply may carry an authorization key.
  ~LinkEvent() {
    if (kind == Kind::kReply) cleanse(bytes.data(), bytes.size());
  }
};

class ShardChannel {
 public:
  // Cancels everything that is under way; no wake comes from this channel afterwards.
  virtual ~ShardChannel() = default;

  // `id` is the caller's choice, not used before on this channel.
  virtual void start_stream(uint64_t id, StreamMethod method) = 0;
  // Sends `messages` in order. Only after the kWritten of the write before; a write to a stream
  // that is over has no effect. What it leaves in `messages` are empty ones, which may have the
  // memory of earlier ones.
  virtual void write(uint64_t id, std::span<WireMessage> messages) = 0;
  // kEnded follows unless it was on its way already.
  virtual void cancel_stream(uint64_t id) = 0;
  // kReply follows exactly once, unless cancel_call() comes before it. With `wait_for_shard` a
  // shard that is away is waited for within the timeout instead of failing the call at once.
  virtual void call(uint64_t id, CallMethod method, WireMessage request, int64_t timeout_ns,
                    bool wait_for_shard) = 0;

  // Nobody waits for the call any more; its kReply may still come.
  virtual void cancel_call(uint64_t id) = 0;

  // A hint: until there are so many bytes from the shard, nothing of them needs to come. 0: all at
  // once, as at first.
  virtual void gather_answers(size_t bytes) { (void)bytes; }

  // How many streams and calls the shard lets run at once on the connection they share, as it said
  // last; SIZE_MAX when it has said nothing, or when they do not share one.
  [[nodiscard]] virtual size_t streams_max() const noexcept { return SIZE_MAX; }

  // Grows when a connection to the shard has ended; cheap. For whoever has nothing under way that
  // would tell. Streams and calls hear of it by themselves.
  [[nodiscard]] virtual uint64_t disconnects() noexcept = 0;

  // Whether take() would find something; cheap.
  [[nodiscard]] virtual bool has_events() const noexcept = 0;
  // Replaces the content of `out` with everything that has happened since, in order, and lets
  // streams read on that had stopped because nobody took their messages.
  virtual void take(std::vector<LinkEvent>& out) = 0;
};

class ShardTransport {
 public:
  virtual ~ShardTransport() = default;
  // `waker` outlives the channel; the transport outlives its channels. Any thread.
  [[nodiscard]] virtual std::unique_ptr<ShardChannel> open(const std::string& address,
                                                           Waker& waker) = 0;
};

}  // namespace ringway::cluster
