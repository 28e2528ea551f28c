#include "cluster/message_call.h"

#include "cluster/proto_wire.h"

namespace ringway::cluster {
namespace {

constexpr uint32_t kRequestBody = 3;  // `data` of a send, `client` of a close

}  // namespace

MessageCall make_message_call(const SendWindow& window, uint32_t entry) {
  const size_t body = window.body_size(entry);
  Bytes head(message_field_size(kRequestBody, body) - body);
  ProtoWriter out(head);
  out.message_header(kRequestBody, body);
  MessageCall call;
  call.request = make_wire_message(head);
  call.request.push_back(window.body(entry));
  if (window.kind(entry) == ItemKind::kClose) call.method = CallMethod::kCloseSession;
  return call;
}

}  // namespace ringway::cluster
