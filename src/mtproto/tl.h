// mtproto/tl: the little of TL serialisation that the gateway itself needs, and constructor
// numbers.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::mtproto {

namespace constructor {
inline constexpr uint32_t kVector = 0x1cb5c415;
inline constexpr uint32_t kReqPq = 0x60469778;
inline constexpr uint32_t kReqPqMulti = 0xbe7e8ef1;
inline constexpr uint32_t kResPq = 0x05162463;
inline constexpr uint32_t kReqDhParams = 0xd712e4be;
inline constexpr uint32_t kPqInnerData = 0x83c95aec;
inline constexpr uint32_t kPqInnerDataDc = 0xa9f55f95;
inline constexpr uint32_t kPqInnerDataTemp = 0x3c6a84d4;
inline constexpr uint32_t kPqInnerDataTempDc = 0x56fddf88;
inline constexpr uint32_t kServerDhParamsOk = 0xd0e8075c;
inline constexpr uint32_t kServerDhInnerData = 0xb5890dba;
inline constexpr uint32_t kSetClientDhParams = 0xf5045f1f;
inline constexpr uint32_t kClientDhInnerData = 0x6643b654;
inline constexpr uint32_t kDhGenOk = 0x3bcbf734;
inline constexpr uint32_t kDhGenRetry = 0x46dc1fb9;
inline constexpr uint32_t kDhGenFail = 0xa69dae02;
inline constexpr uint32_t kMsgsAck = 0x62d6b459;
inline constexpr uint32_t kMsgContainer = 0x73f1f8dc;
inline constexpr uint32_t kGzipPacked = 0x3072cfa1;
inline constexpr uint32_t kPing = 0x7abe77ec;
inline constexpr uint32_t kPingDelayDisconnect = 0xf3427b8c;
inline constexpr uint32_t kPong = 0x347773c5;
inline constexpr uint32_t kRpcResult = 0xf35c6d01;
inline constexpr uint32_t kRpcError = 0x2144ca19;
inline constexpr uint32_t kNewSessionCreated = 0x9ec20908;
inline constexpr uint32_t kBadServerSalt = 0xedab447b;
inline constexpr uint32_t kBadMsgNotification = 0xa7eff811;
inline constexpr uint32_t kBoolTrue = 0x997275b5;
inline constexpr uint32_t kBoolFalse = 0xbc799737;

// Service messages (core.telegram.org/mtproto/service_messages).
inline constexpr uint32_t kHttpWait = 0x9299359f;
inline constexpr uint32_t kMsgsStateReq = 0xda69fb52;
inline constexpr uint32_t kMsgsStateInfo = 0x04deb57d;
inline constexpr uint32_t kMsgsAllInfo = 0x8cc0d131;
inline constexpr uint32_t kMsgDetailedInfo = 0x276d3ec6;
inline constexpr uint32_t kMsgNewDetailedInfo = 0x809db6df;
inline constexpr uint32_t kMsgResendReq = 0x7d861a08;
inline constexpr uint32_t kMsgResendAnsReq = 0x8610baeb;
inline constexpr uint32_t kGetFutureSalts = 0xb921bd04;
inline constexpr uint32_t kFutureSalts = 0xae500895;
inline constexpr uint32_t kDestroySession = 0xe7512126;
inline constexpr uint32_t kDestroySessionOk = 0xe22045fc;
inline constexpr uint32_t kDestroySessionNone = 0x62d350c9;
inline constexpr uint32_t kDestroyAuthKey = 0xd1435160;
inline constexpr uint32_t kDestroyAuthKeyOk = 0xf660e1d4;
inline constexpr uint32_t kRpcDropAnswer = 0x58e4a740;

// Wrappers around a query.
inline constexpr uint32_t kInvokeWithLayer = 0xda9b0d0d;
inline constexpr uint32_t kInvokeAfterMsg = 0xcb9f372d;
inline constexpr uint32_t kInvokeAfterMsgs = 0x3dc4b4f0;
inline constexpr uint32_t kInvokeWithoutUpdates = 0xbf9459b7;
inline constexpr uint32_t kInvokeWithMessagesRange = 0x365275f2;
inline constexpr uint32_t kMessageRange = 0x0ae30253;
inline constexpr uint32_t kInvokeWithTakeout = 0xaca9fd2e;
inline constexpr uint32_t kInvokeWithBusinessConnection = 0xdd289f8e;
inline constexpr uint32_t kInvokeWithGooglePlayIntegrity = 0x1df92984;
inline constexpr uint32_t kInvokeWithApnsSecret = 0x0dae54f8;
inline constexpr uint32_t kInvokeWithReCaptcha = 0xadbb0f94;
inline constexpr uint32_t kInitConnection = 0xc1cd5ea9;
inline constexpr uint32_t kInitConnectionNoParams = 0x785188b8;  // before flags.1 was added
inline constexpr uint32_t kInitConnectionNoFlags = 0xc7481da6;   // layer 71
inline constexpr uint32_t kInputClientProxy = 0x75588b3f;
inline constexpr uint32_t kJsonNull = 0x3f6d7b68;
inline constexpr uint32_t kJsonBool = 0xc7345e6a;
inline constexpr uint32_t kJsonNumber = 0x2be0dfa4;
inline constexpr uint32_t kJsonString = 0xb71e767a;
inline constexpr uint32_t kJsonArray = 0xf7444763;
inline constexpr uint32_t kJsonObject = 0x99c1d49d;
inline constexpr uint32_t kJsonObjectValue = 0xc0de1bd9;

// Binding a temporary key (core.telegram.org/method/auth.bindTempAuthKey).
inline constexpr uint32_t kBindTempAuthKey = 0xcdd42a05;
inline constexpr uint32_t kBindAuthKeyInner = 0x75a3f765;
}  // namespace constructor

// A TL string, borrowed from the input. kTruncated when it or its padding runs past the end (the
// reader then stays where it was); kMalformed for a first byte of ff, which no string has. Padding
// bytes are skipped whatever they are; the long form is accepted for short strings too.
Result<ByteView> read_tl_string(ByteReader& reader) noexcept;
void write_tl_string(ByteAppender& out, ByteView value);
// Encoded size of a string of `bytes` bytes.
[[nodiscard]] size_t tl_string_bytes(size_t bytes) noexcept;

// Messages of the protocol that a client sends and that need no user; pings are not among them.
[[nodiscard]] bool is_client_service(uint32_t number) noexcept;

}  // namespace ringway::mtproto
