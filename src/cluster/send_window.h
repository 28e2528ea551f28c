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
#include <unordered_map>
#include <vector>

#include "cluster/chunk.h"
#include "cluster/dispatcher.h"
#include "cluster/link_codec.h"

namespace ringway::cluster {

inline constexpr uint32_t kNoEntry = UINT32_MAX;

// What is remembered of an entry's deliveries, wherever it moves.
struct EntryMarks {
  bool sent = false;       // has been on its way at least once
  bool careful = false;    // travels alone: a stream ended while it was on its way
  uint8_t objections = 0;  // streams that ended with an error while it was alone on its way
  uint8_t redirects = 0;   // answers that named another node
  uint8_t crashes = 0;     // shards that went away or hung while it was on its way
};

// What an entry keeps on its way from one window to another.
struct EncodedItem {
  const uint8_t* data = nullptr;
  uint32_t size = 0;
  uint32_t head = 0;  // the item's bytes before its body
  ItemKind kind = ItemKind::kData;
  EntryMarks marks;
  int64_t auth_key_id = 0;
  int64_t perm_auth_key_id = 0;
};

// An entry between two windows: the same bytes, still in the memory they were encoded into.
struct WindowItem : EncodedItem {
  ChunkRef chunk;
  uint64_t serial = 0;  // in the window that it left
};

class SendWindow {
 public:
  SendWindow(std::string server_id, size_t messages_max, size_t bytes_max);

  // The new entry, or kNoEntry when the window has no room. An empty window takes any message.
  [[nodiscard]] uint32_t append(const ClientMessage& message);
  [[nodiscard]] uint32_t append(const SessionClose& close);
  // Takes the close whatever the limits: there are never more of them than sessions.
  uint32_t append_beyond(const SessionClose& close);
  void release(uint32_t entry);

  // Releases an entry and hands out what it was; adopt() makes it the last entry of a window. What
  // moves was taken over before, so adopt() never fails: a window that holds more than its limits
  // takes nothing new until it is below them again.
  [[nodiscard]] WindowItem take(uint32_t entry);
  uint32_t adopt(WindowItem item);

  // In the order of appending; kNoEntry at the end.
  [[nodiscard]] uint32_t first() const noexcept { return first_; }
  [[nodiscard]] uint32_t next(uint32_t entry) const noexcept { return entries_[entry].next; }
  // The entry of this number is still the one that had this serial.
  [[nodiscard]] bool holds(uint32_t entry, uint64_t serial) const noexcept {
    return entries_[entry].block != nullptr && entries_[entry].serial == serial;
  }
  // Counts entries for ever, while their numbers are used again.
  [[nodiscard]] uint64_t serial(uint32_t entry) const noexcept { return entries_[entry].serial; }

  [[nodiscard]] ItemKind kind(uint32_t entry) const noexcept { return entries_[entry].kind; }
  [[nodiscard]] int64_t auth_key_id(uint32_t entry) const noexcept {
    return entries_[entry].auth_key_id;
  }
  [[nodiscard]] int64_t perm_auth_key_id(uint32_t entry) const noexcept {
    return entries_[entry].perm_auth_key_id;
  }
  [[nodiscard]] EntryMarks& marks(uint32_t entry) noexcept { return entries_[entry].marks; }
  [[nodiscard]] const EntryMarks& marks(uint32_t entry) const noexcept {
    return entries_[entry].marks;
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
  struct Entry : EncodedItem {
    uint32_t previous = kNoEntry;
    uint32_t next = kNoEntry;
    Block* block = nullptr;
    uint64_t serial = 0;
  };
  struct Place {
    Block* block = nullptr;
    uint8_t* data = nullptr;
  };

  template <typename Write>
  uint32_t append_item(ItemKind kind, size_t body_size, int64_t auth_key_id,
                       int64_t perm_auth_key_id, bool beyond, Write&& write);
  uint32_t append_close(const SessionClose& close, bool beyond);
  Place reserve(size_t size, bool beyond);
  bool may_allocate(size_t capacity) const noexcept;
  Block* make_block(size_t capacity);
  Block* adopted_block(ChunkRef chunk);
  uint32_t link_entry(Block* block, const EncodedItem& item);
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
  Block* current_ = nullptr;                          // where small items go
  std::unordered_map<const Chunk*, Block*> adopted_;  // of items from elsewhere, by their chunk
  std::vector<std::unique_ptr<Block>> blocks_;        // every block that is alive
  std::vector<std::unique_ptr<Block>> spares_;  // free blocks of the common size, for the next ones
};

}  // namespace ringway::cluster
