#include "proxy/rpc_server.h"

#include "proxy/limits.h"

namespace ringway::proxy {

Rpc::Rpc(RpcServer& server) : server_(server), stream_(&context_) {
  context_.AsyncNotifyWhenDone(&gone_);
}

void* Rpc::begin(Tag& tag) noexcept {
  pending_.fetch_add(1, std::memory_order_relaxed);
  return &tag;
}

void Rpc::read(grpc::ByteBuffer& into) { stream_.Read(&into, begin(read_)); }
void Rpc::write(const grpc::ByteBuffer& message) { stream_.Write(message, begin(written_)); }
void Rpc::open() { stream_.SendInitialMetadata(begin(opened_)); }
void Rpc::finish(const grpc::Status& status) { stream_.Finish(status, &finished_); }
void Rpc::write_and_finish(const grpc::ByteBuffer& message) {
  stream_.WriteAndFinish(message, grpc::WriteOptions(), grpc::Status::OK, &finished_);
}

void Rpc::happened(Event event, bool good) {
  switch (event) {
    case Event::kAccepted:
      if (!good) {
        // The server stops, and there was no call.
        server_.done(*this);
        return;
      }
      server_.expect_call();
      handler_ = &server_.acceptor_.accept(*this);
      return;
    case Event::kRead:
      handler_->on_read(good);
      break;
    case Event::kWritten:
      handler_->on_written(good);
      break;
    case Event::kGone:
      if (context_.IsCancelled()) handler_->on_gone();
      break;
    case Event::kOpened:
    case Event::kFinished:
      break;
  }
  if (pending_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  handler_->on_done();
  server_.done(*this);
}

RpcServer::~RpcServer() { stop(kStopTimeoutNs); }

bool RpcServer::start(grpc::ServerBuilder& builder) {
  builder.RegisterAsyncGenericService(&service_);
  queue_ = builder.AddCompletionQueue();
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return false;
  for (int i = 0; i < kExpectedCalls; ++i) expect_call();
  thread_ = std::thread([this] { run(); });
  return true;
}

void RpcServer::expect_call() {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return;
    ++calls_;
  }
  auto* rpc = new Rpc(*this);
  service_.RequestCall(&rpc->context_, &rpc->stream_, queue_.get(), queue_.get(), &rpc->accepted_);
}

void RpcServer::run() {
  void* tag = nullptr;
  bool good = false;
  while (queue_->Next(&tag, &good)) {
    auto* happened = static_cast<Rpc::Tag*>(tag);
    happened->rpc->happened(happened->event, good);
  }
}

void RpcServer::done(Rpc& rpc) {
  delete &rpc;
  const std::lock_guard lock(mutex_);
  if (--calls_ == 0) changed_.notify_all();
}

void RpcServer::stop(int64_t timeout_ns) {
  if (server_ == nullptr) return;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  // What was expected and did not come is given back as failed.
  server_->Shutdown(gpr_time_from_nanos(timeout_ns, GPR_TIMESPAN));
  {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return calls_ == 0; });
  }
  queue_->Shutdown();
  thread_.join();
  server_ = nullptr;
}

}  // namespace ringway::proxy
