// tl/layout: a contract compiled to the tables that transcoding walks through.
//
// A combinator is a run of steps, one per TL parameter, in order; the step at index i is protobuf
// field i + 1. Immutable; any thread may read it. It borrows the contract.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tl/contract.h"
#include "tl/wire.h"

namespace ringway::tl {

enum class Op : uint8_t {
  kFlags,
  kTrue,
  kInt,
  kLong,
  kDouble,
  kString,
  kBytes,
  kInt128,
  kInt256,
  kObject,
  kQuery,
  // Vectors of these.
  kInts,
  kLongs,
  kDoubles,
  kStrings,
  kBytesList,
  kInt128s,
  kInt256s,
  kObjects,
};

[[nodiscard]] inline bool is_vector(Op op) noexcept { return op >= Op::kInts; }
// Those whose elements stand side by side in one field.
[[nodiscard]] inline bool is_packed(Op op) noexcept {
  return op >= Op::kInts && op <= Op::kDoubles;
}
[[nodiscard]] inline bool is_nested(Op op) noexcept {
  return op == Op::kObject || op == Op::kQuery;
}

// A tag as its bytes stand on the wire, to be stored at once; no bytes when there is no field.
struct Tag {
  uint32_t bytes = 0;
  uint8_t count = 0;
};

struct Step {
  Op op = Op::kInt;
  // The bit that says whether it is there. Slot 0 is a word whose bit 0 is always set; the flags
  // words of a combinator are slots 1 and up.
  uint8_t slot = 0;
  uint8_t bit = 0;
  uint8_t own_slot = 0;  // of kFlags: which slot it fills
  bool optional = false;
  bool explicit_presence = false;  // a zero that is there stands on the wire
  WireType wire = kVarint;         // of its field
  Tag tag;
  uint32_t type = 0;  // of kObject and kObjects
};

struct Body {
  uint32_t id = 0;
  uint32_t type = 0;  // of a constructor
  uint32_t first_step = 0;
  uint16_t steps = 0;
  uint8_t slots = 1;
  Tag member;  // of a constructor: its field in the message of its type
};

struct TypeRow {
  uint32_t first_member = 0;  // in members
  uint32_t members = 0;
  uint32_t bytes_min = 4;  // of any of them, as TL
};

class Layout {
 public:
  static constexpr uint32_t kNone = UINT32_MAX;

  explicit Layout(const Contract& contract);

  [[nodiscard]] const Contract& contract() const noexcept { return contract_; }
  [[nodiscard]] const Body& body(uint32_t combinator) const noexcept { return bodies_[combinator]; }
  [[nodiscard]] std::span<const Step> steps(const Body& body) const noexcept {
    return {steps_.data() + body.first_step, body.steps};
  }
  [[nodiscard]] const TypeRow& type(uint32_t type) const noexcept { return types_[type]; }
  // The combinator of the member with this field number, from 1; kNone when there is none.
  [[nodiscard]] uint32_t member(const TypeRow& type, uint32_t number) const noexcept {
    return number - 1 < type.members ? members_[type.first_member + number - 1] : kNone;
  }
  // The combinator with this id, kNone for an unknown one.
  [[nodiscard]] uint32_t by_id(uint32_t id) const noexcept {
    for (size_t slot = id * kIdFactor >> id_shift_;; slot = (slot + 1) & (ids_.size() - 1)) {
      if (ids_[slot].combinator == kNone || ids_[slot].id == id) return ids_[slot].combinator;
    }
  }
  // The step of a method's Vector answer, which is field 1 of its message.
  [[nodiscard]] Step answer_step(uint32_t method) const noexcept;
  // The least that an element of a vector takes, as TL.
  [[nodiscard]] uint32_t element_bytes_min(const Step& step) const noexcept;

 private:
  static constexpr uint32_t kIdFactor = 0x9e3779b1;
  struct IdSlot {
    uint32_t id = 0;
    uint32_t combinator = kNone;
  };

  void add_body(uint32_t combinator);
  void add_types();
  void add_ids();
  [[nodiscard]] uint32_t body_bytes_min(const Body& body) const noexcept;

  const Contract& contract_;
  std::vector<Body> bodies_;
  std::vector<Step> steps_;
  std::vector<TypeRow> types_;
  std::vector<uint32_t> members_;
  std::vector<IdSlot> ids_;  // a power of two of them, at most half full
  int id_shift_ = 0;
};

}  // namespace ringway::tl
