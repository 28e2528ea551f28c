#include "shard/shard.h"

#include <fmt/format.h>
#include <grpcpp/grpcpp.h>

#include "base/log.h"
#include "shard/core.h"
#include "shard/link_wire.h"
#include "shard/stream_wire.h"
#include "shard/unary_wire.h"

namespace ringway::shard {

struct ReferenceShard::Running {
  std::shared_ptr<ShardCore> core;
  std::unique_ptr<UnaryService> unary;
  std::unique_ptr<StreamService> stream;
  std::unique_ptr<LinkService> link;
  std::unique_ptr<grpc::Server> server;
  int port = 0;
};

std::string parse_wires(std::string_view text, ShardOptions& options) {
  options.wire_batch = options.wire_stream = options.wire_unary = false;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find(','));
    if (name == "batch") {
      options.wire_batch = true;
    } else if (name == "stream") {
      options.wire_stream = true;
    } else if (name == "unary") {
      options.wire_unary = true;
    } else {
      return fmt::format("unknown wire '{}'; known: batch, stream, unary", name);
    }
    text.remove_prefix(std::min(text.size(), name.size() + 1));
  }
  if (!options.wire_batch && !options.wire_stream && !options.wire_unary) return "no wire is named";
  return "";
}

ReferenceShard::ReferenceShard() = default;
ReferenceShard::~ReferenceShard() { shutdown(0); }

std::string ReferenceShard::start(const ShardOptions& options) {
  RW_ASSERT(running_ == nullptr);
  std::unique_ptr<KeyStore> keys;
  if (options.data_dir.empty()) {
    keys = make_memory_key_store();
  } else {
    OpenedKeyStore opened = open_lmdb_key_store(options.data_dir);
    if (opened.store == nullptr) return opened.failure;
    keys = std::move(opened.store);
  }
  std::unique_ptr<Recorder> recorder;
  if (!options.record_path.empty()) {
    recorder = Recorder::open(options.record_path);
    if (recorder == nullptr)
      return fmt::format("cannot open {} for recording", options.record_path);
  }

  std::unique_ptr<messenger::Messenger> messenger;
  if (options.messenger) {
    auto opened = messenger::Messenger::open(
        {options.data_dir, options.messenger_users, options.messenger_code});
    if (opened.messenger == nullptr) return opened.failure;
    messenger = std::move(opened.messenger);
  }

  auto running = std::make_unique<Running>();
  CoreOptions core_options;
  core_options.service.dc = {options.dc_id, options.public_host, options.public_port};
  core_options.service.push_echo = options.push_echo;
  core_options.service.load_tally = options.load_tally;
  core_options.faults = options.faults;
  running->core = ShardCore::make(std::move(core_options), std::move(keys), std::move(recorder),
                                  std::move(messenger));

  grpc::ServerBuilder builder;
  builder.AddListeningPort(options.listen, grpc::InsecureServerCredentials(), &running->port);
  builder.SetMaxReceiveMessageSize(static_cast<int>(kGrpcMessageBytesMax));
  // Two shards on one port would each get half of the calls.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  running->unary = std::make_unique<UnaryService>(running->core, options.wire_unary);
  builder.RegisterService(running->unary.get());
  if (options.wire_stream) {
    running->stream = std::make_unique<StreamService>(running->core);
    builder.RegisterService(running->stream.get());
  }
  if (options.wire_batch) {
    running->link = std::make_unique<LinkService>(running->core);
    builder.RegisterService(running->link.get());
  }
  running->server = builder.BuildAndStart();
  if (running->server == nullptr || running->port == 0) {
    return fmt::format("cannot listen on {}", options.listen);
  }
  running_ = std::move(running);
  log_info("shard", "reference shard on port {}: wires{}{}{}, keys {}", running_->port,
           options.wire_batch ? " batch" : "", options.wire_stream ? " stream" : "",
           options.wire_unary ? " unary" : "",
           options.data_dir.empty() ? "in memory" : "in " + options.data_dir);
  return "";
}

uint16_t ReferenceShard::port() const noexcept {
  return running_ == nullptr ? uint16_t{0} : static_cast<uint16_t>(running_->port);
}

void ReferenceShard::shutdown(int64_t grace_ns) {
  if (running_ == nullptr) return;
  running_->server->Shutdown(
      gpr_time_add(gpr_now(GPR_CLOCK_REALTIME), gpr_time_from_nanos(grace_ns, GPR_TIMESPAN)));
  running_->core->stop();
  running_->server->Wait();
  running_.reset();
}

bool ReferenceShard::push(int64_t auth_key_id, int64_t session_id, ByteView body) {
  return running_ != nullptr && running_->core->push(auth_key_id, session_id, body, read_clocks());
}

ShardStats ReferenceShard::stats() const {
  if (running_ == nullptr) return {};
  const CoreStats stats = running_->core->stats();
  return {stats.messages,
          stats.refused,
          stats.answers,
          stats.pushes_failed,
          running_->core->session_count(),
          running_->core->messenger_counts()};
}

}  // namespace ringway::shard
