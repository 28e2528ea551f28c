#include "harness.h"

#include <condition_variable>

#include "base/assert.h"
#include "base/clock.h"
#include "proxy/byte_buffers.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::proxy::test {

std::shared_ptr<const tl::Contract> contract_of(int layer) {
  static std::mutex mutex;
  static std::map<int, std::shared_ptr<const tl::Contract>> made;
  const std::lock_guard lock(mutex);
  auto& contract = made[layer];
  if (contract == nullptr) {
    auto parsed = tl::parse_schema(*tl::embedded_schema(layer));
    RW_ASSERT(parsed.schema != nullptr);
    contract = tl::Contract::make(std::move(parsed.schema),
                                  tl::options_of_layer(layer, tl::Mode::kExtended))
                   .contract;
    RW_ASSERT(contract != nullptr);
  }
  return contract;
}

Bytes unhex_bytes(std::string_view hex) {
  Bytes out;
  const auto digit = [](char c) { return static_cast<uint8_t>(c <= '9' ? c - '0' : c - 'a' + 10); };
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out.push_back(static_cast<uint8_t>(digit(hex[i]) << 4 | digit(hex[i + 1])));
  }
  return out;
}

std::string unhex(std::string_view hex) { return std::string(as_text(unhex_bytes(hex))); }

client::CallOutcome result_of(std::string_view tl_hex) {
  client::CallOutcome outcome;
  outcome.end = client::CallOutcome::End::kResult;
  outcome.sent = true;
  outcome.result = unhex_bytes(tl_hex);
  return outcome;
}

client::CallOutcome rpc_error(int32_t code, std::string text, int64_t retry_after) {
  client::CallOutcome outcome;
  outcome.end = client::CallOutcome::End::kRpcError;
  outcome.sent = true;
  outcome.code = code;
  outcome.text = std::move(text);
  outcome.retry_after_seconds = retry_after;
  return outcome;
}

client::CallId ScriptedCalls::start(Bytes tl, const client::CallOptions& options,
                                    client::CallSink& sink) {
  client::CallId id = 0;
  {
    const std::lock_guard lock(mutex_);
    id = started_.size() + 1;
    started_.push_back({id, tl, options});
  }
  pending_.emplace(id, &sink);
  if (answer_) {
    if (auto outcome = answer_(tl)) end(id, std::move(*outcome));
  }
  return id;
}

void ScriptedCalls::end(client::CallId call, client::CallOutcome outcome) {
  loop_.post([this, call, outcome = std::move(outcome)]() mutable {
    const auto found = pending_.find(call);
    if (found == pending_.end()) return;
    client::CallSink& sink = *found->second;
    pending_.erase(found);
    if (outcome.settles) settling_.emplace(call, &sink);
    sink.on_call_done(call, std::move(outcome));
  });
}

void ScriptedCalls::cancel(client::CallId call) {
  if (!pending_.contains(call)) return;
  client::CallOutcome outcome;
  outcome.end = client::CallOutcome::End::kCancelled;
  outcome.sent = true;
  outcome.settles = true;
  end(call, std::move(outcome));
  // Only now: who sees it settles the call, on the loop behind that end.
  const std::lock_guard lock(mutex_);
  cancelled_.push_back(call);
}

void ScriptedCalls::on_loop(client::EventLoop::Task task) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  loop_.post([&] {
    task();
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
}

void ScriptedCalls::set_answer(Answer answer) {
  on_loop([&] { answer_ = std::move(answer); });
}
void ScriptedCalls::finish(client::CallId call, client::CallOutcome outcome) {
  on_loop([&] { end(call, std::move(outcome)); });
}
void ScriptedCalls::hold(client::CallId call, bool held) {
  on_loop([&] { pending_.at(call)->on_call_held(call, held); });
}

void ScriptedCalls::settle(client::CallId call) {
  on_loop([&] {
    const auto node = settling_.extract(call);
    RW_ASSERT(!node.empty());
    node.mapped()->on_call_settled(call);
  });
}

std::vector<ScriptedCalls::Started> ScriptedCalls::started() const {
  const std::lock_guard lock(mutex_);
  return started_;
}
size_t ScriptedCalls::started_count() const {
  const std::lock_guard lock(mutex_);
  return started_.size();
}
ScriptedCalls::Started ScriptedCalls::started_at(size_t index) const {
  const std::lock_guard lock(mutex_);
  return started_.at(index);
}
std::vector<client::CallId> ScriptedCalls::cancelled() const {
  const std::lock_guard lock(mutex_);
  return cancelled_;
}
void ScriptedCalls::wait_started(size_t count) const {
  while (started_count() < count) sleep_ns(kNsPerMs);
}

RawCall::RawCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                 std::string_view request, const CallSettings& settings)
    : stub_(channel) {
  for (const auto& [key, value] : settings.metadata) context_.AddMetadata(key, value);
  context_.set_deadline(gpr_time_add(gpr_now(GPR_CLOCK_REALTIME),
                                     gpr_time_from_millis(settings.timeout_ms, GPR_TIMESPAN)));
  context_.set_compression_algorithm(settings.compression);
  reader_ = stub_.PrepareUnaryCall(&context_, path, buffer_of(request), &queue_);
  reader_->StartCall();
  reader_->Finish(&response_, &reply_.status, this);
}

