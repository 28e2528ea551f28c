// Clients of the simulated gateway: keys, messages that can be told apart, and what came back.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "client/client_doors.h"
#include "mtproto/bind.h"
#include "mtproto/client_transport.h"
#include "mtproto/message.h"
#include "mtproto/peek.h"
#include "mtproto/tl.h"
#include "support/memory_transport.h"
#include "support/sim_ring.h"

namespace ringway::gateway::testing {

using ringway::testing::ClientId;
using ringway::testing::SimNetwork;
using ringway::testing::SimRandom;

inline constexpr size_t kKeyCount = 6;
inline constexpr size_t kTemporaryKeyCount = 3;
inline constexpr size_t kForgersKey = 2;  // of the temporary ones: its binds are never confirmed
inline constexpr uint32_t kBodyTag = 0x5eed5eed;

struct TestKey {
  AuthKeyBytes bytes;
  int64_t id = 0;
  int64_t claims = 0;  // of a temporary one: the permanent key that its clients name
};

// Made once: the seeds choose among them.
inline const std::vector<TestKey>& test_keys() {
  static const std::vector<TestKey> keys = [] {
    std::vector<TestKey> made(kKeyCount);
    SimRandom random(4711);
    for (TestKey& key : made) {
      for (uint8_t& byte : key.bytes.span()) byte = static_cast<uint8_t>(random.next());
      key.id = mtproto::auth_key_id(key.bytes);
    }
    return made;
  }();
  return keys;
}

inline const std::vector<TestKey>& temporary_keys() {
  static const std::vector<TestKey> keys = [] {
    std::vector<TestKey> made(kTemporaryKeyCount);
    SimRandom random(4712);
    for (size_t i = 0; i < made.size(); ++i) {
      for (uint8_t& byte : made[i].bytes.span()) byte = static_cast<uint8_t>(random.next());
      made[i].id = mtproto::auth_key_id(made[i].bytes);
      made[i].claims = test_keys()[i].id;
    }
    return made;
  }();
  return keys;
}

inline const TestKey* temporary_key(int64_t id) {
  for (const TestKey& key : temporary_keys()) {
    if (key.id == id) return &key;
  }
  return nullptr;
}

inline cluster::AuthKeyRecord record_of(const TestKey& key, int64_t perm_auth_key_id) {
  cluster::AuthKeyRecord record;
  record.auth_key_id = key.id;
  record.key_type = key.claims == 0 ? 0 : 1;
  record.perm_auth_key_id = perm_auth_key_id;
  record.key = key.bytes;
  return record;
}

inline uint32_t read_u32(ByteView bytes, size_t at) { return load_le<uint32_t>(bytes.data() + at); }

inline bool is_bind(const cluster::ShardMessage& message) {
  return !message.close && message.payload.size() >= 20 &&
         read_u32(message.payload, 16) == mtproto::constructor::kBindTempAuthKey;
}

// What a client of a temporary key begins with, as it is seen when the key is bound already.
inline bool is_preamble(const cluster::ShardMessage& message) {
  if (message.close || message.payload.size() < 20) return false;
  const uint32_t number = read_u32(message.payload, 16);
  return is_bind(message) || number == mtproto::constructor::kPing ||
         number == mtproto::constructor::kMsgContainer;
}

class SimClient {
 public:
  // `doors`: what it comes through, which outlives it.
  SimClient(SimRandom& random, uint32_t number, ClientId id,
            const mtproto::ClientTransportOptions& transport,
            const client::ClientDoorsOptions& doors, int64_t unix_seconds)
      : number_(number),
        id_(id),
        transport_(transport),
        quick_acks_(transport.kind != mtproto::TransportKind::kFull),
        websocket_(doors.websocket) {
    key_ = &test_keys()[random.between(0, kKeyCount - 1)];
    second_key_ = random.chance(30) ? &test_keys()[random.between(0, kKeyCount - 1)] : key_;
    if (random.chance(10)) second_key_ = &temporary_keys()[random.between(0, kForgersKey - 1)];
    if (random.chance(25)) key_ = &temporary_keys()[random.between(0, kTemporaryKeyCount - 1)];
    forger_ = key_ == &temporary_keys()[kForgersKey];
    if (forger_) second_key_ = key_;
    session_id_ = static_cast<int64_t>(random.next());
    outgoing_.insert(outgoing_.end(), transport_.opening().begin(), transport_.opening().end());
    if (second_key_ != key_ && second_key_->claims != 0) add_bind(random, *second_key_);
    if (key_->claims != 0) add_bind(random, *key_);
    if (!doors.any()) return;
    doors_ = std::make_unique<client::ClientDoors>(doors);
    EXPECT_TRUE(doors_->start(unix_seconds, wire_).ok()) << doors_->problem();
  }

