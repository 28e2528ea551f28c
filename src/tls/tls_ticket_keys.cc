#include "tls/tls_ticket_keys.h"

#include "crypto/random.h"

namespace ringway::tls {
namespace {

TlsTicketKeys::Key draw_key() noexcept {
  TlsTicketKeys::Key key;
  crypto::random_bytes(key.name.span());
  crypto::random_bytes(key.cipher.span());
  crypto::random_bytes(key.code.span());
  return key;
}

}  // namespace

std::shared_ptr<const TlsTicketKeys> TlsTicketKeys::draw() {
  const std::shared_ptr<TlsTicketKeys> keys(new TlsTicketKeys);
  keys->current_ = draw_key();
  keys->previous_ = draw_key();
  return keys;
}

std::shared_ptr<const TlsTicketKeys> TlsTicketKeys::renewed() const {
  const std::shared_ptr<TlsTicketKeys> keys(new TlsTicketKeys);
  keys->current_ = draw_key();
  keys->previous_ = current_;
  return keys;
}

const TlsTicketKeys::Key* TlsTicketKeys::find(
    std::span<const uint8_t, kNameBytes> name) const noexcept {
  for (const Key* key : {&current_, &previous_}) {
    if (equal(key->name.view(), name)) return key;
  }
  return nullptr;
}

}  // namespace ringway::tls
