#include "support/sim_ring.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/clock.h"
#include "base/limits.h"

namespace ringway::testing {

using net::Completion;
using net::RingOp;

SimFaults SimFaults::any(SimRandom& random) {
  const auto level = [&random](unsigned highest) {
    return random.chance(40) ? 0 : static_cast<unsigned>(random.between(1, highest));
  };
  SimFaults faults;
  faults.delay = level(70);
  faults.partial_read = level(80);
  faults.short_write = level(80);
  faults.multishot_end = level(30);
  faults.late_cancel = level(60);
  faults.accept_error = level(30);
  faults.retry_error = level(10);
  return faults;
}

// --- SimNetwork

void SimNetwork::violate(std::string text) {
  std::fprintf(stderr, "sim seed %llu: %s\n", static_cast<unsigned long long>(seed_), text.c_str());
  violations_.push_back(std::move(text));
}

int SimNetwork::listen() {
  const int fd = next_fd_++;
  listeners_[fd];
  return fd;
}

ClientId SimNetwork::connect(int listener_fd) {
  ClientId client = 0;
  connect_directly(client);
  Listener& listener = listeners_.at(listener_fd);
  if (listener.closed) {
    reset(client);
  } else {
    listener.backlog.push_back(client);
  }
  return client;
}

int SimNetwork::connect_directly(ClientId& client) {
  const int fd = next_fd_++;
  client = static_cast<ClientId>(clients_.size());
  clients_.push_back(fd);
  auto socket = std::make_unique<Socket>();
  socket->client = client;
  sockets_[fd] = std::move(socket);
  return fd;
}

void SimNetwork::write(ClientId client, ByteView bytes) {
  Socket& socket = of_client(client);
  if (socket.client_finished || socket.client_reset) return;
  if (socket.server_closed) {
    socket.saw_reset = true;
    return;
  }
  socket.inbound.insert(socket.inbound.end(), bytes.begin(), bytes.end());
}

Bytes SimNetwork::read(ClientId client, size_t size_max) {
  Socket& socket = of_client(client);
  const size_t size = std::min(size_max, socket.outbound.size());
  const auto end = socket.outbound.begin() + static_cast<std::ptrdiff_t>(size);
  Bytes bytes(socket.outbound.begin(), end);
  socket.outbound.erase(socket.outbound.begin(), end);
  return bytes;
}

void SimNetwork::finish(ClientId client) { of_client(client).client_finished = true; }

void SimNetwork::reset(ClientId client) {
  Socket& socket = of_client(client);
  socket.client_reset = true;
  socket.inbound.clear();
  socket.outbound.clear();
}

bool SimNetwork::saw_end(ClientId client) const {
  const Socket& socket = of_client(client);
  return socket.outbound.empty() && (socket.server_shut || socket.server_closed);
}

bool SimNetwork::saw_reset(ClientId client) const { return of_client(client).saw_reset; }

bool SimNetwork::server_closed(ClientId client) const { return of_client(client).server_closed; }

net::PeerAddress SimNetwork::address(ClientId client) const {
  net::PeerAddress address;
  address.ip = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 0};
  address.ip[14] = static_cast<uint8_t>(client >> 8);
  address.ip[15] = static_cast<uint8_t>(client);
  address.port = static_cast<uint16_t>(20000 + client % 40000);
  return address;
}

size_t SimNetwork::open_descriptors() const {
  size_t count = 0;
  for (const auto& [fd, socket] : sockets_) count += socket->server_closed ? 0 : 1;
  for (const auto& [fd, listener] : listeners_) count += listener.closed ? 0 : 1;
  return count;
}

void SimNetwork::close(int fd) {
  for (const SimRing* ring : rings_) {
    if (ring->uses(fd))
      violate("closed while an operation is in the kernel: " + std::to_string(fd));
  }
  if (const auto listener = listeners_.find(fd); listener != listeners_.end()) {
    if (listener->second.closed) violate("listener closed twice");
    listener->second.closed = true;
    for (const ClientId client : listener->second.backlog) {
      of_client(client).server_closed = true;
      of_client(client).saw_reset = true;
    }
    listener->second.backlog.clear();
    return;
  }
  const auto found = sockets_.find(fd);
  if (found == sockets_.end()) {
    violate("close of an unknown descriptor " + std::to_string(fd));
    return;
  }
  Socket& socket = *found->second;
  if (socket.server_closed) violate("closed twice: " + std::to_string(fd));
  socket.server_closed = true;
  if (!socket.inbound.empty()) {
    // As TCP does: unread bytes make it a reset, and the reset overtakes what was not read yet.
    socket.saw_reset = true;
    socket.outbound.clear();
    socket.inbound.clear();
  }
  socket.saw_reset |= socket.reset_on_close;
}

