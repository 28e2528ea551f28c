#include "net/uring_ring.h"

#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>

#include "base/clock.h"
#include "base/limits.h"
#include "net/inbox.h"
#include "net/listener.h"
#include "net/test_client.h"
#include "net/uring_setup.h"

namespace ringway::net {
namespace {

std::unique_ptr<UringRing> make_ring(const UringOptions& options = {
                                         .entries = 64, .buffers = 8, .buffer_bytes = 128}) {
  auto created = UringRing::create(options);
  EXPECT_EQ(created.error, "");
  EXPECT_EQ(created.ring->start(), "");
  return std::move(created.ring);
}

struct SocketPair {
  SocketPair() {
    int fds[2];
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
    ours = OwnedFd(fds[0]);
    theirs = OwnedFd(fds[1]);
  }
  OwnedFd ours;
  OwnedFd theirs;
};

// Turns until `count` completions came, at most two seconds.
std::vector<Completion> collect(UringRing& ring, size_t count) {
  std::vector<Completion> all;
  std::array<Completion, 16> some;
  const int64_t deadline_ns = read_clock_ns(CLOCK_MONOTONIC) + 2 * kNsPerSecond;
  while (all.size() < count && read_clock_ns(CLOCK_MONOTONIC) < deadline_ns) {
    const size_t got = ring.turn(some, 100 * kNsPerMs);
    all.insert(all.end(), some.begin(), some.begin() + static_cast<std::ptrdiff_t>(got));
  }
  return all;
}

constexpr uint64_t data(RingOp op, uint32_t slot) { return make_user_data(op, {slot, 5}); }

TEST(UserData, RoundTrips) {
  const uint64_t user_data = make_user_data(RingOp::kSend, {0xdeadbeef, 0xabcdef});
  EXPECT_EQ(op_of(user_data), RingOp::kSend);
  EXPECT_EQ(handle_of(user_data).slot, 0xdeadbeefU);
  EXPECT_EQ(handle_of(user_data).generation, 0xabcdefU);
}

TEST(UringRing, ReceivesIntoBuffersAndTakesThemBack) {
  auto ring = make_ring();
  SocketPair pair;
  ring->queue_receive(pair.ours.get(), data(RingOp::kReceive, 1));
  // Many times the number of buffers: they go round.
  for (uint64_t i = 0; i < 100; ++i) {
    const Bytes sent = pattern(1 + i, i);
    ASSERT_EQ(::write(pair.theirs.get(), sent.data(), sent.size()),
              static_cast<ssize_t>(sent.size()));
    const auto completions = collect(*ring, 1);
    ASSERT_EQ(completions.size(), 1U);
    ASSERT_TRUE(completions[0].has_buffer);
    EXPECT_TRUE(completions[0].more);
    EXPECT_TRUE(equal(ring->buffer(completions[0].buffer_id, sent.size()), sent));
    ring->give_back(std::array{completions[0].buffer_id});
  }
  pair.theirs.reset();
  const auto end = collect(*ring, 1);
  ASSERT_EQ(end.size(), 1U);
  EXPECT_EQ(end[0].result, 0);
  EXPECT_FALSE(end[0].more);
}

TEST(UringRing, RunsOutOfBuffersWithoutLosingBytes) {
  auto ring = make_ring({.entries = 64, .buffers = 2, .buffer_bytes = 64});
  SocketPair pair;
  const Bytes sent = pattern(64 * 5, 1);
  ASSERT_EQ(::write(pair.theirs.get(), sent.data(), sent.size()),
            static_cast<ssize_t>(sent.size()));
  Bytes received;
  bool ran_out = false;
  ring->queue_receive(pair.ours.get(), data(RingOp::kReceive, 1));
  while (received.size() < sent.size()) {
    const auto completions = collect(*ring, 1);
    ASSERT_FALSE(completions.empty());
    std::vector<uint16_t> ids;
    for (const Completion& completion : completions) {
      if (completion.result == -ENOBUFS) {
        ran_out = true;
        continue;
      }
      const ByteSpan bytes =
          ring->buffer(completion.buffer_id, static_cast<size_t>(completion.result));
      received.insert(received.end(), bytes.begin(), bytes.end());
      ids.push_back(completion.buffer_id);
    }
    ring->give_back(ids);
    if (!completions.back().more) ring->queue_receive(pair.ours.get(), data(RingOp::kReceive, 1));
  }
  EXPECT_TRUE(ran_out);
  EXPECT_EQ(received, sent);
}

TEST(UringRing, GathersPiecesInOrder) {
  auto ring = make_ring();
  SocketPair pair;
  std::array<uint8_t, kSendGatherMax> bytes{};
  std::array<iovec, kSendGatherMax> pieces{};
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(i);
    pieces[i] = {&bytes[i], 1};
  }
  ring->queue_send(pair.ours.get(), pieces, data(RingOp::kSend, 1));
  pieces.fill({});  // the list is copied
  const auto completions = collect(*ring, 1);
  ASSERT_EQ(completions.size(), 1U);
  EXPECT_EQ(completions[0].result, static_cast<int>(bytes.size()));
  std::array<uint8_t, kSendGatherMax> received{};
  ASSERT_EQ(::read(pair.theirs.get(), received.data(), received.size()),
            static_cast<ssize_t>(received.size()));
  EXPECT_EQ(received, bytes);
}

TEST(UringRing, CancelEndsAReceive) {
  auto ring = make_ring();
  SocketPair pair;
  ring->queue_receive(pair.ours.get(), data(RingOp::kReceive, 1));
  ring->queue_cancel(data(RingOp::kReceive, 1), data(RingOp::kCancelReceive, 1));
  ring->queue_cancel(data(RingOp::kReceive, 2), data(RingOp::kCancelReceive, 2));
  const auto completions = collect(*ring, 3);
  ASSERT_EQ(completions.size(), 3U);
  for (const Completion& completion : completions) {
    if (completion.user_data == data(RingOp::kReceive, 1)) {
      EXPECT_EQ(completion.result, -ECANCELED);
      EXPECT_FALSE(completion.more);
    } else if (completion.user_data == data(RingOp::kCancelReceive, 1)) {
      EXPECT_EQ(completion.result, 0);
    } else {
      EXPECT_EQ(completion.result, -ENOENT);
    }
  }
}

TEST(UringRing, MoreOperationsThanEntriesAndMoreCompletionsThanRoom) {
  auto ring = make_ring({.entries = 8, .buffers = 8, .buffer_bytes = 64});
  constexpr uint32_t kCount = 1000;
  for (uint32_t i = 0; i < kCount; ++i) {
    ring->queue_cancel(data(RingOp::kReceive, i), data(RingOp::kCancelReceive, i));
  }
  const auto completions = collect(*ring, kCount);
  ASSERT_EQ(completions.size(), kCount);
  std::vector<bool> seen(kCount, false);
  for (const Completion& completion : completions) {
    ASSERT_FALSE(seen[handle_of(completion.user_data).slot]);
    seen[handle_of(completion.user_data).slot] = true;
  }
}

TEST(UringRing, TimeoutEndsTheWait) {
  auto ring = make_ring();
  std::array<Completion, 4> out;
  const int64_t before_ns = read_clock_ns(CLOCK_MONOTONIC);
  EXPECT_EQ(ring->turn(out, 30 * kNsPerMs), 0U);
  const int64_t waited_ns = read_clock_ns(CLOCK_MONOTONIC) - before_ns;
  EXPECT_GE(waited_ns, 29 * kNsPerMs);
  EXPECT_LT(waited_ns, 5 * kNsPerSecond);
  EXPECT_EQ(ring->turn(out, 0), 0U);
}

// Without the kernel's help everything here holds as well, but that several come with one turn.
TEST(UringRing, GathersCompletionsButNotForLong) {
  auto ring = make_ring({.entries = 64, .buffers = 64, .buffer_bytes = 128});
  const bool gathers = ring->features().find("gathering") != std::string::npos;
  std::array<Completion, 64> out;
  std::array<SocketPair, kGatherCompletions> pairs;
  const auto write_to = [&](size_t i) { ASSERT_EQ(::write(pairs[i].theirs.get(), "x", 1), 1); };
  for (uint32_t i = 0; i < pairs.size(); ++i) {
    ring->queue_receive(pairs[i].ours.get(), data(RingOp::kReceive, i));
  }
  EXPECT_EQ(ring->turn(out, 0), 0U);
  // Nothing at all: the turn's own time ends the wait.
  ring->gather(kNsPerMs);
  EXPECT_EQ(ring->turn(out, 2 * kNsPerMs), 0U);
  // One, and no more to come: it is not kept.
  ring->gather(kNsPerMs);
  write_to(0);
  EXPECT_EQ(ring->turn(out, 60 * kNsPerSecond), 1U);
  // One that comes after the time to gather ends the wait at once; so does a wake.
  ring->gather(kNsPerMs);
  std::thread late([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    write_to(1);
  });
  EXPECT_EQ(ring->turn(out, 60 * kNsPerSecond), 1U);
  late.join();
  ring->gather(kNsPerMs);
  std::thread other([&] { ring->waker().wake(); });
  EXPECT_EQ(ring->turn(out, 60 * kNsPerSecond), 0U);
  other.join();
  // Enough of them end it before the time, and what sends complete is not among them.
  std::thread many([&] {
    for (size_t i = 0; i < pairs.size(); ++i) write_to(i);
  });
  const iovec piece{const_cast<char*>("y"), 1};
  ring->queue_send(pairs[0].ours.get(), std::span(&piece, 1), data(RingOp::kSend, 0));
  ring->gather(60 * kNsPerSecond);
  size_t got = ring->turn(out, 600 * kNsPerSecond);
  many.join();
  if (gathers) {
    EXPECT_EQ(got, pairs.size() + 1);
  }
  while (got < pairs.size() + 1) got += ring->turn(out, kNsPerSecond);
  // It was for one turn only.
  write_to(2);
  EXPECT_EQ(ring->turn(out, 60 * kNsPerSecond), 1U);
}

TEST(UringRing, WakeBeforeAndDuringTheWait) {
  auto ring = make_ring();
  std::array<Completion, 4> out;
  ring->waker().wake();
  ring->waker().wake();
  EXPECT_EQ(ring->turn(out, kWaitForever), 0U);  // returns: it was woken before
  for (int i = 0; i < 100; ++i) {
    std::thread other([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(i * 20));
      ring->waker().wake();
    });
    while (ring->turn(out, kWaitForever) != 0) {
    }
    other.join();
    ring->waker().wake();
    (void)ring->turn(out, 0);
  }
}

