#include "gateway/outbox.h"

#include <cstring>
#include <utility>

#include "base/spare_bytes.h"

namespace ringway::gateway {

Outbox::Outbox(net::ConnectionTable& table, CounterBlock& counters, WorkerStatusBoard& status)
    : table_(table), counters_(counters), status_(status) {}

ByteSpan Outbox::room(Client& client, size_t bytes, Bytes& staged) {
  if (client.doors == nullptr) return table_.reserve(client.ref.handle, bytes);
  const size_t wanted = Doors::wrapped_bytes_max(bytes);
  if (client.doors->staged_bytes() + wanted > table_.output_room(client.ref.handle)) {
    counters_.add(Counter::kSendQueueOverflows);
    return {};
  }
  client.doors->stage(wanted);
  staged = take_spare_bytes(bytes);
  staged.resize(bytes);
  return staged;
}

bool Outbox::begin_frame(Client& client, size_t payload_bytes, ByteSpan& payload,
                         std::unique_ptr<cluster::PushReply>* reply) {
  // Before the first bytes have told the transport there is nothing to answer in.
  if (client.transport.kind() == mtproto::TransportKind::kUndecided) return false;
  if (!table_.is_open(client.ref.handle)) return false;
  const auto plan = client.transport.plan(payload_bytes);
  Bytes staged;
  const ByteSpan frame = room(client, plan.frame_bytes, staged);
  if (frame.empty()) return false;
  client.transport.lay_out(plan, frame);
  payload = frame.subspan(plan.header_bytes, payload_bytes);
  pieces_.push_back(
      {&client, frame, std::move(staged), plan, reply != nullptr ? std::move(*reply) : nullptr});
  return true;
}

bool Outbox::payload(Client& client, ByteView payload) {
  std::unique_ptr<cluster::PushReply> none;
  return this->payload(client, payload, none);
}

bool Outbox::payload(Client& client, ByteView payload, std::unique_ptr<cluster::PushReply>& reply) {
  ByteSpan place;
  if (!begin_frame(client, payload.size(), place, &reply)) return false;
  std::memcpy(place.data(), payload.data(), payload.size());
  return true;
}

bool Outbox::transport_error(Client& client, int32_t code) {
  uint8_t bytes[sizeof code];
  store_le(bytes, code);
  return payload(client, bytes);
}

bool Outbox::quick_ack(Client& client, uint32_t token) {
  std::array<uint8_t, mtproto::ServerTransport::kQuickAckBytesMax> bytes{};
  const size_t size = client.transport.write_quick_ack(token, bytes);
  if (size == 0) return true;
  Bytes staged;
  const ByteSpan place = room(client, size, staged);
  if (place.empty()) return false;
  std::memcpy(place.data(), bytes.data(), size);
  pieces_.push_back({&client, place, std::move(staged), {}, nullptr});
  counters_.add(Counter::kQuickAcks);
  return true;
}

bool Outbox::message(Client& client, const KeyEntry& entry, ByteView plaintext,
                     std::unique_ptr<cluster::PushReply>& reply) {
  ByteSpan place;
  if (!begin_frame(client, mtproto::sealed_bytes(plaintext.size()), place, &reply)) return false;
  std::memcpy(place.data() + kMessageHeaderBytes, plaintext.data(), plaintext.size());
  mtproto::SealJob job;
  job.key = &entry.record.key;
  job.auth_key_id = entry.record.auth_key_id;
  job.out = place;
  job.plaintext_bytes = plaintext.size();
  jobs_.push_back(job);
  return true;
}

void Outbox::finish_turn() {
  last_batch_ = jobs_.size();
  if (!jobs_.empty()) {
    mtproto::seal_many(jobs_);
    counters_.add(Counter::kMessagesSealed, jobs_.size());
    jobs_.clear();
  }
  answered_.clear();
  for (Piece& piece : pieces_) send(piece);
  pieces_.clear();
}

void Outbox::send(Piece& piece) {
  Client& client = *piece.client;
  if (piece.plan.frame_bytes != 0) client.transport.finish(piece.plan, piece.bytes);
  client.transport.encrypt_output(piece.bytes);
  bool sent = true;
  if (piece.staged.empty()) {
    table_.commit(client.ref.handle);
    status_.listener(client.listener).sent(piece.bytes.size());
  } else {
    client.doors->unstage(Doors::wrapped_bytes_max(piece.bytes.size()));
    wrapped_.clear();
    const bool awaited = client.doors->awaits_answer();
    const bool wrapped = client.doors->wrap(piece.bytes, wrapped_);
    if (awaited && wrapped) answered_.push_back(&client);
    sent = wrapped && table_.write_owed(client.ref.handle, wrapped_);
    if (sent) status_.listener(client.listener).sent(wrapped_.size());
    give_spare_bytes(std::move(piece.staged));
    // A stream with a hole in it is of no use to anybody. Doors that are shut stay shut, and a
    // client that has failed is closed behind what they have said to it.
    const bool ends_anyway = client.failed && !wrapped;
    if (!sent && !ends_anyway && table_.is_open(client.ref.handle)) {
      table_.close(client.ref.handle, net::CloseMode::kNow);
    }
  }
  if (piece.reply != nullptr) piece.reply->done(sent);
}

}  // namespace ringway::gateway
