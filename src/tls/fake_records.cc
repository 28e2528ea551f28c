#include "tls/fake_records.h"

#include <algorithm>

#include "base/assert.h"

namespace ringway::tls {
namespace {

constexpr std::array<uint8_t, 3> kDataStart = {0x17, 0x03, 0x03};
static_assert(kFakeEmptyRecordsMax < UINT8_MAX);
static_assert(kFakeRecordBytesMax <= UINT16_MAX);

}  // namespace

void FakeTlsReader::receive(ByteSpan bytes) noexcept {
  RW_ASSERT(input_.empty());
  input_ = bytes;
}

FakeTlsReader::Event FakeTlsReader::next(ByteSpan& data) noexcept {
  if (error_ != Error::kNone) return Event::kError;
  while (remaining_ == 0) {
    const Header header = take_header();
    if (header == Header::kRefused) return Event::kError;
    if (header == Header::kIncomplete) return Event::kNeedMore;
  }
  if (input_.empty()) return Event::kNeedMore;
  data = input_.first(std::min<size_t>(remaining_, input_.size()));
  input_ = input_.subspan(data.size());
  remaining_ = static_cast<uint16_t>(remaining_ - data.size());
  return Event::kData;
}

// Wrong bytes are refused as soon as they are there, not when the header is whole.
FakeTlsReader::Header FakeTlsReader::take_header() noexcept {
  const ByteView start = opened_ ? ByteView(kDataStart) : ByteView(kFakeChangeCipherSpec);
  const size_t whole = opened_ ? kFakeRecordHeaderBytes : kFakeChangeCipherSpec.size();
  while (header_bytes_ < whole) {
    if (input_.empty()) return Header::kIncomplete;
    const uint8_t byte = input_.front();
    if (header_bytes_ < start.size() && byte != start[header_bytes_]) {
      return refuse(Error::kMalformed);
    }
    header_[header_bytes_++] = byte;
    input_ = input_.subspan(1);
  }
  header_bytes_ = 0;
  if (opened_) return open_record();
  opened_ = true;
  return Header::kTaken;
}

FakeTlsReader::Header FakeTlsReader::open_record() noexcept {
  const size_t size = size_t{header_[3]} << 8 | header_[4];
  if (size > kFakeRecordBytesMax) return refuse(Error::kTooLarge);
  if (size > 0) {
    empty_records_ = 0;
  } else if (++empty_records_ > kFakeEmptyRecordsMax) {
    return refuse(Error::kBadLength);
  }
  remaining_ = static_cast<uint16_t>(size);
  return Header::kTaken;
}

FakeTlsReader::Header FakeTlsReader::refuse(Error error) noexcept {
  error_ = error;
  input_ = {};
  return Header::kRefused;
}

void write_fake_record_header(size_t payload_bytes,
                              std::span<uint8_t, kFakeRecordHeaderBytes> out) noexcept {
  RW_ASSERT(payload_bytes <= kFakeRecordPayloadMax);
  std::copy(kDataStart.begin(), kDataStart.end(), out.begin());
  out[3] = static_cast<uint8_t>(payload_bytes >> 8);
  out[4] = static_cast<uint8_t>(payload_bytes);
}

// Front to back: what is left of the payload is never behind the place of a later record, so that
// one that lies at the end of `out` is not overwritten before it is moved.
void write_fake_records(ByteView payload, ByteSpan out) noexcept {
  RW_ASSERT(out.size() == fake_records_bytes(payload.size()));
  while (!payload.empty()) {
    const size_t size = std::min(payload.size(), kFakeRecordPayloadMax);
    std::memmove(out.data() + kFakeRecordHeaderBytes, payload.data(), size);
    write_fake_record_header(size, out.first<kFakeRecordHeaderBytes>());
    out = out.subspan(kFakeRecordHeaderBytes + size);
    payload = payload.subspan(size);
  }
}

}  // namespace ringway::tls
