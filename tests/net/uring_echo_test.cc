// The connection table over the real io_uring, on loopback.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <thread>
#include <vector>

#include "net/echo_server.h"
#include "net/test_client.h"

namespace ringway::net {
namespace {

// Writes everything from one thread while another reads, and compares.
void expect_echo(TestClient& client, size_t size, uint64_t seed) {
  const Bytes sent = pattern(size, seed);
  std::thread writer([&] { EXPECT_TRUE(client.write(sent)); });
  const Bytes received = client.read(size);
  writer.join();
  EXPECT_EQ(received.size(), size) << "errno " << client.error();
  EXPECT_TRUE(equal(received, sent));
}

SocketAddress with_port(const char* text, uint16_t port) {
  SocketAddress address = *parse_socket_address(text);
  address.set_port(port);
  return address;
}

TEST(UringEcho, IPv4IPv6AndDualStack) {
  EchoServer server({.addresses = {"127.0.0.1:0", "[::1]:0", "*:0"}});
  ASSERT_EQ(server.error, "");
  server.start();
  const uint16_t dual_port = server.addresses[2].port();
  for (const SocketAddress& address :
       {server.addresses[0], server.addresses[1], with_port("127.0.0.1:0", dual_port),
        with_port("[::1]:0", dual_port)}) {
    TestClient client(address);
    ASSERT_TRUE(client.connected()) << address.to_string();
    expect_echo(client, 100'000, 1);
  }
  server.stop();
  ASSERT_EQ(server.peers.size(), 4U);
  EXPECT_EQ(server.peers[0].ip_text().view(), "127.0.0.1");
  EXPECT_EQ(server.peers[1].ip_text().view(), "::1");
  EXPECT_EQ(server.peers[2].ip_text().view(), "127.0.0.1");
  EXPECT_EQ(server.peers[3].ip_text().view(), "::1");
  EXPECT_EQ(server.closed.load(), 4U);
}

TEST(UringEcho, TwoWorkersShareAPort) {
  EchoServer first({});
  ASSERT_EQ(first.error, "");
  EchoServer second({.addresses = {first.addresses[0].to_string()}});
  ASSERT_EQ(second.error, "");
  first.start();
  second.start();
  for (uint64_t i = 0; i < 64; ++i) {
    TestClient client(first.addresses[0]);
    expect_echo(client, 1000, i);
  }
  EXPECT_GT(first.count(Counter::kConnectionsAccepted), 0U);
  EXPECT_GT(second.count(Counter::kConnectionsAccepted), 0U);
}

TEST(UringEcho, ThousandsOfConnections) {
  constexpr size_t kClients = 3000;
  ASSERT_GE(raise_open_files(2 * kClients + 100), 2 * kClients + 100);
  EchoServer server({});
  ASSERT_EQ(server.error, "");
  server.start();
  std::vector<TestClient> clients;
  for (size_t i = 0; i < kClients; ++i) {
    clients.emplace_back(server.addresses[0]);
    ASSERT_TRUE(clients.back().connected()) << i;
  }
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < kClients; ++i) ASSERT_TRUE(clients[i].write(pattern(200, i)));
    for (size_t i = 0; i < kClients; ++i) ASSERT_TRUE(equal(clients[i].read(200), pattern(200, i)));
  }
  EXPECT_EQ(server.size(), kClients);
  clients.clear();
  EXPECT_TRUE(eventually([&] { return server.size() == 0; }));
  EXPECT_EQ(server.count(Counter::kConnectionsClosed), kClients);
}

TEST(UringEcho, SmallSocketBuffersAndSlowReaders) {
  EchoOptions options;
  options.listener.send_buffer_bytes = 4096;
  options.table.output_bytes_max = 64 * 1024;
  options.table.output_high_bytes = 32 * 1024;
  options.table.output_low_bytes = 8 * 1024;
  EchoServer server(options);
  ASSERT_EQ(server.error, "");
  server.start();
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      TestClient client(server.addresses[0], 4096);
      expect_echo(client, 2'000'000, i);
    });
  }
  for (auto& thread : threads) thread.join();
  server.stop();
  EXPECT_GT(server.count(Counter::kSendQueueOverflows), 0U);
  EXPECT_EQ(server.count(Counter::kBytesSent), 8'000'000U);
}

