// Transcoding between TL and protobuf next to what protobuf's own objects cost.
//
// The baseline parses the same answer's protobuf bytes into a DynamicMessage and serializes it
// again: what any proxy that goes through objects pays at least, before it has looked at the TL.
// Both are timed in turns, so that the ratio compares like with like. Megabytes are of TL.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/text_format.h>

#include <cstdlib>
#include <memory>
#include <string>

#include "base/clock.h"
#include "tl/descriptors.h"
#include "tl/embedded.h"
#include "tl/layout.h"
#include "tl/to_proto.h"
#include "tl/to_tl.h"

namespace {

using namespace ringway;
using namespace ringway::tl;
namespace pb = google::protobuf;

constexpr int kMessagesPerTiming = 64;

[[noreturn]] void give_up(const std::string& why) {
  fmt::print(stderr, "tl_bench: {}\n", why);
  std::abort();
}

std::unique_ptr<const Contract> modern_contract() {
  ParsedSchema parsed = parse_schema(*embedded_schema(kModernLayer));
  if (parsed.schema == nullptr) give_up(parsed.errors.front().text);
  auto made =
      Contract::make(std::move(parsed.schema), options_of_layer(kModernLayer, Mode::kExtended));
  if (made.contract == nullptr) give_up(made.errors.front().text);
  return std::move(made.contract);
}

// Layer 228 and protobuf's descriptors of it, made once.
class World {
 public:
  World() {
    pb::Any::descriptor();
    file_ = pool_.BuildFile(types_file(*contract_));
  }
  [[nodiscard]] const Layout& layout() const { return layout_; }
  [[nodiscard]] uint32_t method(const std::string& name) const {
    const auto method = contract_->method_of_request("mtproto.l228.Req" + name);
    if (!method) give_up("no method " + name);
    return *method;
  }
  std::unique_ptr<pb::Message> answer(uint32_t method) {
    const std::string& name = contract_->messages()[contract_->answer_of(method)].name;
    return std::unique_ptr<pb::Message>(
        factory_.GetPrototype(file_->FindMessageTypeByName(name))->New());
  }

