// Temporary keys against the running gateway and shard: what they may do before they are bound, how
// they are bound, what a forged bind achieves (nothing), and how they end.
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/limits.h"
#include "client/inbound.h"
#include "crypto/random.h"
#include "e2e/gateway_test.h"
#include "gateway.grpc.pb.h"
#include "mtproto/message.h"
#include "mtproto/peek.h"
#include "mtproto/tl.h"
#include "support/tl_objects.h"

namespace ringway::testing {
namespace {

namespace ctor = mtproto::constructor;

constexpr int32_t kDay = 86'400;
constexpr uint32_t kGetNearestDc = 0x1fb33026;

int32_t unix_in(int32_t seconds) {
  return static_cast<int32_t>(read_clocks().unix_seconds()) + seconds;
}

// invokeWithLayer(initConnection(query)).
Bytes wrapped(ByteView query) {
  Bytes made = client::make_get_config(160, 1);
  made.resize(made.size() - 4);
  made.insert(made.end(), query.begin(), query.end());
  return made;
}

struct Part {
  int64_t msg_id = 0;
  Bytes body;
  int32_t seq_no = 0;
};
Bytes container(const std::vector<Part>& parts) {
  Bytes made;
  ByteAppender out(made);
  out.u32(ctor::kMsgContainer);
  out.u32(static_cast<uint32_t>(parts.size()));
  for (const Part& part : parts)
    out.bytes(mtproto::frame_message(part.msg_id, part.seq_no, part.body));
  return made;
}

// A session that numbers what is content-related.
class Talker : public RawSession {
 public:
  using RawSession::RawSession;
  [[nodiscard]] int32_t seq_no() { return 2 * contents_++ + 1; }
  [[nodiscard]] Sealed content_as(int64_t msg_id, ByteView body) {
    return seal_as(msg_id, body, seq_no());
  }
  [[nodiscard]] Sealed content(ByteView body) { return content_as(next_msg_id(), body); }
  [[nodiscard]] Part part(int64_t msg_id, Bytes body) {
    return {msg_id, std::move(body), seq_no()};
  }

 private:
  int32_t contents_ = 0;
};

class TemporaryKeyTest : public GatewayTest {
 protected:
  static SessionKey make_key_of(int32_t expires_in) {
    auto client = connect("intermediate");
    auto options = stack().handshake();
    options.expires_in = expires_in;
    const auto made = client->exchange(options);
    EXPECT_TRUE(made.ok()) << client->problem();
    return made.ok() ? SessionKey::from(*made) : SessionKey();
  }
  static SessionKey temporary() { return make_key_of(kDay); }
  static SessionKey permanent() { return make_key_of(0); }

  static mtproto::BindInner inner_of(const RawSession& session, const SessionKey& permanent_key) {
    return {.nonce = 77,
            .temp_auth_key_id = session.key().auth_key_id,
            .perm_auth_key_id = permanent_key.auth_key_id,
            .temp_session_id = session.session_id(),
            .expires_at = unix_in(kDay)};
  }
  static Bytes bind_of(const RawSession& session, const SessionKey& permanent_key, int64_t msg_id) {
    return client::make_bind_temp_auth_key(permanent_key.key, inner_of(session, permanent_key),
                                           msg_id);
  }
  // A bind that claims somebody's key without having it.
  static Bytes forged_bind(const RawSession& session, int64_t claimed, int64_t msg_id) {
    AuthKeyBytes own;
    crypto::random_bytes(own.span());
    mtproto::BindInner inner = inner_of(session, {});
    inner.perm_auth_key_id = claimed;
    return client::make_bind_temp_auth_key(own, inner, msg_id);
  }

