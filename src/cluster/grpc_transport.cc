#include "cluster/grpc_transport.h"

#include <grpc/support/time.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/channel_arguments.h>
#include <grpcpp/support/client_callback.h>

#include <condition_variable>
#include <mutex>
#include <unordered_map>

#include "base/assert.h"
#include "base/limits.h"
#include "cluster/link_queue.h"

namespace ringway::cluster {
namespace {

using Buffer = grpc::ByteBuffer;

// Servers of several languages take pings that come more often than every five minutes for an
// attack and hang up. A connection that has sent something is watched by TCP_USER_TIMEOUT (which
// gRPC sets to the keep-alive timeout), and unanswered messages by Session.Timeout, so this is for
// idle ones only.
constexpr int kKeepAliveMs = 310'000;
constexpr int kKeepAliveTimeoutMs = 10'000;
// gRPC's own pause between connection attempts stays below the link's, which is the one that
// counts.
constexpr int kConnectBackoffMinMs = 50;
constexpr int kConnectBackoffMaxMs = 1'000;

// A slice of at most this many bytes is copied into gRPC's slice itself; a larger one is referred
// to.
constexpr size_t kInlineSliceBytes = 20;

// How many calls and streams gRPC still holds.
class Outstanding {
 public:
  void add() {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  void remove() {
    const std::lock_guard lock(mutex_);
    // Under the lock: the waiter destroys this object as soon as it gets it.
    if (--count_ == 0) none_.notify_all();
  }
  void wait_for_none() {
    std::unique_lock lock(mutex_);
    none_.wait(lock, [this] { return count_ == 0; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable none_;
  size_t count_ = 0;
};

void release_chunk(void* chunk) { static_cast<Chunk*>(chunk)->release(); }

Buffer to_buffer(const WireMessage& message) {
  std::vector<grpc::Slice> slices;
  slices.reserve(message.size());
  for (const WireSlice& slice : message) {
    if (slice.size <= kInlineSliceBytes) {
      slices.emplace_back(slice.data, slice.size);
      continue;
    }
    slice.chunk->retain();
    // gRPC only reads what it is given here.
    slices.emplace_back(const_cast<uint8_t*>(slice.data), slice.size, release_chunk,
                        slice.chunk.get());
  }
  return {slices.data(), slices.size()};
}

Bytes to_bytes(const Buffer& buffer) {
  std::vector<grpc::Slice> slices;
  if (!buffer.Valid() || !buffer.Dump(&slices).ok()) return {};
  Bytes bytes;
  bytes.reserve(buffer.Length());
  for (const grpc::Slice& slice : slices) bytes.insert(bytes.end(), slice.begin(), slice.end());
  return bytes;
}

LinkEvent make_event(LinkEvent::Kind kind, uint64_t id) {
  LinkEvent event;
  event.kind = kind;
  event.id = id;
  return event;
}

void set_status(LinkEvent& event, const grpc::Status& status) {
  event.status = static_cast<int32_t>(status.error_code());
  event.text = status.error_message();
}

// One bidirectional stream. It deletes itself in OnDone, which gRPC holds back while the worker has
// its hold: until release() the worker may write, read on and cancel. The worker releases when it
// is told that the stream broke, or when it cancels; then it forgets the pointer.
class Stream final : public grpc::ClientBidiReactor<Buffer, Buffer> {
 public:
  Stream(std::shared_ptr<LinkQueue> queue, std::shared_ptr<Outstanding> outstanding, uint64_t id)
      : queue_(std::move(queue)), outstanding_(std::move(outstanding)), id_(id) {
    outstanding_->add();
  }

  // The worker, in this order.
  void start(grpc::GenericStub& stub, StreamMethod method) {
    stub.PrepareBidiStreamingCall(&context_, std::string(method_path(method)), {}, this);
    AddHold();
    StartRead(&incoming_);
    StartCall();
  }
  void write(std::span<WireMessage> messages) {
    RW_ASSERT(outgoing_.empty());
    outgoing_.reserve(messages.size());
    for (const WireMessage& message : messages) outgoing_.push_back(to_buffer(message));
    written_ = 0;
    write_next();
  }
  void read_on() { StartRead(&incoming_); }
  void cancel() { context_.TryCancel(); }
  void release() { RemoveHold(); }

 private:
  // All but the last message of a write may wait in gRPC's buffer.
  void write_next() {
    grpc::WriteOptions options;
    if (written_ + 1 < outgoing_.size()) options.set_buffer_hint();
    StartWrite(&outgoing_[written_], options);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      broke();
      return;
    }
    LinkEvent event = make_event(LinkEvent::Kind::kMessage, id_);
    event.bytes = to_bytes(incoming_);
    incoming_.Clear();
    if (queue_->put(std::move(event))) StartRead(&incoming_);
  }

  void OnWriteDone(bool ok) override {
    if (!ok) {
      broke();
      return;
    }
    if (++written_ < outgoing_.size()) {
      write_next();
      return;
    }
    outgoing_.clear();
    (void)queue_->put(make_event(LinkEvent::Kind::kWritten, id_));
  }

  void OnDone(const grpc::Status& status) override {
    LinkEvent event = make_event(LinkEvent::Kind::kEnded, id_);
    set_status(event, status);
    (void)queue_->put(std::move(event));
    const std::shared_ptr<Outstanding> outstanding = outstanding_;
    delete this;
    outstanding->remove();
  }

  // A read or write failed: the worker is asked to let go, and then OnDone brings the status. Both
  // may fail; the worker understands the first and finds nothing for the second.
  void broke() {
    LinkEvent event = make_event(LinkEvent::Kind::kEnded, id_);
    event.status = kBrokeStatus;
    (void)queue_->put(std::move(event));
  }

 public:
  // In a kEnded event between the stream and its channel: not the end yet.
  static constexpr int32_t kBrokeStatus = INT32_MIN;

 private:
  const std::shared_ptr<LinkQueue> queue_;
  const std::shared_ptr<Outstanding> outstanding_;
  const uint64_t id_;
  grpc::ClientContext context_;
  Buffer incoming_;
  std::vector<Buffer> outgoing_;  // of the write under way
  size_t written_ = 0;
};

// One unary call; deletes itself in OnDone. The context is shared with the worker for cancelling.
class Call final : public grpc::ClientUnaryReactor {
 public:
  Call(std::shared_ptr<LinkQueue> queue, std::shared_ptr<Outstanding> outstanding, uint64_t id,
       std::shared_ptr<grpc::ClientContext> context)
      : queue_(std::move(queue)),
        outstanding_(std::move(outstanding)),
        id_(id),
        context_(std::move(context)) {
    outstanding_->add();
  }

  void start(grpc::GenericStub& stub, CallMethod method, const WireMessage& request,
             int64_t timeout_ns, bool wait_for_shard) {
    // A time span as deadline counts from now, in gRPC's own clock.
    context_->set_deadline(gpr_time_from_nanos(timeout_ns, GPR_TIMESPAN));
    context_->set_wait_for_ready(wait_for_shard);
    request_ = to_buffer(request);
    stub.PrepareUnaryCall(context_.get(), std::string(method_path(method)), {}, &request_,
                          &response_, this);
    StartCall();
  }

 private:
  void OnDone(const grpc::Status& status) override {
    LinkEvent event = make_event(LinkEvent::Kind::kReply, id_);
    set_status(event, status);
    if (status.ok()) event.bytes = to_bytes(response_);
    (void)queue_->put(std::move(event));
    const std::shared_ptr<Outstanding> outstanding = outstanding_;
    delete this;
    outstanding->remove();
  }

  const std::shared_ptr<LinkQueue> queue_;
  const std::shared_ptr<Outstanding> outstanding_;
  const uint64_t id_;
  const std::shared_ptr<grpc::ClientContext> context_;
  Buffer request_;
  Buffer response_;
};

std::shared_ptr<grpc::Channel> make_channel(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepAliveMs);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepAliveTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectBackoffMinMs);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectBackoffMaxMs);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, kConnectBackoffMaxMs);
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  // A shard is named by its address; a proxy of the environment is not meant for it.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(static_cast<int>(kGrpcMessageBytesMax));
  arguments.SetMaxSendMessageSize(static_cast<int>(kGrpcMessageBytesMax));
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// Calls share a connection, and each stream has one of its own: gRPC tells nobody how many streams
// a shard allows on a connection, and keeps those beyond waiting in silence, behind streams that
// never end.
class GrpcChannel final : public ShardChannel {
 public:
  GrpcChannel(const std::string& address, Waker& waker, std::shared_ptr<Outstanding> outstanding)
      : address_(address),
        queue_(std::make_shared<LinkQueue>(waker)),
        outstanding_(std::move(outstanding)),
        channel_(make_channel(address)),
        calls_stub_(channel_) {}

