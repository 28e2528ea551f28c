// shard/constructors: constructor numbers that only a session shard needs; the rest is in
// mtproto/tl.h.
#pragma once

#include <cstdint>

#include "mtproto/tl.h"

namespace ringway::shard::constructor {

// Shared with the gateway: service messages, and the wrappers around a query.
using mtproto::constructor::kDestroyAuthKey;
using mtproto::constructor::kDestroyAuthKeyOk;
using mtproto::constructor::kDestroySession;
using mtproto::constructor::kDestroySessionNone;
using mtproto::constructor::kDestroySessionOk;
using mtproto::constructor::kFutureSalts;
using mtproto::constructor::kGetFutureSalts;
using mtproto::constructor::kHttpWait;
using mtproto::constructor::kInitConnection;
using mtproto::constructor::kInitConnectionNoFlags;
using mtproto::constructor::kInitConnectionNoParams;
using mtproto::constructor::kInputClientProxy;
using mtproto::constructor::kInvokeAfterMsg;
using mtproto::constructor::kInvokeAfterMsgs;
using mtproto::constructor::kInvokeWithApnsSecret;
using mtproto::constructor::kInvokeWithBusinessConnection;
using mtproto::constructor::kInvokeWithGooglePlayIntegrity;
using mtproto::constructor::kInvokeWithLayer;
using mtproto::constructor::kInvokeWithMessagesRange;
using mtproto::constructor::kInvokeWithoutUpdates;
using mtproto::constructor::kInvokeWithReCaptcha;
using mtproto::constructor::kInvokeWithTakeout;
using mtproto::constructor::kJsonArray;
using mtproto::constructor::kJsonBool;
using mtproto::constructor::kJsonNull;
using mtproto::constructor::kJsonNumber;
using mtproto::constructor::kJsonObject;
using mtproto::constructor::kJsonObjectValue;
using mtproto::constructor::kJsonString;
using mtproto::constructor::kMessageRange;
using mtproto::constructor::kMsgDetailedInfo;
using mtproto::constructor::kMsgNewDetailedInfo;
using mtproto::constructor::kMsgResendAnsReq;
using mtproto::constructor::kMsgResendReq;
using mtproto::constructor::kMsgsAllInfo;
using mtproto::constructor::kMsgsStateInfo;
using mtproto::constructor::kMsgsStateReq;
using mtproto::constructor::kRpcDropAnswer;

// Answers to rpc_drop_answer.
inline constexpr uint32_t kRpcAnswerUnknown = 0x5e2ad36e;
inline constexpr uint32_t kRpcAnswerDropped = 0xa43ad8b7;

// Queries and answers.
inline constexpr uint32_t kHelpGetConfig = 0xc4f9186b;
inline constexpr uint32_t kHelpGetNearestDc = 0x1fb33026;
inline constexpr uint32_t kUsersGetUsers = 0x0d91a548;
inline constexpr uint32_t kConfigLayer144 = 0x330b4067;
inline constexpr uint32_t kConfigLayer146 = 0x232566ac;
inline constexpr uint32_t kConfigLayer154 = 0xcc1a241e;
inline constexpr uint32_t kDcOption = 0x18b7a10d;
inline constexpr uint32_t kNearestDc = 0x8e1a1775;
using mtproto::constructor::kBoolFalse;
using mtproto::constructor::kBoolTrue;

// Not of any schema: a message that begins with it is pushed back as it came (for load runs).
inline constexpr uint32_t kPushEcho = 0x72776563;
// Nor these: see load_tally.h.
inline constexpr uint32_t kLoadCounted = 0x72776374;
inline constexpr uint32_t kLoadGetTally = 0x72777471;
inline constexpr uint32_t kLoadTally = 0x72777461;

}  // namespace ringway::shard::constructor
