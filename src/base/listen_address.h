// base/listen_address: what a gRPC server may listen on, and whether only this machine reaches it.
// Pure.
#pragma once

#include <string_view>

namespace ringway {

// "127.x.y.z:PORT", "[::1]:PORT", "localhost:PORT" and "unix:PATH" are. What is not understood is
// not.
[[nodiscard]] bool is_loopback(std::string_view address) noexcept;

// "HOST:PORT" with a port up to 65535, or "unix:PATH". gRPC takes other numbers for other ports.
[[nodiscard]] bool is_listen_address(std::string_view address) noexcept;

}  // namespace ringway