  ~GrpcChannel() override {
    queue_->close();
    for (const auto& [id, held] : streams_) {
      held.stream->cancel();
      held.stream->release();
    }
    for (const auto& [id, context] : calls_) context->TryCancel();
  }

  void start_stream(uint64_t id, StreamMethod method) override {
    auto* stream = new Stream(queue_, outstanding_, id);
    if (idle_stubs_.empty()) {
      idle_stubs_.push_back(std::make_unique<grpc::GenericStub>(make_channel(address_)));
    }
    Held& held = streams_[id];
    held = {stream, std::move(idle_stubs_.back())};
    idle_stubs_.pop_back();
    stream->start(*held.stub, method);
  }

  void write(uint64_t id, std::span<WireMessage> messages) override {
    const auto found = streams_.find(id);
    if (found != streams_.end() && !messages.empty()) found->second.stream->write(messages);
    for (WireMessage& message : messages) message.clear();
  }

  void cancel_stream(uint64_t id) override {
    const auto found = streams_.find(id);
    if (found != streams_.end()) found->second.stream->cancel();
    let_go(id);
  }

  void call(uint64_t id, CallMethod method, WireMessage request, int64_t timeout_ns,
            bool wait_for_shard) override {
    auto context = std::make_shared<grpc::ClientContext>();
    calls_.emplace(id, context);
    auto* call = new Call(queue_, outstanding_, id, std::move(context));
    call->start(calls_stub_, method, request, timeout_ns, wait_for_shard);
  }

