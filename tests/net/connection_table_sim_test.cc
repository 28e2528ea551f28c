// The real connection logic over a simulated ring, for many seeds: an echo service on two tables,
// with back pressure, pauses, hand-overs between the tables, deadlines and closes at random
// moments.
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/connection_table.h"
#include "support/sim_ring.h"

namespace ringway::net {
namespace {

using testing::ClientId;
using testing::SimFaults;
using testing::SimNetwork;
using testing::SimRandom;
using testing::SimRing;
using testing::SimRingOptions;

// The n-th byte that a client sends: any loss, repetition or reordering shows.
uint8_t byte_at(ClientId client, size_t position) {
  uint64_t x = (static_cast<uint64_t>(client) << 40) + position / 7;
  x *= 0x9e3779b97f4a7c15ULL;
  return static_cast<uint8_t>((x >> 32) + position);
}

Now now_of(const SimNetwork& network) { return {network.now_ns(), network.now_ns()}; }

// What an echo connection remembers; it moves along with the socket.
struct EchoState {
  Bytes stash;  // received, but refused by the output queue
  bool paused_for_output = false;
};

class EchoWorker final : public ConnectionHandler {
 public:
  EchoWorker(SimNetwork& network, const SimRingOptions& ring_options,
             const ConnectionTableOptions& options)
      : network_(network),
        ring_(network, ring_options),
        table_(options, ring_, *this, counters_, now_of(network)) {}

  void on_accept(ConnectionHandle handle, uint16_t) override { begin(handle, nullptr); }
  void on_bytes(ConnectionHandle handle, ByteSpan bytes) override {
    EchoState* state = find(handle);
    ASSERT_NE(state, nullptr) << "bytes for a connection that is gone";
    borrowed_.push_back({handle, bytes, Bytes(bytes.begin(), bytes.end())});
  }
  void on_send_drained(ConnectionHandle handle) override {
    EchoState* state = find(handle);
    ASSERT_NE(state, nullptr);
    if (!state->paused_for_output) return;
    state->paused_for_output = false;
    Bytes stash;
    stash.swap(state->stash);
    echo(handle, stash);
    if (!state->paused_for_output) table_.resume(handle);
  }
  void on_timer(ConnectionHandle handle, TimerKind kind) override {
    ASSERT_NE(find(handle), nullptr);
    ++timers_fired;
    EXPECT_NE(kind, TimerKind::kDrain);
    table_.close(handle, kind == TimerKind::kIdle ? CloseMode::kNow : CloseMode::kFlush);
  }
  void on_closed(ConnectionHandle handle, CloseReason reason) override {
    EXPECT_EQ(table_.context(handle), find(handle));
    EXPECT_NE(reason, CloseReason::kNone);
    ASSERT_EQ(states_.erase(handle.slot), 1U) << "closed twice, or never begun";
    ++closed;
  }
  void on_detached(ConnectionHandle handle, DetachedSocket&& socket) override {
    ASSERT_NE(find(handle), nullptr);
    auto node = states_.extract(handle.slot);
    ++detached;
    handed_over.push_back({std::move(socket), std::move(node.mapped())});
  }

  void begin(ConnectionHandle handle, std::unique_ptr<EchoState> state) {
    auto& place = states_[handle.slot];
    ASSERT_EQ(place, nullptr) << "slot used twice";
    place = state != nullptr ? std::move(state) : std::make_unique<EchoState>();
    table_.set_context(handle, place.get());
    handles_[handle.slot] = handle;
    ++begun;
    if (place->paused_for_output) table_.pause(handle);
  }

  void turn() {
    std::array<Completion, 32> completions;
    const int64_t wake_ns = table_.next_wake_ns();
    const int64_t timeout_ns =
        wake_ns == kNoDeadline ? kWaitForever : std::max<int64_t>(wake_ns - network_.now_ns(), 0);
    const size_t count = ring_.turn(completions, timeout_ns);
    table_.process(std::span(completions).first(count), now_of(network_));
    // The echo is late on purpose: received bytes must still be there at the end of the turn.
    for (const Borrowed& borrowed : borrowed_) {
      if (!equal(borrowed.bytes, borrowed.copy)) network_.violate("received bytes changed early");
      if (find(borrowed.handle) != nullptr) echo(borrowed.handle, borrowed.copy);
    }
    borrowed_.clear();
    table_.release_received();
    table_.flush_sends();
    table_.expire(now_of(network_));
  }

