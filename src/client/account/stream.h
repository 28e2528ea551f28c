// client/account/stream: one TCP connection with MTProto's framing, on an EventLoop.
//
// Bytes and frames only; what is in the frames is the link's business. One Stream is one
// connection: it is made to connect and dies with the connection. It belongs to the loop's thread.
// Output is gathered with write() and leaves with flush(), in one send if the kernel takes it; the
// rest follows when the socket can take more.
#pragma once

#include <string>

#include "base/bytes.h"
#include "client/account/loop.h"
#include "mtproto/client_transport.h"
#include "net/address.h"
#include "net/owned_fd.h"

namespace ringway::client {

// May close the stream in any of these, but destroys it only later.
class StreamListener {
 public:
  virtual void on_stream_connected() = 0;
  // Borrowed for the call.
  virtual void on_stream_frame(ByteSpan payload) = 0;
  virtual void on_stream_error_code(int32_t code) = 0;
  // All bytes that came in one go have been handed over.
  virtual void on_stream_read() = 0;
  // What waited for the socket has left.
  virtual void on_stream_drained() = 0;
  // It is over and closed; `why` is for people.
  virtual void on_stream_end(const std::string& why) = 0;

 protected:
  ~StreamListener() = default;
};

class Stream final : private EventLoop::FdHandler {
 public:
  // Begins to connect. Every outcome is told later, never from in here.
  Stream(EventLoop& loop, StreamListener& listener, const mtproto::ClientTransportOptions& options,
         const net::SocketAddress& address);
  ~Stream();
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  void write(ByteView payload);
  void flush();
  // The listener hears nothing any more.
  void close();
  // Bytes that wait for the socket.
  [[nodiscard]] size_t unsent() const noexcept { return out_.size() - sent_; }
  [[nodiscard]] bool connected() const noexcept { return connected_; }
  [[nodiscard]] mtproto::TransportKind kind() const noexcept { return kind_; }

 private:
  void on_ready(uint32_t events) override;
  void finish_connect();
  void read();
  void take(ByteSpan bytes);
  void end(const std::string& why);
  void want_output(bool wanted);

  EventLoop& loop_;
  StreamListener& listener_;
  mtproto::TransportKind kind_;
  mtproto::ClientTransport transport_;
  net::OwnedFd fd_;
  bool connected_ = false;
  bool opened_ = false;  // the transport's opening is in the output
  bool output_watched_ = true;
  Bytes out_;
  size_t sent_ = 0;  // of out_
  Bytes input_;
  EventLoop::TimerId failure_timer_ = 0;  // tells that not even the beginning succeeded
};

}  // namespace ringway::client
