// Connections, pauses and time; keys and sessions are in link_keys.cc.
#include "client/account/link.h"

#include <fmt/format.h>

#include <algorithm>

#include "client/account/limits.h"
#include "client/account/link_exchange.h"
#include "client/objects.h"
#include "crypto/random.h"
#include "mtproto/framing.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

Bytes make_ping_delay_disconnect(int64_t ping_id) {
  Bytes object;
  ByteAppender out(object);
  out.u32(mtproto::constructor::kPingDelayDisconnect);
  out.i64(ping_id);
  out.i32(kLinkDisconnectDelaySeconds);
  return object;
}

std::string to_text(const LinkAddress& address) {
  const bool is_v6 = address.host.find(':') != std::string::npos;
  return is_v6 ? fmt::format("[{}]:{}", address.host, address.port)
               : fmt::format("{}:{}", address.host, address.port);
}

}  // namespace

Link::Link(EventLoop& loop, Background& background, Lookups& lookups, LinkListener& listener,
           LinkOptions options)
    : loop_(loop),
      background_(background),
      lookups_(lookups),
      listener_(listener),
      options_(std::move(options)) {}

Link::~Link() {
  if (timer_ != 0) loop_.cancel(timer_);
}

void Link::set_state(State next) noexcept {
  const auto legal = [this](State to) {
    if (to == State::kIdle || to == State::kPausing) return true;
    switch (to) {
      case State::kResolving:
        return state_ == State::kIdle || state_ == State::kPausing;
      case State::kConnecting:
        return state_ == State::kResolving;
      case State::kExchanging:
        return state_ == State::kConnecting || state_ == State::kExchanging ||
               state_ == State::kBinding;
      case State::kBinding:
        return state_ == State::kConnecting || state_ == State::kExchanging || state_ == State::kUp;
      case State::kUp:
        return state_ == State::kConnecting || state_ == State::kExchanging ||
               state_ == State::kBinding;
      case State::kIdle:
      case State::kPausing:
        break;
    }
    return false;
  };
  RW_ASSERT(legal(next));
  state_ = next;
}

void Link::set_addresses(std::vector<LinkAddress> addresses) {
  if (addresses == addresses_) return;
  addresses_ = std::move(addresses);
  next_address_ = 0;
}

void Link::start() {
  if (state_ == State::kIdle) attempt();
}

void Link::stop() {
  ++attempt_number_;
  drop_stream();
  exchange_.reset();
  if (state_ == State::kBinding) lose_session();
  set_state(State::kIdle);
}

void Link::attempt() {
  set_state(State::kResolving);
  const uint64_t number = ++attempt_number_;
  attempt_deadline_ns_ = loop_.now().mono_ns + kLinkConnectNs;
  if (addresses_.empty()) {
    fail(fmt::format("no address of DC {} is known", options_.dc));
    return;
  }
  address_ = addresses_[next_address_ % addresses_.size()];
  const std::string text = to_text(address_);
  if (const auto ready = net::parse_connect_address(text); ready.ok()) {
    connect(*ready);
    return;
  }
  lookups_.find(text, [this, number, alive = std::weak_ptr(alive_)](
                          const Result<net::SocketAddress>& found, const std::string& why) {
    if (alive.expired() || number != attempt_number_) return;
    if (found.ok()) {
      connect(*found);
    } else {
      fail(why);
    }
  });
  arm();
}

void Link::connect(const net::SocketAddress& address) {
  set_state(State::kConnecting);
  mtproto::ClientTransportOptions transport = options_.transport;
  transport.dc = static_cast<int16_t>(options_.dc);
  // One that is too large to be taken breaks the connection, and comes again with the next one.
  transport.frame_bytes_max = kFrameBytesCeiling;
  // The full transport cannot be obfuscated; the nearest one that can is taken in its place.
  if (address_.obfuscated_only && !transport.obfuscated) {
    transport.obfuscated = true;
    if (transport.kind == mtproto::TransportKind::kFull) {
      transport.kind = mtproto::TransportKind::kIntermediate;
    }
  }
  ++counts_.connects;
  StreamListener& self = *this;
  stream_ = std::make_shared<Stream>(loop_, self, transport, address);
  arm();
}