  // Reads messages of the session until `wanted` answers; its body then.
  static Bytes read_result(BlockingClient& client, const RawSession& session, int64_t msg_id) {
    const int64_t deadline_ns = read_clocks().mono_ns + 10 * kNsPerSecond;
    for (;;) {
      Arrival arrival = client.wait(deadline_ns - read_clocks().mono_ns);
      EXPECT_EQ(arrival.kind, Arrival::Kind::kEncrypted) << arrival.to_string();
      if (arrival.kind != Arrival::Kind::kEncrypted) return {};
      mtproto::OpenJob job;
      job.key = &session.key().key;
      job.frame = arrival.payload;
      job.sender = mtproto::Sender::kServer;
      mtproto::open_many({&job, 1});
      EXPECT_EQ(job.error, Error::kNone);
      EXPECT_EQ(job.header.session_id, session.session_id());
      EXPECT_EQ(job.header.msg_id & 1, 1);
      std::vector<client::InboundPart> parts;
      EXPECT_TRUE(
          client::split_message(
              {job.header.msg_id, job.header.seq_no, ByteView(job.payload).subspan(16)}, parts)
              .ok());
      for (const client::InboundPart& part : parts) {
        ByteReader reader(part.body);
        if (*reader.u32() != ctor::kRpcResult || *reader.i64() != msg_id) continue;
        return {reader.rest().begin(), reader.rest().end()};
      }
    }
  }
  static void expect_rpc_error(BlockingClient& client, const RawSession& session, int64_t msg_id,
                               int32_t code, const std::string& text) {
    const auto error = client::read_rpc_error(read_result(client, session, msg_id));
    ASSERT_TRUE(error.has_value());
    EXPECT_EQ(error->code, code);
    EXPECT_EQ(error->message, text);
  }
  static void expect_true(BlockingClient& client, const RawSession& session, int64_t msg_id) {
    EXPECT_EQ(client::constructor_of(read_result(client, session, msg_id)), ctor::kBoolTrue);
  }

  // What the shard was sent under a key.
  static std::vector<std::string> sent_under(int64_t auth_key_id) {
    return stack().record(" auth_key_id=" + std::to_string(auth_key_id) + " perm_auth_key_id=");
  }
  static std::vector<std::string> closes_of(int64_t auth_key_id) {
    std::vector<std::string> closes;
    for (const std::string& line : stack().record("close ")) {
      if (field(line, "auth_key_id") == std::to_string(auth_key_id)) closes.push_back(line);
    }
    return closes;
  }
};

class BindOnEachWire : public TemporaryKeyTest, public ::testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    start_stack({.ringway_yaml = kGenerousLimits, .shard_arguments = {"--wire", GetParam()}});
    GatewayTest::SetUp();
  }
};
INSTANTIATE_TEST_SUITE_P(EachWire, BindOnEachWire, ::testing::Values("batch", "stream", "unary"),
                         [](const ::testing::TestParamInfo<const char*>& wire) {
                           return std::string(wire.param);
                         });

TEST_P(BindOnEachWire, FirstNothingThenEverything) {
  const SessionKey perm = permanent();
  const SessionKey temp = temporary();
  auto client = connect("intermediate");
  client->use_key(temp);
  EXPECT_TRUE(client->ping().ok()) << client->problem();
  EXPECT_FALSE(client->call(client::make_get_config(160, 1)).ok());
  EXPECT_EQ(client->problem(), "rpc_error 401 AUTH_KEY_PERM_EMPTY");
  EXPECT_TRUE(sent_under(temp.auth_key_id).empty()) << "all of this is the gateway's to answer";

  ASSERT_TRUE(client->bind(perm, unix_in(kDay)).ok()) << client->problem();
  EXPECT_TRUE(client->call(client::make_get_config(160, 1)).ok()) << client->problem();
  EXPECT_TRUE(client->ping().ok()) << client->problem();
  const auto lines = sent_under(temp.auth_key_id);
  ASSERT_GE(lines.size(), 3U);
  for (size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(field(lines[i], "perm_auth_key_id"), std::to_string(perm.auth_key_id));
    EXPECT_EQ(field(lines[i], "conn_type"), i == 0 ? "1" : "0") << lines[i];
  }
  // A second connection needs no bind, nor does one to a gateway that has never seen the key.
  auto second = connect("obfuscated-padded");
  second->use_key(temp);
  EXPECT_TRUE(second->call(client::make_get_config(160, 1)).ok()) << second->problem();
  client->close();
  second->close();
  EXPECT_TRUE(wait_until([&] { return closes_of(temp.auth_key_id).size() == 2; }, 5000))
      << "each session is closed once";
  stack().stop_gateway();
  stack().start_gateway();
  auto third = connect("abridged");
  third->use_key(temp);
  EXPECT_TRUE(third->call(client::make_get_config(160, 1)).ok()) << third->problem();
  GatewayTest::SetUp();
}

