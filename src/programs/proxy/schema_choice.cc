#include "programs/proxy/schema_choice.h"

#include <fmt/format.h>

#include <charconv>

#include "base/log.h"
#include "base/small_file.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::programs {
namespace {

constexpr size_t kSchemaFileBytesMax = 16 << 20;

std::string lines_of(const std::string& name, const std::vector<tl::SchemaProblem>& problems) {
  std::string text;
  for (const tl::SchemaProblem& problem : problems) {
    text += fmt::format("{}{}:{}: {}", text.empty() ? "" : "\n", name, problem.line, problem.text);
  }
  return text;
}

}  // namespace

std::optional<SchemaChoice> choose_schema(const SchemaOptions& options, std::string& problem) {
  SchemaChoice choice;
  const std::string given =
      options.layer.empty() ? std::to_string(tl::kModernLayer) : options.layer;
  const auto number = std::from_chars(given.data(), given.data() + given.size(), choice.number);
  const bool is_number = number.ec == std::errc() && number.ptr == given.data() + given.size();
  std::string name = given;
  Bytes file;
  std::string_view text;
  if (is_number) {
    const auto embedded = tl::embedded_schema(choice.number);
    if (!embedded.has_value()) {
      problem = fmt::format(
          "--layer {}: the layers that are part of the program are 71, 144 and 228; give a .tl "
          "file for another one",
          given);
      return std::nullopt;
    }
    name = fmt::format("layer{}.tl", choice.number);
    text = *embedded;
  } else {
    auto read = read_small_file(given, kSchemaFileBytesMax, FileAccess::kAny, problem);
    if (!read.ok()) {
      problem = "--layer: " + problem;
      return std::nullopt;
    }
    file = *std::move(read);
    text = as_text(file);
  }
  tl::ParsedSchema parsed = tl::parse_schema(text);
  if (parsed.schema == nullptr) {
    problem = "--layer: " + lines_of(name, parsed.errors);
    return std::nullopt;
  }
  for (const tl::SchemaProblem& warning : parsed.warnings) {
    log_warning("proxy", "{}:{}: {}", name, warning.line, warning.text);
  }
  if (!is_number && !parsed.layer.has_value()) {
    problem =
        fmt::format("--layer {}: which layer is it? Add a line such as \"// LAYER 228\"", name);
    return std::nullopt;
  }
  if (!is_number) choice.number = *parsed.layer;
  choice.schema = std::move(parsed.schema);
  tl::ContractOptions contract =
      tl::options_of_layer(choice.number, options.compat ? tl::Mode::kCompat : tl::Mode::kExtended);
  if (!options.package.empty()) contract.package = options.package;
  tl::Contract::Made made = tl::Contract::make(choice.schema, contract);
  if (made.contract == nullptr) {
    problem = "--layer: " + lines_of(name, made.errors);
    return std::nullopt;
  }
  choice.contract = std::move(made.contract);
  choice.layer = std::make_shared<const tl::dynamic::Layer>(choice.number, choice.schema);
  return choice;
}

}  // namespace ringway::programs
