// client/account/update_event: what an account's updates engine hands on, in its final order.
//
// The engine says each thing once, on the loop's thread: no update twice, none before one that the
// server put before it. What cannot be had any more is a gap. All TL is boxed and of the account's
// layer.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"

namespace ringway::client {

// What updates came in: shared by all updates out of it.
struct UpdateSource {
  // The object as the server sent it: of type Updates, updates.difference or
  // updates.differenceSlice. Empty when there is none that stands for itself (the difference of a
  // channel).
  Bytes original;
  std::vector<Bytes> users;  // each a User
  std::vector<Bytes> chats;  // each a Chat
};

struct UpdateEvent {
  enum class Kind : uint8_t {
    kSource,  // comes before the updates of `source`; the only event of one that holds none
    kUpdate,
    kGap,
  };
  enum class GapReason : uint8_t {
    kTooLong,         // the server gives up on the difference
    kChannelTooLong,  // likewise for one channel
  };

  Kind kind = Kind::kUpdate;
  Bytes update;                                // of kUpdate: one Update
  std::shared_ptr<const UpdateSource> source;  // of kSource and kUpdate; may be null for kUpdate
  // Of kGap.
  GapReason reason = GapReason::kTooLong;
  int64_t channel_id = 0;  // of kChannelTooLong
  int32_t pts = 0;         // from where it goes on
};

class UpdateSink {
 public:
  // Must not call back into the engine.
  virtual void on_update_event(UpdateEvent event) = 0;

 protected:
  ~UpdateSink() = default;
};

}  // namespace ringway::client