TEST_P(BindOnEachWire, UnknownPermanentKeyIsTheBindsOwnError) {
  auto client = connect("padded");
  Talker session(temporary());
  const int64_t ack_id = session.next_msg_id();
  const int64_t bind_id = session.next_msg_id();
  const std::vector<Part> parts = {{ack_id, client::make_msgs_ack(std::vector<int64_t>{1})},
                                   session.part(bind_id, forged_bind(session, 0x5555, bind_id))};
  ASSERT_TRUE(client->send_frame(session.seal(container(parts)).frame).ok());
  expect_rpc_error(*client, session, bind_id, 400, "ENCRYPTED_MESSAGE_INVALID");
  // The key itself is as good as before.
  const Sealed ping = session.ping();
  ASSERT_TRUE(client->send_frame(ping.frame).ok());
  expect_pong(*client, session, ping.msg_id);
  const int64_t again = session.next_msg_id();
  const SessionKey perm = permanent();
  ASSERT_TRUE(
      client->send_frame(session.content_as(again, bind_of(session, perm, again)).frame).ok());
  expect_true(*client, session, again);
}

class TemporaryKeyCases : public TemporaryKeyTest {
 protected:
  static void SetUpTestSuite() { start_stack({.ringway_yaml = kGenerousLimits, .workers = 4}); }
};

// Case 46.
TEST_F(TemporaryKeyCases, ContainerIsTakenApart) {
  const SessionKey perm = permanent();
  auto client = connect("intermediate");
  Talker session(temporary());
  const int64_t ack_id = session.next_msg_id();
  const int64_t bind_id = session.next_msg_id();
  const int64_t ping_id = session.next_msg_id();
  const std::vector<Part> parts = {{ack_id, client::make_msgs_ack(std::vector<int64_t>{1})},
                                   session.part(bind_id, bind_of(session, perm, bind_id)),
                                   {ping_id, client::make_ping(5)}};
  ASSERT_TRUE(client->send_frame(session.seal(container(parts)).frame).ok());
  expect_pong(*client, session, ping_id);
  expect_true(*client, session, bind_id);
  const auto lines = sent_under(session.key().auth_key_id);
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_EQ(field(lines[0], "msg_id"), std::to_string(bind_id)) << "forwarded under its own msg_id";
}

// What comes behind a bind waits for its outcome, in order, and is then for the bound key.
TEST_F(TemporaryKeyCases, CallsBehindTheBindWaitAndKeepTheirOrder) {
  for (const char* name : {"intermediate", "obfuscated-abridged"}) {
    const SessionKey perm = permanent();
    auto client = connect(name);
    Talker session(temporary());
    const int64_t bind_id = session.next_msg_id();
    std::vector<int64_t> calls;
    Bytes stream;
    const auto add = [&](const Sealed& sealed) {
      const Bytes frame = client->frame_bytes(sealed.frame);
      stream.insert(stream.end(), frame.begin(), frame.end());
    };
    const int64_t inner_id = session.next_msg_id();
    calls.push_back(inner_id);
    add(session.seal(container({session.part(bind_id, wrapped(bind_of(session, perm, bind_id))),
                                session.part(inner_id, object(kGetNearestDc))})));
    for (int i = 0; i < 5; ++i) {
      const int64_t id = session.next_msg_id();
      calls.push_back(id);
      add(session.content_as(id, object(kGetNearestDc)));
    }
    ASSERT_TRUE(client->send_bytes(stream).ok());
    expect_true(*client, session, bind_id);
    for (const int64_t id : calls) {
      EXPECT_FALSE(client::read_rpc_error(read_result(*client, session, id)).has_value()) << id;
    }
    const auto lines = sent_under(session.key().auth_key_id);
    ASSERT_EQ(lines.size(), 1 + calls.size());
    for (size_t i = 0; i < calls.size(); ++i) {
      EXPECT_EQ(field(lines[i + 1], "msg_id"), std::to_string(calls[i]));
    }
  }
}

