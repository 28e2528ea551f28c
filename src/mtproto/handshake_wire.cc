#include "mtproto/handshake_wire.h"

#include "base/limits.h"
#include "mtproto/tl.h"

namespace ringway::mtproto {
namespace {

// The largest p_q_inner_data is shorter: written without reallocation, no copy of it stays behind.
constexpr size_t kPqInnerDataBytesMax = 256;

Result<void> expect(ByteReader& reader, uint32_t constructor_id) noexcept {
  RW_TRY_ASSIGN(const uint32_t found, reader.u32());
  if (found != constructor_id) return Error::kMalformed;
  return {};
}

// Every object but req_pq begins with both nonces.
template <typename T>
Result<void> read_nonces(ByteReader& reader, T& object) noexcept {
  RW_TRY(reader.copy_to(object.nonce));
  RW_TRY(reader.copy_to(object.server_nonce));
  return {};
}

template <typename T>
void write_head(ByteAppender& out, uint32_t constructor_id, const T& object) {
  out.u32(constructor_id);
  out.bytes(object.nonce);
  out.bytes(object.server_nonce);
}

uint32_t dh_gen_constructor(DhGen result) noexcept {
  switch (result) {
    case DhGen::kOk:
      return constructor::kDhGenOk;
    case DhGen::kRetry:
      return constructor::kDhGenRetry;
    case DhGen::kFail:
      break;
  }
  return constructor::kDhGenFail;
}

uint32_t inner_data_constructor(const PqInnerData& object) noexcept {
  if (object.temporary) {
    return object.has_dc ? constructor::kPqInnerDataTempDc : constructor::kPqInnerDataTemp;
  }
  return object.has_dc ? constructor::kPqInnerDataDc : constructor::kPqInnerData;
}

}  // namespace

Result<ReqPq> read_req_pq(ByteReader& reader) noexcept {
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  if (id != constructor::kReqPq && id != constructor::kReqPqMulti) return Error::kMalformed;
  ReqPq object;
  object.multi = id == constructor::kReqPqMulti;
  RW_TRY(reader.copy_to(object.nonce));
  return object;
}

Result<ResPq> read_res_pq(ByteReader& reader) {
  RW_TRY(expect(reader, constructor::kResPq));
  ResPq object;
  RW_TRY(read_nonces(reader, object));
  RW_TRY_ASSIGN(object.pq, read_tl_string(reader));
  RW_TRY(expect(reader, constructor::kVector));
  RW_TRY_ASSIGN(const uint32_t count, reader.u32());
  if (count > kServerKeysMax) return Error::kTooLarge;
  object.fingerprints.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    RW_TRY_ASSIGN(const uint64_t fingerprint, reader.u64());
    object.fingerprints.push_back(fingerprint);
  }
  return object;
}

Result<ReqDhParams> read_req_dh_params(ByteReader& reader) noexcept {
  RW_TRY(expect(reader, constructor::kReqDhParams));
  ReqDhParams object;
  RW_TRY(read_nonces(reader, object));
  RW_TRY_ASSIGN(object.p, read_tl_string(reader));
  RW_TRY_ASSIGN(object.q, read_tl_string(reader));
  RW_TRY_ASSIGN(object.fingerprint, reader.u64());
  RW_TRY_ASSIGN(object.encrypted_data, read_tl_string(reader));
  return object;
}

Result<PqInnerData> read_pq_inner_data(ByteReader& reader) noexcept {
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  PqInnerData object;
  switch (id) {
    case constructor::kPqInnerData:
      break;
    case constructor::kPqInnerDataDc:
      object.has_dc = true;
      break;
    case constructor::kPqInnerDataTemp:
      object.temporary = true;
      break;
    case constructor::kPqInnerDataTempDc:
      object.has_dc = true;
      object.temporary = true;
      break;
    default:
      return Error::kMalformed;
  }
  RW_TRY_ASSIGN(object.pq, read_tl_string(reader));
  RW_TRY_ASSIGN(object.p, read_tl_string(reader));
  RW_TRY_ASSIGN(object.q, read_tl_string(reader));
  RW_TRY(read_nonces(reader, object));
  RW_TRY(reader.copy_to(object.new_nonce.span()));
  if (object.has_dc) {
    RW_TRY_ASSIGN(object.dc, reader.i32());
  }
  if (object.temporary) {
    RW_TRY_ASSIGN(object.expires_in, reader.i32());
  }
  return object;
}

Result<ServerDhParamsOk> read_server_dh_params_ok(ByteReader& reader) noexcept {
  RW_TRY(expect(reader, constructor::kServerDhParamsOk));
  ServerDhParamsOk object;
  RW_TRY(read_nonces(reader, object));
  RW_TRY_ASSIGN(object.encrypted_answer, read_tl_string(reader));
  return object;
}

Result<ServerDhInnerData> read_server_dh_inner_data(ByteReader& reader) noexcept {
  RW_TRY(expect(reader, constructor::kServerDhInnerData));
  ServerDhInnerData object;
  RW_TRY(read_nonces(reader, object));
  RW_TRY_ASSIGN(object.g, reader.i32());
  RW_TRY_ASSIGN(object.dh_prime, read_tl_string(reader));
  RW_TRY_ASSIGN(object.g_a, read_tl_string(reader));
  RW_TRY_ASSIGN(object.server_time, reader.i32());
  return object;
}

