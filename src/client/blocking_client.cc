#include "client/blocking_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>

#include "client/objects.h"
#include "crypto/random.h"
#include "mtproto/framing.h"
#include "mtproto/tl.h"
#include "mtproto/unencrypted.h"

namespace ringway::client {
namespace {

constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kUnencryptedHeaderBytes = 20;

bool answers(const SessionEvent& event) noexcept {
  return event.kind == SessionEvent::Kind::kReply || event.kind == SessionEvent::Kind::kPong ||
         event.kind == SessionEvent::Kind::kService || event.kind == SessionEvent::Kind::kFailed;
}

}  // namespace

std::string Arrival::to_string() const {
  switch (kind) {
    case Kind::kEvent:
      return event.kind == SessionEvent::Kind::kFailed
                 ? fmt::format("request refused (code {})", event.bad_msg_code)
                 : std::string("a message");
    case Kind::kUnencrypted:
      return "an unencrypted message";
    case Kind::kEncrypted:
      return "a message for another key";
    case Kind::kQuickAck:
      return "a quick ack";
    case Kind::kTransportError:
      return fmt::format("transport error {}", error_code);
    case Kind::kClosed:
      return "the server closed the connection";
    case Kind::kReset:
      return "the connection was reset";
    case Kind::kBroken:
      return fmt::format("the server sent something wrong: {}", ringway::to_string(error));
    case Kind::kTimeout:
      return "no answer in time";
  }
  return "?";
}

BlockingClient::BlockingClient(const mtproto::ClientTransportOptions& transport)
    : transport_(transport), kind_(transport.kind), input_(kReadBytes) {}

BlockingClient::BlockingClient(const mtproto::ClientTransportOptions& transport,
                               std::span<const uint8_t, kObfuscationInitBytes> drawn_init)
    : transport_(transport, drawn_init), kind_(transport.kind), input_(kReadBytes) {}

Error BlockingClient::fail(Error error, std::string text) {
  problem_ = std::move(text);
  return error;
}

Result<void> BlockingClient::connect(const std::string& address, int64_t timeout_ns) {
  const int64_t deadline_ns = read_clocks().mono_ns + timeout_ns;
  auto connected = socket_.connect(address, timeout_ns);
  if (!connected.ok()) problem_ = socket_.last_error();
  doors_.reset();
  if (!connected.ok() || !door_options_.any()) return connected;
  return open_doors(deadline_ns);
}

// Until the stream may begin.
Result<void> BlockingClient::open_doors(int64_t deadline_ns) {
  auto doors = std::make_unique<ClientDoors>(door_options_);
  Bytes out;
  Result<void> going = doors->start(read_clocks().unix_seconds(), out);
  for (;;) {
    if (!out.empty()) RW_TRY(send_bytes(out));
    if (!going.ok()) return fail(going.error(), doors->problem());
    if (doors->is_open()) break;
    const auto got = socket_.receive(input_, deadline_ns - read_clocks().mono_ns);
    if (!got.ok())
      return fail(got.error(), "the server did not open its door: " + socket_.last_error());
    out.clear();
    Bytes stream;
    going = doors->receive(ByteSpan(input_).first(*got), stream, out);
    if (!stream.empty()) take_bytes(stream);
  }
  doors_ = std::move(doors);
  return {};
}

Result<HandshakeResult> BlockingClient::make_key(const HandshakeOptions& options,
                                                 int64_t timeout_ns) {
  RW_TRY_ASSIGN(HandshakeResult result, exchange(options, timeout_ns));
  use_key(SessionKey::from(result));
  return result;
}

Result<HandshakeResult> BlockingClient::exchange(const HandshakeOptions& options,
                                                 int64_t timeout_ns) {
  const int64_t deadline_ns = read_clocks().mono_ns + timeout_ns;
  Handshake handshake(options);
  RW_TRY(send_unencrypted(handshake.start()));
  for (;;) {
    const Now now = read_clocks();
    const Arrival arrival =
        wait_until([](const Arrival& a) { return a.kind == Arrival::Kind::kUnencrypted; },
                   deadline_ns - now.mono_ns);
    if (arrival.kind == Arrival::Kind::kTimeout) return fail(Error::kTimeout, arrival.to_string());
    if (arrival.kind != Arrival::Kind::kUnencrypted) {
      return fail(Error::kUnavailable, "key exchange: " + arrival.to_string());
    }
    auto outcome = handshake.on_answer(arrival.payload, read_clocks());
    switch (outcome.kind) {
      case Handshake::Outcome::Kind::kSend:
        RW_TRY(send_unencrypted(outcome.object));
        break;
      case Handshake::Outcome::Kind::kDone:
        return handshake.result();
      case Handshake::Outcome::Kind::kWork:
      case Handshake::Outcome::Kind::kFailed:
        return fail(outcome.error == Error::kNone ? Error::kBadState : outcome.error,
                    fmt::format("key exchange: the server's answer is wrong: {}",
                                ringway::to_string(outcome.error)));
    }
  }
}

void BlockingClient::use_key(const SessionKey& key, const SessionOptions& options) {
  session_.emplace(key, options);
}

Session& BlockingClient::session() noexcept {
  RW_ASSERT(session_.has_value());
  return *session_;
}

Result<RequestId> BlockingClient::send(ByteView object, const RequestOptions& options) {
  RW_TRY_ASSIGN(const RequestId request, session().send(object, options, read_clocks()));
  RW_TRY(flush());
  return request;
}

Result<void> BlockingClient::flush() {
  Bytes out;
  for (const OutgoingFrame& frame : session().seal(read_clocks())) {
    const Bytes framed = frame_bytes(frame.bytes, frame.quick_ack);
    out.insert(out.end(), framed.begin(), framed.end());
  }
  session().clear_outgoing();
  return out.empty() ? Result<void>() : send_bytes(out);
}

Arrival BlockingClient::wait_for(RequestId request, int64_t timeout_ns) {
  return wait_until(
      [request](const Arrival& arrival) {
        return arrival.kind == Arrival::Kind::kEvent && arrival.event.request == request &&
               answers(arrival.event);
      },
      timeout_ns);
}

Arrival BlockingClient::wait_quick_ack(RequestId request, int64_t timeout_ns) {
  return wait_until(
      [request](const Arrival& arrival) {
        return arrival.kind == Arrival::Kind::kEvent && arrival.event.request == request &&
               (arrival.event.kind == SessionEvent::Kind::kQuickAck ||
                arrival.event.kind == SessionEvent::Kind::kFailed);
      },
      timeout_ns);
}

Result<Bytes> BlockingClient::call(ByteView object, int64_t timeout_ns) {
  RW_TRY_ASSIGN(const RequestId request, send(object));
  return result_of(request, timeout_ns);
}

Result<void> BlockingClient::bind(const SessionKey& permanent, int32_t expires_at,
                                  int64_t timeout_ns) {
  RW_TRY_ASSIGN(const RequestId request, session().send_bind(permanent, expires_at, read_clocks()));
  RW_TRY(flush());
  RW_TRY_ASSIGN(const Bytes result, result_of(request, timeout_ns));
  if (constructor_of(result) == mtproto::constructor::kBoolTrue) return {};
  return fail(Error::kNotAllowed, "the key was not bound");
}

Result<Bytes> BlockingClient::result_of(RequestId request, int64_t timeout_ns) {
  Arrival arrival = wait_for(request, timeout_ns);
  if (arrival.kind == Arrival::Kind::kTimeout) return fail(Error::kTimeout, arrival.to_string());
  if (arrival.kind != Arrival::Kind::kEvent) {
    return fail(Error::kUnavailable, arrival.to_string());
  }
  if (arrival.event.kind == SessionEvent::Kind::kFailed) {
    return fail(arrival.event.error, arrival.to_string());
  }
  if (const auto error = read_rpc_error(arrival.event.body)) {
    return fail(Error::kNotAllowed, fmt::format("rpc_error {} {}", error->code, error->message));
  }
  return std::move(arrival.event.storage);
}

Result<int64_t> BlockingClient::ping(int64_t timeout_ns) {
  RequestOptions options;
  options.content_related = false;
  const int64_t started_ns = read_clocks().mono_ns;
  RW_TRY_ASSIGN(const RequestId request, send(make_ping(started_ns), options));
  const Arrival arrival = wait_for(request, timeout_ns);
  if (arrival.kind == Arrival::Kind::kEvent && arrival.event.kind == SessionEvent::Kind::kPong) {
    return read_clocks().mono_ns - started_ns;
  }
  const bool late = arrival.kind == Arrival::Kind::kTimeout;
  return fail(late ? Error::kTimeout : Error::kUnavailable, arrival.to_string());
}

Result<void> BlockingClient::send_bytes(ByteView bytes) {
  Bytes wrapped;
  if (doors_ != nullptr) {
    if (!doors_->wrap(bytes, wrapped).ok()) return fail(Error::kIo, doors_->problem());
    bytes = wrapped;
  }
  auto sent = socket_.send_all(bytes, kDefaultTimeoutNs);
  if (!sent.ok()) problem_ = socket_.last_error();
  return sent;
}

Bytes BlockingClient::frame_bytes(ByteView payload, bool quick_ack) {
  Bytes out;
  if (!opened_) out = transport_.opening();
  opened_ = true;
  transport_.write_frame(payload, quick_ack, out);
  return out;
}

Result<void> BlockingClient::send_frame(ByteView payload, bool quick_ack) {
  return send_bytes(frame_bytes(payload, quick_ack));
}

Result<void> BlockingClient::send_unencrypted(ByteView object) {
  return send_frame(
      mtproto::write_unencrypted(unencrypted_ids_.next(read_clocks().unix_ns), object));
}

Arrival BlockingClient::wait(int64_t timeout_ns) {
  return wait_until([](const Arrival&) { return true; }, timeout_ns);
}

Arrival BlockingClient::wait_end(int64_t timeout_ns) {
  const int64_t deadline_ns = read_clocks().mono_ns + timeout_ns;
  for (;;) {
    Arrival arrival = wait(deadline_ns - read_clocks().mono_ns);
    if (arrival.is_end() || arrival.kind == Arrival::Kind::kTimeout) return arrival;
  }
}

// Arrivals that `found` refuses are dropped, but for ends and transport errors: those are returned.
template <typename Found>
Arrival BlockingClient::wait_until(Found found, int64_t timeout_ns) {
  const int64_t deadline_ns = read_clocks().mono_ns + std::max<int64_t>(timeout_ns, 0);
  for (;;) {
    while (!arrivals_.empty()) {
      // An end is final: every later wait finds it again.
      if (arrivals_.front().is_end()) {
        Arrival end;
        end.kind = arrivals_.front().kind;
        end.error = arrivals_.front().error;
        return end;
      }
      Arrival arrival = std::move(arrivals_.front());
      arrivals_.pop_front();
      if (arrival.kind == Arrival::Kind::kTransportError || found(arrival)) return arrival;
    }
    int64_t left_ns = std::max<int64_t>(deadline_ns - read_clocks().mono_ns, 0);
    if (session_) {
      if (const auto due_ns = session_->next_deadline_ns()) {
        left_ns = std::clamp<int64_t>(*due_ns - read_clocks().mono_ns, 0, left_ns);
      }
    }
    const auto got = socket_.receive(input_, left_ns);
    if (got.ok()) {
      take_through_doors(ByteSpan(input_).first(*got));
    } else if (got.error() == Error::kNotFound) {
      push_end(Arrival::Kind::kClosed, Error::kNone);
    } else if (got.error() != Error::kTimeout) {
      push_end(Arrival::Kind::kReset, Error::kIo);
    }
    if (session_) {
      std::vector<SessionEvent> events;
      session_->expire(read_clocks(), events);
      take_events(events);
      // What cannot be sent shows up as the end of the connection.
      if (session_->wants_to_send(read_clocks())) static_cast<void>(flush().ok());
    }
    if (arrivals_.empty() && read_clocks().mono_ns >= deadline_ns) return {};
  }
}

void BlockingClient::take_through_doors(ByteSpan bytes) {
  if (doors_ == nullptr) {
    take_bytes(bytes);
    return;
  }
  Bytes stream;
  Bytes answer;
  const Result<void> going = doors_->receive(bytes, stream, answer);
  if (!stream.empty()) take_bytes(stream);
  if (!answer.empty()) static_cast<void>(socket_.send_all(answer, kDefaultTimeoutNs).ok());
  if (going.ok()) return;
  problem_ = doors_->problem();
  push_end(going.error() == Error::kNotFound ? Arrival::Kind::kClosed : Arrival::Kind::kBroken,
           going.error());
}

void BlockingClient::take_bytes(ByteSpan bytes) {
  transport_.receive(bytes);
  for (;;) {
    mtproto::ServerEvent event;
    switch (transport_.next(event)) {
      case mtproto::ServerTransport::Event::kNeedMore:
        return;
      case mtproto::ServerTransport::Event::kError:
        push_end(Arrival::Kind::kBroken, transport_.error());
        return;
      case mtproto::ServerTransport::Event::kFrame:
        break;
    }
    if (event.kind == mtproto::ServerEvent::Kind::kFrame) {
      take_frame(event.payload);
      continue;
    }
    if (event.kind == mtproto::ServerEvent::Kind::kTransportError) {
      Arrival arrival;
      arrival.kind = Arrival::Kind::kTransportError;
      arrival.error_code = event.error_code;
      last_transport_error_ = event.error_code;
      arrivals_.push_back(std::move(arrival));
      continue;
    }
    std::vector<SessionEvent> events;
    if (session_ && session_->on_quick_ack(event.quick_ack_token, events)) {
      take_events(events);
      continue;
    }
    Arrival arrival;
    arrival.kind = Arrival::Kind::kQuickAck;
    arrival.quick_ack_token = event.quick_ack_token;
    arrivals_.push_back(std::move(arrival));
  }
}

void BlockingClient::take_frame(ByteSpan payload) {
  const auto content = mtproto::read_frame(kind_, payload);
  if (!content.ok()) {
    push_end(Arrival::Kind::kBroken, content.error());
    return;
  }
  if (!content->encrypted) {
    Arrival arrival;
    arrival.kind = Arrival::Kind::kUnencrypted;
    const ByteView object = ByteView(content->bytes).subspan(kUnencryptedHeaderBytes);
    arrival.payload.assign(object.begin(), object.end());
    arrivals_.push_back(std::move(arrival));
    return;
  }
  if (!session_ || content->auth_key_id != session_->auth_key_id()) {
    Arrival arrival;
    arrival.kind = Arrival::Kind::kEncrypted;
    arrival.payload.assign(content->bytes.begin(), content->bytes.end());
    arrivals_.push_back(std::move(arrival));
    return;
  }
  std::vector<SessionEvent> events;
  const auto received = session_->receive(content->bytes, read_clocks(), events);
  take_events(events);
  if (!received.ok()) push_end(Arrival::Kind::kBroken, received.error());
}

void BlockingClient::take_events(std::vector<SessionEvent>& events) {
  for (SessionEvent& event : events) {
    Arrival arrival;
    arrival.kind = Arrival::Kind::kEvent;
    // The frame's memory is about to be reused.
    if (event.storage.empty()) {
      event.storage.assign(event.body.begin(), event.body.end());
      event.body = event.storage;
    }
    arrival.event = std::move(event);
    arrivals_.push_back(std::move(arrival));
  }
  events.clear();
}

void BlockingClient::push_end(Arrival::Kind kind, Error error) {
  Arrival arrival;
  arrival.kind = kind;
  arrival.error = error;
  problem_ = arrival.to_string();
  arrivals_.push_back(std::move(arrival));
}

}  // namespace ringway::client
