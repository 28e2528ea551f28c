// client/acked_log: which messages were acknowledged to a client, for a comparison with what its
// shards recorded.
//
// A line per quick ack, "session_id msg_id" in decimal, in the order in which the acks came. Whole
// lines are appended, so several threads may write the same file, each through a log of its own.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

namespace ringway::client {

class AckedLog {
 public:
  // Appends to `path`; null when it cannot be opened.
  [[nodiscard]] static std::unique_ptr<AckedLog> open(const std::string& path);
  ~AckedLog();
  AckedLog(const AckedLog&) = delete;
  AckedLog& operator=(const AckedLog&) = delete;

  void add(int64_t session_id, int64_t msg_id);
  // All lines are in the file when it returns.
  void flush();

 private:
  explicit AckedLog(std::FILE* file) : file_(file) {}

  std::FILE* file_;  // unbuffered
  std::string lines_;
};

}  // namespace ringway::client
