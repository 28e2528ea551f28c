#include "gateway/connection_state.h"

#include <gtest/gtest.h>

namespace ringway::gateway {
namespace {

Bytes pattern(size_t size, uint8_t start) {
  Bytes bytes(size);
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<uint8_t>(start + i);
  return bytes;
}

ConnectionState sample() {
  ConnectionState state;
  for (size_t i = 0; i < state.peer.ip.size(); ++i) state.peer.ip[i] = static_cast<uint8_t>(i + 1);
  state.peer.port = 54321;
  state.peer.by_unix_socket = true;
  state.listener = 3;
  state.serial = 0x0022334455667788;
  state.last_msg_id = 77;
  state.moved = true;
  state.proven = true;
  state.counted = false;
  state.handshakes = 5;
  state.handshake_window_ns = -9;
  state.transport.kind = mtproto::TransportKind::kPadded;
  state.transport.obfuscated = true;
  state.transport.dc = -2;
  state.transport.receive_sequence = 10;
  state.transport.send_sequence = 11;
  state.transport.receive_cipher.counter[15] = 9;
  state.transport.receive_cipher.offset = 15;
  state.transport.send_cipher.key.span()[31] = 200;
  state.transport.tail = pattern(33, 1);
  state.unsent = pattern(500, 2);
  state.handshake = SecretString(pattern(40, 3));
  state.parked.push_back({pattern(88, 4), true});
  state.parked.push_back({pattern(120, 5), false});
  state.keys = {1, -2, 3};
  state.sessions = {{1, 2}, {-3, 4}};
  return state;
}

TEST(ConnectionState, SurvivesEncodingWhole) {
  const ConnectionState state = sample();
  const SecretString bytes = encode(state);
  auto decoded = decode_connection_state(bytes.view());
  ASSERT_TRUE(decoded.ok());
  EXPECT_EQ(decoded->peer, state.peer);
  EXPECT_EQ(decoded->listener, state.listener);
  EXPECT_EQ(decoded->serial, state.serial);
  EXPECT_EQ(decoded->last_msg_id, state.last_msg_id);
  EXPECT_EQ(decoded->moved, state.moved);
  EXPECT_EQ(decoded->proven, state.proven);
  EXPECT_EQ(decoded->counted, state.counted);
  EXPECT_EQ(decoded->handshakes, state.handshakes);
  EXPECT_EQ(decoded->handshake_window_ns, state.handshake_window_ns);
  EXPECT_EQ(decoded->transport.kind, state.transport.kind);
  EXPECT_EQ(decoded->transport.obfuscated, state.transport.obfuscated);
  EXPECT_EQ(decoded->transport.dc, state.transport.dc);
  EXPECT_EQ(decoded->transport.receive_sequence, state.transport.receive_sequence);
  EXPECT_EQ(decoded->transport.send_sequence, state.transport.send_sequence);
  EXPECT_EQ(decoded->transport.receive_cipher.counter, state.transport.receive_cipher.counter);
  EXPECT_EQ(decoded->transport.receive_cipher.offset, state.transport.receive_cipher.offset);
  EXPECT_TRUE(
      equal(decoded->transport.send_cipher.key.view(), state.transport.send_cipher.key.view()));
  EXPECT_EQ(decoded->transport.tail, state.transport.tail);
  EXPECT_EQ(decoded->unsent, state.unsent);
  EXPECT_TRUE(equal(decoded->handshake.view(), state.handshake.view()));
  EXPECT_EQ(decoded->parked, state.parked);
  EXPECT_EQ(decoded->keys, state.keys);
  EXPECT_EQ(decoded->sessions, state.sessions);
  EXPECT_TRUE(equal(encode(*decoded).view(), bytes.view()));
}

TEST(ConnectionState, EveryTruncationIsRefused) {
  const SecretString bytes = encode(sample());
  for (size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_connection_state(bytes.view().first(size)).ok()) << size;
  }
}

TEST(ConnectionState, TrailingBytesAndOtherVersionsAreRefused) {
  const SecretString encoded = encode(sample());
  Bytes bytes(encoded.view().begin(), encoded.view().end());
  bytes.push_back(0);
  EXPECT_EQ(decode_connection_state(bytes).error(), Error::kTrailing);
  bytes.pop_back();
  bytes[4] ^= 0xff;
  EXPECT_EQ(decode_connection_state(bytes).error(), Error::kMalformed);
}

TEST(ConnectionState, ASerialThatNoRefCanHoldIsRefused) {
  ConnectionState state = sample();
  state.serial = uint64_t{1} << ConnectionRef::kSerialBits;
  EXPECT_EQ(decode_connection_state(encode(state).view()).error(), Error::kMalformed);
}

TEST(ConnectionState, DamagedBytesNeverCrashNorAllocateWildly) {
  const SecretString encoded = encode(sample());
  for (size_t i = 0; i < encoded.size(); ++i) {
    Bytes bytes(encoded.view().begin(), encoded.view().end());
    bytes[i] = 0xff;
    (void)decode_connection_state(bytes).ok();
  }
}

}  // namespace
}  // namespace ringway::gateway
