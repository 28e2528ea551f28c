// mtproto/handshake_wire: the TL objects of the key exchange, read and written.
//
// Pure; any thread. ByteView members are borrowed: from the input after a read_..., and they must
// live until the write_... returns. A read_... starts at the constructor number, leaves the reader
// behind the object (so that its position tells the object's length), and accepts whatever follows:
// clients put random words there. Errors: kTruncated, and kMalformed for another constructor.
// Layouts: https://core.telegram.org/mtproto/auth_key
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

namespace ringway::mtproto {

using Nonce = std::array<uint8_t, 16>;
using NewNonce = Secret<32>;

struct ReqPq {
  bool multi = true;  // req_pq_multi, or the older req_pq
  Nonce nonce{};
};

struct ResPq {
  Nonce nonce{};
  Nonce server_nonce{};
  ByteView pq;  // big-endian
  std::vector<uint64_t> fingerprints;
};

struct ReqDhParams {
  Nonce nonce{};
  Nonce server_nonce{};
  ByteView p;  // big-endian
  ByteView q;
  uint64_t fingerprint = 0;
  ByteView encrypted_data;
};

// p_q_inner_data in its four forms.
struct PqInnerData {
  ByteView pq;  // big-endian
  ByteView p;
  ByteView q;
  Nonce nonce{};
  Nonce server_nonce{};
  NewNonce new_nonce;
  bool has_dc = false;
  int32_t dc = 0;
  bool temporary = false;
  int32_t expires_in = 0;
};

struct ServerDhParamsOk {
  Nonce nonce{};
  Nonce server_nonce{};
  ByteView encrypted_answer;
};

struct ServerDhInnerData {
  Nonce nonce{};
  Nonce server_nonce{};
  int32_t g = 0;
  ByteView dh_prime;  // big-endian
  ByteView g_a;
  int32_t server_time = 0;
};

struct SetClientDhParams {
  Nonce nonce{};
  Nonce server_nonce{};
  ByteView encrypted_data;
};

struct ClientDhInnerData {
  Nonce nonce{};
  Nonce server_nonce{};
  int64_t retry_id = 0;
  ByteView g_b;  // big-endian
};

// dh_gen_ok, dh_gen_retry, dh_gen_fail; the value is the number in new_nonce_hash1, 2, 3.
enum class DhGen : uint8_t { kOk = 1, kRetry = 2, kFail = 3 };

struct DhGenAnswer {
  DhGen result = DhGen::kOk;
  Nonce nonce{};
  Nonce server_nonce{};
  Nonce new_nonce_hash{};
};

Result<ReqPq> read_req_pq(ByteReader& reader) noexcept;
// kTooLarge above kServerKeysMax fingerprints.
Result<ResPq> read_res_pq(ByteReader& reader);
Result<ReqDhParams> read_req_dh_params(ByteReader& reader) noexcept;
Result<PqInnerData> read_pq_inner_data(ByteReader& reader) noexcept;
Result<ServerDhParamsOk> read_server_dh_params_ok(ByteReader& reader) noexcept;
Result<ServerDhInnerData> read_server_dh_inner_data(ByteReader& reader) noexcept;
Result<SetClientDhParams> read_set_client_dh_params(ByteReader& reader) noexcept;
Result<ClientDhInnerData> read_client_dh_inner_data(ByteReader& reader) noexcept;
Result<DhGenAnswer> read_dh_gen_answer(ByteReader& reader) noexcept;

[[nodiscard]] Bytes write_req_pq(const ReqPq& object);
[[nodiscard]] Bytes write_res_pq(const ResPq& object);
[[nodiscard]] Bytes write_req_dh_params(const ReqDhParams& object);
// Holds new_nonce, from which the answers' keys follow.
[[nodiscard]] SecretString write_pq_inner_data(const PqInnerData& object);
[[nodiscard]] Bytes write_server_dh_params_ok(const ServerDhParamsOk& object);
[[nodiscard]] Bytes write_server_dh_inner_data(const ServerDhInnerData& object);
[[nodiscard]] Bytes write_set_client_dh_params(const SetClientDhParams& object);
[[nodiscard]] Bytes write_client_dh_inner_data(const ClientDhInnerData& object);
[[nodiscard]] Bytes write_dh_gen_answer(const DhGenAnswer& object);

// Big-endian numbers of the exchange. to_big_endian gives the shortest form; from_big_endian
// ignores leading zero bytes and gives kTooLarge above 64 bits.
[[nodiscard]] Bytes to_big_endian(uint64_t number);
Result<uint64_t> from_big_endian(ByteView bytes) noexcept;

}  // namespace ringway::mtproto
