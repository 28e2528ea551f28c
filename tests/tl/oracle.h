// The same contract, served by protobuf's own objects: what the direct transcoding is held to.
//
// It takes each value into a DynamicMessage and out of it again by reflection, and knows nothing of
// layouts or wire formats. Only for TL that is right.
#pragma once

#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "tl/contract.h"

namespace ringway::tl {

class Oracle {
 public:
  using Message = google::protobuf::Message;

  explicit Oracle(const Contract& contract);

  // TL to the bytes of a protobuf message.
  [[nodiscard]] std::string combinator_to_proto(ByteView tl);
  [[nodiscard]] std::string answer_to_proto(uint32_t method, ByteView tl);
  // The other way; nothing when protobuf does not take the bytes or a value is missing.
  [[nodiscard]] std::optional<Bytes> combinator_to_tl(uint32_t combinator,
                                                      const std::string& proto);
  [[nodiscard]] std::optional<Bytes> answer_to_tl(uint32_t method, const std::string& proto);

  [[nodiscard]] const google::protobuf::Descriptor* descriptor(uint32_t message) const;
  [[nodiscard]] std::unique_ptr<Message> parse(uint32_t message, const std::string& proto);

 private:
  using FieldDescriptor = google::protobuf::FieldDescriptor;

  void read_combinator(ByteReader& tl, uint32_t combinator, Message* out);
  void read_object(ByteReader& tl, uint32_t type, Message* out);
  void read_query(ByteReader& tl, Message* out);
  void read_value(ByteReader& tl, const Value& value, const FieldDescriptor* field, Message* out);
  void read_one(ByteReader& tl, const Value& value, const FieldDescriptor* field, Message* out);

  bool write_combinator(const Message& in, uint32_t combinator, Bytes& out);
  bool write_object(const Message& in, uint32_t type, Bytes& out);
  bool write_query(const Message& in, Bytes& out);
  bool write_value(const Message& in, const Value& value, const FieldDescriptor* field, Bytes& out);
  bool write_one(const Message& in, const Value& value, const FieldDescriptor* field, int index,
                 Bytes& out);
  [[nodiscard]] bool has(const Message& in, const FieldDescriptor* field) const;
  [[nodiscard]] uint32_t combinator_of(uint32_t id, bool method) const;
  [[nodiscard]] std::string serialize(const Message& message) const;

  const Contract& contract_;
  google::protobuf::DescriptorPool pool_;
  google::protobuf::DynamicMessageFactory factory_;
  const google::protobuf::FileDescriptor* file_ = nullptr;
};

}  // namespace ringway::tl