  // What is inside is for the shard to judge; here it takes everybody's but the forgers'.
  void add_bind(SimRandom& random, const TestKey& key) {
    const Bytes proof(104, 0x77);
    const Bytes call = mtproto::write_bind_call({.perm_auth_key_id = key.claims,
                                                 .nonce = 1,
                                                 .expires_at = 2'000'000'000,
                                                 .encrypted_message = proof});
    const int64_t msg_id = int64_t{1} << 40;
    Bytes body = call;
    if (random.chance(50)) {
      body.clear();
      ByteAppender out(body);
      out.u32(mtproto::constructor::kMsgContainer);
      out.u32(2);
      Bytes ping;
      ByteAppender inner(ping);
      inner.u32(mtproto::constructor::kPing);
      inner.i64(1);
      out.bytes(mtproto::frame_message(msg_id, 1, call));
      out.bytes(mtproto::frame_message(msg_id + 4, 0, ping));
    }
    Bytes plaintext;
    ByteAppender out(plaintext);
    out.i64(99);
    out.i64(session_id_);
    out.bytes(mtproto::frame_message(msg_id + 8, 0, body));
    Bytes frame(mtproto::sealed_bytes(plaintext.size()));
    std::copy(plaintext.begin(), plaintext.end(), frame.begin() + kMessageHeaderBytes);
    mtproto::SealJob job;
    job.key = &key.bytes;
    job.auth_key_id = key.id;
    job.out = frame;
    job.plaintext_bytes = plaintext.size();
    job.sender = mtproto::Sender::kClient;
    mtproto::seal_many({&job, 1});
    transport_.write_frame(frame, false, outgoing_);
  }

