// mtproto/message_v1: messages of MTProto 1.0. What is left of them: the proof of a permanent key
// in auth.bindTempAuthKey, and what old programs recorded. No connection speaks it.
//
//     auth_key_id(8) | msg_key(16) | IGE(salt 8, session_id 8, msg_id 8, seq_no 4, length 4, body,
//     padding), msg_key = SHA-1(all but the padding)[4:20]
//
// Pure; any thread. https://core.telegram.org/mtproto/description_v1
#pragma once

#include <array>

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"
#include "crypto/aes_ige.h"
#include "mtproto/message.h"

namespace ringway::mtproto {

// Of the plaintext without its padding.
[[nodiscard]] std::array<uint8_t, 16> msg_key_v1(ByteView plain) noexcept;

void derive_key_iv_v1(const AuthKeyBytes& key, std::span<const uint8_t, 16> msg_key,
                      crypto::IgeKeyIv& out, Sender sender = Sender::kClient) noexcept;

struct OpenedV1 {
  MessageHeader header;
  Bytes body;
};
// kBadLength, kBadMsgKey, kBadPadding, as open_many() has them.
Result<OpenedV1> open_v1(const AuthKeyBytes& key, ByteView frame, Sender sender);

}  // namespace ringway::mtproto