  // Undoes the pauses that the test made for no reason.
  void resume_all() {
    for (const auto& [slot, state] : states_) {
      if (!state->paused_for_output) table_.resume(handles_[slot]);
    }
  }

  EchoState* find(ConnectionHandle handle) {
    const auto state = states_.find(handle.slot);
    if (state == states_.end() || !(handles_[handle.slot] == handle)) return nullptr;
    return state->second.get();
  }
  std::optional<ConnectionHandle> any(SimRandom& random) {
    if (states_.empty()) return std::nullopt;
    auto state = states_.begin();
    std::advance(state, static_cast<std::ptrdiff_t>(random.between(0, states_.size() - 1)));
    return handles_[state->first];
  }

  SimRing& ring() { return ring_; }
  ConnectionTable& table() { return table_; }
  CounterBlock& counters() { return counters_; }

  size_t begun = 0;
  size_t closed = 0;
  size_t detached = 0;
  size_t timers_fired = 0;
  struct HandedOver {
    DetachedSocket socket;
    std::unique_ptr<EchoState> state;
  };
  std::vector<HandedOver> handed_over;

 private:
  struct Borrowed {
    ConnectionHandle handle;
    ByteSpan bytes;
    Bytes copy;
  };

  void echo(ConnectionHandle handle, ByteView bytes) {
    EchoState* state = find(handle);
    if (!state->stash.empty() || state->paused_for_output) {
      state->stash.insert(state->stash.end(), bytes.begin(), bytes.end());
      return;
    }
    while (!bytes.empty()) {
      // In two parts, both reserved before either is filled, as the seal stage does.
      const size_t first_size = std::min<size_t>(bytes.size(), 60);
      const size_t second_size = std::min<size_t>(bytes.size() - first_size, 60);
      const ByteSpan first = table_.reserve(handle, first_size);
      if (first.empty()) {
        hold(handle, *state, bytes);
        return;
      }
      const ByteSpan second = table_.reserve(handle, second_size);
      std::copy_n(bytes.begin(), first.size(), first.begin());
      bytes = bytes.subspan(first.size());
      std::copy_n(bytes.begin(), second.size(), second.begin());
      bytes = bytes.subspan(second.size());
      table_.commit(handle);
    }
  }
  void hold(ConnectionHandle handle, EchoState& state, ByteView bytes) {
    state.stash.assign(bytes.begin(), bytes.end());
    if (!table_.is_open(handle)) return;
    state.paused_for_output = true;
    table_.pause(handle);
  }

  SimNetwork& network_;
  CounterBlock counters_;
  SimRing ring_;
  ConnectionTable table_;
  std::map<uint32_t, std::unique_ptr<EchoState>> states_;
  std::map<uint32_t, ConnectionHandle> handles_;
  std::vector<Borrowed> borrowed_;
};

struct EchoClient {
  ClientId id = 0;
  size_t bytes_total = 0;
  size_t sent = 0;
  Bytes received;
  bool finished = false;
  bool was_reset = false;
};

// What a run may do besides echoing.
struct Plan {
  bool hand_over = false;  // detach and adopt
  bool close_at_random = false;
  bool reset_at_random = false;
  bool faults = true;
};

class EchoRun {
 public:
  EchoRun(uint64_t seed, const Plan& plan) : network_(seed), plan_(plan) {
    SimRandom& random = network_.random();
    SimRingOptions ring_options;
    ring_options.buffers = static_cast<unsigned>(random.between(2, 24));
    ring_options.buffer_bytes = random.between(16, 400);
    if (plan.faults) ring_options.faults = SimFaults::any(random);
    ConnectionTableOptions options;
    options.connections_max = static_cast<uint32_t>(random.between(6, 12));
    options.output_bytes_max = random.between(500, 6000);
    options.output_high_bytes = options.output_bytes_max / 2;
    options.output_low_bytes = options.output_bytes_max / 4;
    network_.set_send_buffer_bytes(random.between(50, 3000));
    for (auto& worker : workers_) {
      worker = std::make_unique<EchoWorker>(network_, ring_options, options);
    }
    listener_ = network_.listen();
    workers_[0]->table().add_listener(OwnedFd(listener_));
    clients_.resize(random.between(1, 6));
    for (EchoClient& client : clients_) {
      client.bytes_total = random.between(0, 3000);
      client.id = network_.connect(listener_);
    }
  }

