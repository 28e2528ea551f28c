// tl/contract: which protobuf messages and methods a schema becomes.
//
// docs/PROXY.md has the rules. A contract is a pure function of schema and options: its messages'
// names and field numbers are what clients of any language are compiled against. Immutable once
// made; any thread may read it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tl/schema.h"
#include "tl/schema_parser.h"

namespace ringway::tl {

enum class Mode : uint8_t {
  kExtended,  // flags.N?true are bools, optional scalars know whether they are there
  kCompat,    // exactly what mtprotod served
};

struct ContractOptions {
  Mode mode = Mode::kExtended;
  std::string package = "mtproto";
  std::string updates_package = "proxy";
  // Before the names of the files, such as "l228/", for a pool that holds several contracts.
  std::string folder;
};

// The packages of a layer: those of layer 71 have no number, so that its old clients find them.
[[nodiscard]] ContractOptions options_of_layer(int layer, Mode mode);

enum class FieldType : uint8_t { kBool, kInt32, kInt64, kDouble, kString, kBytes, kAny, kMessage };

struct FieldSpec {
  std::string name;
  uint32_t number = 0;
  FieldType type = FieldType::kInt32;
  uint32_t message = 0;  // of kMessage: index of a MessageSpec
  bool repeated = false;
  bool optional = false;  // proto3 `optional`: knows whether it is there
  bool in_oneof = false;  // of the message's one oneof, Value
};

struct MessageSpec {
  std::string name;
  std::string comment;  // the TL definition it comes from; empty for results of Vector
  std::vector<FieldSpec> fields;
};

class Contract {
 public:
  static constexpr uint32_t kAnyMessage = UINT32_MAX;

  struct Made {
    std::unique_ptr<const Contract> contract;  // null when there are errors
    std::vector<SchemaProblem> errors;         // two things of the schema that get the same name
  };
  [[nodiscard]] static Made make(std::shared_ptr<const Schema> schema, ContractOptions options);

  [[nodiscard]] const Schema& schema() const noexcept { return *schema_; }
  [[nodiscard]] const ContractOptions& options() const noexcept { return options_; }

  // Pred and Req messages have the indices of their combinators, Type messages follow in the order
  // of the types, then the results that are Vectors.
  [[nodiscard]] const std::vector<MessageSpec>& messages() const noexcept { return messages_; }
  [[nodiscard]] uint32_t message_of_type(uint32_t type) const noexcept;
  // What a method answers: index of a message, or kAnyMessage.
  [[nodiscard]] uint32_t answer_of(uint32_t method) const noexcept;
  // The field that a parameter became, null when it has none (flags.N?true of kCompat).
  [[nodiscard]] const FieldSpec* field_of(uint32_t combinator, uint32_t param) const noexcept;

  // The oneof of the updates stream: name, number and message of each that the schema has.
  [[nodiscard]] const std::vector<FieldSpec>& updates() const noexcept { return updates_; }

  // By the gRPC path "/package.Mtproto/Name", and by the message's full name "package.ReqName".
  [[nodiscard]] std::optional<uint32_t> method_of_path(std::string_view path) const;
  [[nodiscard]] std::optional<uint32_t> method_of_request(std::string_view full_name) const;
  // "MessagesSendMessage".
  [[nodiscard]] std::string_view method_name(uint32_t method) const noexcept;
  [[nodiscard]] std::string full_name(uint32_t message) const;

 private:
  Contract(std::shared_ptr<const Schema> schema, ContractOptions options);

  void add_combinator(const Combinator& combinator, bool method);
  void add_type(const Type& type);
  void add_answer(const Combinator& method);
  void add_updates();
  void find_clashes(std::vector<SchemaProblem>& errors) const;

  std::shared_ptr<const Schema> schema_;
  ContractOptions options_;
  std::vector<MessageSpec> messages_;
  std::vector<uint32_t> answers_;  // of each method
  std::vector<FieldSpec> updates_;
  std::unordered_map<std::string_view, uint32_t> methods_;  // "ReqName" -> combinator
};

// "messages.getDialogs" -> "MessagesGetDialogs", "access_hash" -> "AccessHash".
[[nodiscard]] std::string proto_name(std::string_view tl_name);

}  // namespace ringway::tl
