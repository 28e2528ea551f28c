#include "client/account/stream.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "client/account/limits.h"
#include "client/stream_socket.h"

namespace ringway::client {

Stream::Stream(EventLoop& loop, StreamListener& listener,
               const mtproto::ClientTransportOptions& options, const net::SocketAddress& address)
    : loop_(loop), listener_(listener), kind_(options.kind), transport_(options) {
  auto begun = begin_connect(address);
  if (begun.ok()) {
    fd_ = *std::move(begun);
    loop_.watch(fd_.get(), EPOLLIN | EPOLLOUT, *this);
    return;
  }
  const int error_number = errno;
  failure_timer_ = loop_.at(loop_.now().mono_ns, [this, error_number] {
    failure_timer_ = 0;
    end(std::string("cannot connect: ") + std::strerror(error_number));
  });
}

Stream::~Stream() { close(); }

void Stream::close() {
  if (failure_timer_ != 0) loop_.cancel(failure_timer_);
  failure_timer_ = 0;
  if (fd_.valid()) loop_.unwatch(fd_.get());
  fd_.reset();
  connected_ = false;
}

void Stream::on_ready(uint32_t events) {
  if (!connected_) {
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) finish_connect();
    return;
  }
  if ((events & EPOLLOUT) != 0) {
    flush();
    if (unsent() == 0) listener_.on_stream_drained();
  }
  if (connected_ && (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0) read();
}

void Stream::finish_connect() {
  if (const int error_number = connect_error(fd_.get()); error_number != 0) {
    end(std::string("cannot connect: ") + std::strerror(error_number));
    return;
  }
  connected_ = true;
  want_output(false);
  listener_.on_stream_connected();
}

void Stream::write(ByteView payload) {
  if (!opened_) {
    append(out_, transport_.opening());
    opened_ = true;
  }
  transport_.write_frame(payload, false, out_);
}

void Stream::flush() {
  if (!connected_) return;
  while (sent_ < out_.size()) {
    const ssize_t sent =
        ::send(fd_.get(), out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) {
      sent_ += static_cast<size_t>(sent);
    } else if (errno == EAGAIN) {
      want_output(true);
      return;
    } else if (errno != EINTR) {
      // The end is told where it is read, behind what had arrived before it.
      break;
    }
  }
  out_.clear();
  sent_ = 0;
  want_output(false);
}

void Stream::read() {
  input_.resize(kLinkReadBytes);
  std::string why;
  for (size_t reads = 0; reads < kLinkReadsPerTurn && connected_; ++reads) {
    const ssize_t got = ::recv(fd_.get(), input_.data(), input_.size(), MSG_DONTWAIT);
    if (got > 0) {
      take(ByteSpan(input_).first(static_cast<size_t>(got)));
      if (static_cast<size_t>(got) < input_.size()) break;
    } else if (got == 0) {
      why = "the server closed the connection";
      break;
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      why = std::string("the connection broke: ") + std::strerror(errno);
      break;
    }
  }
  if (connected_) listener_.on_stream_read();
  if (connected_ && !why.empty()) end(why);
}

void Stream::take(ByteSpan bytes) {
  transport_.receive(bytes);
  while (connected_) {
    mtproto::ServerEvent event;
    switch (transport_.next(event)) {
      case mtproto::ServerTransport::Event::kNeedMore:
        return;
      case mtproto::ServerTransport::Event::kError:
        end("the server broke the framing: " + std::string(to_string(transport_.error())));
        return;
      case mtproto::ServerTransport::Event::kFrame:
        break;
    }
    if (event.kind == mtproto::ServerEvent::Kind::kFrame) {
      listener_.on_stream_frame(event.payload);
    } else if (event.kind == mtproto::ServerEvent::Kind::kTransportError) {
      listener_.on_stream_error_code(event.error_code);
    }
  }
}

void Stream::end(const std::string& why) {
  close();
  listener_.on_stream_end(why);
}

void Stream::want_output(bool wanted) {
  if (wanted == output_watched_) return;
  output_watched_ = wanted;
  loop_.change(fd_.get(), wanted ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

}  // namespace ringway::client
