#include "gateway/listening.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"

namespace ringway::gateway {
namespace {

net::ListenerOptions listener_options(const config::Config& config) {
  net::ListenerOptions options;
  options.send_buffer_bytes = static_cast<int>(config.send_buf);
  options.receive_buffer_bytes = static_cast<int>(config.receive_buf);
  return options;
}

}  // namespace

ListeningSockets::ListeningSockets(const config::Config& config,
                                   std::vector<net::InheritedSocket> inherited)
    : config_(config),
      options_(listener_options(config)),
      bound_(config.listeners.size()),
      addresses_(config.listeners.size()),
      is_shared_(config.listeners.size()) {
  for (net::InheritedSocket& socket : inherited) {
    net::InheritedPlace place = net::look_at(socket);
    handed_.push_back({std::move(socket), std::move(place)});
  }
}

std::string ListeningSockets::parse_addresses() {
  for (size_t i = 0; i < config_.listeners.size(); ++i) {
    const config::Listener& listener = config_.listeners[i];
    if (!listener.unix_path.empty() || !listener.systemd_name.empty()) continue;
    const std::string text = config::to_string(listener.address);
    const auto parsed = net::parse_socket_address(text);
    if (!parsed) {
      return config::at_place(
          listener,
          fmt::format("\"{}\" is not an address to listen on: write an IP address and a port, such "
                      "as 0.0.0.0:10443 or [::]:10443",
                      text));
    }
    bound_[i] = *parsed;
  }
  return "";
}

std::string ListeningSockets::open_shared() {
  if (std::string error = parse_addresses(); !error.empty()) return error;
  for (const bool by_name : {true, false}) {
    for (size_t i = 0; i < config_.listeners.size(); ++i) {
      if (config_.listeners[i].systemd_name.empty() == by_name) continue;
      if (std::string error = take_handed(i); !error.empty()) return error;
    }
  }
  for (size_t i = 0; i < config_.listeners.size(); ++i) {
    const bool opens_unix = !is_shared_[i] && !config_.listeners[i].unix_path.empty();
    if (!opens_unix) continue;
    if (std::string error = open_unix(i); !error.empty()) return error;
  }
  warn_of_leftovers();
  handed_.clear();
  return "";
}

bool ListeningSockets::is_for(const Handed& handed, size_t index) const {
  const config::Listener& listener = config_.listeners[index];
  if (!listener.systemd_name.empty()) return handed.socket.name == listener.systemd_name;
  if (!handed.place.error.empty()) return false;
  if (!listener.unix_path.empty()) return handed.place.unix_path == listener.unix_path;
  return net::is_at(handed.place, bound_[index]);
}

std::string ListeningSockets::take_handed(size_t index) {
  const config::Listener& listener = config_.listeners[index];
  std::vector<std::string> places;
  for (Handed& handed : handed_) {
    if (handed.taken || !is_for(handed, index)) continue;
    if (!handed.place.error.empty()) {
      return config::at_place(listener, fmt::format("the socket \"{}\" of systemd: {}",
                                                    handed.socket.name, handed.place.error));
    }
    if (std::string error = net::prepare(handed.socket, handed.place, options_); !error.empty()) {
      return config::at_place(listener, error);
    }
    handed.taken = true;
    if (handed.place.address.family() != AF_UNIX) tcp_places_.push_back(handed.place.address);
    places.push_back(handed.place.to_string());
    shared_.push_back({std::move(handed.socket.fd), static_cast<uint16_t>(index)});
  }
  if (!places.empty()) {
    is_shared_[index] = true;
    addresses_[index] = fmt::format("{}", fmt::join(places, "+"));
    log_info("gateway", "{}: listening on what systemd has handed over: {}",
             config::address_text(listener), addresses_[index]);
    return "";
  }
  if (listener.systemd_name.empty()) return "";
  return config::at_place(
      listener,
      fmt::format("systemd:{0}: systemd has handed over no socket of this name: expected "
                  "FileDescriptorName={0} in the [Socket] section of a .socket unit that starts "
                  "this service",
                  listener.systemd_name));
}

std::string ListeningSockets::open_unix(size_t index) {
  const config::Listener& listener = config_.listeners[index];
  auto opened = net::open_unix_listener(listener.unix_path, listener.unix_mode, options_);
  if (!opened.fd.valid()) return config::at_place(listener, opened.error);
  is_shared_[index] = true;
  addresses_[index] = config::address_text(listener);
  shared_.push_back({std::move(opened.fd), static_cast<uint16_t>(index)});
  files_.push_back(std::move(opened.file));
  return "";
}

// Clients that connect there would wait for ever, while systemd believes that they are served.
void ListeningSockets::warn_of_leftovers() const {
  for (const Handed& handed : handed_) {
    if (handed.taken) continue;
    const bool usable = handed.place.error.empty();
    log_warning("gateway",
                "systemd has handed over the socket \"{}\" ({}), which no listener asks for: name "
                "it as systemd:{} in Ringway.Listeners, or take it out of the .socket unit",
                handed.socket.name, usable ? handed.place.to_string() : handed.place.error,
                handed.socket.name);
  }
}

// Where a port is 0 the first worker's choice counts.
std::string ListeningSockets::open_for_worker(std::vector<net::OwnedFd>& sockets) {
  for (size_t i = 0; i < config_.listeners.size(); ++i) {
    net::OwnedFd& socket = sockets.emplace_back();
    if (is_shared_[i]) continue;
    auto opened = net::open_listener(bound_[i], options_);
    if (!opened.fd.valid()) return config::at_place(config_.listeners[i], opened.error);
    if (addresses_[i].empty()) {
      bound_[i] = opened.address;
      addresses_[i] = opened.address.to_string();
      tcp_places_.push_back(opened.address);
    }
    socket = std::move(opened.fd);
  }
  return "";
}

}  // namespace ringway::gateway
