#include "client/http_stream.h"

#include <fmt/format.h>

#include <charconv>

#include "base/limits.h"

namespace ringway::client {
namespace {

constexpr size_t kLengthBytes = 4;
constexpr uint32_t kLengthMask = 0x7fffffff;  // the other bit asks for a quick ack
constexpr size_t kOpeningBytes = 4;
constexpr std::string_view kHeadEnd = "\r\n\r\n";
constexpr std::string_view kStatusStart = "HTTP/1.1 ";
constexpr std::string_view kLengthField = "\r\nContent-Length: ";
constexpr std::string_view kContinue = "HTTP/1.1 100 ";

size_t number_at(std::string_view text) noexcept {
  size_t number = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

}  // namespace

Error HttpStream::fail(Error error, std::string text) {
  problem_ = std::move(text);
  return error;
}

void HttpStream::write(ByteView bytes, Bytes& requests) {
  append(frame_, bytes);
  size_t at = opened_ ? 0 : kOpeningBytes;
  while (frame_.size() >= at + kLengthBytes) {
    const size_t length = load_le<uint32_t>(frame_.data() + at) & kLengthMask;
    if (frame_.size() < at + kLengthBytes + length) break;
    append(requests, as_bytes(fmt::format("POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: "
                                          "application/octet-stream\r\nContent-Length: {}\r\n\r\n",
                                          path_, host_, length)));
    append(requests, ByteView(frame_).subspan(at + kLengthBytes, length));
    ++unanswered_;
    at += kLengthBytes + length;
    opened_ = true;
  }
  if (opened_) frame_.erase(frame_.begin(), frame_.begin() + static_cast<ptrdiff_t>(at));
}

Result<void> HttpStream::receive(ByteView bytes, Bytes& stream) {
  append(answer_, bytes);
  for (;;) {
    const std::string_view text = as_text(answer_);
    const size_t head_end = text.find(kHeadEnd);
    if (head_end == std::string_view::npos) {
      if (answer_.size() <= kHttpHeadBytesMax) return {};
      return fail(Error::kTooLarge, "HTTP: an endless answer");
    }
    const std::string_view head = text.substr(0, head_end);
    const std::string_view line = head.substr(0, head.find('\r'));
    if (!line.starts_with(kStatusStart)) {
      return fail(Error::kMalformed, "HTTP: not an answer");
    }
    size_t size = head_end + kHeadEnd.size();
    if (line.starts_with(kContinue)) {
      answer_.erase(answer_.begin(), answer_.begin() + static_cast<ptrdiff_t>(size));
      continue;
    }
    const size_t field = head.find(kLengthField);
    if (field == std::string_view::npos) return fail(Error::kMalformed, "HTTP: no length");
    const size_t length = number_at(head.substr(field + kLengthField.size()));
    if (length > kServerFrameBytesMax) return fail(Error::kTooLarge, "HTTP: too large an answer");
    if (length == 0 && !line.starts_with("HTTP/1.1 200 ")) {
      return fail(Error::kMalformed, fmt::format("HTTP: the server says '{}'", line));
    }
    if (answer_.size() < size + length) return {};
    if (length > 0) {
      uint8_t prefix[kLengthBytes];
      store_le(prefix, static_cast<uint32_t>(length));
      append(stream, prefix);
      append(stream, ByteView(answer_).subspan(size, length));
    }
    size += length;
    answer_.erase(answer_.begin(), answer_.begin() + static_cast<ptrdiff_t>(size));
    if (unanswered_ > 0) --unanswered_;
  }
}

}  // namespace ringway::client
