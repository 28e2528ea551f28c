// TL that the tests of updates are about, and what it becomes.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "client/account/update_event.h"
#include "harness.h"
#include "tl/layout.h"
#include "tl/output.h"
#include "tl/to_proto.h"

namespace ringway::proxy::test {

// updateDeleteMessages, the same in layers 71 and 228: `number` as its pts, and many ids to make it
// large.
inline Bytes update_tl(int32_t number, size_t ids = 1) {
  Bytes out;
  ByteAppender to(out);
  to.u32(0xa20db0e5);
  to.u32(0x1cb5c415);
  to.u32(static_cast<uint32_t>(ids));
  for (size_t i = 0; i < ids; ++i) to.i32(1'000'000);
  to.i32(number);
  to.i32(1);
  return out;
}

inline std::string proto_of_type(int layer, std::string_view type, ByteView tl) {
  const auto contract = contract_of(layer);
  const tl::Layout layout(*contract);
  tl::ToProto to_proto(layout);
  tl::Output out;
  const auto& types = contract->schema().types;
  for (uint32_t i = 0; i < types.size(); ++i) {
    if (types[i].name == type && to_proto.object(i, tl, out))
      return std::string(as_text(out.bytes()));
  }
  return "no such object";
}

inline std::string proto_of_combinator(int layer, ByteView tl) {
  const auto contract = contract_of(layer);
  const tl::Layout layout(*contract);
  tl::ToProto to_proto(layout);
  tl::Output out;
  return to_proto.combinator(tl, out) ? std::string(as_text(out.bytes())) : "no such object";
}

inline client::UpdateEvent update_event(int32_t number, size_t ids = 1,
                                        std::shared_ptr<const client::UpdateSource> source = {}) {
  client::UpdateEvent event;
  event.kind = client::UpdateEvent::Kind::kUpdate;
  event.update = update_tl(number, ids);
  event.source = std::move(source);
  return event;
}

inline client::UpdateEvent source_event(Bytes original) {
  auto source = std::make_shared<client::UpdateSource>();
  source->original = std::move(original);
  client::UpdateEvent event;
  event.kind = client::UpdateEvent::Kind::kSource;
  event.source = std::move(source);
  return event;
}

inline client::UpdateEvent gap_event(client::UpdateEvent::GapReason reason, int64_t channel = 0,
                                     int32_t pts = 0) {
  client::UpdateEvent event;
  event.kind = client::UpdateEvent::Kind::kGap;
  event.reason = reason;
  event.channel_id = channel;
  event.pts = pts;
  return event;
}

}  // namespace ringway::proxy::test