// Case 47: whatever is around it, a forged bind reaches the shard alone and nothing goes with it.
TEST_F(TemporaryKeyCases, ForgedBindGivesNothingAway) {
  const SessionKey victim = key();
  using Dress = Bytes (*)(ByteView);
  const Dress dresses[] = {
      [](ByteView bind) { return Bytes(bind.begin(), bind.end()); },
      [](ByteView bind) { return gzip_packed(bind); },
      [](ByteView bind) { return wrapped(bind); },
      [](ByteView bind) { return gzip_packed(wrapped(bind)); },
      [](ByteView bind) { return wrapped(gzip_packed(bind)); },
      [](ByteView bind) { return object(ctor::kInvokeWithoutUpdates, wrapped(bind)); },
  };
  for (const Dress dress : dresses) {
    for (const bool contained : {false, true}) {
      auto client = connect("intermediate");
      Talker session(temporary());
      const int64_t bind_id = session.next_msg_id();
      const int64_t call_id = session.next_msg_id();
      const Bytes bind = dress(forged_bind(session, victim.auth_key_id, bind_id));
      Bytes stream;
      const auto add = [&](const Sealed& sealed) {
        const Bytes frame = client->frame_bytes(sealed.frame);
        stream.insert(stream.end(), frame.begin(), frame.end());
      };
      if (contained) {
        add(session.seal(container(
            {session.part(bind_id, bind), session.part(call_id, object(kGetNearestDc))})));
      } else {
        add(session.content_as(bind_id, bind));
        add(session.content_as(call_id, object(kGetNearestDc)));
      }
      ASSERT_TRUE(client->send_bytes(stream).ok());
      expect_rpc_error(*client, session, bind_id, 400, "ENCRYPTED_MESSAGE_INVALID");
      expect_rpc_error(*client, session, call_id, 401, "AUTH_KEY_PERM_EMPTY");
      const Sealed later = session.content(wrapped(object(kGetNearestDc)));
      ASSERT_TRUE(client->send_frame(later.frame).ok());
      expect_rpc_error(*client, session, later.msg_id, 401, "AUTH_KEY_PERM_EMPTY");
      client->close();
      const auto lines = sent_under(session.key().auth_key_id);
      ASSERT_EQ(lines.size(), 1U) << "the bind and nothing else";
      EXPECT_EQ(field(lines[0], "msg_id"), std::to_string(bind_id));
      EXPECT_EQ(field(lines[0], "perm_auth_key_id"), std::to_string(victim.auth_key_id));
    }
  }
  EXPECT_GE(stack().counter("binds_refused"), 2 * std::size(dresses));
}

// A bind of another call, session, key or time does not count.
TEST_F(TemporaryKeyCases, BindIsGoodForItsOwnCallOnly) {
  const SessionKey perm = permanent();
  auto client = connect("intermediate");
  Talker session(temporary());
  Talker elsewhere(session.key());
  Talker other_key(temporary());
  const auto refused = [&](int64_t id, const Bytes& bind, const char* text) {
    ASSERT_TRUE(client->send_frame(session.content_as(id, bind).frame).ok());
    expect_rpc_error(*client, session, id, 400, text);
  };
  int64_t id = session.next_msg_id();
  refused(id, bind_of(session, perm, id + 4), "ENCRYPTED_MESSAGE_INVALID");
  id = session.next_msg_id();
  refused(id, bind_of(elsewhere, perm, id), "ENCRYPTED_MESSAGE_INVALID");
  id = session.next_msg_id();
  refused(id, bind_of(other_key, perm, id), "ENCRYPTED_MESSAGE_INVALID");
  id = session.next_msg_id();
  mtproto::BindInner late = inner_of(session, perm);
  late.expires_at = unix_in(-10);
  refused(id, client::make_bind_temp_auth_key(perm.key, late, id), "EXPIRES_AT_INVALID");
  id = session.next_msg_id();
  refused(id, bind_of(session, session.key(), id), "ENCRYPTED_MESSAGE_INVALID");
  id = session.next_msg_id();
  ASSERT_TRUE(client->send_frame(session.content_as(id, bind_of(session, perm, id)).frame).ok());
  expect_true(*client, session, id);
}

