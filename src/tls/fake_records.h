// tls/fake_records: the records of fake TLS behind the hello and its answer.
//
// What looks like encrypted records carries an obfuscated MTProto stream; where a record begins or
// ends means nothing to it. Pure: bytes in, bytes out; one reader belongs to one connection and is
// driven by that connection's thread.
#pragma once

#include <array>
#include <span>

#include "base/bytes.h"
#include "base/limits.h"
#include "base/result.h"

namespace ringway::tls {

enum class FakeTlsSide : uint8_t {
  kServer,  // reads what a client sends: change cipher spec once, then data
  kClient,  // reads what a server sends behind its flight: data
};

// What a client sends before its first record.
inline constexpr std::array<uint8_t, 6> kFakeChangeCipherSpec = {0x14, 0x03, 0x03,
                                                                 0x00, 0x01, 0x01};

class FakeTlsReader {
 public:
  enum class Event : uint8_t { kNeedMore, kData, kError };

  explicit FakeTlsReader(FakeTlsSide side) noexcept : opened_(side == FakeTlsSide::kClient) {}

  // Takes the next bytes of the stream: borrowed until next() has returned kNeedMore or kError.
  // Everything given before must have been consumed.
  void receive(ByteSpan bytes) noexcept;
  // The next piece of the stream inside: a span of the borrowed bytes, never empty, given as it
  // arrives and not by whole records. kNeedMore: everything was consumed. kError: error() says why,
  // and every further call returns kError.
  //   kMalformed   another record than those that are due
  //   kTooLarge    a record above kFakeRecordBytesMax
  //   kBadLength   more than kFakeEmptyRecordsMax empty records in a row
  [[nodiscard]] Event next(ByteSpan& data) noexcept;
  [[nodiscard]] Error error() const noexcept { return error_; }
  // What next() has not consumed; borrowed as before. For a caller who stops in between and gives
  // it to receive() again.
  [[nodiscard]] ByteSpan unread() const noexcept { return input_; }
  // True when a record has begun and is not complete (for the frame deadline).
  [[nodiscard]] bool mid_record() const noexcept { return header_bytes_ > 0 || remaining_ > 0; }

 private:
  enum class Header : uint8_t { kIncomplete, kTaken, kRefused };
  [[nodiscard]] Header take_header() noexcept;
  [[nodiscard]] Header open_record() noexcept;
  [[nodiscard]] Header refuse(Error error) noexcept;

  ByteSpan input_;  // not consumed yet
  // The start of a record header, or of the change cipher spec, that is not whole yet.
  std::array<uint8_t, 6> header_{};
  uint8_t header_bytes_ = 0;
  uint8_t empty_records_ = 0;  // in a row
  uint16_t remaining_ = 0;     // of the record's body
  bool opened_;                // the change cipher spec is behind us
  Error error_ = Error::kNone;
};
static_assert(sizeof(FakeTlsReader) <= 32, "one lives in every idle connection");

inline constexpr size_t kFakeRecordHeaderBytes = 5;

// The header of one record; at most kFakeRecordPayloadMax bytes of payload.
void write_fake_record_header(size_t payload_bytes,
                              std::span<uint8_t, kFakeRecordHeaderBytes> out) noexcept;

// What a payload of any size takes on the wire: as many records as it needs, none for none.
[[nodiscard]] constexpr size_t fake_records_bytes(size_t payload_bytes) noexcept {
  const size_t records = (payload_bytes + kFakeRecordPayloadMax - 1) / kFakeRecordPayloadMax;
  return payload_bytes + records * kFakeRecordHeaderBytes;
}

// Writes the payload as records: out.size() == fake_records_bytes(payload.size()). The payload may
// be the last bytes of `out`; then it is moved apart in place.
void write_fake_records(ByteView payload, ByteSpan out) noexcept;

}  // namespace ringway::tls
