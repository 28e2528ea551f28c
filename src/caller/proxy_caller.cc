// The caller through a proxy; see caller.h.
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <grpc/support/time.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <charconv>
#include <future>

#include "base/listen_address.h"
#include "base/small_file.h"
#include "caller/caller.h"

namespace ringway {
namespace {

constexpr size_t kCaFileBytesMax = 1 << 20;
constexpr int kMessageBytesMax = 16 << 20;
constexpr int64_t kTimeoutMs = 60'000;
constexpr std::string_view kRequestPrefix = "Req";

// "mtproto.l228.ReqHelpGetConfig" is called as "/mtproto.l228.Mtproto/HelpGetConfig". Empty for
// other messages.
std::string path_of(const google::protobuf::Message& request) {
  const std::string& full = request.GetDescriptor()->full_name();
  const std::string& name = request.GetDescriptor()->name();
  if (!name.starts_with(kRequestPrefix) || full.size() <= name.size() + 1) return "";
  return "/" + full.substr(0, full.size() - name.size()) + "Mtproto/" +
         name.substr(kRequestPrefix.size());
}

int number_of(const grpc::ClientContext& context, const char* trailer) {
  const auto found = context.GetServerTrailingMetadata().find(trailer);
  if (found == context.GetServerTrailingMetadata().end()) return 0;
  int number = 0;
  std::from_chars(found->second.data(), found->second.data() + found->second.size(), number);
  return number;
}

class ProxyCaller final : public Caller {
 public:
  ProxyCaller(const ProxyOptions& options, std::shared_ptr<grpc::ChannelCredentials> credentials)
      : options_(options), stub_(make_channel(options, std::move(credentials))) {}

  std::optional<CallError> call(const google::protobuf::Message& request,
                                google::protobuf::Message& answer,
                                std::chrono::milliseconds timeout) override {
    const std::string path = path_of(request);
    if (path.empty()) return CallError{0, request.GetTypeName() + " is no request", 0};
    std::string bytes;
    if (!request.SerializeToString(&bytes)) return CallError{0, "too large", 0};
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer sent(&slice, 1);
    grpc::ByteBuffer received;
    grpc::ClientContext context;
    const int64_t wait_ms = timeout.count() != 0 ? timeout.count() : kTimeoutMs;
    context.set_deadline(
        gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(wait_ms, GPR_TIMESPAN)));
    if (!options_.token.empty()) context.AddMetadata("authorization", "Bearer " + options_.token);
    if (!options_.session.empty()) context.AddMetadata("x-ringway-session", options_.session);
    std::promise<grpc::Status> done;
    stub_.UnaryCall(&context, path, grpc::StubOptions(), &sent, &received,
                    [&done](grpc::Status status) { done.set_value(std::move(status)); });
    const grpc::Status status = done.get_future().get();
    if (!status.ok()) return error_of(context, status);
    grpc::ProtoBufferReader reader(&received);
    if (!answer.ParseFromZeroCopyStream(&reader)) {
      return CallError{0, "the answer is no " + answer.GetTypeName(), 0};
    }
    return std::nullopt;
  }

 private:
  static std::shared_ptr<grpc::Channel> make_channel(
      const ProxyOptions& options, std::shared_ptr<grpc::ChannelCredentials> credentials) {
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(kMessageBytesMax);
    arguments.SetMaxSendMessageSize(kMessageBytesMax);
    return grpc::CreateCustomChannel(options.address, std::move(credentials), arguments);
  }

  static CallError error_of(const grpc::ClientContext& context, const grpc::Status& status) {
    const int code = number_of(context, "x-mtproto-error-code");
    if (code == 0) return {0, status.error_message(), 0};
    const auto& trailers = context.GetServerTrailingMetadata();
    const auto text = trailers.find("x-mtproto-error");
    return {code,
            text == trailers.end() ? status.error_message()
                                   : std::string(text->second.data(), text->second.size()),
            number_of(context, "x-mtproto-retry-after")};
  }

  ProxyOptions options_;
  grpc::GenericStub stub_;
};

}  // namespace

std::unique_ptr<Caller> connect_to_proxy(const ProxyOptions& options, std::string& problem) {
  std::shared_ptr<grpc::ChannelCredentials> credentials = grpc::InsecureChannelCredentials();
  if (options.ca_file.empty() && !options.token.empty() && !is_loopback(options.address)) {
    problem = options.address + ": a token goes to another machine only inside TLS: name a ca_file";
    return nullptr;
  }
  if (!options.ca_file.empty()) {
    const auto pem = read_small_file(options.ca_file, kCaFileBytesMax, FileAccess::kAny, problem);
    if (!pem.ok()) return nullptr;
    grpc::SslCredentialsOptions tls;
    tls.pem_root_certs = as_text(*pem);
    credentials = grpc::SslCredentials(tls);
  }
  return std::make_unique<ProxyCaller>(options, std::move(credentials));
}

}  // namespace ringway
