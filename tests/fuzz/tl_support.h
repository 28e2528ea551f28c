// What the harnesses of transcoding share: the embedded layers in both modes, made once.
#pragma once

#include <array>
#include <memory>

#include "fuzz_support.h"
#include "tl/embedded.h"
#include "tl/layout.h"
#include "tl/schema_parser.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace ringway::fuzz {

struct Served {
  Served(int layer, tl::Mode mode) {
    auto parsed = tl::parse_schema(*tl::embedded_schema(layer));
    require(parsed.schema != nullptr);
    auto made = tl::Contract::make(std::move(parsed.schema), tl::options_of_layer(layer, mode));
    require(made.contract != nullptr);
    contract = std::move(made.contract);
    layout = std::make_unique<tl::Layout>(*contract);
  }
  [[nodiscard]] uint32_t combinators() const {
    return static_cast<uint32_t>(contract->schema().combinators.size());
  }

  std::unique_ptr<const tl::Contract> contract;
  std::unique_ptr<const tl::Layout> layout;
};

// Two bits of the choosing byte.
inline const Served& served(uint8_t choice) {
  static const std::array<Served, 4> all = {
      Served(tl::kCompatLayer, tl::Mode::kExtended), Served(tl::kCompatLayer, tl::Mode::kCompat),
      Served(tl::kModernLayer, tl::Mode::kExtended), Served(tl::kModernLayer, tl::Mode::kCompat)};
  return all[choice & 3];
}

// Another may be longer than both limits only if it grew; inputs here are far from them.
constexpr size_t kTranscodeInputBytesMax = 32 * 1024;

}  // namespace ringway::fuzz
