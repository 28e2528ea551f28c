// The hand-written encoding against the classes that protoc generates, and against known bytes.
#include <gtest/gtest.h>

#include <random>

#include "base/hex.h"
#include "cluster/link_codec.h"
#include "cluster/session_codec.h"
#include "cluster/verdict.h"
#include "gateway.pb.h"
#include "ringway_link.pb.h"
#include "session.pb.h"

namespace ringway::cluster {
namespace {

Bytes to_bytes(const std::string& text) { return {text.begin(), text.end()}; }

Bytes encode(const ClientMessage& m, std::string_view server_id) {
  Bytes bytes(client_data_size(m, server_id));
  ProtoWriter out(bytes);
  write_client_data(out, m, server_id);
  EXPECT_EQ(out.position(), bytes.size());
  return bytes;
}

Bytes encode(const SessionClose& c, std::string_view server_id) {
  Bytes bytes(client_event_size(c, server_id));
  ProtoWriter out(bytes);
  write_client_event(out, c, server_id);
  EXPECT_EQ(out.position(), bytes.size());
  return bytes;
}

Bytes known(std::string_view hex) {
  const auto bytes = from_hex(hex);
  EXPECT_TRUE(bytes);
  return *bytes;
}

TEST(SessionCodec, SendDataKnownBytes) {
  const Bytes payload = known("0400000000000065000000000c000000ec77be7a11100f0e0d0c0b0a");
  ClientMessage m;
  m.conn_type = 1;
  m.auth_key_id = -3972359982579920590;
  m.key_type = 1;
  m.perm_auth_key_id = -7677205308713398540;
  m.session_id = 0x0102030405060708;
  m.client_ip = "192.0.2.7";
  m.salt = 0x1122334455667788;
  m.payload = payload;
  const Bytes body = encode(m, "10.0.0.1:20110");
  Bytes request(message_field_size(3, body.size()));
  ProtoWriter(request).message_header(3, body.size());
  std::copy(body.begin(), body.end(), request.end() - static_cast<ptrdiff_t>(body.size()));
  EXPECT_EQ(request,
            known("1a671a0e31302e302e302e313a3230313130200128b2a2e3f2c6f4d5efc801300138f49d"
                  "9493a8cec5ba950140888e98a8c0e08081014a093139322e302e322e375888ef99abc5e8"
                  "8c9111621c0400000000000065000000000c000000ec77be7a11100f0e0d0c0b0a"));
}

TEST(SessionCodec, CloseSessionIsTheKnownMessageWithoutItsName) {
  session::TL_session_closeSession expected;
  const Bytes bytes = known(
      "1a510a1273657373696f6e436c69656e744576656e741a0e31302e302e302e313a3230313130"
      "28b2a2e3f2c6f4d5efc80130"
      "0138f49d9493a8cec5ba950140888e98a8c0e08081014a093139322e302e322e37");
  ASSERT_TRUE(expected.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  expected.mutable_client()->clear_predicate_name();
  SessionClose close;
  close.auth_key_id = -3972359982579920590;
  close.key_type = 1;
  close.perm_auth_key_id = -7677205308713398540;
  close.session_id = 0x0102030405060708;
  close.client_ip = "192.0.2.7";
  EXPECT_EQ(encode(close, "10.0.0.1:20110"), to_bytes(expected.client().SerializeAsString()));
}

TEST(SessionCodec, QueryAuthKeyKnownBytes) {
  EXPECT_EQ(flatten(encode_query_auth_key(-3972359982579920590)), known("18b2a2e3f2c6f4d5efc801"));
}

TEST(SessionCodec, BoolKnownBytes) {
  const auto decode = [](std::string_view hex) { return *decode_bool(known(hex)); };
  EXPECT_TRUE(decode("0a08626f6f6c5472756510b5ebc9cbf9ffffffff01"));
  EXPECT_TRUE(decode("0a08626f6f6c54727565"));
  EXPECT_FALSE(decode("0a09626f6f6c46616c7365"));
  EXPECT_FALSE(decode(""));
  // The constructor alone does not make it true.
  EXPECT_FALSE(decode("10b5ebc9cbf9ffffffff01"));
  EXPECT_FALSE(decode_bool(known("0a08626f6f")).ok());
}

// Values that cross every size of a varint, and defaults, which are left out.
TEST(SessionCodec, EqualsGeneratedCode) {
  std::mt19937_64 random(7);
  const auto number = [&]() -> int64_t {
    const auto value = static_cast<int64_t>(random());
    switch (random() % 4) {
      case 0:
        return 0;
      case 1:
        return value >> (random() % 64);
      case 2:
        return static_cast<int64_t>(static_cast<uint64_t>(value) >> (random() % 64));
      default:
        return value;
    }
  };
  for (int i = 0; i < 2000; ++i) {
    const Bytes payload(random() % 3 == 0 ? random() % 40000 : random() % 200, 0x5a);
    const std::string ip = random() % 4 == 0 ? "" : "2001:db8::1";
    const std::string server_id = random() % 4 == 0 ? "" : "10.0.0.1:20110";
    ClientMessage m;
    m.conn_type = static_cast<int32_t>(random() % 3);
    m.auth_key_id = number();
    m.key_type = static_cast<int32_t>(random() % 3);
    m.perm_auth_key_id = number();
    m.session_id = number();
    m.client_ip = ip;
    m.quick_ack = random() % 2 == 0;
    m.salt = number();
    m.payload = payload;

    session::SessionClientData expected;
    expected.set_server_id(server_id);
    expected.set_conn_type(m.conn_type);
    expected.set_auth_key_id(m.auth_key_id);
    expected.set_key_type(m.key_type);
    expected.set_perm_auth_key_id(m.perm_auth_key_id);
    expected.set_session_id(m.session_id);
    expected.set_client_ip(ip);
    expected.set_quick_ack(m.quick_ack ? 1 : 0);
    expected.set_salt(m.salt);
    expected.set_payload(payload.data(), payload.size());
    ASSERT_EQ(encode(m, server_id), to_bytes(expected.SerializeAsString()));
  }
}

AuthKeyRecord sample_record(int32_t type) {
  AuthKeyRecord record;
  record.auth_key_id = -77;
  record.key_type = type;
  for (size_t i = 0; i < 256; ++i) record.key.data()[i] = static_cast<uint8_t>(i * 7);
  return record;
}

TEST(SessionCodec, SetAuthKeyEqualsGeneratedCode) {
  const Now now{.mono_ns = 5, .unix_ns = 1'700'000'000 * kNsPerSecond + 999};
  for (int32_t type = 0; type <= 2; ++type) {
    const AuthKeyRecord record = sample_record(type);
    session::TL_session_setAuthKey expected;
    auto* key = expected.mutable_auth_key();
    key->set_auth_key_id(-77);
    key->set_auth_key(record.key.data(), 256);
    key->set_auth_key_type(type);
    if (type == 0) key->set_perm_auth_key_id(-77);
    if (type == 1) key->set_temp_auth_key_id(-77);
    if (type == 2) key->set_media_temp_auth_key_id(-77);
    expected.mutable_future_salt()->set_valid_since(1'700'000'000);
    expected.mutable_future_salt()->set_valid_until(1'700'001'800);
    expected.mutable_future_salt()->set_salt(-5);
    expected.set_expires_in(type == 0 ? 0 : 86400);
    EXPECT_EQ(flatten(encode_set_auth_key(record, -5, type == 0 ? 0 : 86400, now)),
              to_bytes(expected.SerializeAsString()));
  }
}

TEST(SessionCodec, ReadsAuthKeyInfo) {
  mtproto::AuthKeyInfo info;
  info.set_predicate_name("authKeyInfo");
  info.set_auth_key_id(-77);
  info.set_auth_key(std::string(256, 'k'));
  info.set_auth_key_type(1);
  info.set_perm_auth_key_id(1234);
  auto record = decode_auth_key_info(to_bytes(info.SerializeAsString()));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->auth_key_id, -77);
  EXPECT_EQ(record->key_type, 1);
  EXPECT_EQ(record->perm_auth_key_id, 1234);
  EXPECT_EQ(record->key.data()[255], 'k');

  // A permanent key is its own permanent key, whether the shard says so or not.
  info.set_auth_key_type(0);
  info.clear_perm_auth_key_id();
  record = decode_auth_key_info(to_bytes(info.SerializeAsString()));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->perm_auth_key_id, -77);

  info.set_auth_key(std::string(255, 'k'));
  EXPECT_EQ(decode_auth_key_info(to_bytes(info.SerializeAsString())).error(), Error::kBadLength);
  info.set_auth_key(std::string(256, 'k'));
  info.set_auth_key_type(3);
  EXPECT_EQ(decode_auth_key_info(to_bytes(info.SerializeAsString())).error(), Error::kMalformed);
}

TEST(SessionCodec, ReadsStreamResponses) {
  session::SessionStreamResponse response;
  response.set_request_id("42");
  response.mutable_ack()->set_success(true);
  std::string bytes = response.SerializeAsString();
  auto read = decode_stream_response(as_bytes(bytes));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->request_id, "42");
  EXPECT_TRUE(read->success);
  EXPECT_FALSE(read->error);

  response.mutable_error()->set_code(500);
  response.mutable_error()->set_message("rpc error: code = Code(401) desc = AUTH_KEY_UNREGISTERED");
  bytes = response.SerializeAsString();
  read = decode_stream_response(as_bytes(bytes));
  ASSERT_TRUE(read);
  EXPECT_TRUE(read->error);
  EXPECT_EQ(read->code, 500);
  EXPECT_EQ(verdict_of(read->code, read->message), Verdict::kUnregistered);
}

TEST(SessionCodec, HttpCallsAreWrittenAndRead) {
  ClientMessage m;
  m.conn_type = 2;
  m.auth_key_id = 9;
  m.perm_auth_key_id = -9;
  m.key_type = 1;
  const Bytes payload(40, 7);
  m.payload = payload;
  session::TL_session_sendHttpDataToSession request;
  const Bytes bytes = flatten(encode_send_http(m, "g:1"));
  ASSERT_TRUE(request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  EXPECT_EQ(request.client().conn_type(), 2);
  EXPECT_EQ(request.client().perm_auth_key_id(), -9);
  EXPECT_EQ(request.client().key_type(), 1);
  EXPECT_EQ(request.client().server_id(), "g:1");
  EXPECT_EQ(to_bytes(request.client().payload()), payload);

  session::HttpSessionData reply;
  EXPECT_TRUE(decode_http_session_data({})->empty());
  reply.set_payload("answer");
  const std::string answer = reply.SerializeAsString();
  EXPECT_EQ(as_text(*decode_http_session_data(as_bytes(answer))), "answer");
  EXPECT_FALSE(decode_http_session_data(as_bytes(answer).first(answer.size() - 1)));
}

TEST(LinkCodec, ItemsAndHeadAreOneLinkUp) {
  ClientMessage m;
  m.auth_key_id = 9;
  const Bytes payload(300, 1);
  m.payload = payload;
  SessionClose close;
  close.session_id = -3;

  const std::vector<PushAnswer> answers = {{7, true}, {8, false}};
  Bytes joined(link_up_head_size(41, answers));
  write_link_up_head(joined, 41, answers);
  const auto append = [&](ItemKind kind, const Bytes& body) {
    const ItemSizes sizes = item_sizes(kind, body.size());
    Bytes item(sizes.head);
    ProtoWriter out(item);
    write_item_head(out, kind, body.size());
    EXPECT_EQ(out.position(), sizes.head);
    EXPECT_EQ(sizes.total, sizes.head + body.size());
    joined.insert(joined.end(), item.begin(), item.end());
    joined.insert(joined.end(), body.begin(), body.end());
  };
  append(ItemKind::kData, encode(m, "g:1"));
  append(ItemKind::kClose, encode(close, "g:1"));

  ringway::link::v1::LinkUp up;
  ASSERT_TRUE(up.ParseFromArray(joined.data(), static_cast<int>(joined.size())));
  EXPECT_EQ(up.first_sequence(), 41U);
  ASSERT_EQ(up.items_size(), 2);
  EXPECT_EQ(up.items(0).data().auth_key_id(), 9);
  EXPECT_EQ(up.items(0).data().payload().size(), 300U);
  EXPECT_EQ(up.items(1).close().session_id(), -3);
  ASSERT_EQ(up.push_results_size(), 2);
  EXPECT_EQ(up.push_results(0).push_id(), 7U);
  EXPECT_TRUE(up.push_results(0).delivered());
  EXPECT_FALSE(up.push_results(1).delivered());
}

TEST(LinkCodec, Hello) {
  const Bytes bytes = encode_hello("g:1", 3);
  ringway::link::v1::LinkUp up;
  ASSERT_TRUE(up.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  EXPECT_EQ(up.hello().server_id(), "g:1");
  EXPECT_EQ(up.hello().worker(), 3U);
}

ringway::link::v1::LinkDown sample_down() {
  ringway::link::v1::LinkDown down;
  down.mutable_welcome()->set_items_max(64);
  down.set_acknowledged(1ULL << 40);
  auto* refusal = down.add_refusals();
  refusal->set_sequence(12);
  refusal->set_code(401);
  refusal->set_message("AUTH_KEY_UNREGISTERED");
  auto* push = down.add_pushes();
  push->set_push_id(5);
  push->set_auth_key_id(-1);
  push->set_session_id(INT64_MIN);
  push->set_payload("abc");
  down.add_pushes();
  return down;
}

TEST(LinkCodec, ReadsLinkDown) {
  const std::string bytes = sample_down().SerializeAsString();
  LinkDown down;
  ASSERT_TRUE(decode_link_down(as_bytes(bytes), down));
  EXPECT_TRUE(down.welcome);
  EXPECT_EQ(down.items_max, 64U);
  EXPECT_EQ(down.acknowledged, 1ULL << 40);
  ASSERT_EQ(down.refusals.size(), 1U);
  EXPECT_EQ(down.refusals[0].sequence, 12U);
  EXPECT_EQ(down.refusals[0].code, 401);
  EXPECT_EQ(down.refusals[0].message, "AUTH_KEY_UNREGISTERED");
  ASSERT_EQ(down.pushes.size(), 2U);
  EXPECT_EQ(down.pushes[0].auth_key_id, -1);
  EXPECT_EQ(down.pushes[0].session_id, INT64_MIN);
  EXPECT_EQ(as_text(down.pushes[0].payload), "abc");
  EXPECT_TRUE(down.pushes[1].payload.empty());
  // Nothing is left over from one message to the next.
  ASSERT_TRUE(decode_link_down({}, down));
  EXPECT_FALSE(down.welcome);
  EXPECT_EQ(down.acknowledged, 0U);
  EXPECT_TRUE(down.refusals.empty());
  EXPECT_TRUE(down.pushes.empty());
}

// Whatever a shard sends: an answer or an error, and never a read outside (the sanitizer build
// looks).
TEST(LinkCodec, BrokenBytesAreErrorsAtMost) {
  const std::string good = sample_down().SerializeAsString();
  LinkDown down;
  for (size_t cut = 0; cut < good.size(); ++cut) {
    (void)decode_link_down(Bytes(good.begin(), good.begin() + static_cast<ptrdiff_t>(cut)), down)
        .ok();
  }
  EXPECT_FALSE(decode_link_down(Bytes(good.begin(), good.end() - 3), down).ok());
  std::mt19937 random(3);
  size_t refused = 0;
  for (int i = 0; i < 20000; ++i) {
    Bytes bytes = to_bytes(good);
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    if (!decode_link_down(bytes, down)) ++refused;
    (void)decode_stream_response(bytes).ok();
    (void)decode_auth_key_info(bytes).ok();
    (void)decode_bool(bytes).ok();
  }
  EXPECT_GT(refused, 1000U);
}

TEST(ProtoReader, RefusesWhatIsMalformed) {
  const auto error_of = [](std::string_view hex) {
    const Bytes bytes = known(hex);
    return ProtoReader(bytes).next().error();
  };
  EXPECT_EQ(error_of("08"), Error::kTruncated);
  EXPECT_EQ(error_of("08ff"), Error::kTruncated);
  EXPECT_EQ(error_of("0affffffffffffffffff01"), Error::kTruncated);
  EXPECT_EQ(error_of("08ffffffffffffffffffff01"), Error::kMalformed);  // eleven bytes
  EXPECT_EQ(error_of("0001"), Error::kMalformed);                      // field 0
  EXPECT_EQ(error_of("0b"), Error::kMalformed);                        // a group
  EXPECT_EQ(error_of("0d010203"), Error::kTruncated);
  EXPECT_EQ(error_of("08ffffffffffffffffff01"), Error::kNone);
}

}  // namespace
}  // namespace ringway::cluster
