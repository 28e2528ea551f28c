#include "tl/contract.h"

#include <google/protobuf/any.pb.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "base/hex.h"
#include "crypto/sha.h"
#include "schema_files.h"
#include "tl/descriptors.h"
#include "tl/proto_text.h"

namespace ringway::tl {
namespace {

namespace fs = std::filesystem;

struct Fingerprint {
  size_t lines = 0;
  size_t bytes = 0;
  std::string sha256;
  bool operator==(const Fingerprint&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Fingerprint& print) {
  return out << print.lines << " lines, " << print.bytes << " bytes, " << print.sha256;
}

Fingerprint of_text(const std::string& text) {
  const auto lines = static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
  return {lines, text.size(), to_hex(crypto::sha256({as_bytes(text)}))};
}

// Of the lines that begin with `prefix`.
Fingerprint of_group(const std::string& text, const std::string& prefix) {
  std::istringstream lines(text);
  std::string group;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(prefix)) group += line + "\n";
  }
  return of_text(group);
}

std::string lines_of(int layer, Mode mode) {
  const auto contract = load_layer(layer, mode);
  return fingerprint_lines(types_file(*contract));
}

constexpr char kCompat71[] = "46d66f636d923de8d3fe982b79911b08ca87da6c58493400f718de167724b3af";
constexpr char kExtended71[] = "5b496c5270b546f7c6a99979634eb20255b0d556e6267713a899b125f7a2d3df";
constexpr char kExtended228[] = "f40124ade8e6c8ec5f8eb36c5ead165199c19ae8d34ab47229d15a8ef2396096";

TEST(Contract, FingerprintOfLayer71ForOldClients) {
  const std::string lines = lines_of(71, Mode::kCompat);
  EXPECT_EQ(of_text(lines), (Fingerprint{2899, 142391, kCompat71}));
  const std::tuple<const char*, size_t, const char*> groups[] = {
      {"Type", 595, "e03dca7ed40fb96364561a6928b5e9aabd1b419a2b875c8dff64546c39cda4a3"},
      {"Pred", 1542, "d0de3defbe7479389a9beb37e08013619ab2c61891c3d27b4b7c670ad6d90412"},
      {"Req", 528, "eea5fb2e9dae6dede7111e6df12aa316bb8e46545649b4685f2bde27abdaea67"},
      {"rpc ", 234, "bb5d50c5237932e8e656bb1f51712d964dbc31ca45b3e7f47dcde0136ba8adc4"}};
  for (const auto& [prefix, count, sha256] : groups) {
    const Fingerprint group = of_group(lines, prefix);
    EXPECT_EQ(group.lines, count) << prefix;
    EXPECT_EQ(group.sha256, sha256) << prefix;
  }
}

TEST(Contract, FingerprintsOfTheExtendedMode) {
  EXPECT_EQ(of_text(lines_of(71, Mode::kExtended)), (Fingerprint{3105, 150443, kExtended71}));
  EXPECT_EQ(of_text(lines_of(228, Mode::kExtended)), (Fingerprint{10709, 548366, kExtended228}));
}

TEST(Contract, LinesOfTheCompatContract) {
  const std::string lines = "\n" + lines_of(71, Mode::kCompat);
  for (const char* line :
       {"PredDcOption.IpAddress=8:string", "TypeDcOption.Value=1:PredDcOption",
        "TypeUpdates.UpdateShort=4:PredUpdateShort|Value", "PredInputPeerSelf={}",
        "TypeVectorInt.values=1:int32[]", "PredChatFull.BotInfos=6:TypeBotInfo[]",
        "rpc InvokeWithLayer(ReqInvokeWithLayer)=google.protobuf.Any"}) {
    EXPECT_NE(lines.find("\n" + std::string(line) + "\n"), std::string::npos) << line;
  }
}

TEST(Contract, ProtobufTakesTheDescriptors) {
  for (const int layer : {71, 144, 228}) {
    for (const Mode mode : {Mode::kCompat, Mode::kExtended}) {
      const auto contract = load_layer(layer, mode);
      google::protobuf::DescriptorPool pool(google::protobuf::DescriptorPool::generated_pool());
      ASSERT_NE(google::protobuf::Any::descriptor(), nullptr);
      const auto* types = pool.BuildFile(types_file(*contract));
      ASSERT_NE(types, nullptr) << layer;
      const auto* updates = pool.BuildFile(updates_file(*contract));
      ASSERT_NE(updates, nullptr) << layer;
      EXPECT_EQ(types->message_type_count(), static_cast<int>(contract->messages().size()));
      const auto* update = updates->FindMessageTypeByName("Update");
      ASSERT_NE(update, nullptr);
      EXPECT_EQ(update->field_count(), 18);
      EXPECT_EQ(update->FindFieldByNumber(18)->message_type()->full_name(),
                contract->options().package + ".PredUpdateNewChannelMessage");
    }
  }
}

TEST(Contract, PackagesByLayer) {
  EXPECT_EQ(options_of_layer(71, Mode::kCompat).package, "mtproto");
  EXPECT_EQ(options_of_layer(71, Mode::kCompat).updates_package, "proxy");
  EXPECT_EQ(options_of_layer(228, Mode::kExtended).package, "mtproto.l228");
  EXPECT_EQ(options_of_layer(228, Mode::kExtended).updates_package, "proxy.l228");
}

TEST(Contract, MethodsByPathAndByMessage) {
  const auto contract = load_layer(228, Mode::kExtended);
  const auto method = contract->method_of_path("/mtproto.l228.Mtproto/MessagesGetDialogs");
  ASSERT_TRUE(method);
  EXPECT_EQ(contract->schema().combinators[*method].name, "messages.getDialogs");
  EXPECT_EQ(contract->method_name(*method), "MessagesGetDialogs");
  EXPECT_EQ(contract->messages()[contract->answer_of(*method)].name, "TypeMessagesDialogs");
  EXPECT_EQ(contract->method_of_request("mtproto.l228.ReqMessagesGetDialogs"), method);
  for (const char* path :
       {"/mtproto.Mtproto/MessagesGetDialogs", "/mtproto.l228.Mtproto/MessagesGetDialog", "",
        "mtproto.l228.Mtproto/MessagesGetDialogs", "/mtproto.l228.Mtproto/", "/mtproto.l228"}) {
    EXPECT_FALSE(contract->method_of_path(path)) << path;
  }
  for (const char* name : {"mtproto.ReqMessagesGetDialogs", "mtproto.l228.PredUser", "",
                           "mtproto.l228", "mtproto.l228ReqMessagesGetDialogs"}) {
    EXPECT_FALSE(contract->method_of_request(name)) << name;
  }
}

TEST(Contract, EightRepeatedFieldsOfLayer228GetAnS) {
  const auto contract = load_layer(228, Mode::kExtended);
  size_t renamed = 0;
  for (size_t i = 0; i < contract->schema().combinators.size(); ++i) {
    const Combinator& combinator = contract->schema().combinators[i];
    for (uint32_t p = 0; p < combinator.params.size(); ++p) {
      const FieldSpec* field = contract->field_of(static_cast<uint32_t>(i), p);
      ASSERT_NE(field, nullptr);
      renamed += field->name != proto_name(combinator.params[p].name);
    }
  }
  EXPECT_EQ(renamed, 8u);
}

TEST(Contract, RefusesNamesThatMeet) {
  const auto errors = [](const std::string& text) {
    return Contract::make(load_schema(text), {}).errors;
  };
  const auto messages = errors("foo_bar#1 = A;\nfooBar#2 = A;\n");
  ASSERT_FALSE(messages.empty());
  EXPECT_EQ(messages[0].line, 2u);
  EXPECT_NE(messages[0].text.find("PredFooBar"), std::string::npos);
  const auto fields = errors("a#1 = A;\nb#2 foo_bar:int fooBar:int = A;\n");
  ASSERT_FALSE(fields.empty());
  EXPECT_EQ(fields[0].line, 2u);
  EXPECT_FALSE(errors("value#1 = A;\nb#2 = A;\n").empty());  // the oneof's own name
}

// What protoc makes of the written files, in a folder of their own.
class Compiled : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("ringway-tl-" + std::to_string(getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string compiled_lines(const Contract& contract) {
    write("types.tl.proto", types_proto_text(contract));
    write("tl_update.proto", updates_proto_text(contract));
    const char* protoc = std::getenv("PROTOC");
    const std::string set = folder_ / "set";
    const std::string command = std::string(protoc == nullptr ? "protoc" : protoc) + " -I" +
                                folder_.string() + " --descriptor_set_out=" + set +
                                " types.tl.proto tl_update.proto";
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    google::protobuf::FileDescriptorSet files;
    std::ifstream in(set, std::ios::binary);
    EXPECT_TRUE(files.ParseFromIstream(&in));
    EXPECT_EQ(files.file_size(), 2);
    if (files.file_size() != 2) return {};
    EXPECT_EQ(fingerprint_lines(files.file(1)), fingerprint_lines(updates_file(contract)));
    return fingerprint_lines(files.file(0));
  }

 private:
  void write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }
  fs::path folder_;
};

TEST_F(Compiled, WrittenFilesHaveTheFingerprint) {
  EXPECT_EQ(of_text(compiled_lines(*load_layer(71, Mode::kCompat))).sha256, kCompat71);
  EXPECT_EQ(of_text(compiled_lines(*load_layer(71, Mode::kExtended))).sha256, kExtended71);
  EXPECT_EQ(of_text(compiled_lines(*load_layer(228, Mode::kExtended))).sha256, kExtended228);
}

}  // namespace
}  // namespace ringway::tl
