#include "net/uring_ring.h"

#include <fmt/format.h>
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cerrno>
#include <cstring>
#include <deque>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "net/owned_fd.h"
#include "net/uring_gather.h"
#include "net/uring_setup.h"

namespace ringway::net {
namespace {

constexpr int kBufferGroup = 0;
constexpr unsigned kBuffersMax = 32 * 1024;  // of one provided-buffer ring (the kernel's limit)
constexpr uint64_t kWakeUserData = make_user_data(RingOp::kWake, {});

// See uring_ring.h. The owner moves between kAwake and kSleeping; anybody moves to kNotified. The
// exchange that ends a sleep reads what wake() wrote, so what was pushed before wake() is visible.
class EventWaker final : public Waker {
 public:
  explicit EventWaker(OwnedFd fd) : fd_(std::move(fd)) {}

  void wake() noexcept override {
    if (state_.exchange(kNotified, std::memory_order_acq_rel) != kSleeping) return;
    const uint64_t one = 1;
    // It cannot block (the count would have to reach 2^64) and a failure cannot be helped.
    [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof one);
  }

  // The owner, before it waits. False: somebody woke it meanwhile, do not wait.
  [[nodiscard]] bool begin_sleep() noexcept {
    uint8_t expected = kAwake;
    return state_.compare_exchange_strong(expected, kSleeping, std::memory_order_acq_rel);
  }
  // The owner, before it looks at its inbox.
  void end_sleep() noexcept { state_.exchange(kAwake, std::memory_order_acq_rel); }

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }

 private:
  enum : uint8_t { kAwake, kSleeping, kNotified };
  std::atomic<uint8_t> state_{kAwake};
  OwnedFd fd_;
};

// Anonymous memory, page by page: touched only when used, given back as a whole.
class MappedMemory {
 public:
  MappedMemory() = default;
  MappedMemory(const MappedMemory&) = delete;
  MappedMemory& operator=(const MappedMemory&) = delete;
  ~MappedMemory() {
    if (data_ != nullptr) munmap(data_, size_);
  }
  // 0 or -errno.
  [[nodiscard]] int map(size_t size) noexcept {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return -errno;
    data_ = static_cast<uint8_t*>(memory);
    size_ = size;
    return 0;
  }
  [[nodiscard]] uint8_t* data() const noexcept { return data_; }

 private:
  uint8_t* data_ = nullptr;
  size_t size_ = 0;
};

struct GatheredSend {
  msghdr header{};
  iovec pieces[kSendGatherMax];
};

// One of `kept`, for the operation that was put into the submission queue last. See Impl::gathered.
template <typename T>
T& next_of(std::deque<T>& kept, size_t& used, const io_uring& ring) {
  if (used == ring.sq.ring_entries) used = 0;
  if (used == kept.size()) kept.emplace_back();
  return kept[used++];
}

}  // namespace

struct UringRing::Impl {
  explicit Impl(OwnedFd event) : waker(std::move(event)) {}
  ~Impl() { exit(); }

  [[nodiscard]] int register_buffers(const UringOptions& options);
  io_uring_sqe* next_sqe();
  void arm_wake();
  void enter(int64_t timeout_ns);
  [[nodiscard]] int wait(int64_t timeout_ns);
  size_t reap(std::span<Completion> out);
  void exit() noexcept;

  io_uring ring{};
  bool is_set_up = false;
  bool polled = false;  // a thread of the kernel takes the submissions
  bool is_registered = false;
  std::string features;

  bool can_gather = false;
  int64_t gather_ns = 0;      // of the next wait; 0: not
  unsigned sends_queued = 0;  // since the last submission; most complete in the next one

  unsigned buffer_count = 0;
  size_t buffer_bytes = 0;
  MappedMemory buffers;
  MappedMemory buffer_ring_memory;
  io_uring_buf_ring* buffer_ring = nullptr;
  std::vector<bool> buffer_is_out;  // handed out by a completion, not yet given back

  // Headers of gathered sends and addresses: the kernel reads them until it has taken the operation
  // from the submission queue. Each is used by an operation of its own, so when as many were handed
  // out as the queue has places, the oldest is free again.
  std::deque<GatheredSend> gathered;
  size_t gathered_used = 0;
  std::deque<sockaddr_storage> addresses;
  size_t addresses_used = 0;

  EventWaker waker;
};

// --- Set-up.

