#include "sink_server.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/assert.h"
#include "base/limits.h"
#include "base/spare_bytes.h"

namespace ringway::bench {
namespace {

constexpr std::string_view kAttach = "/ringway.link.v1.ShardLink/Attach";
constexpr SinkStatus kTooLarge{8, "the request is too large"};
constexpr SinkStatus kMalformed{13, "the message is compressed or incomplete"};

constexpr size_t kConnectionsMax = 256;
constexpr uint32_t kStreamsMax = 4096;  // of a connection
constexpr size_t kPathBytesMax = 256;
constexpr size_t kCallBytesMax = 64 * 1024;
constexpr size_t kReadBytes = 1024 * 1024;           // in one read
constexpr int32_t kStreamWindow = 16 * 1024 * 1024;  // what gateways may send ahead
constexpr int32_t kConnectionWindow = 64 * 1024 * 1024;
constexpr uint32_t kFrameBytesMax = 1024 * 1024;
constexpr size_t kOutBytesMax = 1024 * 1024;  // framed and not yet taken by the kernel
constexpr size_t kFrameHeaderBytes = 9;
constexpr int kEventsMax = 64;

nghttp2_nv header(std::string_view name, std::string_view value) noexcept {
  // nghttp2 only reads them, and copies.
  const auto text = [](std::string_view from) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(from.data()));
  };
  return {text(name), text(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

uint32_t load_be32(const uint8_t* from) noexcept {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | from[i];
  return value;
}

// A whole gRPC message at the front of `bytes`, or nothing.
ByteView whole_message(ByteView bytes) noexcept {
  if (bytes.size() < cluster::kGrpcPrefixBytes || bytes[0] != 0) return {};
  const size_t size = load_be32(bytes.data() + 1);
  if (size == 0 || size > bytes.size() - cluster::kGrpcPrefixBytes) return {};
  return bytes.subspan(cluster::kGrpcPrefixBytes, size);
}

}  // namespace

// nghttp2 calls these from inside mem_recv() and send().
struct SinkConnection::Callbacks {
  static SinkConnection& of(void* user) { return *static_cast<SinkConnection*>(user); }

  static ssize_t on_send(nghttp2_session*, const uint8_t* data, size_t size, int, void* user) {
    SinkConnection& self = of(user);
    if (self.out_.size() >= kOutBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
    self.out_.insert(self.out_.end(), data, data + size);
    return static_cast<ssize_t>(size);
  }

  static ssize_t on_read(nghttp2_session* http2, int32_t id, uint8_t*, size_t length,
                         uint32_t* flags, nghttp2_data_source*, void* user) {
    SinkStream* stream = of(user).stream_of(id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (const size_t left = stream->left(); left > 0) {
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      return static_cast<ssize_t>(std::min(left, length));
    }
    if (!stream->ending) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
    const std::string code = std::to_string(stream->status.code);
    const std::array<nghttp2_nv, 2> trailers = {header("grpc-status", code),
                                                header("grpc-message", stream->status.text)};
    const int result = nghttp2_submit_trailer(http2, id, trailers.data(), trailers.size());
    return result == 0 ? 0 : NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }

  static int on_send_data(nghttp2_session*, nghttp2_frame* frame, const uint8_t* head,
                          size_t length, nghttp2_data_source*, void* user) {
    SinkConnection& self = of(user);
    SinkStream* stream = self.stream_of(frame->hd.stream_id);
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (self.out_.size() >= kOutBytesMax) return NGHTTP2_ERR_WOULDBLOCK;
    const uint8_t* from = stream->outgoing().data() + stream->sent;
    self.out_.insert(self.out_.end(), head, head + kFrameHeaderBytes);
    self.out_.insert(self.out_.end(), from, from + length);
    stream->sent += length;
    if (stream->left() == 0) {
      stream->outgoing().clear();
      stream->sent = 0;
    }
    return 0;
  }

  static ssize_t on_frame_length(nghttp2_session*, uint8_t, int32_t, int32_t, int32_t,
                                 uint32_t remote_max_frame_size, void*) {
    return std::min(remote_max_frame_size, kFrameBytesMax);
  }

  static int on_begin_headers(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    auto stream = std::make_unique<SinkStream>();
    stream->id = frame->hd.stream_id;
    of(user).streams_[stream->id] = std::move(stream);
    return 0;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* user) {
    SinkStream* stream = of(user).stream_of(frame->hd.stream_id);
    if (stream == nullptr || as_text({name, name_size}) != ":path") return 0;
    stream->path = as_text({value, std::min(value_size, kPathBytesMax)});
    return 0;
  }

  static int on_data_chunk(nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size,
                           void* user) {
    if (SinkStream* stream = of(user).stream_of(id)) of(user).take_data(*stream, {data, size});
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    const bool headers = frame->hd.type == NGHTTP2_HEADERS;
    if (!headers && frame->hd.type != NGHTTP2_DATA) return 0;
    SinkStream* stream = of(user).stream_of(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    if (headers && frame->headers.cat == NGHTTP2_HCAT_REQUEST) of(user).begin(*stream);
    if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) of(user).half_closed(*stream);
    return 0;
  }

  static int on_stream_close(nghttp2_session*, int32_t id, uint32_t, void* user) {
    SinkConnection& self = of(user);
    std::erase(self.links_, self.stream_of(id));
    self.streams_.erase(id);
    return 0;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    RW_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_frame_length);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return callbacks;
  }
};

// --- SinkConnection

SinkConnection::SinkConnection(int fd, SinkShard& shard) : fd_(fd), shard_(shard) {
  nghttp2_session_callbacks* callbacks = Callbacks::make();
  RW_ASSERT(nghttp2_session_server_new3(&http2_, callbacks, this, nullptr, memory_.functions()) ==
            0);
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 3> settings = {
      {{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreamsMax},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(kStreamWindow)},
       {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kFrameBytesMax}}};
  RW_ASSERT(nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) ==
            0);
  RW_ASSERT(
      nghttp2_session_set_local_window_size(http2_, NGHTTP2_FLAG_NONE, 0, kConnectionWindow) == 0);
}

SinkConnection::~SinkConnection() {
  nghttp2_session_del(http2_);
  ::close(fd_);
}

bool SinkConnection::turn(ByteSpan buffer, bool readable, Now now) {
  now_ = now;
  if (readable && !read(buffer)) return false;
  for (SinkStream* stream : links_) {
    stream->link->flush();
    if (stream->left() == 0 || !std::exchange(stream->deferred, false)) continue;
    (void)nghttp2_session_resume_data(http2_, stream->id);  // it fails for one that is closing
  }
  return write();
}

uint32_t SinkConnection::interest() noexcept {
  const uint32_t reading = waiting_bytes() > kShardLinkQueueBytesMax ? 0U : EPOLLIN;
  return reading | (out_.empty() ? 0U : EPOLLOUT);
}

size_t SinkConnection::waiting_bytes() noexcept {
  size_t bytes = out_.size();
  for (SinkStream* stream : links_) bytes += stream->left();
  return bytes;
}

bool SinkConnection::read(ByteSpan buffer) {
  const ssize_t count = ::recv(fd_, buffer.data(), buffer.size(), 0);
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  return nghttp2_session_mem_recv(http2_, buffer.data(), static_cast<size_t>(count)) >= 0;
}

bool SinkConnection::write() {
  while (true) {
    if (nghttp2_session_send(http2_) != 0) return false;
    if (out_.empty()) break;
    const ssize_t count =
        ::send(fd_, out_.data() + out_sent_, out_.size() - out_sent_, MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    out_sent_ += static_cast<size_t>(count);
    if (out_sent_ < out_.size()) return true;
    out_.clear();
    out_sent_ = 0;
  }
  return nghttp2_session_want_read(http2_) != 0 || nghttp2_session_want_write(http2_) != 0;
}

SinkStream* SinkConnection::stream_of(int32_t id) noexcept {
  const auto found = streams_.find(id);
  return found == streams_.end() ? nullptr : found->second.get();
}

void SinkConnection::begin(SinkStream& stream) {
  if (stream.path == kAttach) {
    stream.link = std::make_unique<SinkLink>(shard_);
    links_.push_back(&stream);
    respond(stream);
  } else if (!SinkShard::serves(stream.path)) {
    end(stream, kSinkUnimplemented);
  }
}

void SinkConnection::take_data(SinkStream& stream, ByteView bytes) {
  if (!stream.link && (stream.received += bytes.size()) > kCallBytesMax) end(stream, kTooLarge);
  while (!bytes.empty() && !stream.ending) {
    SinkStatus status;
    if (const ByteView message = whole_message(bytes);
        stream.link && !stream.in.mid_message() && !message.empty()) {
      bytes = bytes.subspan(cluster::kGrpcPrefixBytes + message.size());
      status = stream.link->take(message, now_);
    } else if (const auto whole = stream.in.read(bytes); !whole.ok()) {
      status = kMalformed;
    } else if (*whole && stream.link) {
      Bytes message_of_pieces = stream.in.take();
      status = stream.link->take(message_of_pieces, now_);
      give_spare_bytes(std::move(message_of_pieces));
    } else if (*whole) {
      stream.request = stream.in.take();
    }
    if (!status.ok()) end(stream, status);
  }
}

void SinkConnection::half_closed(SinkStream& stream) {
  if (stream.ending) return;
  if (stream.in.mid_message()) return end(stream, kMalformed);
  SinkStatus status;
  if (!stream.link) {
    Bytes message;
    status = shard_.call(stream.path, stream.request, now_, message);
    cleanse(stream.request.data(), stream.request.size());
    if (status.ok()) {
      stream.answer.assign(cluster::kGrpcPrefixBytes, 0);
      for (size_t i = 0; i < 4; ++i) {
        stream.answer[1 + i] = static_cast<uint8_t>(message.size() >> (24 - 8 * i));
      }
      stream.answer.insert(stream.answer.end(), message.begin(), message.end());
    }
  }
  end(stream, status);
}

// The status goes with the headers, or behind what is still to be sent.
void SinkConnection::end(SinkStream& stream, SinkStatus status) {
  if (stream.ending) return;
  stream.ending = true;
  stream.status = status;
  if (stream.link) stream.link->flush();
  respond(stream);
  if (std::exchange(stream.deferred, false)) (void)nghttp2_session_resume_data(http2_, stream.id);
}

void SinkConnection::respond(SinkStream& stream) {
  if (std::exchange(stream.answered, true)) return;
  const bool alone = stream.ending && stream.left() == 0;
  const std::string code = std::to_string(stream.status.code);
  const std::array<nghttp2_nv, 4> headers = {
      {header(":status", "200"), header("content-type", "application/grpc"),
       header("grpc-status", code), header("grpc-message", stream.status.text)}};
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::on_read;
  // It fails for a stream that the gateway has reset meanwhile; its end is reported then.
  (void)nghttp2_submit_response(http2_, stream.id, headers.data(), alone ? 4 : 2,
                                alone ? nullptr : &body);
}

// --- SinkServer

SinkServer::~SinkServer() {
  clients_.clear();
  if (listener_ >= 0) ::close(listener_);
  if (epoll_ >= 0) ::close(epoll_);
}

std::string SinkServer::listen(uint16_t port) {
  buffer_.resize(kReadBytes);
  epoll_ = epoll_create1(EPOLL_CLOEXEC);
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (epoll_ < 0 || listener_ < 0) return std::strerror(errno);
  const int one = 1;
  setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(listener_, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);  // inherited
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = listener_;
  if (bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(listener_, SOMAXCONN) != 0 ||
      epoll_ctl(epoll_, EPOLL_CTL_ADD, listener_, &event) != 0) {
    return std::strerror(errno);
  }
  return "";
}

void SinkServer::run(const volatile std::sig_atomic_t& stop, const sigset_t& unmasked) {
  std::array<epoll_event, kEventsMax> events{};
  while (stop == 0) {
    const int count = epoll_pwait(epoll_, events.data(), kEventsMax, -1, &unmasked);
    if (count <= 0) continue;
    const Now now = read_clocks();
    for (const epoll_event& event : std::span(events).first(static_cast<size_t>(count))) {
      if (event.data.fd == listener_) {
        accept_all();
      } else {
        serve(event.data.fd, event.events, now);
      }
    }
    if (gather_ns_ > 0) sleep_ns(gather_ns_);
  }
}

void SinkServer::accept_all() {
  int fd = -1;
  while ((fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
    if (clients_.size() >= kConnectionsMax) {
      ::close(fd);
      continue;
    }
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    Client client{std::make_unique<SinkConnection>(fd, shard_), event.events};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) == 0) clients_.emplace(fd, std::move(client));
  }
}

void SinkServer::serve(int fd, uint32_t events, Now now) {
  const auto found = clients_.find(fd);
  if (found == clients_.end()) return;
  Client& client = found->second;
  const bool readable = (events & (EPOLLIN | EPOLLERR | EPOLLHUP)) != 0;
  if (!client.connection->turn(buffer_, readable, now)) {
    clients_.erase(found);  // which closes it, and so takes it out of epoll
    return;
  }
  epoll_event wanted{};
  wanted.events = client.connection->interest();
  wanted.data.fd = fd;
  if (wanted.events == client.interest) return;
  client.interest = wanted.events;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, fd, &wanted);
}

}  // namespace ringway::bench
