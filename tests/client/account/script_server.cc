#include "client/account/script_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>

#include "base/clock.h"
#include "client/inbound.h"
#include "client/objects.h"
#include "mtproto/bind.h"
#include "mtproto/framing.h"
#include "mtproto/query.h"
#include "mtproto/tl.h"
#include "mtproto/unencrypted.h"

namespace ringway::testing {
namespace {

namespace ctor = mtproto::constructor;
constexpr int64_t kAnySalt = 0x5a17;
constexpr int32_t kBadServerSaltCode = 48;
// Answers to msgs_state_req.
constexpr uint8_t kNotReceived = 2;
constexpr uint8_t kReceivedAndAnswered = 4 | 64;

Bytes rpc_error(int32_t code, const std::string& text) {
  Bytes body;
  ByteAppender out(body);
  out.u32(ctor::kRpcError);
  out.i32(code);
  mtproto::write_tl_string(out, as_bytes(text));
  return body;
}

Bytes rpc_result(int64_t msg_id, ByteView result) {
  Bytes body;
  ByteAppender out(body);
  out.u32(ctor::kRpcResult);
  out.i64(msg_id);
  out.bytes(result);
  return body;
}

}  // namespace

Reaction refuse(int32_t code, const std::string& text) {
  return {.kind = Reaction::Kind::kAnswer, .result = rpc_error(code, text)};
}

Reaction answer(Bytes result) {
  return {.kind = Reaction::Kind::kAnswer, .result = std::move(result)};
}

struct ScriptServer::Connection {
  Connection(int connection_number, net::OwnedFd socket, const mtproto::TransportConfig* transports,
             const mtproto::HandshakeConfig* exchanges)
      : number(connection_number),
        fd(std::move(socket)),
        transport(transports),
        handshakes(exchanges) {}
  int number;
  net::OwnedFd fd;
  mtproto::ServerTransport transport;
  mtproto::HandshakeSet handshakes;
  mtproto::ServerMsgId msg_ids;
  bool over = false;
};

struct ScriptServer::Message {
  int64_t key_id = 0;
  int64_t session_id = 0;
};

const std::shared_ptr<const crypto::RsaKey>& ScriptServer::key() {
  static const std::shared_ptr<const crypto::RsaKey> key = crypto::RsaKey::generate();
  return key;
}

ScriptServer::ScriptServer(Script script) : script_(std::move(script)) {
  handshake_config_.keys.push_back({key(), key()->fingerprint()});
  listener_ = net::OwnedFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener_.get(), raw, length), 0);
  EXPECT_EQ(::listen(listener_.get(), 64), 0);
  EXPECT_EQ(::getsockname(listener_.get(), raw, &length), 0);
  port_ = ntohs(address.sin_port);
  wake_ = net::OwnedFd(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  thread_ = std::thread([this] { serve(); });
}

ScriptServer::~ScriptServer() {
  command([this] { stop_ = true; });
  thread_.join();
}

// Waits until it is done, so that a test's next step finds it done.
void ScriptServer::command(std::function<void()> todo) {
  std::atomic<bool> done{false};
  {
    const std::lock_guard lock(mutex_);
    commands_.emplace_back([&] {
      todo();
      done = true;
      done.notify_one();
    });
  }
  const uint64_t one = 1;
  EXPECT_EQ(::write(wake_.get(), &one, sizeof one), ssize_t{sizeof one});
  done.wait(false);
}

void ScriptServer::set_script(Script script) {
  command([&] { script_ = std::move(script); });
}
void ScriptServer::cut() {
  command([&] { open_.clear(); });
}
void ScriptServer::forget_keys(bool only_temporary) {
  command([&] {
    std::erase_if(keys_, [&](const auto& entry) {
      return !only_temporary || entry.second.created.expires_in != 0;
    });
  });
}
void ScriptServer::forget_sessions() {
  command([&] { sessions_.clear(); });
}
void ScriptServer::push(Bytes object) {
  command([&] {
    for (auto& [name, session] : sessions_) {
      for (auto& connection : open_) {
        if (connection->number == session.connection) {
          reply(*connection, name.first, name.second, object, true);
        }
      }
    }
  });
}
void ScriptServer::cut_after(int frames) {
  command([&] { frames_to_cut_ = frames; });
}
void ScriptServer::set_clock(int64_t ahead_ns) {
  command([&] {
    clock_ahead_ns_ = ahead_ns;
    last_msg_id_ = 0;  // its ids go with its clock
  });
}
void ScriptServer::set_salt(int64_t salt) {
  command([&] { salt_ = salt; });
}
void ScriptServer::refuse_connections(int32_t code) {
  command([&] { refusal_ = code; });
}

