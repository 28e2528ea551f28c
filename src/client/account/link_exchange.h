// client/account/link_exchange: a key exchange of a link's that is under way.
//
// Belongs to the loop's thread, but for the time between a job's start and its end on the other
// one; whoever finishes last frees it.
#pragma once

#include "client/account/link.h"

namespace ringway::client {

struct Link::Exchange {
  Exchange(HandshakeOptions options, bool is_temporary)
      : handshake(std::move(options)), temporary(is_temporary) {}
  Handshake handshake;
  bool temporary;
  bool working = false;  // on the other thread: an answer now would be none to anything
};

}  // namespace ringway::client
