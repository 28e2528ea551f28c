#include "config/loader.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "config/keys.h"

namespace ringway::config {
namespace {

void read_root(Document& document, const YAML::Node& node, Config& config) {
  Section root(document, node, "");
  read_gnetway_keys(document, root, config);
  read_ringway_keys(document, root, config);
  root.close();
}

void parse_document(std::string_view text, Document& document, Config& config) {
  // yaml-cpp reports by exception; none leaves this function.
  try {
    const std::vector<YAML::Node> nodes = YAML::LoadAll(std::string(text));
    if (nodes.size() > 1) {
      document.error(nodes[1].Mark(), "a second YAML document begins here; expected only one");
    }
    read_root(document, nodes.empty() ? YAML::Node() : nodes.front(), config);
  } catch (const YAML::Exception& exception) {
    document.error(exception.mark, fmt::format("not YAML: {}", exception.msg));
  }
  document.finish();
}

LoadOutcome failed(std::string error) {
  LoadOutcome outcome;
  outcome.errors.push_back(std::move(error));
  return outcome;
}

}  // namespace

LoadOutcome load_text(std::string_view text, std::string file_name) {
  if (text.size() > kConfigFileBytesMax) {
    return failed(fmt::format("{}: larger than {} bytes", file_name, kConfigFileBytesMax));
  }
  Document document(std::move(file_name));
  LoadOutcome outcome;
  parse_document(text, document, outcome.config);
  outcome.errors = document.errors();
  outcome.warnings = document.warnings();
  outcome.config.without_effect = document.keys_without_effect();
  return outcome;
}

LoadOutcome load_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failed(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  std::string text(kConfigFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A directory opens and then fails to be read.
  if (file.bad()) return failed(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  text.resize(static_cast<size_t>(file.gcount()));
  return load_text(text, path);
}

std::vector<std::string> known_keys() {
  Document document("");
  Config config;
  read_root(document, YAML::Node(YAML::NodeType::Undefined), config);
  return document.known_keys();
}

}  // namespace ringway::config
