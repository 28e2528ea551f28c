#include "support/memory_transport.h"

#include <algorithm>
#include <chrono>

#include "support/memory_codec.h"

namespace ringway::cluster {
namespace {

constexpr int32_t kKeyUnregistered = 401;
constexpr int32_t kHeldOpen = -1;
constexpr const char* kKeyUnregisteredText = "AUTH_KEY_UNREGISTERED";

}  // namespace

template <typename Fails>
void MemoryTransport::fail_calls(int32_t status, Fails&& fails) {
  for (auto& [number, channel] : channels_) {
    const std::map<uint64_t, int64_t> calls = channel.calls;
    for (const auto& [id, deadline_ns] : calls) {
      if (!fails(channel, deadline_ns)) continue;
      LinkEvent event;
      event.kind = LinkEvent::Kind::kReply;
      event.id = id;
      event.status = status;
      event.cut = status == kStatusUnavailable;
      reply(channel, std::move(event));
    }
  }
}

// ---- the shard's knobs

void MemoryShard::set_wires(bool batch, bool stream, bool unary) {
  const std::lock_guard lock(transport_.mutex_);
  batch_ = batch;
  stream_ = stream;
  unary_ = unary;
}

void MemoryShard::set_up(bool up) {
  {
    const std::lock_guard lock(transport_.mutex_);
    up_ = up;
    if (!up) {
      ++times_down_;
      transport_.fail_calls(kStatusUnavailable,
                            [this](const auto& channel, int64_t) { return channel.shard == this; });
    }
  }
  if (!up) break_streams(kStatusUnavailable);
}

void MemoryShard::break_streams(int32_t status) {
  const std::lock_guard lock(transport_.mutex_);
  for (auto& [number, channel] : transport_.channels_) {
    if (channel.shard != this) continue;
    for (auto& [id, stream] : channel.streams) {
      transport_.end_stream(channel, id, stream, status, "broken by the test");
    }
  }
}

void MemoryShard::set_answering(bool answering) {
  const std::lock_guard lock(transport_.mutex_);
  answering_ = answering;
  if (answering) transport_.release_held(*this);
}

void MemoryShard::answer_one() {
  const std::lock_guard lock(transport_.mutex_);
  for (auto& [number, channel] : transport_.channels_) {
    if (channel.shard != this) continue;
    if (!channel.held.empty()) {
      MemoryTransport::reply(channel, std::move(channel.held.front()));
      channel.held.erase(channel.held.begin());
    }
    for (auto& [id, stream] : channel.streams) {
      if (stream.ended || stream.held.empty()) continue;
      stream.down.push_back(std::move(stream.held.front()));
      stream.held.erase(stream.held.begin());
      transport_.deliver(channel, id, stream);
    }
  }
}

void MemoryShard::hold_key(int64_t auth_key_id) {
  const std::lock_guard lock(transport_.mutex_);
  held_key_ = auth_key_id;
}

void MemoryShard::set_frozen(bool frozen) {
  const std::lock_guard lock(transport_.mutex_);
  frozen_ = frozen;
  transport_.changed_.notify_all();
}

void MemoryShard::set_checks_keys(bool checks) {
  const std::lock_guard lock(transport_.mutex_);
  checks_keys_ = checks;
}

void MemoryShard::refuse_messages(size_t count, int32_t status, std::string text) {
  const std::lock_guard lock(transport_.mutex_);
  refusals_ = count;
  refusal_status_ = status;
  refusal_text_ = std::move(text);
}

void MemoryShard::redirect_key(int64_t perm_auth_key_id, std::string address) {
  const std::lock_guard lock(transport_.mutex_);
  if (address.empty()) {
    redirects_.erase(perm_auth_key_id);
  } else {
    redirects_[perm_auth_key_id] = std::move(address);
  }
}

void MemoryShard::set_http_answer(int32_t status, std::string payload) {
  const std::lock_guard lock(transport_.mutex_);
  http_status_ = status;
  http_payload_ = std::move(payload);
}

void MemoryShard::allow_streams(size_t streams_max) {
  const std::lock_guard lock(transport_.mutex_);
  streams_max_ = streams_max;
}

void MemoryShard::set_payload_max(size_t bytes) {
  const std::lock_guard lock(transport_.mutex_);
  payload_max_ = bytes;
}

void MemoryShard::choke_on(int64_t auth_key_id, int32_t status) {
  const std::lock_guard lock(transport_.mutex_);
  choking_key_ = auth_key_id;
  choking_status_ = status;
}

void MemoryShard::refuse_stores(size_t count) {
  const std::lock_guard lock(transport_.mutex_);
  store_refusals_ = count;
}

void MemoryShard::on_message(std::function<void(MemoryShard&, const ShardMessage&)> listener) {
  const std::lock_guard lock(transport_.mutex_);
  listener_ = std::move(listener);
}

void MemoryShard::put_key(const AuthKeyRecord& record) {
  const std::lock_guard lock(transport_.mutex_);
  keys_[record.auth_key_id] = {record, 0, 0};
}

void MemoryShard::forget_key(int64_t auth_key_id) {
  const std::lock_guard lock(transport_.mutex_);
  keys_.erase(auth_key_id);
}

std::optional<StoredKey> MemoryShard::key(int64_t auth_key_id) const {
  const std::lock_guard lock(transport_.mutex_);
  const auto found = keys_.find(auth_key_id);
  if (found == keys_.end()) return std::nullopt;
  return found->second;
}

uint64_t MemoryShard::push(int64_t auth_key_id, int64_t session_id, Bytes payload) {
  const std::lock_guard lock(transport_.mutex_);
  const auto found = key_streams_.find(auth_key_id);
  if (found == key_streams_.end()) return 0;
  const auto [channel, id] = found->second;
  auto* stream = transport_.find(channel, id);
  if (stream == nullptr || stream->ended) return 0;
  const uint64_t push_id = ++last_push_;
  const Bytes push = Builder()
                         .number(1, static_cast<int64_t>(push_id))
                         .number(2, auth_key_id)
                         .number(3, session_id)
                         .bytes(4, payload)
                         .take();
  transport_.send_down(*transport_.find(channel), id, *stream, Builder().bytes(4, push).take());
  return push_id;
}

std::optional<bool> MemoryShard::push_result(uint64_t push_id) const {
  const std::lock_guard lock(transport_.mutex_);
  const auto found = push_results_.find(push_id);
  if (found == push_results_.end()) return std::nullopt;
  return found->second;
}

std::vector<ShardMessage> MemoryShard::received() const {
  const std::lock_guard lock(transport_.mutex_);
  return received_;
}

size_t MemoryShard::received_count() const {
  const std::lock_guard lock(transport_.mutex_);
  return received_.size();
}

size_t MemoryShard::key_queries() const {
  const std::lock_guard lock(transport_.mutex_);
  return key_queries_;
}

bool MemoryShard::wait_for(const std::function<bool(const MemoryShard&)>& done) const {
  constexpr int kTries = 5000;
  for (int i = 0; i < kTries; ++i) {
    if (done(*this)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return done(*this);
}

// ---- the channel

class MemoryChannel final : public ShardChannel {
 public:
  MemoryChannel(MemoryTransport& transport, uint64_t number, std::shared_ptr<LinkQueue> queue)
      : transport_(transport), number_(number), queue_(std::move(queue)) {}

  ~MemoryChannel() override {
    queue_->close();
    const std::lock_guard lock(transport_.mutex_);
    transport_.close_channel(number_);
  }

  void start_stream(uint64_t id, StreamMethod method) override {
    const std::lock_guard lock(transport_.mutex_);
    transport_.find(number_)->streams[id].method = method;
    transport_.post(number_, id, [this_transport = &transport_, number = number_, id] {
      this_transport->begin_stream(number, id);
    });
  }

  void write(uint64_t id, std::span<WireMessage> messages) override {
    // The slices are read on the transport's thread, as gRPC does.
    auto shared = std::make_shared<std::vector<WireMessage>>(messages.begin(), messages.end());
    for (WireMessage& message : messages) message.clear();
    const std::lock_guard lock(transport_.mutex_);
    transport_.post(number_, id, [this_transport = &transport_, number = number_, id, shared] {
      std::vector<Bytes> flat;
      for (const WireMessage& message : *shared) flat.push_back(flatten(message));
      this_transport->receive(number, id, flat);
    });
  }

  void cancel_stream(uint64_t id) override {
    const std::lock_guard lock(transport_.mutex_);
    transport_.cancel_stream(number_, id);
  }

  void call(uint64_t id, CallMethod method, WireMessage request, int64_t timeout_ns,
            bool) override {
    auto shared = std::make_shared<WireMessage>(std::move(request));
    const std::lock_guard lock(transport_.mutex_);
    transport_.find(number_)->calls[id] = transport_.clock_ns_ + timeout_ns;
    transport_.post(number_, id,
                    [this_transport = &transport_, number = number_, id, method, shared] {
                      this_transport->receive_call(number, id, method, flatten(*shared));
                    });
  }

  void cancel_call(uint64_t id) override {
    const std::lock_guard lock(transport_.mutex_);
    transport_.cancel_call(number_, id);
  }

  uint64_t disconnects() noexcept override {
    const std::lock_guard lock(transport_.mutex_);
    return transport_.find(number_)->shard->times_down_;
  }

  size_t streams_max() const noexcept override {
    const std::lock_guard lock(transport_.mutex_);
    return transport_.find(number_)->shard->streams_max_;
  }

  bool has_events() const noexcept override { return queue_->has_events(); }

  void take(std::vector<LinkEvent>& out) override {
    queue_->take(out, paused_);
    if (paused_.empty()) return;
    const std::lock_guard lock(transport_.mutex_);
    for (const uint64_t id : paused_) {
      auto* stream = transport_.find(number_, id);
      if (stream == nullptr) continue;
      stream->paused = false;
      transport_.deliver(*transport_.find(number_), id, *stream);
    }
  }

 private:
  MemoryTransport& transport_;
  const uint64_t number_;
  const std::shared_ptr<LinkQueue> queue_;
  std::vector<uint64_t> paused_;
};

// ---- the transport

MemoryTransport::MemoryTransport(Mode mode, uint64_t seed) : mode_(mode), random_(seed) {
  if (mode_ == Mode::kThreaded) thread_ = std::thread([this] { run(); });
}

MemoryTransport::~MemoryTransport() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

MemoryShard& MemoryTransport::shard(const std::string& address) {
  const std::lock_guard lock(mutex_);
  auto& shard = shards_[address];
  if (shard == nullptr) shard.reset(new MemoryShard(*this));
  return *shard;
}

std::unique_ptr<ShardChannel> MemoryTransport::open(const std::string& address, Waker& waker) {
  MemoryShard& to = shard(address);
  const std::lock_guard lock(mutex_);
  ++opened_[address];
  const uint64_t number = ++last_channel_;
  auto queue = std::make_shared<LinkQueue>(waker);
  ChannelState& state = channels_[number];
  state.number = number;
  state.shard = &to;
  state.queue = queue;
  return std::make_unique<MemoryChannel>(*this, number, std::move(queue));
}

size_t MemoryTransport::opened(const std::string& address) const {
  const std::lock_guard lock(mutex_);
  const auto found = opened_.find(address);
  return found == opened_.end() ? 0 : found->second;
}

void MemoryTransport::post(uint64_t channel, uint64_t lane, std::function<void()> work) {
  operations_.push_back({channel, lane, std::move(work)});
  changed_.notify_all();
}

bool MemoryTransport::step() {
  RW_ASSERT(mode_ == Mode::kStepped);
  std::unique_lock lock(mutex_);
  return work_one(lock);
}

void MemoryTransport::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stop_ || any_ready(); });
    if (stop_) return;
    while (work_one(lock)) {
    }
  }
}