// --- SimRing: what the code under test calls.

SimRing::SimRing(SimNetwork& network, const SimRingOptions& options)
    : network_(network), options_(options) {
  buffers_.assign(options.buffers, Bytes(options.buffer_bytes, 0xdd));
  for (unsigned id = 0; id < options.buffers; ++id) {
    buffers_free_.push_back(static_cast<uint16_t>(id));
  }
  network_.rings_.push_back(this);
}

SimRing::~SimRing() { std::erase(network_.rings_, this); }

SimRing::Operation& SimRing::queue(RingOp kind, int fd, uint64_t user_data) {
  if (is_stopped_) network_.violate("operation queued after stop()");
  queued_.push_back(std::make_unique<Operation>());
  Operation& operation = *queued_.back();
  operation.kind = kind;
  operation.fd = fd;
  operation.user_data = user_data;
  if (kind == RingOp::kCancelReceive) return operation;
  const auto socket = network_.sockets_.find(fd);
  const auto listener = network_.listeners_.find(fd);
  const bool is_open = (socket != network_.sockets_.end() && !socket->second->server_closed) ||
                       (listener != network_.listeners_.end() && !listener->second.closed);
  if (!is_open)
    network_.violate("operation on a descriptor that is not open: " + std::to_string(fd));
  for (const auto& other : queued_) {
    if (other.get() != &operation && other->kind == RingOp::kClose && other->fd == fd) {
      network_.violate("operation behind a close: " + std::to_string(fd));
    }
  }
  return operation;
}

void SimRing::queue_accept(int listener_fd, uint64_t user_data) {
  queue(RingOp::kAccept, listener_fd, user_data);
}

void SimRing::queue_receive(int fd, uint64_t user_data) {
  if (uses(fd)) {
    for (const auto& other : in_kernel_) {
      if (other->fd == fd && other->kind == RingOp::kReceive && !other->is_over) {
        network_.violate("two receives on one descriptor");
      }
    }
  }
  queue(RingOp::kReceive, fd, user_data);
}

void SimRing::queue_connect(int fd, const net::SocketAddress&, uint64_t user_data) {
  queue(RingOp::kConnect, fd, user_data);
}

int SimRing::open_socket(const net::SocketAddress&, int) {
  if (network_.random_.chance(options_.faults.accept_error)) return -EMFILE;
  ClientId peer = 0;
  return network_.connect_directly(peer);
}

void SimRing::queue_send(int fd, std::span<const iovec> pieces, uint64_t user_data) {
  for (const auto& other : in_kernel_) {
    if (other->fd == fd && other->kind == RingOp::kSend) {
      network_.violate("two sends on one descriptor");
    }
  }
  Operation& operation = queue(RingOp::kSend, fd, user_data);
  if (pieces.empty() || pieces.size() > kSendGatherMax) network_.violate("bad gather size");
  operation.pieces.assign(pieces.begin(), pieces.end());
  for (const iovec& piece : pieces) {
    const auto* bytes = static_cast<const uint8_t*>(piece.iov_base);
    operation.snapshot.insert(operation.snapshot.end(), bytes, bytes + piece.iov_len);
  }
}

void SimRing::queue_cancel(uint64_t target, uint64_t user_data) {
  queue(RingOp::kCancelReceive, -1, user_data).target = target;
}

void SimRing::queue_shutdown(int fd, int how, uint64_t user_data) {
  queue(RingOp::kShutdown, fd, user_data).how = how;
}

void SimRing::reset_on_close(int fd) noexcept {
  const auto socket = network_.sockets_.find(fd);
  if (socket != network_.sockets_.end()) socket->second->reset_on_close = true;
}

void SimRing::queue_close(int fd, uint64_t user_data) { queue(RingOp::kClose, fd, user_data); }

ByteSpan SimRing::buffer(uint16_t buffer_id, size_t length) {
  if (!buffers_out_.contains(buffer_id)) network_.violate("a buffer is used that is not out");
  return ByteSpan(buffers_.at(buffer_id)).first(length);
}

void SimRing::give_back(std::span<const uint16_t> buffer_ids) {
  for (const uint16_t id : buffer_ids) {
    if (buffers_out_.erase(id) != 1) {
      network_.violate("buffer given back twice: " + std::to_string(id));
      continue;
    }
    std::fill(buffers_[id].begin(), buffers_[id].end(), 0xdd);
    buffers_free_.push_back(id);
  }
}

void SimRing::stop() {
  is_stopped_ = true;
  // A close takes place whether it was submitted or not; everything else is taken back.
  std::vector<int> closing;
  for (const auto* operations : {&queued_, &in_kernel_}) {
    for (const auto& operation : *operations) {
      if (operation->kind == RingOp::kClose && !operation->is_over)
        closing.push_back(operation->fd);
    }
  }
  queued_.clear();
  in_kernel_.clear();
  for (const int fd : closing) network_.close(fd);
}

