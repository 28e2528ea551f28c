// sink_server: gRPC over HTTP/2 for the light shard of the benchmarks, on epoll and nghttp2.
//
// One thread runs it. After each look at its sockets it sleeps for the gathering time, so that what
// gateways send meanwhile is read, served and acknowledged at once. What comes from outside may be
// anything: a connection that is not HTTP/2 is closed, a call that does not fit is refused.
// Bounded: connections, streams (by SETTINGS), the bytes of a call's request, of an incomplete
// message (kGrpcMessageBytesMax), and of what waits to be sent: above kShardLinkQueueBytesMax a
// connection is not read.
#pragma once

#include <csignal>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "cluster/grpc_framing.h"
#include "cluster/http2_memory.h"
#include "sink_shard.h"

struct nghttp2_session;

namespace ringway::bench {

// A stream of a connection: a call, or a batched link.
struct SinkStream {
  int32_t id = 0;
  std::string path;
  std::unique_ptr<SinkLink> link;  // of a batched link that has begun
  cluster::GrpcReader in{false};
  Bytes request;          // of a call: its one message, once it is whole
  size_t received = 0;    // of a call: bytes
  bool answered = false;  // the response has begun
  Bytes answer;           // of a call: what is to be sent
  size_t sent = 0;        // of outgoing()
  bool deferred = false;  // nghttp2 waits to be told of more
  bool ending = false;    // trailers follow what is left
  SinkStatus status;

  [[nodiscard]] Bytes& outgoing() noexcept { return link ? link->out() : answer; }
  [[nodiscard]] size_t left() noexcept { return outgoing().size() - sent; }
};

class SinkConnection {
 public:
  SinkConnection(int fd, SinkShard& shard);
  ~SinkConnection();
  SinkConnection(const SinkConnection&) = delete;
  SinkConnection& operator=(const SinkConnection&) = delete;

  // Reads once, serves what has come and writes the answers. False when the connection is over.
  [[nodiscard]] bool turn(ByteSpan buffer, bool readable, Now now);
  // What epoll is to watch for.
  [[nodiscard]] uint32_t interest() noexcept;

 private:
  struct Callbacks;

  [[nodiscard]] bool read(ByteSpan buffer);
  [[nodiscard]] bool write();
  [[nodiscard]] size_t waiting_bytes() noexcept;
  [[nodiscard]] SinkStream* stream_of(int32_t id) noexcept;
  void begin(SinkStream& stream);
  void take_data(SinkStream& stream, ByteView bytes);
  void half_closed(SinkStream& stream);
  void end(SinkStream& stream, SinkStatus status);
  void respond(SinkStream& stream);

  const int fd_;
  SinkShard& shard_;
  Now now_;  // of this turn
  std::unordered_map<int32_t, std::unique_ptr<SinkStream>> streams_;
  std::vector<SinkStream*> links_;
  Bytes out_;  // framed, not yet taken by the kernel
  size_t out_sent_ = 0;
  cluster::Http2Memory memory_;
  nghttp2_session* http2_ = nullptr;
};

class SinkServer {
 public:
  SinkServer(SinkShard& shard, int64_t gather_ns) : shard_(shard), gather_ns_(gather_ns) {}
  ~SinkServer();
  SinkServer(const SinkServer&) = delete;
  SinkServer& operator=(const SinkServer&) = delete;

  // On the loopback. Empty, or what is wrong.
  [[nodiscard]] std::string listen(uint16_t port);
  // Until `stop` is set by the handler of a signal, which only `unmasked` lets through.
  void run(const volatile std::sig_atomic_t& stop, const sigset_t& unmasked);

 private:
  struct Client {
    std::unique_ptr<SinkConnection> connection;
    uint32_t interest = 0;
  };

  void accept_all();
  void serve(int fd, uint32_t events, Now now);

  SinkShard& shard_;
  const int64_t gather_ns_;
  int epoll_ = -1;
  int listener_ = -1;
  std::unordered_map<int, Client> clients_;  // by descriptor
  Bytes buffer_;
};

}  // namespace ringway::bench
