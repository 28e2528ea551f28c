#include "shard/push_stream.h"

#include <utility>

#include "base/limits.h"

namespace ringway::shard {

void PushStream::start(gateway::RPCGatewayStream::Stub& stub) {
  self_ = shared_from_this();
  stub.async()->GatewayDataStream(&context_, this);
  // The hold stands for writes that other threads will start; the end of reading takes it away.
  AddHold();
  StartRead(&response_);
  StartCall();
}

bool PushStream::push(int64_t auth_key_id, int64_t session_id, ByteView payload) {
  {
    const std::lock_guard lock(mutex_);
    if (taken_ || requests_.size() >= kShardGatewayQueueMax) return false;
    auto request = std::make_unique<gateway::GatewayStreamRequest>();
    request->set_request_id(std::to_string(next_request_id_++));
    request->mutable_send_data()->set_auth_key_id(auth_key_id);
    request->mutable_send_data()->set_session_id(session_id);
    request->mutable_send_data()->set_payload(payload.data(), payload.size());
    requests_.push_back(std::move(request));
  }
  write_next();
  return true;
}

void PushStream::write_next() {
  const gateway::GatewayStreamRequest* request = nullptr;
  grpc::WriteOptions options;
  {
    const std::lock_guard lock(mutex_);
    if (ended_ || writing_ != nullptr || started_ == requests_.size()) return;
    request = requests_[started_++].get();
    writing_ = request;
    if (started_ < requests_.size()) options.set_buffer_hint();
  }
  StartWrite(request, options);
}

void PushStream::OnWriteDone(bool ok) {
  bool last = false;
  {
    const std::lock_guard lock(mutex_);
    writing_ = nullptr;
    retired_.reset();
    last = ended_;
  }
  if (last) {
    RemoveHold();
  } else if (ok) {
    write_next();
  }
}

void PushStream::OnReadDone(bool ok) {
  bool go_on = ok;
  bool failed = false;
  int64_t auth_key_id = 0;
  int64_t session_id = 0;
  if (ok) {
    const std::lock_guard lock(mutex_);
    if (started_ == 0 || requests_.front()->request_id() != response_.request_id()) {
      go_on =
          false;  // answers come in order: this gateway cannot be trusted to have taken anything
    } else {
      answered_ = true;
      auth_key_id = requests_.front()->send_data().auth_key_id();
      session_id = requests_.front()->send_data().session_id();
      failed = !response_.success();
      if (requests_.front().get() == writing_) retired_ = std::move(requests_.front());
      requests_.pop_front();
      --started_;
    }
  }
  if (failed) peer_->failed_(auth_key_id, session_id);
  if (go_on) {
    StartRead(&response_);
    return;
  }
  bool idle = false;
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
    idle = writing_ == nullptr;
  }
  context_.TryCancel();
  if (idle) RemoveHold();  // otherwise OnWriteDone does it: a write may be about to start
}

void PushStream::OnDone(const grpc::Status& status) {
  const std::shared_ptr<PushStream> self = std::move(self_);
  peer_->stream_done(this, status);
}

std::deque<std::unique_ptr<gateway::GatewayStreamRequest>> PushStream::take_unanswered() {
  const std::lock_guard lock(mutex_);
  taken_ = true;
  return std::exchange(requests_, {});
}

bool PushStream::was_answered() {
  const std::lock_guard lock(mutex_);
  return answered_;
}

}  // namespace ringway::shard
