#include "tl/contract.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/assert.h"
#include "tl/embedded.h"

namespace ringway::tl {
namespace {

// The updates stream has these numbers for good, whatever the layer.
struct UpdateField {
  std::string_view name;
  uint32_t number;
};
constexpr UpdateField kUpdateFields[] = {
    {"UpdatesState", 1},
    {"UpdateShortMessage", 2},
    {"UpdateShortChatMessage", 3},
    {"UpdateShort", 4},
    {"Updates", 5},
    {"UpdateShortSentMessage", 6},
    {"UpdatesDifference", 7},
    {"UpdatesDifferenceSlice", 8},
    {"UpdateNewMessage", 9},
    {"UpdateReadMessagesContents", 10},
    {"UpdateDeleteMessages", 11},
    {"UpdateNewEncryptedMessage", 12},
    {"UpdateChannel", 13},
    {"UpdateChannelMessageViews", 14},
    {"UpdateChannelTooLong", 15},
    {"UpdateReadChannelInbox", 16},
    {"UpdateReadChannelOutbox", 17},
    {"UpdateNewChannelMessage", 18},
};

FieldType scalar_type(Kind kind) {
  switch (kind) {
    case Kind::kFlags:
    case Kind::kInt:
      return FieldType::kInt32;
    case Kind::kTrue:
      return FieldType::kBool;
    case Kind::kLong:
      return FieldType::kInt64;
    case Kind::kDouble:
      return FieldType::kDouble;
    case Kind::kString:
      return FieldType::kString;
    case Kind::kBytes:
    case Kind::kInt128:
    case Kind::kInt256:
      return FieldType::kBytes;
    case Kind::kQuery:
      return FieldType::kAny;
    case Kind::kObject:
      return FieldType::kMessage;
  }
  return FieldType::kMessage;
}

// As it stands in the name of a Vector of it.
std::string_view scalar_name(Kind kind) {
  switch (kind) {
    case Kind::kLong:
      return "Long";
    case Kind::kDouble:
      return "Double";
    case Kind::kString:
      return "String";
    case Kind::kBytes:
      return "Bytes";
    case Kind::kInt128:
      return "Int128";
    case Kind::kInt256:
      return "Int256";
    default:
      return "Int";
  }
}

}  // namespace

std::string proto_name(std::string_view tl_name) {
  std::string out;
  bool upper = true;
  for (const char c : tl_name) {
    if (c == '.' || c == '_') {
      upper = true;
      continue;
    }
    out += upper && c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    upper = false;
  }
  return out;
}

ContractOptions options_of_layer(int layer, Mode mode) {
  ContractOptions options;
  options.mode = mode;
  if (layer != kCompatLayer) {
    options.package += fmt::format(".l{}", layer);
    options.updates_package += fmt::format(".l{}", layer);
  }
  return options;
}

Contract::Made Contract::make(std::shared_ptr<const Schema> schema, ContractOptions options) {
  RW_ASSERT(schema != nullptr);
  Made made;
  std::unique_ptr<Contract> contract(new Contract(std::move(schema), std::move(options)));
  contract->find_clashes(made.errors);
  if (made.errors.empty()) made.contract = std::move(contract);
  return made;
}

Contract::Contract(std::shared_ptr<const Schema> schema, ContractOptions options)
    : schema_(std::move(schema)), options_(std::move(options)) {
  const auto& combinators = schema_->combinators;
  for (uint32_t i = 0; i < combinators.size(); ++i) {
    add_combinator(combinators[i], schema_->is_method(i));
  }
  for (const Type& type : schema_->types) add_type(type);
  for (uint32_t i = schema_->constructor_count; i < combinators.size(); ++i) {
    add_answer(combinators[i]);
  }
  add_updates();
  // The names are views into messages_, which does not change any more.
  for (uint32_t i = schema_->constructor_count; i < combinators.size(); ++i) {
    methods_.emplace(messages_[i].name, i);
  }
}

void Contract::add_combinator(const Combinator& combinator, bool method) {
  MessageSpec message;
  message.name = (method ? "Req" : "Pred") + proto_name(combinator.name);
  message.comment = combinator.definition;
  uint32_t number = 0;
  for (const Param& param : combinator.params) {
    ++number;
    if (param.value.kind == Kind::kTrue && options_.mode == Mode::kCompat) continue;
    FieldSpec field;
    field.name = proto_name(param.name);
    field.number = number;
    field.type = scalar_type(param.value.kind);
    field.repeated = param.value.vector;
    if (field.type == FieldType::kMessage) {
      field.message = message_of_type(param.value.type);
      // A field may not be named as the type of its elements.
      if (field.repeated && field.name == schema_->types[param.value.type].name) field.name += 's';
    }
    const bool scalar = field.type != FieldType::kMessage && field.type != FieldType::kBool;
    field.optional =
        options_.mode == Mode::kExtended && param.optional() && scalar && !field.repeated;
    message.fields.push_back(std::move(field));
  }
  messages_.push_back(std::move(message));
}

void Contract::add_type(const Type& type) {
  MessageSpec message;
  message.name = "Type" + proto_name(type.name);
  message.comment = type.name;
  const bool single = type.constructors.size() == 1;
  for (const uint32_t constructor : type.constructors) {
    const Combinator& combinator = schema_->combinators[constructor];
    FieldSpec field;
    field.name = single ? "Value" : proto_name(combinator.name);
    field.number = combinator.number;
    field.type = FieldType::kMessage;
    field.message = constructor;
    field.in_oneof = !single;
    message.fields.push_back(std::move(field));
  }
  messages_.push_back(std::move(message));
}

void Contract::add_answer(const Combinator& method) {
  const Value& result = method.result;
  if (result.kind == Kind::kQuery) return answers_.push_back(kAnyMessage);
  if (!result.vector) return answers_.push_back(message_of_type(result.type));
  FieldSpec field;
  field.number = 1;
  field.repeated = true;
  field.type = scalar_type(result.kind);
  MessageSpec message;
  if (result.kind == Kind::kObject) {
    field.name = proto_name(schema_->types[result.type].name);
    field.message = message_of_type(result.type);
    message.name = "TypeVector" + field.name;
  } else {
    field.name = "values";
    message.name = fmt::format("TypeVector{}", scalar_name(result.kind));
  }
  const size_t first = schema_->combinators.size() + schema_->types.size();
  for (size_t i = first; i < messages_.size(); ++i) {
    if (messages_[i].name == message.name) return answers_.push_back(static_cast<uint32_t>(i));
  }
  answers_.push_back(static_cast<uint32_t>(messages_.size()));
  message.fields.push_back(std::move(field));
  messages_.push_back(std::move(message));
}

void Contract::add_updates() {
  for (const UpdateField& update : kUpdateFields) {
    const std::string name = fmt::format("Pred{}", update.name);
    for (uint32_t i = 0; i < schema_->constructor_count; ++i) {
      if (messages_[i].name != name) continue;
      FieldSpec field;
      field.name = update.name;
      field.number = update.number;
      field.type = FieldType::kMessage;
      field.message = i;
      field.in_oneof = true;
      updates_.push_back(std::move(field));
    }
  }
}

void Contract::find_clashes(std::vector<SchemaProblem>& errors) const {
  std::unordered_set<std::string_view> messages;
  for (size_t i = 0; i < messages_.size(); ++i) {
    const MessageSpec& message = messages_[i];
    const auto& combinators = schema_->combinators;
    uint32_t line = 0;  // a type has none of its own: its first constructor's
    if (i < combinators.size()) {
      line = combinators[i].line;
    } else if (!message.fields.empty() && message.fields[0].message < combinators.size()) {
      line = combinators[message.fields[0].message].line;
    }
    if (!messages.insert(message.name).second) {
      errors.push_back({line, fmt::format("a second message would be named {}", message.name)});
    }
    std::unordered_set<std::string_view> fields;
    if (!message.fields.empty() && message.fields[0].in_oneof) fields.insert("Value");
    for (const FieldSpec& field : message.fields) {
      if (!fields.insert(field.name).second) {
        errors.push_back(
            {line, fmt::format("{}: a second field would be named {}", message.name, field.name)});
      }
    }
  }
}

uint32_t Contract::message_of_type(uint32_t type) const noexcept {
  return static_cast<uint32_t>(schema_->combinators.size()) + type;
}

uint32_t Contract::answer_of(uint32_t method) const noexcept {
  RW_ASSERT(method >= schema_->constructor_count);
  return answers_[method - schema_->constructor_count];
}

const FieldSpec* Contract::field_of(uint32_t combinator, uint32_t param) const noexcept {
  const auto& fields = messages_[combinator].fields;
  const auto found = std::lower_bound(
      fields.begin(), fields.end(), param + 1,
      [](const FieldSpec& field, uint32_t number) { return field.number < number; });
  return found != fields.end() && found->number == param + 1 ? &*found : nullptr;
}

std::optional<uint32_t> Contract::method_of_path(std::string_view path) const {
  constexpr std::string_view kService = ".Mtproto/";
  if (!path.starts_with('/') || !path.substr(1).starts_with(options_.package)) return std::nullopt;
  path.remove_prefix(1 + options_.package.size());
  if (!path.starts_with(kService)) return std::nullopt;
  path.remove_prefix(kService.size());
  const auto found = methods_.find(fmt::format("Req{}", path));
  return found == methods_.end() ? std::nullopt : std::optional<uint32_t>(found->second);
}

std::optional<uint32_t> Contract::method_of_request(std::string_view full_name) const {
  if (!full_name.starts_with(options_.package)) return std::nullopt;
  full_name.remove_prefix(options_.package.size());
  if (!full_name.starts_with('.')) return std::nullopt;
  const auto found = methods_.find(full_name.substr(1));
  return found == methods_.end() ? std::nullopt : std::optional<uint32_t>(found->second);
}

std::string_view Contract::method_name(uint32_t method) const noexcept {
  RW_ASSERT(method >= schema_->constructor_count);
  return std::string_view(messages_[method].name).substr(3);
}

std::string Contract::full_name(uint32_t message) const {
  return options_.package + "." + messages_[message].name;
}

}  // namespace ringway::tl
