// Signing in, against the reference shard's messenger at each of its layers, and against servers
// that say what it never does.
#include "client/account/sign_in.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "client/account/limits.h"
#include "crypto/dh.h"
#include "shard/messenger/messenger.h"
#include "tl/embedded.h"

namespace ringway::client {
namespace {

using shard::messenger::Caller;
using shard::messenger::Messenger;
using shard::messenger::RpcError;
using tl::dynamic::Layer;
using tl::dynamic::Layers;
using tl::dynamic::Object;
using tl::dynamic::Value;

constexpr int64_t kStartSeconds = 1'700'000'000;

// The messenger behind one key, and prompts that give prepared answers.
class Bench {
 public:
  explicit Bench(int number) : layer(Layers::nearest(number)) {
    std::string pattern = testing::TempDir() + "sign-in-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
    const std::string users = folder_ + "/users";
    std::ofstream(users) << "15550001 Alice alice\n15550002 Bob bob correct-horse\n";
    auto opened = Messenger::open({.data_dir = "", .users_path = users, .fixed_code = "24680"});
    EXPECT_EQ(opened.failure, "");
    messenger_ = std::move(opened.messenger);
  }
  Bench(const Bench&) = delete;
  Bench& operator=(const Bench&) = delete;
  ~Bench() { std::filesystem::remove_all(folder_); }

  ApiAnswer call(const Object& call) {
    calls.emplace_back(call.name);
    const auto scripted = script.find(std::string(call.name));
    if (scripted != script.end() && !scripted->second.empty()) {
      ApiAnswer answer = std::move(scripted->second.front());
      scripted->second.erase(scripted->second.begin());
      return answer;
    }
    Bytes bytes;
    ByteAppender out(bytes);
    EXPECT_TRUE(layer.write_call(call, out)) << call.name;
    const Caller caller{1, 1, 10, layer.number(), kStartSeconds};
    const auto reply =
        messenger_->serve(caller, load_le<uint32_t>(bytes.data()), ByteView(bytes).subspan(4));
    if (!reply.has_value()) return ApiError{400, "METHOD_NOT_IMPLEMENTED"};
    if (const auto* error = std::get_if<RpcError>(&*reply))
      return ApiError{error->code, error->text};
    answers_.push_back(std::get<Bytes>(*reply));
    auto read = layer.read_answer(*layer.method(call.name), answers_.back());
    EXPECT_TRUE(read.ok()) << call.name;
    return *std::move(read);
  }

  // "ID NAME", or the problem.
  std::string run(SignInOptions options) {
    options.api_id = 1;
    options.api_hash = "hash";
    SignInPrompts prompts;
    prompts.code = [this](std::string_view how) -> std::optional<std::string> {
      asked.push_back("code " + std::string(how));
      return take(codes);
    };
    prompts.password = [this](std::string_view) -> std::optional<SecretString> {
      asked.emplace_back("password");
      const auto text = take(passwords);
      if (!text.has_value()) return std::nullopt;
      return SecretString(as_bytes(*text));
    };
    prompts.qr = [this](const std::string& url, int64_t seconds) {
      asked.push_back(url + " " + std::to_string(seconds));
      return take(scans).has_value();
    };
    prompts.notice = [this](const std::string& text) { notices.push_back(text); };
    const auto outcome = sign_in(
        layer, options, [this](const Object& object) { return call(object); }, prompts);
    if (const auto* problem = std::get_if<std::string>(&outcome)) return *problem;
    const auto& user = std::get<SignedIn>(outcome);
    return std::to_string(user.user_id) + " " + user.first_name;
  }

  static std::optional<std::string> take(std::vector<std::string>& from) {
    if (from.empty()) return std::nullopt;
    std::string first = std::move(from.front());
    from.erase(from.begin());
    return first;
  }

  const Layer& layer;
  std::vector<std::string> codes, passwords, scans;
  std::map<std::string, std::vector<ApiAnswer>> script;
  std::vector<std::string> calls, asked, notices;

