// gateway/name_resolver: host names to addresses, on a thread of its own.
//
// Looking up a name blocks for as long as the name servers like, so no worker does it: it asks
// here, is woken when the answer is there, and looks at it in its turn. One thread serves the whole
// process, one name after the other; it starts with the first question. What it asks may be given:
// tests have no name servers.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "base/waker.h"
#include "net/address.h"

namespace ringway::gateway {

// Blocks. Adds the addresses of `host` with this port to `found`, or returns why there are none.
using AskForName = std::function<std::string(const std::string& host, uint16_t port,
                                             std::vector<net::SocketAddress>& found)>;

// As the system's configuration has it.
[[nodiscard]] std::string ask_system(const std::string& host, uint16_t port,
                                     std::vector<net::SocketAddress>& found);

// One question. Who asks may drop it at any time, after forget().
class NameLookup {
 public:
  NameLookup(std::string host, uint16_t port, Waker& waker)
      : host_(std::move(host)), port_(port), waker_(&waker) {}

  // True once the answer is there; it then belongs to the caller. Empty `addresses`: `error` says
  // why.
  [[nodiscard]] bool take(std::vector<net::SocketAddress>& addresses, std::string& error);
  // Nobody is woken any more.
  void forget();

 private:
  friend class NameResolver;
  void resolve(const AskForName& ask);

  const std::string host_;
  const uint16_t port_;
  std::mutex mutex_;
  Waker* waker_;
  bool done_ = false;
  std::vector<net::SocketAddress> addresses_;
  std::string error_;
};

class NameResolver {
 public:
  explicit NameResolver(AskForName ask = ask_system) : ask_(std::move(ask)) {}
  // Waits for the name that is being looked up.
  ~NameResolver();
  NameResolver(const NameResolver&) = delete;
  NameResolver& operator=(const NameResolver&) = delete;

  // Any thread. `waker` lives until forget() or the answer.
  [[nodiscard]] std::shared_ptr<NameLookup> look_up(std::string host, uint16_t port, Waker& waker);

 private:
  void run();

  const AskForName ask_;
  std::mutex mutex_;
  std::condition_variable more_;
  bool stopping_ = false;
  std::deque<std::shared_ptr<NameLookup>> waiting_;
  std::thread thread_;
};

}  // namespace ringway::gateway
