// cluster/http2_channel: a ShardChannel over HTTP/2 on the worker's own turn.
//
// A channel keeps one connection for new streams and calls, made when the first of them needs it,
// and at most kLinkDrainingMax that the shard has asked to leave and whose streams go on. Streams
// and calls that find no connection end with kStatusUnavailable; calls that wait for the shard are
// kept until their deadline, and the channel connects again by itself, with a pause that doubles
// from kLinkConnectPauseMinNs to kLinkConnectPauseMaxNs, as long as there are any.
//
// One worker's thread owns it. Its events wait for take(); nobody is woken, because they come from
// the worker's own turn. Events of messages are bounded: beyond kLinkEventsMax and
// kLinkEventBytesMax streams get no more window until take().
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cluster/http2_session.h"
#include "cluster/link_pipe.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

class Http2Channel;

// What the transport knows of its channels.
class Http2Channels {
 public:
  virtual void add(Http2Channel& channel) = 0;
  virtual void remove(Http2Channel& channel) noexcept = 0;

 protected:
  ~Http2Channels() = default;
};

class Http2Channel final : public ShardChannel, private Http2Session::Events {
 public:
  // Everything given outlives the channel.
  Http2Channel(std::string address, LinkPipes& pipes, const TurnClock& clock, Http2Channels& all);
  ~Http2Channel() override;

  void start_stream(uint64_t id, StreamMethod method) override;
  void write(uint64_t id, std::span<WireMessage> messages) override;
  void cancel_stream(uint64_t id) override;
  void call(uint64_t id, CallMethod method, WireMessage request, int64_t timeout_ns,
            bool wait_for_shard) override;
  void cancel_call(uint64_t id) override;
  void gather_answers(size_t bytes) override;
  [[nodiscard]] size_t streams_max() const noexcept override;
  [[nodiscard]] uint64_t disconnects() noexcept override { return disconnects_; }
  [[nodiscard]] bool has_events() const noexcept override { return !events_.empty(); }
  void take(std::vector<LinkEvent>& out) override;

  // Once per turn, before the events are taken: deadlines, pings, connections to be made again.
  void look_around();
  // Once per turn, after everything was written.
  void pump();
  [[nodiscard]] int64_t deadline_ns() const noexcept;

 private:
  struct Rpc {
    Rpc(uint64_t id_in, bool is_call_in) : id(id_in), is_call(is_call_in) {}
    const uint64_t id;
    const bool is_call;
    std::optional<Http2Stream> stream;  // a new one for each attempt
    std::string_view path;
    WireMessage request;      // of a call
    int64_t deadline_ns = 0;  // of a call
    bool waits_for_shard = false;
    bool waiting = false;      // in waiting_
    bool was_refused = false;  // once: the second time is the last
    bool has_reply = false;
    Bytes reply;
  };
  using Rpcs = std::unordered_map<uint64_t, std::unique_ptr<Rpc>>;

  [[nodiscard]] bool on_message(Http2Stream& stream, Bytes message) override;
  void on_written(Http2Stream& stream) override;
  void on_end(Http2Stream& stream, Http2End end) override;
  void on_going_away(Http2Session& session) override;
  void on_dead(Http2Session& session, bool reached, std::string_view why) override;

  [[nodiscard]] Http2Session* connection();
  static void cancel_on_session(Rpc& rpc);
  void attach(Rpc& rpc);
  void wait(Rpc& rpc);
  void finish(Rpc& rpc, int32_t status, std::string text);
  [[nodiscard]] std::unique_ptr<Rpc> remove(uint64_t id);
  void put(LinkEvent::Kind kind, uint64_t id, int32_t status, std::string text);
  void expire_calls();
  void drop_dead_sessions();
  void settle_gathering();

  const std::string address_;
  LinkPipes& pipes_;
  const TurnClock& clock_;
  Http2Channels& all_;

  std::unique_ptr<Http2Session> session_;                // null, or good for new streams
  std::vector<std::unique_ptr<Http2Session>> draining_;  // going away, or dead and to be dropped
  int64_t pause_ns_ = 0;
  int64_t retry_at_ns_ = 0;  // no connection is made before
  std::string last_failure_;
  uint64_t disconnects_ = 0;  // connections that are gone, or going, of those that were session_

  Rpcs rpcs_;
  std::vector<uint64_t> waiting_;                     // calls that wait for the shard
  std::set<std::pair<int64_t, uint64_t>> deadlines_;  // of calls

  std::vector<LinkEvent> events_;
  size_t event_messages_ = 0;
  size_t event_bytes_ = 0;
  std::vector<uint64_t> paused_;  // streams that get no window
  size_t gather_bytes_ = 0;       // as the owner asked for
  size_t receive_low_ = 0;        // as the sessions were told
};

}  // namespace ringway::cluster
