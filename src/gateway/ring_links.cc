#include "gateway/ring_links.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/limits.h"

namespace ringway::gateway {
namespace {

constexpr std::string_view kUnix = "unix:";

net::ConnectionTableOptions table_options() {
  net::ConnectionTableOptions options;
  options.connections_max = kLinkConnectionsMax;
  options.output_bytes_max = kLinkQueueBytesMax;
  // A link wants to know each time that little is left, not only after much was.
  options.output_high_bytes = 0;
  options.output_low_bytes = kLinkQueueLowBytes;
  options.connect_ns = kLinkConnectTimeoutNs;
  options.connect_user_timeout_ms = static_cast<int>(kLinkUserTimeoutNs / kNsPerMs);
  options.user = net::RingUser::kLinks;
  options.cleanse_output = true;  // SetAuthKey passes
  return options;
}

bool split(const std::string& address, std::string& host, uint16_t& port) {
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos || colon == 0) return false;
  const char* end = address.data() + address.size();
  const auto parsed = std::from_chars(address.data() + colon + 1, end, port);
  host = address.substr(0, colon);
  return parsed.ec == std::errc() && parsed.ptr == end;
}

std::string_view describe(net::CloseReason reason) noexcept {
  switch (reason) {
    case net::CloseReason::kPeerClosed:
      return "the shard closed the connection";
    case net::CloseReason::kPeerReset:
      return "the connection was reset";
    case net::CloseReason::kNotReached:
      return "the shard cannot be reached";
    default:
      return "the connection failed";
  }
}

}  // namespace

// --- one connection

class RingLinks::Pipe final : public cluster::LinkPipe {
 public:
  Pipe(RingLinks& links, std::string address, cluster::LinkPipeEvents& events)
      : links_(links), address_(std::move(address)), events_(events) {}

  ~Pipe() override {
    if (lookup_ != nullptr) lookup_->forget();
    std::erase(links_.pending_, this);
    if (links_.pipe_at(handle_) != this) return;
    if (!open_) set_first(tried_ + 1);  // given up: the next attempt begins elsewhere
    links_.table_.set_context(handle_, nullptr);
    links_.table_.close(handle_, net::CloseMode::kNow);
  }

  void begin() {
    std::string host;
    uint16_t port = 0;
    if (const auto ready = net::parse_connect_address(address_)) {
      addresses_.push_back(*ready);
    } else if (!address_.starts_with(kUnix) && split(address_, host, port)) {
      lookup_ = links_.resolver_.look_up(std::move(host), port, links_.ring_.waker());
    }
    if (lookup_ == nullptr && try_next()) return;
    links_.pending_.push_back(this);
  }

  // A pipe in `pending_`: true when it is none any more. It may be gone then.
  bool settle() {
    if (lookup_ != nullptr) {
      std::string error;
      if (!lookup_->take(addresses_, error)) return false;
      lookup_ = nullptr;
      if (!error.empty()) failure_ = fmt::format("looking up {}: {}", address_, error);
    }
    std::erase(links_.pending_, this);
    if (!try_next()) events_.on_closed(failure_);
    return true;
  }
  [[nodiscard]] bool waits_for_name() const noexcept { return lookup_ != nullptr; }

  void on_connected() {
    open_ = true;
    set_first(tried_);
    events_.on_opened();
  }
  // The connection is gone; there may be other addresses to try.
  void on_closed(net::CloseReason reason) {
    failure_ = describe(reason);
    if (open_ || !try_next()) events_.on_closed(failure_);
  }
  [[nodiscard]] cluster::LinkPipeEvents& events() noexcept { return events_; }

  [[nodiscard]] size_t room() const noexcept override {
    if (!open_ || !links_.table_.is_open(handle_)) return 0;
    return kLinkQueueBytesMax - links_.table_.queued_bytes(handle_);
  }
  [[nodiscard]] ByteSpan reserve(size_t size) override {
    return links_.table_.reserve(handle_, size);
  }
  void commit() override { links_.table_.commit(handle_); }
  void set_receive_low(size_t bytes) override { links_.table_.set_receive_low(handle_, bytes); }

