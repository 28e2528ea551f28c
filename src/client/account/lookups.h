// client/account/lookups: names to addresses, on a thread for each name.
//
// A server for names that does not answer holds up who asked for that name, and nobody else: not
// other names, nor the key exchanges that Background works on. Who asks for a name that is being
// looked up waits for the same answer. Belongs to the loop's thread; the destructor waits for the
// lookups that run, as long as the system takes for them.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "client/account/loop.h"
#include "net/address.h"

namespace ringway::client {

class Lookups {
 public:
  // "HOST:PORT" to an address, or `why` there is none. Any thread, several at a time; may block.
  using Resolve = std::function<Result<net::SocketAddress>(const std::string&, std::string& why)>;
  using Done = std::function<void(const Result<net::SocketAddress>&, const std::string& why)>;

  Lookups(EventLoop& loop, Resolve resolve) : loop_(loop), resolve_(std::move(resolve)) {}
  ~Lookups();
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  // `done` is called on the loop's thread, later, unless this ends before. kFull when kLookupsMax
  // names are being looked up already.
  void find(const std::string& text, Done done);

 private:
  struct Lookup {
    std::thread thread;
    std::vector<Done> waiting;
  };
  struct Answer {
    std::string text;
    Result<net::SocketAddress> address;
    std::string why;
  };

  void on_answer(const Answer& answer);

  EventLoop& loop_;
  const Resolve resolve_;
  std::map<std::string, Lookup> under_way_;
  std::shared_ptr<int> alive_ = std::make_shared<int>();
};

}  // namespace ringway::client
