#include "client/test_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "client/inbound.h"
#include "client/objects.h"
#include "mtproto/framing.h"
#include "mtproto/tl.h"
#include "mtproto/unencrypted.h"

namespace ringway::testing {
namespace {

namespace ctor = mtproto::constructor;
constexpr int64_t kSalt = 0x5a17;

// Making a key for every test would take most of the tests' time.
std::shared_ptr<const crypto::RsaKey> server_key() {
  static const auto key = crypto::RsaKey::generate();
  return key;
}

// A client that has gone away is noticed by the next read.
void deliver(int fd, ByteView bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0) return;
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
}

}  // namespace

struct TestServer::Connection {
  Connection(net::OwnedFd socket, const mtproto::TransportConfig* transport_config,
             const mtproto::HandshakeConfig* handshake_config)
      : fd(std::move(socket)), transport(transport_config), handshakes(handshake_config) {}
  net::OwnedFd fd;
  mtproto::ServerTransport transport;
  mtproto::HandshakeSet handshakes;
  mtproto::ServerMsgId msg_ids;
};

TestServer::TestServer(TestServerOptions options)
    : options_(options),
      key_(server_key()),
      exchanges_to_refuse_(options.refuse_exchanges),
      counted_to_lose_(options.lose_counted) {
  handshake_config_.keys.push_back({key_, key_->fingerprint()});
  listener_ = net::OwnedFd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  EXPECT_EQ(::bind(listener_.get(), raw, length), 0);
  EXPECT_EQ(::listen(listener_.get(), 512), 0);
  EXPECT_EQ(::getsockname(listener_.get(), raw, &length), 0);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

TestServer::~TestServer() {
  stop_ = true;
  thread_.join();
}

std::string TestServer::address() const { return "127.0.0.1:" + std::to_string(port_); }

void TestServer::serve() {
  while (!stop_) {
    std::vector<pollfd> entries = {{listener_.get(), POLLIN, 0}};
    for (const auto& connection : connections_)
      entries.push_back({connection->fd.get(), POLLIN, 0});
    if (::poll(entries.data(), entries.size(), 20) <= 0) continue;
    std::vector<std::unique_ptr<Connection>> kept;
    for (size_t i = 0; i < connections_.size(); ++i) {
      if (entries[i + 1].revents == 0 || read_from(*connections_[i])) {
        kept.push_back(std::move(connections_[i]));
      }
    }
    connections_ = std::move(kept);
    if (entries[0].revents != 0) {
      sockaddr_in peer{};
      socklen_t length = sizeof peer;
      net::OwnedFd fd(
          ::accept4(listener_.get(), reinterpret_cast<sockaddr*>(&peer), &length, SOCK_CLOEXEC));
      if (!fd.valid()) continue;
      sources_.insert(peer.sin_addr.s_addr);
      source_addresses_ = sources_.size();
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ++connections_made_;
      connections_.push_back(
          std::make_unique<Connection>(std::move(fd), &transport_config_, &handshake_config_));
    }
  }
}

// False: the connection is over.
bool TestServer::read_from(Connection& connection) {
  uint8_t buffer[64 * 1024];
  const ssize_t got = ::recv(connection.fd.get(), buffer, sizeof buffer, 0);
  if (got <= 0) return false;
  connection.transport.receive({buffer, static_cast<size_t>(got)});
  for (;;) {
    mtproto::Frame frame;
    switch (connection.transport.next(frame)) {
      case mtproto::ServerTransport::Event::kNeedMore:
        return true;
      case mtproto::ServerTransport::Event::kError:
        return false;
      case mtproto::ServerTransport::Event::kFrame:
        if (!options_.silent && !on_frame(connection, frame)) return false;
    }
  }
}

bool TestServer::on_frame(Connection& connection, const mtproto::Frame& frame) {
  const auto content = mtproto::read_frame(connection.transport.kind(), frame.payload);
  if (!content.ok()) return false;
  return content->encrypted ? on_encrypted(connection, content->bytes, frame.quick_ack)
                            : on_unencrypted(connection, content->bytes);
}

bool TestServer::on_unencrypted(Connection& connection, ByteSpan bytes) {
  const auto message = mtproto::read_unencrypted(bytes);
  if (!message.ok()) return refuse(connection, mtproto::kErrorUnknownKey);
  if (exchanges_to_refuse_ > 0) {
    --exchanges_to_refuse_;
    return refuse(connection, mtproto::kErrorFlood);
  }
  return settle(connection, connection.handshakes.on_message(message->data, read_clocks()));
}

bool TestServer::settle(Connection& connection, mtproto::HandshakeOutcome outcome) {
  using Kind = mtproto::HandshakeOutcome::Kind;
  while (outcome.kind == Kind::kWork || outcome.kind == Kind::kStore) {
    if (outcome.kind == Kind::kWork) {
      outcome.job->run();
      outcome = connection.handshakes.on_work_done(std::move(outcome.job), read_clocks());
    } else {
      keys_[outcome.created->auth_key_id] = *outcome.created;
      outcome = connection.handshakes.on_stored(outcome.nonce, mtproto::StoreResult::kStored,
                                                read_clocks());
    }
  }
  if (outcome.kind == Kind::kFail) return refuse(connection, outcome.transport_error);
  if (outcome.kind == Kind::kReply) {
    send_payload(connection, mtproto::write_unencrypted(
                                 connection.msg_ids.next(read_clocks().unix_ns), outcome.reply));
  }
  return true;
}

bool TestServer::on_encrypted(Connection& connection, ByteSpan bytes, bool quick_ack) {
  if (options_.error_on_encrypted != 0) return refuse(connection, options_.error_on_encrypted);
  const auto known = keys_.find(load_le<int64_t>(bytes.data()));
  if (known == keys_.end()) return refuse(connection, mtproto::kErrorUnknownKey);
  mtproto::OpenJob job;
  job.key = &known->second.key;
  job.frame = bytes;
  mtproto::open_many({&job, 1});
  if (job.error != Error::kNone) {
    ++bad_messages_;
    return false;
  }
  ++messages_opened_;
  if (quick_ack && !options_.never_quick_ack) {
    std::array<uint8_t, mtproto::ServerTransport::kQuickAckBytesMax> token;
    const size_t size = connection.transport.write_quick_ack(job.quick_ack_token, token);
    connection.transport.encrypt_output({token.data(), size});
    deliver(connection.fd.get(), {token.data(), size});
  }
  std::vector<client::InboundPart> parts;
  const client::InboundPart whole{job.header.msg_id, job.header.seq_no,
                                  ByteView(job.payload).subspan(16)};
  if (!client::split_message(whole, parts).ok()) return false;

  SessionState& session = sessions_[{known->first, job.header.session_id}];
  if (options_.refuse_first_salt && !session.salt_refused) {
    session.salt_refused = true;
    Bytes body;
    ByteAppender out(body);
    out.u32(ctor::kBadServerSalt);
    out.i64(job.header.msg_id);
    out.i32(job.header.seq_no);
    out.i32(48);
    out.i64(kSalt);
    push(connection, job, body, false);
    return true;
  }
  if (!session.greeted) {
    session.greeted = true;
    Bytes body;
    ByteAppender out(body);
    out.u32(ctor::kNewSessionCreated);
    out.i64(parts.front().msg_id);
    out.i64(1);
    out.i64(kSalt);
    push(connection, job, body, true);
  }
  for (const client::InboundPart& part : parts) {
    on_object(connection, job, part.msg_id, part.body);
  }
  return true;
}

void TestServer::on_object(Connection& connection, const mtproto::OpenJob& message, int64_t msg_id,
                           ByteView object) {
  Bytes body;
  ByteAppender out(body);
  switch (client::constructor_of(object)) {
    case ctor::kPing:
      out.u32(ctor::kPong);
      out.i64(msg_id);
      out.bytes(object.subspan(4, 8));
      return push(connection, message, body, false);
    case client::constructor::kEcho:
      return push(connection, message, object, true);
    case client::constructor::kInvokeWithLayer:
      out.u32(ctor::kRpcResult);
      out.i64(msg_id);
      for (const uint32_t word :
           {client::constructor::kConfigLayer144, 0U, 100U, 200U, 0xbc799737U, 2U}) {
        out.u32(word);
      }
      return push(connection, message, body, true);
    case ctor::kMsgsAck:
      return;
    case client::constructor::kCounted:
      return count(sessions_[{load_le<int64_t>(message.frame.data()), message.header.session_id}],
                   client::object_id(object));
    case client::constructor::kGetTally: {
      const int64_t session_id = client::object_id(object);
      const auto& tally = sessions_[{load_le<int64_t>(message.frame.data()), session_id}].tally;
      out.u32(ctor::kRpcResult);
      out.i64(msg_id);
      out.u32(client::constructor::kTally);
      out.i64(session_id);
      out.u64(tally.count);
      out.u64(tally.sum);
      out.u64(tally.out_of_order);
      return push(connection, message, body, true);
    }
    default:
      out.u32(ctor::kRpcResult);
      out.i64(msg_id);
      out.u32(ctor::kRpcError);
      out.i32(400);
      mtproto::write_tl_string(out, as_bytes("METHOD_NOT_IMPLEMENTED"));
      return push(connection, message, body, true);
  }
}

void TestServer::count(SessionState& session, int64_t sequence) {
  if (counted_to_lose_ > 0) {
    --counted_to_lose_;
    return;
  }
  ++session.tally.count;
  session.tally.sum += static_cast<uint64_t>(sequence);
}

void TestServer::push(Connection& connection, const mtproto::OpenJob& message, ByteView body,
                      bool content) {
  const int64_t key_id = load_le<int64_t>(message.frame.data());
  SessionState& session = sessions_[{key_id, message.header.session_id}];
  const size_t plaintext_bytes = kMessagePrefixBytes + body.size();
  Bytes frame(mtproto::sealed_bytes(plaintext_bytes));
  ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes, plaintext_bytes));
  out.i64(kSalt);
  out.i64(message.header.session_id);
  out.i64(next_msg_id(session));
  out.i32(content ? 2 * session.content_count++ + 1 : 2 * session.content_count);
  out.u32(static_cast<uint32_t>(body.size()));
  out.bytes(body);
  mtproto::SealJob job;
  job.key = &keys_[key_id].key;
  job.auth_key_id = key_id;
  job.out = frame;
  job.plaintext_bytes = plaintext_bytes;
  mtproto::seal_many({&job, 1});
  send_payload(connection, frame);
}

void TestServer::send_payload(Connection& connection, ByteView payload) {
  const auto plan = connection.transport.plan(payload.size());
  Bytes frame(plan.frame_bytes);
  connection.transport.lay_out(plan, frame);
  std::copy(payload.begin(), payload.end(),
            frame.begin() + static_cast<ptrdiff_t>(plan.header_bytes));
  connection.transport.finish(plan, frame);
  connection.transport.encrypt_output(frame);
  deliver(connection.fd.get(), frame);
}

bool TestServer::refuse(Connection& connection, int32_t code) {
  uint8_t payload[4];
  store_le(payload, code);
  send_payload(connection, payload);
  return false;
}

int64_t TestServer::next_msg_id(SessionState& session) const {
  const int64_t now = (read_clocks().unix_ns / kNsPerSecond << 32) | 1;
  session.last_msg_id = std::max(now, session.last_msg_id + 4);
  return session.last_msg_id;
}

}  // namespace ringway::testing
