#include "caller/json_call.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>

#include "base/assert.h"
#include "tl/descriptors.h"

namespace ringway {
namespace {

namespace pb = google::protobuf;

}  // namespace

std::optional<JsonAnswer> call_by_json(Caller& caller, const tl::Contract& contract,
                                       std::string_view method, std::string_view json,
                                       std::string& problem) {
  // Linked in, so that the pool below knows it.
  RW_ASSERT(pb::Any::descriptor() != nullptr);
  pb::DescriptorPool pool(pb::DescriptorPool::generated_pool());
  const pb::FileDescriptor* file = pool.BuildFile(tl::types_file(contract));
  RW_ASSERT(file != nullptr);
  const pb::MethodDescriptor* found =
      file->FindServiceByName("Mtproto")->FindMethodByName(tl::proto_name(method));
  if (found == nullptr) {
    problem = fmt::format("no method {} in this layer", method);
    return std::nullopt;
  }
  pb::DynamicMessageFactory factory(&pool);
  const std::unique_ptr<pb::Message> request(factory.GetPrototype(found->input_type())->New());
  const std::unique_ptr<pb::Message> answer(factory.GetPrototype(found->output_type())->New());
  const auto read = pb::util::JsonStringToMessage(std::string(json), request.get());
  if (!read.ok()) {
    problem = std::string(read.message());
    return std::nullopt;
  }
  if (const auto error = caller.call(*request, *answer)) {
    problem = error->code == 0 ? error->text : fmt::format("{} {}", error->code, error->text);
    return std::nullopt;
  }
  pb::util::JsonPrintOptions options;
  options.add_whitespace = true;
  options.preserve_proto_field_names = true;
  JsonAnswer text{found->output_type()->name(), ""};
  const auto printed = pb::util::MessageToJsonString(*answer, &text.json, options);
  if (printed.ok()) return text;
  problem = std::string(printed.message());
  return std::nullopt;
}

}  // namespace ringway
