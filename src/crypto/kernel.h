// crypto/kernel: which code does the work of AES and SHA-256 in this process.
//
// The fastest kernels that the processor can run are in use from the first call on. use_kernel()
// takes others; it is called at start-up, before other threads use this room.
#pragma once

#include <string>
#include <string_view>

namespace ringway::crypto {

// Takes the AES kernel "openssl", "aesni" or "vaes"; "auto" is the fastest. With "openssl", hashes
// are OpenSSL's too; otherwise they are the processor's fastest. False, and nothing changes, when
// this processor cannot run a kernel of that name.
[[nodiscard]] bool use_kernel(std::string_view name) noexcept;

// The names that use_kernel() accepts here, for people: "auto, openssl, aesni".
[[nodiscard]] std::string kernels_here();

// What is in use, for the start-up log.
[[nodiscard]] std::string_view aes_kernel_name() noexcept;
[[nodiscard]] std::string_view sha_kernel_name() noexcept;

}  // namespace ringway::crypto
