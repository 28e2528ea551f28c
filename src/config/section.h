// config/section: reads the maps of a YAML document key by key and remembers what went wrong.
//
// A Document collects the findings of one file; it outlives its Sections. A Section stands for one
// map and is told, call by call, which keys may stand in it: each call reads the key when it is
// there and puts it on the list of known keys when it is not. close() then finds the keys that
// nobody asked for. Reading goes on after an error, so that one run reports all of them; the values
// of a document with errors are not to be used. A Section made from an undefined node reads nothing
// and still names its keys, which is how the list of all known keys comes about. Each reading also
// leaves a KeyValue behind: what is in effect now, and whether the file says so. Used by one
// thread, before the others start.
#pragma once

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/key_value.h"

namespace ringway::config {

// How values read when they are told; enumerations have a to_string().
template <typename T>
std::string shown(const T& value) {
  if constexpr (fmt::is_formattable<T>::value) {
    return fmt::format("{}", value);
  } else {
    return std::string(to_string(value));
  }
}
template <typename T>
std::string shown(const std::optional<T>& value) {
  return value ? shown(*value) : "none";
}
inline std::string shown(const std::string& value) { return value.empty() ? "none" : value; }
std::string shown(const std::vector<std::string>& values);

class Document {
 public:
  // With `looks_at_files` what the document names is looked for on this machine.
  explicit Document(std::string file_name, bool looks_at_files = false)
      : file_name_(std::move(file_name)), looks_at_files_(looks_at_files) {}

  [[nodiscard]] bool looks_at_files() const noexcept { return looks_at_files_; }

  void error(YAML::Mark mark, std::string_view text);
  void warning(YAML::Mark mark, std::string_view text);
  void without_effect(std::string path) { without_effect_.push_back(std::move(path)); }
  // What is in effect when the key alone does not say it; an empty `why` leaves that as it is.
  void amend(std::string_view path, std::string value, std::string why = "");
  // Where a value comes from that the key itself does not give.
  void inherited(std::string_view path, std::string why);

  // Adds "unknown key" errors, each with the nearest known key, and sorts all errors by line. Call
  // once, after every section was read.
  void finish();

  [[nodiscard]] const std::vector<std::string>& known_keys() const noexcept { return known_keys_; }
  [[nodiscard]] std::vector<std::string> errors() const;
  [[nodiscard]] std::vector<std::string> warnings() const;
  // In the order of reading, which does not depend on the file.
  [[nodiscard]] const std::vector<KeyValue>& values() const noexcept { return values_; }
  // "FILE:LINE".
  [[nodiscard]] std::string place(YAML::Mark mark) const;
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
  const bool looks_at_files_;
  std::vector<std::string> known_keys_;  // dotted paths, such as "Ringway.Workers.Count"
  std::vector<Finding> errors_;
  std::vector<Finding> warnings_;
  std::vector<KeyValue> values_;
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
  // The key is there, with nothing behind it.
  [[nodiscard]] bool is_null(std::string_view name) const;
  [[nodiscard]] YAML::Mark mark_of(std::string_view name) const;

  // Reads a scalar with `parse` (text -> optional<value>) into `out`, which keeps its value when
  // the key is absent or empty. `expected` ends the sentence "expected ..."; `show` (value -> text)
  // tells what is in effect.
  template <typename T, typename Parse, typename Show>
  void value(std::string_view name, T& out, std::string_view expected, Parse parse, Show show) {
    take(name, out, expected, parse, scalar(name));
    record(name, show(out));
  }
  template <typename T, typename Parse>
  void value(std::string_view name, T& out, std::string_view expected, Parse parse) {
    value(name, out, expected, parse, [](const T& value) { return shown(value); });
  }
  // The same for a key that may also be a list: "0-3,8" or [0-3, 8]; `parse` sees commas.
  template <typename T, typename Parse, typename Show>
  void joined_value(std::string_view name, T& out, std::string_view expected, Parse parse,
                    Show show) {
    take(name, out, expected, parse, joined(name));
    record(name, show(out));
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
  // With the numbers of list items: the path of a KeyValue.
  [[nodiscard]] std::string label_of(std::string_view name) const;

 private:
  struct Entry {
    std::string name;
    YAML::Mark mark;
    YAML::Node value;
    bool asked = false;
  };

  // `recorded`: its keys leave KeyValues behind; not so of an entry that stands for an empty list.
  Section(Document& document, const YAML::Node& node, std::string path, std::string label,
          bool recorded);

  template <typename T, typename Parse>
  void take(std::string_view name, T& out, std::string_view expected, Parse parse,
            const std::optional<std::string>& text) {
    if (!text) return;
    auto parsed = parse(std::string_view(*text));
    if (parsed) {
      out = T(std::move(*parsed));
    } else {
      bad_value(name, expected, *text);
    }
  }
  void record(std::string_view name, std::string value, bool ignored = false);
  void add_entries(const YAML::Node& map, bool merged);
  // Marks the key as known and finds it; null when absent.
  const Entry* ask(std::string_view name);
  [[nodiscard]] const Entry* find(std::string_view name) const;
  std::optional<std::string> scalar(std::string_view name);
  std::optional<std::string> joined(std::string_view name);
  bool read_texts(std::string_view name, std::vector<std::string>& out);
  void bad_value(std::string_view name, std::string_view expected, std::string_view found);

  Document& document_;
  const std::string path_;
  const std::string label_;  // the path with the numbers of list items
  const bool recorded_;
  YAML::Mark mark_;
  bool present_ = false;
  std::vector<Entry> entries_;
  std::vector<std::string> names_;  // asked for, in order
};

// An error when the file that a key names cannot be read, which is seen long before its first use.
// Nothing is looked for when the key is absent, or the document looks at no files.
void check_readable(Document& document, const Section& section, std::string_view name,
                    const std::string& path);

}  // namespace ringway::config
