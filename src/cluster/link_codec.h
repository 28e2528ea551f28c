// cluster/link_codec: the messages of our batched stream (proto/ringway_link.proto) as bytes.
//
// An item is stored in the window with the tag and length that it has inside a LinkUp, so that a
// batch is one small head followed by window memory as it lies. No state; views borrow from the
// input.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cluster/proto_wire.h"

namespace ringway::cluster {

enum class ItemKind : uint8_t { kData, kClose };

// `LinkUp.items` around a SessionClientData or SessionClientEvent of `body_size` bytes.
struct ItemSizes {
  size_t head = 0;  // the bytes before the body
  size_t total = 0;
};
[[nodiscard]] ItemSizes item_sizes(ItemKind kind, size_t body_size) noexcept;
void write_item_head(ProtoWriter& out, ItemKind kind, size_t body_size) noexcept;

struct PushAnswer {
  uint64_t push_id = 0;
  bool delivered = false;
};

// What comes before the items of a LinkUp: nothing but a greeting, or the sequence of the first
// item (0 when there are none) and answers to pushes.
[[nodiscard]] Bytes encode_hello(std::string_view server_id, uint32_t worker);
[[nodiscard]] size_t link_up_head_size(uint64_t first_sequence,
                                       std::span<const PushAnswer> answers) noexcept;
// `out` has that size.
void write_link_up_head(ByteSpan out, uint64_t first_sequence,
                        std::span<const PushAnswer> answers) noexcept;

struct LinkDown {
  struct Refusal {
    uint64_t sequence = 0;
    int32_t code = 0;
    std::string_view message;
  };
  struct Push {
    uint64_t push_id = 0;
    int64_t auth_key_id = 0;
    int64_t session_id = 0;
    ByteView payload;
  };

  bool welcome = false;
  uint32_t items_max = 0;
  uint64_t acknowledged = 0;
  std::vector<Refusal> refusals;
  std::vector<Push> pushes;
};

// Decodes into `out`, whose vectors keep their memory from one message to the next.
[[nodiscard]] Result<void> decode_link_down(ByteView bytes, LinkDown& out);

}  // namespace ringway::cluster
