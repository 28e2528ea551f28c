// cluster/grpc_framing: what gRPC puts into HTTP/2: length-prefixed messages, time-outs, statuses.
//
// Pure functions and two small cursors, no I/O. Everything that is read comes from a shard and may
// be anything.
//
// Source: grpc.github.io/grpc/core/md_doc__p_r_o_t_o_c_o_l-_h_t_t_p2.html and
// grpc.github.io/grpc/core/md_doc_http-grpc-status-mapping.html.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "cluster/chunk.h"

namespace ringway::cluster {

// One byte that says whether the message is compressed, four of its length, big-endian.
inline constexpr size_t kGrpcPrefixBytes = 5;

// Messages on their way out: gives their bytes, prefixes included, in pieces of any size.
class GrpcWriter {
 public:
  // Takes the message and leaves an empty one, with the memory of one that is written if there is.
  void add(WireMessage& message);
  [[nodiscard]] size_t bytes_left() const noexcept { return bytes_left_; }
  // Fills `out`, which is at most bytes_left() long; what is copied is let go.
  void copy(ByteSpan out);

 private:
  void begin_message() noexcept;

  std::vector<WireMessage> messages_;  // `count_` of them; those behind are empty
  size_t count_ = 0;
  size_t message_ = 0;  // the one under way
  size_t slice_ = 0;    // and its slice
  size_t offset_ = 0;   // and the place in that
  std::array<uint8_t, kGrpcPrefixBytes> prefix_{};
  size_t prefix_done_ = 0;
  size_t bytes_left_ = 0;
};

// Bytes of one stream on their way in: cuts messages.
class GrpcReader {
 public:
  // Messages of `secret` streams leave no copy behind where memory has to grow.
  explicit GrpcReader(bool secret) : secret_(secret) {}
  ~GrpcReader();
  GrpcReader(const GrpcReader&) = delete;
  GrpcReader& operator=(const GrpcReader&) = delete;

  // Takes from the front of `bytes`. True when a message is whole: take() it before the next
  // call. False when more bytes are needed: `bytes` is then empty. kTooLarge above
  // kGrpcMessageBytesMax, kMalformed for a compressed message, which nobody asked for.
  Result<bool> read(ByteView& bytes);
  [[nodiscard]] Bytes take();
  // Inside a message: its stream must not end here.
  [[nodiscard]] bool mid_message() const noexcept { return prefix_done_ > 0; }

 private:
  void append(ByteView bytes);

  const bool secret_;
  std::array<uint8_t, kGrpcPrefixBytes> prefix_{};
  size_t prefix_done_ = 0;
  size_t size_ = 0;
  Bytes message_;
};

// The value of grpc-timeout: at most eight digits and a unit. Rounded up; at least one nanosecond.
[[nodiscard]] std::string grpc_timeout(int64_t timeout_ns);
// The value of grpc-message as text; what is not percent-encoded properly stays as it is.
[[nodiscard]] std::string percent_decode(std::string_view text);
// The value of grpc-status; kStatusUnknown when it is no number.
[[nodiscard]] int32_t parse_grpc_status(std::string_view text) noexcept;
// For an answer without grpc-status.
[[nodiscard]] int32_t status_of_http(int http_status) noexcept;
// For a stream that was reset with this HTTP/2 error code.
[[nodiscard]] int32_t status_of_reset(uint32_t http2_error) noexcept;

}  // namespace ringway::cluster