 private:
  std::string folder_;
  std::unique_ptr<Messenger> messenger_;
  std::vector<Bytes> answers_;
};

SignInOptions phone(std::string number) {
  SignInOptions options;
  options.phone = std::move(number);
  return options;
}

class SignInAtLayer : public ::testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Layers, SignInAtLayer,
                         ::testing::Values(tl::kCompatLayer, tl::kMiddleLayer, tl::kModernLayer));

TEST_P(SignInAtLayer, ByPhoneAndCode) {
  Bench bench(GetParam());
  bench.codes = {"24680"};
  const std::string user = bench.run(phone("+15550001"));
  EXPECT_TRUE(user.ends_with(" Alice")) << user;
  EXPECT_EQ(bench.asked, std::vector<std::string>{"code as a text message"});
  EXPECT_EQ(bench.calls, (std::vector<std::string>{"auth.sendCode", "auth.signIn"}));
}

TEST_P(SignInAtLayer, NobodyIsSignedUp) {
  Bench bench(GetParam());
  bench.codes = {"24680"};
  EXPECT_NE(bench.run(phone("+15550009")).find("sign up with an app first"), std::string::npos);
}

TEST(SignIn, WithAPassword) {
  for (const int layer : {tl::kMiddleLayer, tl::kModernLayer}) {
    Bench bench(layer);
    bench.codes = {"24680"};
    bench.passwords = {"wrong horse", "correct-horse"};
    const std::string user = bench.run(phone("+15550002"));
    EXPECT_TRUE(user.ends_with(" Bob")) << user;
    EXPECT_EQ(bench.notices, std::vector<std::string>{"that password was wrong"});
  }
  Bench old(tl::kCompatLayer);
  old.codes = {"24680"};
  EXPECT_NE(old.run(phone("+15550002")).find("406 UPDATE_APP_TO_LOGIN"), std::string::npos);
}

TEST(SignIn, AWrongCodeIsAskedForAgainAndNotForEver) {
  Bench bench(tl::kModernLayer);
  bench.codes = {"1", "24680"};
  EXPECT_TRUE(bench.run(phone("+15550001")).ends_with(" Alice"));
  EXPECT_EQ(bench.notices, std::vector<std::string>{"that code was wrong"});

  Bench stubborn(tl::kModernLayer);
  stubborn.codes = {"1", "2", "3", "4", "5"};
  EXPECT_EQ(stubborn.run(phone("+15550001")),
            "auth.signIn: the server refused it: 400 PHONE_CODE_INVALID");
  EXPECT_EQ(stubborn.asked.size(), static_cast<size_t>(kSignInTriesMax));

  Bench silent(tl::kModernLayer);
  EXPECT_EQ(silent.run(phone("+15550001")), "no code was entered");
}

TEST(SignIn, AnEmptyCodeAsksForAnotherWay) {
  Bench bench(tl::kModernLayer);
  bench.codes = {"", "24680"};
  EXPECT_TRUE(bench.run(phone("+15550001")).ends_with(" Alice"));
  EXPECT_EQ(bench.calls,
            (std::vector<std::string>{"auth.sendCode", "auth.resendCode", "auth.signIn"}));
}

TEST(SignIn, AChallengeThatWasUsedUpIsReplaced) {
  Bench bench(tl::kModernLayer);
  bench.codes = {"24680"};
  bench.passwords = {"correct-horse"};
  bench.script["auth.checkPassword"].push_back(ApiError{400, "SRP_ID_INVALID"});
  EXPECT_TRUE(bench.run(phone("+15550002")).ends_with(" Bob"));
  EXPECT_EQ(bench.asked.size(), 2u) << "nobody is asked twice";
  EXPECT_EQ(std::count(bench.calls.begin(), bench.calls.end(), "account.getPassword"), 2);
}

TEST(SignIn, RefusesABadGroupAndAnotherProof) {
  Bench bench(tl::kModernLayer);
  const auto asks_for = [&](Object algorithm) {
    bench.codes = {"24680"};
    bench.passwords = {"correct-horse"};
    bench.script["account.getPassword"].push_back(
        Value(Object{"account.password",
                     {{"has_password", true},
                      {"current_algo", std::move(algorithm)},
                      {"srp_B", std::string(256, '\x7f')},
                      {"srp_id", 1}}}));
    return bench.run(phone("+15550002"));
  };
  EXPECT_NE(asks_for({"passwordKdfAlgoUnknown", {}}).find("does not know"), std::string::npos);
  const std::string_view srp = "passwordKdfAlgoSHA256SHA256PBKDF2HMACSHA512iter100000SHA256ModPow";
  const auto in_group = [&](int32_t g, const std::string& prime) {
    return asks_for({srp, {{"salt1", "a"}, {"salt2", "b"}, {"g", g}, {"p", prime}}});
  };
  const std::string known(as_text(crypto::dh_prime()));
  std::string composite = known;
  composite[100] = static_cast<char>(composite[100] ^ 2);
  for (const std::string& bad : {std::string(256, '\x11'), known.substr(1), composite}) {
    EXPECT_NE(in_group(4, bad).find("none that is safe"), std::string::npos);
  }
  EXPECT_NE(in_group(2, known).find("none that is safe"), std::string::npos);
  EXPECT_EQ(std::count(bench.calls.begin(), bench.calls.end(), "auth.checkPassword"), 0);
  // 7 generates the same subgroup as 3 does.
  bench.script["auth.checkPassword"].push_back(Value(Object{
      "auth.authorization", {{"user", Object{"user", {{"id", 8}, {"first_name", "Eve"}}}}}}));
  EXPECT_EQ(in_group(7, known), "8 Eve");
}

TEST(SignIn, ByBotToken) {
  Bench bench(tl::kModernLayer);
  bench.script["auth.importBotAuthorization"].push_back(Value(Object{
      "auth.authorization", {{"user", Object{"user", {{"id", 9}, {"first_name", "Bot"}}}}}}));
  SignInOptions options;
  options.bot_token = "9:secret";
  EXPECT_EQ(bench.run(options), "9 Bot");
}

TEST(SignIn, ByQrCode) {
  Bench bench(tl::kModernLayer);
  auto& script = bench.script["auth.exportLoginToken"];
  script.push_back(Value(Object{"auth.loginToken", {{"expires", 0}, {"token", "\xfb\xff\xfe?"}}}));
  script.push_back(Value(Object{"auth.loginToken", {{"expires", INT32_MAX}, {"token", "second"}}}));
  script.push_back(Value(Object{
      "auth.loginTokenSuccess",
      {{"authorization", Object{"auth.authorization",
                                {{"user", Object{"user", {{"id", 7}, {"first_name", "Qr"}}}}}}}}}));
  bench.scans = {"yes", "yes"};
  SignInOptions options;
  options.qr = true;
  EXPECT_EQ(bench.run(options), "7 Qr");
  EXPECT_EQ(bench.asked, (std::vector<std::string>{
                             "tg://login?token=-__-Pw " + std::to_string(kSignInTokenSeconds),
                             "tg://login?token=c2Vjb25k " + std::to_string(kSignInTokenSeconds)}));
  Bench nobody(tl::kModernLayer);
  nobody.script["auth.exportLoginToken"].push_back(
      Value(Object{"auth.loginToken", {{"expires", 0}, {"token", "x"}}}));
  EXPECT_EQ(nobody.run(options), "nobody scanned the QR code");
}

TEST(SignIn, OtherErrorsAreNamed) {
  Bench bench(tl::kModernLayer);
  bench.script["auth.sendCode"].push_back(ApiError{0, "no connection"});
  EXPECT_EQ(bench.run(phone("+15550001")), "auth.sendCode: no connection");
  bench.script["auth.sendCode"].push_back(ApiError{420, "FLOOD_WAIT_600"});
  EXPECT_EQ(bench.run(phone("+15550001")),
            "auth.sendCode: the server refused it: 420 FLOOD_WAIT_600");
  bench.script["auth.sendCode"].push_back(Value(true));
  EXPECT_NE(bench.run(phone("+15550001")).find("something else than the schema says"),
            std::string::npos);
}

}  // namespace
}  // namespace ringway::client
