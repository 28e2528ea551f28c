#include "gateway/session_table.h"

#include <algorithm>
#include <utility>

namespace ringway::gateway {

SessionEntry& SessionTable::attach(const SessionKey& key, const ConnectionRef& connection) {
  SessionEntry& entry = *sessions_.try_emplace(key).first;
  touch(entry.second, connection);
  return entry;
}

Session* SessionTable::find(const SessionKey& key) noexcept {
  const auto found = sessions_.find(key);
  return found == sessions_.end() ? nullptr : &found->second;
}

void SessionTable::touch(Session& session, const ConnectionRef& connection) noexcept {
  auto& connections = session.connections;
  if (!connections.empty() && connections.back() == connection) return;
  ConnectionRef* const place = std::find(connections.begin(), connections.end(), connection);
  if (place == connections.end()) {
    connections.push_back(connection);
  } else {
    std::rotate(place, place + 1, connections.end());
  }
}

SessionTable::Detached SessionTable::detach(const SessionKey& key,
                                            const ConnectionRef& connection) {
  Detached detached;
  const auto found = sessions_.find(key);
  if (found == sessions_.end()) return detached;
  auto& connections = found->second.connections;
  ConnectionRef* const place = std::find(connections.begin(), connections.end(), connection);
  if (place != connections.end()) connections.erase(place);
  if (!connections.empty()) return detached;
  detached.last = true;
  detached.session = std::move(found->second);
  sessions_.erase(found);
  return detached;
}

}  // namespace ringway::gateway