// In stepped mode a random operation is chosen, and the earliest of its lane is worked.
bool MemoryTransport::work_one(std::unique_lock<std::mutex>& lock) {
  std::vector<size_t> ready;
  for (size_t i = 0; i < operations_.size(); ++i) {
    if (is_frozen(operations_[i].channel)) continue;
    ready.push_back(i);
    if (mode_ == Mode::kThreaded) break;
  }
  if (ready.empty()) return false;
  const Operation& sample = operations_[ready[random_() % ready.size()]];
  const auto first = std::find_if(operations_.begin(), operations_.end(), [&](const Operation& o) {
    return o.channel == sample.channel && o.lane == sample.lane;
  });
  const std::function<void()> work = std::move(first->work);
  operations_.erase(first);
  work();
  tell_listeners(lock);
  return true;
}

void MemoryTransport::tell_listeners(std::unique_lock<std::mutex>& lock) {
  if (untold_.empty()) return;
  std::vector<std::pair<MemoryShard*, ShardMessage>> told;
  told.swap(untold_);
  for (auto& [shard, message] : told) {
    const auto listener = shard->listener_;
    if (!listener) continue;
    lock.unlock();
    listener(*shard, message);
    lock.lock();
  }
}

MemoryTransport::ChannelState* MemoryTransport::find(uint64_t channel) {
  const auto found = channels_.find(channel);
  return found == channels_.end() ? nullptr : &found->second;
}

