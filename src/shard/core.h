// shard/core: what the shard does with a call, whatever wire brought it.
//
// Any thread may call it. Messages of one session that come one after the other on a wire are
// served in that order. Answers are in the caller's Outbox when take() returns; the wire sends them
// on, or hands them to deliver().
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "session.pb.h"
#include "shard/faults.h"
#include "shard/gateway_peer.h"
#include "shard/key_store.h"
#include "shard/recorder.h"
#include "shard/service.h"
#include "shard/session_table.h"

namespace ringway::shard {

// gRPC status codes and Teamgram's, as they stand on the wire.
inline constexpr int32_t kCodeInvalidArgument = 3;
inline constexpr int32_t kCodeInternal = 13;
inline constexpr int32_t kCodeUnavailable = 14;
inline constexpr int32_t kCodeKeyUnregistered = 401;
inline constexpr const char* kTextKeyUnregistered = "AUTH_KEY_UNREGISTERED";

struct Outcome {
  int32_t code = 0;  // 0: taken
  const char* text = "";
  HttpWait http_wait;

  [[nodiscard]] bool ok() const noexcept { return code == 0; }
};

struct CoreOptions {
  ServiceOptions service;
  Faults faults;
};

struct CoreStats {
  uint64_t messages = 0;  // taken
  uint64_t refused = 0;
  uint64_t answers = 0;        // payloads made
  uint64_t pushes_failed = 0;  // reported as not delivered
};

class ShardCore {
 public:
  // `recorder` may be null, and `messenger` too, which is then the service's.
  [[nodiscard]] static std::shared_ptr<ShardCore> make(
      CoreOptions options, std::unique_ptr<KeyStore> keys, std::unique_ptr<Recorder> recorder,
      std::unique_ptr<messenger::Messenger> messenger = nullptr);
  ~ShardCore();
  ShardCore(const ShardCore&) = delete;
  ShardCore& operator=(const ShardCore&) = delete;

  // Serves one message. `route` is where later pushes to this session go.
  Outcome take(const session::SessionClientData& data, const PushRoute& route, Now now,
               Outbox& outbox);
  // Sends the answers of take() through the session's gateway.
  void deliver(const session::SessionClientData& data, const PushRoute& route,
               const Outbox& outbox);
  void close(const session::SessionClientEvent& event, Wire wire);
  // A push did not reach its client: what is unacknowledged goes again when the session next
  // speaks.
  void push_failed(int64_t auth_key_id, int64_t session_id);
  // Holds a poll of the session open, which is woken when there is something to collect(). True:
  // there is already, and it is in `outbox`.
  bool hold_poll(int64_t auth_key_id, int64_t session_id, const std::shared_ptr<Poll>& poll,
                 Now now, Outbox& outbox);
  // What has not been delivered to the session; false when there is nothing.
  bool collect(int64_t auth_key_id, int64_t session_id, Now now, Outbox& outbox);
  // Sends a message nobody asked for; false when the session is not known. `body` is one TL object.
  bool push(int64_t auth_key_id, int64_t session_id, ByteView body, Now now);

  // Stores a key; `done` may run on another thread.
  void set_auth_key(const session::TL_session_setAuthKey& request, Now now,
                    std::function<void(bool stored)> done);
  // Fills `info`, or tells why not.
  Outcome query_auth_key(int64_t auth_key_id, Now now, ::mtproto::AuthKeyInfo& info);

  // Where answers go when they cannot go back on the wire; null for an empty address.
  [[nodiscard]] std::shared_ptr<GatewayPeer> gateway(std::string_view server_id) {
    return gateways_.find(server_id);
  }
  [[nodiscard]] const Faults& faults() const noexcept { return options_.faults; }
  [[nodiscard]] CoreStats stats() const noexcept;
  // Nothing without a messenger.
  [[nodiscard]] std::optional<messenger::Counts> messenger_counts() const;
  [[nodiscard]] size_t session_count() { return table_.session_count(); }
  // Ends calls to gateways and commits the keys that wait. Not from a callback.
  void stop();

 private:
  ShardCore(CoreOptions options, std::unique_ptr<KeyStore> keys, std::unique_ptr<Recorder> recorder,
            std::unique_ptr<messenger::Messenger> messenger);
  // Holds no lock of a session: each update takes that of its own.
  void deliver_updates(Now now);
  [[nodiscard]] bool user_exists(const session::SessionClientData& data, Now now);
  void record(const session::SessionClientData& data, Wire wire, const Outcome& outcome);

  const CoreOptions options_;
  const std::unique_ptr<Recorder> recorder_;
  const std::unique_ptr<KeyStore> keys_;
  const std::unique_ptr<messenger::Messenger> messenger_;  // may be null
  const Service service_;
  SessionTable table_;
  GatewayPeers gateways_;
  std::atomic<int64_t> set_auth_key_refusals_;
  std::atomic<uint64_t> messages_{0};
  std::atomic<uint64_t> refused_{0};
  std::atomic<uint64_t> answers_{0};
  std::atomic<uint64_t> pushes_failed_{0};
};

}  // namespace ringway::shard
