#include "proxy/journal.h"

#include <array>
#include <cstring>

#include "crypto/random.h"
#include "proxy/proto_fields.h"

namespace ringway::proxy {
namespace {

using client::UpdateEvent;

constexpr uint32_t kEventCursor = 1;
constexpr uint32_t kEventGap = 3;
constexpr uint32_t kEventHeartbeat = 4;
constexpr uint32_t kGapReason = 1;
constexpr size_t kCursorBytes = 2 * sizeof(uint64_t);
// How many events one look goes through while others wait for the lock.
constexpr size_t kEventsPerLook = 256;
// What a record takes beside its bytes.
constexpr size_t kRecordOverhead = 128;

uint64_t random_epoch() {
  std::array<uint8_t, sizeof(uint64_t)> bytes;
  crypto::random_bytes(bytes);
  return load_le<uint64_t>(bytes.data());
}

grpc::Slice slice_of(std::string_view text) { return {text.data(), text.size()}; }

}  // namespace

Journal::Journal(std::shared_ptr<const tl::Contract> contract)
    : Journal(std::move(contract), Limits{}) {}

Journal::Journal(std::shared_ptr<const tl::Contract> contract, Limits limits)
    : limits_(limits), epoch_(random_epoch()), encoder_(std::move(contract)) {}

std::string Journal::cursor_of(uint64_t number) const {
  std::string cursor(kCursorBytes, '\0');
  std::memcpy(cursor.data(), &epoch_, sizeof epoch_);
  std::memcpy(cursor.data() + sizeof epoch_, &number, sizeof number);
  return cursor;
}

std::optional<Journal::Record> Journal::record_of(const UpdateEvent& event, uint64_t number) {
  Record record;
  record.kind = event.kind;
  std::string message;
  switch (event.kind) {
    case UpdateEvent::Kind::kSource: {
      if (event.source == nullptr) return std::nullopt;
      auto source = encoder_.source(*event.source);
      if (!source) return std::nullopt;
      message = std::move(*source);
      break;
    }
    case UpdateEvent::Kind::kUpdate: {
      auto update = encoder_.update(event);
      if (!update) return std::nullopt;
      add_bytes(message, kEventCursor, cursor_of(number));
      message += update->message;
      record.type = update->type;
      record.shared = std::move(update->shared);
      record.bytes = update->shared_bytes;
      break;
    }
    case UpdateEvent::Kind::kGap:
      add_bytes(message, kEventCursor, cursor_of(number));
      message += UpdateEncoder::gap(event);
      break;
  }
  record.bytes += message.size() + kRecordOverhead;
  record.message = slice_of(message);
  return record;
}

void Journal::on_update_event(UpdateEvent event) {
  auto record = record_of(event, next_number_);
  std::function<void()> waker;
  {
    const std::lock_guard lock(mutex_);
    counts_.failures = encoder_.failures();
    if (!record) return;
    if (event.kind == UpdateEvent::Kind::kUpdate) ++counts_.updates;
    if (event.kind == UpdateEvent::Kind::kGap) ++counts_.gaps;
    bytes_ += record->bytes;
    records_.push_back(std::move(*record));
    ++next_number_;
    trim();
    waker = waker_;
  }
  if (waker) waker();
}

void Journal::trim() {
  while (!records_.empty() &&
         (records_.size() > limits_.events_max || bytes_ > limits_.bytes_max)) {
    bytes_ -= records_.front().bytes;
    records_.pop_front();
    ++first_;
  }
}

uint64_t Journal::end() const {
  const std::lock_guard lock(mutex_);
  return first_ + records_.size();
}

std::optional<Journal::Place> Journal::find(std::string_view cursor) const {
  if (cursor.size() != kCursorBytes) return std::nullopt;
  const auto* bytes = reinterpret_cast<const uint8_t*>(cursor.data());
  const auto epoch = load_le<uint64_t>(bytes);
  const auto number = load_le<uint64_t>(bytes + sizeof epoch);
  const std::lock_guard lock(mutex_);
  if (epoch != epoch_ || number + 1 < first_ || number >= first_ + records_.size()) {
    return Place{.position = first_, .gap = GapReason::kCursorExpired};
  }
  return Place{.position = number + 1, .gap = GapReason::kNone};
}

grpc::ByteBuffer Journal::gap_event(GapReason reason, uint64_t position) const {
  std::string gap;
  add_number(gap, kGapReason, static_cast<uint64_t>(reason));
  std::string event;
  add_bytes(event, kEventCursor, cursor_of(position - 1));
  add_bytes(event, kEventGap, gap);
  const grpc::Slice slice = slice_of(event);
  return {&slice, 1};
}

grpc::ByteBuffer Journal::heartbeat_event(uint64_t position) const {
  std::string event;
  add_bytes(event, kEventCursor, cursor_of(position - 1));
  add_bytes(event, kEventHeartbeat, {});
  const grpc::Slice slice = slice_of(event);
  return {&slice, 1};
}

Journal::Read Journal::read(uint64_t& position, Stream stream, const Filter& filter,
                            uint64_t behind_max) const {
  using Kind = UpdateEvent::Kind;
  const std::lock_guard lock(mutex_);
  const uint64_t end = first_ + records_.size();
  uint64_t oldest = first_;
  if (end - first_ > behind_max) oldest = end - behind_max;
  if (position < oldest) {
    position = oldest;
    return {.kind = Read::Kind::kOverflow, .message = {}};
  }
  for (size_t looked = 0; position < end; ++looked) {
    if (looked == kEventsPerLook) return {.kind = Read::Kind::kMore, .message = {}};
    const Record& record = records_[position - first_];
    ++position;
    const bool gap = record.kind == Kind::kGap;
    const bool wanted =
        gap || (stream == Stream::kCompat ? record.kind == Kind::kSource
                                          : record.kind == Kind::kUpdate &&
                                                (filter.empty() || filter.contains(record.type)));
    if (!wanted) continue;
    const std::array<grpc::Slice, 2> slices = {record.message, record.shared};
    return {.kind = gap ? Read::Kind::kGap : Read::Kind::kMessage,
            .message = {slices.data(), record.shared.size() == 0 ? size_t{1} : slices.size()}};
  }
  return {};
}

void Journal::set_waker(std::function<void()> waker) {
  const std::lock_guard lock(mutex_);
  waker_ = std::move(waker);
}

Journal::Counts Journal::counts() const {
  const std::lock_guard lock(mutex_);
  Counts counts = counts_;
  counts.kept_events = records_.size();
  counts.kept_bytes = bytes_;
  counts.end = first_ + records_.size();
  return counts;
}

}  // namespace ringway::proxy