MemoryTransport::StreamState* MemoryTransport::find(uint64_t channel, uint64_t stream) {
  ChannelState* state = find(channel);
  if (state == nullptr) return nullptr;
  const auto found = state->streams.find(stream);
  return found == state->streams.end() || found->second.ended ? nullptr : &found->second;
}

void MemoryTransport::begin_stream(uint64_t channel_number, uint64_t id) {
  StreamState* stream = find(channel_number, id);
  if (stream == nullptr) return;
  ChannelState& channel = *find(channel_number);
  const MemoryShard& shard = *channel.shard;
  const bool served = stream->method == StreamMethod::kAttach ? shard.batch_ : shard.stream_;
  if (!shard.up_) {
    end_stream(channel, id, *stream, kStatusUnavailable, "away");
  } else if (!served) {
    end_stream(channel, id, *stream, kStatusUnimplemented, "unknown method");
  }
}

void MemoryTransport::receive(uint64_t channel_number, uint64_t id,
                              const std::vector<Bytes>& messages) {
  for (const Bytes& message : messages) {
    StreamState* stream = find(channel_number, id);
    if (stream == nullptr) return;
    ChannelState& channel = *find(channel_number);
    if (message.size() > channel.shard->payload_max_) {
      end_stream(channel, id, *stream, kStatusResourceExhausted, "larger than max");
    } else if (stream->method == StreamMethod::kAttach) {
      receive_link_up(channel, id, *stream, message);
    } else {
      receive_request(channel, *stream, id, message);
    }
  }
  if (find(channel_number, id) == nullptr) return;
  LinkEvent written;
  written.kind = LinkEvent::Kind::kWritten;
  written.id = id;
  (void)find(channel_number)->queue->put(std::move(written));
}