  void cancel_call(uint64_t id) override {
    const auto found = calls_.find(id);
    if (found != calls_.end()) found->second->TryCancel();
  }

  uint64_t disconnects() noexcept override {
    const bool connected = channel_->GetState(/*try_to_connect=*/false) == GRPC_CHANNEL_READY;
    if (was_connected_ && !connected) ++disconnects_;
    was_connected_ = connected;
    return disconnects_;
  }

  bool has_events() const noexcept override { return queue_->has_events(); }

  void take(std::vector<LinkEvent>& out) override {
    queue_->take(out, paused_);
    size_t kept = 0;
    for (LinkEvent& event : out) {
      if (event.kind == LinkEvent::Kind::kReply) calls_.erase(event.id);
      if (event.kind == LinkEvent::Kind::kEnded && event.status == Stream::kBrokeStatus) {
        let_go(event.id);
        continue;
      }
      if (&out[kept] != &event) out[kept] = std::move(event);
      ++kept;
    }
    out.resize(kept);
    for (const uint64_t id : paused_) {
      const auto found = streams_.find(id);
      if (found != streams_.end()) found->second.stream->read_on();
    }
  }

 private:
  void let_go(uint64_t id) {
    const auto found = streams_.find(id);
    if (found == streams_.end()) return;
    found->second.stream->release();
    idle_stubs_.push_back(std::move(found->second.stub));
    streams_.erase(found);
  }

  struct Held {
    Stream* stream = nullptr;
    std::unique_ptr<grpc::GenericStub> stub;
  };

  const std::string address_;
  const std::shared_ptr<LinkQueue> queue_;
  const std::shared_ptr<Outstanding> outstanding_;
  const std::shared_ptr<grpc::Channel> channel_;  // of the calls
  grpc::GenericStub calls_stub_;
  bool was_connected_ = false;  // when it was last looked at
  uint64_t disconnects_ = 0;
  std::vector<std::unique_ptr<grpc::GenericStub>> idle_stubs_;  // connections without a stream
  std::unordered_map<uint64_t, Held> streams_;                  // those that the worker holds
  std::unordered_map<uint64_t, std::shared_ptr<grpc::ClientContext>> calls_;
  std::vector<uint64_t> paused_;
};

// gRPC's callback threads live as long as any channel that has used them, and the last such channel
// joins them. That must not be one whose last reference a callback drops, since a thread cannot
// join itself. This channel leads nowhere (it has no credentials, so every call on it fails at
// once), is used once, and outlives all others of its transport.
class Anchor {
 public:
  Anchor() : channel_(grpc::CreateChannel("", nullptr)), stub_(channel_) {
    const grpc::Slice nothing;
    const Buffer request(&nothing, 1);
    Buffer response;
    grpc::ClientContext context;
    Outstanding call;
    call.add();
    stub_.UnaryCall(&context, "/", {}, &request, &response,
                    [&call](const grpc::Status&) { call.remove(); });
    call.wait_for_none();
  }

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  grpc::GenericStub stub_;
};

class GrpcTransport final : public ShardTransport {
 public:
  ~GrpcTransport() override { outstanding_->wait_for_none(); }

  std::unique_ptr<ShardChannel> open(const std::string& address, Waker& waker) override {
    return std::make_unique<GrpcChannel>(address, waker, outstanding_);
  }

 private:
  const Anchor anchor_;
  const std::shared_ptr<Outstanding> outstanding_ = std::make_shared<Outstanding>();
};

}  // namespace

std::unique_ptr<ShardTransport> make_grpc_transport() { return std::make_unique<GrpcTransport>(); }

}  // namespace ringway::cluster