std::optional<net::PeerAddress> SimRing::peer_address(int fd) {
  const auto& socket = network_.sockets_.at(fd);
  if (socket->address_forgotten) return std::nullopt;
  return network_.address(socket->client);
}

bool SimRing::uses(int fd) const {
  const auto holds = [fd](const std::unique_ptr<Operation>& operation) {
    return operation->fd == fd && operation->kind != RingOp::kClose &&
           (!operation->is_over || !operation->completions.empty());
  };
  return std::any_of(in_kernel_.begin(), in_kernel_.end(), holds) ||
         std::any_of(queued_.begin(), queued_.end(), holds);
}

// --- SimRing: what the kernel does.

size_t SimRing::turn(std::span<Completion> out, int64_t timeout_ns) {
  SimRandom& random = network_.random_;
  for (auto& operation : queued_) in_kernel_.push_back(std::move(operation));
  queued_.clear();
  // By index: a step may not add operations, but it may look at the others.
  for (size_t i = 0; i < in_kernel_.size(); ++i) {
    if (!in_kernel_[i]->is_over && !random.chance(options_.faults.delay)) step(*in_kernel_[i]);
  }
  // Between operations any order; within one, its own.
  size_t count = 0;
  std::vector<Operation*> ready;
  for (const auto& operation : in_kernel_) {
    if (!operation->completions.empty()) ready.push_back(operation.get());
  }
  while (count < out.size() && !ready.empty()) {
    const size_t pick = random.between(0, ready.size() - 1);
    Operation& operation = *ready[pick];
    out[count++] = operation.completions.front();
    operation.completions.pop_front();
    const bool hold_back = random.chance(options_.faults.delay);
    if (operation.completions.empty() || hold_back) {
      ready[pick] = ready.back();
      ready.pop_back();
    }
  }
  std::erase_if(in_kernel_, [](const std::unique_ptr<Operation>& operation) {
    return operation->is_over && operation->completions.empty();
  });
  const bool was_woken = waker_.woken.exchange(false, std::memory_order_acq_rel);
  if (count == 0 && timeout_ns != 0 && !was_woken) {
    const int64_t longest = 20 * kNsPerMs;
    network_.now_ns_ += timeout_ns < 0 ? longest : std::min(timeout_ns, longest);
  } else {
    network_.now_ns_ += static_cast<int64_t>(random.between(1'000, 200'000));
  }
  return count;
}

void SimRing::complete(Operation& operation, int32_t result, bool more) {
  Completion completion;
  completion.user_data = operation.user_data;
  completion.result = result;
  completion.more = more;
  operation.completions.push_back(completion);
  if (!more) operation.is_over = true;
}

void SimRing::step(Operation& operation) {
  switch (operation.kind) {
    case RingOp::kAccept:
      step_accept(operation);
      break;
    case RingOp::kReceive:
      step_receive(operation);
      break;
    case RingOp::kConnect:
      step_connect(operation);
      break;
    case RingOp::kSend:
      step_send(operation);
      break;
    case RingOp::kCancelReceive:
      step_cancel(operation);
      break;
    case RingOp::kShutdown: {
      auto& socket = *network_.sockets_.at(operation.fd);
      socket.server_shut = true;
      if (operation.how == SHUT_RDWR) socket.server_shut_both = true;
      complete(operation, socket.client_reset ? -ENOTCONN : 0, false);
      break;
    }
    case RingOp::kClose:
      network_.close(operation.fd);
      complete(operation, 0, false);
      break;
    default:
      network_.violate("unknown operation");
  }
}

void SimRing::step_accept(Operation& operation) {
  SimRandom& random = network_.random_;
  if (operation.is_cancelled) {
    complete(operation, -ECANCELED, false);
    return;
  }
  auto& backlog = network_.listeners_.at(operation.fd).backlog;
  if (backlog.empty()) return;
  if (random.chance(options_.faults.accept_error)) {
    constexpr int kErrors[] = {EMFILE, ENFILE, ENOMEM, ECONNABORTED};
    complete(operation, -kErrors[random.between(0, 3)], false);
    return;
  }
  while (!backlog.empty() && !operation.is_over) {
    const bool more = !random.chance(options_.faults.multishot_end);
    complete(operation, network_.clients_.at(backlog.front()), more);
    backlog.pop_front();
  }
}

