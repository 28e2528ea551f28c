// shard/recorder: a line per event in a file, so that a test can tell what reached the shard.
//
//   send_data wire=batch conn_type=1 auth_key_id=.. perm_auth_key_id=.. session_id=.. msg_id=..
//     client_ip=192.0.2.1 quick_ack=1 bytes=.. outcome=ok at=..
//   close wire=.. conn_type=.. auth_key_id=.. session_id=..
//   set_auth_key auth_key_id=.. type=.. stored=1
//   query_auth_key auth_key_id=.. found=0
//
// `at` is the monotonic clock in nanoseconds, which all processes of a machine share. A message's
// line is there before anybody can be told that it was taken.
// Any thread may call it. Lines are whole and in the file when the call returns.
#pragma once

#include <cstdio>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace ringway::shard {

class Recorder {
 public:
  // Appends to `path`; null when it cannot be opened.
  [[nodiscard]] static std::unique_ptr<Recorder> open(const std::string& path);
  ~Recorder();
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void line(std::string_view text);

 private:
  explicit Recorder(std::FILE* file) : file_(file) {}

  std::mutex mutex_;
  std::FILE* file_;
};

}  // namespace ringway::shard
