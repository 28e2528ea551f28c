#include "client/account/replay.h"

#include <fmt/format.h>

#include "base/limits.h"
#include "client/inbound.h"
#include "client/objects.h"
#include "mtproto/client_transport.h"
#include "mtproto/message_v1.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

class Replay {
 public:
  Replay(const AuthKeyBytes& key, const std::function<void(int64_t, ByteView)>& visit)
      : key_(key), key_id_(mtproto::auth_key_id(key)), visit_(visit), transport_(options()) {}

  Result<void> record(int64_t unix_ns, ByteView bytes);
  [[nodiscard]] ReplayCounts& counts() noexcept { return counts_; }

 private:
  static mtproto::ClientTransportOptions options() {
    mtproto::ClientTransportOptions options;
    options.kind = mtproto::TransportKind::kAbridged;
    return options;
  }
  Result<void> frame(int64_t unix_ns, ByteSpan frame);
  Result<void> message(int64_t unix_ns, const InboundPart& message);

  const AuthKeyBytes& key_;
  int64_t key_id_;
  const std::function<void(int64_t, ByteView)>& visit_;
  mtproto::ClientTransport transport_;
  ReplayCounts counts_;
};

Result<void> Replay::record(int64_t unix_ns, ByteView bytes) {
  using Event = mtproto::ServerTransport::Event;
  ++counts_.records;
  Bytes copy(bytes.begin(), bytes.end());
  transport_.receive(copy);
  while (true) {
    mtproto::ServerEvent event;
    const Event next = transport_.next(event);
    if (next == Event::kError) return transport_.error();
    if (next != Event::kFrame) return {};
    if (event.kind == mtproto::ServerEvent::Kind::kFrame) RW_TRY(frame(unix_ns, event.payload));
  }
}

Result<void> Replay::frame(int64_t unix_ns, ByteSpan frame) {
  if (frame.size() < kMessageHeaderBytes || load_le<int64_t>(frame.data()) != key_id_) {
    ++counts_.foreign;
    return {};
  }
  // Opening in place spoils it for the other version.
  const auto old = mtproto::open_v1(key_, frame, mtproto::Sender::kServer);
  if (old.ok()) return message(unix_ns, {old->header.msg_id, old->header.seq_no, old->body});
  mtproto::OpenJob job;
  job.key = &key_;
  job.frame = frame;
  job.sender = mtproto::Sender::kServer;
  mtproto::open_many({&job, 1});
  if (job.error != Error::kNone) return job.error;
  const size_t before_body = job.payload.size() - job.header.body_bytes;
  return message(
      unix_ns, {job.header.msg_id, job.header.seq_no, ByteView(job.payload).subspan(before_body)});
}

Result<void> Replay::message(int64_t unix_ns, const InboundPart& message) {
  std::vector<InboundPart> parts;
  RW_TRY(split_message(message, parts));
  for (const InboundPart& part : parts) {
    ++counts_.messages;
    ByteView body = part.body;
    if (constructor_of(body) == mtproto::constructor::kRpcResult) {
      // The result stands behind the id of its request.
      constexpr size_t kResultAt = 12;
      if (body.size() < kResultAt) return Error::kTruncated;
      body = body.subspan(kResultAt);
    }
    if (constructor_of(body) != mtproto::constructor::kGzipPacked) {
      visit_(unix_ns, body);
      continue;
    }
    RW_TRY_ASSIGN(const Bytes unpacked, unpack_gzip(body, kClientInflateBytesMax));
    visit_(unix_ns, unpacked);
  }
  return {};
}

}  // namespace

Result<ReplayCounts> replay(ByteView recording, const AuthKeyBytes& key,
                            const std::function<void(int64_t, ByteView)>& visit,
                            std::string& problem) {
  Replay state(key, visit);
  ByteReader reader(recording);
  const auto fail = [&](Error error) {
    problem = fmt::format("record {}, byte {}: {}", state.counts().records + 1,
                          recording.size() - reader.remaining(), to_string(error));
    return error;
  };
  while (!reader.empty()) {
    const auto number = reader.i64();
    const auto unix_ns = reader.i64();
    const auto size = reader.u32();
    if (!number.ok() || !unix_ns.ok() || !size.ok()) return fail(Error::kTruncated);
    const auto bytes = reader.bytes(*size);
    if (!bytes.ok()) return fail(Error::kTruncated);
    const auto taken = state.record(*unix_ns, *bytes);
    if (!taken.ok()) return fail(taken.error());
  }
  return state.counts();
}

}  // namespace ringway::client
