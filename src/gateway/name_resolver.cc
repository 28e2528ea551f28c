#include "gateway/name_resolver.h"

#include <netdb.h>
#include <pthread.h>

#include <cstring>
#include <utility>

namespace ringway::gateway {

std::string ask_system(const std::string& host, uint16_t port,
                       std::vector<net::SocketAddress>& found) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  addrinfo* answer = nullptr;
  const int failure = getaddrinfo(host.c_str(), nullptr, &wanted, &answer);
  for (const addrinfo* each = answer; each != nullptr; each = each->ai_next) {
    if (each->ai_family != AF_INET && each->ai_family != AF_INET6) continue;
    net::SocketAddress& address = found.emplace_back();
    std::memcpy(&address.storage, each->ai_addr, each->ai_addrlen);
    address.length = each->ai_addrlen;
    address.set_port(port);
  }
  if (answer != nullptr) freeaddrinfo(answer);
  if (failure != 0) return gai_strerror(failure);
  return found.empty() ? "no address of a known family" : "";
}

void NameLookup::resolve(const AskForName& ask) {
  std::vector<net::SocketAddress> addresses;
  std::string error = ask(host_, port_, addresses);

  const std::lock_guard lock(mutex_);
  addresses_ = std::move(addresses);
  error_ = std::move(error);
  done_ = true;
  // The lock keeps forget() from returning, and the waker from dying, during the wake.
  if (waker_ != nullptr) waker_->wake();
}

bool NameLookup::take(std::vector<net::SocketAddress>& addresses, std::string& error) {
  const std::lock_guard lock(mutex_);
  if (!done_) return false;
  addresses = std::move(addresses_);
  error = std::move(error_);
  return true;
}

void NameLookup::forget() {
  const std::lock_guard lock(mutex_);
  waker_ = nullptr;
}

NameResolver::~NameResolver() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  more_.notify_all();
  if (thread_.joinable()) thread_.join();
}

std::shared_ptr<NameLookup> NameResolver::look_up(std::string host, uint16_t port, Waker& waker) {
  auto lookup = std::make_shared<NameLookup>(std::move(host), port, waker);
  const std::lock_guard lock(mutex_);
  waiting_.push_back(lookup);
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  more_.notify_one();
  return lookup;
}

void NameResolver::run() {
  pthread_setname_np(pthread_self(), "rw-names");
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const std::shared_ptr<NameLookup> lookup = std::move(waiting_.front());
    waiting_.pop_front();
    lock.unlock();
    lookup->resolve(ask_);
    lock.lock();
  }
}

}  // namespace ringway::gateway
