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
}  // namespace constructor

// A TL string, borrowed from the input. kTruncated when it or its padding runs past the end (the
// reader then stays where it was); kMalformed for a first byte of ff, which no string has. Padding
// bytes are skipped whatever they are; the long form is accepted for short strings too.
Result<ByteView> read_tl_string(ByteReader& reader) noexcept;
void write_tl_string(ByteAppender& out, ByteView value);
// Encoded size of a string of `bytes` bytes.
[[nodiscard]] size_t tl_string_bytes(size_t bytes) noexcept;

}  // namespace ringway::mtproto
