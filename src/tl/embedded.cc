#include "tl/embedded.h"

// Made by embedded_schemas.S from proto/schema.
extern "C" {
extern const char ringway_schema_71[];
extern const char ringway_schema_71_end[];
extern const char ringway_schema_144[];
extern const char ringway_schema_144_end[];
extern const char ringway_schema_228[];
extern const char ringway_schema_228_end[];
}

namespace ringway::tl {

std::optional<std::string_view> embedded_schema(int layer) noexcept {
  switch (layer) {
    case kCompatLayer:
      return std::string_view(ringway_schema_71, ringway_schema_71_end);
    case kMiddleLayer:
      return std::string_view(ringway_schema_144, ringway_schema_144_end);
    case kModernLayer:
      return std::string_view(ringway_schema_228, ringway_schema_228_end);
    default:
      return std::nullopt;
  }
}

}  // namespace ringway::tl
