#include "config/section.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/values.h"

namespace ringway::config {
namespace {

std::string_view last_part(std::string_view path) noexcept {
  const size_t dot = path.rfind('.');
  return dot == std::string_view::npos ? path : path.substr(dot + 1);
}

std::string section_name(std::string_view path) {
  return path.empty() ? std::string("the top level") : fmt::format("section {}", path);
}

std::string kind_of(const YAML::Node& node) {
  if (node.IsSequence()) return "a list";
  if (node.IsMap()) return "a section";
  return fmt::format("\"{}\"", node.Scalar());
}

constexpr std::string_view kNone = "none";  // as shown() says it

// Keys whose values nobody may read in a log or on a terminal.
bool is_secret(std::string_view name) noexcept {
  return same_word(name, "Pass") || same_word(name, "Secrets") || same_word(name, "Token");
}

}  // namespace

std::string shown(const std::vector<std::string>& values) {
  return values.empty() ? "none" : fmt::format("{}", fmt::join(values, ", "));
}

void Document::amend(std::string_view path, std::string value, std::string why) {
  const auto known = std::find_if(values_.begin(), values_.end(),
                                  [path](const KeyValue& v) { return v.path == path; });
  if (known == values_.end()) return;
  known->value = std::move(value);
  if (!why.empty()) known->why = std::move(why);
}

void Document::inherited(std::string_view path, std::string why) {
  for (KeyValue& value : values_) {
    const bool unset = value.value == kNone || value.value == "false";
    if (value.path == path && !value.in_file && !unset) value.why = why;
  }
}

void Document::error(YAML::Mark mark, std::string_view text) {
  errors_.push_back({mark.line, fmt::format("{}: {}", place(mark), text)});
}

void Document::warning(YAML::Mark mark, std::string_view text) {
  warnings_.push_back({mark.line, fmt::format("{}: {}", place(mark), text)});
}

std::string Document::place(YAML::Mark mark) const {
  if (mark.line < 0) return file_name_;
  return fmt::format("{}:{}", file_name_, mark.line + 1);
}

std::string Document::hint(const UnknownKey& unknown) const {
  // A key that is known elsewhere was most likely indented wrongly.
  for (const std::string& path : known_keys_) {
    if (!same_word(last_part(path), unknown.name)) continue;
    const size_t dot = path.rfind('.');
    return fmt::format("it belongs in {}",
                       section_name(dot == std::string::npos ? "" : path.substr(0, dot)));
  }
  const auto nearest =
      std::min_element(unknown.candidates.begin(), unknown.candidates.end(),
                       [&](const std::string& a, const std::string& b) {
                         return edit_distance(a, unknown.name) < edit_distance(b, unknown.name);
                       });
  if (nearest == unknown.candidates.end()) return "it has no keys";
  return fmt::format("did you mean \"{}\"?", *nearest);
}

void Document::finish() {
  for (const UnknownKey& unknown : unknown_) {
    error(unknown.mark, fmt::format("unknown key \"{}\" in {} ({})", unknown.name,
                                    section_name(unknown.section), hint(unknown)));
  }
  unknown_.clear();
  std::stable_sort(errors_.begin(), errors_.end(),
                   [](const Finding& a, const Finding& b) { return a.line < b.line; });
}

std::vector<std::string> Document::errors() const {
  std::vector<std::string> texts;
  for (const Finding& finding : errors_) texts.push_back(finding.text);
  return texts;
}

std::vector<std::string> Document::warnings() const {
  std::vector<std::string> texts;
  for (const Finding& finding : warnings_) texts.push_back(finding.text);
  return texts;
}

Section::Section(Document& document, const YAML::Node& node, std::string path)
    : Section(document, node, path, path, /*recorded=*/true) {}

Section::Section(Document& document, const YAML::Node& node, std::string path, std::string label,
                 bool recorded)
    : document_(document),
      path_(std::move(path)),
      label_(std::move(label)),
      recorded_(recorded),
      mark_(YAML::Mark::null_mark()) {
  if (!node.IsDefined()) return;
  mark_ = node.Mark();
  if (node.IsNull()) return;
  if (!node.IsMap()) {
    document_.error(mark_, fmt::format("{}: expected a section with keys, found {}",
                                       path_.empty() ? "the file" : path_, kind_of(node)));
    return;
  }
  present_ = true;
  add_entries(node, /*merged=*/false);
}

void Section::add_entries(const YAML::Node& map, bool merged) {
  std::vector<YAML::Node> merges;
  for (const auto& pair : map) {
    const std::string name = pair.first.IsScalar() ? pair.first.Scalar() : std::string();
    if (name == "<<" && !merged && (pair.second.IsMap() || pair.second.IsSequence())) {
      merges.push_back(pair.second);
      continue;
    }
    if (find(name) != nullptr) {
      // In a merged map the key that stands here itself wins, as YAML says.
      if (!merged) {
        document_.error(pair.first.Mark(),
                        fmt::format("key \"{}\" stands twice in {}", name, section_name(path_)));
      }
      continue;
    }
    entries_.push_back({name, pair.first.Mark(), pair.second});
  }
  for (const YAML::Node& merge : merges) {
    if (merge.IsMap()) {
      add_entries(merge, /*merged=*/true);
      continue;
    }
    for (const YAML::Node& part : merge) {
      if (part.IsMap()) add_entries(part, /*merged=*/true);
    }
  }
}

const Section::Entry* Section::find(std::string_view name) const {
  const auto found = std::find_if(entries_.begin(), entries_.end(), [name](const Entry& entry) {
    return same_word(entry.name, name);
  });
  return found == entries_.end() ? nullptr : &*found;
}

const Section::Entry* Section::ask(std::string_view name) {
  names_.emplace_back(name);
  const std::string path = path_of(name);
  auto& known = document_.known_keys_;
  if (std::find(known.begin(), known.end(), path) == known.end()) known.push_back(path);
  for (Entry& entry : entries_) {
    if (!same_word(entry.name, name)) continue;
    entry.asked = true;
    return &entry;
  }
  return nullptr;
}

bool Section::has(std::string_view name) const { return find(name) != nullptr; }

bool Section::is_null(std::string_view name) const {
  const Entry* entry = find(name);
  return entry != nullptr && entry->value.IsNull();
}

YAML::Mark Section::mark_of(std::string_view name) const {
  const Entry* entry = find(name);
  return entry == nullptr ? mark_ : entry->mark;
}

std::string Section::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
}

