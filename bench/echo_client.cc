// The load of the bare echo: connections that keep a number of messages under way each, at their
// own pace or at a given rate.
//
// One thread and io_uring, like the server, so that it can keep the server busy from another core.
// What comes back is counted, not compared. Without --rate a connection sends a new message for
// each that is back, all of a read in one send; with it, message k is due k / rate after the
// beginning, on the next connection that has room, and its latency counts from then, so that stalls
// show.
//
// Prints "measuring" once the warm-up is over, and at the end one line of JSON: whole round trips
// within the measured time, that time, and percentiles of their latency. Exits 1, with the reason,
// when the server is not there or closes a connection.
//
//   echo_client --port PORT [--connections 64] [--bytes 204] [--window 1] [--rate 0]
//               [--warmup SECONDS] [--duration SECONDS]
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned kConnectionsMax = 16'384;
// A window of messages and their echoes fits into the socket buffers, so that writing never waits
// for reading.
constexpr unsigned kBytesMax = 65'536;
constexpr unsigned kSecondsMax = 3600;
constexpr unsigned kRateMax = 10'000'000;
constexpr unsigned kEntries = 4096;
constexpr unsigned kBuffers = 256;
constexpr unsigned kBufferBytes = 32768;
constexpr int kGroup = 0;
constexpr uint64_t kSend = uint64_t{1} << 32;  // beside the connection's number
constexpr double kWaitSeconds = 0.02;  // how late the end may be noticed when nothing comes back

[[noreturn]] void die(const char* what, int error) {
  std::fprintf(stderr, "echo_client: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

[[noreturn]] void usage() {
  std::fprintf(
      stderr,
      "usage: echo_client --port PORT [--connections N] [--bytes N] [--window N] [--rate N]"
      " [--warmup SECONDS] [--duration SECONDS]\n"
      "at most %u connections, %u bytes in a connection's window, %u seconds\n",
      kConnectionsMax, kBytesMax, kSecondsMax);
  std::exit(2);
}

struct Options {
  unsigned port = 0;
  unsigned connections = 64;
  unsigned bytes = 204;
  unsigned window = 1;
  unsigned rate = 0;
  double warmup = 0;
  double seconds = 10;
};

template <typename Number>
Number number(std::string_view text, Number max) {
  Number value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0) || value > max) {
    usage();
  }
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; i += 2) {
    if (i + 1 == argc) usage();
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--port") {
      options.port = number<unsigned>(value, UINT16_MAX);
    } else if (name == "--connections") {
      options.connections = number<unsigned>(value, kConnectionsMax);
    } else if (name == "--bytes") {
      options.bytes = number<unsigned>(value, kBytesMax);
    } else if (name == "--window") {
      options.window = number<unsigned>(value, kBytesMax);
    } else if (name == "--rate") {
      options.rate = number<unsigned>(value, kRateMax);
    } else if (name == "--warmup") {
      options.warmup = number<double>(value, kSecondsMax);
    } else if (name == "--duration") {
      options.seconds = number<double>(value, kSecondsMax);
    } else {
      usage();
    }
  }
  if (options.port == 0 || options.connections == 0 || options.bytes == 0 || options.window == 0 ||
      uint64_t{options.bytes} * options.window > kBytesMax) {
    usage();
  }
  return options;
}

double seconds_now() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

class Client {
 public:
  explicit Client(const Options& options)
      : options_(options), messages_(size_t{options.bytes} * options.window, uint8_t{0x5a}) {
    make_ring();
    for (unsigned i = 0; i < options.connections; ++i) connect_one();
  }

  void run() {
    begin_ = seconds_now();
    measure_ = begin_ + options_.warmup;
    const double end = measure_ + options_.seconds;
    bool measuring = false;
    for (unsigned i = 0; i < connections_.size(); ++i) {
      arm_receive(i);
      if (options_.rate == 0) send_messages(i, options_.window, begin_);
    }
    double now = begin_;
    while (now < end) {
      if (!measuring && now >= measure_) {
        measuring = true;
        std::puts("measuring");
        std::fflush(stdout);
      }
      if (options_.rate > 0) send_due(now);
      wait(now);
      now = seconds_now();
      handle_completions(now);
    }
    report(now - measure_);
  }

 private:
  struct Connection {
    int fd;
    unsigned received = 0;         // bytes of the message under way that are back
    std::deque<double> started{};  // of the messages under way, the oldest first
  };