void MemoryTransport::receive_link_up(ChannelState& channel, uint64_t id, StreamState& stream,
                                      ByteView bytes) {
  MemoryShard& shard = *channel.shard;
  Builder down;
  bool items = false;
  uint64_t sequence = 0;
  for_each_field(bytes, [&](const ProtoField& f) {
    if (f.is_bytes(1)) {
      stream.welcomed = true;
      down.bytes(1, {});
    }
    if (f.is_number(2)) sequence = f.value;
    if (f.is_bytes(3)) {
      RW_ASSERT(stream.welcomed && sequence == stream.taken + 1);
      for_each_field(f.bytes, [&](const ProtoField& item) {
        ShardMessage message = parse_client(item.bytes, item.number == 2, "batch");
        if (stream.ended || chokes_on(channel, id, stream, message)) return;
        shard.key_streams_[message.auth_key_id] = {channel.number, id};
        const bool silent = shard.held_key_ != 0 && message.auth_key_id == shard.held_key_;
        if (silent && stream.silent_from == 0) stream.silent_from = sequence;
        const auto [status, text] = take_message(shard, std::move(message));
        if (status == kStatusOk) return;
        down.bytes(3, Builder()
                          .number(1, static_cast<int64_t>(sequence))
                          .number(2, status)
                          .text(3, text)
                          .take());
      });
      stream.taken = sequence++;
      items = true;
    }
    if (f.is_bytes(4)) {
      uint64_t push_id = 0;
      bool delivered = false;
      for_each_field(f.bytes, [&](const ProtoField& r) {
        if (r.is_number(1)) push_id = r.value;
        if (r.is_number(2)) delivered = r.value != 0;
      });
      shard.push_results_[push_id] = delivered;
    }
  });
  if (stream.ended) return;
  const uint64_t told = stream.silent_from == 0 ? stream.taken : stream.silent_from - 1;
  if (items) down.number(2, static_cast<int64_t>(told));
  Bytes answer = down.take();
  if (!answer.empty()) send_down(channel, id, stream, std::move(answer));
}

void MemoryTransport::receive_request(ChannelState& channel, StreamState& stream, uint64_t id,
                                      ByteView bytes) {
  std::string_view request_id;
  ShardMessage message;
  for_each_field(bytes, [&](const ProtoField& f) {
    if (f.is_bytes(1)) request_id = as_text(f.bytes);
    if (f.is_bytes(10)) message = parse_wrapped(f.bytes, false, "stream");
    if (f.is_bytes(12)) message = parse_wrapped(f.bytes, true, "stream");
  });
  if (chokes_on(channel, id, stream, message)) return;
  const int64_t held_key = channel.shard->held_key_;
  const bool silent = held_key != 0 && message.auth_key_id == held_key;
  const auto [status, text] = take_message(*channel.shard, std::move(message));
  if (silent) return;
  Builder response;
  response.text(1, request_id);
  if (status == kStatusOk) {
    response.bytes(10, Builder().number(1, 1).take());
  } else {
    // A redirect is the shard's own word; Teamgram tells backend errors as code 500 with the status
    // in the text.
    const std::string wrapped =
        "rpc error: code = Code(" + std::to_string(status) + ") desc = " + text;
    const bool own = status == kStatusRedirect || status == kStatusBackend;
    response.bytes(11,
                   Builder().number(1, own ? status : 500).text(2, own ? text : wrapped).take());
  }
  send_down(channel, id, stream, response.take());
}

