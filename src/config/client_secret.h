// config/client_secret: the secrets that clients put into their proxy settings.
//
// Pure functions; what they decode on the way is overwritten before they return.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/limits.h"
#include "base/secret.h"

namespace ringway::config {

struct ClientSecret {
  Secret<kTransportSecretBytes> key;
  std::string domain;  // of fake TLS; empty: the secret is one of obfuscation
};

// The three kinds that clients know: 16 bytes, dd and 16 (the prefix asks the client for padding
// and is removed), ee and 16 and a domain. In hexadecimal, or in base64url with or without '=' at
// its end, as in tg://proxy links; a text of hexadecimal digits alone is never base64url.
[[nodiscard]] std::optional<ClientSecret> parse_client_secret(std::string_view text);

}  // namespace ringway::config
