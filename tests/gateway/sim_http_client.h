// A client of the simulated gateway that speaks HTTP: posts its messages, some of them behind each
// other, and what was not answered once more on another connection.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <optional>
#include <set>
#include <string>

#include "gateway/sim_client.h"

namespace ringway::gateway::testing {

class SimHttpClient {
 public:
  static constexpr size_t kPipelined = 3;

  SimHttpClient(uint32_t number, uint32_t messages) : number_(number) {
    for (uint32_t i = 0; i < messages; ++i) unanswered_.push_back(i);
  }

  [[nodiscard]] uint32_t number() const noexcept { return number_; }
  [[nodiscard]] bool done() const noexcept { return unanswered_.empty(); }
  [[nodiscard]] bool connected() const noexcept { return id_.has_value(); }
  [[nodiscard]] const std::set<uint32_t>& answered() const noexcept { return answered_; }
  [[nodiscard]] uint64_t refusals() const noexcept { return refusals_; }

  void connect(ClientId id) {
    id_ = id;
    wire_.clear();
    heard_.clear();
    posted_ = 0;
  }

  // Of what was connected; whatever was under way is asked again.
  void leave(SimNetwork& network, bool by_reset) {
    if (!id_) return;
    if (by_reset) {
      network.reset(*id_);
    } else {
      network.finish(*id_);
    }
    id_.reset();
  }

  // Writes a piece of its requests, and takes what has come.
  void run(SimNetwork& network) {
    if (!id_) return;
    SimRandom& random = network.random();
    while (posted_ < std::min(kPipelined, unanswered_.size()) && random.chance(50)) {
      post(random, unanswered_[posted_++]);
    }
    if (!wire_.empty() && random.chance(60)) {
      const size_t size = random.chance(30) ? wire_.size() : random.between(1, wire_.size());
      network.write(*id_, ByteView(wire_).first(size));
      wire_.erase(wire_.begin(), wire_.begin() + static_cast<ptrdiff_t>(size));
    }
    heard_ += as_text(network.read(*id_));
    while (take_answer()) {
    }
    if (network.saw_end(*id_) || network.saw_reset(*id_)) leave(network, false);
  }

 private:
  void post(SimRandom& random, uint32_t sequence) {
    // Mostly it stays with a key; another one may live elsewhere.
    const TestKey& key =
        test_keys()[random.chance(70) ? number_ % kKeyCount : random.between(0, kKeyCount - 1)];
    const size_t extra = random.chance(3) ? 40'000 : 4 * random.between(0, 60);
    Bytes frame(mtproto::sealed_bytes(kMessagePrefixBytes + 12 + extra));
    ByteWriter out(ByteSpan(frame).subspan(kMessageHeaderBytes));
    out.i64(99);
    out.i64(number_);
    out.i64((int64_t{sequence} + 1) * 4);
    out.i32(static_cast<int32_t>(2 * sequence + 1));
    out.u32(static_cast<uint32_t>(12 + extra));
    out.u32(kBodyTag);
    out.u32(number_);
    out.u32(sequence);
    out.fill(0xab, extra);
    mtproto::SealJob job;
    job.key = &key.bytes;
    job.auth_key_id = key.id;
    job.out = frame;
    job.plaintext_bytes = kMessagePrefixBytes + 12 + extra;
    job.sender = mtproto::Sender::kClient;
    mtproto::seal_many({&job, 1});
    const std::string head =
        "POST /apiw1 HTTP/1.1\r\nContent-Length: " + std::to_string(frame.size()) + "\r\n\r\n";
    append(wire_, as_bytes(head));
    append(wire_, frame);
  }

  // False: there is no whole one.
  bool take_answer() {
    constexpr std::string_view kLength = "Content-Length: ";
    const size_t head_end = heard_.find("\r\n\r\n");
    if (head_end == std::string::npos) return false;
    const size_t at = heard_.find(kLength);
    EXPECT_LT(at, head_end) << heard_;
    const size_t bytes = std::stoul(heard_.substr(at + kLength.size()));
    if (heard_.size() < head_end + 4 + bytes) return false;
    EXPECT_GT(posted_, 0U) << "an answer that nobody asked for";
    if (heard_.starts_with("HTTP/1.1 200")) {
      answered_.insert(unanswered_.front());
      unanswered_.pop_front();
    } else {
      EXPECT_TRUE(heard_.starts_with("HTTP/1.1 50")) << heard_;
      ++refusals_;
    }
    --posted_;
    heard_.erase(0, head_end + 4 + bytes);
    return posted_ > 0 || !heard_.empty();
  }

  const uint32_t number_;
  std::optional<ClientId> id_;
  std::deque<uint32_t> unanswered_;  // in the order in which they are posted
  size_t posted_ = 0;                // of these, on this connection
  std::set<uint32_t> answered_;
  uint64_t refusals_ = 0;
  Bytes wire_;
  std::string heard_;
};

}  // namespace ringway::gateway::testing
