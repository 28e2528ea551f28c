#include "tl/schema_parser.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>
#include <utility>

#include "base/limits.h"
#include "tl/combinator_line.h"

namespace ringway::tl {
namespace {

struct SourceLine {
  uint32_t number = 0;
  bool method = false;
  std::string_view text;
  CombinatorLine words;
};

// Definitions of what is built in, as complete schemas carry them.
bool is_builtin(std::string_view line) {
  return line.find(" ? =") != std::string_view::npos || line.starts_with("vector#") ||
         line.starts_with("vector ");
}

class Parser {
 public:
  ParsedSchema parse(std::string_view text) {
    if (text.size() > kSchemaBytesMax) {
      error(1, fmt::format("the schema is larger than {} bytes", kSchemaBytesMax));
    } else {
      split(text);
      declare();
      for (const SourceLine& line : lines_) resolve(line);
    }
    if (result_.errors.empty() && schema_->combinators.empty()) error(1, "the schema is empty");
    if (result_.errors.empty()) result_.schema = std::move(schema_);
    return std::move(result_);
  }

 private:
  void error(uint32_t line, std::string text) {
    if (result_.errors.size() < kSchemaProblemsMax) {
      result_.errors.push_back({line, std::move(text)});
    }
  }
  void warning(uint32_t line, std::string text) {
    if (result_.warnings.size() < kSchemaProblemsMax) {
      result_.warnings.push_back({line, std::move(text)});
    }
  }

  // Text to lines with words.
  void split(std::string_view text) {
    uint32_t number = 0;
    bool methods = false;
    while (!text.empty()) {
      const size_t end = text.find('\n');
      std::string_view line = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
      ++number;
      while (!line.empty() && (line.back() == ' ' || line.back() == '\r' || line.back() == '\t')) {
        line.remove_suffix(1);
      }
      if (line.starts_with("//")) take_comment(line);
      if (line.empty() || line.starts_with("//") || is_builtin(line)) continue;
      if (line == "---functions---" || line == "---types---") {
        methods = line == "---functions---";
        continue;
      }
      take_line({number, methods, line, {}});
    }
  }

  void take_comment(std::string_view line) {
    constexpr std::string_view kLayer = "// LAYER ";
    if (!line.starts_with(kLayer)) return;
    line.remove_prefix(kLayer.size());
    int layer = 0;
    const auto [stop, failed] = std::from_chars(line.data(), line.data() + line.size(), layer);
    if (failed == std::errc() && stop == line.data() + line.size() && layer > 0) {
      result_.layer = layer;
    }
  }

  void take_line(SourceLine line) {
    if (lines_.size() == kSchemaCombinatorsMax) {
      error(line.number, fmt::format("more than {} combinators", kSchemaCombinatorsMax));
    }
    if (lines_.size() >= kSchemaCombinatorsMax) return;
    const std::string_view wrong = split_combinator(line.text, line.words);
    if (!wrong.empty()) return error(line.number, std::string(wrong));
    if (line.words.params.size() > kSchemaParamsMax) {
      return error(line.number, fmt::format("more than {} parameters", kSchemaParamsMax));
    }
    lines_.push_back(std::move(line));
  }

  // Types and numbers first: a parameter may name a type that comes later.
  void declare() {
    std::stable_partition(lines_.begin(), lines_.end(),
                          [](const SourceLine& line) { return !line.method; });
    for (const SourceLine& line : lines_) {
      Combinator combinator;
      combinator.name = line.words.name;
      combinator.line = line.number;
      combinator.definition = line.text;
      declare_id(line, combinator);
      auto& names = line.method ? method_names_ : constructor_names_;
      if (const auto [first, added] = names.emplace(line.words.name, line.number); !added) {
        error(line.number,
              fmt::format("{} is defined in line {} already", line.words.name, first->second));
      }
      if (!line.method) declare_constructor(line, combinator);
      schema_->combinators.push_back(std::move(combinator));
    }
  }

