#include "gateway/connection_state.h"

namespace ringway::gateway {
namespace {

constexpr uint32_t kMagic = 0x53435752;  // "RWCS"

void put_bytes(ByteAppender& out, ByteView bytes) {
  out.u32(static_cast<uint32_t>(bytes.size()));
  out.bytes(bytes);
}

Result<Bytes> get_bytes(ByteReader& in) {
  RW_TRY_ASSIGN(const uint32_t size, in.u32());
  RW_TRY_ASSIGN(const ByteView bytes, in.bytes(size));
  return Bytes(bytes.begin(), bytes.end());
}

void put_cipher(ByteAppender& out, const crypto::AesCtr::State& state) {
  out.bytes(state.key.view());
  out.bytes(state.counter);
  out.u8(state.offset);
}

Result<void> get_cipher(ByteReader& in, crypto::AesCtr::State& state) {
  RW_TRY(in.copy_to(state.key.span()));
  RW_TRY(in.copy_to(state.counter));
  RW_TRY_ASSIGN(state.offset, in.u8());
  return state.offset < 16 ? Result<void>() : Result<void>(Error::kMalformed);
}

void put_transport(ByteAppender& out, const mtproto::TransportState& transport) {
  out.u8(static_cast<uint8_t>(transport.kind));
  out.u8(transport.obfuscated ? 1 : 0);
  out.u16(static_cast<uint16_t>(transport.dc));
  out.u32(transport.receive_sequence);
  out.u32(transport.send_sequence);
  put_cipher(out, transport.receive_cipher);
  put_cipher(out, transport.send_cipher);
  put_bytes(out, transport.tail);
}

Result<void> get_transport(ByteReader& in, mtproto::TransportState& transport) {
  RW_TRY_ASSIGN(const uint8_t kind, in.u8());
  if (kind > static_cast<uint8_t>(mtproto::TransportKind::kFull)) return Error::kMalformed;
  transport.kind = static_cast<mtproto::TransportKind>(kind);
  RW_TRY_ASSIGN(const uint8_t obfuscated, in.u8());
  transport.obfuscated = obfuscated != 0;
  RW_TRY_ASSIGN(const uint16_t dc, in.u16());
  transport.dc = static_cast<int16_t>(dc);
  RW_TRY_ASSIGN(transport.receive_sequence, in.u32());
  RW_TRY_ASSIGN(transport.send_sequence, in.u32());
  RW_TRY(get_cipher(in, transport.receive_cipher));
  RW_TRY(get_cipher(in, transport.send_cipher));
  RW_TRY_ASSIGN(transport.tail, get_bytes(in));
  return {};
}

// Counts are checked against what is left, so that a damaged count allocates nothing.
Result<uint32_t> get_count(ByteReader& in, size_t item_bytes_min) {
  RW_TRY_ASSIGN(const uint32_t count, in.u32());
  if (count > in.remaining() / item_bytes_min) return Error::kMalformed;
  return count;
}

Result<void> get_lists(ByteReader& in, ConnectionState& state) {
  RW_TRY_ASSIGN(const uint32_t parked, get_count(in, 5));
  for (uint32_t i = 0; i < parked; ++i) {
    ParkedFrame item;
    RW_TRY_ASSIGN(const uint8_t quick_ack, in.u8());
    item.quick_ack = quick_ack != 0;
    RW_TRY_ASSIGN(item.frame, get_bytes(in));
    state.parked.push_back(std::move(item));
  }
  RW_TRY_ASSIGN(const uint32_t keys, get_count(in, 8));
  for (uint32_t i = 0; i < keys; ++i) {
    RW_TRY_ASSIGN(const int64_t key, in.i64());
    state.keys.push_back(key);
  }
  RW_TRY_ASSIGN(const uint32_t sessions, get_count(in, 16));
  for (uint32_t i = 0; i < sessions; ++i) {
    SessionKey session;
    RW_TRY_ASSIGN(session.auth_key_id, in.i64());
    RW_TRY_ASSIGN(session.session_id, in.i64());
    state.sessions.push_back(session);
  }
  return {};
}

}  // namespace

SecretString encode(const ConnectionState& state) {
  RW_ASSERT(state.doors == nullptr);
  Bytes bytes;
  ByteAppender out(bytes);
  out.u32(kMagic);
  out.u32(kConnectionStateVersion);
  out.bytes(state.peer.ip);
  out.u16(state.peer.port);
  out.u8(state.peer.by_unix_socket ? 1 : 0);
  out.u16(state.listener);
  out.u64(state.serial);
  out.i64(state.last_msg_id);
  out.u8(state.moved ? 1 : 0);
  out.u8(state.proven ? 1 : 0);
  out.u8(state.counted ? 1 : 0);
  out.u32(state.handshakes);
  out.i64(state.handshake_window_ns);
  put_transport(out, state.transport);
  put_bytes(out, state.unsent);
  put_bytes(out, state.handshake.view());
  out.u32(static_cast<uint32_t>(state.parked.size()));
  for (const ParkedFrame& parked : state.parked) {
    out.u8(parked.quick_ack ? 1 : 0);
    put_bytes(out, parked.frame);
  }
  out.u32(static_cast<uint32_t>(state.keys.size()));
  for (const int64_t key : state.keys) out.i64(key);
  out.u32(static_cast<uint32_t>(state.sessions.size()));
  for (const SessionKey& session : state.sessions) {
    out.i64(session.auth_key_id);
    out.i64(session.session_id);
  }
  SecretString encoded(bytes);
  cleanse(bytes.data(), bytes.size());
  return encoded;
}

Result<ConnectionState> decode_connection_state(ByteView bytes) {
  ByteReader in(bytes);
  ConnectionState state;
  RW_TRY_ASSIGN(const uint32_t magic, in.u32());
  RW_TRY_ASSIGN(const uint32_t version, in.u32());
  if (magic != kMagic || version != kConnectionStateVersion) return Error::kMalformed;
  RW_TRY(in.copy_to(state.peer.ip));
  RW_TRY_ASSIGN(state.peer.port, in.u16());
  RW_TRY_ASSIGN(const uint8_t by_unix_socket, in.u8());
  state.peer.by_unix_socket = by_unix_socket != 0;
  RW_TRY_ASSIGN(state.listener, in.u16());
  RW_TRY_ASSIGN(state.serial, in.u64());
  if (state.serial >> ConnectionRef::kSerialBits != 0) return Error::kMalformed;
  RW_TRY_ASSIGN(state.last_msg_id, in.i64());
  RW_TRY_ASSIGN(const uint8_t moved, in.u8());
  state.moved = moved != 0;
  RW_TRY_ASSIGN(const uint8_t proven, in.u8());
  state.proven = proven != 0;
  RW_TRY_ASSIGN(const uint8_t counted, in.u8());
  state.counted = counted != 0;
  RW_TRY_ASSIGN(state.handshakes, in.u32());
  RW_TRY_ASSIGN(state.handshake_window_ns, in.i64());
  RW_TRY(get_transport(in, state.transport));
  RW_TRY_ASSIGN(state.unsent, get_bytes(in));
  RW_TRY_ASSIGN(Bytes handshake, get_bytes(in));
  state.handshake = SecretString(handshake);
  cleanse(handshake.data(), handshake.size());
  RW_TRY(get_lists(in, state));
  if (!in.empty()) return Error::kTrailing;
  return state;
}

}  // namespace ringway::gateway
