#include "config/section.h"

#include <fmt/format.h>

#include <algorithm>

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

}  // namespace

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
    : document_(document), path_(std::move(path)), mark_(YAML::Mark::null_mark()) {
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

YAML::Mark Section::mark_of(std::string_view name) const {
  const Entry* entry = find(name);
  return entry == nullptr ? mark_ : entry->mark;
}

std::string Section::path_of(std::string_view name) const {
  return path_.empty() ? std::string(name) : fmt::format("{}.{}", path_, name);
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

void Section::bad_value(std::string_view name, std::string_view expected, std::string_view found) {
  document_.error(mark_of(name),
                  fmt::format("{}: expected {}, found \"{}\"", path_of(name), expected, found));
}

void Section::text(std::string_view name, std::string& out) {
  if (auto found = scalar(name)) out = std::move(*found);
}

void Section::flag(std::string_view name, bool& out) {
  value(name, out, "true or false", parse_flag);
}

bool Section::texts(std::string_view name, std::vector<std::string>& out) {
  const Entry* entry = ask(name);
  if (entry == nullptr || entry->value.IsNull()) return false;
  if (!entry->value.IsSequence()) {
    document_.error(entry->mark, fmt::format("{}: expected a list, found {}", path_of(name),
                                             kind_of(entry->value)));
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
          path_of(name)};
}

void Section::children(std::string_view name, const std::function<void(Section&)>& read) {
  const Entry* entry = ask(name);
  const bool listed = entry != nullptr && entry->value.IsSequence() && entry->value.size() > 0;
  if (entry != nullptr && !entry->value.IsSequence() && !entry->value.IsNull()) {
    document_.error(entry->mark, fmt::format("{}: expected a list, found {}", path_of(name),
                                             kind_of(entry->value)));
  }
  if (!listed) {
    Section absent(document_, YAML::Node(YAML::NodeType::Undefined), path_of(name));
    read(absent);
    return;
  }
  for (const YAML::Node& item : entry->value) {
    Section section(document_, item, path_of(name));
    read(section);
    section.close();
  }
}

void Section::ignored(std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    if (ask(name) != nullptr) document_.without_effect(path_of(name));
  }
}

void Section::ignored_section(std::string_view name,
                              std::initializer_list<std::string_view> names) {
  Section section = child(name);
  for (const std::string_view key : names) section.ask(key);
  section.close();
  if (has(name)) document_.without_effect(path_of(name));
}

void Section::close() {
  for (const Entry& entry : entries_) {
    if (!entry.asked) document_.unknown_.push_back({entry.mark, entry.name, path_, names_});
  }
}

}  // namespace ringway::config