UringRing::Created UringRing::create(const UringOptions& options) {
  const auto fail = [](std::string_view step, int error) {
    return Created{nullptr, explain_uring_error(step, error, UringEnvironment::read())};
  };
  OwnedFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event.valid()) return fail("make an eventfd", errno);
  auto impl = std::make_unique<Impl>(std::move(event));

  std::string flags_text;
  const unsigned entries = std::bit_ceil(std::clamp(options.entries, 8U, 32U * 1024));
  const auto environment = UringEnvironment::read;
  if (!options.submission_poll) {
    const int error = set_up_uring(impl->ring, entries, flags_text);
    if (error != 0) return fail("set up io_uring", -error);
  } else {
    const int core = options.submission_poll_core;
    const int error =
        set_up_polled_uring(impl->ring, entries, core, options.submission_poll_idle_ms, flags_text);
    if (error != 0) return {nullptr, explain_submission_poll_error(-error, core, environment())};
  }
  impl->is_set_up = true;
  impl->polled = options.submission_poll;
  if (options.busy_poll_us != 0) {
    const int error = register_busy_poll(impl->ring, options.busy_poll_us);
    if (error != 0) return {nullptr, explain_busy_poll_error(-error, environment())};
    flags_text += fmt::format(", busy poll of {} us", options.busy_poll_us);
  }
  if (!has_multishot_receive(impl->ring)) return fail("use multishot receive", EOPNOTSUPP);
  if (const int error = impl->register_buffers(options); error != 0) {
    return fail("register receive buffers", -error);
  }
  impl->can_gather = !impl->polled && can_gather(impl->ring);
  impl->features = fmt::format("{}, {} entries, {} buffers of {} bytes{}", flags_text,
                               impl->ring.sq.ring_entries, impl->buffer_count, impl->buffer_bytes,
                               impl->can_gather ? ", gathering" : "");
  return {std::unique_ptr<UringRing>(new UringRing(std::move(impl))), ""};
}