  void declare_id(const SourceLine& line, Combinator& combinator) {
    if (!line.words.id) {
      return error(line.number, fmt::format("{} has no id: write {}#{:08x}", line.words.name,
                                            line.words.name, combinator_crc(line.words)));
    }
    combinator.id = *line.words.id;
    if (combinator.id == kVectorId) return error(line.number, "the id 1cb5c415 is that of vector");
    const auto [first, added] = ids_.emplace(combinator.id, line.number);
    if (!added) {
      return error(line.number, fmt::format("the id {:08x} is taken by line {} already",
                                            combinator.id, first->second));
    }
    const uint32_t crc = combinator_crc(line.words);
    if (crc != combinator.id) {
      warning(line.number, fmt::format("the id of {} is {:08x}, the CRC-32 of its line {:08x}",
                                       line.words.name, combinator.id, crc));
    }
  }

  void declare_constructor(const SourceLine& line, Combinator& combinator) {
    const std::string_view name = line.words.result;
    const size_t last = name.rfind('.') + 1;  // 0 without a namespace
    if (!(name[last] >= 'A' && name[last] <= 'Z') || name.find('<') != std::string_view::npos) {
      return error(line.number,
                   fmt::format("\"{}\" cannot be a constructor's type: it must be a name that "
                               "begins with a capital letter",
                               name));
    }
    const auto [found, added] = types_.emplace(name, schema_->types.size());
    if (added) schema_->types.push_back({std::string(name), {}});
    Type& type = schema_->types[found->second];
    type.constructors.push_back(schema_->constructor_count++);
    if (type.constructors.size() > kSchemaConstructorsMax) {
      error(line.number,
            fmt::format("{} has more than {} constructors", name, kSchemaConstructorsMax));
    }
    combinator.number = static_cast<uint32_t>(type.constructors.size());
    combinator.result = {Kind::kObject, false, found->second};
  }

  void resolve(const SourceLine& line) {
    const size_t index = static_cast<size_t>(&line - lines_.data());
    Combinator& combinator = schema_->combinators[index];
    if (!line.method && !line.words.variables.empty()) {
      return error(line.number, "a constructor may not have type variables");
    }
    if (line.words.variables.size() > 1) return error(line.number, "more than one type variable");
    for (const LineParam& param : line.words.params) resolve_param(line, param, combinator);
    if (!line.method) return;
    resolve_value(line, line.words.result, combinator.result);
    const bool generic = !line.words.variables.empty();
    if (!combinator.result.vector && combinator.result.kind != Kind::kObject &&
        combinator.result.kind != Kind::kQuery) {
      error(line.number, fmt::format("a method cannot answer a bare {}", line.words.result));
    }
    const auto is_query = [](const Param& param) { return param.value.kind == Kind::kQuery; };
    const auto queries =
        std::count_if(combinator.params.begin(), combinator.params.end(), is_query);
    if (generic && (queries != 1 || combinator.result.kind != Kind::kQuery)) {
      error(line.number, "a method with a type variable must have one query:!X and answer X");
    }
  }

  void resolve_param(const SourceLine& line, const LineParam& source, Combinator& combinator) {
    Param param;
    param.name = source.name;
    std::string_view type = source.type;
    if (const std::optional<Condition> condition = split_condition(type)) {
      if (!resolve_condition(line, *condition, combinator, param)) return;
      type = condition->type;
    }
    if (!resolve_value(line, type, param.value)) return;
    const Kind kind = param.value.kind;
    if (kind == Kind::kTrue && !param.optional()) {
      return error(line.number,
                   fmt::format("{}: true needs a bit, as in flags.0?true", param.name));
    }
    if (param.optional() && (kind == Kind::kFlags || kind == Kind::kQuery)) {
      return error(line.number, fmt::format("{}: {} may not be optional", param.name, type));
    }
    if (kind == Kind::kFlags && words_of(combinator) == kSchemaFlagsWordsMax) {
      return error(line.number, fmt::format("more than {} flags words", kSchemaFlagsWordsMax));
    }
    const bool doubled = std::any_of(combinator.params.begin(), combinator.params.end(),
                                     [&](const Param& other) { return other.name == param.name; });
    if (doubled) return error(line.number, fmt::format("two parameters named {}", param.name));
    combinator.params.push_back(std::move(param));
  }

