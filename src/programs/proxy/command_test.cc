// test: whether a proxy answers, and what.
#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "caller/json_call.h"
#include "programs/proxy/commands.h"

namespace ringway::programs {
namespace {

struct TestOptions {
  ProxyOptions proxy;
  SchemaOptions schema;
};

int test(TestOptions& options) {
  std::string problem;
  const auto schema = choose_schema(options.schema, problem);
  if (!schema.has_value()) return fail(kBadConfiguration, problem);
  if (const char* token = std::getenv("RINGWAY_TOKEN"); token != nullptr) {
    options.proxy.token = token;
  }
  const auto caller = connect_to_proxy(options.proxy, problem);
  if (caller == nullptr) return fail(kBadConfiguration, problem);
  const auto answer =
      call_by_json(*caller, *schema->contract, "messages.getDialogs",
                   R"({"OffsetPeer": {"InputPeerEmpty": {}}, "Limit": 1})", problem);
  if (!answer.has_value()) {
    fmt::print(stderr, "test failure: {}\n", problem);
    return kFailed;
  }
  fmt::print("{}: {}\n", answer->type, answer->json);
  return 0;
}

}  // namespace

Command declare_test(CLI::App& app) {
  auto options = std::make_shared<TestOptions>();
  app.add_option("--proxy", options->proxy.address, "the proxy, HOST:PORT")
      ->envname("PROXY")
      ->capture_default_str();
  app.add_option("--ca", options->proxy.ca_file,
                 "speak TLS and trust these authorities, a PEM file; a token is taken from "
                 "RINGWAY_TOKEN")
      ->type_name("FILE");
  app.add_option("--session", options->proxy.session, "which of the proxy's sign-ins");
  declare_schema(app, options->schema);
  return [options] { return test(*options); };
}

}  // namespace ringway::programs
