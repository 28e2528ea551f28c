#include "tl/dynamic/layer.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "tl/embedded.h"
#include "tl/schema_parser.h"

namespace ringway::tl::dynamic {
namespace {

Layer load(int number) {
  const auto text = tl::embedded_schema(number);
  RW_ASSERT(text.has_value());
  tl::ParsedSchema parsed = tl::parse_schema(*text);
  RW_ASSERT(parsed.schema != nullptr);
  return {number, std::move(parsed.schema)};
}

}  // namespace

Layer::Layer(int number, std::shared_ptr<const tl::Schema> schema)
    : number_(number), schema_(std::move(schema)) {
  for (uint32_t i = 0; i < schema_->combinators.size(); ++i) {
    by_id_.emplace(schema_->combinators[i].id, i);
    auto& names = schema_->is_method(i) ? methods_ : by_name_;
    names.emplace(schema_->combinators[i].name, i);
  }
  for (uint32_t i = 0; i < schema_->types.size(); ++i) {
    type_names_.emplace(schema_->types[i].name, i);
  }
}

bool Layer::has(std::string_view constructor) const { return by_name_.contains(constructor); }

const tl::Combinator* Layer::method(std::string_view name) const {
  const auto found = methods_.find(name);
  return found == methods_.end() ? nullptr : &schema_->combinators[found->second];
}

const tl::Combinator* Layer::constructor(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : &schema_->combinators[found->second];
}

std::vector<uint32_t> Layer::constructors_of(std::string_view type) const {
  std::vector<uint32_t> ids;
  const auto found = type_names_.find(type);
  if (found == type_names_.end()) return ids;
  for (const uint32_t index : schema_->types[found->second].constructors) {
    ids.push_back(schema_->combinators[index].id);
  }
  return ids;
}

bool Layer::is_object(std::string_view constructor, std::string_view field) const {
  const auto found = by_name_.find(constructor);
  if (found == by_name_.end()) return false;
  const auto& params = schema_->combinators[found->second].params;
  return std::any_of(params.begin(), params.end(), [field](const tl::Param& param) {
    return param.name == field && param.value.kind == tl::Kind::kObject;
  });
}

std::string_view Layer::result_type(const tl::Combinator& method) const {
  if (method.result.vector || method.result.kind != tl::Kind::kObject) return {};
  return schema_->types[method.result.type].name;
}

const Layer& Layers::nearest(int number) {
  static const std::array<Layer, 3> layers = {load(tl::kCompatLayer), load(tl::kMiddleLayer),
                                              load(tl::kModernLayer)};
  const Layer* best = layers.data();
  for (const Layer& layer : layers) {
    if (layer.number() <= number) best = &layer;
  }
  return *best;
}

}  // namespace ringway::tl::dynamic
