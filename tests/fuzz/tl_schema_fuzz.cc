// Fuzzing of schema files.
//
// A schema that is taken becomes a contract and the tables of transcoding, and its texts; one that
// is refused says in which line.
#include <algorithm>
#include <memory>

#include "fuzz_support.h"
#include "tl/layout.h"
#include "tl/proto_text.h"
#include "tl/schema_parser.h"

using namespace ringway;
using fuzz::require;

namespace {

constexpr size_t kInputBytesMax = 16 * 1024;

void check_problems(const std::vector<tl::SchemaProblem>& problems, uint32_t lines) {
  for (const tl::SchemaProblem& problem : problems) {
    require(problem.line >= 1 && problem.line <= lines && !problem.text.empty());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > kInputBytesMax) return 0;
  const std::string_view text = as_text({data, size});
  const auto lines = static_cast<uint32_t>(std::count(text.begin(), text.end(), '\n') + 1);
  tl::ParsedSchema parsed = tl::parse_schema(text);
  check_problems(parsed.errors, lines);
  check_problems(parsed.warnings, lines);
  require((parsed.schema == nullptr) != parsed.errors.empty());
  if (parsed.schema == nullptr) return 0;
  const std::shared_ptr<const tl::Schema> schema = std::move(parsed.schema);
  for (const tl::Mode mode : {tl::Mode::kExtended, tl::Mode::kCompat}) {
    tl::ContractOptions options;
    options.mode = mode;
    const tl::Contract::Made made = tl::Contract::make(schema, options);
    check_problems(made.errors, lines);
    require((made.contract == nullptr) != made.errors.empty());
    if (made.contract == nullptr) continue;
    const tl::Layout layout(*made.contract);
    for (uint32_t i = 0; i < schema->combinators.size(); ++i) {
      require(layout.by_id(schema->combinators[i].id) == i);
    }
    require(!tl::types_proto_text(*made.contract).empty());
  }
  return 0;
}