// Case 48.
TEST_F(TemporaryKeyCases, HostileBodiesCloseAndReachNobody) {
  Talker session(temporary());
  const Bytes ping = client::make_ping(1);
  const Bytes nested = container({{4, ping}});
  Bytes many = object(ctor::kMsgContainer);
  ByteAppender(many).u32(0x80000000U);
  Bytes deep = object(kGetNearestDc);
  for (size_t i = 0; i <= kQueryWrapperDepthMax; ++i)
    deep = object(ctor::kInvokeWithoutUpdates, deep);
  const Bytes bodies[] = {gzip_packed(Bytes(8 << 20, 0)),
                          many,
                          container({{4, nested}}),
                          gzip_packed(nested),
                          gzip_packed(gzip_packed(ping)),
                          object(ctor::kGzipPacked, client::make_ping(3)),
                          object(ctor::kBindTempAuthKey, ping),
                          deep};
  for (const Bytes& body : bodies) {
    auto client = connect("intermediate");
    ASSERT_TRUE(client->send_frame(session.seal(body).frame).ok());
    expect_closed_without_a_word(*client);
  }
  EXPECT_TRUE(sent_under(session.key().auth_key_id).empty());
}

TEST_F(TemporaryKeyCases, QuickAcksAreAnsweredBeforeAndAfter) {
  const SessionKey perm = permanent();
  auto client = connect("intermediate");
  client->use_key(temporary());
  client::RequestOptions with_ack;
  with_ack.quick_ack = true;
  for (const Bytes& query : {client::make_ping(1), object(kGetNearestDc)}) {
    const auto request = client->send(query, with_ack);
    ASSERT_TRUE(request.ok());
    const Arrival ack = client->wait_quick_ack(*request);
    ASSERT_EQ(ack.kind, Arrival::Kind::kEvent) << ack.to_string();
    EXPECT_EQ(ack.event.kind, client::SessionEvent::Kind::kQuickAck);
  }
  ASSERT_TRUE(client->bind(perm, unix_in(kDay)).ok()) << client->problem();
  const auto request = client->send(object(kGetNearestDc), with_ack);
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(client->wait_quick_ack(*request).kind, Arrival::Kind::kEvent);
}

// The permanent key's connection goes on to a temporary one, whose home may be another worker.
TEST_F(TemporaryKeyCases, KeysWithOtherHomesAreBoundOverOneConnection) {
  for (int i = 0; i < 6; ++i) {
    const SessionKey perm = permanent();
    auto client = connect("obfuscated-intermediate");
    client->use_key(perm);
    ASSERT_TRUE(client->ping().ok()) << client->problem();
    client->use_key(temporary());
    ASSERT_TRUE(client->ping().ok()) << client->problem();
    EXPECT_FALSE(client->call(object(kGetNearestDc)).ok());
    EXPECT_EQ(client->problem(), "rpc_error 401 AUTH_KEY_PERM_EMPTY");
    ASSERT_TRUE(client->bind(perm, unix_in(kDay)).ok()) << client->problem();
    EXPECT_TRUE(client->call(object(kGetNearestDc)).ok()) << client->problem();
    EXPECT_TRUE(client->ping().ok()) << client->problem();
  }
}

// A key that is bound again is its new owner's from then on.
TEST_F(TemporaryKeyCases, AnotherBindChangesTheOwner) {
  const SessionKey first = permanent();
  const SessionKey second = permanent();
  const SessionKey temp = temporary();
  auto client = connect("intermediate");
  client->use_key(temp);
  ASSERT_TRUE(client->bind(first, unix_in(kDay)).ok()) << client->problem();
  ASSERT_TRUE(client->call(object(kGetNearestDc)).ok()) << client->problem();
  const uint64_t changed = stack().counter("bindings_changed");
  ASSERT_TRUE(client->bind(second, unix_in(kDay)).ok()) << client->problem();
  ASSERT_TRUE(stack().wait_counter("bindings_changed", changed + 1));
  ASSERT_TRUE(client->call(object(kGetNearestDc)).ok()) << client->problem();
  const auto lines = sent_under(temp.auth_key_id);
  EXPECT_EQ(field(lines.front(), "perm_auth_key_id"), std::to_string(first.auth_key_id));
  EXPECT_EQ(field(lines.back(), "perm_auth_key_id"), std::to_string(second.auth_key_id));
  EXPECT_EQ(closes_of(temp.auth_key_id).size(), 1U) << "the first owner's session has ended";
}

