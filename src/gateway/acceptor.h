// gateway/acceptor: accepts from the sockets of which there is only one, and deals to the workers.
//
// Of a TCP address every worker has a socket of its own and the kernel spreads the connections. A
// unix socket cannot be opened twice, nor can what systemd hands over, and a worker that accepted
// for all would be slower than the others and, with a long turn, hold up everybody's connections.
// So a thread accepts: it may block, costs nothing while nobody comes, and one wake of a worker for
// a connection, as a connection that moves to its home does. Connections go round the workers;
// where one has no room in its inbox the next one gets them, and while none has, they wait in the
// kernel's backlog.
//
// Made and stopped by one thread; counters() may be read by any.
#pragma once

#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

#include "base/counters.h"
#include "gateway/worker_message.h"
#include "net/accept_backoff.h"
#include "net/owned_fd.h"

namespace ringway::gateway {

// A listening, non-blocking socket, and which listener of the configuration it belongs to.
struct SharedSocket {
  net::OwnedFd fd;
  uint16_t listener = 0;
};

class Acceptor {
 public:
  // Hands a connection to a worker. False when that one's inbox is full: `socket` is then
  // untouched.
  using Deal = std::function<bool(uint32_t worker, AcceptedSocket& socket)>;

  // Accepting begins at once. `sockets` is not empty.
  Acceptor(std::vector<SharedSocket> sockets, uint32_t workers, Deal deal);
  ~Acceptor() { stop(); }
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  // Ends accepting and closes the sockets; returns once nothing is dealt any more. Who is in a
  // backlog then is refused, or waits for the next process where somebody else has the socket too.
  void stop();

  [[nodiscard]] const CounterBlock& counters() const noexcept { return counters_; }

 private:
  void run();
  // Waits for connections, for stop(), or for the end of a pause.
  void wait();
  void accept_from(const SharedSocket& socket);
  // False: accepting is over.
  [[nodiscard]] bool deal(AcceptedSocket accepted);
  // Waits for it so long.
  [[nodiscard]] bool stopping(int64_t wait_ns) const noexcept;

  std::vector<SharedSocket> sockets_;
  const uint32_t workers_;
  const Deal deal_;
  CounterBlock counters_;
  net::OwnedFd wake_;           // readable once stop() was called
  uint32_t next_worker_ = 0;    // whose turn it is
  net::AcceptBackoff backoff_;  // of all sockets: what they lack is the process's
  int64_t pause_ns_ = 0;        // before the next accept; 0: none
  std::vector<bool> readable_;  // by socket, of the last wait()
  std::thread thread_;
};

}  // namespace ringway::gateway
