// Messages for clients: from a shard to the session's most recently active connection.
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "gateway/flow.h"

namespace ringway::gateway {
namespace {

// salt, session_id, msg_id, seq_no, length: what every payload starts with.
bool plausible(const Bytes& payload) noexcept {
  return payload.size() >= kMessagePrefixBytes && payload.size() % 4 == 0 &&
         mtproto::sealed_bytes(payload.size()) <= kServerFrameBytesMax - kFramingBytesMax;
}

}  // namespace

// Pushes may come in on any worker's link; the key's home knows where they go.
void Flow::on_push(cluster::PushRequest push) {
  const uint32_t home = home_of(push.auth_key_id, shared_.workers);
  if (home == worker_ || !plausible(push.payload)) {
    deliver(std::move(push));
    return;
  }
  // A push that finds no room is refused, not kept: its shard decides what to do with it.
  WorkerMessage message(std::move(push));
  if (!backlog_[home].empty() || !shared_.post(home, std::move(message))) {
    counters_.add(Counter::kInboxOverflows);
    counters_.add(Counter::kPushesRefused);
    auto& refused = std::get<cluster::PushRequest>(message);
    if (refused.reply != nullptr) refused.reply->done(false);
  }
}

void Flow::deliver(cluster::PushRequest push) {
  bool sent = false;
  Session* session =
      plausible(push.payload) ? sessions_.find({push.auth_key_id, push.session_id}) : nullptr;
  if (session != nullptr) {
    // A connected session pins its key.
    KeyEntry* entry = keys_.find(push.auth_key_id, now_.unix_seconds());
    for (auto ref = session->connections.rbegin();
         entry != nullptr && !sent && ref != session->connections.rend(); ++ref) {
      if (ref->worker != worker_) {
        sent = send_remote(*ref, *entry, push);
      } else if (Client* client = client_of(*ref); client != nullptr && !client->failed) {
        sent = send_to(*client, *entry, push);
      }
    }
  }
  if (sent) return;
  counters_.add(Counter::kPushesRefused);
  if (push.reply != nullptr) push.reply->done(false);
}

bool Flow::send_to(Client& client, KeyEntry& entry, cluster::PushRequest& push) {
  const size_t waiting = client.large_seal == nullptr ? 0 : client.large_seal->waiting_bytes;
  const size_t queued = table_->queued_bytes(client.ref.handle) + waiting;
  if (queued + push.payload.size() > shared_.config.limits.output_bytes_per_connection) {
    // It does not read: what is queued is all it will get.
    counters_.add(Counter::kSendQueueOverflows);
    fail(client, 0);
    return false;
  }
  if (client.large_seal != nullptr) {
    client.large_seal->waiting_bytes += push.payload.size();
    client.large_seal->waiting.push_back({&entry, std::move(push.payload), std::move(push.reply)});
    return true;
  }
  if (push.payload.size() > kLargeMessageBytes) {
    start_large_seal(client, entry, std::move(push.payload), std::move(push.reply));
    return true;
  }
  if (!outbox_->message(client, entry, push.payload, push.reply)) return false;
  counters_.add(Counter::kPushesDelivered);
  return true;
}

void Flow::start_large_seal(Client& client, KeyEntry& entry, Bytes plaintext,
                            std::unique_ptr<cluster::PushReply> reply) {
  counters_.add(Counter::kLargeMessages);
  if (client.large_seal == nullptr) client.large_seal = std::make_unique<LargeSeal>();
  LargeSeal& seal = *client.large_seal;
  seal.auth_key = entry.record.key;
  seal.sealed.assign(mtproto::sealed_bytes(plaintext.size()), 0);
  std::memcpy(seal.sealed.data() + kMessageHeaderBytes, plaintext.data(), plaintext.size());
  seal.reply = std::move(reply);
  mtproto::SealJob job;
  job.key = &seal.auth_key;
  job.auth_key_id = entry.record.auth_key_id;
  job.out = seal.sealed;
  job.plaintext_bytes = plaintext.size();
  seal.work = std::make_unique<mtproto::SlicedSeal>(job);
  large_.push_back({client.ref, true});
}

// The large message goes out, then what has queued behind it, up to the next large one.
void Flow::finish_large_seal(Client& client) {
  const std::unique_ptr<LargeSeal> done = std::move(client.large_seal);
  if (client.failed) return;
  if (!outbox_->payload(client, done->sealed, done->reply)) {
    if (done->reply != nullptr) done->reply->done(false);
    fail(client, 0);
    return;
  }
  counters_.add(Counter::kMessagesSealed);
  counters_.add(Counter::kPushesDelivered);
  while (!done->waiting.empty()) {
    LargeSeal::Waiting next = std::move(done->waiting.front());
    done->waiting.pop_front();
    cluster::PushRequest push;
    push.payload = std::move(next.plaintext);
    push.reply = std::move(next.reply);
    if (!send_to(client, *next.entry, push)) {
      counters_.add(Counter::kPushesRefused);
      if (push.reply != nullptr) push.reply->done(false);
    }
  }
}

// The session's connection lives on another worker: it is sealed here, where the key is.
bool Flow::send_remote(const ConnectionRef& ref, const KeyEntry& entry,
                       cluster::PushRequest& push) {
  if (!backlog_[ref.worker].empty()) return false;
  RemoteOutput output;
  output.to = ref;
  output.sealed.assign(mtproto::sealed_bytes(push.payload.size()), 0);
  std::memcpy(output.sealed.data() + kMessageHeaderBytes, push.payload.data(), push.payload.size());
  mtproto::SealJob job;
  job.key = &entry.record.key;
  job.auth_key_id = entry.record.auth_key_id;
  job.out = output.sealed;
  job.plaintext_bytes = push.payload.size();
  mtproto::seal_many({&job, 1});
  counters_.add(Counter::kMessagesSealed);
  output.reply = std::move(push.reply);
  WorkerMessage message(std::move(output));
  if (shared_.post(ref.worker, std::move(message))) return true;
  counters_.add(Counter::kInboxOverflows);
  push.reply = std::move(std::get<RemoteOutput>(message).reply);
  return false;
}

}  // namespace ringway::gateway
