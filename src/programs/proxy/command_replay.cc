// replay: the updates in what a server was recorded to say.
#include <fmt/format.h>

#include <ctime>
#include <memory>

#include "base/small_file.h"
#include "client/account/api_objects.h"
#include "client/account/credentials.h"
#include "client/account/replay.h"
#include "programs/proxy/commands.h"
#include "proxy/json_text.h"

namespace ringway::programs {
namespace {

constexpr size_t kRecordingBytesMax = size_t{1} << 30;

struct ReplayOptions {
  ConnectOptions connect;
  std::string credentials;
  std::string recording;
};

std::string time_of(int64_t unix_ns) {
  const auto seconds = static_cast<std::time_t>(unix_ns / kNsPerSecond);
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

int replay(ReplayOptions& options) {
  std::string problem;
  auto passphrase = read_passphrase(options.connect, problem);
  if (!passphrase.has_value()) return fail(kBadConfiguration, problem);
  const auto store =
      client::CredentialsStore::open(options.credentials, *std::move(passphrase), problem);
  if (store == nullptr) return fail(kBadConfiguration, problem);
  const auto credentials = store->load(problem);
  if (!credentials.ok()) return fail(kBadConfiguration, problem);
  const client::AccountState& account = credentials->account;
  const auto key = account.keys.find(account.main_dc);
  if (key == account.keys.end()) {
    return fail(kFailed, fmt::format("{} has no key", options.credentials));
  }
  if (options.connect.schema.layer.empty() && credentials->layer != 0) {
    options.connect.schema.layer = std::to_string(credentials->layer);
  }
  const auto schema = choose_schema(options.connect.schema, problem);
  if (!schema.has_value()) return fail(kBadConfiguration, problem);
  const auto recording =
      read_small_file(options.recording, kRecordingBytesMax, FileAccess::kAny, problem);
  if (!recording.ok()) return fail(kFailed, problem);

  client::AccountOptions of_layer;
  of_layer.layer = schema->layer;
  const client::ApiObjects objects(of_layer);
  const tl::Layout layout(*schema->contract);
  proxy::JsonText text(layout);
  const auto counts = client::replay(
      *recording, key->second.key,
      [&](int64_t unix_ns, ByteView object) {
        if (object.size() < 4 || !objects.is_updates(load_le<uint32_t>(object.data()))) return;
        const auto json = text.object(object, problem);
        fmt::print("update({}): {}\n", time_of(unix_ns), json.ok() ? *json : problem);
      },
      problem);
  if (!counts.ok()) return fail(kFailed, fmt::format("{}: {}", options.recording, problem));
  fmt::print(stderr, "{} records, {} messages, {} frames of other keys\n", counts->records,
             counts->messages, counts->foreign);
  return 0;
}

}  // namespace

Command declare_replay(CLI::App& app) {
  auto options = std::make_shared<ReplayOptions>();
  app.add_option("AUTH", options->credentials, "the credentials file")->required();
  app.add_option("DUMP", options->recording,
                 "the recording: records of number, unix nanoseconds, size, bytes")
      ->required();
  declare_schema(app, options->connect.schema);
  app.add_option("--passphrase-file", options->connect.passphrase_file,
                 "of sealed credentials: the passphrase (or: RINGWAY_PASSPHRASE)")
      ->type_name("FILE");
  return [options] { return replay(*options); };
}

}  // namespace ringway::programs
