#include "crypto/base64.h"

#include <openssl/evp.h>

#include <limits>

#include "base/assert.h"

namespace ringway::crypto {

std::string to_base64(ByteView bytes) {
  RW_ASSERT(bytes.size() < std::numeric_limits<int>::max() / 2);
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');  // OpenSSL ends it with a zero
  const int length = EVP_EncodeBlock(reinterpret_cast<uint8_t*>(text.data()), bytes.data(),
                                     static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(length));
  return text;
}

Result<Bytes> from_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > std::numeric_limits<int>::max())
    return Error::kMalformed;
  Bytes bytes(text.size() / 4 * 3);
  const int length =
      EVP_DecodeBlock(bytes.data(), as_bytes(text).data(), static_cast<int>(text.size()));
  if (length != static_cast<int>(bytes.size())) return Error::kMalformed;
  for (size_t padding = 0; padding < 2 && text.ends_with('='); ++padding) {
    text.remove_suffix(1);
    bytes.pop_back();
  }
  // OpenSSL lets blanks around the text and stray bits at its end pass.
  std::string again = to_base64(bytes);
  const bool same = std::string_view(again).starts_with(text);
  cleanse(again.data(), again.size());
  if (!same) return Error::kMalformed;
  return bytes;
}

}  // namespace ringway::crypto