std::string Section::label_of(std::string_view name) const {
  return label_.empty() ? std::string(name) : fmt::format("{}.{}", label_, name);
}

// Of an entry in a list only what it says itself: the rest is what holds for all.
void Section::record(std::string_view name, std::string value, bool ignored) {
  const Entry* entry = find(name);
  const bool in_file = entry != nullptr && !entry->value.IsNull();
  if (!recorded_ || (!in_file && label_ != path_)) return;
  if (is_secret(name) && (in_file || value != kNone)) value = "given, and not shown";
  document_.values_.push_back({label_of(name), path_of(name), std::move(value),
                               in_file ? document_.place(entry->mark) : "default", in_file,
                               ignored});
}

std::optional<std::string> Section::scalar(std::string_view name) {
  const Entry* entry = ask(name);
  if (entry == nullptr || entry->value.IsNull()) return {};
  if (!entry->value.IsScalar()) {
    document_.error(entry->mark, fmt::format("{}: expected one value, found {}", path_of(name),
                                             kind_of(entry->value)));
    return {};
  }
  return entry->value.Scalar();
}

std::optional<std::string> Section::joined(std::string_view name) {
  const Entry* entry = find(name);
  if (entry == nullptr || !entry->value.IsSequence()) return scalar(name);
  (void)ask(name);
  std::string text;
  for (const YAML::Node& item : entry->value) {
    if (!text.empty()) text += ',';
    text += item.IsScalar() ? item.Scalar() : kind_of(item);
  }
  return text;
}

