// config/section: reads the maps of a YAML document key by key and remembers what went wrong.
//
// A Document collects the findings of one file; it outlives its Sections. A Section stands for one
// map and is told, call by call, which keys may stand in it: each call reads the key when it is
// there and puts it on the list of known keys when it is not. close() then finds the keys that
// nobody asked for. Reading goes on after an error, so that one run reports all of them; the values
// of a document with errors are not to be used. A Section made from an undefined node reads nothing
// and still names its keys, which is how the list of all known keys comes about. Used by one
// thread, before the others start.
#pragma once

#include <yaml-cpp/yaml.h>

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ringway::config {

class Document {
 public:
  explicit Document(std::string file_name) : file_name_(std::move(file_name)) {}

  void error(YAML::Mark mark, std::string_view text);
  void warning(YAML::Mark mark, std::string_view text);
  void without_effect(std::string path) { without_effect_.push_back(std::move(path)); }

  // Adds "unknown key" errors, each with the nearest known key, and sorts all errors by line. Call
  // once, after every section was read.
  void finish();

  // "FILE:LINE".
  [[nodiscard]] std::string place(YAML::Mark mark) const;
  [[nodiscard]] const std::vector<std::string>& known_keys() const noexcept { return known_keys_; }
  [[nodiscard]] std::vector<std::string> errors() const;
  [[nodiscard]] std::vector<std::string> warnings() const;
  [[nodiscard]] const std::vector<std::string>& keys_without_effect() const noexcept {
    return without_effect_;
  }

 private:
  friend class Section;
  struct Finding {
    int line = 0;
    std::string text;
  };
  struct UnknownKey {
    YAML::Mark mark;
    std::string name;
    std::string section;
    std::vector<std::string> candidates;
  };

  [[nodiscard]] std::string hint(const UnknownKey& unknown) const;

  const std::string file_name_;
  std::vector<std::string> known_keys_;  // dotted paths, such as "Ringway.Workers.Count"
  std::vector<Finding> errors_;
  std::vector<Finding> warnings_;
  std::vector<std::string> without_effect_;
  std::vector<UnknownKey> unknown_;
};

class Section {
 public:
  // `path` is empty for the document itself. A node that is neither a map nor empty is an error.
  Section(Document& document, const YAML::Node& node, std::string path);

  [[nodiscard]] bool present() const noexcept { return present_; }
  [[nodiscard]] YAML::Mark mark() const { return mark_; }
  [[nodiscard]] bool has(std::string_view name) const;
  [[nodiscard]] YAML::Mark mark_of(std::string_view name) const;

  // Reads a scalar with `parse` (text -> optional<value>) into `out`, which keeps its value when
  // the key is absent or empty. `expected` ends the sentence "expected ...".
  template <typename T, typename Parse>
  void value(std::string_view name, T& out, std::string_view expected, Parse parse) {
    const std::optional<std::string> text = scalar(name);
    if (!text) return;
    auto parsed = parse(std::string_view(*text));
    if (parsed) {
      out = T(std::move(*parsed));
    } else {
      bad_value(name, expected, *text);
    }
  }

  void text(std::string_view name, std::string& out);
  void flag(std::string_view name, bool& out);
  // A list of scalars; true when the key is there.
  bool texts(std::string_view name, std::vector<std::string>& out);

  // A map inside this one.
  [[nodiscard]] Section child(std::string_view name);
  // A list of maps: `read` is called for each, or once with an absent one when there is none.
  void children(std::string_view name, const std::function<void(Section&)>& read);

  // Keys that are known and change nothing: named by Document::keys_without_effect() when present.
  void ignored(std::initializer_list<std::string_view> names);
  // A whole section of such keys; its own keys must still be known ones.
  void ignored_section(std::string_view name, std::initializer_list<std::string_view> names);

  // Reports the keys of the map that no call asked for. Call last.
  void close();

  [[nodiscard]] std::string path_of(std::string_view name) const;

 private:
  struct Entry {
    std::string name;
    YAML::Mark mark;
    YAML::Node value;
    bool asked = false;
  };

  void add_entries(const YAML::Node& map, bool merged);
  // Marks the key as known and finds it; null when absent.
  const Entry* ask(std::string_view name);
  [[nodiscard]] const Entry* find(std::string_view name) const;
  std::optional<std::string> scalar(std::string_view name);
  void bad_value(std::string_view name, std::string_view expected, std::string_view found);

  Document& document_;
  const std::string path_;
  YAML::Mark mark_;
  bool present_ = false;
  std::vector<Entry> entries_;
  std::vector<std::string> names_;  // asked for, in order
};

}  // namespace ringway::config
