// programs/proxy/schema_choice: the layer that a session speaks, with everything made from it.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tl/contract.h"
#include "tl/dynamic/layer.h"
#include "tl/layout.h"

namespace ringway::programs {

struct SchemaOptions {
  std::string layer;    // a number of an embedded schema, or a file; empty: the modern layer
  bool compat = false;  // exactly mtprotod's contract
  std::string package;  // instead of the layer's own; empty: that
};

struct SchemaChoice {
  int number = 0;
  std::shared_ptr<const tl::Schema> schema;
  std::shared_ptr<const tl::Contract> contract;
  std::shared_ptr<const tl::dynamic::Layer> layer;
};

// Nothing, and why, each problem with its file and line. Warnings go to the log.
[[nodiscard]] std::optional<SchemaChoice> choose_schema(const SchemaOptions& options,
                                                        std::string& problem);

}  // namespace ringway::programs
