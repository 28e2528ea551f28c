// Who fails fake TLS where the listener has a mask: such a connection leaves the clients' table as
// one that moves to another worker does, with all that it has sent, and becomes a relay's.
#include <utility>

#include "gateway/flow.h"

namespace ringway::gateway {

bool Flow::may_mask(const Client& client) const noexcept {
  return masks_ != nullptr && client.doors != nullptr && client.doors->may_mask() &&
         client.transport.kind() == mtproto::TransportKind::kUndecided;
}

// What the client has sent so far stands in its doors. It counts as failed, so that nothing of it
// is taken for a transport any more. One too many is closed as all that fail are.
void Flow::start_mask(Client& client) {
  if (!masks_->take_place(client.peer)) {
    fail(client, 0);
    return;
  }
  client.mask_place = true;
  client.masked = true;
  client.failed = true;
  table_->detach(client.ref.handle, net::DetachAs::kClosed);
}

// The peer sends no more. A server that it is to be taken for may have something to say all the
// same; but not to who has said nothing, as most that look for open ports.
bool Flow::on_end(net::ConnectionHandle handle) {
  Client* client = client_at(handle);
  if (client == nullptr || client->failed || !client->got_bytes || !may_mask(*client)) return false;
  start_mask(*client);
  return true;
}

void Flow::hand_to_mask(std::unique_ptr<Client> client, net::DetachedSocket&& socket) {
  Bytes first = client->doors->take_start();
  client->doors.reset();
  input_bytes_ -= client->input_bytes;
  client->input_bytes = 0;
  client->mask_place = false;  // it is the relay's
  masks_->start(std::move(client), std::move(socket), std::move(first));
}

void Flow::take_relayed(std::unique_ptr<Client> client) {
  status_.listener(client->listener).closed();
  client->gone = true;
  departed_.push_back(std::move(client));
}

}  // namespace ringway::gateway
