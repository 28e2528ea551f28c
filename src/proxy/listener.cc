#include "proxy/listener.h"

#include <fmt/format.h>

#include <utility>

#include "base/clock.h"
#include "proxy/byte_buffers.h"
#include "proxy/limits.h"
#include "ringway/proxy/v1/updates.pb.h"

namespace ringway::proxy {
namespace {

using grpc::StatusCode;

}  // namespace

Listener::Listener(Rpc& rpc, Stream stream, Session& session, Caller caller, SessionFinder& finder,
                   UpdateHub& hub)
    : rpc_(rpc),
      stream_(stream),
      session_(&session),
      caller_(std::move(caller)),
      finder_(finder),
      hub_(hub) {}

RpcHandler& Listener::make(Rpc& rpc, Stream stream, Session& session, Caller caller,
                           SessionFinder& finder, UpdateHub& hub) {
  std::shared_ptr<Listener> made(
      new Listener(rpc, stream, session, std::move(caller), finder, hub));
  Listener* listener = made.get();
  listener->self_ = std::move(made);
  rpc.read(listener->request_);
  return *listener;
}

void Listener::on_read(bool good) {
  grpc::Status status(StatusCode::INVALID_ARGUMENT, "no request came");
  if (good) {
    const FlatBytes bytes(request_);
    status = open(bytes.view());
    request_.Clear();
  }
  if (status.ok()) {
    // Who waits for the first event sees that the stream stands. Once the hub has it, it may end
    // at any moment, and gRPC takes nothing behind the end.
    rpc_.open();
    status = join();
  }
  if (!status.ok()) {
    end(std::move(status));
    return;
  }
  const int64_t now_ns = read_clocks().mono_ns;
  {
    const std::lock_guard lock(mutex_);
    open_ = true;
    sent_ns_ = now_ns;
  }
  advance(now_ns);
}

grpc::Status Listener::join() {
  switch (hub_.add(shared_from_this())) {
    case UpdateHub::Admission::kAdmitted:
      break;
    case UpdateHub::Admission::kCallerFull:
      return {StatusCode::RESOURCE_EXHAUSTED,
              fmt::format("this caller listens {} times already", kListenersPerCallerMax)};
    case UpdateHub::Admission::kFull:
      return {StatusCode::RESOURCE_EXHAUSTED, "too many listeners"};
    case UpdateHub::Admission::kStopping:
      return {StatusCode::UNAVAILABLE, "the proxy stops"};
  }
  // Tokens that changed since it was identified and before the hub had it.
  return finder_.may_listen(caller_, *session_);
}

grpc::Status Listener::open(ByteView request) {
  if (stream_ == Stream::kEvents) {
    if (grpc::Status status = open_events(request); !status.ok()) return status;
  } else {
    journal_ = session_->journal();
    if (journal_ != nullptr) position_ = journal_->end();
  }
  if (journal_ == nullptr) {
    return {StatusCode::FAILED_PRECONDITION,
            fmt::format("the session {} takes no updates", session_->name())};
  }
  if (!caller_.access->allows_method(kListenMethod)) {
    return {StatusCode::PERMISSION_DENIED,
            fmt::format("{}: not allowed for this caller", kListenMethod)};
  }
  return grpc::Status::OK;
}

grpc::Status Listener::open_events(ByteView bytes) {
  v1::ListenRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return {StatusCode::INVALID_ARGUMENT, "not a ringway.proxy.v1.ListenRequest"};
  }
  if (!request.session().empty()) {
    grpc::Status status = finder_.find_session(request.session(), caller_, session_);
    if (!status.ok()) return status;
  }
  journal_ = session_->journal();
  if (journal_ == nullptr) return grpc::Status::OK;
  if (static_cast<size_t>(request.types_size()) > kListenTypesMax) {
    return {StatusCode::INVALID_ARGUMENT, fmt::format("types: more than {}", kListenTypesMax)};
  }
  for (const std::string& name : request.types()) {
    if (!add_types(name)) {
      return {StatusCode::INVALID_ARGUMENT,
              "types: layer " + std::to_string(session_->layer()) +
                  " has no such update; they are called as in TL, such as updateNewMessage"};
    }
  }
  if (request.buffer() != 0) behind_max_ = request.buffer();
  return begin_at(request.cursor());
}

