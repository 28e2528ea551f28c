// Teamgram's stream, /session.RPCSessionStream/SessionDataStream: several of them per shard.
//
// A shard works one stream strictly request after request and answers each in order, so a slow
// request holds up what is behind it: keys are spread over kStreamsPerShard streams (lanes), each
// key on one. A shard says nothing until it has a request, so the first request finds out whether
// it knows this wire: until its answer there is one lane with that alone on its way. An unknown
// method has done nothing with it: it stays in the window for the next wire. With the answer it is
// known how many streams the shard allows at once; of these the lanes leave calls their share.
#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <deque>
#include <span>

#include "base/limits.h"
#include "cluster/session_codec.h"
#include "cluster/wire.h"

namespace ringway::cluster {
namespace {

// request_id, the arm of the request and the field in it: three tags, three lengths, 20 digits.
constexpr size_t kWrapperBytesMax = 2 + 20 + (1 + 5) + (1 + 5);

constexpr uint32_t kRequestId = 1;
constexpr uint32_t kRequestSendData = 10;
constexpr uint32_t kRequestCloseSession = 12;
constexpr uint32_t kRequestBody = 3;  // `data` of a send, `client` of a close

// Finalizer of SplitMix64: keys that differ little land on different lanes.
uint64_t mix(uint64_t x) noexcept {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9;
  x ^= x >> 27;
  x *= 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

class StreamWire final : public Wire {
 public:
  StreamWire(LinkContext& link, Now) : Wire(link) {
    open_lanes(1);
    StreamWire::rewind();
  }

  ~StreamWire() override {
    for (const Lane& lane : open()) {
      if (!lane.ended) link_.channel->cancel_stream(lane.stream);
    }
    if (gathering_) link_.channel->gather_answers(0);
  }

  std::string_view name() const noexcept override { return "stream"; }
  bool established() const noexcept override { return established_; }

  void added(uint32_t entry) override {
    crash_suspects_ = crash_suspects_ || is_crash_suspect(entry);
    lane_of(entry).waiting.push_back(entry);
  }

  WireState on_event(LinkEvent& event, Now now) override {
    const auto lane = std::find_if(lanes_.begin(), lanes_.end(),
                                   [&](const Lane& l) { return l.stream == event.id; });
    if (lane == lanes_.end()) return WireState::kGoing;
    switch (event.kind) {
      case LinkEvent::Kind::kMessage:
        return on_response(*lane, event.bytes, now);
      case LinkEvent::Kind::kWritten:
        lane->writing = false;
        return WireState::kGoing;
      case LinkEvent::Kind::kEnded:
        return on_ended(*lane, event, now);
      case LinkEvent::Kind::kReply:
        break;
    }
    return WireState::kGoing;
  }

  WireState flush(Now now) override {
    gather_answers(now);
    for (Lane& lane : lanes_) {
      if (now.mono_ns >= lane_deadline_ns(lane)) {
        link_.errors.note(Trouble::kBroken, kStatusDeadlineExceeded, "no answer on the stream",
                          now);
        link_.pace.stalled(now.mono_ns);
        blame_hang(lane, now);
        return WireState::kStuck;
      }
      if (may_write(lane)) write(lane, now);
    }
    return WireState::kGoing;
  }

  bool quiet() const noexcept override {
    return std::all_of(lanes_.begin(), lanes_.end(), [](const Lane& l) { return l.sent.empty(); });
  }

  void rewind() override {
    crash_suspects_ = false;
    for (Lane& lane : lanes_) lane.waiting.clear();
    for (uint32_t entry = link_.window.first(); entry != kNoEntry;
         entry = link_.window.next(entry)) {
      StreamWire::added(entry);
    }
  }

  bool withdraw(uint32_t entry) override { return std::erase(lane_of(entry).waiting, entry) > 0; }

  bool has_work() const noexcept override {
    return std::any_of(lanes_.begin(), lanes_.end(),
                       [this](const Lane& l) { return may_write(l); });
  }

  int64_t deadline_ns() const noexcept override {
    int64_t deadline = gathering_ ? gather_until_ns_ : INT64_MAX;
    for (const Lane& lane : lanes_) deadline = std::min(deadline, lane_deadline_ns(lane));
    return deadline;
  }

 private:
  struct Sent {
    uint64_t request = 0;
    uint32_t entry = kNoEntry;
    int64_t sent_ns = 0;
    bool passed_over = false;  // a later one has been answered
  };
  struct Lane {
    uint64_t stream = 0;
    bool writing = false;  // true exactly while the transport has a write of ours
    bool ended = false;
    std::deque<uint32_t> waiting;
    std::deque<Sent> sent;    // unanswered, in order
    int64_t progress_ns = 0;  // the last answer, or the first write after it
  };

  Lane& lane_of(uint32_t entry) {
    const auto key = static_cast<uint64_t>(link_.window.perm_auth_key_id(entry));
    return lanes_[mix(key) % lanes_open_];
  }

  std::span<const Lane> open() const noexcept { return std::span(lanes_).first(lanes_open_); }

  void open_lanes(size_t count) {
    for (; lanes_open_ < count; ++lanes_open_) {
      Lane& lane = lanes_[lanes_open_];
      lane.stream = link_.new_id();
      link_.channel->start_stream(lane.stream, StreamMethod::kSessionData);
    }
  }

  // The first answer is here, and it was to the one request on its way: all keys may move.
  void establish() {
    established_ = true;
    open_lanes(std::clamp<size_t>(link_.channel->streams_max() / kStreamsForDataDivisor, 1,
                                  kStreamsPerShard));
    rewind();
  }

  // A shard answers each request for itself, and nobody waits for an answer but the window. While
  // many are due, enough of them for one look are left to gather in the socket, so that each does
  // not wake the worker; when they come late, and before the last ones, the worker hears of all.
  void gather_answers(Now now) {
    if (answers_ != answers_before_) gather_until_ns_ = now.mono_ns + kStreamGatherNs;
    answers_before_ = answers_;
    size_t due = 0;
    for (const Lane& lane : lanes_) due += lane.sent.size();
    const size_t enough = gathering_ ? kStreamGatherAnswers : 2 * kStreamGatherAnswers;
    const bool wanted = due >= enough && now.mono_ns < gather_until_ns_;
    if (wanted == gathering_) return;
    gathering_ = wanted;
    link_.channel->gather_answers(gathering_ ? kStreamGatherBytes : 0);
  }

  // How many requests the lane may have unanswered.
  size_t sent_max(const Lane& lane) const noexcept {
    const bool alone = travels_alone(lane.waiting.front()) ||
                       (!lane.sent.empty() && travels_alone(lane.sent.back().entry));
    return established_ && !alone ? std::min(kStreamWindowMax, link_.pace.limit()) : 1;
  }

  bool is_crash_suspect(uint32_t entry) const noexcept {
    return link_.window.marks(entry).crashes >= kSuspectCrashesCareful;
  }

  // What may have crashed the shard ends all streams at once, so that it has to be the only one on
  // any of them: the others end what they have begun, and wait.
  bool has_its_turn(const Lane& lane) const noexcept {
    if (!crash_suspects_) return true;
    const Lane* next = nullptr;  // the first lane with a suspect in front
    for (const Lane& each : lanes_) {
      if (!each.sent.empty() && is_crash_suspect(each.sent.back().entry)) return false;
      if (next == nullptr && !each.waiting.empty() && is_crash_suspect(each.waiting.front())) {
        next = &each;
      }
    }
    return next == nullptr || (next == &lane && quiet());
  }

  // A lane whose window is full goes on in steps, not with each answer: what the shard has in hand
  // keeps it busy meanwhile, and the steps share what a write costs.
  bool may_write(const Lane& lane) const noexcept {
    if (link_.held || lane.writing || lane.ended || lane.waiting.empty()) return false;
    if (!has_its_turn(lane)) return false;
    const size_t most = sent_max(lane);
    if (lane.sent.size() >= most) return false;
    return lane.sent.empty() ||
           most - lane.sent.size() >= std::min(lane.waiting.size(), kStreamStepMin);
  }

  int64_t lane_deadline_ns(const Lane& lane) const noexcept {
    if (lane.sent.empty()) return INT64_MAX;
    return lane.sent.front().sent_ns + link_.options.call_timeout_ns;
  }

  void write(Lane& lane, Now now) {
    if (lane.sent.empty()) lane.progress_ns = now.mono_ns;
    const size_t count = std::min(
        {lane.waiting.size(), sent_max(lane) - lane.sent.size(), link_.options.batch_messages_max});
    // One chunk holds the wrappers of all messages of this write.
    const ChunkRef wrappers = ChunkRef::make(count * kWrapperBytesMax);
    size_t used = 0;
    std::vector<WireMessage> messages;
    messages.reserve(count);
    while (messages.size() < count && lane.sent.size() < sent_max(lane)) {
      const uint32_t entry = lane.waiting.front();
      lane.waiting.pop_front();
      mark_sent(entry);
      const uint64_t request = ++last_request_;
      uint8_t* at = wrappers->data() + used;
      const size_t size = write_wrapper({at, kWrapperBytesMax}, entry, request);
      used += size;
      WireMessage message;
      message.push_back({wrappers, at, size});
      message.push_back(link_.window.body(entry));
      messages.push_back(std::move(message));
      lane.sent.push_back({request, entry, now.mono_ns});
      if (lane.waiting.empty()) break;
    }
    link_.count_batch(messages.size());
    link_.channel->write(lane.stream, messages);
    lane.writing = true;
  }

  // What stands before an entry's body in a SessionStreamRequest.
  size_t write_wrapper(ByteSpan out_bytes, uint32_t entry, uint64_t request) const {
    std::array<char, 20> digits;
    const char* end = std::to_chars(digits.data(), digits.data() + digits.size(), request).ptr;
    const size_t body = link_.window.body_size(entry);
    const bool data = link_.window.kind(entry) == ItemKind::kData;
    ProtoWriter out(out_bytes);
    out.text_field(kRequestId, {digits.data(), static_cast<size_t>(end - digits.data())});
    out.message_header(data ? kRequestSendData : kRequestCloseSession,
                       message_field_size(kRequestBody, body));
    out.message_header(kRequestBody, body);
    return out.position();
  }

  WireState on_response(Lane& lane, ByteView bytes, Now now) {
    const Result<StreamResponse> response = decode_stream_response(bytes);
    if (!response) return malformed("SessionStreamResponse does not decode", now);
    ++answers_;
    const std::string_view id = response->request_id;
    uint64_t request = 0;
    const auto parsed = std::from_chars(id.data(), id.data() + id.size(), request);
    if (parsed.ec != std::errc() || parsed.ptr != id.data() + id.size()) {
      return malformed("an answer without a request_id of ours", now);
    }
    // In order it is the first one; a shard that answers out of order is understood as well.
    const auto sent = std::find_if(lane.sent.begin(), lane.sent.end(),
                                   [request](const Sent& s) { return s.request == request; });
    if (sent == lane.sent.end()) return malformed("an answer to no request", now);
    const uint32_t entry = sent->entry;
    link_.pace.answered(now.mono_ns - sent->sent_ns, now.mono_ns);
    if (sent != lane.sent.begin()) lane.sent.front().passed_over = true;
    lane.sent.erase(sent);
    lane.progress_ns = now.mono_ns;
    if (response->error) {
      settle(entry, response->code == kStatusOk ? kStatusUnknown : response->code,
             response->message, now);
    } else {
      settle(entry, response->success ? kStatusOk : kStatusUnknown, "answered false", now);
    }
    if (!established_) establish();
    return WireState::kGoing;
  }

  WireState on_ended(Lane& lane, const LinkEvent& event, Now now) {
    lane.ended = true;
    if (event.status == kStatusUnimplemented && !established_) return WireState::kUnsupported;
    const bool all = event.cut || event.status == kStatusUnavailable;  // the connection has ended
    leave_behind(all ? nullptr : &lane, event.status, established_ || event.cut);
    link_.errors.note(Trouble::kBroken, event.status, event.text, now);
    return WireState::kBroken;
  }

  // A shard that says nothing at all may have choked on anything it has; one that answers others
  // and not the oldest has choked on that; one that is late with everything is slow.
  void blame_hang(const Lane& lane, Now now) {
    if (now.mono_ns >= lane.progress_ns + link_.options.call_timeout_ns) {
      leave_behind(&lane, kStatusDeadlineExceeded, established_);
    } else if (lane.sent.front().passed_over) {
      link_.last_break = {kStatusDeadlineExceeded, true, {lane.sent.front().entry}};
    }
  }

  // What one lane had on its way, or all of them.
  void leave_behind(const Lane* only, int32_t status, bool touched) {
    link_.last_break = {status, touched, {}};
    for (const Lane& lane : lanes_) {
      if (only != nullptr && &lane != only) continue;
      for (const Sent& sent : lane.sent) link_.last_break.sent.push_back(sent.entry);
    }
  }

  WireState malformed(std::string_view what, Now now) {
    link_.counters.add(Counter::kShardErrors);
    link_.errors.note(Trouble::kMalformed, kStatusOk, what, now);
    return WireState::kBroken;
  }

  bool established_ = false;
  bool crash_suspects_ = false;  // one has come since the wire began
  bool gathering_ = false;       // as the channel was told
  int64_t gather_until_ns_ = 0;
  uint64_t answers_ = 0;
  uint64_t answers_before_ = 0;  // at the last look
  uint64_t last_request_ = 0;
  size_t lanes_open_ = 0;  // the first ones
  std::array<Lane, kStreamsPerShard> lanes_;
};

}  // namespace

std::unique_ptr<Wire> make_stream_wire(LinkContext& link, Now now) {
  return std::make_unique<StreamWire>(link, now);
}

}  // namespace ringway::cluster
