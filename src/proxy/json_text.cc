#include "proxy/json_text.h"

#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/type_resolver_util.h>

#include <algorithm>
#include <cctype>

#include "base/assert.h"
#include "tl/descriptors.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace ringway::proxy {
namespace {

namespace pb = google::protobuf;

constexpr const char* kTypeUrl = "type.googleapis.com";
constexpr size_t kHintsMax = 8;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

}  // namespace

struct JsonText::Impl {
  explicit Impl(const tl::Layout& of)
      : layout(of), pool(pb::DescriptorPool::generated_pool()), to_tl(of), to_proto(of) {
    // Linked in, so that the pool below knows it.
    RW_ASSERT(pb::Any::descriptor() != nullptr);
    RW_ASSERT(pool.BuildFile(tl::types_file(of.contract())) != nullptr);
    resolver.reset(pb::util::NewTypeResolverForDescriptorPool(kTypeUrl, &pool));
  }

  Result<std::string> json_of(const std::string& full_name, ByteView proto, std::string& problem) {
    pb::util::JsonPrintOptions options;
    options.add_whitespace = true;
    options.preserve_proto_field_names = true;
    std::string json;
    const auto status =
        pb::util::BinaryToJsonString(resolver.get(), fmt::format("{}/{}", kTypeUrl, full_name),
                                     std::string(as_text(proto)), &json, options);
    if (!status.ok()) {
      problem = std::string(status.message());
      return Error::kMalformed;
    }
    return json;
  }

  const tl::Layout& layout;
  pb::DescriptorPool pool;
  std::unique_ptr<pb::util::TypeResolver> resolver;
  tl::ToTl to_tl;
  tl::ToProto to_proto;
  tl::Output output;
};

JsonText::JsonText(const tl::Layout& layout) : impl_(std::make_unique<Impl>(layout)) {}
JsonText::~JsonText() = default;

Result<uint32_t> JsonText::method(std::string_view name, std::string& problem) const {
  const tl::Schema& schema = impl_->layout.contract().schema();
  std::string near;
  size_t hints = 0;
  const std::string wanted = lower(name);
  for (uint32_t i = schema.constructor_count; i < schema.combinators.size(); ++i) {
    const std::string& tl_name = schema.combinators[i].name;
    if (name == tl_name || name == impl_->layout.contract().method_name(i)) return i;
    if (!wanted.empty() && hints < kHintsMax && lower(tl_name).find(wanted) != std::string::npos) {
      near += fmt::format("{}{}", hints++ == 0 ? "" : ", ", tl_name);
    }
  }
  problem = fmt::format("no method \"{}\" in this layer", name);
  if (hints != 0) problem += "; there are " + near;
  return Error::kNotFound;
}

Result<uint32_t> JsonText::to_call(uint32_t method, std::string_view json, Bytes& tl,
                                   std::string& problem) {
  Impl& impl = *impl_;
  // Req messages have the index of their method.
  const std::string name = impl.layout.contract().full_name(method);
  std::string proto;
  const auto status =
      pb::util::JsonToBinaryString(impl.resolver.get(), fmt::format("{}/{}", kTypeUrl, name),
                                   json.empty() ? "{}" : std::string(json), &proto);
  if (!status.ok()) {
    problem = std::string(status.message());
    return Error::kInvalidArgument;
  }
  impl.output.clear();
  const auto answered = impl.to_tl.request(method, as_bytes(proto), impl.output);
  if (!answered.ok()) {
    problem = describe(impl.layout.contract(), impl.to_tl.problem(), method);
    return Error::kInvalidArgument;
  }
  tl.insert(tl.end(), impl.output.bytes().begin(), impl.output.bytes().end());
  return answered;
}

Result<std::string> JsonText::answer(uint32_t method, uint32_t answered, ByteView tl,
                                     std::string& problem) {
  Impl& impl = *impl_;
  const tl::Contract& contract = impl.layout.contract();
  impl.output.clear();
  // As the message itself, where the method's own would be an Any around it.
  if (contract.answer_of(method) == tl::Contract::kAnyMessage) method = answered;
  if (!impl.to_proto.answer(method, answered, tl, impl.output).ok()) {
    problem = describe(contract, impl.to_proto.problem(), method);
    return Error::kMalformed;
  }
  return impl.json_of(contract.full_name(contract.answer_of(method)), impl.output.bytes(), problem);
}

Result<std::string> JsonText::object(ByteView tl, std::string& problem) {
  Impl& impl = *impl_;
  const tl::Contract& contract = impl.layout.contract();
  impl.output.clear();
  const auto combinator = impl.to_proto.combinator(tl, impl.output);
  if (!combinator.ok()) {
    problem = describe(contract, impl.to_proto.problem());
    return combinator.error();
  }
  RW_TRY_ASSIGN(const std::string fields,
                impl.json_of(contract.full_name(*combinator), impl.output.bytes(), problem));
  return fmt::format("{} {}", contract.schema().combinators[*combinator].name, fields);
}

}  // namespace ringway::proxy
