// Recordings of what a server said, of both versions of the protocol.
#include "client/account/replay.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/hex.h"
#include "base/limits.h"
#include "crypto/aes_ige.h"
#include "mtproto/message.h"
#include "mtproto/message_v1.h"

namespace ringway::client {
namespace {

using mtproto::Sender;

AuthKeyBytes make_key(uint8_t factor) {
  AuthKeyBytes key;
  for (size_t i = 0; i < key.size(); ++i) key.data()[i] = static_cast<uint8_t>(factor * i + 3);
  return key;
}

const AuthKeyBytes kKey = make_key(7);

Bytes plaintext(ByteView body) {
  Bytes plain;
  ByteAppender out(plain);
  out.i64(1);  // salt
  out.i64(2);  // session_id
  out.i64(0x6553f10000000001);
  out.i32(1);
  out.u32(static_cast<uint32_t>(body.size()));
  out.bytes(body);
  return plain;
}

Bytes sealed_v2(ByteView body, const AuthKeyBytes& key = kKey) {
  const Bytes plain = plaintext(body);
  Bytes frame(mtproto::sealed_bytes(plain.size()));
  std::copy(plain.begin(), plain.end(), frame.begin() + kMessageHeaderBytes);
  mtproto::SealJob job;
  job.key = &key;
  job.auth_key_id = mtproto::auth_key_id(key);
  job.out = frame;
  job.plaintext_bytes = plain.size();
  mtproto::seal_many({&job, 1});
  return frame;
}

Bytes sealed_v1(ByteView body) {
  Bytes plain = plaintext(body);
  const auto msg_key = mtproto::msg_key_v1(plain);
  plain.resize((plain.size() + 15) / 16 * 16, 0xaa);
  crypto::IgeKeyIv key_iv;
  mtproto::derive_key_iv_v1(kKey, msg_key, key_iv, Sender::kServer);
  const crypto::IgeJob job{&key_iv, plain};
  crypto::ige_encrypt_many({&job, 1});
  Bytes frame;
  ByteAppender out(frame);
  out.i64(mtproto::auth_key_id(kKey));
  out.bytes(msg_key);
  out.bytes(plain);
  return frame;
}

// The abridged transport's form.
void add_frame(Bytes& stream, ByteView frame) {
  ByteAppender out(stream);
  out.u8(static_cast<uint8_t>(frame.size() / 4));
  out.bytes(frame);
}

// The stream in records of so many bytes.
Bytes recording_of(ByteView stream, size_t step) {
  Bytes recording;
  ByteAppender out(recording);
  int64_t number = 0;
  while (!stream.empty()) {
    const ByteView part = stream.first(std::min(step, stream.size()));
    out.i64(number);
    out.i64(1000 + number);
    out.u32(static_cast<uint32_t>(part.size()));
    out.bytes(part);
    stream = stream.subspan(part.size());
    ++number;
  }
  return recording;
}

struct Replayed {
  Result<ReplayCounts> counts;
  std::vector<std::string> objects;
  std::string problem;
};

Replayed run(ByteView recording) {
  std::vector<std::string> objects;
  std::string problem;
  auto counts = replay(
      recording, kKey,
      [&](int64_t /*unix_ns*/, ByteView object) { objects.push_back(to_hex(object)); }, problem);
  return {std::move(counts), std::move(objects), std::move(problem)};
}

TEST(Replay, BothVersionsContainersAndResults) {
  Bytes stream;
  add_frame(stream, *from_hex("000000000000000001000000f153650004000000aabbccdd"));  // no key yet
  add_frame(stream, sealed_v1(*from_hex("7c5f4de300000000")));
  add_frame(stream, sealed_v2(*from_hex("11111111")));
  // An rpc_result, and a container of two.
  add_frame(stream, sealed_v2(*from_hex("016d5cf3"
                                        "0400000000f15365"
                                        "22222222")));
  add_frame(stream, sealed_v2(*from_hex("dcf8f173"
                                        "02000000"
                                        "05000000f1536500"
                                        "01000000"
                                        "04000000"
                                        "33333333"
                                        "09000000f1536500"
                                        "03000000"
                                        "04000000"
                                        "44444444")));
  add_frame(stream, sealed_v2(*from_hex("55555555"), make_key(9)));
  const std::vector<std::string> expected = {"7c5f4de300000000", "11111111", "22222222", "33333333",
                                             "44444444"};
  for (const size_t step : {1u, 7u, 64u, 4096u}) {
    const Replayed replayed = run(recording_of(stream, step));
    ASSERT_TRUE(replayed.counts.ok()) << replayed.problem;
    EXPECT_EQ(replayed.objects, expected) << step;
    EXPECT_EQ(replayed.counts->messages, 5u);
    EXPECT_EQ(replayed.counts->foreign, 2u);
  }
}

TEST(Replay, SaysWhereItEnds) {
  Bytes stream;
  add_frame(stream, sealed_v2(*from_hex("11111111")));
  const Bytes whole = recording_of(stream, 16);
  for (size_t bytes = 1; bytes < whole.size(); ++bytes) {
    const Replayed cut = run(ByteView(whole).first(bytes));
    // Between two records it simply ends.
    EXPECT_TRUE(cut.counts.ok() ? bytes % 36 == 0 : cut.counts.error() == Error::kTruncated);
  }
  stream.back() ^= 1;
  const Replayed changed = run(recording_of(stream, 4096));
  EXPECT_EQ(changed.counts.error(), Error::kBadMsgKey);
  EXPECT_TRUE(changed.problem.starts_with("record ")) << changed.problem;
}

}  // namespace
}  // namespace ringway::client
