#include "gateway/acceptor.h"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/assert.h"
#include "base/clock.h"
#include "base/limits.h"

namespace ringway::gateway {
namespace {

int to_poll_ms(int64_t ns) noexcept { return static_cast<int>((ns + kNsPerMs - 1) / kNsPerMs); }

}  // namespace

Acceptor::Acceptor(std::vector<SharedSocket> sockets, uint32_t workers, Deal deal)
    : sockets_(std::move(sockets)),
      workers_(workers),
      deal_(std::move(deal)),
      wake_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)),
      readable_(sockets_.size()) {
  RW_ASSERT(wake_.valid());
  thread_ = std::thread([this] { run(); });
}

void Acceptor::stop() {
  if (!thread_.joinable()) return;
  RW_ASSERT(eventfd_write(wake_.get(), 1) == 0);
  thread_.join();
  sockets_.clear();
}

// The eventfd is never read, so it stays so.
bool Acceptor::stopping(int64_t wait_ns) const noexcept {
  pollfd wake{wake_.get(), POLLIN, 0};
  return ::poll(&wake, 1, to_poll_ms(wait_ns)) > 0;
}

void Acceptor::run() {
  pthread_setname_np(pthread_self(), "rw-acceptor");
  for (;;) {
    wait();
    if (stopping(0)) return;
    for (size_t i = 0; i < sockets_.size(); ++i) {
      if (readable_[i]) accept_from(sockets_[i]);
    }
  }
}

void Acceptor::wait() {
  std::vector<pollfd> waited{{wake_.get(), POLLIN, 0}};
  const bool pausing = pause_ns_ != 0;
  if (!pausing) {
    for (const SharedSocket& socket : sockets_) waited.push_back({socket.fd.get(), POLLIN, 0});
  }
  (void)::poll(waited.data(), waited.size(), pause_ns_ != 0 ? to_poll_ms(pause_ns_) : -1);
  for (size_t i = 0; i < sockets_.size(); ++i) {
    readable_[i] = pausing || waited[i + 1].revents != 0;
  }
  pause_ns_ = 0;
}

void Acceptor::accept_from(const SharedSocket& socket) {
  for (size_t count = 0; count < kAcceptsPerRound && pause_ns_ == 0; ++count) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    auto* const generic = reinterpret_cast<sockaddr*>(&address);
    net::OwnedFd fd(::accept4(socket.fd.get(), generic, &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd.valid()) {
      if (errno == EAGAIN) return;
      pause_ns_ = backoff_.failed(errno, counters_);
      continue;
    }
    backoff_.succeeded();
    // A peer of a unix socket comes out without an address.
    const net::PeerAddress peer = net::PeerAddress::from_sockaddr(generic);
    if (!deal({std::move(fd), peer, socket.listener})) return;
  }
}

bool Acceptor::deal(AcceptedSocket accepted) {
  for (uint32_t tried = 0;; ++tried) {
    const uint32_t worker = next_worker_;
    next_worker_ = (next_worker_ + 1) % workers_;
    if (deal_(worker, accepted)) {
      counters_.add(Counter::kConnectionsDealt);
      return true;
    }
    counters_.add(Counter::kInboxOverflows);
    if ((tried + 1) % workers_ != 0) continue;
    if (stopping(kDealRetryNs)) return false;
  }
}

}  // namespace ringway::gateway
