#include "tl/descriptors.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <vector>

namespace ringway::tl {
namespace {

using google::protobuf::DescriptorProto;
using google::protobuf::FieldDescriptorProto;
using google::protobuf::FileDescriptorProto;
using google::protobuf::MethodDescriptorProto;

constexpr char kAnyName[] = ".google.protobuf.Any";
constexpr char kOneofName[] = "Value";

FieldDescriptorProto::Type proto_type(FieldType type) {
  switch (type) {
    case FieldType::kBool:
      return FieldDescriptorProto::TYPE_BOOL;
    case FieldType::kInt32:
      return FieldDescriptorProto::TYPE_INT32;
    case FieldType::kInt64:
      return FieldDescriptorProto::TYPE_INT64;
    case FieldType::kDouble:
      return FieldDescriptorProto::TYPE_DOUBLE;
    case FieldType::kString:
      return FieldDescriptorProto::TYPE_STRING;
    case FieldType::kBytes:
      return FieldDescriptorProto::TYPE_BYTES;
    case FieldType::kAny:
    case FieldType::kMessage:
      return FieldDescriptorProto::TYPE_MESSAGE;
  }
  return FieldDescriptorProto::TYPE_MESSAGE;
}

std::string_view type_word(FieldDescriptorProto::Type type) {
  switch (type) {
    case FieldDescriptorProto::TYPE_BOOL:
      return "bool";
    case FieldDescriptorProto::TYPE_INT32:
      return "int32";
    case FieldDescriptorProto::TYPE_INT64:
      return "int64";
    case FieldDescriptorProto::TYPE_DOUBLE:
      return "double";
    case FieldDescriptorProto::TYPE_STRING:
      return "string";
    case FieldDescriptorProto::TYPE_BYTES:
      return "bytes";
    default:
      return "another type";
  }
}

std::string message_name(const Contract& contract, uint32_t message) {
  if (message == Contract::kAnyMessage) return kAnyName;
  return "." + contract.full_name(message);
}

void fill_field(const Contract& contract, const FieldSpec& spec, FieldDescriptorProto* field) {
  field->set_name(spec.name);
  field->set_number(static_cast<int32_t>(spec.number));
  field->set_label(spec.repeated ? FieldDescriptorProto::LABEL_REPEATED
                                 : FieldDescriptorProto::LABEL_OPTIONAL);
  field->set_type(proto_type(spec.type));
  if (spec.type == FieldType::kAny) field->set_type_name(kAnyName);
  if (spec.type == FieldType::kMessage) {
    field->set_type_name(message_name(contract, spec.message));
  }
  if (spec.in_oneof) field->set_oneof_index(0);
}

void fill_message(const Contract& contract, const MessageSpec& spec, DescriptorProto* message) {
  message->set_name(spec.name);
  if (!spec.fields.empty() && spec.fields[0].in_oneof) {
    message->add_oneof_decl()->set_name(kOneofName);
  }
  for (const FieldSpec& field_spec : spec.fields) {
    FieldDescriptorProto* field = message->add_field();
    fill_field(contract, field_spec, field);
    if (!field_spec.optional) continue;
    // How proto3 says `optional`: a oneof of this field alone.
    field->set_proto3_optional(true);
    field->set_oneof_index(message->oneof_decl_size());
    message->add_oneof_decl()->set_name("_" + field_spec.name);
  }
}

std::string short_name(const FileDescriptorProto& file, std::string_view full) {
  if (full.starts_with('.')) full.remove_prefix(1);
  if (full.starts_with(file.package() + ".")) full.remove_prefix(file.package().size() + 1);
  return std::string(full);
}

void add_lines(const FileDescriptorProto& file, const DescriptorProto& message,
               std::vector<std::string>& lines) {
  if (message.field_size() == 0) lines.push_back(message.name() + "={}");
  for (const FieldDescriptorProto& field : message.field()) {
    const std::string type = field.type() == FieldDescriptorProto::TYPE_MESSAGE
                                 ? short_name(file, field.type_name())
                                 : std::string(type_word(field.type()));
    const bool in_oneof = field.has_oneof_index() && !field.proto3_optional();
    lines.push_back(fmt::format(
        "{}.{}={}:{}{}{}{}", message.name(), field.name(), field.number(), type,
        field.label() == FieldDescriptorProto::LABEL_REPEATED ? "[]" : "",
        field.proto3_optional() ? "?" : "",
        in_oneof ? "|" + message.oneof_decl(field.oneof_index()).name() : std::string()));
  }
}

}  // namespace

FileDescriptorProto types_file(const Contract& contract) {
  FileDescriptorProto file;
  file.set_name(contract.options().folder + "types.tl.proto");
  file.set_package(contract.options().package);
  file.set_syntax("proto3");
  file.add_dependency("google/protobuf/any.proto");
  for (const MessageSpec& message : contract.messages()) {
    fill_message(contract, message, file.add_message_type());
  }
  auto* service = file.add_service();
  service->set_name("Mtproto");
  const Schema& schema = contract.schema();
  for (uint32_t i = schema.constructor_count; i < schema.combinators.size(); ++i) {
    MethodDescriptorProto* method = service->add_method();
    method->set_name(std::string(contract.method_name(i)));
    method->set_input_type(message_name(contract, i));
    method->set_output_type(message_name(contract, contract.answer_of(i)));
  }
  return file;
}

FileDescriptorProto updates_file(const Contract& contract) {
  const std::string package = "." + contract.options().updates_package;
  FileDescriptorProto file;
  file.set_name(contract.options().folder + "tl_update.proto");
  file.set_package(contract.options().updates_package);
  file.set_syntax("proto3");
  file.add_dependency(contract.options().folder + "types.tl.proto");
  file.add_message_type()->set_name("ListenRequest");
  DescriptorProto* update = file.add_message_type();
  update->set_name("Update");
  if (!contract.updates().empty()) update->add_oneof_decl()->set_name(kOneofName);
  for (const FieldSpec& spec : contract.updates()) fill_field(contract, spec, update->add_field());
  auto* service = file.add_service();
  service->set_name("UpdateStreamer");
  MethodDescriptorProto* method = service->add_method();
  method->set_name("ListenOnUpdates");
  method->set_input_type(package + ".ListenRequest");
  method->set_output_type(package + ".Update");
  method->set_server_streaming(true);
  return file;
}

std::string fingerprint_lines(const FileDescriptorProto& file) {
  std::vector<std::string> lines;
  for (const DescriptorProto& message : file.message_type()) add_lines(file, message, lines);
  for (const auto& service : file.service()) {
    for (const MethodDescriptorProto& method : service.method()) {
      lines.push_back(fmt::format("rpc {}({})={}", method.name(),
                                  short_name(file, method.input_type()),
                                  short_name(file, method.output_type())));
    }
  }
  std::sort(lines.begin(), lines.end());
  std::string text;
  for (const std::string& line : lines) text.append(line).append("\n");
  return text;
}

}  // namespace ringway::tl
