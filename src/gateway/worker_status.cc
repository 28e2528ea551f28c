#include "gateway/worker_status.h"

#include <algorithm>

namespace ringway::gateway {

std::string_view to_string(DecodeReason reason) noexcept {
  switch (reason) {
    case DecodeReason::kBadMagic:
      return "bad_magic";
    case DecodeReason::kBadLength:
      return "bad_len";
    case DecodeReason::kBadChecksum:
      return "bad_crc";
    case DecodeReason::kBadSequence:
      return "bad_seq";
    case DecodeReason::kDecrypt:
      return "decrypt";
    case DecodeReason::kUnexpectedEnd:
      return "unexpected_eof";
    case DecodeReason::kOther:
      return "other";
  }
  return "other";
}

ListenerStatus ListenerCells::read() const noexcept {
  ListenerStatus status;
  status.opened = opened_.load(std::memory_order_relaxed);
  status.closed = closed_.load(std::memory_order_relaxed);
  status.bytes_received = bytes_received_.load(std::memory_order_relaxed);
  status.frames_received = frames_.load(std::memory_order_relaxed);
  status.bytes_sent = bytes_sent_.load(std::memory_order_relaxed);
  for (size_t i = 0; i < decode_errors_.size(); ++i) {
    status.decode_errors[i] = decode_errors_[i].load(std::memory_order_relaxed);
  }
  return status;
}

WorkerStatusBoard::WorkerStatusBoard(size_t listeners)
    : listener_count_(std::max<size_t>(listeners, 1)),
      listeners_(std::make_unique<ListenerCells[]>(listener_count_)) {}

void WorkerStatusBoard::read(WorkerStatus& out) const {
  for (size_t i = 0; i < listener_count_; ++i) out.listeners.push_back(listeners_[i].read());
  out.last_turn_ns = last_turn_ns_.load(std::memory_order_relaxed);
  const std::scoped_lock lock(mutex_);
  out.gauges = shown_;
}

}  // namespace ringway::gateway