void ScriptServer::pause_reading(bool paused) {
  command([&] { paused_ = paused; });
}

std::vector<ScriptedCall> ScriptServer::taken() const {
  const std::lock_guard lock(mutex_);
  return taken_;
}

size_t ScriptServer::taken(uint32_t method) const {
  const std::lock_guard lock(mutex_);
  return static_cast<size_t>(
      std::count_if(taken_.begin(), taken_.end(),
                    [method](const ScriptedCall& call) { return call.method == method; }));
}

void ScriptServer::run_commands() {
  uint64_t signals = 0;
  static_cast<void>(::read(wake_.get(), &signals, sizeof signals));
  std::vector<std::function<void()>> commands;
  {
    const std::lock_guard lock(mutex_);
    std::swap(commands, commands_);
  }
  for (const auto& todo : commands) todo();
}

void ScriptServer::serve() {
  while (!stop_) {
    std::vector<pollfd> entries = {{listener_.get(), POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    open_count_ = open_.size();
    const auto wanted = static_cast<int16_t>(paused_ ? 0 : POLLIN);
    for (const auto& connection : open_) entries.push_back({connection->fd.get(), wanted, 0});
    static_cast<void>(::poll(entries.data(), entries.size(), -1));
    for (size_t i = 0; i < open_.size(); ++i) {
      if (entries[i + 2].revents != 0 && !paused_) read_from(*open_[i]);
    }
    std::erase_if(open_, [](const auto& connection) { return connection->over; });
    if (entries[0].revents != 0) accept();
    run_commands();
  }
}

void ScriptServer::accept() {
  net::OwnedFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (!fd.valid()) return;
  const int on = 1;
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  open_.push_back(std::make_unique<Connection>(++connections_made_, std::move(fd),
                                               &transport_config_, &handshake_config_));
}

void ScriptServer::read_from(Connection& connection) {
  uint8_t buffer[64 * 1024];
  const ssize_t got = ::recv(connection.fd.get(), buffer, sizeof buffer, 0);
  if (got <= 0) {
    connection.over = true;
    return;
  }
  connection.transport.receive({buffer, static_cast<size_t>(got)});
  while (!connection.over) {
    mtproto::Frame frame;
    switch (connection.transport.next(frame)) {
      case mtproto::ServerTransport::Event::kNeedMore:
        return;
      case mtproto::ServerTransport::Event::kError:
        connection.over = true;
        return;
      case mtproto::ServerTransport::Event::kFrame:
        on_frame(connection, frame);
    }
  }
}

// One step of the conversation: after the last one of those that were counted it breaks.
void ScriptServer::step(Connection& connection) {
  if (frames_to_cut_ > 0 && --frames_to_cut_ == 0) connection.over = true;
}

void ScriptServer::on_frame(Connection& connection, const mtproto::Frame& frame) {
  if (mute_) return;
  if (refusal_ != 0) {
    transport_error(connection, refusal_);
    return;
  }
  const auto content = mtproto::read_frame(connection.transport.kind(), frame.payload);
  if (!content.ok()) {
    connection.over = true;
  } else if (content->encrypted) {
    on_encrypted(connection, content->bytes);
  } else {
    on_unencrypted(connection, content->bytes);
  }
}

void ScriptServer::on_unencrypted(Connection& connection, ByteSpan bytes) {
  const auto message = mtproto::read_unencrypted(bytes);
  if (!message.ok()) {
    transport_error(connection, mtproto::kErrorUnknownKey);
    return;
  }
  Now now = read_clocks();
  now.unix_ns += clock_ahead_ns_;
  settle(connection, connection.handshakes.on_message(message->data, now));
}

void ScriptServer::settle(Connection& connection, mtproto::HandshakeOutcome outcome) {
  using Kind = mtproto::HandshakeOutcome::Kind;
  Now now = read_clocks();
  now.unix_ns += clock_ahead_ns_;
  while (outcome.kind == Kind::kWork || outcome.kind == Kind::kStore) {
    if (outcome.kind == Kind::kWork) {
      outcome.job->run();
      outcome = connection.handshakes.on_work_done(std::move(outcome.job), now);
    } else {
      keys_[outcome.created->auth_key_id].created = *outcome.created;
      ++(outcome.created->expires_in != 0 ? temporary_keys_made_ : permanent_keys_made_);
      outcome = connection.handshakes.on_stored(outcome.nonce, mtproto::StoreResult::kStored, now);
    }
  }
  if (outcome.kind == Kind::kFail) {
    transport_error(connection, outcome.transport_error);
  } else if (outcome.kind == Kind::kReply) {
    send_payload(connection,
                 mtproto::write_unencrypted(connection.msg_ids.next(now.unix_ns), outcome.reply));
  }
}

ScriptServer::Session& ScriptServer::session(int64_t key_id, int64_t session_id) {
  return sessions_[{key_id, session_id}];
}

void ScriptServer::on_encrypted(Connection& connection, ByteSpan bytes) {
  step(connection);
  if (connection.over) return;
  const auto known = keys_.find(load_le<int64_t>(bytes.data()));
  if (known == keys_.end()) {
    transport_error(connection, mtproto::kErrorUnknownKey);
    return;
  }
  mtproto::OpenJob job;
  job.key = &known->second.created.key;
  job.frame = bytes;
  mtproto::open_many({&job, 1});
  std::vector<client::InboundPart> parts;
  if (job.error != Error::kNone ||
      !client::split_message(
           {job.header.msg_id, job.header.seq_no, ByteView(job.payload).subspan(16)}, parts)
           .ok()) {
    ADD_FAILURE() << "a message that does not open";
    connection.over = true;
    return;
  }
  const Message message{known->first, job.header.session_id};
  Session& session = this->session(message.key_id, message.session_id);
  const auto refuse_whole = [&](int32_t code) {
    Bytes body;
    ByteAppender out(body);
    out.u32(code == kBadServerSaltCode ? ctor::kBadServerSalt : ctor::kBadMsgNotification);
    out.i64(job.header.msg_id);
    out.i32(job.header.seq_no);
    out.i32(code);
    if (code == kBadServerSaltCode) out.i64(salt_);
    reply(connection, message.key_id, message.session_id, body, false);
  };
  const int64_t now_seconds = read_clocks().unix_seconds() + clock_ahead_ns_ / kNsPerSecond;
  const int64_t seconds = job.header.msg_id >> 32;
  if (seconds < now_seconds - 300) return refuse_whole(16);
  if (seconds > now_seconds + 30) return refuse_whole(17);
  if (salt_ != 0 && job.header.salt != salt_) return refuse_whole(kBadServerSaltCode);
  if (!session.greeted) {
    session.greeted = true;
    Bytes body;
    ByteAppender out(body);
    out.u32(ctor::kNewSessionCreated);
    out.i64(parts.front().msg_id);
    out.i64(next_unique_id_++);
    out.i64(salt_ != 0 ? salt_ : kAnySalt);
    reply(connection, message.key_id, message.session_id, body, true);
  }
  if (session.connection != connection.number) {
    session.connection = connection.number;
    const auto again = session.unacked;
    for (const auto& [msg_id, answer] : again) {
      seal(connection, message.key_id, message.session_id, answer);
    }
  }
  for (const client::InboundPart& part : parts) {
    if (connection.over) return;
    session.newest_msg_id = std::max(session.newest_msg_id, part.msg_id);
    if (session.received.contains(part.msg_id)) {
      ADD_FAILURE() << "a msg_id came twice";
      continue;
    }
    on_object(connection, message, part.msg_id, part.body);
  }
}

void ScriptServer::on_object(Connection& connection, const Message& message, int64_t msg_id,
                             ByteView object) {
  Bytes body;
  ByteAppender out(body);
  switch (client::constructor_of(object)) {
    case ctor::kPing:
    case ctor::kPingDelayDisconnect:
      ++pings_;
      out.u32(ctor::kPong);
      out.i64(msg_id);
      out.bytes(object.subspan(4, 8));
      return reply(connection, message.key_id, message.session_id, body, false);
    case ctor::kMsgsAck: {
      ++acks_;
      ByteReader reader(object.subspan(8));
      const auto count = reader.u32();
      for (uint32_t i = 0; count.ok() && i < *count; ++i) {
        const auto acked = reader.i64();
        if (acked.ok()) session(message.key_id, message.session_id).unacked.erase(*acked);
      }
      return;
    }
    case ctor::kMsgsStateReq:
      return on_state_request(connection, message, msg_id, object);
    case ctor::kRpcDropAnswer:
      ++drops_;
      if (ignores_drops_) return;
      out.u32(0x5e2ad36e);  // rpc_answer_unknown
      return reply(connection, message.key_id, message.session_id, rpc_result(msg_id, body), true);
    case ctor::kGetFutureSalts:
      out.u32(ctor::kFutureSalts);
      out.i64(msg_id);
      out.i32(static_cast<int32_t>(read_clocks().unix_seconds()));
      out.u32(0);
      return reply(connection, message.key_id, message.session_id, body, false);
    case ctor::kBindTempAuthKey:
      return on_bind(connection, message, msg_id, object);
    default:
      return on_call(connection, message, msg_id, object);
  }
}

void ScriptServer::on_state_request(Connection& connection, const Message& message, int64_t msg_id,
                                    ByteView object) {
  ++state_questions_;
  const Session& session = this->session(message.key_id, message.session_id);
  Bytes info;
  ByteReader reader(object.subspan(8));
  const auto count = reader.u32();
  for (uint32_t i = 0; count.ok() && i < *count; ++i) {
    const auto asked = reader.i64();
    info.push_back(asked.ok() && session.received.contains(*asked) ? kReceivedAndAnswered
                                                                   : kNotReceived);
  }
  Bytes body;
  ByteAppender out(body);
  out.u32(ctor::kMsgsStateInfo);
  out.i64(msg_id);
  mtproto::write_tl_string(out, info);
  reply(connection, message.key_id, message.session_id, body, true);
}

void ScriptServer::on_bind(Connection& connection, const Message& message, int64_t msg_id,
                           ByteView object) {
  ++binds_;
  ByteReader reader(object.subspan(4));
  const auto call = mtproto::read_bind_call(reader);
  ASSERT_TRUE(call.ok());
  const auto permanent = keys_.find(call->perm_auth_key_id);
  const bool refused = binds_to_refuse_ > 0 && binds_to_refuse_-- > 0;
  if (refused) clock_ahead_ns_ += refusal_step_ns_;
  if (permanent == keys_.end() || refused) {
    return react(connection, message, msg_id, refuse(400, "ENCRYPTED_MESSAGE_INVALID"));
  }
  const auto inner =
      mtproto::open_bind_inner(permanent->second.created.key, call->encrypted_message, msg_id);
  ASSERT_TRUE(inner.ok());
  EXPECT_EQ(inner->temp_auth_key_id, message.key_id);
  EXPECT_EQ(inner->temp_session_id, message.session_id);
  keys_[message.key_id].bound_to = permanent->first;
  Bytes yes;
  ByteAppender(yes).u32(ctor::kBoolTrue);
  react(connection, message, msg_id, answer(std::move(yes)));
}

void ScriptServer::on_call(Connection& connection, const Message& message, int64_t msg_id,
                           ByteView object) {
  ScriptedCall call;
  call.connection = connection.number;
  call.auth_key_id = message.key_id;
  call.session_id = message.session_id;
  call.msg_id = msg_id;
  if (client::constructor_of(object) == ctor::kInvokeAfterMsg) {
    call.after_msg_id = load_le<int64_t>(object.data() + 4);
  }
  mtproto::InflateBudget budget{.inflated_bytes = 1 << 20};
  const auto query = mtproto::unwrap_query(object, true, budget);
  ASSERT_TRUE(query.ok());
  call.method = query->constructor;
  call.wrapped = query->layer != 0;
  ByteAppender out(call.object);
  out.u32(query->constructor);
  out.bytes(query->arguments);
  const Key& key = keys_[message.key_id];
  if (key.created.expires_in != 0 && key.bound_to == 0) {
    return react(connection, message, msg_id, refuse(401, "AUTH_KEY_PERM_EMPTY"));
  }
  const Reaction reaction = script_(call);
  if (reaction.kind == Reaction::Kind::kAnswer || reaction.kind == Reaction::Kind::kSilence) {
    const std::lock_guard lock(mutex_);
    taken_.push_back(std::move(call));
  }
  react(connection, message, msg_id, reaction);
}

void ScriptServer::react(Connection& connection, const Message& message, int64_t msg_id,
                         const Reaction& reaction) {
  Session& session = this->session(message.key_id, message.session_id);
  switch (reaction.kind) {
    case Reaction::Kind::kAnswer:
      session.received[msg_id] = connection.number;
      return reply(connection, message.key_id, message.session_id,
                   rpc_result(msg_id, reaction.result), true);
    case Reaction::Kind::kSilence:
      session.received[msg_id] = connection.number;
      return;
    case Reaction::Kind::kCut:
      connection.over = true;
      return;
    case Reaction::Kind::kTransport:
      return transport_error(connection, reaction.code);
    case Reaction::Kind::kBadMsg: {
      Bytes body;
      ByteAppender out(body);
      out.u32(ctor::kBadMsgNotification);
      out.i64(msg_id);
      out.i32(0);
      out.i32(reaction.code);
      return reply(connection, message.key_id, message.session_id, body, false);
    }
  }
}

void ScriptServer::reply(Connection& connection, int64_t key_id, int64_t session_id, Bytes body,
                         bool content) {
  Session& session = this->session(key_id, session_id);
  const int64_t server_ns = read_clocks().unix_ns + clock_ahead_ns_;
  // Of the server, not of the session: a session that was forgotten goes on behind its ids.
  last_msg_id_ = std::max((server_ns / kNsPerSecond << 32) | 1, last_msg_id_ + 4);
  Answer answer;
  answer.msg_id = last_msg_id_;
  answer.seq_no = content ? 2 * session.content_count++ + 1 : 2 * session.content_count;
  answer.body = std::move(body);
  if (content) session.unacked.emplace(answer.msg_id, answer);
  seal(connection, key_id, session_id, answer);
}

void ScriptServer::seal(Connection& connection, int64_t key_id, int64_t session_id,
                        const Answer& answer) {
  step(connection);
  if (connection.over) return;
  const size_t plaintext_bytes = kMessagePrefixBytes + answer.body.size();
  Bytes frame(mtproto::sealed_bytes(plaintext_bytes));
  ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes, plaintext_bytes));
  out.i64(salt_ != 0 ? salt_ : kAnySalt);
  out.i64(session_id);
  out.i64(answer.msg_id);
  out.i32(answer.seq_no);
  out.u32(static_cast<uint32_t>(answer.body.size()));
  out.bytes(answer.body);
  mtproto::SealJob job;
  job.key = &keys_[key_id].created.key;
  job.auth_key_id = key_id;
  job.out = frame;
  job.plaintext_bytes = plaintext_bytes;
  mtproto::seal_many({&job, 1});
  send_payload(connection, frame);
}

void ScriptServer::send_payload(Connection& connection, ByteView payload) {
  const auto plan = connection.transport.plan(payload.size());
  Bytes frame(plan.frame_bytes);
  connection.transport.lay_out(plan, frame);
  std::copy(payload.begin(), payload.end(),
            frame.begin() + static_cast<ptrdiff_t>(plan.header_bytes));
  connection.transport.finish(plan, frame);
  connection.transport.encrypt_output(frame);
  // A client that has gone away is noticed by the next read.
  static_cast<void>(::send(connection.fd.get(), frame.data(), frame.size(), MSG_NOSIGNAL));
}

void ScriptServer::transport_error(Connection& connection, int32_t code) {
  uint8_t payload[4];
  store_le(payload, code);
  send_payload(connection, payload);
  connection.over = true;
}

}  // namespace ringway::testing
