// config/listener_keys: the listeners of a file, from gnetway's list and from Ringway's.
//
// The two lists stand in different sections, so a ListenerReader is handed from one to the other:
// read_servers() and read_listeners(), in any order, then settle(). Both may be called with an
// absent Section and then only name their keys. Problems are collected in the Document, which
// outlives the reader.
#pragma once

#include <string>
#include <vector>

#include "config/config.h"
#include "config/section.h"

namespace ringway::config {

class ListenerReader {
 public:
  explicit ListenerReader(Document& document) : document_(document) {}

  // Gnetway.Server.
  void read_servers(Section& gnetway);
  // Ringway.Listeners.
  void read_listeners(Section& ringway);

  // Checks that all listeners go together and puts them into the config, where they replace its
  // default one if the file has a list.
  void settle(Config& config);

 private:
  // A listener as the file has it; members that it leaves out are still to be filled in.
  struct Entry {
    Listener listener;
    std::string path;  // of its address: "Ringway.Listeners.Address"
    YAML::Mark mark;
    bool own_error_style = false;
  };

  void read_listener(Section& item);
  // False, with an error, when the text is no address; else in `listener`.
  bool parse_address(const Section& section, std::string_view key, const std::string& text,
                     Listener& listener);
  void refuse_doubles();
  [[nodiscard]] std::string names(std::string_view list, const Config& config) const;

  Document& document_;
  bool servers_given_ = false;
  std::vector<Entry> entries_;
};

}  // namespace ringway::config
