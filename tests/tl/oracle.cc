#include "oracle.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <gtest/gtest.h>

#include <bit>

#include "tl/descriptors.h"

namespace ringway::tl {
namespace {

namespace pb = google::protobuf;

constexpr int kNestingMax = 1000;  // protobuf's own limit is 100 messages

std::string read_string(ByteReader& tl) {
  const uint8_t head = *tl.u8();
  size_t bytes = head;
  size_t used = 1;
  if (head == 254) {
    bytes = *tl.u16();
    bytes |= size_t{*tl.u8()} << 16;
    used = 4;
  }
  std::string value(as_text(*tl.bytes(bytes)));
  EXPECT_TRUE(tl.skip((4 - (used + bytes) % 4) % 4).ok());
  return value;
}

void write_string(std::string_view value, Bytes& out) {
  ByteAppender appender(out);
  if (value.size() < 254) {
    appender.u8(static_cast<uint8_t>(value.size()));
  } else {
    appender.u32(static_cast<uint32_t>(value.size() << 8 | 254));
  }
  appender.bytes(as_bytes(value));
  while (out.size() % 4 != 0) appender.u8(0);
}

bool deep_parse(const std::string& proto, pb::Message* out) {
  pb::io::ArrayInputStream array(proto.data(), static_cast<int>(proto.size()));
  pb::io::CodedInputStream coded(&array);
  coded.SetRecursionLimit(kNestingMax);
  return out->ParseFromCodedStream(&coded) && coded.ConsumedEntireMessage();
}

}  // namespace

Oracle::Oracle(const Contract& contract)
    : contract_(contract), pool_(pb::DescriptorPool::generated_pool()) {
  EXPECT_NE(pb::Any::descriptor(), nullptr);
  file_ = pool_.BuildFile(types_file(contract));
  EXPECT_NE(file_, nullptr);
}

const pb::Descriptor* Oracle::descriptor(uint32_t message) const {
  return file_->FindMessageTypeByName(contract_.messages()[message].name);
}

std::unique_ptr<pb::Message> Oracle::parse(uint32_t message, const std::string& proto) {
  std::unique_ptr<Message> out(factory_.GetPrototype(descriptor(message))->New());
  return deep_parse(proto, out.get()) ? std::move(out) : nullptr;
}

uint32_t Oracle::combinator_of(uint32_t id, bool method) const {
  const auto& all = contract_.schema().combinators;
  for (uint32_t i = 0; i < all.size(); ++i) {
    if (all[i].id == id) {
      EXPECT_EQ(contract_.schema().is_method(i), method);
      return i;
    }
  }
  ADD_FAILURE() << "unknown id " << id;
  return 0;
}

std::string Oracle::serialize(const Message& message) const {
  std::string out;
  EXPECT_TRUE(message.SerializeToString(&out));
  return out;
}

std::string Oracle::combinator_to_proto(ByteView tl) {
  ByteReader reader(tl);
  const uint32_t id = *reader.u32();
  const auto& all = contract_.schema().combinators;
  uint32_t combinator = 0;
  while (all[combinator].id != id) ++combinator;
  std::unique_ptr<Message> message(factory_.GetPrototype(descriptor(combinator))->New());
  read_combinator(reader, combinator, message.get());
  EXPECT_TRUE(reader.empty());
  return serialize(*message);
}

std::string Oracle::answer_to_proto(uint32_t method, ByteView tl) {
  ByteReader reader(tl);
  const Value& result = contract_.schema().combinators[method].result;
  const pb::Descriptor* type = descriptor(contract_.answer_of(method));
  std::unique_ptr<Message> message(factory_.GetPrototype(type)->New());
  if (result.vector) {
    read_value(reader, result, type->field(0), message.get());
  } else {
    read_object(reader, result.type, message.get());
  }
  EXPECT_TRUE(reader.empty());
  return serialize(*message);
}

void Oracle::read_combinator(ByteReader& tl, uint32_t combinator, Message* out) {
  const pb::Descriptor* type = out->GetDescriptor();
  std::vector<uint32_t> words;
  int number = 0;
  for (const Param& param : contract_.schema().combinators[combinator].params) {
    const FieldDescriptor* field = type->FindFieldByNumber(++number);
    if (param.optional() && (words[param.word] >> param.bit & 1) == 0) continue;
    if (param.value.kind == Kind::kTrue) {
      if (field != nullptr) out->GetReflection()->SetBool(out, field, true);
    } else if (param.value.kind == Kind::kFlags) {
      words.push_back(*tl.u32());
      out->GetReflection()->SetInt32(out, field, static_cast<int32_t>(words.back()));
    } else {
      read_value(tl, param.value, field, out);
    }
  }
}

void Oracle::read_object(ByteReader& tl, uint32_t type, Message* out) {
  const uint32_t combinator = combinator_of(*tl.u32(), false);
  EXPECT_EQ(contract_.schema().combinators[combinator].result.type, type);
  const auto number = static_cast<int>(contract_.schema().combinators[combinator].number);
  const FieldDescriptor* field = out->GetDescriptor()->FindFieldByNumber(number);
  read_combinator(tl, combinator, out->GetReflection()->MutableMessage(out, field, &factory_));
}

void Oracle::read_query(ByteReader& tl, Message* out) {
  const uint32_t method = combinator_of(*tl.u32(), true);
  std::unique_ptr<Message> request(factory_.GetPrototype(descriptor(method))->New());
  read_combinator(tl, method, request.get());
  const pb::Descriptor* any = out->GetDescriptor();
  const pb::Reflection* reflection = out->GetReflection();
  reflection->SetString(out, any->FindFieldByName("type_url"),
                        "type.googleapis.com/" + request->GetDescriptor()->full_name());
  reflection->SetString(out, any->FindFieldByName("value"), serialize(*request));
}

void Oracle::read_value(ByteReader& tl, const Value& value, const FieldDescriptor* field,
                        Message* out) {
  if (!value.vector) return read_one(tl, value, field, out);
  EXPECT_EQ(*tl.u32(), kVectorId);
  for (uint32_t left = *tl.u32(); left > 0; --left) read_one(tl, value, field, out);
}

void Oracle::read_one(ByteReader& tl, const Value& value, const FieldDescriptor* field,
                      Message* out) {
  const pb::Reflection* to = out->GetReflection();
  const bool add = value.vector;
  switch (value.kind) {
    case Kind::kInt: {
      const int32_t number = *tl.i32();
      return add ? to->AddInt32(out, field, number) : to->SetInt32(out, field, number);
    }
    case Kind::kLong: {
      const int64_t number = *tl.i64();
      return add ? to->AddInt64(out, field, number) : to->SetInt64(out, field, number);
    }
    case Kind::kDouble: {
      const auto number = std::bit_cast<double>(*tl.u64());
      return add ? to->AddDouble(out, field, number) : to->SetDouble(out, field, number);
    }
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kInt128:
    case Kind::kInt256: {
      std::string text;
      if (value.kind == Kind::kInt128 || value.kind == Kind::kInt256) {
        text = as_text(*tl.bytes(value.kind == Kind::kInt128 ? 16 : 32));
      } else {
        text = read_string(tl);
      }
      return add ? to->AddString(out, field, text) : to->SetString(out, field, text);
    }
    case Kind::kObject:
      return read_object(
          tl, value.type,
          add ? to->AddMessage(out, field, &factory_) : to->MutableMessage(out, field, &factory_));
    default:
      return read_query(tl, to->MutableMessage(out, field, &factory_));
  }
}

std::optional<Bytes> Oracle::combinator_to_tl(uint32_t combinator, const std::string& proto) {
  const auto message = parse(combinator, proto);
  Bytes out;
  if (message == nullptr || !write_combinator(*message, combinator, out)) return std::nullopt;
  return out;
}

std::optional<Bytes> Oracle::answer_to_tl(uint32_t method, const std::string& proto) {
  const auto message = parse(contract_.answer_of(method), proto);
  if (message == nullptr) return std::nullopt;
  const Value& result = contract_.schema().combinators[method].result;
  Bytes out;
  const bool ok = result.vector
                      ? write_value(*message, result, message->GetDescriptor()->field(0), out)
                      : write_object(*message, result.type, out);
  return ok ? std::optional<Bytes>(out) : std::nullopt;
}

bool Oracle::has(const Message& in, const FieldDescriptor* field) const {
  const pb::Reflection* from = in.GetReflection();
  if (field->is_repeated()) return from->FieldSize(in, field) != 0;
  if (field->type() == FieldDescriptor::TYPE_BOOL) return from->GetBool(in, field);
  return from->HasField(in, field);
}

bool Oracle::write_combinator(const Message& in, uint32_t combinator, Bytes& out) {
  if (!in.GetReflection()->GetUnknownFields(in).empty()) return false;
  const Combinator& definition = contract_.schema().combinators[combinator];
  const pb::Descriptor* type = in.GetDescriptor();
  // The words first: a bit may be that of several parameters.
  std::vector<uint32_t> words;
  int number = 0;
  for (const Param& param : definition.params) {
    const FieldDescriptor* field = type->FindFieldByNumber(++number);
    if (param.value.kind == Kind::kFlags) {
      words.push_back(static_cast<uint32_t>(in.GetReflection()->GetInt32(in, field)));
    } else if (param.optional() && field != nullptr && has(in, field)) {
      words[param.word] |= uint32_t{1} << param.bit;
    }
  }
  ByteAppender(out).u32(definition.id);
  size_t word = 0;
  number = 0;
  for (const Param& param : definition.params) {
    const FieldDescriptor* field = type->FindFieldByNumber(++number);
    if (param.optional() && (words[param.word] >> param.bit & 1) == 0) continue;
    if (param.value.kind == Kind::kFlags) {
      ByteAppender(out).u32(words[word++]);
    } else if (param.value.kind != Kind::kTrue && !write_value(in, param.value, field, out)) {
      return false;
    }
  }
  return true;
}

bool Oracle::write_object(const Message& in, uint32_t type, Bytes& out) {
  const pb::Reflection* from = in.GetReflection();
  if (!from->GetUnknownFields(in).empty()) return false;
  std::vector<const FieldDescriptor*> set;
  from->ListFields(in, &set);
  if (set.size() != 1) return false;
  const auto place = static_cast<size_t>(set[0]->number() - 1);
  return write_combinator(from->GetMessage(in, set[0]),
                          contract_.schema().types[type].constructors[place], out);
}

bool Oracle::write_query(const Message& in, Bytes& out) {
  const pb::Descriptor* any = in.GetDescriptor();
  const pb::Reflection* from = in.GetReflection();
  const std::string url = from->GetString(in, any->FindFieldByName("type_url"));
  const auto method = contract_.method_of_request(url.substr(url.rfind('/') + 1));
  if (!method) return false;
  const auto request = parse(*method, from->GetString(in, any->FindFieldByName("value")));
  return request != nullptr && write_combinator(*request, *method, out);
}

bool Oracle::write_value(const Message& in, const Value& value, const FieldDescriptor* field,
                         Bytes& out) {
  if (!value.vector) return write_one(in, value, field, -1, out);
  const int count = in.GetReflection()->FieldSize(in, field);
  ByteAppender(out).u32(kVectorId);
  ByteAppender(out).u32(static_cast<uint32_t>(count));
  for (int i = 0; i < count; ++i) {
    if (!write_one(in, value, field, i, out)) return false;
  }
  return true;
}

bool Oracle::write_one(const Message& in, const Value& value, const FieldDescriptor* field,
                       int index, Bytes& out) {
  const pb::Reflection* from = in.GetReflection();
  ByteAppender appender(out);
  const bool one = index < 0;
  switch (value.kind) {
    case Kind::kInt:
      appender.i32(one ? from->GetInt32(in, field) : from->GetRepeatedInt32(in, field, index));
      return true;
    case Kind::kLong:
      appender.i64(one ? from->GetInt64(in, field) : from->GetRepeatedInt64(in, field, index));
      return true;
    case Kind::kDouble:
      appender.u64(std::bit_cast<uint64_t>(one ? from->GetDouble(in, field)
                                               : from->GetRepeatedDouble(in, field, index)));
      return true;
    case Kind::kString:
    case Kind::kBytes:
    case Kind::kInt128:
    case Kind::kInt256: {
      std::string text =
          one ? from->GetString(in, field) : from->GetRepeatedString(in, field, index);
      if (value.kind == Kind::kString || value.kind == Kind::kBytes) {
        write_string(text, out);
        return true;
      }
      const size_t bytes = value.kind == Kind::kInt128 ? 16 : 32;
      if (text.empty() && one && !from->HasField(in, field)) text.resize(bytes);
      appender.bytes(as_bytes(text));
      return text.size() == bytes;
    }
    case Kind::kObject:
      if (one && !from->HasField(in, field)) return false;
      return write_object(
          one ? from->GetMessage(in, field) : from->GetRepeatedMessage(in, field, index),
          value.type, out);
    default:
      return from->HasField(in, field) && write_query(from->GetMessage(in, field), out);
  }
}

}  // namespace ringway::tl
