// The schemas of proto/schema, as the tests of this room read them.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "tl/contract.h"
#include "tl/schema_parser.h"

namespace ringway::tl {

// SCHEMA_DIR is set by the build.
inline std::string schema_text(const std::string& file) {
  const char* folder = std::getenv("SCHEMA_DIR");
  std::ifstream in(std::string(folder == nullptr ? "proto/schema" : folder) + "/" + file);
  EXPECT_TRUE(in.good()) << file;
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline std::shared_ptr<const Schema> load_schema(const std::string& text) {
  ParsedSchema parsed = parse_schema(text);
  for (const SchemaProblem& error : parsed.errors) {
    ADD_FAILURE() << "line " << error.line << ": " << error.text;
  }
  return std::move(parsed.schema);
}

inline std::unique_ptr<const Contract> load_contract(const std::string& text,
                                                     const ContractOptions& options) {
  Contract::Made made = Contract::make(load_schema(text), options);
  for (const SchemaProblem& error : made.errors) {
    ADD_FAILURE() << "line " << error.line << ": " << error.text;
  }
  return std::move(made.contract);
}

inline std::unique_ptr<const Contract> load_layer(int layer, Mode mode) {
  return load_contract(schema_text("layer" + std::to_string(layer) + ".tl"),
                       options_of_layer(layer, mode));
}

}  // namespace ringway::tl
