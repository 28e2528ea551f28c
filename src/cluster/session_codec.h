// cluster/session_codec: the messages of Teamgram's session service as bytes.
//
// Messages for a shard are measured and written straight into window memory; requests that carry a
// key get memory that is cleansed when freed. Answers come from outside: what does not decode is an
// Error. Field numbers: proto/session.proto and proto/mtproto.proto. No state; views borrow from
// the input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/result.h"
#include "cluster/chunk.h"
#include "cluster/dispatcher.h"
#include "cluster/proto_wire.h"

namespace ringway::cluster {

// session.SessionClientData. An answer has conn_type and ids as given; quick_ack is 1 or left out.
[[nodiscard]] size_t client_data_size(const ClientMessage& message,
                                      std::string_view server_id) noexcept;
void write_client_data(ProtoWriter& out, const ClientMessage& message,
                       std::string_view server_id) noexcept;

// session.SessionClientEvent of a closed session.
[[nodiscard]] size_t client_event_size(const SessionClose& close,
                                       std::string_view server_id) noexcept;
void write_client_event(ProtoWriter& out, const SessionClose& close,
                        std::string_view server_id) noexcept;

// session.TL_session_sendHttpDataToSession, which wraps the same message.
[[nodiscard]] WireMessage encode_send_http(const ClientMessage& message,
                                           std::string_view server_id);

// session.TL_session_queryAuthKey.
[[nodiscard]] WireMessage encode_query_auth_key(int64_t auth_key_id);
// session.TL_session_setAuthKey: the key, its id also in the field of its type, and the first salt,
// valid for half an hour from `now`.
[[nodiscard]] WireMessage encode_set_auth_key(const AuthKeyRecord& record, int64_t salt,
                                              int32_t expires_in, Now now);

// mtproto.AuthKeyInfo with a key of exactly 256 bytes; whether it hashes to its id is for the
// caller.
[[nodiscard]] Result<AuthKeyRecord> decode_auth_key_info(ByteView bytes);
// mtproto.Bool: true when its predicate is "boolTrue".
[[nodiscard]] Result<bool> decode_bool(ByteView bytes);

struct StreamResponse {
  std::string_view request_id;
  bool success = false;  // an ack that says so
  bool error = false;
  int32_t code = 0;  // of an error
  std::string_view message;
};
// session.SessionStreamResponse, of the arms that data and closes are answered with.
[[nodiscard]] Result<StreamResponse> decode_stream_response(ByteView bytes);

// The payload of a session.HttpSessionData; it borrows from `bytes`.
[[nodiscard]] Result<ByteView> decode_http_session_data(ByteView bytes);

}  // namespace ringway::cluster