Reply RawCall::wait() {
  void* tag = nullptr;
  bool ok = false;
  RW_ASSERT(queue_.Next(&tag, &ok));
  const FlatBytes body(response_);
  reply_.body = as_text(body.view());
  for (const auto& [key, value] : context_.GetServerTrailingMetadata()) {
    reply_.trailers.emplace(std::string(key.data(), key.size()),
                            std::string(value.data(), value.size()));
  }
  queue_.Shutdown();
  while (queue_.Next(&tag, &ok)) {
  }
  return std::move(reply_);
}

Reply call(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
           std::string_view request, const CallSettings& settings) {
  return RawCall(channel, path, request, settings).wait();
}

RawStream::RawStream(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                     const CallSettings& settings)
    : stub_(channel) {
  for (const auto& [key, value] : settings.metadata) context_.AddMetadata(key, value);
  stream_ = stub_.PrepareCall(&context_, path, &queue_);
  stream_->StartCall(this);
  wait();
}

RawStream::~RawStream() {
  if (!finished_) {
    cancel();
    static_cast<void>(finish());
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

bool RawStream::wait() {
  void* tag = nullptr;
  bool ok = false;
  RW_ASSERT(queue_.Next(&tag, &ok));
  return ok;
}

bool RawStream::write(std::string_view message, bool last) {
  grpc::WriteOptions options;
  if (last) options.set_last_message();
  stream_->Write(buffer_of(message), options, this);
  return wait();
}

std::optional<std::string> RawStream::read() {
  grpc::ByteBuffer buffer;
  stream_->Read(&buffer, this);
  if (!wait()) return std::nullopt;
  return std::string(as_text(FlatBytes(buffer).view()));
}

bool RawStream::wait_open() {
  stream_->ReadInitialMetadata(this);
  return wait();
}

grpc::Status RawStream::finish() {
  grpc::Status status;
  stream_->Finish(&status, this);
  wait();
  finished_ = true;
  return status;
}

void TestServer::append(client::UpdateEvent event, size_t session) {
  loop_.run([&] { journals_[session]->on_update_event(std::move(event)); });
}

LoopThread::LoopThread() : loop_(*client::EventLoop::make()), thread_([this] { loop_->run(); }) {}
LoopThread::~LoopThread() { stop(); }
void LoopThread::stop() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
}
void LoopThread::run(const std::function<void()>& task) {
  std::mutex mutex;
  std::condition_variable changed;
  bool done = false;
  loop_->post([&] {
    task();
    const std::lock_guard lock(mutex);
    done = true;
    changed.notify_one();
  });
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return done; });
}

TestServer::TestServer(std::vector<NamedSession> sessions, ServerOptions options) {
  std::vector<SessionSetup> setups;
  for (const NamedSession& named : sessions) {
    calls_.push_back(std::make_unique<ScriptedCalls>(loop_.loop()));
    SessionSetup setup;
    setup.name = named.name;
    setup.layer = named.layer;
    setup.contract = contract_of(named.layer);
    setup.calls = calls_.back().get();
    journals_.push_back(std::make_unique<Journal>(setup.contract, named.journal));
    setup.journal = journals_.back().get();
    setups.push_back(std::move(setup));
  }
  options.listen = "127.0.0.1:0";
  std::string error;
  server_ = Server::start(options, loop_.loop(), std::move(setups), error);
  RW_ASSERT(server_ != nullptr);
}

TestServer::~TestServer() {
  server_->stop();
  loop_.stop();
}

std::string TestServer::address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

std::shared_ptr<grpc::Channel> TestServer::channel() const {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(-1);
  return grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace ringway::proxy::test
