// The files in conf/ are documentation that must stay true: these tests load them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <fstream>
#include <regex>
#include <set>
#include <sstream>

#include "config/loader.h"

namespace ringway::config {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::string conf_path(const std::string& name) {
  return std::string(RINGWAY_CONF_DIR) + "/" + name;
}

std::string read_text(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Brings the keys that stand behind a '#' into effect: "# Key: value" and "#   - item".
std::string uncommented(const std::string& text) {
  static const std::regex key(R"(^(\s*)# (\s*)((- )?[A-Z][A-Za-z0-9]*:( .*)?)$)");
  static const std::regex item(R"(^(\s*)# (\s*)(- .*)$)");
  std::istringstream lines(text);
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    std::smatch match;
    if (std::regex_match(line, match, key) || std::regex_match(line, match, item)) {
      line = match[1].str() + match[2].str() + match[3].str();
    }
    out += line + "\n";
  }
  return out;
}

// Every key of a document as a dotted path; lists add nothing to the path.
void collect_paths(const YAML::Node& node, const std::string& prefix,
                   std::set<std::string>& paths) {
  if (node.IsSequence()) {
    for (const YAML::Node& item : node) collect_paths(item, prefix, paths);
  }
  if (!node.IsMap()) return;
  for (const auto& pair : node) {
    const std::string path =
        prefix.empty() ? pair.first.Scalar() : prefix + "." + pair.first.Scalar();
    paths.insert(path);
    collect_paths(pair.second, path, paths);
  }
}

TEST(ConfRingway, LoadsToExactlyTheDefaults) {
  const LoadOutcome outcome = load_file(conf_path("ringway.yaml"));
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(outcome.warnings, IsEmpty());
  EXPECT_EQ(outcome.config, defaults());
}

TEST(ConfRingway, HasEveryKeyThatTheLoaderKnows) {
  const std::string text = uncommented(read_text(conf_path("ringway.yaml")));
  EXPECT_THAT(load_text(text, "uncommented").errors, IsEmpty()) << "the examples must be valid too";
  std::set<std::string> paths;
  collect_paths(YAML::Load(text), "", paths);
  for (const std::string& key : known_keys()) {
    EXPECT_EQ(paths.count(key), 1U) << key << " is not in conf/ringway.yaml";
  }
}

TEST(ConfGnetway, LoadsUnchanged) {
  const LoadOutcome outcome = load_file(conf_path("gnetway.yaml"));
  ASSERT_THAT(outcome.errors, IsEmpty());
  const Config& config = outcome.config;
  EXPECT_EQ(config.name, "interface.gateway");
  EXPECT_EQ(config.listen_on, (Endpoint{"127.0.0.1", 20110}));
  EXPECT_THAT(config.rsa_keys, ElementsAre(RsaKey{"./server_pkcs1.key",
                                                  static_cast<int64_t>(12240908862933197005ULL)}));
  EXPECT_EQ(worker_count(config, 16), 4U);
  EXPECT_THAT(config.listeners, ElementsAre(Listener{Protocol::kTcp, {"0.0.0.0", 10443}},
                                            Listener{Protocol::kTcp, {"0.0.0.0", 5222}},
                                            Listener{Protocol::kWebsocket, {"0.0.0.0", 11443}},
                                            Listener{Protocol::kHttp, {"0.0.0.0", 8801}}));
  EXPECT_EQ(config.send_buf, 65536U);
  EXPECT_EQ(config.receive_buf, 65536U);
  EXPECT_EQ(config.auth_key_cache_bytes, 10U * 1024 * 1024);
  EXPECT_THAT(config.session.endpoints, IsEmpty());
  EXPECT_THAT(config.session.etcd.hosts, ElementsAre("127.0.0.1:2379"));
  EXPECT_EQ(config.session.etcd.key, "interface.session");
  EXPECT_THAT(config.etcd.hosts, ElementsAre("127.0.0.1:2379"));
  EXPECT_EQ(config.etcd.key, "interface.gateway");
  EXPECT_FALSE(config.etcd.tls);
  EXPECT_EQ(config.session.timeout_ms, 2000);
  EXPECT_EQ(config.log.level, LogLevel::kDebug);
  EXPECT_TRUE(config.log.json);
  EXPECT_EQ(log_options(config).file_path, "../logs/gnetway/ringway.log");
  EXPECT_THAT(config.without_effect,
              ElementsAre("KeyFile (RSAKey is there)", "KeyFingerprint (RSAKey is there)",
                          "Gnetway.Multicore", "Session.NonBlock", "Timeout", "UseStreamSession",
                          "Telemetry"));
  EXPECT_EQ(config.prometheus.host, "0.0.0.0");
  EXPECT_EQ(config.prometheus.port, 20111);
  EXPECT_EQ(config.prometheus.path, "/metrics");
}

}  // namespace
}  // namespace ringway::config
