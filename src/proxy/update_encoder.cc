#include "proxy/update_encoder.h"

#include <algorithm>

#include "proxy/limits.h"
#include "proxy/proto_fields.h"

namespace ringway::proxy {
namespace {

constexpr char kTypeUrlPrefix[] = "type.googleapis.com/";
// Fields of ringway.proxy.v1.Event and Gap.
constexpr uint32_t kEventUpdate = 2;
constexpr uint32_t kEventGap = 3;
constexpr uint32_t kEventUsers = 5;
constexpr uint32_t kEventChats = 6;
constexpr uint32_t kGapReason = 1;
constexpr uint32_t kGapChannel = 2;
constexpr uint32_t kGapPts = 3;

const tl::Combinator* combinator_named(const tl::Schema& schema, std::string_view name) {
  const auto found = std::find_if(schema.combinators.begin(), schema.combinators.end(),
                                  [&](const auto& one) { return one.name == name; });
  return found == schema.combinators.end() ? nullptr : &*found;
}

// Whether the last parameters are these ints.
bool ends_with_ints(const tl::Combinator& combinator, std::vector<std::string_view> names) {
  if (combinator.params.size() < names.size()) return false;
  auto param = combinator.params.end() - static_cast<std::ptrdiff_t>(names.size());
  return std::all_of(names.begin(), names.end(), [&](std::string_view name) {
    const tl::Param& at = *param++;
    return at.name == name && at.value.kind == tl::Kind::kInt && !at.value.vector && !at.optional();
  });
}

}  // namespace

UpdateEncoder::UpdateEncoder(std::shared_ptr<const tl::Contract> contract)
    : contract_(std::move(contract)),
      layout_(*contract_),
      to_proto_(layout_),
      update_type_(type_named("Update")),
      user_type_(type_named("User")),
      chat_type_(type_named("Chat")) {
  const tl::Combinator* combined = combinator_named(contract_->schema(), "updatesCombined");
  const tl::Combinator* updates = combinator_named(contract_->schema(), "updates");
  if (combined != nullptr && updates != nullptr &&
      ends_with_ints(*combined, {"date", "seq_start", "seq"}) &&
      ends_with_ints(*updates, {"date", "seq"}) &&
      combined->params.size() == updates->params.size() + 1) {
    combined_id_ = combined->id;
    updates_id_ = updates->id;
  }
}

uint32_t UpdateEncoder::type_named(std::string_view name) const {
  const auto& types = contract_->schema().types;
  for (size_t i = 0; i < types.size(); ++i) {
    if (types[i].name == name) return static_cast<uint32_t>(i);
  }
  return tl::Layout::kNone;
}

bool UpdateEncoder::add_any(std::string& out, uint32_t field, uint32_t type, ByteView tl) {
  out_.clear();
  if (type == tl::Layout::kNone || !to_proto_.object(type, tl, out_)) {
    ++failures_;
    return false;
  }
  const std::string url = kTypeUrlPrefix + contract_->full_name(contract_->message_of_type(type));
  std::string any;
  add_bytes(any, 1, url);
  add_bytes(any, 2, as_text(out_.bytes()));
  add_bytes(out, field, any);
  return true;
}

grpc::Slice UpdateEncoder::shared_of(const client::UpdateSource& source) {
  std::string shared;
  for (const Bytes& user : source.users) add_any(shared, kEventUsers, user_type_, user);
  for (const Bytes& chat : source.chats) add_any(shared, kEventChats, chat_type_, chat);
  return {shared.data(), shared.size()};
}

std::optional<EncodedUpdate> UpdateEncoder::update(const client::UpdateEvent& event) {
  EncodedUpdate encoded;
  if (event.update.size() < sizeof(uint32_t)) {
    ++failures_;
    return std::nullopt;
  }
  encoded.type = layout_.by_id(load_le<uint32_t>(event.update.data()));
  if (!add_any(encoded.message, kEventUpdate, update_type_, event.update)) return std::nullopt;
  if (event.source == nullptr) return encoded;
  if (last_source_.lock() != event.source) {
    last_shared_ = shared_of(*event.source);
    last_source_ = event.source;
    encoded.shared_bytes = last_shared_.size();
  }
  encoded.shared = last_shared_;
  return encoded;
}

// updatesCombined ends with date, seq_start and seq; updates with date and seq.
bool UpdateEncoder::split_combined(ByteView tl, Bytes& out) const {
  constexpr size_t kNumber = sizeof(int32_t);
  if (combined_id_ == 0 || tl.size() < 4 * kNumber ||
      load_le<uint32_t>(tl.data()) != combined_id_) {
    return false;
  }
  ByteAppender(out).u32(updates_id_);
  append(out, tl.subspan(kNumber, tl.size() - 3 * kNumber));
  append(out, tl.last(kNumber));
  return true;
}

std::optional<std::string> UpdateEncoder::source(const client::UpdateSource& source) {
  ByteView original = source.original;
  if (original.size() < sizeof(uint32_t)) return std::nullopt;
  Bytes split;
  if (split_combined(original, split)) original = split;
  const uint32_t combinator = layout_.by_id(load_le<uint32_t>(original.data()));
  const auto& arms = contract_->updates();
  const auto arm = std::find_if(arms.begin(), arms.end(), [&](const tl::FieldSpec& one) {
    return one.message == combinator;
  });
  if (arm == arms.end()) return std::nullopt;
  out_.clear();
  if (!to_proto_.combinator(original, out_)) {
    ++failures_;
    return std::nullopt;
  }
  std::string message;
  add_bytes(message, arm->number, as_text(out_.bytes()));
  return message;
}

std::string UpdateEncoder::gap(const client::UpdateEvent& event) {
  using Reason = client::UpdateEvent::GapReason;
  const bool channel = event.reason == Reason::kChannelTooLong;
  std::string gap;
  add_number(gap, kGapReason,
             static_cast<uint64_t>(channel ? GapReason::kChannelTooLong : GapReason::kTooLong));
  if (channel) add_number(gap, kGapChannel, static_cast<uint64_t>(event.channel_id));
  if (event.pts != 0) add_number(gap, kGapPts, static_cast<uint64_t>(int64_t{event.pts}));
  std::string message;
  add_bytes(message, kEventGap, gap);
  return message;
}

}  // namespace ringway::proxy