void MemoryTransport::receive_call(uint64_t channel_number, uint64_t call, CallMethod method,
                                   const Bytes& request) {
  ChannelState* channel = find(channel_number);
  if (channel == nullptr) return;
  MemoryShard& shard = *channel->shard;
  LinkEvent event;
  if (shard.up_) {
    event = answer_call(shard, method, request);
  } else {
    event.status = kStatusUnavailable;
    event.text = "away";
  }
  event.kind = LinkEvent::Kind::kReply;
  event.id = call;
  const bool held_open = event.status == kHeldOpen;
  if (shard.answering_ && !held_open) {
    reply(*channel, std::move(event));
  } else {
    channel->held.push_back(std::move(event));
  }
}

bool MemoryTransport::any_ready() {
  return std::any_of(operations_.begin(), operations_.end(),
                     [this](const Operation& o) { return !is_frozen(o.channel); });
}

// Whoever has had an answer already, or has given up, gets no other.
void MemoryTransport::reply(ChannelState& channel, LinkEvent event) {
  if (channel.calls.erase(event.id) > 0) (void)channel.queue->put(std::move(event));
}

void MemoryTransport::pass_time(int64_t ns) {
  const std::lock_guard lock(mutex_);
  clock_ns_ += ns;
  fail_calls(kStatusDeadlineExceeded,
             [this](const auto&, int64_t deadline_ns) { return deadline_ns <= clock_ns_; });
}

bool MemoryTransport::is_frozen(uint64_t channel) {
  const ChannelState* state = find(channel);
  return state != nullptr && state->shard->frozen_;
}

// A frozen shard finds out when it looks.
void MemoryTransport::close_channel(uint64_t channel) {
  if (is_frozen(channel)) {
    post(channel, 0, [this, channel] { channels_.erase(channel); });
  } else {
    channels_.erase(channel);
  }
}

void MemoryTransport::cancel_stream(uint64_t channel, uint64_t id) {
  const auto cancel = [this, channel, id] {
    if (StreamState* stream = find(channel, id)) {
      end_stream(*find(channel), id, *stream, kStatusCancelled, "cancelled");
    }
  };
  if (is_frozen(channel)) {
    post(channel, id, cancel);
  } else {
    cancel();
  }
}

// A call that has not arrived never does; one that is being worked on goes on, and its answer
// counts for nothing.
void MemoryTransport::cancel_call(uint64_t channel_number, uint64_t call) {
  if (ChannelState* state = find(channel_number)) state->calls.erase(call);
  if (is_frozen(channel_number)) return;
  std::erase_if(operations_, [&](const Operation& operation) {
    return operation.channel == channel_number && operation.lane == call;
  });
  if (ChannelState* channel = find(channel_number)) {
    std::erase_if(channel->held, [call](const LinkEvent& event) { return event.id == call; });
  }
}

