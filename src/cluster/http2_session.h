// cluster/http2_session: one HTTP/2 connection to a shard, with gRPC's streams on it.
//
//   kConnecting --pipe open--> kOpen --GOAWAY, out of stream ids--> kGoingAway
//        |                       |                                      |
//        +------ pipe closed, malformed frames, no streams left --------+--> kDead
//
// nghttp2 does the framing, the header compression and the flow control; messages are copied once,
// from the window's chunks into the pipe's queue. Streams may start before the pipe is open.
// Nothing is sent from inside calls or events but by pump(), which the owner calls once per turn.
//
// A session ends streams by Events::on_end, exactly once each, unless cancel() came before. It
// never calls into an Http2Stream afterwards. Events may call the session back, cancel() included,
// but must not destroy it: a dead one is destroyed later, outside of any event.
//
// One worker's thread owns it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "cluster/grpc_framing.h"
#include "cluster/link_pipe.h"

struct nghttp2_session;

namespace ringway::cluster {

class Http2Memory;

// Set once per turn by who runs it.
struct TurnClock {
  int64_t now_ns = 0;
};

class Http2Session;

// One stream or call. The owner keeps it until it is over and touches `out` alone.
struct Http2Stream {
  Http2Stream(uint64_t id_in, bool is_call_in) : id(id_in), is_call(is_call_in), in(is_call_in) {}

  const uint64_t id;
  const bool is_call;               // ours ends with its request; its messages may be secret
  Http2Session* session = nullptr;  // null before start() and after the end

  GrpcWriter out;
  GrpcReader in;
  int32_t stream_id = 0;
  size_t index = 0;       // in the session's list
  bool writing = false;   // on_written is due
  bool deferred = false;  // nghttp2 waits for resume
  size_t owed_bytes = 0;  // received, no window given for yet
  size_t header_bytes = 0;
  int http_status = 0;
  bool has_grpc_status = false;
  int32_t grpc_status = 0;
  std::string grpc_message;
};

struct Http2End {
  int32_t status = 0;
  std::string text;
  bool untouched = false;  // the shard has not looked at it: it may be tried again
  bool refused = false;    // and said so
  bool cut = false;        // the connection went while the shard may have been at work on it
};

class Http2Session final : private LinkPipeEvents {
 public:
  class Events {
   public:
    // False when the stream gets no more window until give_window().
    [[nodiscard]] virtual bool on_message(Http2Stream& stream, Bytes message) = 0;
    virtual void on_written(Http2Stream& stream) = 0;
    virtual void on_end(Http2Stream& stream, Http2End end) = 0;
    // Not usable for new streams any more; on_dead follows.
    virtual void on_going_away(Http2Session& session) = 0;
    // All its streams have ended before. `reached`: the shard had answered on it.
    virtual void on_dead(Http2Session& session, bool reached, std::string_view why) = 0;

   protected:
    ~Events() = default;
  };

  Http2Session(const std::string& address, LinkPipes& pipes, Events& events,
               const TurnClock& clock);
  ~Http2Session();
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;

  [[nodiscard]] bool usable() const noexcept {
    return state_ == State::kConnecting || state_ == State::kOpen;
  }
  [[nodiscard]] bool dead() const noexcept { return state_ == State::kDead; }
  [[nodiscard]] bool has_streams() const noexcept { return !streams_.empty(); }

  // False when the session takes no streams any more; `stream` is then untouched. A call's request
  // has been added to `stream.out` before. No deadline: `timeout_ns` 0.
  [[nodiscard]] bool start(Http2Stream& stream, std::string_view path, int64_t timeout_ns);
  // More was added to `stream.out`; on_written tells when it is on its way.
  void resume(Http2Stream& stream);
  // Forgets the stream: it is reset with CANCEL and no event of it follows.
  void cancel(Http2Stream& stream);
  // What the stream delivered has been taken.
  void give_window(Http2Stream& stream);

  // The shard's SETTINGS_MAX_CONCURRENT_STREAMS; SIZE_MAX before its SETTINGS are here.
  [[nodiscard]] size_t streams_max() const noexcept;

  // What the shard says may wait until there are so many bytes of it; 0: not.
  void set_receive_low(size_t bytes) {
    if (!dead()) pipe_->set_receive_low(bytes);
  }

  // Writes what is due into the pipe. May end the session.
  void pump();
  // Ends it at once, with its streams.
  void give_up(std::string_view why) { die(why); }
  // Asks an idle connection whether it is still there.
  void check_alive();
  [[nodiscard]] int64_t deadline_ns() const noexcept;

 private:
  enum class State : uint8_t { kConnecting, kOpen, kGoingAway, kDead };
  struct Callbacks;

  void on_opened() override;
  void on_bytes(ByteSpan bytes) override;
  void on_drained() override;
  void on_closed(std::string_view why) override;

  void set_state(State to) noexcept;
  void go_away();
  void die(std::string_view why);
  void end(Http2Stream& stream, Http2End end);
  void end_by_headers(Http2Stream& stream);
  void forget(Http2Stream& stream) noexcept;
  void reset(Http2Stream& stream, uint32_t error_code);
  void take_data(Http2Stream& stream, ByteSpan bytes);
  void take_header(Http2Stream& stream, std::string_view name, std::string_view value);
  [[nodiscard]] Http2Stream* stream_of(int32_t stream_id) noexcept;

  Events& events_;
  const std::string authority_;
  const TurnClock& clock_;
  State state_ = State::kConnecting;
  bool reached_ = false;  // the shard's SETTINGS are here
  bool needs_pump_ = false;
  int64_t heard_ns_ = 0;
  int64_t ping_ns_ = 0;  // when a ping was sent that has no answer; 0: none
  ByteSpan input_;       // what nghttp2 reads from now
  std::vector<Http2Stream*> streams_;
  std::vector<Http2Stream*> written_;  // wait for the pipe to be low
  std::vector<Http2Stream*> telling_;  // are told so; empty between calls
  std::unique_ptr<LinkPipe> pipe_;
  const std::unique_ptr<Http2Memory> memory_;  // of http2_
  nghttp2_session* http2_ = nullptr;
};

}  // namespace ringway::cluster
