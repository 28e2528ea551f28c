#include "gateway/doors.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "base/spare_bytes.h"
#include "door/proxy_header.h"

namespace ringway::gateway {
namespace {

constexpr uint8_t kTlsHandshakeRecord = 0x16;
// What a request begins with: the words that no transport begins with.
constexpr std::array<std::string_view, 4> kHttpWords = {"POST", "GET ", "HEAD", "OPTI"};
constexpr size_t kHttpWordBytes = 4;
// Read from TLS at once.
constexpr size_t kTlsReadBytesMin = 512;
constexpr size_t kTlsReadBytesMax = 16 * 1024;

enum class Match : uint8_t { kNo, kMaybe, kYes };

Match match_http(ByteView start) noexcept {
  const size_t count = std::min(start.size(), kHttpWordBytes);
  for (const std::string_view word : kHttpWords) {
    if (std::memcmp(start.data(), word.data(), count) == 0) {
      return count == kHttpWordBytes ? Match::kYes : Match::kMaybe;
    }
  }
  return Match::kNo;
}

// The payloads of all frames of a read, moved together in place: the stream lies in one piece.
class Compaction {
 public:
  explicit Compaction(ByteSpan read) noexcept : read_(read) {}
  void add(ByteSpan payload) noexcept {
    std::memmove(read_.data() + size_, payload.data(), payload.size());
    size_ += payload.size();
  }
  [[nodiscard]] ByteSpan whole() const noexcept { return read_.first(size_); }