LinkEvent MemoryTransport::answer_call(MemoryShard& shard, CallMethod method, ByteView request) {
  LinkEvent event;
  switch (method) {
    case CallMethod::kQueryAuthKey: {
      ++shard.key_queries_;
      int64_t id = 0;
      for_each_field(request, [&](const ProtoField& f) {
        if (f.is_number(3)) id = f.as_int64();
      });
      const auto found = shard.keys_.find(id);
      if (found != shard.keys_.end()) {
        event.bytes = encode_key(found->second.record);
      } else {
        event.status = kKeyUnregistered;
        event.text = kKeyUnregisteredText;
      }
      return event;
    }
    case CallMethod::kSetAuthKey: {
      const bool refuse = shard.store_refusals_ > 0;
      if (refuse) --shard.store_refusals_;
      StoredKey stored = parse_set_auth_key(request);
      if (!refuse) shard.keys_[stored.record.auth_key_id] = stored;
      event.bytes = encode_bool(!refuse);
      return event;
    }
    case CallMethod::kSendData:
    case CallMethod::kCloseSession: {
      if (!shard.unary_) {
        event.status = kStatusUnimplemented;
        return event;
      }
      if (request.size() > shard.payload_max_) {
        event.status = kStatusResourceExhausted;
        return event;
      }
      ShardMessage message = parse_wrapped(request, method == CallMethod::kCloseSession, "unary");
      if (shard.choking_key_ == message.auth_key_id) {
        event.status = shard.choking_status_;
        event.cut = event.status == kStatusUnavailable;
        return event;
      }
      const bool silent = shard.held_key_ != 0 && message.auth_key_id == shard.held_key_;
      std::tie(event.status, event.text) = take_message(shard, std::move(message));
      if (silent) event.status = kHeldOpen;
      event.bytes = encode_bool(true);
      return event;
    }
    case CallMethod::kSendHttpData:
      event.status = shard.http_status_;
      shard.received_.push_back(parse_wrapped(request, false, "http"));
      if (const auto redirect = shard.redirects_.find(shard.received_.back().perm_auth_key_id);
          redirect != shard.redirects_.end()) {
        event.status = kStatusRedirect;
        event.text = "REDIRECT_TO_" + redirect->second;
      }
      event.bytes = Builder().text(3, shard.http_payload_).take();
      return event;
  }
  return event;
}

bool MemoryTransport::chokes_on(ChannelState& channel, uint64_t id, StreamState& stream,
                                const ShardMessage& message) {
  if (channel.shard->choking_key_ != message.auth_key_id) return false;
  const int32_t status = channel.shard->choking_status_;
  if (status != kStatusUnavailable) {
    end_stream(channel, id, stream, status, "choked");
    return true;
  }
  // The shard is gone and its connection with it: all streams end, the youngest first.
  for (auto each = channel.streams.rbegin(); each != channel.streams.rend(); ++each) {
    if (!each->second.ended) end_stream(channel, each->first, each->second, status, "choked");
  }
  return true;
}

std::pair<int32_t, std::string> MemoryTransport::take_message(MemoryShard& shard,
                                                              ShardMessage message) {
  if (shard.refusals_ > 0) {
    --shard.refusals_;
    return {shard.refusal_status_, shard.refusal_text_};
  }
  if (const auto redirect = shard.redirects_.find(message.perm_auth_key_id);
      redirect != shard.redirects_.end()) {
    return {kStatusRedirect, "REDIRECT_TO_" + redirect->second};
  }
  if (shard.checks_keys_ && !shard.keys_.contains(message.auth_key_id)) {
    return {kKeyUnregistered, kKeyUnregisteredText};
  }
  if (shard.listener_) untold_.emplace_back(&shard, message);
  message.order = ++last_message_;
  shard.received_.push_back(std::move(message));
  return {kStatusOk, {}};
}

void MemoryTransport::send_down(ChannelState& channel, uint64_t id, StreamState& stream,
                                Bytes bytes) {
  if (!channel.shard->answering_) {
    stream.held.push_back(std::move(bytes));
    return;
  }
  stream.down.push_back(std::move(bytes));
  deliver(channel, id, stream);
}

void MemoryTransport::deliver(ChannelState& channel, uint64_t id, StreamState& stream) {
  while (!stream.paused && !stream.down.empty()) {
    LinkEvent event;
    event.kind = LinkEvent::Kind::kMessage;
    event.id = id;
    event.bytes = std::move(stream.down.front());
    stream.down.pop_front();
    stream.paused = !channel.queue->put(std::move(event));
  }
}

void MemoryTransport::end_stream(ChannelState& channel, uint64_t id, StreamState& stream,
                                 int32_t status, std::string text) {
  if (stream.ended) return;
  stream.ended = true;
  LinkEvent event;
  event.kind = LinkEvent::Kind::kEnded;
  event.id = id;
  event.status = status;
  event.cut = status == kStatusUnavailable && channel.shard->up_;
  event.text = std::move(text);
  (void)channel.queue->put(std::move(event));
}

void MemoryTransport::release_held(MemoryShard& shard) {
  for (auto& [number, channel] : channels_) {
    if (channel.shard != &shard) continue;
    for (LinkEvent& event : channel.held) reply(channel, std::move(event));
    channel.held.clear();
    for (auto& [id, stream] : channel.streams) {
      std::vector<Bytes> held = std::move(stream.held);
      stream.held.clear();
      if (stream.ended) continue;
      for (Bytes& bytes : held) send_down(channel, id, stream, std::move(bytes));
    }
  }
}

}  // namespace ringway::cluster
