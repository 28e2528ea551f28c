// Messages for clients: from a shard to the session's most recently active connection.
#include <cstring>
#include <utility>

#include "base/limits.h"
#include "base/spare_bytes.h"
#include "gateway/flow.h"

namespace ringway::gateway {

bool Flow::fits_frame(size_t plaintext_bytes) noexcept {
  return mtproto::sealed_bytes(plaintext_bytes) <= kServerFrameBytesMax - kFramingBytesMax;
}

// salt, session_id, msg_id, seq_no, length: what every payload starts with.
bool Flow::plausible(ByteView payload) noexcept {
  return payload.size() >= kMessagePrefixBytes && payload.size() % 4 == 0 &&
         fits_frame(payload.size());
}

// Pushes may come in on any worker's link; the key's home knows where they go.
void Flow::on_push(cluster::PushRequest push) {
  const uint32_t home = home_of(push.auth_key_id, shared_.workers);
  if (home == worker_ || !plausible(push.payload)) {
    deliver(std::move(push));
    return;
  }
  // A push that finds no room is refused, not kept: its shard decides what to do with it.
  WorkerMessage message(std::move(push));
  if (backlog_[home].empty() && shared_.post(home, message)) return;
  counters_.add(Counter::kInboxOverflows);
  refuse_push(std::move(std::get<cluster::PushRequest>(message).reply));
}

void Flow::refuse_push(std::unique_ptr<cluster::PushReply> reply) {
  counters_.add(Counter::kPushesRefused);
  if (reply != nullptr) reply->done(false);
}

void Flow::deliver(cluster::PushRequest push) {
  bool sent = false;
  Session* session =
      plausible(push.payload) ? sessions_.find({push.auth_key_id, push.session_id}) : nullptr;
  if (session != nullptr) {
    // A connected session pins its key.
    KeyEntry* entry = keys_.find(push.auth_key_id, now_.unix_seconds());
    if (entry != nullptr && entry->record.key_type != 0 && !admit_push(*entry, push)) return;
    auto& connections = session->connections;
    for (const ConnectionRef* ref = connections.end();
         entry != nullptr && !sent && ref != connections.begin();) {
      --ref;
      if (ref->worker != worker_) {
        sent = send_remote(*ref, *entry, push);
      } else if (Client* client = client_of(*ref); client != nullptr && !client->failed) {
        sent = send_to(*client, *entry, push);
      }
    }
  }
  if (!sent) refuse_push(std::move(push.reply));
  give_spare_bytes(std::move(push.payload));
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
    client.large_seal->wait(&entry, std::move(push.payload), std::move(push.reply));
    return true;
  }
  if (push.payload.size() > kLargeMessageBytes) {
    client.large_seal =
        make_large_seal(client.ref, entry, std::move(push.payload), std::move(push.reply));
    return true;
  }
  if (!outbox_->message(client, entry, push.payload, push.reply)) return false;
  counters_.add(Counter::kPushesDelivered);
  return true;
}

// --- large messages

std::unique_ptr<LargeSeal> Flow::make_large_seal(const ConnectionRef& ref, const KeyEntry& entry,
                                                 Bytes plaintext,
                                                 std::unique_ptr<cluster::PushReply> reply) {
  counters_.add(Counter::kLargeMessages);
  auto seal = std::make_unique<LargeSeal>();
  seal->auth_key = entry.record.key;
  seal->sealed.assign(mtproto::sealed_bytes(plaintext.size()), 0);
  std::memcpy(seal->sealed.data() + kMessageHeaderBytes, plaintext.data(), plaintext.size());
  seal->reply = std::move(reply);
  mtproto::SealJob job;
  job.key = &seal->auth_key;
  job.auth_key_id = entry.record.auth_key_id;
  job.out = seal->sealed;
  job.plaintext_bytes = plaintext.size();
  seal->work = std::make_unique<mtproto::SlicedSeal>(job);
  large_.push_back({ref, true});
  return seal;
}

// The large message goes out, then what has queued behind it, up to the next large one.
void Flow::finish_large_seal(Client& client) {
  const std::unique_ptr<LargeSeal> done = std::move(client.large_seal);
  if (client.failed) return;
  if (!outbox_->payload(client, done->sealed, done->reply)) {
    refuse_push(std::move(done->reply));
    fail(client, 0);
    return;
  }
  counters_.add(Counter::kMessagesSealed);
  if (http_client(client) == nullptr) counters_.add(Counter::kPushesDelivered);
  for (LargeSeal::Waiting& next : done->waiting) {
    cluster::PushRequest push;
    push.payload = std::move(next.plaintext);
    push.reply = std::move(next.reply);
    if (!send_to(client, *next.entry, push)) refuse_push(std::move(push.reply));
  }
}

// --- connections of other workers

// The session's connection lives on another worker: it is sealed here, where the key is.
bool Flow::send_remote(const ConnectionRef& ref, KeyEntry& entry, cluster::PushRequest& push) {
  Inlet* inlet = inlet_of(ref);
  if (inlet == nullptr || inlet->failed) return false;
  if (inlet->large_seal != nullptr) {
    const size_t queued = inlet->large_seal->waiting_bytes + push.payload.size();
    if (queued > shared_.config.limits.output_bytes_per_connection) {
      counters_.add(Counter::kSendQueueOverflows);
      return false;
    }
    inlet->large_seal->wait(&entry, std::move(push.payload), std::move(push.reply));
    return true;
  }
  if (push.payload.size() > kLargeMessageBytes) {
    inlet->large_seal = make_large_seal(ref, entry, std::move(push.payload), std::move(push.reply));
    return true;
  }
  return post_sealed(ref, seal_alone(entry, push.payload), push.reply);
}

Bytes Flow::seal_alone(const KeyEntry& entry, ByteView plaintext) {
  Bytes sealed(mtproto::sealed_bytes(plaintext.size()));
  std::memcpy(sealed.data() + kMessageHeaderBytes, plaintext.data(), plaintext.size());
  mtproto::SealJob job;
  job.key = &entry.record.key;
  job.auth_key_id = entry.record.auth_key_id;
  job.out = sealed;
  job.plaintext_bytes = plaintext.size();
  mtproto::seal_many({&job, 1});
  return sealed;
}

// Takes the reply only when it returns true.
bool Flow::post_sealed(const ConnectionRef& ref, Bytes sealed,
                       std::unique_ptr<cluster::PushReply>& reply) {
  RemoteOutput output;
  output.to = ref;
  output.sealed = std::move(sealed);
  output.reply = std::move(reply);
  WorkerMessage message(std::move(output));
  if (backlog_[ref.worker].empty() && shared_.post(ref.worker, message)) {
    counters_.add(Counter::kMessagesSealed);
    return true;
  }
  counters_.add(Counter::kInboxOverflows);
  reply = std::move(std::get<RemoteOutput>(message).reply);
  return false;
}

void Flow::finish_remote_seal(RemoteInlet& inlet) {
  const std::unique_ptr<LargeSeal> done = std::move(inlet.large_seal);
  if (!post_sealed(inlet.ref, std::move(done->sealed), done->reply)) {
    refuse_push(std::move(done->reply));
  }
  for (LargeSeal::Waiting& next : done->waiting) {
    cluster::PushRequest push;
    push.payload = std::move(next.plaintext);
    push.reply = std::move(next.reply);
    if (!send_remote(inlet.ref, *next.entry, push)) refuse_push(std::move(push.reply));
  }
}

}  // namespace ringway::gateway
