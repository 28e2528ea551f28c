// cluster/link_pipe: the seam between a link's protocol and the sockets of its worker.
//
// A LinkPipe is one connection to a shard, as bytes. What happens to it is told to its
// LinkPipeEvents: on_opened() once, then any number of on_bytes() and on_drained(), and on_closed()
// as the last event, which may also come without on_opened(). Destroying the pipe closes the
// connection at once; no event comes afterwards. It may be destroyed inside any of its events.
//
// Everything here belongs to one worker's thread. No event comes from inside a call to the pipe.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace ringway::cluster {

class LinkPipeEvents {
 public:
  virtual void on_opened() = 0;
  // The bytes are writable and borrowed for the call.
  virtual void on_bytes(ByteSpan bytes) = 0;
  // Of what was given since the last on_drained(), little enough waits to be sent that more may be
  // given.
  virtual void on_drained() = 0;
  // `why` is for people. What was not sent is lost.
  virtual void on_closed(std::string_view why) = 0;

 protected:
  ~LinkPipeEvents() = default;
};

class LinkPipe {
 public:
  virtual ~LinkPipe() = default;
  // How much reserve() can give now; 0 while the connection is not open.
  [[nodiscard]] virtual size_t room() const noexcept = 0;
  // `size` contiguous bytes at the end of what is to be sent, to be filled before commit(). Empty
  // when there is no room.
  [[nodiscard]] virtual ByteSpan reserve(size_t size) = 0;
  // on_bytes() may wait until there are so many bytes; 0: for any, as at first.
  virtual void set_receive_low(size_t bytes) = 0;
  // What is reserved leaves with the worker's turn.
  virtual void commit() = 0;
};

class LinkPipes {
 public:
  virtual ~LinkPipes() = default;
  // `address` is host:port or unix:path; a host that is a name is looked up, elsewhere. `events`
  // outlives the pipe.
  [[nodiscard]] virtual std::unique_ptr<LinkPipe> connect(const std::string& address,
                                                          LinkPipeEvents& events) = 0;
};

}  // namespace ringway::cluster
