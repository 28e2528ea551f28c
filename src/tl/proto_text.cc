#include "tl/proto_text.h"

#include <fmt/format.h>

#include <iterator>
#include <string_view>

namespace ringway::tl {
namespace {

using Out = std::back_insert_iterator<std::string>;

constexpr std::string_view kAnyName = "google.protobuf.Any";

std::string_view type_word(const Contract& contract, const FieldSpec& field) {
  switch (field.type) {
    case FieldType::kBool:
      return "bool";
    case FieldType::kInt32:
      return "int32";
    case FieldType::kInt64:
      return "int64";
    case FieldType::kDouble:
      return "double";
    case FieldType::kString:
      return "string";
    case FieldType::kBytes:
      return "bytes";
    case FieldType::kAny:
      return kAnyName;
    case FieldType::kMessage:
      return contract.messages()[field.message].name;
  }
  return {};
}

void write_message(const Contract& contract, const MessageSpec& message, Out out) {
  if (!message.comment.empty()) fmt::format_to(out, "// {}\n", message.comment);
  if (message.fields.empty()) {
    fmt::format_to(out, "message {} {{}}\n\n", message.name);
    return;
  }
  fmt::format_to(out, "message {} {{\n", message.name);
  const bool oneof = message.fields[0].in_oneof;
  if (oneof) fmt::format_to(out, "  oneof Value {{\n");
  for (const FieldSpec& field : message.fields) {
    fmt::format_to(out, "{}{}{} {} = {};\n", oneof ? "    " : "  ",
                   field.repeated   ? "repeated "
                   : field.optional ? "optional "
                                    : "",
                   type_word(contract, field), field.name, field.number);
  }
  if (oneof) fmt::format_to(out, "  }}\n");
  fmt::format_to(out, "}}\n\n");
}

}  // namespace

std::string types_proto_text(const Contract& contract) {
  std::string text;
  const Out out(text);
  fmt::format_to(out,
                 "// Made from a TL schema by ringway-proxy. Numbers and names are the contract: "
                 "do not edit.\nsyntax = \"proto3\";\n\npackage {};\n\n"
                 "import \"google/protobuf/any.proto\";\n\n",
                 contract.options().package);
  for (const MessageSpec& message : contract.messages()) write_message(contract, message, out);
  fmt::format_to(out, "service Mtproto {{\n");
  const Schema& schema = contract.schema();
  for (uint32_t i = schema.constructor_count; i < schema.combinators.size(); ++i) {
    const uint32_t answer = contract.answer_of(i);
    fmt::format_to(out, "  rpc {}({}) returns ({});\n", contract.method_name(i),
                   contract.messages()[i].name,
                   answer == Contract::kAnyMessage ? kAnyName : contract.messages()[answer].name);
  }
  fmt::format_to(out, "}}\n");
  return text;
}

std::string updates_proto_text(const Contract& contract) {
  std::string text;
  const Out out(text);
  fmt::format_to(out,
                 "// Made from a TL schema by ringway-proxy. Numbers and names are the contract: "
                 "do not edit.\nsyntax = \"proto3\";\n\npackage {};\n\nimport \"{}types.tl.proto\";"
                 "\n\nmessage ListenRequest {{}}\n\nmessage Update {{\n",
                 contract.options().updates_package, contract.options().folder);
  if (!contract.updates().empty()) fmt::format_to(out, "  oneof Value {{\n");
  for (const FieldSpec& field : contract.updates()) {
    // From the root: a package of that name could stand nearer.
    fmt::format_to(out, "    .{} {} = {};\n", contract.full_name(field.message), field.name,
                   field.number);
  }
  if (!contract.updates().empty()) fmt::format_to(out, "  }}\n");
  fmt::format_to(out,
                 "}}\n\nservice UpdateStreamer {{\n"
                 "  rpc ListenOnUpdates(ListenRequest) returns (stream Update);\n}}\n");
  return text;
}

}  // namespace ringway::tl