 private:
  bool try_next() {
    const auto first = links_.first_.find(address_);
    const size_t start = first == links_.first_.end() ? 0 : first->second;
    while (attempts_ < addresses_.size()) {
      tried_ = (start_ + attempts_) % addresses_.size();
      if (attempts_ == 0) tried_ = start_ = start % addresses_.size();
      ++attempts_;
      handle_ = links_.table_.connect(addresses_[tried_]);
      if (handle_.valid()) {
        links_.table_.set_context(handle_, this);
        return true;
      }
      failure_ = "no descriptor for another connection";
    }
    if (failure_.empty()) failure_ = fmt::format("{} is no address", address_);
    return false;
  }
  void set_first(size_t index) { links_.first_[address_] = index; }

  RingLinks& links_;
  const std::string address_;
  cluster::LinkPipeEvents& events_;
  std::shared_ptr<NameLookup> lookup_;
  std::vector<net::SocketAddress> addresses_;
  size_t start_ = 0;     // the index that is tried first
  size_t tried_ = 0;     // the one tried last
  size_t attempts_ = 0;  // how many were tried
  net::ConnectionHandle handle_;
  bool open_ = false;
  std::string failure_;
};

// --- the links

RingLinks::RingLinks(net::Ring& ring, NameResolver& resolver, CounterBlock& counters, Now now)
    : ring_(ring),
      resolver_(resolver),
      table_(table_options(), ring, *this, counters, now),
      transport_(*this) {
  transport_.begin_turn(now);
}

RingLinks::~RingLinks() = default;

void RingLinks::begin_turn(std::span<const net::Completion> completions, Now now) {
  transport_.begin_turn(now);
  table_.process(completions, now);
  table_.release_received();
  settle_pending();
  transport_.look_around();
}

void RingLinks::flush() {
  transport_.flush();
  table_.flush_sends();
}

int64_t RingLinks::next_wake_ns() const noexcept {
  const bool failed = std::any_of(pending_.begin(), pending_.end(),
                                  [](const Pipe* pipe) { return !pipe->waits_for_name(); });
  if (failed) return 0;
  return std::min(table_.next_wake_ns(), transport_.next_deadline_ns());
}

std::unique_ptr<cluster::LinkPipe> RingLinks::connect(const std::string& address,
                                                      cluster::LinkPipeEvents& events) {
  auto pipe = std::make_unique<Pipe>(*this, address, events);
  pipe->begin();
  return pipe;
}

// An event may lead to new pipes, or to the end of others: begun again after each.
void RingLinks::settle_pending() {
  for (size_t i = 0; i < pending_.size();) {
    if (pending_[i]->settle()) {
      i = 0;
    } else {
      ++i;
    }
  }
}

RingLinks::Pipe* RingLinks::pipe_at(net::ConnectionHandle handle) noexcept {
  return static_cast<Pipe*>(table_.context(handle));
}

void RingLinks::on_accept(net::ConnectionHandle, uint16_t) {}
void RingLinks::on_timer(net::ConnectionHandle, net::TimerKind) {}
void RingLinks::on_detached(net::ConnectionHandle, net::DetachedSocket&&) {}

void RingLinks::on_connected(net::ConnectionHandle handle) {
  if (Pipe* pipe = pipe_at(handle)) pipe->on_connected();
}

void RingLinks::on_bytes(net::ConnectionHandle handle, ByteSpan bytes) {
  if (Pipe* pipe = pipe_at(handle)) pipe->events().on_bytes(bytes);
}

void RingLinks::on_send_drained(net::ConnectionHandle handle) {
  if (Pipe* pipe = pipe_at(handle)) pipe->events().on_drained();
}

void RingLinks::on_closed(net::ConnectionHandle handle, net::CloseReason reason) {
  Pipe* pipe = pipe_at(handle);
  if (pipe == nullptr) return;
  table_.set_context(handle, nullptr);
  pipe->on_closed(reason);
}

}  // namespace ringway::gateway