void Section::bad_value(std::string_view name, std::string_view expected, std::string_view found) {
  document_.error(mark_of(name),
                  fmt::format("{}: expected {}, found \"{}\"", path_of(name), expected, found));
}

void Section::text(std::string_view name, std::string& out) {
  if (auto found = scalar(name)) out = std::move(*found);
  record(name, shown(out));
}

void Section::flag(std::string_view name, bool& out) {
  value(name, out, "true or false", parse_flag);
}

bool Section::texts(std::string_view name, std::vector<std::string>& out) {
  const bool listed = read_texts(name, out);
  record(name, shown(out));
  return listed;
}

bool Section::read_texts(std::string_view name, std::vector<std::string>& out) {
  const Entry* entry = ask(name);
  if (entry == nullptr || entry->value.IsNull()) return false;
  if (!entry->value.IsSequence()) {
    const bool hidden = is_secret(name) && entry->value.IsScalar();
    document_.error(entry->mark, fmt::format("{}: expected a list, found {}", path_of(name),
                                             hidden ? "one value" : kind_of(entry->value)));
    return false;
  }
  out.clear();
  for (const YAML::Node& item : entry->value) {
    if (item.IsScalar()) {
      out.push_back(item.Scalar());
    } else {
      document_.error(item.Mark(),
                      fmt::format("{}: expected a list of plain values, found {} in it",
                                  path_of(name), kind_of(item)));
    }
  }
  return true;
}

Section Section::child(std::string_view name) {
  const Entry* entry = ask(name);
  return {document_, entry == nullptr ? YAML::Node(YAML::NodeType::Undefined) : entry->value,
          path_of(name), label_of(name), recorded_};
}

void Section::children(std::string_view name, const std::function<void(Section&)>& read) {
  const Entry* entry = ask(name);
  const bool listed = entry != nullptr && entry->value.IsSequence() && entry->value.size() > 0;
  if (entry != nullptr && !entry->value.IsSequence() && !entry->value.IsNull()) {
    document_.error(entry->mark, fmt::format("{}: expected a list, found {}", path_of(name),
                                             kind_of(entry->value)));
  }
  record(name, listed ? fmt::format("{} given", entry->value.size()) : "none");
  if (!listed) {
    Section absent(document_, YAML::Node(YAML::NodeType::Undefined), path_of(name), label_of(name),
                   /*recorded=*/false);
    read(absent);
    return;
  }
  size_t number = 0;
  for (const YAML::Node& item : entry->value) {
    Section section(document_, item, path_of(name), fmt::format("{}[{}]", label_of(name), number++),
                    recorded_);
    read(section);
    section.close();
  }
}

void Section::ignored(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (ask(name) != nullptr) document_.without_effect(path_of(name));
    record(name, "without effect", /*ignored=*/true);
  }
}

void Section::ignored_section(std::string_view name,
                              std::initializer_list<std::string_view> names) {
  Section section = child(name);
  for (const std::string_view key : names) {
    section.ask(key);
    section.record(key, "without effect", /*ignored=*/true);
  }
  section.close();
  if (has(name)) document_.without_effect(path_of(name));
}

void Section::close() {
  for (const Entry& entry : entries_) {
    if (!entry.asked) document_.unknown_.push_back({entry.mark, entry.name, path_, names_});
  }
}

void check_readable(Document& document, const Section& section, std::string_view name,
                    const std::string& path) {
  if (!document.looks_at_files() || !section.has(name) || path.empty()) return;
  if (access(path.c_str(), R_OK) == 0) return;
  document.error(section.mark_of(name), fmt::format("{}: cannot read {}: {}", section.path_of(name),
                                                    path, std::strerror(errno)));
}

}  // namespace ringway::config
