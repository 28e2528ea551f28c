#include "proxy/reflection.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.pb.h>

#include <algorithm>
#include <set>

#include "base/assert.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "proxy/byte_buffers.h"
#include "ringway/proxy/v1/updates.pb.h"
#include "tl/descriptors.h"

namespace ringway::proxy {
namespace {

namespace wire = grpc::reflection::v1;
using google::protobuf::FileDescriptor;
using google::protobuf::FileDescriptorProto;

constexpr std::string_view kPaths[] = {
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

FileDescriptorProto file_of(const google::protobuf::Descriptor* message) {
  FileDescriptorProto file;
  message->file()->CopyTo(&file);
  return file;
}

// The older version differs in its package's name only.
FileDescriptorProto as_alpha(FileDescriptorProto file) {
  constexpr std::string_view kPackage = ".grpc.reflection.v1.";
  constexpr std::string_view kAlpha = ".grpc.reflection.v1alpha.";
  file.set_name("grpc/reflection/v1alpha/reflection.proto");
  file.set_package("grpc.reflection.v1alpha");
  for (auto& message : *file.mutable_message_type()) {
    for (auto& field : *message.mutable_field()) {
      if (field.has_type_name()) replace_all(*field.mutable_type_name(), kPackage, kAlpha);
    }
  }
  for (auto& method : *file.mutable_service(0)->mutable_method()) {
    replace_all(*method.mutable_input_type(), kPackage, kAlpha);
    replace_all(*method.mutable_output_type(), kPackage, kAlpha);
  }
  return file;
}

void not_found(std::string what, wire::ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(grpc::StatusCode::NOT_FOUND);
  response.mutable_error_response()->set_error_message(std::move(what));
}

class Conversation final : public RpcHandler {
 public:
  Conversation(Rpc& rpc, const Reflection& reflection) : rpc_(rpc), reflection_(reflection) {
    rpc_.read(request_);
  }
  void on_read(bool good) override {
    if (!good) {
      rpc_.finish(grpc::Status::OK);
      return;
    }
    std::string answer;
    {
      const FlatBytes bytes(request_);
      answer = reflection_.answer(as_text(bytes.view()));
    }
    request_.Clear();
    if (answer.empty()) {
      rpc_.finish({grpc::StatusCode::INVALID_ARGUMENT, "not a ServerReflectionRequest"});
      return;
    }
    response_ = buffer_of(answer);
    rpc_.write(response_);
  }
  void on_written(bool good) override {
    if (good) {
      rpc_.read(request_);
    } else {
      rpc_.finish(grpc::Status::CANCELLED);
    }
  }
  void on_done() override { delete this; }

 private:
  ~Conversation() = default;

  Rpc& rpc_;
  const Reflection& reflection_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer response_;
};

}  // namespace

Reflection::Reflection(const std::vector<const tl::Contract*>& contracts) {
  add(file_of(google::protobuf::Any::descriptor()));
  const FileDescriptorProto reflection = file_of(wire::ServerReflectionRequest::descriptor());
  add(reflection);
  add(as_alpha(reflection));
  add(file_of(::ringway::proxy::v1::Event::descriptor()));
  std::set<std::string> packages;
  for (const tl::Contract* contract : contracts) {
    // Sessions of one layer share its package.
    if (packages.insert(contract->options().package).second) add_contract(*contract);
  }
}

void Reflection::add(const FileDescriptorProto& file) {
  const FileDescriptor* built = pool_.BuildFile(file);
  RW_ASSERT(built != nullptr);
  files_.push_back(built);
  FileDescriptorProto complete;
  built->CopyTo(&complete);
  bytes_[built] = complete.SerializeAsString();
}

void Reflection::add_contract(const tl::Contract& contract) {
  FileDescriptorProto types = tl::types_file(contract);
  FileDescriptorProto updates = tl::updates_file(contract);
  if (pool_.FindFileByName(types.name()) != nullptr) {
    const std::string folder = contract.options().package + '/';
    for (auto& dependency : *updates.mutable_dependency()) {
      if (dependency == types.name()) dependency = folder + types.name();
    }
    types.set_name(folder + types.name());
    updates.set_name(folder + updates.name());
  }
  add(types);
  add(updates);
}

bool Reflection::serves(std::string_view path) noexcept {
  return std::find(std::begin(kPaths), std::end(kPaths), path) != std::end(kPaths);
}

RpcHandler& Reflection::serve(Rpc& rpc) const { return *new Conversation(rpc, *this); }

template <typename Response>
void Reflection::add_files(const FileDescriptor& file, Response& response) const {
  std::vector<const FileDescriptor*> waiting = {&file};
  std::set<const FileDescriptor*> seen = {&file};
  while (!waiting.empty()) {
    const FileDescriptor* next = waiting.back();
    waiting.pop_back();
    response.add_file_descriptor_proto(bytes_.at(next));
    for (int i = 0; i < next->dependency_count(); ++i) {
      if (seen.insert(next->dependency(i)).second) waiting.push_back(next->dependency(i));
    }
  }
}

std::string Reflection::answer(std::string_view bytes) const {
  wire::ServerReflectionRequest request;
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return {};
  wire::ServerReflectionResponse response;
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case wire::ServerReflectionRequest::kFileByFilename:
    case wire::ServerReflectionRequest::kFileContainingSymbol: {
      const bool by_name =
          request.message_request_case() == wire::ServerReflectionRequest::kFileByFilename;
      const FileDescriptor* file =
          by_name ? pool_.FindFileByName(request.file_by_filename())
                  : pool_.FindFileContainingSymbol(request.file_containing_symbol());
      if (file == nullptr) {
        not_found(by_name ? "no such file" : "no such symbol", response);
      } else {
        add_files(*file, *response.mutable_file_descriptor_response());
      }
      break;
    }
    case wire::ServerReflectionRequest::kFileContainingExtension:
      not_found("no extensions here", response);
      break;
    case wire::ServerReflectionRequest::kAllExtensionNumbersOfType:
      if (pool_.FindMessageTypeByName(request.all_extension_numbers_of_type()) == nullptr) {
        not_found("no such type", response);
      } else {
        response.mutable_all_extension_numbers_response()->set_base_type_name(
            request.all_extension_numbers_of_type());
      }
      break;
    case wire::ServerReflectionRequest::kListServices:
      for (const FileDescriptor* file : files_) {
        for (int i = 0; i < file->service_count(); ++i) {
          response.mutable_list_services_response()->add_service()->set_name(
              file->service(i)->full_name());
        }
      }
      break;
    case wire::ServerReflectionRequest::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(grpc::StatusCode::INVALID_ARGUMENT);
      response.mutable_error_response()->set_error_message("nothing is asked");
      break;
  }
  return response.SerializeAsString();
}

}  // namespace ringway::proxy
