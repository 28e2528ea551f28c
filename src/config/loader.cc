#include "config/loader.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>

#include "config/keys.h"

namespace ringway::config {
namespace {

void read_root(Document& document, const YAML::Node& node, Config& config) {
  Section root(document, node, "");
  ListenerReader listeners(document);
  read_gnetway_keys(document, root, listeners, config);
  read_ringway_keys(document, root, listeners, config);
  listeners.settle(config);
  root.close();
}

// Remembers where the last document began and ignores what is in it.
class DocumentStarts final : public YAML::EventHandler {
 public:
  [[nodiscard]] YAML::Mark last() const noexcept { return last_; }

  void OnDocumentStart(const YAML::Mark& mark) override { last_ = mark; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  YAML::Mark last_ = YAML::Mark::null_mark();
};

// Whether the text goes on after its first document; `mark` is then where. YAML::LoadAll would
// tell, but it never ends on a text such as ",": the parser takes that for one empty document after
// another.
bool goes_on(const std::string& text, YAML::Mark& mark) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStarts starts;
  if (!parser.HandleNextDocument(starts) || !parser.HandleNextDocument(starts)) return false;
  mark = starts.last();
  return true;
}

void parse_document(const std::string& text, Document& document, Config& config) {
  // yaml-cpp reports by exception; none leaves this function.
  try {
    YAML::Mark mark;
    if (goes_on(text, mark)) {
      document.error(mark, "expected one YAML document, and something follows here");
    } else {
      read_root(document, YAML::Load(text), config);
    }
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

LoadOutcome load(std::string_view text, std::string file_name, bool looks_at_files) {
  if (text.size() > kConfigFileBytesMax) {
    return failed(fmt::format("{}: larger than {} bytes", file_name, kConfigFileBytesMax));
  }
  Document document(std::move(file_name), looks_at_files);
  LoadOutcome outcome;
  parse_document(std::string(text), document, outcome.config);
  outcome.errors = document.errors();
  outcome.warnings = document.warnings();
  outcome.values = document.values();
  outcome.config.without_effect = document.keys_without_effect();
  return outcome;
}

}  // namespace

LoadOutcome load_text(std::string_view text, std::string file_name) {
  return load(text, std::move(file_name), false);
}

LoadOutcome load_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return failed(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  std::string text(kConfigFileBytesMax + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  // A directory opens and then fails to be read.
  if (file.bad()) return failed(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  text.resize(static_cast<size_t>(file.gcount()));
  return load(text, path, true);
}

std::vector<std::string> known_keys() {
  Document document("");
  Config config;
  read_root(document, YAML::Node(YAML::NodeType::Undefined), config);
  return document.known_keys();
}

}  // namespace ringway::config
