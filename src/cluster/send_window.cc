#include "cluster/send_window.h"

#include <algorithm>
#include <cstring>

#include "base/assert.h"
#include "base/limits.h"
#include "cluster/session_codec.h"

namespace ringway::cluster {
namespace {

// A larger item gets a chunk of its own, so that it does not leave half of a shared one empty.
constexpr size_t kSharedItemMax = kWindowChunkBytes / 2;

}  // namespace

SendWindow::SendWindow(std::string server_id, size_t messages_max, size_t bytes_max)
    : server_id_(std::move(server_id)), messages_max_(messages_max), bytes_max_(bytes_max) {}

uint32_t SendWindow::append(const ClientMessage& message) {
  return append_item(ItemKind::kData, client_data_size(message, server_id_), message.auth_key_id,
                     message.perm_auth_key_id,
                     [&](ProtoWriter& out) { write_client_data(out, message, server_id_); });
}

uint32_t SendWindow::append(const SessionClose& close) {
  return append_item(ItemKind::kClose, client_event_size(close, server_id_), close.auth_key_id,
                     close.perm_auth_key_id,
                     [&](ProtoWriter& out) { write_client_event(out, close, server_id_); });
}

template <typename Write>
uint32_t SendWindow::append_item(ItemKind kind, size_t body_size, int64_t auth_key_id,
                                 int64_t perm_auth_key_id, Write&& write) {
  if (messages_ >= messages_max_) return kNoEntry;
  const ItemSizes sizes = item_sizes(kind, body_size);
  const Place place = reserve(sizes.total, bytes_max_);
  if (place.data == nullptr) return kNoEntry;

  ProtoWriter out({place.data, sizes.total});
  write_item_head(out, kind, body_size);
  write(out);
  RW_ASSERT(out.position() == sizes.total);
  return add_entry(place, sizes.total, sizes.head, kind, auth_key_id, perm_auth_key_id);
}

uint32_t SendWindow::append_copy(const SendWindow& from, uint32_t entry) {
  if (messages_ >= messages_max_ * kHandoverWindowsMax) return kNoEntry;
  const Entry& source = from.entries_[entry];
  const Place place = reserve(source.size, bytes_max_ * kHandoverWindowsMax);
  if (place.data == nullptr) return kNoEntry;
  std::memcpy(place.data, source.data, source.size);
  return add_entry(place, source.size, source.head, source.kind, source.auth_key_id,
                   source.perm_auth_key_id);
}

uint32_t SendWindow::add_entry(Place place, size_t size, size_t head, ItemKind kind,
                               int64_t auth_key_id, int64_t perm_auth_key_id) {
  const uint32_t number = take_entry();
  Entry& entry = entries_[number];
  entry = {.previous = last_,
           .next = kNoEntry,
           .block = place.block,
           .data = place.data,
           .size = static_cast<uint32_t>(size),
           .head = static_cast<uint32_t>(head),
           .kind = kind,
           .auth_key_id = auth_key_id,
           .perm_auth_key_id = perm_auth_key_id,
           .serial = ++appended_};
  (last_ == kNoEntry ? first_ : entries_[last_].next) = number;
  last_ = number;
  ++place.block->live;
  ++messages_;
  item_bytes_ += size;
  return number;
}

void SendWindow::release(uint32_t number) {
  Entry& entry = entries_[number];
  RW_ASSERT(entry.block != nullptr);
  (entry.previous == kNoEntry ? first_ : entries_[entry.previous].next) = entry.next;
  (entry.next == kNoEntry ? last_ : entries_[entry.next].previous) = entry.previous;
  item_bytes_ -= entry.size;
  --messages_;
  Block* block = std::exchange(entry.block, nullptr);
  free_entries_.push_back(number);
  if (--block->live == 0) release_block(block);
}

WireSlice SendWindow::item(uint32_t number) const {
  const Entry& entry = entries_[number];
  return {entry.block->chunk, entry.data, entry.size};
}

WireSlice SendWindow::body(uint32_t number) const {
  const Entry& entry = entries_[number];
  return {entry.block->chunk, entry.data + entry.head, entry.size - entry.head};
}

bool SendWindow::has_ample_room() const noexcept {
  const bool memory_free = messages_ == 0 || chunk_bytes_ <= bytes_max_ - bytes_max_ / 4;
  return memory_free && messages_ <= messages_max_ - (messages_max_ + 3) / 4;
}

bool SendWindow::may_allocate(size_t capacity, size_t bytes_max) const noexcept {
  return messages_ == 0 || chunk_bytes_ + capacity <= bytes_max;
}

SendWindow::Place SendWindow::reserve(size_t size, size_t bytes_max) {
  Block* block = current_;
  if (size > kSharedItemMax) {
    if (!may_allocate(size, bytes_max)) return {};
    block = make_block(size);
  } else if (block == nullptr || block->used + size > kWindowChunkBytes) {
    if (!may_allocate(kWindowChunkBytes, bytes_max)) return {};
    block = make_block(kWindowChunkBytes);
    Block* full = std::exchange(current_, block);
    if (full != nullptr && full->live == 0) release_block(full);
  }
  uint8_t* data = block->chunk->data() + block->used;
  block->used += size;
  return {block, data};
}

SendWindow::Block* SendWindow::make_block(size_t capacity) {
  chunk_bytes_ += capacity;
  if (capacity == kWindowChunkBytes && !spares_.empty()) {
    blocks_.push_back(std::move(spares_.back()));
    spares_.pop_back();
  } else {
    blocks_.push_back(std::make_unique<Block>());
    blocks_.back()->chunk = ChunkRef::make(capacity);
  }
  return blocks_.back().get();
}

// Called for a block without entries. The current one stays; its memory is written again from the
// start once the transport has let go of it.
void SendWindow::release_block(Block* block) {
  if (block == current_) {
    if (block->chunk->sole()) block->used = 0;
    return;
  }
  chunk_bytes_ -= block->chunk->capacity();
  const bool reusable = block->chunk->capacity() == kWindowChunkBytes && block->chunk->sole() &&
                        spares_.size() < kWindowSpareChunks;
  const auto found = std::find_if(blocks_.begin(), blocks_.end(),
                                  [block](const auto& owned) { return owned.get() == block; });
  RW_ASSERT(found != blocks_.end());
  std::swap(*found, blocks_.back());
  if (reusable) {
    block->used = 0;
    spares_.push_back(std::move(blocks_.back()));
  }
  blocks_.pop_back();
}

uint32_t SendWindow::take_entry() {
  if (free_entries_.empty()) {
    entries_.emplace_back();
    return static_cast<uint32_t>(entries_.size() - 1);
  }
  const uint32_t number = free_entries_.back();
  free_entries_.pop_back();
  return number;
}

}  // namespace ringway::cluster
