// A bare echo on io_uring: the floor that the gateway's cost per message is measured against.
//
// One thread, multishot accept, multishot receive into provided buffers, one send per received
// piece, and nothing else: no connection state, no limits, no deadlines. Prints nothing; ends on
// SIGTERM or SIGINT. Clients that send many messages at once want larger buffers, so that a piece
// is all that has come.
//
//   echo_server --port PORT [--buffer-bytes 2048]
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace {

constexpr unsigned kEntries = 4096;
// As many buffers as this has room for: more memory would only push the ring out of the caches.
constexpr unsigned kBufferMemoryBytes = 8 * 1024 * 1024;
constexpr unsigned kBufferBytesMin = 256;  // a buffer ring has at most 32,768 buffers
constexpr unsigned kBufferBytesMax = 65'536;
constexpr int kGroup = 0;

enum Op : uint64_t { kAccept, kReceive, kSend, kClose };

// op (8 bits), buffer (24), descriptor (32).
uint64_t pack(Op op, unsigned buffer, int fd) {
  return static_cast<uint64_t>(op) << 56 | static_cast<uint64_t>(buffer) << 32 |
         static_cast<uint32_t>(fd);
}

volatile sig_atomic_t stopping = 0;
void on_signal(int) { stopping = 1; }

[[noreturn]] void die(const char* what, int error) {
  std::fprintf(stderr, "echo_server: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

int open_listener(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) die("socket", errno);
  const int one = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  // The kernel may still be letting go of the ring of an earlier run.
  setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one);
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) die("bind", errno);
  if (listen(fd, 4096) != 0) die("listen", errno);
  return fd;
}

class Echo {
 public:
  Echo(int listener, unsigned buffer_bytes)
      : listener_(listener),
        buffer_bytes_(buffer_bytes),
        buffers_count_(kBufferMemoryBytes / buffer_bytes) {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = kEntries * 4;
    if (const int error = io_uring_queue_init_params(kEntries, &ring_, &params); error != 0) {
      die("io_uring", -error);
    }
    io_uring_register_ring_fd(&ring_);
    buffers_ = map(size_t{buffers_count_} * buffer_bytes_);
    io_uring_buf_reg registration{};
    buffer_ring_ = reinterpret_cast<io_uring_buf_ring*>(map(buffers_count_ * sizeof(io_uring_buf)));
    registration.ring_addr = reinterpret_cast<uintptr_t>(buffer_ring_);
    registration.ring_entries = buffers_count_;
    registration.bgid = kGroup;
    if (const int error = io_uring_register_buf_ring(&ring_, &registration, 0); error != 0) {
      die("buffers", -error);
    }
    io_uring_buf_ring_init(buffer_ring_);
    for (unsigned id = 0; id < buffers_count_; ++id) give_back(id);
  }

  void run() {
    arm_accept();
    while (stopping == 0) {
      const int result = io_uring_submit_and_wait(&ring_, 1);
      if (result < 0 && result != -EINTR && result != -EAGAIN && result != -EBUSY) {
        die("submit", -result);
      }
      unsigned head = 0;
      unsigned seen = 0;
      io_uring_cqe* cqe = nullptr;
      io_uring_for_each_cqe(&ring_, head, cqe) {
        ++seen;
        handle(*cqe);
      }
      io_uring_cq_advance(&ring_, seen);
    }
    io_uring_queue_exit(&ring_);
  }

 private:
  static uint8_t* map(size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap", errno);
    return static_cast<uint8_t*>(memory);
  }
  io_uring_sqe* next() {
    io_uring_sqe* sqe = io_uring_get_sqe(&ring_);
    while (sqe == nullptr) {
      io_uring_submit(&ring_);
      sqe = io_uring_get_sqe(&ring_);
    }
    return sqe;
  }
  void give_back(unsigned id) {
    io_uring_buf_ring_add(buffer_ring_, buffers_ + size_t{id} * buffer_bytes_, buffer_bytes_,
                          static_cast<uint16_t>(id), io_uring_buf_ring_mask(buffers_count_), 0);
    io_uring_buf_ring_advance(buffer_ring_, 1);
  }
  void arm_accept() {
    io_uring_sqe* sqe = next();
    io_uring_prep_multishot_accept(sqe, listener_, nullptr, nullptr, SOCK_CLOEXEC);
    io_uring_sqe_set_data64(sqe, pack(kAccept, 0, listener_));
  }
  void arm_receive(int fd) {
    io_uring_sqe* sqe = next();
    io_uring_prep_recv_multishot(sqe, fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = kGroup;
    io_uring_sqe_set_data64(sqe, pack(kReceive, 0, fd));
  }
  void close(int fd) {
    io_uring_sqe* sqe = next();
    io_uring_prep_close(sqe, fd);
    io_uring_sqe_set_data64(sqe, pack(kClose, 0, fd));
  }
  void handle(const io_uring_cqe& cqe) {
    const int fd = static_cast<int>(static_cast<uint32_t>(cqe.user_data));
    const bool more = (cqe.flags & IORING_CQE_F_MORE) != 0;
    switch (cqe.user_data >> 56) {
      case kAccept:
        if (cqe.res >= 0) arm_receive(cqe.res);
        if (!more) arm_accept();
        break;
      case kReceive:
        if (cqe.res > 0) {
          const unsigned id = cqe.flags >> IORING_CQE_BUFFER_SHIFT;
          io_uring_sqe* sqe = next();
          // MSG_WAITALL: the kernel itself goes on after a short write.
          io_uring_prep_send(sqe, fd, buffers_ + size_t{id} * buffer_bytes_,
                             static_cast<size_t>(cqe.res), MSG_NOSIGNAL | MSG_WAITALL);
          io_uring_sqe_set_data64(sqe, pack(kSend, id, fd));
          if (!more) arm_receive(fd);
        } else if (cqe.res == -ENOBUFS) {
          arm_receive(fd);
        } else if (!more) {
          close(fd);
        }
        break;
      case kSend:
        give_back(static_cast<unsigned>(cqe.user_data >> 32) & 0xff'ffff);
        break;
      default:
        break;
    }
  }

  const int listener_;
  const unsigned buffer_bytes_;
  const unsigned buffers_count_;
  io_uring ring_{};
  uint8_t* buffers_ = nullptr;
  io_uring_buf_ring* buffer_ring_ = nullptr;
};

}  // namespace

int main(int argc, char** argv) {
  int port = 0;
  int buffer_bytes = 2048;
  for (int i = 1; i + 1 < argc; i += 2) {
    if (std::strcmp(argv[i], "--port") == 0) port = std::atoi(argv[i + 1]);
    if (std::strcmp(argv[i], "--buffer-bytes") == 0) buffer_bytes = std::atoi(argv[i + 1]);
  }
  const auto bytes = static_cast<unsigned>(buffer_bytes);
  if (argc % 2 == 0 || port <= 0 || port > UINT16_MAX || buffer_bytes <= 0 ||
      bytes < kBufferBytesMin || bytes > kBufferBytesMax || !std::has_single_bit(bytes)) {
    std::fprintf(stderr,
                 "usage: echo_server --port PORT [--buffer-bytes N]\n"
                 "N is a power of two from %u to %u\n",
                 kBufferBytesMin, kBufferBytesMax);
    return 2;
  }
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigaction(SIGTERM, &action, nullptr);
  sigaction(SIGINT, &action, nullptr);
  Echo(open_listener(static_cast<uint16_t>(port)), bytes).run();
  return 0;
}