void SimRing::step_connect(Operation& operation) {
  auto& socket = *network_.sockets_.at(operation.fd);
  if (operation.is_cancelled && network_.random_.chance(50)) {
    complete(operation, -ECANCELED, false);
    return;
  }
  switch (network_.reach_) {
    case SimNetwork::Reach::kReached:
      network_.connected_.push_back(socket.client);
      complete(operation, 0, false);
      break;
    case SimNetwork::Reach::kRefused:
      complete(operation, -ECONNREFUSED, false);
      break;
    case SimNetwork::Reach::kSilent:
      // A cancel or a shutdown ends it.
      if (operation.is_cancelled || socket.server_shut) complete(operation, -ECANCELED, false);
      break;
  }
}

void SimRing::step_receive(Operation& operation) {
  SimRandom& random = network_.random_;
  auto& socket = *network_.sockets_.at(operation.fd);
  // A cancel ends the operation, but what arrived before it still comes through now and then.
  if (operation.is_cancelled && (socket.inbound.empty() || random.chance(50))) {
    complete(operation, -ECANCELED, false);
    return;
  }
  if (socket.client_reset) {
    complete(operation, socket.reset_reported ? 0 : -ECONNRESET, false);
    socket.reset_reported = true;
    return;
  }
  if (!socket.inbound.empty() && random.chance(options_.faults.retry_error)) {
    complete(operation, random.chance(50) ? -EINTR : -EAGAIN, false);
    return;
  }
  for (int rounds = 0; !socket.inbound.empty() && rounds < 8; ++rounds) {
    if (buffers_free_.empty()) {
      complete(operation, -ENOBUFS, false);
      return;
    }
    size_t size = std::min(socket.inbound.size(), options_.buffer_bytes);
    const bool is_partial = random.chance(options_.faults.partial_read);
    if (is_partial) size = random.between(1, size);
    const uint16_t id = buffers_free_.front();
    buffers_free_.pop_front();
    buffers_out_.insert(id);
    const auto end = socket.inbound.begin() + static_cast<std::ptrdiff_t>(size);
    std::copy(socket.inbound.begin(), end, buffers_[id].begin());
    socket.inbound.erase(socket.inbound.begin(), end);
    const bool more = !random.chance(options_.faults.multishot_end);
    complete(operation, static_cast<int32_t>(size), more);
    operation.completions.back().has_buffer = true;
    operation.completions.back().buffer_id = id;
    if (!more || is_partial) return;
  }
  if (socket.inbound.empty() && (socket.client_finished || socket.server_shut_both)) {
    complete(operation, 0, false);
  }
}

void SimRing::step_send(Operation& operation) {
  SimRandom& random = network_.random_;
  auto& socket = *network_.sockets_.at(operation.fd);
  check_send_bytes(operation);
  // A cancel may come too late for a send that could go on.
  if (operation.is_cancelled && random.chance(50)) {
    complete(operation, -ECANCELED, false);
    return;
  }
  if (socket.client_reset || socket.server_shut) {
    complete(operation, random.chance(50) ? -EPIPE : -ECONNRESET, false);
    return;
  }
  if (random.chance(options_.faults.retry_error)) {
    complete(operation, random.chance(50) ? -EINTR : -EAGAIN, false);
    return;
  }
  const size_t room =
      network_.send_buffer_bytes_ - std::min(network_.send_buffer_bytes_, socket.outbound.size());
  if (room == 0) {
    if (operation.is_cancelled) complete(operation, -ECANCELED, false);
    return;
  }
  size_t size = std::min(room, operation.snapshot.size());
  if (random.chance(options_.faults.short_write)) size = random.between(1, size);
  const auto end = operation.snapshot.begin() + static_cast<std::ptrdiff_t>(size);
  socket.outbound.insert(socket.outbound.end(), operation.snapshot.begin(), end);
  complete(operation, static_cast<int32_t>(size), false);
}

// Reads the caller's memory late, as the kernel may: it must still be there, and unchanged.
void SimRing::check_send_bytes(const Operation& operation) {
  size_t position = 0;
  for (const iovec& piece : operation.pieces) {
    if (std::memcmp(piece.iov_base, operation.snapshot.data() + position, piece.iov_len) != 0) {
      network_.violate("bytes of a send changed before its completion");
      return;
    }
    position += piece.iov_len;
  }
}

void SimRing::step_cancel(Operation& operation) {
  SimRandom& random = network_.random_;
  Operation* target = nullptr;
  for (const auto& other : in_kernel_) {
    if (other->kind != RingOp::kCancelReceive && other->user_data == operation.target &&
        !other->is_over) {
      target = other.get();
    }
  }
  if (target == nullptr) {
    complete(operation, -ENOENT, false);
    return;
  }
  target->is_cancelled = true;
  complete(operation, random.chance(options_.faults.late_cancel) ? -EALREADY : 0, false);
}

}  // namespace ringway::testing