  static size_t words_of(const Combinator& combinator) {
    return static_cast<size_t>(
        std::count_if(combinator.params.begin(), combinator.params.end(),
                      [](const Param& param) { return param.value.kind == Kind::kFlags; }));
  }

  bool resolve_condition(const SourceLine& line, const Condition& condition,
                         const Combinator& combinator, Param& param) {
    if (condition.bit >= 32) {
      error(line.number,
            fmt::format("{}: the bit must be a number from 0 to 31, as in flags.0?", param.name));
      return false;
    }
    uint8_t word = 0;
    for (const Param& earlier : combinator.params) {
      if (earlier.value.kind != Kind::kFlags) continue;
      if (earlier.name == condition.word) {
        param.word = word;
        param.bit = static_cast<uint8_t>(condition.bit);
        return true;
      }
      ++word;
    }
    error(line.number,
          fmt::format("{}: the flags word {}:# must stand before it", param.name, condition.word));
    return false;
  }

  bool resolve_value(const SourceLine& line, std::string_view type, Value& out) {
    constexpr std::string_view kVector = "Vector<";
    if (type.starts_with(kVector) && type.ends_with('>')) {
      const std::string_view element =
          type.substr(kVector.size(), type.size() - kVector.size() - 1);
      if (element.find("ector<") != std::string_view::npos) {
        error(line.number, fmt::format("{}: a Vector of Vector cannot be served", type));
        return false;
      }
      if (!resolve_element(line, element, out)) return false;
      if (out.kind == Kind::kTrue || out.kind == Kind::kFlags || out.kind == Kind::kQuery) {
        error(line.number, fmt::format("{}: not what a Vector can hold", type));
        return false;
      }
      out.vector = true;
      return true;
    }
    return resolve_element(line, type, out);
  }

  bool resolve_element(const SourceLine& line, std::string_view type, Value& out) {
    static const std::unordered_map<std::string_view, Kind> kBuiltin = {
        {"#", Kind::kFlags},     {"true", Kind::kTrue},     {"int", Kind::kInt},
        {"long", Kind::kLong},   {"double", Kind::kDouble}, {"string", Kind::kString},
        {"bytes", Kind::kBytes}, {"int128", Kind::kInt128}, {"int256", Kind::kInt256},
    };
    if (const auto found = kBuiltin.find(type); found != kBuiltin.end()) {
      out.kind = found->second;
      return true;
    }
    if (const auto found = types_.find(type); found != types_.end()) {
      out = {Kind::kObject, false, found->second};
      return true;
    }
    const bool query = type.starts_with('!');
    const auto& variables = line.words.variables;
    const bool result = type.data() == line.words.result.data();
    if (!variables.empty() && query != result && type.substr(query ? 1 : 0) == variables.front()) {
      out.kind = Kind::kQuery;
      return true;
    }
    const bool bare = type.starts_with('%') || type.starts_with("vector");
    error(line.number, bare ? fmt::format("{}: bare types cannot be served", type)
                            : fmt::format("unknown type {}", type));
    return false;
  }

  ParsedSchema result_;
  std::unique_ptr<Schema> schema_ = std::make_unique<Schema>();
  std::vector<SourceLine> lines_;
  std::unordered_map<uint32_t, uint32_t> ids_;  // id -> line
  std::unordered_map<std::string_view, uint32_t> constructor_names_;
  std::unordered_map<std::string_view, uint32_t> method_names_;
  std::unordered_map<std::string_view, uint32_t> types_;  // name -> index
};

}  // namespace

ParsedSchema parse_schema(std::string_view text) { return Parser().parse(text); }

}  // namespace ringway::tl
