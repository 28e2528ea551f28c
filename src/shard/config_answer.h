// shard/config_answer: help.getConfig and help.getNearestDc, in the form that the client's layer
// reads.
#pragma once

#include <cstdint>
#include <string>

#include "base/bytes.h"

namespace ringway::shard {

// What the answers say about this data centre.
struct DcInfo {
  int32_t dc_id = 2;
  std::string public_host = "127.0.0.1";  // of the gateway, as clients dial it
  uint16_t public_port = 10443;
};

// Layers that changed the form of config (see the schemas of layers 144 and 228).
inline constexpr int32_t kConfigLayer146 = 146;
inline constexpr int32_t kConfigLayer154 = 154;

// Appends config#330b4067 for layers below 146 (0: unknown), #232566ac below 154, #cc1a241e from
// there.
void write_config(ByteAppender& out, const DcInfo& dc, int32_t layer, int64_t unix_seconds);
void write_nearest_dc(ByteAppender& out, const DcInfo& dc);

}  // namespace ringway::shard