void Link::drop_stream(bool refused) {
  if (stream_ == nullptr) return;
  if (heard_ || !refused) flushes_taken_ = flushes_;
  heard_ = false;
  stream_->close();
  // It may be what is calling.
  loop_.at_turn_end([old = std::move(stream_)] {});
  stream_ = nullptr;
}

void Link::fail(std::string why, bool refused) {
  ++attempt_number_;
  ++counts_.failures;
  problem_ = address_.host.empty() ? std::move(why)
                                   : fmt::format("{}: {}", to_text(address_), std::move(why));
  if (!heard_) ++next_address_;
  drop_stream(refused);
  exchange_.reset();
  // What is bound by halves is not used again.
  if (state_ == State::kBinding) lose_session();
  set_state(State::kPausing);
  attempt_deadline_ns_ = loop_.now().mono_ns + next_pause_ns();
  arm();
  listener_.on_link_down(*this);
}

int64_t Link::next_pause_ns() {
  pause_ns_ = std::clamp(pause_ns_ * 2, kBackoffFirstNs, kBackoffMaxNs);
  // Between half of it and all of it, so that clients that lost one server do not come together.
  return pause_ns_ / 2 + crypto::random_u32() % (pause_ns_ / 2);
}

void Link::on_stream_connected() {
  attempt_deadline_ns_ = loop_.now().mono_ns + kLinkKeyExchangeNs;
  last_heard_ns_ = loop_.now().mono_ns;
  go_on();
  arm();
}

void Link::on_stream_frame(ByteSpan payload) {
  last_heard_ns_ = loop_.now().mono_ns;
  const auto content = mtproto::read_frame(stream_->kind(), payload);
  if (!content.ok()) {
    fail("the server sent something that is no message");
    return;
  }
  if (content->encrypted) {
    // What comes for another key is of an earlier life of this link.
    if (session_ && content->auth_key_id == session_->auth_key_id()) on_encrypted(content->bytes);
  } else {
    on_unencrypted(content->bytes);
  }
}

void Link::on_stream_error_code(int32_t code) {
  switch (code) {
    case mtproto::kErrorUnknownKey:
      if (state_ == State::kExchanging || !session_) break;
      if (session_is_temporary_) {
        lose_session();
        fail("the server does not know the temporary key any more", true);
      } else {
        refuse_key();
      }
      return;
    case mtproto::kErrorFlood:
      fail("the server wants fewer connections (-429)");
      return;
    case mtproto::kErrorWrongDc:
      fail(fmt::format("the server is not DC {} (-444)", options_.dc));
      return;
    default:
      break;
  }
  fail(fmt::format("the server refused with transport error {}", code));
}

void Link::on_stream_read() {
  if (session_ && session_->wants_to_send(loop_.now())) want_flush();
  arm();
}

void Link::on_stream_drained() { want_flush(); }

void Link::on_stream_end(const std::string& why) { fail(why); }

Result<RequestId> Link::send(ByteView object, const RequestOptions& request) {
  RW_ASSERT(is_up());
  RW_TRY_ASSIGN(const RequestId sent, session_->send(object, request, loop_.now()));
  want_flush();
  return sent;
}

Session::Dropped Link::drop(RequestId request) {
  RW_ASSERT(session_.has_value());
  const Session::Dropped dropped = session_->drop(request, loop_.now());
  want_flush();
  return dropped;
}

void Link::want_flush() {
  if (flush_wanted_) return;
  flush_wanted_ = true;
  loop_.at_turn_end([this, alive = std::weak_ptr(alive_)] {
    if (!alive.expired()) flush();
  });
}

void Link::flush() {
  flush_wanted_ = false;
  if (state_ != State::kUp && state_ != State::kBinding) return;
  // A server that does not read is not sent more: it waits in the session, which is bounded.
  if (stream_->unsent() < kLinkSendBytesMax) {
    for (const OutgoingFrame& frame : session_->seal(loop_.now())) stream_->write(frame.bytes);
    session_->clear_outgoing();
    ++flushes_;
  }
  stream_->flush();
  arm();
}

