// The load of the bare echo: connections that keep a number of messages under way each, at their
// own pace or at a given rate.
//
// One thread and epoll, so that it costs about what any plain client costs. What comes back is
// counted, not compared. Without --rate a connection sends a new message for each that is back, all
// of a read in one send; with it, message k is due k / rate after the beginning, on the next
// connection that has room, and its latency counts from then, so that stalls show.
//
// Prints "measuring" once the warm-up is over, and at the end one line of JSON: whole round trips
// within the measured time, that time, and percentiles of their latency. Exits 1, with the reason,
// when the server is not there or closes a connection.
//
//   echo_client --port PORT [--connections 64] [--bytes 204] [--window 1] [--rate 0]
//               [--warmup SECONDS] [--duration SECONDS]
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <algorithm>
#include <array>
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
      : options_(options),
        messages_(size_t{options.bytes} * options.window, uint8_t{0x5a}),
        epoll_(epoll_create1(0)) {
    if (epoll_ < 0) die("epoll", errno);
    for (unsigned i = 0; i < options.connections; ++i) connect_one();
  }

  void run() {
    begin_ = seconds_now();
    measure_ = begin_ + options_.warmup;
    const double end = measure_ + options_.seconds;
    bool measuring = false;
    std::array<epoll_event, 256> events;
    if (options_.rate == 0) {
      for (Connection& connection : connections_)
        send_messages(connection, options_.window, begin_);
    }
    double now = begin_;
    while (now < end) {
      if (!measuring && now >= measure_) {
        measuring = true;
        std::puts("measuring");
        std::fflush(stdout);
      }
      if (options_.rate > 0) send_due(now);
      const timespec pause = wait_time(now);
      const int count =
          epoll_pwait2(epoll_, events.data(), static_cast<int>(events.size()), &pause, nullptr);
      if (count < 0 && errno != EINTR) die("epoll_wait", errno);
      for (int i = 0; i < count; ++i) {
        on_readable(connections_[events[static_cast<size_t>(i)].data.u32]);
      }
      now = seconds_now();
    }
    report(now - measure_);
  }

 private:
  struct Connection {
    int fd;
    unsigned received;                // bytes of the message under way that are back
    std::deque<double> started = {};  // of the messages under way, the oldest first
  };

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
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u32 = static_cast<uint32_t>(connections_.size());
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl", errno);
    connections_.push_back({fd, 0});
  }

  // Until the next message is due, and no longer than kWaitSeconds.
  [[nodiscard]] timespec wait_time(double now) const {
    double pause = kWaitSeconds;
    if (options_.rate > 0) {
      pause = std::clamp(due_at(issued_) - now, 0.0, kWaitSeconds);
    }
    return {0, static_cast<long>(pause * 1e9)};
  }
  [[nodiscard]] double due_at(uint64_t message) const {
    return begin_ + static_cast<double>(message) / options_.rate;
  }

  void send_due(double now) {
    size_t full = 0;
    while (due_at(issued_) <= now && full < connections_.size()) {
      Connection& connection = connections_[next_];
      next_ = (next_ + 1) % connections_.size();
      if (connection.started.size() >= options_.window) {
        ++full;
        continue;
      }
      full = 0;
      send_messages(connection, 1, due_at(issued_));
      ++issued_;
    }
  }

  void send_messages(Connection& connection, unsigned count, double started) {
    const size_t size = size_t{options_.bytes} * count;
    for (size_t sent = 0; sent < size;) {
      const ssize_t result =
          send(connection.fd, messages_.data() + sent, size - sent, MSG_NOSIGNAL);
      if (result < 0 && errno != EINTR) die("send", errno);
      if (result > 0) sent += static_cast<size_t>(result);
    }
    connection.started.insert(connection.started.end(), count, started);
  }

  void on_readable(Connection& connection) {
    const ssize_t count = recv(connection.fd, scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    if (count == 0) die("receive", ECONNRESET);
    if (count < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      die("receive", errno);
    }
    connection.received += static_cast<unsigned>(count);
    const unsigned done = connection.received / options_.bytes;
    if (done == 0) return;
    connection.received %= options_.bytes;
    const double now = seconds_now();
    for (unsigned i = 0; i < done; ++i) {
      if (now >= measure_) {
        latencies_.push_back(static_cast<float>((now - connection.started.front()) * 1e6));
      }
      connection.started.pop_front();
    }
    if (options_.rate == 0) send_messages(connection, done, now);
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
  std::array<uint8_t, kBytesMax> scratch_{};
  const int epoll_;
  double begin_ = 0;
  double measure_ = 0;
  uint64_t issued_ = 0;
  size_t next_ = 0;
  std::vector<float> latencies_;  // microseconds, of the measured time
};

}  // namespace

int main(int argc, char** argv) {
  Client(parse(argc, argv)).run();
  return 0;
}
