// The load of the bare echo: connections that each send a message, await it whole, and send the
// next.
//
// One thread and epoll, so that it costs about what any plain client costs. What comes back is
// counted, not compared. Prints one line of JSON, {"messages":N,"seconds":S}: whole round trips,
// and the time from the first message to the last one counted. Exits 1, with the reason, when the
// server is not there or closes a connection.
//
//   echo_client --port PORT [--connections 64] [--bytes 204] [--duration SECONDS]
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace {

constexpr unsigned kConnectionsMax = 4096;
// A message and its echo fit into the socket buffers, so that writing never waits for reading.
constexpr unsigned kBytesMax = 65'536;
constexpr unsigned kSecondsMax = 3600;
constexpr int kWaitMs = 20;  // how late the end of the run may be noticed when nothing comes back

[[noreturn]] void die(const char* what, int error) {
  std::fprintf(stderr, "echo_client: %s: %s\n", what, std::strerror(error));
  std::exit(1);
}

[[noreturn]] void usage() {
  std::fprintf(stderr,
               "usage: echo_client --port PORT [--connections N] [--bytes N] [--duration SECONDS]\n"
               "at most %u connections, %u bytes, %u seconds\n",
               kConnectionsMax, kBytesMax, kSecondsMax);
  std::exit(2);
}

struct Options {
  unsigned port = 0;
  unsigned connections = 64;
  unsigned bytes = 204;
  unsigned seconds = 10;
};

unsigned number(std::string_view text, unsigned max) {
  unsigned value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value == 0 || value > max) {
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
      options.port = number(value, UINT16_MAX);
    } else if (name == "--connections") {
      options.connections = number(value, kConnectionsMax);
    } else if (name == "--bytes") {
      options.bytes = number(value, kBytesMax);
    } else if (name == "--duration") {
      options.seconds = number(value, kSecondsMax);
    } else {
      usage();
    }
  }
  if (options.port == 0) usage();
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
      : options_(options), message_(options.bytes, uint8_t{0x5a}), epoll_(epoll_create1(0)) {
    if (epoll_ < 0) die("epoll", errno);
    for (unsigned i = 0; i < options.connections; ++i) connect_one();
  }

  void run() {
    const double begin = seconds_now();
    const double end = begin + options_.seconds;
    for (const Connection& connection : connections_) send_message(connection.fd);
    double now = begin;
    std::array<epoll_event, 256> events;
    while (now < end) {
      const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), kWaitMs);
      if (count < 0 && errno != EINTR) die("epoll_wait", errno);
      for (int i = 0; i < count; ++i)
        on_readable(connections_[events[static_cast<size_t>(i)].data.u32]);
      now = seconds_now();
    }
    std::printf("{\"messages\":%llu,\"seconds\":%.6f}\n",
                static_cast<unsigned long long>(messages_), now - begin);
  }

 private:
  struct Connection {
    int fd;
    unsigned received;  // bytes of the message under way that are back
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

  void send_message(int fd) {
    for (size_t sent = 0; sent < message_.size();) {
      const ssize_t count = send(fd, message_.data() + sent, message_.size() - sent, MSG_NOSIGNAL);
      if (count < 0 && errno != EINTR) die("send", errno);
      if (count > 0) sent += static_cast<size_t>(count);
    }
  }

  void on_readable(Connection& connection) {
    const ssize_t count = recv(connection.fd, scratch_.data(), scratch_.size(), MSG_DONTWAIT);
    if (count == 0) die("receive", ECONNRESET);
    if (count < 0) {
      if (errno == EAGAIN || errno == EINTR) return;
      die("receive", errno);
    }
    connection.received += static_cast<unsigned>(count);
    if (connection.received < options_.bytes) return;
    connection.received = 0;
    ++messages_;
    send_message(connection.fd);
  }

  const Options options_;
  const std::vector<uint8_t> message_;
  std::vector<Connection> connections_;
  std::array<uint8_t, kBytesMax> scratch_{};
  const int epoll_;
  uint64_t messages_ = 0;
};

}  // namespace

int main(int argc, char** argv) {
  Client(parse(argc, argv)).run();
  return 0;
}
