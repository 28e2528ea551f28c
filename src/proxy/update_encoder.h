// proxy/update_encoder: what happened on a session, as the messages that listeners get.
//
// An event is encoded once, however many listen. Users and chats that came with several updates are
// shared by them in memory. One thread, the loop's.
#pragma once

#include <grpcpp/support/slice.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/account/update_event.h"
#include "tl/contract.h"
#include "tl/layout.h"
#include "tl/output.h"
#include "tl/to_proto.h"

namespace ringway::proxy {

// As ringway.proxy.v1.Gap has them.
enum class GapReason : uint8_t {
  kNone = 0,
  kOverflow = 1,
  kTooLong = 2,
  kChannelTooLong = 3,
  kCursorExpired = 4,
};

struct EncodedUpdate {
  uint32_t type = 0;        // the constructor of the update
  std::string message;      // fields of Event without its cursor
  grpc::Slice shared;       // further fields: users and chats
  size_t shared_bytes = 0;  // 0 where an earlier event has them
};

class UpdateEncoder {
 public:
  explicit UpdateEncoder(std::shared_ptr<const tl::Contract> contract);

  // Of kUpdate. Nothing for TL that the layer does not have.
  [[nodiscard]] std::optional<EncodedUpdate> update(const client::UpdateEvent& event);
  // Of kSource, as a message of proxy.Update; nothing where that has no place for it.
  [[nodiscard]] std::optional<std::string> source(const client::UpdateSource& source);
  [[nodiscard]] static std::string gap(const client::UpdateEvent& event);

  [[nodiscard]] const tl::Contract& contract() const noexcept { return *contract_; }
  // Objects that could not be converted, since this was made.
  [[nodiscard]] uint64_t failures() const noexcept { return failures_; }

 private:
  [[nodiscard]] uint32_t type_named(std::string_view name) const;
  bool add_any(std::string& out, uint32_t field, uint32_t type, ByteView tl);
  grpc::Slice shared_of(const client::UpdateSource& source);
  [[nodiscard]] bool split_combined(ByteView tl, Bytes& out) const;

  const std::shared_ptr<const tl::Contract> contract_;
  const tl::Layout layout_;
  tl::ToProto to_proto_;
  tl::Output out_;
  uint32_t update_type_;
  uint32_t user_type_;
  uint32_t chat_type_;
  // updatesCombined is sent as updates: it has one number more. 0: the layer does not have them so.
  uint32_t combined_id_ = 0;
  uint32_t updates_id_ = 0;
  std::weak_ptr<const client::UpdateSource> last_source_;
  grpc::Slice last_shared_;
  uint64_t failures_ = 0;
};

}  // namespace ringway::proxy
