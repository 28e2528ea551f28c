// proxy/journal: the last events of a session, in order, for everyone who listens.
//
// The updates engine appends on the loop's thread; listeners read on any thread, each at its own
// place. Nothing ever waits for a listener: what is too old goes, and who has not read it is told
// so. An event's cursor is the journal's epoch, which is new each time that it is made, and the
// event's number; callers take it for a name.
#pragma once

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/slice.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

#include "client/account/update_event.h"
#include "proxy/limits.h"
#include "proxy/update_encoder.h"

namespace ringway::proxy {

// Which of the two streams reads.
enum class Stream : uint8_t {
  kEvents,  // ringway.proxy.v1.Updates: updates and gaps
  kCompat,  // proxy.UpdateStreamer: sources and gaps
};

class Journal final : public client::UpdateSink {
 public:
  struct Limits {
    size_t events_max = kJournalEventsMax;
    size_t bytes_max = kJournalBytesMax;
  };
  struct Counts {
    uint64_t updates = 0;
    uint64_t gaps = 0;
    uint64_t failures = 0;  // objects that the layer does not have
    size_t kept_events = 0;
    size_t kept_bytes = 0;
    uint64_t end = 0;  // the number of the next event
  };
  // Constructors of updates; empty: all.
  using Filter = std::unordered_set<uint32_t>;

  explicit Journal(std::shared_ptr<const tl::Contract> contract);
  Journal(std::shared_ptr<const tl::Contract> contract, Limits limits);

  // The loop's thread.
  void on_update_event(client::UpdateEvent event) override;

  // The rest from any thread.
  // Where a listener that comes without a cursor begins: behind the last event.
  [[nodiscard]] uint64_t end() const;
  struct Place {
    uint64_t position = 0;
    GapReason gap = GapReason::kNone;  // what to say first
  };
  // Behind the event of this cursor, or at the oldest one with kCursorExpired. Nothing for bytes
  // that are no cursor.
  [[nodiscard]] std::optional<Place> find(std::string_view cursor) const;
  [[nodiscard]] std::string cursor_of(uint64_t number) const;
  // An event of the listener's own, behind the event before `position`.
  [[nodiscard]] grpc::ByteBuffer gap_event(GapReason reason, uint64_t position) const;
  [[nodiscard]] grpc::ByteBuffer heartbeat_event(uint64_t position) const;

  struct Read {
    enum class Kind : uint8_t { kNothing, kMore, kMessage, kGap, kOverflow };
    Kind kind = Kind::kNothing;  // kMore: nothing of interest yet, but not at the end
    grpc::ByteBuffer message;    // of kMessage, and of kGap for kEvents
  };
  // The next of interest at or behind `position`, which moves behind it. kOverflow: it had fallen
  // off the end, or was more than `behind_max` events behind; it now is where it goes on.
  [[nodiscard]] Read read(uint64_t& position, Stream stream, const Filter& filter,
                          uint64_t behind_max) const;

  // Called on the loop's thread after each event. Set before the first event, and taken away when
  // none comes any more.
  void set_waker(std::function<void()> waker);
  [[nodiscard]] Counts counts() const;
  [[nodiscard]] const tl::Contract& contract() const noexcept { return encoder_.contract(); }

 private:
  struct Record {
    client::UpdateEvent::Kind kind = client::UpdateEvent::Kind::kUpdate;
    uint32_t type = 0;
    grpc::Slice message;
    grpc::Slice shared;
    size_t bytes = 0;
  };

  std::optional<Record> record_of(const client::UpdateEvent& event, uint64_t number);
  void trim();

  const Limits limits_;
  const uint64_t epoch_;
  UpdateEncoder encoder_;
  uint64_t next_number_ = 1;  // the loop's thread

  mutable std::mutex mutex_;
  // Guarded by mutex_.
  std::deque<Record> records_;
  uint64_t first_ = 1;  // the number of records_.front(), or of the next event
  size_t bytes_ = 0;
  Counts counts_;
  std::function<void()> waker_;
};

}  // namespace ringway::proxy