// An expired key is at its end: out of the cache in time, and -404 on its next use.
TEST_F(TemporaryKeyCases, ExpiredKeysAreUnknown) {
  const SessionKey perm = permanent();
  const SessionKey temp = make_key_of(6);
  auto client = connect("intermediate");
  client->use_key(temp);
  ASSERT_TRUE(client->bind(perm, unix_in(6)).ok()) << client->problem();
  ASSERT_TRUE(stack().wait_counter("keys_expired", 1, 20'000));
  const auto sent = client->send(client::make_ping(1), {.content_related = false});
  ASSERT_TRUE(sent.ok());
  expect_error_then_close(*client, -404);
}

// A session that a forged bind has begun at its victim's shard hears nothing of the victim's.
TEST_F(TemporaryKeyCases, UpdatesGoToBoundKeysOnly) {
  const auto channel = grpc::CreateChannel("127.0.0.1:" + std::to_string(stack().service_port()),
                                           grpc::InsecureChannelCredentials());
  const auto stub = gateway::RPCGateway::NewStub(channel);
  const auto push = [&](int64_t auth_key_id, int64_t session_id) {
    gateway::TL_gateway_sendDataToGateway data;
    data.set_auth_key_id(auth_key_id);
    data.set_session_id(session_id);
    Bytes payload;
    ByteAppender out(payload);
    out.i64(1);
    out.i64(session_id);
    out.bytes(mtproto::frame_message((read_clocks().unix_seconds() << 32) + 1, 1,
                                     client::make_echo(9, 24)));
    data.set_payload(payload.data(), payload.size());
    grpc::ClientContext context;
    ::mtproto::Bool answer;
    EXPECT_TRUE(stub->gateway_sendDataToGateway(&context, data, &answer).ok());
    return answer.predicate_name();
  };
  const SessionKey perm = permanent();
  auto client = connect("intermediate");
  Talker session(temporary());
  int64_t id = session.next_msg_id();
  const Bytes forged = forged_bind(session, perm.auth_key_id, id);
  ASSERT_TRUE(client->send_frame(session.content_as(id, forged).frame).ok());
  expect_rpc_error(*client, session, id, 400, "ENCRYPTED_MESSAGE_INVALID");
  EXPECT_EQ(push(session.key().auth_key_id, session.session_id()), "boolFalse");
  id = session.next_msg_id();
  ASSERT_TRUE(client->send_frame(session.content_as(id, bind_of(session, perm, id)).frame).ok());
  expect_true(*client, session, id);
  const Sealed call = session.content(object(kGetNearestDc));
  ASSERT_TRUE(client->send_frame(call.frame).ok());
  EXPECT_FALSE(client::read_rpc_error(read_result(*client, session, call.msg_id)).has_value());
  EXPECT_EQ(push(session.key().auth_key_id, session.session_id()), "boolTrue");
}

// destroy_auth_key is the shard's to answer, and the key goes on working.
TEST_F(TemporaryKeyCases, DestroyAuthKeyIsForwardedAndKeepsTheKey) {
  auto client = connect("intermediate");
  Talker session(key());
  const Sealed destroy = session.seal(object(ctor::kDestroyAuthKey), 1);
  ASSERT_TRUE(client->send_frame(destroy.frame).ok());
  ASSERT_TRUE(wait_until(
      [&] { return stack().record("msg_id=" + std::to_string(destroy.msg_id)).size() == 1; },
      5000));
  const uint64_t queries = stack().counter("key_queries");
  const Sealed ping = session.ping();
  ASSERT_TRUE(client->send_frame(ping.frame).ok());
  expect_pong(*client, session, ping.msg_id);
  EXPECT_EQ(stack().counter("key_queries"), queries);
}

}  // namespace
}  // namespace ringway::testing