Result<SetClientDhParams> read_set_client_dh_params(ByteReader& reader) noexcept {
  RW_TRY(expect(reader, constructor::kSetClientDhParams));
  SetClientDhParams object;
  RW_TRY(read_nonces(reader, object));
  RW_TRY_ASSIGN(object.encrypted_data, read_tl_string(reader));
  return object;
}

Result<ClientDhInnerData> read_client_dh_inner_data(ByteReader& reader) noexcept {
  RW_TRY(expect(reader, constructor::kClientDhInnerData));
  ClientDhInnerData object;
  RW_TRY(read_nonces(reader, object));
  RW_TRY_ASSIGN(object.retry_id, reader.i64());
  RW_TRY_ASSIGN(object.g_b, read_tl_string(reader));
  return object;
}

Result<DhGenAnswer> read_dh_gen_answer(ByteReader& reader) noexcept {
  RW_TRY_ASSIGN(const uint32_t id, reader.u32());
  DhGenAnswer object;
  switch (id) {
    case constructor::kDhGenOk:
      object.result = DhGen::kOk;
      break;
    case constructor::kDhGenRetry:
      object.result = DhGen::kRetry;
      break;
    case constructor::kDhGenFail:
      object.result = DhGen::kFail;
      break;
    default:
      return Error::kMalformed;
  }
  RW_TRY(read_nonces(reader, object));
  RW_TRY(reader.copy_to(object.new_nonce_hash));
  return object;
}

Bytes write_req_pq(const ReqPq& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  out.u32(object.multi ? constructor::kReqPqMulti : constructor::kReqPq);
  out.bytes(object.nonce);
  return bytes;
}

Bytes write_res_pq(const ResPq& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_head(out, constructor::kResPq, object);
  write_tl_string(out, object.pq);
  out.u32(constructor::kVector);
  out.u32(static_cast<uint32_t>(object.fingerprints.size()));
  for (const uint64_t fingerprint : object.fingerprints) out.u64(fingerprint);
  return bytes;
}

Bytes write_req_dh_params(const ReqDhParams& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_head(out, constructor::kReqDhParams, object);
  write_tl_string(out, object.p);
  write_tl_string(out, object.q);
  out.u64(object.fingerprint);
  write_tl_string(out, object.encrypted_data);
  return bytes;
}

SecretString write_pq_inner_data(const PqInnerData& object) {
  Bytes bytes;
  bytes.reserve(kPqInnerDataBytesMax);
  ByteAppender out(bytes);
  out.u32(inner_data_constructor(object));
  write_tl_string(out, object.pq);
  write_tl_string(out, object.p);
  write_tl_string(out, object.q);
  out.bytes(object.nonce);
  out.bytes(object.server_nonce);
  out.bytes(object.new_nonce.view());
  if (object.has_dc) out.i32(object.dc);
  if (object.temporary) out.i32(object.expires_in);
  SecretString result{ByteView(bytes)};
  cleanse(bytes.data(), bytes.size());
  return result;
}

Bytes write_server_dh_params_ok(const ServerDhParamsOk& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_head(out, constructor::kServerDhParamsOk, object);
  write_tl_string(out, object.encrypted_answer);
  return bytes;
}

Bytes write_server_dh_inner_data(const ServerDhInnerData& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_head(out, constructor::kServerDhInnerData, object);
  out.i32(object.g);
  write_tl_string(out, object.dh_prime);
  write_tl_string(out, object.g_a);
  out.i32(object.server_time);
  return bytes;
}

Bytes write_set_client_dh_params(const SetClientDhParams& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_head(out, constructor::kSetClientDhParams, object);
  write_tl_string(out, object.encrypted_data);
  return bytes;
}

Bytes write_client_dh_inner_data(const ClientDhInnerData& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_head(out, constructor::kClientDhInnerData, object);
  out.i64(object.retry_id);
  write_tl_string(out, object.g_b);
  return bytes;
}

Bytes write_dh_gen_answer(const DhGenAnswer& object) {
  Bytes bytes;
  ByteAppender out(bytes);
  write_head(out, dh_gen_constructor(object.result), object);
  out.bytes(object.new_nonce_hash);
  return bytes;
}

Bytes to_big_endian(uint64_t number) {
  Bytes bytes;
  for (int shift = 56; shift >= 0; shift -= 8) {
    const auto byte = static_cast<uint8_t>(number >> shift);
    if (byte != 0 || !bytes.empty()) bytes.push_back(byte);
  }
  return bytes;
}

Result<uint64_t> from_big_endian(ByteView bytes) noexcept {
  while (!bytes.empty() && bytes.front() == 0) bytes = bytes.subspan(1);
  if (bytes.size() > sizeof(uint64_t)) return Error::kTooLarge;
  uint64_t number = 0;
  for (const uint8_t byte : bytes) number = number << 8 | byte;
  return number;
}

}  // namespace ringway::mtproto
