// Random TL of a schema: any constructor or method, with random values and flags.
#pragma once

#include <random>
#include <vector>

#include "base/bytes.h"
#include "tl/schema.h"

namespace ringway::tl {

class RandomTl {
 public:
  RandomTl(const Schema& schema, uint64_t seed);

  // Id and parameters of one combinator. Strings are UTF-8.
  [[nodiscard]] Bytes combinator(uint32_t index);
  // A boxed value: an object, or a Vector.
  [[nodiscard]] Bytes value(const Value& value);

 private:
  static constexpr size_t kBytesSoft = 1500;  // above it, everything is as small as it can be

  [[nodiscard]] bool small(unsigned depth) const { return depth > 6 || out_.size() > kBytesSoft; }
  [[nodiscard]] size_t below(size_t bound) { return random_() % bound; }
  [[nodiscard]] uint64_t number();
  void put_combinator(uint32_t index, unsigned depth);
  void put_object(uint32_t type, unsigned depth);
  void put_query(unsigned depth);
  void put_value(const Value& value, unsigned depth);
  void put_one(const Value& value, unsigned depth);
  void put_string(bool text);
  void put_bytes(size_t count);
  [[nodiscard]] uint32_t height(uint32_t combinator) const;

  const Schema& schema_;
  std::mt19937_64 random_;
  Bytes out_;
  std::vector<uint32_t> type_height_;  // the least nesting of a value of the type
  std::vector<uint32_t> type_lowest_;  // the constructor that has it
};

}  // namespace ringway::tl