// No wake is lost: the consumer sleeps without a timeout whenever its inbox is empty.
TEST(Inbox, StressWithASleepingConsumer) {
  constexpr uint32_t kProducers = 4;
  constexpr uint32_t kMessages = 20'000;
  auto created = UringRing::create({.entries = 64, .buffers = 8, .buffer_bytes = 64});
  ASSERT_EQ(created.error, "");
  UringRing& ring = *created.ring;
  Inbox<uint32_t> inbox(256, ring.waker());
  std::atomic<uint64_t> refused{0};
  std::vector<uint32_t> next(kProducers, 0);
  std::thread consumer([&] {
    ASSERT_EQ(ring.start(), "");
    std::array<Completion, 16> out;
    for (uint32_t got = 0; got < kProducers * kMessages;) {
      ASSERT_EQ(ring.turn(out, inbox.has_message() ? 0 : kWaitForever), 0U);
      inbox.drain(100, [&](uint32_t message) {
        const uint32_t producer = message >> 24;
        ASSERT_EQ(message & 0xffffff, next[producer]) << "order of one producer";
        ++next[producer];
        ++got;
      });
    }
    ring.stop();
  });
  std::vector<std::thread> producers;
  for (uint32_t producer = 0; producer < kProducers; ++producer) {
    producers.emplace_back([&, producer] {
      for (uint32_t i = 0; i < kMessages; ++i) {
        while (!inbox.post(producer << 24 | i)) {
          refused.fetch_add(1);
          std::this_thread::yield();
        }
        if (i % 1000 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
    });
  }
  for (auto& thread : producers) thread.join();
  consumer.join();
  for (const uint32_t count : next) EXPECT_EQ(count, kMessages);
}

TEST(UringRing, StopTakesBackWhatTheKernelHolds) {
  for (const bool polled : {false, true}) {
    UringOptions options{.entries = 64, .buffers = 8, .buffer_bytes = 128};
    options.submission_poll = polled;
    auto ring = make_ring(options);
    SocketPair pair;
    // A send that cannot finish: the peer never reads.
    Bytes large = pattern(8 * 1024 * 1024, 1);
    const iovec piece{large.data(), large.size()};
    ring->queue_receive(pair.ours.get(), data(RingOp::kReceive, 1));
    std::array<Completion, 4> out;
    for (int i = 0; i < 3; ++i) {
      ring->queue_send(pair.ours.get(), std::span(&piece, 1), data(RingOp::kSend, 1));
      if (i < 2) (void)ring->turn(out, 0);
    }
    ring->stop();
    // The kernel reads none of it any more: what the peer finds now was sent before.
    std::fill(large.begin(), large.end(), uint8_t{0});
    const Bytes sent = pattern(large.size(), 1);
    Bytes got(large.size());
    size_t size = 0;
    for (ssize_t count = 0; (count = ::read(pair.theirs.get(), got.data(), got.size())) > 0;) {
      for (ssize_t i = 0; i < count; ++i, ++size) {
        ASSERT_EQ(got[static_cast<size_t>(i)], sent[size % sent.size()]) << polled;
      }
    }
    EXPECT_GT(size, 0U);
  }
}

TEST(UringRing, PeerAddressAndFeatures) {
  auto ring = make_ring();
  const auto listener = open_listener(*parse_socket_address("127.0.0.1:0"), {});
  ASSERT_EQ(listener.error, "");
  ring->queue_accept(listener.fd.get(), data(RingOp::kAccept, 0));
  TestClient client(listener.address);
  const auto completions = collect(*ring, 1);
  ASSERT_EQ(completions.size(), 1U);
  ASSERT_GE(completions[0].result, 0);
  EXPECT_TRUE(completions[0].more);
  const auto peer = ring->peer_address(completions[0].result);
  ASSERT_TRUE(peer.has_value());
  EXPECT_EQ(peer->ip_text().view(), "127.0.0.1");
  EXPECT_FALSE(peer->by_unix_socket);
  ring->close_now(completions[0].result);
  EXPECT_NE(ring->features().find("64 entries, 8 buffers of 128 bytes"), std::string::npos)
      << ring->features();
}

// A peer that resets its connection while it waits to be accepted leaves no address behind.
TEST(UringRing, WhoWasGoneBeforeTheAcceptHasNoAddress) {
  auto ring = make_ring();
  const auto listener = open_listener(*parse_socket_address("127.0.0.1:0"), {});
  ASSERT_EQ(listener.error, "");
  {
    TestClient client(listener.address);
    ASSERT_TRUE(client.connected());
    const linger at_once{1, 0};
    ASSERT_EQ(setsockopt(client.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once), 0);
  }
  ring->queue_accept(listener.fd.get(), data(RingOp::kAccept, 0));
  const auto completions = collect(*ring, 1);
  ASSERT_EQ(completions.size(), 1U);
  ASSERT_GE(completions[0].result, 0);
  EXPECT_EQ(ring->peer_address(completions[0].result), std::nullopt);
  ring->close_now(completions[0].result);
}

TEST(UringSetup, ErrorsNameTheCauseAndTheRemedy) {
  UringEnvironment machine;
  machine.kernel_release = "5.10.0";
  machine.memlock_bytes = 64 * 1024;
  const auto text = [&](int error) {
    return explain_uring_error("set up io_uring", error, machine);
  };
  EXPECT_NE(text(ENOSYS).find("5.10.0"), std::string::npos);
  EXPECT_NE(text(ENOSYS).find("seccomp"), std::string::npos);
  EXPECT_NE(text(EINVAL).find("Linux 6.0"), std::string::npos);
  EXPECT_NE(text(ENOMEM).find("64 KiB"), std::string::npos);
  EXPECT_NE(text(EPERM).find("seccomp"), std::string::npos);
  machine.io_uring_disabled = 2;
  EXPECT_NE(text(EPERM).find("sysctl -w kernel.io_uring_disabled=0"), std::string::npos);
  machine.io_uring_disabled = 1;
  EXPECT_NE(text(EPERM).find("kernel.io_uring_group"), std::string::npos);
}

TEST(UringRing, BusyPollAndSubmissionPollCarryBytes) {
  for (const bool busy : {false, true}) {
    UringOptions options{.entries = 64, .buffers = 8, .buffer_bytes = 128};
    options.busy_poll_us = busy ? 20 : 0;
    options.submission_poll = !busy;
    options.submission_poll_idle_ms = 1;
    auto created = UringRing::create(options);
    if (busy && created.ring == nullptr) {
      EXPECT_NE(created.error.find("Linux 6.9"), std::string::npos) << created.error;
      continue;
    }
    ASSERT_EQ(created.error, "");
    ASSERT_EQ(created.ring->start(), "");
    EXPECT_NE(created.ring->features().find(busy ? "busy poll of 20 us" : "submission poll"),
              std::string::npos)
        << created.ring->features();
    SocketPair pair;
    created.ring->queue_receive(pair.ours.get(), data(RingOp::kReceive, 1));
    for (uint64_t i = 0; i < 50; ++i) {
      const Bytes sent = pattern(1 + i, i);
      const iovec pieces[] = {{const_cast<uint8_t*>(sent.data()), 1},
                              {const_cast<uint8_t*>(sent.data()) + 1, sent.size() - 1}};
      created.ring->queue_send(pair.ours.get(), std::span(pieces).first(i == 0 ? 1 : 2),
                               data(RingOp::kSend, 2));
      const auto completions = collect(*created.ring, 1);
      ASSERT_EQ(completions.size(), 1U);
      EXPECT_EQ(completions[0].result, static_cast<int>(sent.size()));
      Bytes got(sent.size());
      ASSERT_EQ(::read(pair.theirs.get(), got.data(), got.size()),
                static_cast<ssize_t>(sent.size()));
      EXPECT_TRUE(equal(got, sent));
      ASSERT_EQ(::write(pair.theirs.get(), sent.data(), sent.size()),
                static_cast<ssize_t>(sent.size()));
      const auto received = collect(*created.ring, 1);
      ASSERT_EQ(received.size(), 1U);
      EXPECT_TRUE(equal(created.ring->buffer(received[0].buffer_id, sent.size()), sent));
      created.ring->give_back(std::array{received[0].buffer_id});
    }
    created.ring->stop();
  }
}

// More gathered sends than the submission queue has places, again and again, while the kernel's
// thread takes them: their headers are used in turn and none too early.
TEST(UringRing, SubmissionPollKeepsHeadersUntilTheyAreTaken) {
  UringOptions options{.entries = 8, .buffers = 8, .buffer_bytes = 128};
  options.submission_poll = true;
  options.submission_poll_idle_ms = 1;
  auto created = UringRing::create(options);
  ASSERT_EQ(created.error, "");
  ASSERT_EQ(created.ring->start(), "");
  SocketPair pair;
  uint32_t sent = 0;
  uint32_t expected = 0;
  for (int round = 0; round < 200; ++round) {
    std::array<std::array<uint32_t, 2>, 20> numbers;
    for (auto& number : numbers) {
      number = {sent, ~sent};
      ++sent;
      const iovec pieces[] = {{&number[0], 4}, {&number[1], 4}};
      created.ring->queue_send(pair.ours.get(), pieces, data(RingOp::kSend, 1));
    }
    ASSERT_EQ(collect(*created.ring, numbers.size()).size(), numbers.size());
    for (size_t i = 0; i < numbers.size(); ++i, ++expected) {
      uint32_t got[2] = {};
      ASSERT_EQ(::read(pair.theirs.get(), got, sizeof got), 8);
      ASSERT_EQ(got[0], expected);
      ASSERT_EQ(got[1], ~expected);
    }
  }
  created.ring->stop();
}

// A worker's thread has ended with an operation that the sleeping thread of the kernel has not
// taken: whoever ends the ring wakes that thread, and needs nothing of the worker's for it.
TEST(UringRing, SubmissionPollEndsFromAnotherThread) {
  UringOptions options{.entries = 8, .buffers = 8, .buffer_bytes = 128};
  options.submission_poll = true;
  options.submission_poll_idle_ms = 1;
  auto created = UringRing::create(options);
  ASSERT_EQ(created.error, "");
  SocketPair pair;
  std::thread worker([&] {
    ASSERT_EQ(created.ring->start(), "");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    created.ring->queue_receive(pair.ours.get(), data(RingOp::kReceive, 1));
  });
  worker.join();
  created.ring->stop();
}

TEST(UringSetup, OptionsThatTheKernelLacksAreNamedByTheirKeys) {
  UringEnvironment machine;
  machine.kernel_release = "6.1.0";
  EXPECT_EQ(
      explain_busy_poll_error(EINVAL, machine),
      "Ringway.Workers.BusyPollMicroseconds: this kernel (6.1.0) cannot busy-poll for a ring: "
      "it takes Linux 6.9 or newer, built with CONFIG_NET_RX_BUSY_POLL; 0 turns it off");
  EXPECT_NE(explain_busy_poll_error(EPERM, machine).find("seccomp"), std::string::npos);
  EXPECT_NE(explain_submission_poll_error(EINVAL, 5, machine)
                .find("Ringway.Workers.SubmissionPoll: the kernel (6.1.0) refuses a polling thread "
                      "on core 5"),
            std::string::npos);
  EXPECT_NE(explain_submission_poll_error(EPERM, -1, machine).find("seccomp"), std::string::npos);
}

TEST(UringSetup, APollingThreadOnACoreThatIsNotThereIsRefused) {
  UringOptions options{.entries = 64, .buffers = 8, .buffer_bytes = 128};
  options.submission_poll = true;
  options.submission_poll_core = 4095;
  const auto created = UringRing::create(options);
  EXPECT_EQ(created.ring, nullptr);
  EXPECT_NE(created.error.find("Ringway.Workers.SubmissionPoll"), std::string::npos)
      << created.error;
}

// In a process of its own, in which io_uring_setup() fails as a container's filter makes it fail.
int create_under_filter(int error) {
  sock_filter program[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | static_cast<unsigned>(error)),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  const sock_fprog filter{4, program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 2;
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) return 3;
  const auto created = UringRing::create({});
  if (created.ring != nullptr) return 4;
  return created.error.find("seccomp") != std::string::npos ? 0 : 5;
}

TEST(UringSetup, SeccompIsNamed) {
  for (const int error : {EPERM, ENOSYS}) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) _exit(create_under_filter(error));
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0) << "errno " << error;
  }
}

}  // namespace
}  // namespace ringway::net