  void run() {
    for (int round = 0; round < 3000 && !all_done(); ++round) {
      for (EchoClient& client : clients_) drive(client);
      if (plan_.hand_over || plan_.close_at_random) meddle();
      turn_all();
    }
  }

  // Ends everything and checks what must hold after any run.
  void finish() {
    for (auto& worker : workers_) worker->ring().set_faults({});
    for (EchoClient& client : clients_) network_.finish(client.id);
    workers_[0]->table().stop_accepting();
    for (int round = 0; round < 4000 && !is_quiet(); ++round) {
      for (EchoClient& client : clients_) drain(client);
      for (auto& worker : workers_) worker->resume_all();
      turn_all();
    }
    for (EchoClient& client : clients_) drain(client);
    for (auto& worker : workers_) {
      EXPECT_EQ(worker->table().size(), 0U);
      EXPECT_EQ(worker->ring().buffers_out(), 0U);
      EXPECT_EQ(worker->ring().operations(), 0U);
      EXPECT_EQ(worker->table().output_bytes(), 0U);
      EXPECT_EQ(worker->begun, worker->closed + worker->detached);
      EXPECT_EQ(worker->counters().read(Counter::kConnectionsClosed), worker->closed);
      EXPECT_EQ(worker->counters().read(Counter::kConnectionsMovedOut), worker->detached);
    }
    EXPECT_EQ(network_.open_descriptors(), 0U);
    EXPECT_TRUE(network_.violations().empty());
    for (const EchoClient& client : clients_) {
      for (size_t i = 0; i < client.received.size(); ++i) {
        ASSERT_EQ(client.received[i], byte_at(client.id, i))
            << "client " << client.id << " at " << i;
      }
    }
  }

  SimNetwork& network() { return network_; }
  EchoWorker& worker(size_t index) { return *workers_[index]; }
  std::vector<EchoClient>& clients() { return clients_; }

 private:
  void drive(EchoClient& client) {
    SimRandom& random = network_.random();
    if (client.sent < client.bytes_total && random.chance(50)) {
      const size_t size = random.between(1, client.bytes_total - client.sent);
      Bytes bytes;
      for (size_t i = 0; i < size; ++i) bytes.push_back(byte_at(client.id, client.sent + i));
      network_.write(client.id, bytes);
      client.sent += size;
    }
    if (random.chance(60)) drain(client, random.between(1, 2000));
    if (plan_.reset_at_random && random.chance(1)) {
      network_.reset(client.id);
      client.was_reset = true;
    }
  }
  void drain(EchoClient& client, size_t size_max = SIZE_MAX) {
    const Bytes bytes = network_.read(client.id, size_max);
    client.received.insert(client.received.end(), bytes.begin(), bytes.end());
  }

  void meddle() {
    SimRandom& random = network_.random();
    EchoWorker& worker = *workers_[random.between(0, 1)];
    const auto handle = worker.any(random);
    if (!handle) return;
    if (plan_.hand_over && random.chance(10)) worker.table().detach(*handle);
    if (random.chance(10)) worker.table().pause(*handle);
    if (random.chance(30) && !worker.find(*handle)->paused_for_output) {
      worker.table().resume(*handle);
    }
    if (!plan_.close_at_random) {
      // A pause of ours must not outlive the round: nobody else ends it.
      if (!worker.find(*handle)->paused_for_output) worker.table().resume(*handle);
      return;
    }
    if (random.chance(4)) worker.table().close(*handle, CloseMode::kFlush);
    if (random.chance(4)) worker.table().close(*handle, CloseMode::kNow);
    if (random.chance(5)) {
      const auto kind = static_cast<TimerKind>(random.between(0, 4));
      const int64_t delay_ns = static_cast<int64_t>(random.between(0, 100)) * kNsPerMs;
      worker.table().set_deadline(*handle, kind, network_.now_ns() + delay_ns);
      if (random.chance(30)) worker.table().set_deadline(*handle, kind, kNoDeadline);
    }
  }