grpc::Status Listener::begin_at(std::string_view cursor) {
  if (cursor.empty()) {
    position_ = journal_->end();
    return grpc::Status::OK;
  }
  const auto place = journal_->find(cursor);
  if (!place) return {StatusCode::INVALID_ARGUMENT, "cursor: not one of this proxy"};
  position_ = place->position;
  gap_ = place->gap;
  return grpc::Status::OK;
}

bool Listener::add_types(const std::string& name) {
  const tl::Schema& schema = journal_->contract().schema();
  for (uint32_t i = 0; i < schema.constructor_count; ++i) {
    const tl::Combinator& constructor = schema.combinators[i];
    if (constructor.name == name && schema.types[constructor.result.type].name == "Update") {
      filter_.insert(i);
      return true;
    }
  }
  return false;
}

bool Listener::next(int64_t now_ns) {
  if (!open_ || writing_ || ended_) return false;
  if (gap_ != GapReason::kNone) {
    response_ = journal_->gap_event(std::exchange(gap_, GapReason::kNone), position_);
  } else {
    Journal::Read read;
    do {
      read = journal_->read(position_, stream_, filter_, behind_max_);
    } while (read.kind == Journal::Read::Kind::kMore);
    const bool gap =
        read.kind == Journal::Read::Kind::kGap || read.kind == Journal::Read::Kind::kOverflow;
    if (gap && stream_ == Stream::kCompat) {
      // That stream has no words for it.
      ended_ = true;
      end_status_ = {StatusCode::DATA_LOSS, "updates are missing: listen anew and read all state"};
      return false;
    }
    switch (read.kind) {
      case Journal::Read::Kind::kOverflow:
        response_ = journal_->gap_event(GapReason::kOverflow, position_);
        break;
      case Journal::Read::Kind::kMessage:
      case Journal::Read::Kind::kGap:
        response_ = std::move(read.message);
        break;
      case Journal::Read::Kind::kMore:
      case Journal::Read::Kind::kNothing:
        if (stream_ == Stream::kCompat || now_ns - sent_ns_ < hub_.heartbeat_ns()) return false;
        response_ = journal_->heartbeat_event(position_);
        break;
    }
  }
  sent_ns_ = now_ns;
  writing_ = true;
  return true;
}

void Listener::advance(int64_t now_ns) {
  bool write = false;
  bool finish = false;
  {
    const std::lock_guard lock(mutex_);
    write = next(now_ns);
    if (ended_ && !writing_) finish = !std::exchange(finished_, true);
  }
  if (write) rpc_.write(response_);
  if (finish) rpc_.finish(end_status_);
}

void Listener::on_written(bool good) {
  {
    const std::lock_guard lock(mutex_);
    writing_ = false;
    if (!good && !std::exchange(ended_, true)) {
      end_status_ = {StatusCode::CANCELLED, "the listener is gone"};
    }
  }
  advance(read_clocks().mono_ns);
}

void Listener::end(grpc::Status status) {
  {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(ended_, true)) end_status_ = std::move(status);
  }
  advance(0);
}

void Listener::on_gone() { end({StatusCode::CANCELLED, "the listener is gone"}); }

void Listener::stop() { end({StatusCode::UNAVAILABLE, "the proxy stops"}); }

void Listener::judge() {
  grpc::Status status = finder_.may_listen(caller_, *session_);
  if (!status.ok()) end(std::move(status));
}

void Listener::on_done() {
  hub_.remove(*this);
  // The last to know it may be this.
  const std::shared_ptr<Listener> self = std::move(self_);
}

uint64_t Listener::lag() const {
  const std::lock_guard lock(mutex_);
  if (!open_ || ended_) return 0;
  const uint64_t end = journal_->end();
  return end > position_ ? end - position_ : 0;
}

}  // namespace ringway::proxy
