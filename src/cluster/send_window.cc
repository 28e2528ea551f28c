#include "cluster/send_window.h"

#include <algorithm>

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
                     message.perm_auth_key_id, /*beyond=*/false,
                     [&](ProtoWriter& out) { write_client_data(out, message, server_id_); });
}

uint32_t SendWindow::append(const SessionClose& close) { return append_close(close, false); }

uint32_t SendWindow::append_beyond(const SessionClose& close) { return append_close(close, true); }

uint32_t SendWindow::append_close(const SessionClose& close, bool beyond) {
  return append_item(ItemKind::kClose, client_event_size(close, server_id_), close.auth_key_id,
                     close.perm_auth_key_id, beyond,
                     [&](ProtoWriter& out) { write_client_event(out, close, server_id_); });
}

template <typename Write>
uint32_t SendWindow::append_item(ItemKind kind, size_t body_size, int64_t auth_key_id,
                                 int64_t perm_auth_key_id, bool beyond, Write&& write) {
  if (messages_ >= messages_max_ && !beyond) return kNoEntry;
  const ItemSizes sizes = item_sizes(kind, body_size);
  const Place place = reserve(sizes.total, beyond);
  if (place.data == nullptr) return kNoEntry;

  ProtoWriter out({place.data, sizes.total});
  write_item_head(out, kind, body_size);
  write(out);
  RW_ASSERT(out.position() == sizes.total);

  return link_entry(place.block, {.data = place.data,
                                  .size = static_cast<uint32_t>(sizes.total),
                                  .head = static_cast<uint32_t>(sizes.head),
                                  .kind = kind,
                                  .auth_key_id = auth_key_id,
                                  .perm_auth_key_id = perm_auth_key_id});
}

uint32_t SendWindow::link_entry(Block* block, const EncodedItem& item) {
  const uint32_t number = take_entry();
  const Entry entry{item, last_, kNoEntry, block, ++appended_};
  (last_ == kNoEntry ? first_ : entries_[last_].next) = number;
  last_ = number;
  ++entry.block->live;
  ++messages_;
  item_bytes_ += entry.size;
  entries_[number] = entry;
  return number;
}

WindowItem SendWindow::take(uint32_t number) {
  const Entry& entry = entries_[number];
  WindowItem item{entry, entry.block->chunk, entry.serial};
  release(number);
  return item;
}

uint32_t SendWindow::adopt(WindowItem item) {
  return link_entry(adopted_block(std::move(item.chunk)), item);
}

SendWindow::Block* SendWindow::adopted_block(ChunkRef chunk) {
  Block*& known = adopted_[chunk.get()];
  if (known != nullptr) return known;
  auto block = std::make_unique<Block>();
  chunk_bytes_ += chunk->capacity();
  block->used = chunk->capacity();  // others may still write behind these items
  block->chunk = std::move(chunk);
  blocks_.push_back(std::move(block));
  known = blocks_.back().get();
  return known;
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

bool SendWindow::may_allocate(size_t capacity) const noexcept {
  return messages_ == 0 || chunk_bytes_ + capacity <= bytes_max_;
}

SendWindow::Place SendWindow::reserve(size_t size, bool beyond) {
  Block* block = current_;
  if (size > kSharedItemMax) {
    if (!beyond && !may_allocate(size)) return {};
    block = make_block(size);
  } else if (block == nullptr || block->used + size > kWindowChunkBytes) {
    if (!beyond && !may_allocate(kWindowChunkBytes)) return {};
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
  if (!adopted_.empty()) {
    const auto adopted = adopted_.find(block->chunk.get());
    if (adopted != adopted_.end() && adopted->second == block) adopted_.erase(adopted);
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