 private:
  std::unique_ptr<const Contract> contract_ = modern_contract();
  Layout layout_{*contract_};
  pb::DescriptorPool pool_{pb::DescriptorPool::generated_pool()};
  pb::DynamicMessageFactory factory_;
  const pb::FileDescriptor* file_ = nullptr;
};

World& world() {
  static World the_world;
  return the_world;
}

// A page of a conversation: so many messages, half as many people and one channel.
std::string history(int messages) {
  std::string text = "MessagesMessages {";
  for (int i = 0; i < messages; ++i) {
    text += fmt::format(
        "Messages {{ Message {{ Flags: 0x380 Id: {} FromId {{ PeerUser {{ UserId: {} }} }} "
        "PeerId {{ PeerChannel {{ ChannelId: 1234567890 }} }} Date: {} "
        "Message: 'See you at the station, platform nine, around a quarter past six.' "
        "Media {{ MessageMediaEmpty {{}} }} "
        "Entities {{ MessageEntityBold {{ Offset: 15 Length: 7 }} }} "
        "Entities {{ MessageEntityMention {{ Offset: 24 Length: 13 }} }} }} }}",
        70000 + i, 5000000000LL + i, 1700000000 + i * 61);
  }
  for (int i = 0; i < (messages + 1) / 2; ++i) {
    text += fmt::format(
        "Users {{ User {{ Flags: 0x7f Id: {} AccessHash: {} FirstName: 'Katharina' "
        "LastName: 'Sommer' Username: 'katharina_s' Phone: '4915123456789' "
        "Photo {{ UserProfilePhoto {{ Flags: 2 PhotoId: {} "
        "StrippedThumb: '0123456789abcdefghijklmnopqrstuv' DcId: 4 }} }} "
        "Status {{ UserStatusOnline {{ Expires: 1700000300 }} }} }} }}",
        5000000000LL + i, 0x1234567890abcdefLL - i, 0x5fedcba987654321LL + i);
  }
  text +=
      "Chats { Channel { Flags: 0x2140 Id: 1234567890 AccessHash: -77777777777777 "
      "Title: 'Travel plans' Username: 'travel_plans' Photo { ChatPhotoEmpty {} } "
      "Date: 1600000000 } } }";
  return text;
}

// Numbers, numbers, and a Bool each.
std::string contacts(int count) {
  std::string text = "ContactsContacts {";
  for (int i = 0; i < count; ++i) {
    text += fmt::format("Contacts {{ Value {{ UserId: {} Mutual {{ BoolTrue {{}} }} }} }}",
                        5000000000LL + i * 7919);
  }
  return text + "SavedCount: 7 }";
}

struct Answer {
  uint32_t method = 0;
  std::string proto;
  Bytes tl;
  std::unique_ptr<pb::Message> object;
};

Answer make_answer(const std::string& method, const std::string& text) {
  Answer answer;
  answer.method = world().method(method);
  answer.object = world().answer(answer.method);
  if (!pb::TextFormat::ParseFromString(text, answer.object.get())) give_up("bad text: " + text);
  const std::string proto = answer.object->SerializeAsString();
  Output out;
  ToTl to_tl(world().layout());
  if (!to_tl.answer(answer.method, as_bytes(proto), out).ok()) {
    give_up(describe(world().layout().contract(), to_tl.problem()));
  }
  answer.tl.assign(out.bytes().begin(), out.bytes().end());
  // As our own side writes it, with all bits told.
  ToProto to_proto(world().layout());
  out.clear();
  if (!to_proto.answer(answer.method, answer.method, answer.tl, out).ok()) give_up("no way back");
  answer.proto = as_text(out.bytes());
  return answer;
}

Answer answer_of(int64_t which) {
  switch (which) {
    case 0:
      return make_answer("MessagesGetHistory", history(4));
    case 1:
      return make_answer("MessagesGetHistory", history(50));
    default:
      return make_answer("ContactsGetContacts", contacts(60));
  }
}

int64_t cpu_ns() { return read_clock_ns(CLOCK_THREAD_CPUTIME_ID); }

template <typename Direct>
void against_objects(benchmark::State& state, const Answer& answer, Direct&& direct) {
  int64_t direct_ns = 0;
  int64_t objects_ns = 0;
  std::string serialized;
  for (auto _ : state) {
    const int64_t begin = cpu_ns();
    bool ok = true;
    for (int i = 0; i < kMessagesPerTiming; ++i) {
      ok = answer.object->ParseFromString(answer.proto) && ok;
      ok = answer.object->SerializeToString(&serialized) && ok;
    }
    const int64_t between = cpu_ns();
    for (int i = 0; i < kMessagesPerTiming; ++i) ok = direct() && ok;
    const int64_t end = cpu_ns();
    if (!ok || serialized.size() != answer.proto.size()) {
      state.SkipWithError("did not convert");
      break;
    }
    objects_ns += between - begin;
    direct_ns += end - between;
  }
  const double messages = static_cast<double>(state.iterations()) * kMessagesPerTiming;
  const double bytes = messages * static_cast<double>(answer.tl.size());
  state.counters["tl_bytes"] = static_cast<double>(answer.tl.size());
  state.counters["proto_bytes"] = static_cast<double>(answer.proto.size());
  state.counters["direct_ns"] = static_cast<double>(direct_ns) / messages;
  state.counters["direct_MB/s"] = bytes * 1000 / static_cast<double>(direct_ns);
  state.counters["objects_MB/s"] = bytes * 1000 / static_cast<double>(objects_ns);
  state.counters["ratio"] = static_cast<double>(objects_ns) / static_cast<double>(direct_ns);
}

void tl_to_proto(benchmark::State& state) {
  const Answer answer = answer_of(state.range(0));
  ToProto to_proto(world().layout());
  Output out;
  against_objects(state, answer, [&] {
    out.clear();
    return to_proto.answer(answer.method, answer.method, answer.tl, out).ok();
  });
}

void proto_to_tl(benchmark::State& state) {
  const Answer answer = answer_of(state.range(0));
  ToTl to_tl(world().layout());
  Output out;
  against_objects(state, answer, [&] {
    out.clear();
    return to_tl.answer(answer.method, as_bytes(answer.proto), out).ok();
  });
}

// Argument: 0 a page of 4 messages, 1 of 50 messages, 2 a list of contacts.
BENCHMARK(tl_to_proto)->Arg(0)->Arg(1)->Arg(2);
BENCHMARK(proto_to_tl)->Arg(0)->Arg(1)->Arg(2);

}  // namespace

BENCHMARK_MAIN();
