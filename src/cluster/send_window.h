// cluster/send_window: what one shard has been given to serve and has not acknowledged.
//
// Each message is encoded once, when it is taken over, into chunks that the transport reads without
// copying; sending it again after a break means handing out the same bytes. Entries stand in the
// order in which they were taken over and are released in any order. Memory is bounded by counting
// whole chunks: an entry that stays keeps its chunk, and the window fills instead of growing.
//
// One worker owns a window. An entry's number is valid until release(); the bytes behind slices
// live as long as the slices do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "cluster/chunk.h"
#include "cluster/dispatcher.h"
#include "cluster/link_codec.h"

namespace ringway::cluster {

inline constexpr uint32_t kNoEntry = UINT32_MAX;

class SendWindow {
 public:
  SendWindow(std::string server_id, size_t messages_max, size_t bytes_max);

  // The new entry, or kNoEntry when the window has no room. An empty window takes any message.
  [[nodiscard]] uint32_t append(const ClientMessage& message);
  [[nodiscard]] uint32_t append(const SessionClose& close);
  // An entry of another window, with its bytes as they are. What another window had taken over must
  // find room: kNoEntry only above kHandoverWindowsMax times the limits.
  [[nodiscard]] uint32_t append_copy(const SendWindow& from, uint32_t entry);
  void release(uint32_t entry);

  // In the order of appending; kNoEntry at the end.
  [[nodiscard]] uint32_t first() const noexcept { return first_; }
  [[nodiscard]] uint32_t next(uint32_t entry) const noexcept { return entries_[entry].next; }
  // Counts entries for ever, while their numbers are used again.
  [[nodiscard]] uint64_t serial(uint32_t entry) const noexcept { return entries_[entry].serial; }
  // Of the entry that was appended last; 0 when none ever was.
  [[nodiscard]] uint64_t newest_serial() const noexcept { return appended_; }

  [[nodiscard]] ItemKind kind(uint32_t entry) const noexcept { return entries_[entry].kind; }
  [[nodiscard]] int64_t auth_key_id(uint32_t entry) const noexcept {
    return entries_[entry].auth_key_id;
  }
  [[nodiscard]] int64_t perm_auth_key_id(uint32_t entry) const noexcept {
    return entries_[entry].perm_auth_key_id;
  }
  // The entry as an item of a LinkUp, and as the bare SessionClientData or SessionClientEvent.
  [[nodiscard]] size_t item_size(uint32_t entry) const noexcept { return entries_[entry].size; }
  [[nodiscard]] WireSlice item(uint32_t entry) const;
  [[nodiscard]] WireSlice body(uint32_t entry) const;
  [[nodiscard]] size_t body_size(uint32_t entry) const noexcept {
    return entries_[entry].size - entries_[entry].head;
  }

  [[nodiscard]] size_t messages() const noexcept { return messages_; }
  [[nodiscard]] size_t messages_max() const noexcept { return messages_max_; }
  // Encoded bytes of all entries, and the memory that they hold.
  [[nodiscard]] size_t item_bytes() const noexcept { return item_bytes_; }
  [[nodiscard]] size_t chunk_bytes() const noexcept { return chunk_bytes_; }
  // A quarter is free: worth waking those who found it full.
  [[nodiscard]] bool has_ample_room() const noexcept;

 private:
  // A chunk and how many entries lie in it.
  struct Block {
    ChunkRef chunk;
    size_t used = 0;
    uint32_t live = 0;
  };
  struct Entry {
    uint32_t previous = kNoEntry;
    uint32_t next = kNoEntry;
    Block* block = nullptr;
    const uint8_t* data = nullptr;
    uint32_t size = 0;
    uint32_t head = 0;  // the item's bytes before its body
    ItemKind kind = ItemKind::kData;
    int64_t auth_key_id = 0;
    int64_t perm_auth_key_id = 0;
    uint64_t serial = 0;
  };
  struct Place {
    Block* block = nullptr;
    uint8_t* data = nullptr;
  };

  template <typename Write>
  uint32_t append_item(ItemKind kind, size_t body_size, int64_t auth_key_id,
                       int64_t perm_auth_key_id, Write&& write);
  uint32_t add_entry(Place place, size_t size, size_t head, ItemKind kind, int64_t auth_key_id,
                     int64_t perm_auth_key_id);
  Place reserve(size_t size, size_t bytes_max);
  bool may_allocate(size_t capacity, size_t bytes_max) const noexcept;
  Block* make_block(size_t capacity);
  void release_block(Block* block);
  uint32_t take_entry();

  const std::string server_id_;
  const size_t messages_max_;
  const size_t bytes_max_;
  std::vector<Entry> entries_;
  std::vector<uint32_t> free_entries_;
  uint32_t first_ = kNoEntry;
  uint32_t last_ = kNoEntry;
  size_t messages_ = 0;
  uint64_t appended_ = 0;
  size_t item_bytes_ = 0;
  size_t chunk_bytes_ = 0;
  Block* current_ = nullptr;                    // where small items go
  std::vector<std::unique_ptr<Block>> blocks_;  // every block that is alive
  std::vector<std::unique_ptr<Block>> spares_;  // free blocks of the common size, for the next ones
};

}  // namespace ringway::cluster
