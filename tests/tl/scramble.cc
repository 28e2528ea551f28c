#include "scramble.h"

#include <google/protobuf/unknown_field_set.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace ringway::tl {
namespace {

namespace pb = google::protobuf;

struct Record {
  int number = 0;
  std::string bytes;
};

std::string record_bytes(int number, const std::string& content) {
  pb::UnknownFieldSet set;
  set.AddLengthDelimited(number, content);
  std::string out;
  EXPECT_TRUE(set.SerializeToString(&out));
  return out;
}

std::string varint_bytes_of(int number, uint64_t value) {
  pb::UnknownFieldSet set;
  set.AddVarint(number, value);
  std::string out;
  EXPECT_TRUE(set.SerializeToString(&out));
  return out;
}

// The content of a message cut in two between fields.
std::pair<std::string, std::string> cut(const std::string& content, std::mt19937_64& random) {
  pb::UnknownFieldSet set;
  EXPECT_TRUE(set.ParseFromString(content));
  pb::UnknownFieldSet halves[2];
  const int at = set.field_count() == 0 ? 0 : static_cast<int>(random() % (set.field_count() + 1u));
  for (int i = 0; i < set.field_count(); ++i) halves[i < at ? 0 : 1].AddField(set.field(i));
  std::pair<std::string, std::string> out;
  EXPECT_TRUE(halves[0].SerializeToString(&out.first));
  EXPECT_TRUE(halves[1].SerializeToString(&out.second));
  return out;
}

void add_message(const pb::UnknownField& field, const pb::FieldDescriptor* type,
                 std::vector<Record>& out, std::mt19937_64& random) {
  const int number = field.number();
  const bool any = type->message_type()->full_name() == "google.protobuf.Any";
  const std::string content =
      any ? field.length_delimited()
          : scramble(field.length_delimited(), type->message_type(), random);
  if (type->is_repeated() || random() % 2 == 0) {
    out.push_back({number, record_bytes(number, content)});
    return;
  }
  const auto [first, second] = cut(content, random);
  out.push_back({number, record_bytes(number, first) + record_bytes(number, second)});
}

// Packed numbers one by one and in several rows.
void add_packed(const pb::UnknownField& field, const pb::FieldDescriptor* type,
                std::vector<Record>& out) {
  const std::string& packed = field.length_delimited();
  Record record{field.number(), {}};
  size_t begin = 0;
  for (size_t i = 0; i < packed.size(); ++i) {
    const bool fixed = type->type() == pb::FieldDescriptor::TYPE_DOUBLE;
    if (fixed ? i % 8 != 7 : (static_cast<uint8_t>(packed[i]) & 0x80) != 0) continue;
    record.bytes += record_bytes(field.number(), packed.substr(begin, i + 1 - begin));
    record.bytes += record_bytes(field.number(), "");
    begin = i + 1;
  }
  out.push_back(std::move(record));
}

void add_field(const pb::UnknownField& field, const pb::FieldDescriptor* type,
               std::vector<Record>& out, std::mt19937_64& random) {
  if (type->type() == pb::FieldDescriptor::TYPE_MESSAGE) {
    return add_message(field, type, out, random);
  }
  if (type->is_packed() && field.type() == pb::UnknownField::TYPE_LENGTH_DELIMITED) {
    return add_packed(field, type, out);
  }
  pb::UnknownFieldSet set;
  set.AddField(field);
  Record record{field.number(), {}};
  // An earlier value of the same field, which the later one overrules.
  if (!type->is_repeated() && field.type() == pb::UnknownField::TYPE_VARINT && random() % 2 == 0) {
    record.bytes = varint_bytes_of(field.number(), random());
  }
  std::string bytes;
  EXPECT_TRUE(set.SerializeToString(&bytes));
  record.bytes += bytes;
  out.push_back(std::move(record));
}

}  // namespace

std::string scramble(const std::string& proto, const pb::Descriptor* type,
                     std::mt19937_64& random) {
  pb::UnknownFieldSet set;
  EXPECT_TRUE(set.ParseFromString(proto));
  std::vector<Record> records;
  for (int i = 0; i < set.field_count(); ++i) {
    const pb::FieldDescriptor* field = type->FindFieldByNumber(set.field(i).number());
    EXPECT_NE(field, nullptr);
    if (field != nullptr) add_field(set.field(i), field, records, random);
  }
  // Backwards, but those of one number as they were.
  std::stable_sort(records.begin(), records.end(),
                   [](const Record& a, const Record& b) { return a.number > b.number; });
  std::string out;
  if (type->real_oneof_decl_count() == 1 && type->field_count() > 1 && random() % 2 == 0) {
    for (int i = 0; i < 2; ++i) {
      const auto other = static_cast<int>(random() % static_cast<unsigned>(type->field_count()));
      if (records.empty() || type->field(other)->number() == records[0].number) continue;
      out += record_bytes(type->field(other)->number(), "");
    }
  }
  for (const Record& record : records) out += record.bytes;
  return out;
}

}  // namespace ringway::tl