int64_t Link::next_due_ns() const noexcept {
  switch (state_) {
    case State::kIdle:
      return INT64_MAX;
    case State::kResolving:
    case State::kConnecting:
    case State::kExchanging:
    case State::kPausing:
      return attempt_deadline_ns_;
    case State::kBinding:
      return std::min(attempt_deadline_ns_, session_due_ns());
    case State::kUp:
      return std::min({next_ping_ns_, last_heard_ns_ + kLinkSilenceNs, renew_ns_,
                       session_expires_ns_, session_due_ns()});
  }
  return INT64_MAX;
}

// While a server does not read, the session cannot send what is due; on_stream_drained() goes on.
int64_t Link::session_due_ns() const noexcept {
  if (stream_->unsent() >= kLinkSendBytesMax) return INT64_MAX;
  return session_->next_deadline_ns().value_or(INT64_MAX);
}

void Link::arm() {
  const int64_t due_ns = next_due_ns();
  // A timer that comes too early costs less than moving it with every message.
  if (due_ns == INT64_MAX || (timer_ != 0 && timer_ns_ <= due_ns)) return;
  if (timer_ != 0) loop_.cancel(timer_);
  timer_ns_ = due_ns;
  timer_ = loop_.at(due_ns, [this] {
    timer_ = 0;
    on_timer();
    arm();
  });
}

void Link::on_timer() {
  const int64_t now_ns = loop_.now().mono_ns;
  if (state_ == State::kIdle || next_due_ns() > now_ns) return;
  if (state_ == State::kPausing) {
    attempt();
    return;
  }
  if (state_ != State::kUp && attempt_deadline_ns_ <= now_ns) {
    fail(state_ == State::kResolving    ? "the name was not found in time"
         : state_ == State::kConnecting ? "no connection in time"
                                        : "the server did not answer");
    return;
  }
  // Pings, of which nothing has to be said, and what was dropped: calls have no deadline there.
  std::vector<SessionEvent> expired;
  session_->expire(loop_.now(), expired);
  for (SessionEvent& event : expired) {
    if (event.kind == SessionEvent::Kind::kSettled) listener_.on_link_event(*this, event);
  }
  if (state_ != State::kUp) {
    want_flush();
    return;
  }
  if (last_heard_ns_ + kLinkSilenceNs <= now_ns) {
    fail("the server fell silent");
    return;
  }
  if (session_expires_ns_ <= now_ns) {
    lose_session();
    fail("the temporary key has expired");
    return;
  }
  if (renew_ns_ <= now_ns) {
    renew_ns_ = INT64_MAX;
    listener_.on_link_key_old(*this);
  }
  if (next_ping_ns_ <= now_ns) ping();
  want_flush();
}

void Link::ping() {
  next_ping_ns_ = loop_.now().mono_ns + kLinkPingNs;
  RequestOptions options;
  options.content_related = false;
  options.timeout_ns = kLinkSilenceNs;
  const auto sent =
      session_->send(make_ping_delay_disconnect(loop_.now().mono_ns), options, loop_.now());
  // A session without room has enough to say to keep the connection.
  ping_request_ = sent.ok() ? *sent : 0;
  want_flush();
}

void Link::on_encrypted(ByteSpan frame) {
  const auto received = session_->receive(frame, loop_.now(), events_);
  if (received.ok()) hear();
  std::vector<SessionEvent> events = std::move(events_);
  events_.clear();
  for (SessionEvent& event : events) {
    if (event.request != 0 && event.request == bind_request_) {
      on_bind_answer(event);
    } else if (event.request == 0 || event.request != ping_request_) {
      if (event.kind == SessionEvent::Kind::kReply) pause_ns_ = 0;
      listener_.on_link_event(*this, event);
    }
  }
  if (checking_key_ && heard_) {
    lose_session();
    checking_key_ = false;
    fail("the server knows the key, but binds no temporary ones to it");
    return;
  }
  if (!received.ok() && stream_ != nullptr) {
    fail("the server sent a message that does not open: " +
         std::string(to_string(received.error())));
  }
}

void Link::hear() {
  if (heard_) return;
  heard_ = true;
  key_refusals_ = 0;
  if (checking_key_ || state_ != State::kUp) return;
  problem_.clear();
  listener_.on_link_heard(*this);
}

}  // namespace ringway::client