TEST(UringEcho, FewTinyBuffers) {
  EchoOptions options;
  options.ring.buffers = 2;
  options.ring.buffer_bytes = 64;
  EchoServer server(options);
  ASSERT_EQ(server.error, "");
  server.start();
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 20; ++i) {
    threads.emplace_back([&, i] {
      TestClient client(server.addresses[0]);
      expect_echo(client, 20'000, i);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_GT(server.count(Counter::kReceiveBuffersExhausted), 0U);
}

TEST(UringEcho, ResetsAtAnyMoment) {
  EchoServer server({});
  ASSERT_EQ(server.error, "");
  server.start();
  for (uint64_t i = 0; i < 200; ++i) {
    TestClient client(server.addresses[0]);
    ASSERT_TRUE(client.connected());
    (void)client.write(pattern(1 + i * 100, i));
    if (i % 3 == 0) (void)client.read(1 + i * 10);
    client.reset();
  }
  // Some were gone before they were accepted.
  EXPECT_TRUE(eventually(
      [&] { return server.closed.load() + server.count(Counter::kAcceptErrors) == 200; }));
  EXPECT_GT(server.reset.load(), 0U);
  TestClient client(server.addresses[0]);
  expect_echo(client, 1000, 1);
}

TEST(UringEcho, HalfClosedClientStillGetsItsBytes) {
  EchoServer server({});
  ASSERT_EQ(server.error, "");
  server.start();
  TestClient client(server.addresses[0]);
  const Bytes sent = pattern(300'000, 5);
  std::thread writer([&] {
    EXPECT_TRUE(client.write(sent));
    client.finish();
  });
  EXPECT_TRUE(equal(client.read(sent.size() + 1), sent));
  EXPECT_EQ(client.error(), 0);
  writer.join();
}

// Unread input turns a plain close into a reset that may destroy the answer: the linger prevents
// it.
TEST(UringEcho, LastAnswerIsReadAlthoughInputWasLeft) {
  EchoServer server({.only_answer = "the last words"});
  ASSERT_EQ(server.error, "");
  server.start();
  for (uint64_t i = 0; i < 50; ++i) {
    TestClient client(server.addresses[0]);
    ASSERT_TRUE(client.write(pattern(50'000, i)));
    EXPECT_EQ(as_text(client.read(100)), "the last words");
    EXPECT_EQ(client.error(), 0) << "a reset instead of an end";
  }
}

TEST(UringEcho, LingerEnds) {
  EchoOptions options;
  options.only_answer = "bye";
  options.table.linger_ns = 50 * kNsPerMs;
  EchoServer server(options);
  ASSERT_EQ(server.error, "");
  server.start();
  TestClient client(server.addresses[0]);
  ASSERT_TRUE(client.write(pattern(10, 1)));
  EXPECT_EQ(as_text(client.read(10)), "bye");
  // The client keeps its side open; the server does not wait for it.
  EXPECT_TRUE(eventually([&] { return server.closed.load() == 1; }, 2 * kNsPerSecond));
}

TEST(UringEcho, FullTableRefusesAndRecovers) {
  EchoOptions options;
  options.table.connections_max = 4;
  EchoServer server(options);
  ASSERT_EQ(server.error, "");
  server.start();
  std::vector<TestClient> clients;
  for (uint64_t i = 0; i < 4; ++i) {
    clients.emplace_back(server.addresses[0]);
    expect_echo(clients.back(), 100, i);
  }
  TestClient refused(server.addresses[0]);
  EXPECT_TRUE(refused.read(1).empty());
  EXPECT_EQ(server.count(Counter::kConnectionsRefusedFull), 1U);
  clients.pop_back();
  ASSERT_TRUE(eventually([&] { return server.size() == 3; }));
  TestClient again(server.addresses[0]);
  expect_echo(again, 100, 9);
}

TEST(UringEcho, IdleDeadlineCloses) {
  EchoServer server({.idle_timeout_ns = 60 * kNsPerMs});
  ASSERT_EQ(server.error, "");
  server.start();
  TestClient client(server.addresses[0]);
  const int64_t before_ns = read_clock_ns(CLOCK_MONOTONIC);
  EXPECT_TRUE(client.read(1).empty());
  EXPECT_EQ(client.error(), 0);
  const int64_t waited_ns = read_clock_ns(CLOCK_MONOTONIC) - before_ns;
  EXPECT_GE(waited_ns, 60 * kNsPerMs);
  EXPECT_LT(waited_ns, 3 * kNsPerSecond);
  EXPECT_EQ(server.timed_out.load(), 1U);
}

TEST(UringEcho, StopFlushesAndCloses) {
  EchoServer server({});
  ASSERT_EQ(server.error, "");
  server.start();
  TestClient client(server.addresses[0]);
  expect_echo(client, 1000, 1);
  std::thread reader([&] {
    EXPECT_TRUE(client.read(1).empty());
    client.close();
  });
  server.stop();
  reader.join();
  EXPECT_EQ(server.closed.load(), 1U);
  EXPECT_FALSE(TestClient(server.addresses[0]).connected());
}

// Out of descriptors: accepting backs off, nobody is lost, and it recovers.
int run_out_of_descriptors() {
  EchoServer server({});
  if (!server.error.empty()) return 2;
  const int next_fd = ::dup(0);
  ::close(next_fd);
  const rlimit few{static_cast<rlim_t>(next_fd + 30), static_cast<rlim_t>(next_fd + 30)};
  if (setrlimit(RLIMIT_NOFILE, &few) != 0) return 3;
  server.start();  // an accept goes by the limit of the moment it was queued
  std::vector<OwnedFd> sockets;
  for (int i = 0; i < 24; ++i) sockets.emplace_back(::socket(AF_INET, SOCK_STREAM, 0));
  std::vector<TestClient> clients;
  for (OwnedFd& socket : sockets) {
    clients.emplace_back(std::move(socket), server.addresses[0]);  // the backlog takes them
    if (!clients.back().connected()) return 4;
  }
  if (!eventually([&] { return server.count(Counter::kAcceptBackoffs) > 0; })) return 5;
  for (uint64_t i = 0; i < clients.size(); ++i) {
    if (!clients[i].write(pattern(100, i))) return 6;
    if (!equal(clients[i].read(100), pattern(100, i))) return 7;
    clients[i].close();
  }
  return 0;
}

TEST(UringEcho, RunsOutOfDescriptorsAndRecovers) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(run_out_of_descriptors());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Connections travel to and fro between two threads under traffic, and not a byte is lost.
TEST(UringEcho, ConnectionsMoveBetweenThreads) {
  EchoOptions options;
  options.move_after_bytes = 20'000;
  options.listener.send_buffer_bytes = 8192;
  options.table.output_bytes_max = 64 * 1024;
  options.table.output_high_bytes = 32 * 1024;
  options.table.output_low_bytes = 16 * 1024;
  EchoServer first(options);
  EchoServer second(options);
  ASSERT_EQ(first.error + second.error, "");
  first.next = &second;
  second.next = &first;
  first.start();
  second.start();
  std::vector<std::thread> threads;
  for (uint64_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      TestClient client(i % 2 == 0 ? first.addresses[0] : second.addresses[0]);
      expect_echo(client, 1'000'000, i);
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_TRUE(eventually([&] { return first.size() + second.size() == 0; }));
  const uint64_t moves =
      first.count(Counter::kConnectionsMovedOut) + second.count(Counter::kConnectionsMovedOut);
  EXPECT_GT(moves, 50U);
  EXPECT_EQ(moves,
            first.count(Counter::kConnectionsMovedIn) + second.count(Counter::kConnectionsMovedIn));
}

}  // namespace
}  // namespace ringway::net
