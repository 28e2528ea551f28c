// Saving and restoring the exchanges of a connection that moves to another core or process.
#include <algorithm>

#include "base/limits.h"
#include "mtproto/handshake_exchange.h"

namespace ringway::mtproto {
namespace {

constexpr uint8_t kVersion = 2;
constexpr uint32_t kReplyBytesMax = kUnencryptedBytesMax;

}  // namespace

// version u8, next serial u64, count u8, then per exchange: state u8, nonce, server_nonce, started
// i64, p u32, q u32, request digest 32, reply u32 + bytes, type u8, expires_in i32, aux hash i64,
// retries u8, and in dh_sent new_nonce 32 and a 32.
SecretString HandshakeSet::export_state() const {
  RW_ASSERT(!busy());
  size_t bytes = 1 + 8 + 1;
  for (const auto& exchange : exchanges_) {
    bytes += 1 + 16 + 16 + 8 + 4 + 4 + 32 + 4 + exchange->last_reply.size() + 1 + 4 + 8 + 1;
    if (exchange->secrets) bytes += 32 + crypto::kDhExponentBytes;
  }
  Bytes buffer(bytes);
  ByteWriter out(buffer);
  out.u8(kVersion);
  out.u64(next_serial_);
  out.u8(static_cast<uint8_t>(exchanges_.size()));
  for (const auto& exchange : exchanges_) {
    RW_ASSERT((exchange->secrets != nullptr) == (exchange->state == State::kDhSent));
    out.u8(static_cast<uint8_t>(exchange->state));
    out.bytes(exchange->nonce);
    out.bytes(exchange->server_nonce);
    out.i64(exchange->started_ns);
    out.u32(exchange->primes.p);
    out.u32(exchange->primes.q);
    out.bytes(exchange->last_request);
    out.u32(static_cast<uint32_t>(exchange->last_reply.size()));
    out.bytes(exchange->last_reply);
    out.u8(static_cast<uint8_t>(exchange->type));
    out.i32(exchange->expires_in);
    out.i64(exchange->aux_hash);
    out.u8(exchange->retries);
    if (!exchange->secrets) continue;
    out.bytes(exchange->secrets->new_nonce.view());
    out.bytes(exchange->secrets->a.view());
  }
  RW_ASSERT(out.remaining() == 0);
  SecretString state{ByteView(buffer)};
  cleanse(buffer.data(), buffer.size());
  return state;
}

Result<HandshakeSet::State> HandshakeSet::read_resting_state(ByteReader& reader) noexcept {
  RW_TRY_ASSIGN(const uint8_t value, reader.u8());
  const auto state = static_cast<State>(value);
  const bool resting = state == State::kPqSent || state == State::kDhSent || state == State::kDone;
  if (!resting) return Error::kMalformed;
  return state;
}

Result<void> HandshakeSet::read_exchange(ByteReader& reader, Exchange& exchange) {
  RW_TRY_ASSIGN(exchange.state, read_resting_state(reader));
  RW_TRY(reader.copy_to(exchange.nonce));
  RW_TRY(reader.copy_to(exchange.server_nonce));
  RW_TRY_ASSIGN(exchange.started_ns, reader.i64());
  RW_TRY_ASSIGN(exchange.primes.p, reader.u32());
  RW_TRY_ASSIGN(exchange.primes.q, reader.u32());
  RW_TRY(reader.copy_to(exchange.last_request));
  RW_TRY_ASSIGN(const uint32_t reply_bytes, reader.u32());
  if (reply_bytes > kReplyBytesMax) return Error::kMalformed;
  RW_TRY_ASSIGN(const ByteView reply, reader.bytes(reply_bytes));
  exchange.last_reply.assign(reply.begin(), reply.end());
  RW_TRY_ASSIGN(const uint8_t type, reader.u8());
  if (type > static_cast<uint8_t>(AuthKeyType::kMediaTemporary)) return Error::kMalformed;
  exchange.type = static_cast<AuthKeyType>(type);
  RW_TRY_ASSIGN(exchange.expires_in, reader.i32());
  RW_TRY_ASSIGN(exchange.aux_hash, reader.i64());
  RW_TRY_ASSIGN(exchange.retries, reader.u8());
  if (exchange.retries > kHandshakeRetriesMax) return Error::kMalformed;
  if (exchange.state != State::kDhSent) return {};
  exchange.secrets = std::make_unique<Exchange::Secrets>();
  RW_TRY(reader.copy_to(exchange.secrets->new_nonce.span()));
  RW_TRY(reader.copy_to(exchange.secrets->a.span()));
  return {};
}

Result<void> HandshakeSet::read_state(ByteReader& reader) {
  RW_TRY_ASSIGN(const uint8_t version, reader.u8());
  if (version != kVersion) return Error::kMalformed;
  RW_TRY_ASSIGN(next_serial_, reader.u64());
  RW_TRY_ASSIGN(const uint8_t count, reader.u8());
  if (count > kHandshakeStatesPerConnection) return Error::kMalformed;
  for (uint8_t i = 0; i < count; ++i) {
    auto exchange = std::make_unique<Exchange>();
    RW_TRY(read_exchange(reader, *exchange));
    if (find(exchange->nonce) != nullptr) return Error::kMalformed;
    exchanges_.push_back(std::move(exchange));
  }
  if (!reader.empty()) return Error::kMalformed;
  return {};
}

Result<HandshakeSet> HandshakeSet::import_state(const HandshakeConfig* config, ByteView state) {
  HandshakeSet set(config);
  ByteReader reader(state);
  if (!set.read_state(reader).ok()) return Error::kMalformed;
  return set;
}

}  // namespace ringway::mtproto
