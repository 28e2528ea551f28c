// tests/support/memory_pipes: LinkPipes in memory, and HTTP/2 frames written by hand.
//
// The test is the other end: it opens a pipe, reads what was sent, gives bytes in pieces of its own
// choice, and says when the pipe has drained.
#pragma once

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "cluster/link_pipe.h"

namespace ringway::cluster {

class MemoryPipes final : public LinkPipes {
 public:
  struct End {
    std::string address;
    LinkPipeEvents* events = nullptr;  // null once our side has let go
    bool open = false;
    size_t room_max = 1024 * 1024;
    Bytes sent;  // what was committed
    size_t receive_low = 0;

    void accept() {
      open = true;
      events->on_opened();
    }
    // In pieces of `piece` bytes; stops when our side lets go. What the session does to the bytes
    // is seen in the return value.
    Bytes give(ByteView bytes, size_t piece = SIZE_MAX) {
      Bytes copy(bytes.begin(), bytes.end());
      for (size_t at = 0; at < copy.size() && events != nullptr;) {
        const size_t size = std::min(piece, copy.size() - at);
        events->on_bytes(ByteSpan(copy).subspan(at, size));
        at += size;
      }
      return copy;
    }
    // Takes what was sent.
    Bytes take() {
      Bytes bytes = std::exchange(sent, {});
      if (events != nullptr) events->on_drained();
      return bytes;
    }
    void close(std::string_view why) {
      if (events != nullptr) events->on_closed(why);
    }
  };

  std::unique_ptr<LinkPipe> connect(const std::string& address, LinkPipeEvents& events) override {
    ends.push_back(std::make_shared<End>());
    ends.back()->address = address;
    ends.back()->events = &events;
    return std::make_unique<Pipe>(ends.back());
  }

  std::vector<std::shared_ptr<End>> ends;  // all there ever were

 private:
  class Pipe final : public LinkPipe {
   public:
    explicit Pipe(std::shared_ptr<End> end) : end_(std::move(end)) {}
    ~Pipe() override {
      end_->events = nullptr;
      end_->open = false;
    }
    size_t room() const noexcept override {
      size_t used = end_->sent.size();
      for (const Bytes& bytes : reservations_) used += bytes.size();
      return end_->open && used < end_->room_max ? end_->room_max - used : 0;
    }
    void set_receive_low(size_t bytes) override { end_->receive_low = bytes; }
    ByteSpan reserve(size_t size) override {
      if (size > room()) return {};
      reservations_.emplace_back(size);
      return reservations_.back();
    }
    void commit() override {
      for (const Bytes& bytes : reservations_) {
        end_->sent.insert(end_->sent.end(), bytes.begin(), bytes.end());
      }
      reservations_.clear();
    }

   private:
    std::shared_ptr<End> end_;
    std::vector<Bytes> reservations_;
  };
};

// --- frames

enum class FrameType : uint8_t {
  kData = 0,
  kHeaders = 1,
  kReset = 3,
  kSettings = 4,
  kPing = 6,
  kGoAway = 7,
  kWindowUpdate = 8,
};

inline void append_be32(Bytes& out, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(value >> shift));
}
inline void append(Bytes& out, ByteView bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

inline Bytes frame(FrameType type, uint8_t flags, uint32_t stream, ByteView payload) {
  Bytes out;
  append_be32(out, static_cast<uint32_t>(payload.size()) << 8 | static_cast<uint32_t>(type));
  out.push_back(flags);
  append_be32(out, stream);
  append(out, payload);
  return out;
}
inline Bytes number_frame(FrameType type, uint32_t stream, uint32_t value) {
  Bytes payload;
  append_be32(payload, value);
  return frame(type, 0, stream, payload);
}
inline Bytes settings_frame(std::initializer_list<std::pair<uint16_t, uint32_t>> settings = {}) {
  Bytes payload;
  for (const auto& [id, value] : settings) {
    payload.push_back(static_cast<uint8_t>(id >> 8));
    payload.push_back(static_cast<uint8_t>(id));
    append_be32(payload, value);
  }
  return frame(FrameType::kSettings, 0, 0, payload);
}
inline Bytes reset_frame(uint32_t stream, uint32_t error) {
  return number_frame(FrameType::kReset, stream, error);
}
inline Bytes window_frame(uint32_t stream, uint32_t bytes) {
  return number_frame(FrameType::kWindowUpdate, stream, bytes);
}
inline Bytes go_away_frame(uint32_t last_stream, uint32_t error = 0) {
  Bytes payload;
  append_be32(payload, last_stream);
  append_be32(payload, error);
  return frame(FrameType::kGoAway, 0, 0, payload);
}

using Fields = std::vector<std::pair<std::string, std::string>>;

// Literal fields without indexing; texts below 127 bytes, or below 16 K with a two-byte length.
inline Bytes headers_frame(uint32_t stream, const Fields& fields, bool end_stream) {
  Bytes block;
  const auto text = [&block](std::string_view from) {
    if (from.size() < 127) {
      block.push_back(static_cast<uint8_t>(from.size()));
    } else {
      block.push_back(127);
      size_t rest = from.size() - 127;
      for (; rest >= 128; rest /= 128) block.push_back(static_cast<uint8_t>(rest % 128 + 128));
      block.push_back(static_cast<uint8_t>(rest));
    }
    append(block, as_bytes(from));
  };
  for (const auto& [name, value] : fields) {
    block.push_back(0);
    text(name);
    text(value);
  }
  return frame(FrameType::kHeaders, static_cast<uint8_t>(4 | (end_stream ? 1 : 0)), stream, block);
}
inline Bytes data_frame(uint32_t stream, ByteView payload, bool end_stream = false) {
  return frame(FrameType::kData, end_stream ? 1 : 0, stream, payload);
}
// A message with gRPC's prefix.
inline Bytes grpc_message(ByteView message, uint8_t compressed = 0) {
  Bytes out{compressed};
  append_be32(out, static_cast<uint32_t>(message.size()));
  append(out, message);
  return out;
}
inline Bytes response_headers(uint32_t stream) {
  return headers_frame(stream, {{":status", "200"}, {"content-type", "application/grpc"}}, false);
}
inline Bytes trailers(uint32_t stream, const std::string& status, const std::string& text = "") {
  Fields fields{{"grpc-status", status}};
  if (!text.empty()) fields.emplace_back("grpc-message", text);
  return headers_frame(stream, fields, true);
}
inline Bytes operator+(Bytes a, const Bytes& b) {
  append(a, b);
  return a;
}

}  // namespace ringway::cluster
