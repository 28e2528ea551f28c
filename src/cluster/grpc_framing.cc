#include "cluster/grpc_framing.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "base/spare_bytes.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {
namespace {

constexpr int32_t kStatusPermissionDenied = 7;
constexpr int32_t kStatusUnauthenticated = 16;

void store_be32(uint8_t* to, uint32_t value) noexcept {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(value >> (24 - 8 * i));
}

uint32_t load_be32(const uint8_t* from) noexcept {
  uint32_t value = 0;
  for (int i = 0; i < 4; ++i) value = value << 8 | from[i];
  return value;
}

int hex_digit(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

// --- GrpcWriter

void GrpcWriter::add(WireMessage& message) {
  bytes_left_ += kGrpcPrefixBytes + wire_size(message);
  if (count_ == messages_.size()) messages_.emplace_back();
  std::swap(messages_[count_], message);
  if (++count_ == message_ + 1) begin_message();
}

void GrpcWriter::begin_message() noexcept {
  prefix_[0] = 0;
  store_be32(prefix_.data() + 1, static_cast<uint32_t>(wire_size(messages_[message_])));
  prefix_done_ = 0;
  slice_ = 0;
  offset_ = 0;
}

void GrpcWriter::copy(ByteSpan out) {
  RW_ASSERT(out.size() <= bytes_left_);
  bytes_left_ -= out.size();
  ByteWriter writer(out);
  while (message_ < count_) {
    const ByteView prefix = ByteView(prefix_).subspan(prefix_done_);
    const size_t head = std::min(prefix.size(), writer.remaining());
    writer.bytes(prefix.first(head));
    prefix_done_ += head;
    const WireMessage& message = messages_[message_];
    while (slice_ < message.size()) {
      const WireSlice& slice = message[slice_];
      const size_t size = std::min(slice.size - offset_, writer.remaining());
      writer.bytes({slice.data + offset_, size});
      offset_ += size;
      if (offset_ < slice.size) break;
      ++slice_;
      offset_ = 0;
    }
    const bool whole = prefix_done_ == kGrpcPrefixBytes && slice_ == message.size();
    if (!whole) break;
    messages_[message_].clear();
    if (++message_ < count_) begin_message();
  }
  if (message_ == count_) message_ = count_ = 0;
}

// --- GrpcReader

GrpcReader::~GrpcReader() {
  if (secret_) cleanse(message_.data(), message_.size());
}

Result<bool> GrpcReader::read(ByteView& bytes) {
  if (prefix_done_ < kGrpcPrefixBytes) {
    const size_t size = std::min(kGrpcPrefixBytes - prefix_done_, bytes.size());
    std::copy_n(bytes.begin(), size, prefix_.begin() + static_cast<ptrdiff_t>(prefix_done_));
    prefix_done_ += size;
    bytes = bytes.subspan(size);
    if (prefix_done_ < kGrpcPrefixBytes) return false;
    if (prefix_[0] != 0) return Error::kMalformed;
    size_ = load_be32(prefix_.data() + 1);
    if (size_ > kGrpcMessageBytesMax) return Error::kTooLarge;
    const size_t expected = std::min(size_, kLinkReserveBytesMax);
    if (secret_) {
      message_.reserve(expected);
    } else {
      message_ = take_spare_bytes(expected);
    }
  }
  const size_t size = std::min(size_ - message_.size(), bytes.size());
  append(bytes.first(size));
  bytes = bytes.subspan(size);
  return message_.size() == size_;
}

void GrpcReader::append(ByteView bytes) {
  const size_t wanted = message_.size() + bytes.size();
  if (secret_ && wanted > message_.capacity()) {
    Bytes grown;
    grown.reserve(std::max(wanted, std::min(size_, 2 * message_.capacity())));
    grown.insert(grown.end(), message_.begin(), message_.end());
    cleanse(message_.data(), message_.size());
    message_ = std::move(grown);
  }
  message_.insert(message_.end(), bytes.begin(), bytes.end());
}

Bytes GrpcReader::take() {
  prefix_done_ = 0;
  size_ = 0;
  return std::exchange(message_, {});
}

// --- Headers

std::string grpc_timeout(int64_t timeout_ns) {
  constexpr int64_t kMost = 99'999'999;
  int64_t value = std::max<int64_t>(timeout_ns, 1);
  // Each unit and how many of it make the next.
  constexpr std::array<std::pair<char, int64_t>, 6> kUnits = {
      {{'n', 1000}, {'u', 1000}, {'m', 1000}, {'S', 60}, {'M', 60}, {'H', 1}}};
  size_t unit = 0;
  while (value > kMost && unit + 1 < kUnits.size()) {
    const int64_t next = kUnits[unit].second;
    value = value / next + (value % next != 0 ? 1 : 0);
    ++unit;
  }
  return std::to_string(std::min(value, kMost)) + kUnits[unit].first;
}

std::string percent_decode(std::string_view text) {
  std::string decoded;
  decoded.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size()) {
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high >= 0 && low >= 0) {
        decoded.push_back(static_cast<char>(high * 16 + low));
        i += 2;
        continue;
      }
    }
    decoded.push_back(text[i]);
  }
  return decoded;
}

int32_t parse_grpc_status(std::string_view text) noexcept {
  int32_t status = kStatusUnknown;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), status);
  const bool number = error == std::errc() && end == text.data() + text.size() && status >= 0;
  return number ? status : kStatusUnknown;
}

int32_t status_of_http(int http_status) noexcept {
  switch (http_status) {
    case 400:
      return kStatusInternal;
    case 401:
      return kStatusUnauthenticated;
    case 403:
      return kStatusPermissionDenied;
    case 404:
      return kStatusUnimplemented;
    case 429:
    case 502:
    case 503:
    case 504:
      return kStatusUnavailable;
    default:
      return kStatusUnknown;
  }
}

int32_t status_of_reset(uint32_t http2_error) noexcept {
  switch (http2_error) {
    case 0x7:  // REFUSED_STREAM
      return kStatusUnavailable;
    case 0x8:  // CANCEL
      return kStatusCancelled;
    case 0xb:  // ENHANCE_YOUR_CALM
      return kStatusResourceExhausted;
    case 0xc:  // INADEQUATE_SECURITY
      return kStatusPermissionDenied;
    case 0x5:  // STREAM_CLOSED
    case 0xd:  // HTTP_1_1_REQUIRED
      return kStatusUnknown;
    default:
      return kStatusInternal;
  }
}

}  // namespace ringway::cluster