  static uint8_t* map(size_t size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) die("mmap", errno);
    return static_cast<uint8_t*>(memory);
  }

  void make_ring() {
    io_uring_params params{};
    params.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE;
    params.cq_entries = kEntries * 8;
    if (const int error = io_uring_queue_init_params(kEntries, &ring_, &params); error != 0) {
      die("io_uring", -error);
    }
    io_uring_register_ring_fd(&ring_);
    buffers_ = map(size_t{kBuffers} * kBufferBytes);
    buffer_ring_ = reinterpret_cast<io_uring_buf_ring*>(map(kBuffers * sizeof(io_uring_buf)));
    io_uring_buf_reg registration{};
    registration.ring_addr = reinterpret_cast<uintptr_t>(buffer_ring_);
    registration.ring_entries = kBuffers;
    registration.bgid = kGroup;
    if (const int error = io_uring_register_buf_ring(&ring_, &registration, 0); error != 0) {
      die("buffers", -error);
    }
    io_uring_buf_ring_init(buffer_ring_);
    for (unsigned id = 0; id < kBuffers; ++id) give_back(id);
  }

  void connect_one() {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) die("socket", errno);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(options_.port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      die("connect", errno);
    }
    const int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    connections_.push_back({fd});
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
    io_uring_buf_ring_add(buffer_ring_, buffers_ + size_t{id} * kBufferBytes, kBufferBytes,
                          static_cast<uint16_t>(id), io_uring_buf_ring_mask(kBuffers), 0);
    io_uring_buf_ring_advance(buffer_ring_, 1);
  }
  void arm_receive(unsigned number) {
    io_uring_sqe* sqe = next();
    io_uring_prep_recv_multishot(sqe, connections_[number].fd, nullptr, 0, 0);
    sqe->flags |= IOSQE_BUFFER_SELECT;
    sqe->buf_group = kGroup;
    io_uring_sqe_set_data64(sqe, number);
  }

  // Until something comes back or the next message is due, and no longer than kWaitSeconds.
  void wait(double now) {
    double pause = kWaitSeconds;
    if (options_.rate > 0) pause = std::clamp(due_at(issued_) - now, 0.0, kWaitSeconds);
    __kernel_timespec timeout{0, static_cast<long long>(pause * 1e9)};
    io_uring_cqe* cqe = nullptr;
    const int result = io_uring_submit_and_wait_timeout(&ring_, &cqe, 1, &timeout, nullptr);
    if (result < 0 && result != -ETIME && result != -EINTR && result != -EAGAIN &&
        result != -EBUSY) {
      die("submit", -result);
    }
  }
  [[nodiscard]] double due_at(uint64_t message) const {
    return begin_ + static_cast<double>(message) / options_.rate;
  }

  void send_due(double now) {
    size_t full = 0;
    while (due_at(issued_) <= now && full < connections_.size()) {
      const unsigned number = next_;
      next_ = (next_ + 1) % static_cast<unsigned>(connections_.size());
      if (connections_[number].started.size() >= options_.window) {
        ++full;
        continue;
      }
      full = 0;
      send_messages(number, 1, due_at(issued_));
      ++issued_;
    }
  }

  void send_messages(unsigned number, unsigned count, double started) {
    Connection& connection = connections_[number];
    io_uring_sqe* sqe = next();
    // MSG_WAITALL: the kernel itself goes on after a short write.
    io_uring_prep_send(sqe, connection.fd, messages_.data(), size_t{options_.bytes} * count,
                       MSG_NOSIGNAL | MSG_WAITALL);
    io_uring_sqe_set_data64(sqe, kSend | number);
    connection.started.insert(connection.started.end(), count, started);
  }

  void handle_completions(double now) {
    unsigned head = 0;
    unsigned seen = 0;
    io_uring_cqe* cqe = nullptr;
    io_uring_for_each_cqe(&ring_, head, cqe) {
      ++seen;
      const auto number = static_cast<unsigned>(cqe->user_data);
      if ((cqe->user_data & kSend) != 0) {
        if (cqe->res < 0) die("send", -cqe->res);
      } else {
        on_received(number, *cqe, now);
      }
    }
    io_uring_cq_advance(&ring_, seen);
  }

  void on_received(unsigned number, const io_uring_cqe& cqe, double now) {
    if (cqe.res == 0) die("receive", ECONNRESET);
    if (cqe.res < 0 && cqe.res != -ENOBUFS) die("receive", -cqe.res);
    if (cqe.res > 0) {
      give_back(cqe.flags >> IORING_CQE_BUFFER_SHIFT);
      take(number, static_cast<unsigned>(cqe.res), now);
    }
    if ((cqe.flags & IORING_CQE_F_MORE) == 0) arm_receive(number);
  }

  void take(unsigned number, unsigned bytes, double now) {
    Connection& connection = connections_[number];
    connection.received += bytes;
    const unsigned done = connection.received / options_.bytes;
    if (done == 0) return;
    connection.received %= options_.bytes;
    for (unsigned i = 0; i < done; ++i) {
      if (now >= measure_) {
        latencies_.push_back(static_cast<float>((now - connection.started.front()) * 1e6));
      }
      connection.started.pop_front();
    }
    if (options_.rate == 0) send_messages(number, done, now);
  }

  void report(double seconds) {
    std::sort(latencies_.begin(), latencies_.end());
    const auto percentile = [this](double share) {
      if (latencies_.empty()) return 0.0;
      const auto last = static_cast<double>(latencies_.size() - 1);
      return static_cast<double>(latencies_[static_cast<size_t>(last * share)]);
    };
    std::printf(
        "{\"messages\":%zu,\"seconds\":%.6f,\"latency_us\":{\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,"
        "\"p99.9\":%.1f,\"max\":%.1f}}\n",
        latencies_.size(), seconds, percentile(0.5), percentile(0.9), percentile(0.99),
        percentile(0.999), percentile(1));
  }

  const Options options_;
  const std::vector<uint8_t> messages_;
  std::vector<Connection> connections_;
  io_uring ring_{};
  uint8_t* buffers_ = nullptr;
  io_uring_buf_ring* buffer_ring_ = nullptr;
  double begin_ = 0;
  double measure_ = 0;
  uint64_t issued_ = 0;
  unsigned next_ = 0;
  std::vector<float> latencies_;  // microseconds, of the measured time
};

}  // namespace

int main(int argc, char** argv) {
  Client(parse(argc, argv)).run();
  return 0;
}