 private:
  ByteSpan read_;
  size_t size_ = 0;
};

net::PeerAddress peer_of(const door::ProxyAddress& source) noexcept {
  net::PeerAddress peer;
  if (source.ip_bytes == 4) {
    peer.ip[10] = 0xff;
    peer.ip[11] = 0xff;
    std::copy_n(source.ip.begin(), 4, peer.ip.begin() + 12);
  } else {
    peer.ip = source.ip;
  }
  peer.port = source.port;
  return peer;
}

void make_transports(const config::Config& config, ListenerDoors& doors) {
  const config::Transports& transports = config.transports;
  mtproto::TransportConfig& plain = doors.plain;
  plain.abridged = transports.abridged;
  plain.intermediate = transports.intermediate;
  plain.padded = transports.padded;
  plain.full = transports.full;
  plain.obfuscated = transports.obfuscated;
  plain.frame_bytes_max = config.limits.frame_bytes;
  plain.secrets = config::secrets_of(config, doors.listener);

  doors.wrapped = plain;
  doors.wrapped.always_obfuscated = true;

  doors.posted.framing = mtproto::TransportKind::kIntermediate;
  doors.posted.frame_bytes_max = std::min(plain.frame_bytes_max, kHttpBodyBytesMax);
  doors.served.post = doors.listener.protocol != config::Protocol::kWebsocket;
  doors.served.websocket = doors.listener.protocol != config::Protocol::kHttp;

  for (const config::FakeTlsSecret& secret : doors.listener.fake_tls_secrets) {
    doors.fake_secrets.push_back({secret.key, secret.domain});
    doors.fake.push_back(doors.wrapped);
    doors.fake.back().secrets = {secret.key};
  }
  if (doors.fake.empty()) return;
  // Who hides does not want to be found by whoever knows no secret: a plain transport asks for none
  // and would answer anybody. With secrets for fake TLS alone nothing else is left.
  doors.hidden = plain.secrets.empty();
  plain.abridged = plain.intermediate = plain.padded = plain.full = false;
  if (doors.hidden) plain.obfuscated = false;
}

}  // namespace

std::shared_ptr<const tls::TlsContext> ListenerDoors::tls_context() const {
  const std::lock_guard lock(tls_mutex_);
  return tls_context_;
}

void ListenerDoors::set_tls_context(std::shared_ptr<const tls::TlsContext> context) {
  const std::lock_guard lock(tls_mutex_);
  tls_context_.swap(context);
}

std::vector<std::unique_ptr<ListenerDoors>> make_doors(const config::Config& config,
                                                       tls::ReplayCache* replays) {
  std::vector<std::unique_ptr<ListenerDoors>> all;
  for (const config::Listener& listener : config.listeners) {
    auto doors = std::make_unique<ListenerDoors>();
    doors->listener = listener;
    doors->held_bytes_max = config.limits.input_bytes_per_connection;
    doors->replays = replays;
    make_transports(config, *doors);
    all.push_back(std::move(doors));
  }
  return all;
}

ByteSpan TurnBytes::keep(Bytes bytes) {
  kept_.push_back(std::move(bytes));
  return kept_.back();
}

void TurnBytes::clear() noexcept {
  for (Bytes& bytes : kept_) give_spare_bytes(std::move(bytes));
  kept_.clear();
}

struct Doors::Turn {
  Now now;
  TurnBytes& kept;
  CounterBlock& counters;
  Bytes& reply;
  Outcome outcome;
  bool slice = false;  // of an upload
};

Doors::Doors(const ListenerDoors& doors, bool believed)
    : doors_(doors),
      proxy_wanted_(doors.listener.proxy_protocol.enabled && believed),
      unproxied_(doors.listener.proxy_protocol.enabled && doors.listener.proxy_protocol.require &&
                 !believed),
      secure_(doors.listener.tls.has_value()) {
  switch (doors.listener.protocol) {
    case config::Protocol::kTcp:
      stage_ = doors.fake_secrets.empty() ? Stage::kPlain : Stage::kDetect;
      break;
    case config::Protocol::kAuto:
      stage_ = Stage::kDetect;
      break;
    case config::Protocol::kWebsocket:
    case config::Protocol::kHttp:
      stage_ = Stage::kHttp;
      break;
  }
  if (secure_) tls_ = std::make_unique<tls::TlsStream>(doors.tls_context());
}

Doors::~Doors() = default;

Doors::Outcome Doors::receive(ByteSpan bytes, Now now, TurnBytes& kept, CounterBlock& counters,
                              Bytes& reply) {
  Turn turn{now, kept, counters, reply, {}};
  ByteSpan rest = bytes;
  if (failed_) {
    turn.outcome.failed = true;
  } else if (unproxied_) {
    fail(turn, Counter::kProxyHeadersRefused);
  } else if (!proxy_wanted_ || take_proxy_header(rest, turn)) {
    advance(rest, turn);
  }
  return finish(turn);
}

Doors::Outcome Doors::resume(std::unique_ptr<tls::TlsStream> handshake, bool ok, Now now,
                             TurnBytes& kept, CounterBlock& counters, Bytes& reply) {
  Turn turn{now, kept, counters, reply, {}};
  tls_ = std::move(handshake);
  take_output(reply);
  if (failed_) {
    turn.outcome.failed = true;
  } else if (ok) {
    Bytes came = std::exchange(head_, Bytes());
    if (tls_->handshake_done()) {
      counters.add(Counter::kTlsHandshakes);
      upload_ = std::move(came);
      ByteSpan plain;
      if (decrypt_upload(plain, turn)) take_plaintext(plain, turn);
      if (input_ended_) take_end(turn);
    } else {
      advance(kept.keep(std::move(came)), turn);
    }
  } else {
    fail(turn, Counter::kTlsHandshakesFailed);
  }
  return finish(turn);
}

Doors::Outcome Doors::finish(Turn& turn) {
  if (turn.outcome.failed) {
    failed_ = true;
    head_ = Bytes();
    upload_ = Bytes();
    upload_taken_ = 0;
  }
  return std::move(turn.outcome);
}

void Doors::advance(ByteSpan rest, Turn& turn) {
  if (!secure_ || decrypt(rest, turn)) take_plaintext(rest, turn);
  if (input_ended_) take_end(turn);
}

// The client says nothing more, and may still listen: requests that came before are answered.
void Doors::take_end(Turn& turn) noexcept {
  if (go_on_) return;
  if (!awaits_answer()) {
    turn.outcome.failed = true;
  } else if (head_.empty()) {
    http_->end_with_answer();
  }
}

void Doors::take_plaintext(ByteSpan rest, Turn& turn) {
  if (stage_ != Stage::kDetect && stage_ != Stage::kHttp) {
    pass(rest, turn);
  } else if (awaits_answer() || go_on_) {
    append(head_, rest);
  } else if (!rest.empty()) {
    const size_t searched = head_.size();
    detect(with_head(rest, turn), searched, turn);
  }
}

bool Doors::take_proxy_header(ByteSpan& rest, Turn& turn) {
  rest = with_head(rest, turn);
  const auto header = door::read_proxy_header(rest);
  if (!header) {
    if (header.error() == Error::kTruncated) {
      hold(rest);
    } else {
      fail(turn, Counter::kProxyHeadersRefused);
    }
    return false;
  }
  if (header->bytes == 0 && doors_.listener.proxy_protocol.require) {
    fail(turn, Counter::kProxyHeadersRefused);
    return false;
  }
  proxy_wanted_ = false;
  turn.outcome.proxy_header_done = true;
  if (header->source.ip_bytes != 0) turn.outcome.peer = peer_of(header->source);
  rest = rest.subspan(header->bytes);
  return !rest.empty() || stage_ == Stage::kPlain;
}

// What TLS has brought, in a buffer of the turn; false when there is nothing to go on with.
bool Doors::decrypt(ByteSpan& rest, Turn& turn) {
  if (tls_ == nullptr) {
    if (head_.size() + rest.size() > doors_.held_bytes_max) {
      fail(turn, Counter::kTlsHandshakesFailed);
    } else {
      head_.insert(head_.end(), rest.begin(), rest.end());
    }
    return false;
  }
  if (upload_left() > 0 && !turn.slice) {
    append(upload_, rest);
    return false;
  }
  // Mostly what came now ends a record, and plaintext is no longer than its records.
  const size_t step = std::clamp(rest.size(), kTlsReadBytesMin, kTlsReadBytesMax);
  Bytes plain;
  // What came together with the end of the handshake makes room for the rest.
  bool alive = !tls_->handshake_done() || !tls_->has_record() || read_tls(step, plain);
  alive = alive && tls_->receive(rest).ok();
  if (alive && !tls_->handshake_done()) {
    if (tls_->has_record()) turn.outcome.handshake = std::move(tls_);
    return false;
  }
  alive = alive && read_tls(step, plain);
  take_output(turn.reply);
  // What came before the end still counts.
  input_ended_ |= tls_->peer_closed();
  if (!alive) {
    turn.outcome.failed = true;
    turn.counters.add(Counter::kTlsErrors);
  }
  if (plain.empty()) {
    give_spare_bytes(std::move(plain));
    return false;
  }
  rest = turn.kept.keep(std::move(plain));
  return true;
}

// One slice of what came during the handshake, and first what came with its last step.
bool Doors::decrypt_upload(ByteSpan& plain, Turn& turn) {
  const size_t bytes = tls_->has_record() ? 0 : std::min(upload_left(), kCryptoSliceBytes);
  plain = ByteSpan(upload_).subspan(upload_taken_, bytes);
  upload_taken_ += bytes;
  turn.slice = true;
  const bool any = decrypt(plain, turn);
  if (upload_left() == 0 || input_ended_) {
    upload_ = Bytes();
    upload_taken_ = 0;
  }
  return any;
}

// Appends all that can be read. False: the connection is dead.
bool Doors::read_tls(size_t step, Bytes& plain) {
  if (plain.empty()) plain = take_spare_bytes(step);
  // A read that was filled may have left a part of a record.
  for (size_t count = step; count == step;) {
    const size_t have = plain.size();
    plain.resize(have + step);
    const bool alive = tls_->read(ByteSpan(plain).subspan(have), count).ok();
    plain.resize(have + count);
    if (!alive) return false;
  }
  return true;
}

void Doors::take_output(Bytes& out) {
  const ByteView pending = tls_->pending_output();
  out.insert(out.end(), pending.begin(), pending.end());
  tls_->consume_output(pending.size());
}

void Doors::detect(ByteSpan rest, size_t searched, Turn& turn) {
  if (stage_ == Stage::kHttp) {
    take_requests(rest, searched, turn);
    return;
  }
  // Beside ee secrets nobody is answered who knows none, and a request shows none.
  if (doors_.listener.protocol == config::Protocol::kAuto && doors_.fake_secrets.empty()) {
    switch (match_http(rest)) {
      case Match::kYes:
        stage_ = Stage::kHttp;
        take_requests(rest, searched, turn);
        return;
      case Match::kMaybe:
        hold(rest);
        return;
      case Match::kNo:
        break;
    }
  }
  if (!doors_.fake_secrets.empty() && rest.front() == kTlsHandshakeRecord) {
    take_hello(rest, turn);
    return;
  }
  begin_plain(rest, turn);
}

// --- HTTP and WebSocket

bool Doors::is_empty_line(ByteView bytes) noexcept {
  return std::string_view("\r\n").starts_with(as_text(bytes));
}

void Doors::take_requests(ByteSpan rest, size_t searched, Turn& turn) {
  if (http_ == nullptr) {
    const bool by_status = doors_.listener.http_error_style == config::HttpErrorStyle::kStatus;
    http_ = std::make_unique<door::HttpServer>(doors_.served, by_status);
  }
  size_t preflights = 0;
  while (!rest.empty()) {
    if (http_->ended()) {
      turn.outcome.failed = true;
      return;
    }
    if (preflights == kHttpPreflightsPerTurn) {
      hold(rest);
      go_on_ = true;
      return;
    }
    if (http_->awaits_answer()) {
      hold(rest);
      return;
    }
    Bytes reply;
    const door::HttpStep step = http_->take(rest, searched, reply);
    if (!reply.empty()) say(reply, turn);
    searched = 0;
    switch (step.kind) {
      case door::HttpStep::Kind::kNeedMore:
        hold(rest);
        return;
      case door::HttpStep::Kind::kRefused:
        fail(turn, Counter::kHttpRequestsRefused);
        return;
      case door::HttpStep::Kind::kUpgrade:
        take_upgrade(rest.subspan(step.consumed), turn);
        return;
      case door::HttpStep::Kind::kAnswered:
        ++preflights;
        break;
      case door::HttpStep::Kind::kFrame:
        break;
    }
    if (!std::exchange(begun_, true)) begin(Stage::kHttp, doors_.posted, turn);
    // There is one at most: behind a whole one nothing is taken, and a part of one is all there is.
    if (!step.frame.empty()) turn.outcome.stream = step.frame;
    if (http_->awaits_answer()) turn.counters.add(Counter::kHttpRequests);
    rest = rest.subspan(step.consumed);
  }
  turn.outcome.failed |= http_->ended();
}

void Doors::take_upgrade(ByteSpan rest, Turn& turn) {
  http_.reset();
  websocket_ = std::make_unique<door::WebSocketReader>(door::WsRole::kServer);
  turn.counters.add(Counter::kWebSocketsOpened);
  begin(Stage::kWebSocket, doors_.wrapped, turn);
  pass(rest, turn);
}

Doors::Outcome Doors::go_on(Now now, TurnBytes& kept, CounterBlock& counters, Bytes& reply) {
  Turn turn{now, kept, counters, reply, {}};
  go_on_ = false;
  ByteSpan plain;
  if (failed_ || (http_ != nullptr && http_->ended())) {
    turn.outcome.failed = true;
  } else if (upload_left() > 0 && !awaits_answer() && decrypt_upload(plain, turn)) {
    take_plaintext(plain, turn);
  } else if (http_ != nullptr && !awaits_answer() && !head_.empty()) {
    take_requests(kept.keep(std::exchange(head_, Bytes())), 0, turn);
  }
  if (input_ended_) take_end(turn);
  return finish(turn);
}

void Doors::answer_nothing(Bytes& out) {
  if (!awaits_answer() || closed_) return;
  Bytes answer;
  http_->answer({}, answer);
  closed_ = !encrypt(answer, out);
  note_answered();
}

void Doors::note_answered() noexcept { go_on_ = http_->ended() || !head_.empty() || input_ended_; }

void Doors::read_websocket(ByteSpan rest, Turn& turn) {
  using Event = door::WebSocketReader::Event;
  Compaction stream(rest);
  websocket_->receive(rest);
  for (;;) {
    door::WebSocketReader::Piece piece;
    switch (websocket_->next(piece)) {
      case Event::kNeedMore:
        turn.outcome.stream = stream.whole();
        return;
      case Event::kData:
        stream.add(piece.bytes);
        break;
      case Event::kPing: {
        Bytes pong(door::ws_frame_header_bytes(piece.bytes.size()) + piece.bytes.size());
        door::write_ws_frame_header(door::WsOpcode::kPong, piece.bytes.size(), pong);
        std::copy(piece.bytes.begin(), piece.bytes.end(),
                  pong.end() - static_cast<ptrdiff_t>(piece.bytes.size()));
        say(pong, turn);
        break;
      }
      case Event::kPong:
        break;
      case Event::kClose:
        turn.outcome.stream = stream.whole();
        turn.outcome.failed = true;
        close_code_ = piece.close_code;
        return;
      case Event::kError:
        turn.outcome.stream = stream.whole();
        fail(turn, Counter::kWebSocketErrors);
        close_code_ = piece.close_code;
        return;
    }
  }
}

// --- fake TLS

void Doors::take_hello(ByteSpan rest, Turn& turn) {
  const auto hello = tls::read_fake_hello(rest, doors_.fake_secrets, turn.now.unix_seconds());
  if (!hello) {
    switch (hello.error()) {
      case Error::kTruncated:
        hold(rest);
        return;
      case Error::kBadTransport:
        begin_plain(rest, turn);
        return;
      default:
        refuse_hello(rest, turn, Counter::kFakeTlsRefused);
        return;
    }
  }
  switch (doors_.replays->insert(hello->replay_id(), turn.now.unix_seconds())) {
    case tls::ReplayCache::Verdict::kNew:
      break;
    case tls::ReplayCache::Verdict::kSeen:
      refuse_hello(rest, turn, Counter::kFakeTlsReplays);
      return;
    case tls::ReplayCache::Verdict::kFull:
      refuse_hello(rest, turn, Counter::kFakeTlsReplaysFull);
      return;
  }
  say(tls::make_fake_flight(*hello, doors_.fake_secrets[hello->secret]), turn);
  fake_ = std::make_unique<tls::FakeTlsReader>(tls::FakeTlsSide::kServer);
  turn.counters.add(Counter::kFakeTlsOpened);
  begin(Stage::kFakeTls, doors_.fake[hello->secret], turn);
  pass(rest.subspan(hello->record.size()), turn);
}

// Without a mask it is closed, and hears nothing.
void Doors::refuse_hello(ByteView rest, Turn& turn, Counter counter) {
  if (!doors_.listener.mask) {
    fail(turn, counter);
    return;
  }
  turn.counters.add(counter);
  hold(rest);
  turn.outcome.masked = true;
}

// What does not begin like TLS, on a listener that may know it all the same. The transport changes
// what it reads, and the mask is to have it as it came.
void Doors::begin_plain(ByteSpan rest, Turn& turn) {
  if (doors_.hidden && doors_.listener.mask) {
    refuse_hello(rest, turn, Counter::kFakeTlsRefused);
    return;
  }
  keeps_start_ = doors_.listener.mask.has_value();
  begin(Stage::kPlain, doors_.plain, turn);
  pass(rest, turn);
}

void Doors::read_fake_tls(ByteSpan rest, Turn& turn) {
  using Event = tls::FakeTlsReader::Event;
  Compaction stream(rest);
  fake_->receive(rest);
  for (;;) {
    ByteSpan data;
    switch (fake_->next(data)) {
      case Event::kNeedMore:
        turn.outcome.stream = stream.whole();
        return;
      case Event::kData:
        stream.add(data);
        break;
      case Event::kError:
        turn.outcome.stream = stream.whole();
        fail(turn, Counter::kFakeTlsErrors);
        return;
    }
  }
}

// --- common

void Doors::pass(ByteSpan rest, Turn& turn) {
  switch (stage_) {
    case Stage::kWebSocket:
      read_websocket(rest, turn);
      return;
    case Stage::kFakeTls:
      read_fake_tls(rest, turn);
      return;
    case Stage::kPlain:
      if (keeps_start_) keep_start(rest);
      turn.outcome.stream = rest;
      turn.outcome.plain = !secure_ && !keeps_start_;
      return;
    case Stage::kDetect:
    case Stage::kHttp:
      RW_ASSERT(false);
  }
}

void Doors::begin(Stage stage, const mtproto::TransportConfig& transport, Turn& turn) {
  stage_ = stage;
  turn.outcome.begins = &transport;
}

void Doors::fail(Turn& turn, Counter counter) {
  turn.counters.add(counter);
  turn.outcome.failed = true;
}

ByteSpan Doors::with_head(ByteSpan bytes, Turn& turn) {
  if (head_.empty()) return bytes;
  head_.insert(head_.end(), bytes.begin(), bytes.end());
  return turn.kept.keep(std::exchange(head_, Bytes()));
}

void Doors::hold(ByteView bytes) { head_.assign(bytes.begin(), bytes.end()); }

void Doors::say(ByteView bytes, Turn& turn) { (void)encrypt(bytes, turn.reply); }

bool Doors::encrypt(ByteView bytes, Bytes& out) {
  if (!secure_) {
    out.insert(out.end(), bytes.begin(), bytes.end());
    return true;
  }
  if (tls_ == nullptr) return false;
  const bool sealed = tls_->write(bytes).ok();
  take_output(out);
  return sealed;
}

bool Doors::wrap(ByteView bytes, Bytes& out) {
  if (closed_) return false;
  closed_ = !wrap_open(bytes, out);
  return !closed_;
}

bool Doors::wrap_open(ByteView bytes, Bytes& out) {
  switch (stage_) {
    case Stage::kPlain:
      return encrypt(bytes, out);
    case Stage::kWebSocket: {
      Bytes sealed_later;
      Bytes& frame = secure_ ? sealed_later : out;
      const size_t header_bytes = door::ws_frame_header_bytes(bytes.size());
      const size_t before = frame.size();
      frame.reserve(before + header_bytes + bytes.size());
      frame.resize(before + header_bytes);
      door::write_ws_frame_header(door::WsOpcode::kBinary, bytes.size(),
                                  ByteSpan(frame).subspan(before));
      frame.insert(frame.end(), bytes.begin(), bytes.end());
      return !secure_ || encrypt(frame, out);
    }
    case Stage::kFakeTls: {
      const size_t before = out.size();
      out.resize(before + tls::fake_records_bytes(bytes.size()));
      tls::write_fake_records(bytes, ByteSpan(out).subspan(before));
      return true;
    }
    case Stage::kHttp: {
      // What nobody has asked for has nowhere to go.
      if (!awaits_answer()) return false;
      Bytes answer;
      http_->answer(bytes.subspan(door::kHttpFrameHeaderBytes), answer);
      note_answered();
      return encrypt(answer, out);
    }
    case Stage::kDetect:
      return false;
  }
  return false;
}

void Doors::close(Bytes& out) {
  if (std::exchange(closed_, true)) return;
  if (refusal_ != 0 && (awaits_answer() || mid_request())) {
    Bytes answer;
    http_->refuse(refusal_, answer);
    (void)encrypt(answer, out);
  }
  if (websocket_ != nullptr) (void)encrypt(door::ws_close_frame(close_code_), out);
  if (tls_ == nullptr) return;
  tls_->close_notify();
  take_output(out);
}

}  // namespace ringway::gateway
