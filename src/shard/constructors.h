// shard/constructors: constructor numbers that only a session shard needs; the rest is in
// mtproto/tl.h.
#pragma once

#include <cstdint>

namespace ringway::shard::constructor {

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
inline constexpr uint32_t kRpcAnswerUnknown = 0x5e2ad36e;
inline constexpr uint32_t kRpcAnswerDropped = 0xa43ad8b7;

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

// Queries and answers.
inline constexpr uint32_t kHelpGetConfig = 0xc4f9186b;
inline constexpr uint32_t kHelpGetNearestDc = 0x1fb33026;
inline constexpr uint32_t kUsersGetUsers = 0x0d91a548;
inline constexpr uint32_t kConfigLayer144 = 0x330b4067;
inline constexpr uint32_t kConfigLayer146 = 0x232566ac;
inline constexpr uint32_t kConfigLayer154 = 0xcc1a241e;
inline constexpr uint32_t kDcOption = 0x18b7a10d;
inline constexpr uint32_t kNearestDc = 0x8e1a1775;
inline constexpr uint32_t kBoolTrue = 0x997275b5;
inline constexpr uint32_t kBoolFalse = 0xbc799737;

// Not of any schema: a message that begins with it is pushed back as it came (for load runs).
inline constexpr uint32_t kPushEcho = 0x72776563;
// Nor these: see load_tally.h.
inline constexpr uint32_t kLoadCounted = 0x72776374;
inline constexpr uint32_t kLoadGetTally = 0x72777471;
inline constexpr uint32_t kLoadTally = 0x72777461;

}  // namespace ringway::shard::constructor
