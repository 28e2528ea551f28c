// tls/fake_client_hello: the client's side of fake TLS, for the load tool and tests.
//
// The hello has the layout of today's browsers: GREASE values (RFC 8701), the server's name, a key
// share, and padding up to the usual size. Any thread; the time is passed in.
#pragma once

#include "base/bytes.h"
#include "tls/client_hello.h"
#include "tls/fake_hello.h"

namespace ringway::tls {

inline constexpr size_t kFakeClientHelloBytesMin = 517;

struct FakeClientHello {
  Bytes record;  // to be sent
  TlsRandom random{};
};

// `record_bytes` is the least size, at most kFakeHelloBytesMax; what a padding cannot make exact
// comes out up to three bytes larger. The secret's domain has at most kTlsServerNameBytesMax bytes.
[[nodiscard]] FakeClientHello make_fake_client_hello(
    const FakeTlsSecret& secret, int64_t unix_seconds,
    size_t record_bytes = kFakeClientHelloBytesMin);

}  // namespace ringway::tls
