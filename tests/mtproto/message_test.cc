// Opening and sealing: published answers, every reason for refusal, batches and slices.

#include "mtproto/message.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

#include "base/hex.h"
#include "message_vectors.h"

namespace ringway::mtproto {
namespace {

constexpr int64_t kSalt = 0x1122'3344'5566'7788;
constexpr int64_t kSessionId = 0x0102'0304'0506'0708;
constexpr int64_t kKeyIdK = -3972359982579920590;

Bytes hex(std::string_view text) {
  Result<Bytes> bytes = from_hex(text);
  EXPECT_TRUE(bytes.ok());
  return bytes.ok() ? *std::move(bytes) : Bytes();
}

AuthKeyBytes key_k() {
  AuthKeyBytes key;
  for (size_t i = 0; i < key.size(); ++i) key.data()[i] = static_cast<uint8_t>(i);
  return key;
}

AuthKeyBytes key_from(std::string_view text) {
  AuthKeyBytes key;
  const Bytes bytes = hex(text);
  EXPECT_EQ(bytes.size(), key.size());
  std::memcpy(key.data(), bytes.data(), key.size());
  return key;
}

AuthKeyBytes seeded_key(uint32_t seed) {
  std::mt19937 generator(seed);
  AuthKeyBytes key;
  for (uint8_t& byte : key.span()) byte = static_cast<uint8_t>(generator());
  return key;
}

// A frame around any plaintext, padding included and however wrong, with a valid msg_key.
Bytes sealed_as_is(const AuthKeyBytes& key, const Bytes& plaintext, Sender sender) {
  const size_t x = sender == Sender::kClient ? 0 : 8;
  const auto large = crypto::sha256({key.view().subspan(88 + x, 32), plaintext});
  Bytes frame(kMessageHeaderBytes + plaintext.size());
  store_le(frame.data(), auth_key_id(key));
  std::memcpy(frame.data() + 8, large.data() + 8, 16);
  std::memcpy(frame.data() + 24, plaintext.data(), plaintext.size());
  crypto::IgeKeyIv key_iv;
  derive_key_iv(key, ByteView(frame).subspan(8).first<16>(), sender, key_iv);
  const crypto::IgeJob job{&key_iv, ByteSpan(frame).subspan(24)};
  crypto::ige_encrypt_many({&job, 1});
  return frame;
}

// The ping of the published frame with another length field and padding.
Bytes ping_plaintext(uint32_t length, size_t padding) {
  const Bytes published = hex(kPingPlaintext);
  Bytes plaintext(44 + padding, 0xee);
  std::memcpy(plaintext.data(), published.data(), 44);
  store_le(plaintext.data() + 28, length);
  return plaintext;
}

// Opens a copy both ways: at once and in slices. The two must agree.
OpenJob opened(const AuthKeyBytes& key, Bytes& frame, Sender sender = Sender::kClient) {
  Bytes copy = frame;
  SlicedOpen sliced(key, copy, sender);
  for (int steps = 0; !sliced.step(64); ++steps) EXPECT_LT(steps, 100000);
  OpenJob job;
  job.key = &key;
  job.frame = frame;
  job.sender = sender;
  open_many({&job, 1});
  EXPECT_EQ(sliced.job().error, job.error);
  if (job.error == Error::kNone) {
    EXPECT_EQ(sliced.job().quick_ack_token, job.quick_ack_token);
    EXPECT_EQ(sliced.job().header.msg_id, job.header.msg_id);
    EXPECT_TRUE(equal(sliced.job().payload, job.payload));
    EXPECT_EQ(copy, frame);
  }
  return job;
}

TEST(Message, KeyIdentifiers) {
  const AuthKeyBytes key = key_k();
  uint8_t raw[8];
  store_le(raw, auth_key_id(key));
  EXPECT_EQ(to_hex(raw), "32d1586ea457dfc8");
  EXPECT_EQ(auth_key_id(key), kKeyIdK);
  store_le(raw, auth_key_aux_hash(key));
  EXPECT_EQ(to_hex(raw), "4916d6bdb7f78e68");
}

TEST(Message, KeyDerivation) {
  const AuthKeyBytes key = key_k();
  const Bytes msg_key = hex("000102030405060708090a0b0c0d0e0f");
  crypto::IgeKeyIv out;
  derive_key_iv(key, ByteView(msg_key).first<16>(), Sender::kClient, out);
  EXPECT_EQ(to_hex(out.key.view()),
            "704ed09c8b41668ae8f99d244738f71dbddc44469b6bbd4aa8573dd042bd059e");
  EXPECT_EQ(to_hex(out.iv.view()),
            "4d266000a550edabbf4c7ce40fd0043cc92230184cd317a5cc9c2482fd3b9318");
  derive_key_iv(key, ByteView(msg_key).first<16>(), Sender::kServer, out);
  EXPECT_EQ(to_hex(out.key.view()),
            "217725799b245806458174a1fcfbc883906807b15033fdd0ea2b4d69cf9c364e");
  EXPECT_EQ(to_hex(out.iv.view()),
            "669a6538917a4fa56ca32360a431c9160be4ad887140980dab91ce7bdc47ffbc");
}

// Valid encryption of something that is no message: it must decrypt and then be refused.
TEST(Message, RawTextDecryptsAndIsRefused) {
  const AuthKeyBytes key = key_k();
  Bytes frame = hex(kRawFrame);
  EXPECT_EQ(opened(key, frame).error, Error::kBadPadding);
  EXPECT_EQ(as_text(ByteView(frame).subspan(24, 45)),
            "Hello, world! This data should remain secure!");
  // Sealing the same text gives the published frame.
  const ByteView plaintext = ByteView(frame).subspan(24);
  EXPECT_EQ(to_hex(sealed_as_is(key, Bytes(plaintext.begin(), plaintext.end()), Sender::kClient)),
            kRawFrame);
}

TEST(Message, OpensARealServerMessage) {
  const AuthKeyBytes key = key_from(kRealKey);
  Bytes frame = hex(kRealFrame);
  EXPECT_EQ(auth_key_id(key), load_le<int64_t>(frame.data()));
  const OpenJob job = opened(key, frame, Sender::kServer);
  ASSERT_EQ(job.error, Error::kNone);
  EXPECT_EQ(to_hex(ByteView(frame).subspan(24)), kRealPlaintext);
  EXPECT_EQ(job.header.seq_no, 2);
  EXPECT_EQ(job.header.body_bytes, 0x58u);
  EXPECT_EQ(job.payload.data(), frame.data() + 40);
  EXPECT_EQ(job.payload.size(), 16u + 0x58u);
}

TEST(Message, OpensThePing) {
  const AuthKeyBytes key = key_k();
  Bytes frame = hex(kPingFrame);
  const OpenJob job = opened(key, frame);
  ASSERT_EQ(job.error, Error::kNone);
  EXPECT_EQ(job.quick_ack_token, 0xafa3'7404u);  // of the plaintext, not of the ciphertext
  EXPECT_EQ(job.header.salt, kSalt);
  EXPECT_EQ(job.header.session_id, kSessionId);
  EXPECT_EQ(job.header.msg_id, 0x6500'0000'0000'0004);
  EXPECT_EQ(job.header.seq_no, 0);
  EXPECT_EQ(job.header.body_bytes, 12u);
  EXPECT_EQ(to_hex(job.payload), "0400000000000065000000000c000000ec77be7a11100f0e0d0c0b0a");
}

TEST(Message, OpensThePongAsAClientDoes) {
  const AuthKeyBytes key = key_k();
  Bytes frame = hex(kPongFrame);
  const OpenJob job = opened(key, frame, Sender::kServer);
  ASSERT_EQ(job.error, Error::kNone);
  EXPECT_EQ(to_hex(ByteView(frame).subspan(24)), kPongPlaintext);
  EXPECT_EQ(job.header.msg_id, 0x6500'0001'0000'0001);
  EXPECT_EQ(job.header.body_bytes, 20u);
}

TEST(Message, TheTwoDirectionsDoNotMix) {
  const AuthKeyBytes key = key_k();
  Bytes ping = hex(kPingFrame);
  Bytes pong = hex(kPongFrame);
  EXPECT_EQ(opened(key, ping, Sender::kServer).error, Error::kBadMsgKey);
  EXPECT_EQ(opened(key, pong, Sender::kClient).error, Error::kBadMsgKey);
}

TEST(Message, PublishedRefusals) {
  const AuthKeyBytes key = key_k();
  for (const std::string_view text :
       {kFourPaddingBytesFrame, kOverflowLengthFrame, kUnalignedLengthFrame}) {
    Bytes frame = hex(text);
    EXPECT_EQ(opened(key, frame).error, Error::kBadPadding);
  }
}

TEST(Message, PaddingBorders) {
  const AuthKeyBytes key = key_k();
  const auto error_of = [&](uint32_t length, size_t padding) {
    Bytes frame = sealed_as_is(key, ping_plaintext(length, padding), Sender::kClient);
    return opened(key, frame).error;
  };
  EXPECT_EQ(error_of(12, 20), Error::kNone);
  EXPECT_EQ(error_of(12, 1012), Error::kNone);
  EXPECT_EQ(error_of(12, 1028), Error::kBadPadding);
  EXPECT_EQ(error_of(12, 4), Error::kBadPadding);
  // The length field moves the border between body and padding: 32 bytes are shared out.
  EXPECT_EQ(error_of(20, 20), Error::kNone);        // 12 bytes of padding
  EXPECT_EQ(error_of(24, 20), Error::kBadPadding);  // 8
  EXPECT_EQ(error_of(32, 20), Error::kBadPadding);  // none
  EXPECT_EQ(error_of(36, 20), Error::kBadPadding);  // past the end
  EXPECT_EQ(error_of(4, 20), Error::kNone);
  EXPECT_EQ(error_of(0, 20), Error::kBadPadding);
  for (const uint32_t unaligned : {1u, 2u, 3u, 5u, 13u, 21u}) {
    EXPECT_EQ(error_of(unaligned, 20), Error::kBadPadding) << unaligned;
  }
  for (const uint32_t huge : {0x7fff'fffcu, 0x8000'0000u, 0xffff'fff0u, 0xffff'fffcu}) {
    EXPECT_EQ(error_of(huge, 20), Error::kBadPadding) << huge;
  }
  // 1024 bytes are the most: the body is 16 bytes, then 12, with the same 1040 after the prefix.
  EXPECT_EQ(error_of(16, 1028), Error::kNone);
  EXPECT_EQ(error_of(12, 1028), Error::kBadPadding);
}

TEST(Message, PublishedLongPaddings) {
  const AuthKeyBytes key = key_k();
  const Bytes valid = sealed_as_is(key, ping_plaintext(12, 1012), Sender::kClient);
  EXPECT_EQ(valid.size(), 1080u);
  EXPECT_EQ(to_hex(crypto::sha256({valid})),
            "8d9df9b021a90441b139c8004293063f3cb61c88517ff4e31f1316f3e6409e4f");
  const Bytes invalid = sealed_as_is(key, ping_plaintext(12, 1028), Sender::kClient);
  EXPECT_EQ(invalid.size(), 1096u);
  EXPECT_EQ(to_hex(crypto::sha256({invalid})),
            "31766ceda274eab362f4db34b4af4825b6b03d5a01dd81f607546f13f307a3aa");
}

TEST(Message, EveryShortOrUnevenFrameIsABadLength) {
  const AuthKeyBytes key = key_k();
  const Bytes whole = sealed_as_is(key, ping_plaintext(12, 84), Sender::kClient);
  for (size_t size = 0; size <= whole.size(); ++size) {
    Bytes frame(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(size));
    const bool lawful = size >= 24 + 48 && (size - 24) % 16 == 0;
    const OpenJob job = opened(key, frame);
    if (size == whole.size()) {
      EXPECT_EQ(job.error, Error::kNone);
    } else {
      EXPECT_EQ(job.error, lawful ? Error::kBadMsgKey : Error::kBadLength) << size;
    }
    if (!lawful) {
      EXPECT_TRUE(std::equal(frame.begin(), frame.end(), whole.begin()));
    }
  }
}

TEST(Message, EveryFlippedBitIsABadMsgKey) {
  const AuthKeyBytes key = key_k();
  const Bytes good = hex(kPingFrame);
  for (size_t at = 8; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes frame = good;
      frame[at] = static_cast<uint8_t>(frame[at] ^ (1 << bit));
      const OpenJob job = opened(key, frame);
      ASSERT_EQ(job.error, Error::kBadMsgKey) << at << " " << bit;
      ASSERT_TRUE(job.payload.empty());
    }
  }
}

TEST(Message, OldProtocolAndWrongKeyAreRefused) {
  // MTProto 1.0 frames carry a SHA-1 msg_key over the unpadded text: a mismatch like any other.
  const AuthKeyBytes key = key_k();
  Bytes frame = hex(kPingFrame);
  const Bytes plaintext = hex(kPingPlaintext);
  const auto digest = crypto::sha1({ByteView(plaintext).first(44)});
  std::memcpy(frame.data() + 8, digest.data() + 4, 16);
  EXPECT_EQ(opened(key, frame).error, Error::kBadMsgKey);
  Bytes other = hex(kPingFrame);
  EXPECT_EQ(opened(seeded_key(1), other).error, Error::kBadMsgKey);
}

// A batch larger than any internal chunk, good and bad frames mixed; each job gets its own answer.
TEST(Message, BatchMixesGoodAndBad) {
  constexpr size_t kJobs = 150;
  std::vector<AuthKeyBytes> keys;
  std::vector<Bytes> frames;
  std::vector<Error> expected;
  for (uint32_t i = 0; i < kJobs; ++i) keys.push_back(seeded_key(i));
  for (uint32_t i = 0; i < kJobs; ++i) {
    const Sender sender = i % 2 == 0 ? Sender::kClient : Sender::kServer;
    Bytes plaintext = ping_plaintext(12, 20 + 16 * (i % 40));
    store_le(plaintext.data() + 16, int64_t{i});
    if (i % 7 == 3) store_le(plaintext.data() + 28, 0xffff'fff0u);
    Bytes frame = sealed_as_is(keys[i], plaintext, sender);
    Error error = i % 7 == 3 ? Error::kBadPadding : Error::kNone;
    if (i % 7 == 5) {
      frame[30] ^= 1;
      error = Error::kBadMsgKey;
    }
    if (i % 11 == 4) {
      frame.pop_back();
      error = Error::kBadLength;
    }
    frames.push_back(std::move(frame));
    expected.push_back(error);
  }
  std::vector<OpenJob> jobs(kJobs);
  for (size_t i = 0; i < kJobs; ++i) {
    jobs[i].key = &keys[i];
    jobs[i].frame = frames[i];
    jobs[i].sender = i % 2 == 0 ? Sender::kClient : Sender::kServer;
  }
  open_many(jobs);
  for (size_t i = 0; i < kJobs; ++i) {
    ASSERT_EQ(jobs[i].error, expected[i]) << i;
    if (jobs[i].error == Error::kNone) {
      EXPECT_EQ(jobs[i].header.msg_id, static_cast<int64_t>(i));
    }
  }
  open_many({});
  seal_many({});
}

TEST(Message, SealedSizes) {
  EXPECT_EQ(sealed_bytes(44), 24u + 64u);  // 20 bytes of padding
  EXPECT_EQ(sealed_bytes(52), 24u + 64u);  // 12
  EXPECT_EQ(sealed_bytes(56), 24u + 80u);  // 24
  EXPECT_EQ(sealed_bytes(52, 3), 24u + 64u + 48u);
  for (size_t plaintext = 32; plaintext < 200; ++plaintext) {
    const size_t padding = sealed_bytes(plaintext) - 24 - plaintext;
    EXPECT_GE(padding, kMessagePaddingMin);
    EXPECT_LE(padding, kMessagePaddingMin + 15);
    EXPECT_EQ(sealed_bytes(plaintext) % 16, 24u % 16);
  }
}

Bytes message_plaintext(size_t body_bytes, int64_t msg_id) {
  Bytes plaintext(kMessagePrefixBytes + body_bytes);
  ByteWriter writer(plaintext);
  writer.i64(kSalt);
  writer.i64(kSessionId);
  writer.i64(msg_id);
  writer.i32(7);
  writer.u32(static_cast<uint32_t>(body_bytes));
  for (size_t i = 0; i < body_bytes; ++i) writer.u8(static_cast<uint8_t>(i * 31 + body_bytes));
  return plaintext;
}

Bytes frame_to_seal(const Bytes& plaintext, size_t extra_blocks) {
  Bytes out(sealed_bytes(plaintext.size(), extra_blocks));
  std::memcpy(out.data() + kMessageHeaderBytes, plaintext.data(), plaintext.size());
  return out;
}

void expect_opens_to(const AuthKeyBytes& key, Bytes frame, Sender sender, const Bytes& plaintext,
                     uint32_t token) {
  EXPECT_EQ(load_le<int64_t>(frame.data()), auth_key_id(key));
  OpenJob job;
  job.key = &key;
  job.frame = frame;
  job.sender = sender;
  open_many({&job, 1});
  ASSERT_EQ(job.error, Error::kNone);
  EXPECT_EQ(job.quick_ack_token, token);
  EXPECT_NE(job.quick_ack_token & 0x8000'0000u, 0u);
  EXPECT_TRUE(equal(ByteView(frame).subspan(24, plaintext.size()), plaintext));
  EXPECT_TRUE(equal(job.payload, ByteView(plaintext).subspan(16)));
}

TEST(Message, WhatIsSealedOpens) {
  constexpr size_t kJobs = 90;
  std::vector<AuthKeyBytes> keys;
  std::vector<Bytes> plaintexts;
  std::vector<Bytes> frames;
  std::vector<SealJob> jobs(kJobs);
  for (uint32_t i = 0; i < kJobs; ++i) {
    keys.push_back(seeded_key(500 + i));
    plaintexts.push_back(message_plaintext(4 * (i + 1), i));
    frames.push_back(frame_to_seal(plaintexts[i], i % 5));
  }
  for (size_t i = 0; i < kJobs; ++i) {
    jobs[i].key = &keys[i];
    jobs[i].auth_key_id = auth_key_id(keys[i]);
    jobs[i].out = frames[i];
    jobs[i].plaintext_bytes = plaintexts[i].size();
    jobs[i].sender = i % 3 == 0 ? Sender::kClient : Sender::kServer;
  }
  seal_many(jobs);
  for (size_t i = 0; i < kJobs; ++i) {
    expect_opens_to(keys[i], frames[i], jobs[i].sender, plaintexts[i], jobs[i].quick_ack_token);
  }
}

TEST(Message, EqualMessagesSealDifferently) {
  const AuthKeyBytes key = key_k();
  const Bytes plaintext = message_plaintext(12, 1);
  std::set<Bytes> seen;
  for (int i = 0; i < 50; ++i) {
    Bytes frame = frame_to_seal(plaintext, 0);
    SealJob job;
    job.key = &key;
    job.auth_key_id = kKeyIdK;
    job.out = frame;
    job.plaintext_bytes = plaintext.size();
    seal_many({&job, 1});
    EXPECT_TRUE(seen.insert(frame).second);
  }
}

// The largest lawful padding still opens.
TEST(Message, SealsWithTheMostPadding) {
  const AuthKeyBytes key = key_k();
  const Bytes plaintext = message_plaintext(16, 1);  // 48 bytes: 16 of padding are the fewest
  Bytes frame = frame_to_seal(plaintext, (kMessagePaddingMax - 16) / 16);
  ASSERT_EQ(frame.size() - 24 - plaintext.size(), kMessagePaddingMax);
  SealJob job;
  job.key = &key;
  job.auth_key_id = kKeyIdK;
  job.out = frame;
  job.plaintext_bytes = plaintext.size();
  seal_many({&job, 1});
  expect_opens_to(key, frame, Sender::kServer, plaintext, job.quick_ack_token);
}

TEST(MessageDeath, CallersMistakesAssert) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  const AuthKeyBytes key = key_k();
  const Bytes plaintext = message_plaintext(16, 1);
  const auto seal = [&](size_t out_bytes) {
    Bytes frame(out_bytes);
    SealJob job;
    job.key = &key;
    job.out = frame;
    job.plaintext_bytes = plaintext.size();
    seal_many({&job, 1});
  };
  EXPECT_DEATH(seal(24 + 48), "");         // no room for padding
  EXPECT_DEATH(seal(24 + 48 + 17), "");    // not of whole blocks
  EXPECT_DEATH(seal(24 + 48 + 1040), "");  // more padding than is lawful
}

class SlicedTest : public testing::TestWithParam<size_t> {};

INSTANTIATE_TEST_SUITE_P(SliceSizes, SlicedTest, testing::Values(64, 192, 4096, kCryptoSliceBytes));

TEST_P(SlicedTest, SealsAndOpensLargeMessages) {
  const AuthKeyBytes key = seeded_key(9);
  for (const size_t body_bytes :
       {size_t{4}, size_t{64}, size_t{5000}, 2 * kCryptoSliceBytes - 32, size_t{100004}}) {
    const Bytes plaintext = message_plaintext(body_bytes, 99);
    Bytes frame = frame_to_seal(plaintext, 1);
    SealJob job;
    job.key = &key;
    job.auth_key_id = auth_key_id(key);
    job.out = frame;
    job.plaintext_bytes = plaintext.size();
    SlicedSeal seal(job);
    size_t seal_steps = 1;
    while (!seal.step(GetParam())) ++seal_steps;
    const size_t slices = (frame.size() - 24 + GetParam() - 1) / GetParam();
    EXPECT_EQ(seal_steps, 2 * slices);
    EXPECT_TRUE(seal.step(GetParam()));  // done stays done

    Bytes at_once = frame;
    expect_opens_to(key, at_once, Sender::kServer, plaintext, seal.job().quick_ack_token);

    SlicedOpen open(key, frame, Sender::kServer);
    size_t open_steps = 1;
    while (!open.step(GetParam())) ++open_steps;
    EXPECT_EQ(open_steps, slices);
    EXPECT_TRUE(open.step(GetParam()));
    ASSERT_EQ(open.job().error, Error::kNone);
    EXPECT_EQ(open.job().quick_ack_token, seal.job().quick_ack_token);
    EXPECT_EQ(open.job().header.msg_id, 99);
    EXPECT_TRUE(equal(open.job().payload, ByteView(plaintext).subspan(16)));
  }
}

TEST_P(SlicedTest, RefusesAFlippedBitAnywhere) {
  const AuthKeyBytes key = seeded_key(10);
  Bytes plaintext = message_plaintext(40000, 1);
  plaintext.insert(plaintext.end(), 16, 0xaa);
  const Bytes good = sealed_as_is(key, plaintext, Sender::kClient);
  for (const size_t at : {size_t{8}, size_t{23}, size_t{24}, size_t{20000}, good.size() - 1}) {
    Bytes frame = good;
    frame[at] ^= 0x10;
    SlicedOpen open(key, frame, Sender::kClient);
    while (!open.step(GetParam())) {
    }
    EXPECT_EQ(open.job().error, Error::kBadMsgKey) << at;
    EXPECT_TRUE(open.step(GetParam()));
    EXPECT_EQ(open.job().error, Error::kBadMsgKey) << at;
  }
}

}  // namespace
}  // namespace ringway::mtproto