  void add_message(SimRandom& random) {
    const uint32_t sequence = sent_++;
    const TestKey& key = random.chance(70) ? *key_ : *second_key_;
    const size_t extra = random.chance(3) ? 40'000 : 4 * random.between(0, 60);
    const size_t body_bytes = 12 + extra;
    Bytes frame(mtproto::sealed_bytes(kMessagePrefixBytes + body_bytes));
    ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes));
    out.i64(99);
    out.i64(session_id_);
    out.i64((int64_t{sequence} + 1) * 4);
    out.i32(static_cast<int32_t>(2 * sequence + 1));
    out.u32(static_cast<uint32_t>(body_bytes));
    out.u32(kBodyTag);
    out.u32(number_);
    out.u32(sequence);
    out.fill(0xab, extra);
    mtproto::SealJob job;
    job.key = &key.bytes;
    job.auth_key_id = key.id;
    job.out = frame;
    job.plaintext_bytes = kMessagePrefixBytes + body_bytes;
    job.sender = mtproto::Sender::kClient;
    mtproto::seal_many({&job, 1});
    const bool quick_ack = quick_acks_ && random.chance(60);
    if (quick_ack) tokens_[job.quick_ack_token] = sequence;
    if (quick_ack) acks_wanted_.push_back(sequence);
    transport_.write_frame(frame, quick_ack, outgoing_);
  }

  bool speaks_unbound() const { return key_->claims != 0 || second_key_->claims != 0; }

  // Whether there is something left to say, and somebody to say it to.
  bool has_more() const {
    if (ended_) return false;
    return !outgoing_.empty() || !wire_.empty() || (doors_ != nullptr && !doors_->is_open());
  }

  // Writes a piece of what there is.
  void write_some(SimNetwork& network) {
    SimRandom& random = network.random();
    pass_doors(random);
    if (wire_.empty() || ended_) return;
    const size_t size = piece_of(random, wire_.size());
    network.write(id_, ByteView(wire_).first(size));
    wire_.erase(wire_.begin(), wire_.begin() + static_cast<ptrdiff_t>(size));
  }

  // Takes a piece of the stream to the socket, so that frames and records end in each other's
  // middle.
  void pass_doors(SimRandom& random) {
    if (outgoing_.empty() || (doors_ != nullptr && !doors_->is_open())) return;
    const size_t size = doors_ == nullptr ? outgoing_.size() : piece_of(random, outgoing_.size());
    const ByteView piece = ByteView(outgoing_).first(size);
    if (doors_ == nullptr) {
      wire_.insert(wire_.end(), piece.begin(), piece.end());
    } else {
      EXPECT_TRUE(doors_->wrap(piece, wire_).ok()) << doors_->problem();
    }
    outgoing_.erase(outgoing_.begin(), outgoing_.begin() + static_cast<ptrdiff_t>(size));
  }

  static size_t piece_of(SimRandom& random, size_t all) {
    return random.chance(20) ? all : std::min<size_t>(all, random.between(1, 700));
  }

  void read_all(SimNetwork& network) {
    Bytes bytes = network.read(id_);
    if (ended_) return;
    if (doors_ != nullptr) {
      ended_ = network.saw_end(id_) || network.saw_reset(id_);
      if (!bytes.empty()) bytes = unwrap(std::move(bytes));
    }
    if (bytes.empty()) return;
    transport_.receive(bytes);
    for (;;) {
      mtproto::ServerEvent event;
      const auto next = transport_.next(event);
      if (next == mtproto::ServerTransport::Event::kNeedMore) return;
      ASSERT_EQ(next, mtproto::ServerTransport::Event::kFrame) << "client " << number_;
      take(event);
    }
  }

  Bytes unwrap(Bytes bytes) {
    Bytes stream;
    const Result<void> result = doors_->receive(bytes, stream, wire_);
    if (!result.ok()) {
      EXPECT_EQ(result.error(), Error::kNotFound)
          << "client " << number_ << ": " << doors_->problem();
      ended_ = true;
    }
    return stream;
  }

  void take(mtproto::ServerEvent& event) {
    switch (event.kind) {
      case mtproto::ServerEvent::Kind::kQuickAck: {
        const auto found = tokens_.find(event.quick_ack_token);
        ASSERT_NE(found, tokens_.end()) << "a quick ack nobody asked for";
        acked_.push_back(found->second);
        break;
      }
      case mtproto::ServerEvent::Kind::kFrame: {
        const TestKey* key =
            load_le<int64_t>(event.payload.data()) == key_->id ? key_ : second_key_;
        mtproto::OpenJob job;
        job.key = &key->bytes;
        job.frame = event.payload.first(24 + (event.payload.size() - 24) / 16 * 16);
        job.sender = mtproto::Sender::kServer;
        mtproto::open_many({&job, 1});
        ASSERT_EQ(job.error, Error::kNone);
        ASSERT_EQ(job.header.session_id, session_id_);
        pushes_.insert(job.header.msg_id);
        break;
      }
      case mtproto::ServerEvent::Kind::kTransportError:
        FAIL() << "transport error " << event.error_code;
    }
  }

  uint32_t number_;
  ClientId id_;
  mtproto::ClientTransport transport_;
  const bool quick_acks_;
  const bool websocket_;
  const TestKey* key_ = nullptr;
  const TestKey* second_key_ = nullptr;
  int64_t session_id_ = 0;
  Bytes outgoing_;                              // of the transport
  std::unique_ptr<client::ClientDoors> doors_;  // null: none
  Bytes wire_;                                  // for the socket
  uint32_t sent_ = 0;
  std::map<uint32_t, uint32_t> tokens_;
  std::vector<uint32_t> acks_wanted_;
  std::vector<uint32_t> acked_;
  std::set<int64_t> pushes_;
  bool was_reset_ = false;
  bool finished_ = false;
  bool left_ = false;    // of its own will, once all was said
  bool ended_ = false;   // the gateway has closed its doors
  bool forger_ = false;  // what it sends is never for the shard
};

}  // namespace ringway::gateway::testing