UringRing::UringRing(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

UringRing::~UringRing() = default;

int UringRing::Impl::register_buffers(const UringOptions& options) {
  buffer_count = std::bit_ceil(std::clamp(options.buffers, 2U, kBuffersMax));
  buffer_bytes = std::max<size_t>(options.buffer_bytes, 64);
  if (const int error = buffers.map(buffer_count * buffer_bytes); error != 0) return error;
  if (const int error = buffer_ring_memory.map(buffer_count * sizeof(io_uring_buf)); error != 0) {
    return error;
  }
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<uintptr_t>(buffer_ring_memory.data());
  registration.ring_entries = buffer_count;
  registration.bgid = kBufferGroup;
  if (const int error = io_uring_register_buf_ring(&ring, &registration, 0); error != 0) {
    return error;
  }
  buffer_ring = reinterpret_cast<io_uring_buf_ring*>(buffer_ring_memory.data());
  io_uring_buf_ring_init(buffer_ring);
  const int mask = io_uring_buf_ring_mask(buffer_count);
  for (unsigned id = 0; id < buffer_count; ++id) {
    io_uring_buf_ring_add(buffer_ring, buffers.data() + id * buffer_bytes,
                          static_cast<unsigned>(buffer_bytes), static_cast<uint16_t>(id), mask,
                          static_cast<int>(id));
  }
  io_uring_buf_ring_advance(buffer_ring, static_cast<int>(buffer_count));
  buffer_is_out.assign(buffer_count, false);
  return 0;
}

std::string UringRing::start() {
  if (const int error = enable_uring(impl_->ring); error != 0) {
    return explain_uring_error("enable io_uring", -error, UringEnvironment::read());
  }
  // Saves the kernel a descriptor look-up per turn; without it everything works all the same.
  impl_->is_registered = io_uring_register_ring_fd(&impl_->ring) == 1;
  if (impl_->is_registered) impl_->features += ", registered ring";
  impl_->arm_wake();
  return "";
}

// What is still under way after ten seconds ends with the ring.
constexpr int64_t kCancelLookNs = 50 * kNsPerMs;
constexpr int kCancelLooksMax = 200;
constexpr int kQuickLooks = 10;

void UringRing::stop() {
  if (!impl_->is_set_up) return;
  io_uring_submit(&impl_->ring);
  // What the kernel's thread has not taken yet could not be cancelled. It is woken by the ring's
  // own descriptor: the registered one is known to the worker's thread alone, and this may be
  // another.
  for (int look = 0; impl_->polled && io_uring_sq_ready(&impl_->ring) > 0; ++look) {
    if (look == kCancelLooksMax) break;
    io_uring_enter(static_cast<unsigned>(impl_->ring.ring_fd), 0, 0, IORING_ENTER_SQ_WAKEUP,
                   nullptr);
    sleep_ns(look < kQuickLooks ? kNsPerMs / 10 : kCancelLookNs);
  }
  io_uring_sync_cancel_reg cancel{};
  cancel.flags = IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL;
  cancel.fd = -1;
  // Asked again now and then: the end of an operation on the kernel's own thread may wake nobody,
  // and that thread may have had an operation in hand when all others were cancelled.
  cancel.timeout.tv_sec = 0;
  cancel.timeout.tv_nsec = kCancelLookNs;
  for (int look = 0; look < kCancelLooksMax; ++look) {
    const int result = io_uring_register_sync_cancel(&impl_->ring, &cancel);
    if (result != -EINTR && result != -ETIME) break;
  }
  impl_->exit();
}

void UringRing::Impl::exit() noexcept {
  if (!is_set_up) return;
  io_uring_queue_exit(&ring);
  is_set_up = false;
}

// --- Operations.

io_uring_sqe* UringRing::Impl::next_sqe() {
  io_uring_sqe* sqe = io_uring_get_sqe(&ring);
  // A full queue is submitted early; the operations keep their order.
  while (sqe == nullptr) {
    const int submitted = polled ? io_uring_submit(&ring) : io_uring_submit_and_get_events(&ring);
    RW_ASSERT(submitted >= 0 || submitted == -EINTR || submitted == -EAGAIN ||
              submitted == -EBUSY || submitted == -ENOMEM);
    // The kernel's thread is at work: it makes room within the time of a submission.
    if (polled) (void)io_uring_sqring_wait(&ring);
    sqe = io_uring_get_sqe(&ring);
  }
  return sqe;
}

void UringRing::queue_accept(int listener_fd, uint64_t user_data) {
  io_uring_sqe* sqe = impl_->next_sqe();
  io_uring_prep_multishot_accept(sqe, listener_fd, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringRing::queue_receive(int fd, uint64_t user_data) {
  io_uring_sqe* sqe = impl_->next_sqe();
  io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
  sqe->flags |= IOSQE_BUFFER_SELECT;
  sqe->buf_group = kBufferGroup;
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringRing::queue_connect(int fd, const SocketAddress& address, uint64_t user_data) {
  io_uring_sqe* sqe = impl_->next_sqe();
  sockaddr_storage& kept = next_of(impl_->addresses, impl_->addresses_used, impl_->ring);
  kept = address.storage;
  io_uring_prep_connect(sqe, fd, reinterpret_cast<const sockaddr*>(&kept), address.length);
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringRing::queue_send(int fd, std::span<const iovec> pieces, uint64_t user_data) {
  RW_ASSERT(!pieces.empty());
  RW_ASSERT(pieces.size() <= kSendGatherMax);
  io_uring_sqe* sqe = impl_->next_sqe();
  ++impl_->sends_queued;
  if (pieces.size() == 1) {
    io_uring_prep_send(sqe, fd, pieces[0].iov_base, pieces[0].iov_len, MSG_NOSIGNAL);
  } else {
    GatheredSend& send = next_of(impl_->gathered, impl_->gathered_used, impl_->ring);
    std::copy(pieces.begin(), pieces.end(), send.pieces);
    send.header.msg_iov = send.pieces;
    send.header.msg_iovlen = pieces.size();
    io_uring_prep_sendmsg(sqe, fd, &send.header, MSG_NOSIGNAL);
  }
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringRing::queue_cancel(uint64_t target, uint64_t user_data) {
  io_uring_sqe* sqe = impl_->next_sqe();
  io_uring_prep_cancel64(sqe, target, 0);
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringRing::queue_shutdown(int fd, int how, uint64_t user_data) {
  io_uring_sqe* sqe = impl_->next_sqe();
  io_uring_prep_shutdown(sqe, fd, how);
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringRing::queue_close(int fd, uint64_t user_data) {
  io_uring_sqe* sqe = impl_->next_sqe();
  io_uring_prep_close(sqe, fd);
  io_uring_sqe_set_data64(sqe, user_data);
}

void UringRing::Impl::arm_wake() {
  io_uring_sqe* sqe = next_sqe();
  // The eventfd is never read: every write to it makes an event of its own.
  io_uring_prep_poll_multishot(sqe, waker.fd(), POLLIN);
  io_uring_sqe_set_data64(sqe, kWakeUserData);
}

// --- The turn.

void UringRing::gather(int64_t gather_ns) {
  if (impl_->can_gather) impl_->gather_ns = gather_ns;
}

size_t UringRing::turn(std::span<Completion> out, int64_t timeout_ns) {
  const bool has_leftover = io_uring_cq_ready(&impl_->ring) > 0;
  const bool may_wait = timeout_ns != 0 && !has_leftover && impl_->waker.begin_sleep();
  impl_->enter(may_wait ? timeout_ns : 0);
  impl_->gather_ns = 0;
  impl_->waker.end_sleep();
  if (io_uring_sq_ready(&impl_->ring) == 0) {
    impl_->gathered_used = 0;
    impl_->addresses_used = 0;
    impl_->sends_queued = 0;
  }
  return impl_->reap(out);
}

void UringRing::Impl::enter(int64_t timeout_ns) {
  int result = 0;
  if (timeout_ns == 0) {
    // With a polling thread the events come by themselves.
    result = polled ? io_uring_submit(&ring) : io_uring_submit_and_get_events(&ring);
  } else {
    result = wait(timeout_ns);
  }
  // EBUSY, EAGAIN and ENOMEM pass: what was not submitted stays queued for the next turn.
  RW_ASSERT(result >= 0 || result == -ETIME || result == -EINTR || result == -EBUSY ||
            result == -EAGAIN || result == -ENOMEM);
}

int UringRing::Impl::wait(int64_t timeout_ns) {
  if (timeout_ns < 0) return io_uring_submit_and_wait(&ring, 1);
  if (gather_ns > 0) {
    return submit_and_gather(ring, sends_queued + kGatherCompletions, gather_ns, timeout_ns,
                             is_registered);
  }
  __kernel_timespec timeout{};
  timeout.tv_sec = timeout_ns / kNsPerSecond;
  timeout.tv_nsec = timeout_ns % kNsPerSecond;
  io_uring_cqe* ignored = nullptr;
  return io_uring_submit_and_wait_timeout(&ring, &ignored, 1, &timeout, nullptr);
}

size_t UringRing::Impl::reap(std::span<Completion> out) {
  size_t count = 0;
  unsigned seen = 0;
  unsigned head = 0;
  bool wake_ended = false;
  io_uring_cqe* cqe = nullptr;
  io_uring_for_each_cqe(&ring, head, cqe) {
    if (count == out.size()) break;
    ++seen;
    if (cqe->user_data == kWakeUserData) {
      wake_ended = (cqe->flags & IORING_CQE_F_MORE) == 0;
      continue;
    }
    Completion& completion = out[count++];
    completion.user_data = cqe->user_data;
    completion.result = cqe->res;
    completion.more = (cqe->flags & IORING_CQE_F_MORE) != 0;
    completion.has_buffer = (cqe->flags & IORING_CQE_F_BUFFER) != 0;
    completion.buffer_id = static_cast<uint16_t>(cqe->flags >> IORING_CQE_BUFFER_SHIFT);
    if (completion.has_buffer) buffer_is_out[completion.buffer_id] = true;
  }
  io_uring_cq_advance(&ring, seen);
  if (wake_ended) arm_wake();
  return count;
}

ByteSpan UringRing::buffer(uint16_t buffer_id, size_t length) {
  RW_ASSERT(buffer_id < impl_->buffer_count);
  RW_ASSERT(length <= impl_->buffer_bytes);
  return {impl_->buffers.data() + buffer_id * impl_->buffer_bytes, length};
}

void UringRing::give_back(std::span<const uint16_t> buffer_ids) {
  const int mask = io_uring_buf_ring_mask(impl_->buffer_count);
  int offset = 0;
  for (const uint16_t id : buffer_ids) {
    RW_ASSERT(impl_->buffer_is_out[id]);
    impl_->buffer_is_out[id] = false;
    io_uring_buf_ring_add(impl_->buffer_ring, impl_->buffers.data() + id * impl_->buffer_bytes,
                          static_cast<unsigned>(impl_->buffer_bytes), id, mask, offset++);
  }
  io_uring_buf_ring_advance(impl_->buffer_ring, offset);
}

int UringRing::open_socket(const SocketAddress& address, int user_timeout_ms) {
  OwnedFd fd(::socket(address.family(), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  if (address.family() == AF_UNIX) return fd.release();
  const int on = 1;
  if (setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
      setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &user_timeout_ms,
                 sizeof user_timeout_ms) != 0) {
    return -errno;
  }
  return fd.release();
}

std::optional<PeerAddress> UringRing::peer_address(int fd) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0) return std::nullopt;
  return PeerAddress::from_sockaddr(reinterpret_cast<sockaddr*>(&address));
}

void UringRing::set_receive_low(int fd, size_t bytes) noexcept {
  const int low = static_cast<int>(std::max<size_t>(bytes, 1));
  // A socket that cannot tells of any bytes.
  (void)setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof low);
}

void UringRing::reset_on_close(int fd) noexcept {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  // A socket that does not know it ends as others do.
  (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
}

void UringRing::close_now(int fd) { ::close(fd); }

Waker& UringRing::waker() { return impl_->waker; }

std::string UringRing::features() const { return impl_->features; }

}  // namespace ringway::net
