// cluster/message_call: an entry of a window as a unary call, session_sendDataToSession or
// session_closeSession. The request borrows the window's memory and keeps it alive.
#pragma once

#include "cluster/send_window.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {

struct MessageCall {
  CallMethod method = CallMethod::kSendData;
  WireMessage request;
};
[[nodiscard]] MessageCall make_message_call(const SendWindow& window, uint32_t entry);

}  // namespace ringway::cluster