  void turn_all() {
    for (size_t i = 0; i < workers_.size(); ++i) {
      workers_[i]->turn();
      EchoWorker& other = *workers_[1 - i];
      for (auto& moved : workers_[i]->handed_over) {
        const ConnectionHandle handle = other.table().adopt(std::move(moved.socket));
        ASSERT_TRUE(handle.valid());
        other.begin(handle, std::move(moved.state));
      }
      workers_[i]->handed_over.clear();
    }
  }
  bool all_done() {
    for (const EchoClient& client : clients_) {
      const bool is_over = client.was_reset || network_.saw_reset(client.id) ||
                           network_.saw_end(client.id) ||
                           client.received.size() == client.bytes_total;
      if (!is_over) return false;
    }
    return true;
  }
  bool is_quiet() {
    for (auto& worker : workers_) {
      if (worker->table().size() > 0 || worker->ring().operations() > 0) return false;
    }
    return network_.open_descriptors() == 0;
  }

  SimNetwork network_;
  const Plan plan_;
  std::array<std::unique_ptr<EchoWorker>, 2> workers_;
  int listener_ = -1;
  std::vector<EchoClient> clients_;
};

// RINGWAY_SIM_SEEDS multiplies nothing and hides nothing: it only replaces the number of seeds.
uint64_t seed_count(uint64_t usual) {
  const char* text = std::getenv("RINGWAY_SIM_SEEDS");
  return text != nullptr ? std::strtoull(text, nullptr, 10) : usual;
}

TEST(ConnectionTableSim, EchoesEverythingOverAnUnkindNetwork) {
  for (uint64_t seed = 1; seed <= seed_count(4000); ++seed) {
    SCOPED_TRACE(seed);
    EchoRun run(seed, {.hand_over = false});
    run.run();
    for (const EchoClient& client : run.clients()) {
      ASSERT_EQ(client.received.size(), client.bytes_total) << "client " << client.id;
    }
    run.finish();
    if (HasFailure()) return;
  }
}

TEST(ConnectionTableSim, EchoesEverythingWhileConnectionsMove) {
  size_t moves = 0;
  for (uint64_t seed = 1; seed <= seed_count(4000); ++seed) {
    SCOPED_TRACE(seed);
    EchoRun run(seed, {.hand_over = true});
    run.run();
    for (const EchoClient& client : run.clients()) {
      ASSERT_EQ(client.received.size(), client.bytes_total) << "client " << client.id;
    }
    run.finish();
    moves += run.worker(0).detached + run.worker(1).detached;
    if (HasFailure()) return;
  }
  EXPECT_GT(moves, seed_count(4000));
}

TEST(ConnectionTableSim, SurvivesClosesResetsAndDeadlinesAtAnyMoment) {
  size_t timers = 0;
  for (uint64_t seed = 1; seed <= seed_count(6000); ++seed) {
    SCOPED_TRACE(seed);
    EchoRun run(seed, {.hand_over = true, .close_at_random = true, .reset_at_random = true});
    run.run();
    run.finish();
    timers += run.worker(0).timers_fired + run.worker(1).timers_fired;
    if (HasFailure()) return;
  }
  EXPECT_GT(timers, 0U);
}

TEST(ConnectionTableSim, SameSeedGivesTheSameRun) {
  const auto trace = [](uint64_t seed) {
    EchoRun run(seed, {.hand_over = true, .close_at_random = true, .reset_at_random = true});
    run.run();
    run.finish();
    return run.network().random().next();
  };
  EXPECT_EQ(trace(7), trace(7));
  EXPECT_NE(trace(7), trace(8));
}

}  // namespace
}  // namespace ringway::net
