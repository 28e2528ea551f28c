// client/http_stream: HTTP around an MTProto stream, the client's side: each frame of the stream is
// posted, and each answer's body becomes a frame.
//
// The stream is the intermediate transport's, plain: its opening is dropped, its lengths are
// HTTP's. Requests go out as they come, for the server answers them in order; there are no quick
// acks. Bytes in, bytes out; one object for one connection and its thread.
#pragma once

#include <string>

#include "base/bytes.h"
#include "base/result.h"

namespace ringway::client {

class HttpStream {
 public:
  HttpStream(std::string path, std::string host) : path_(std::move(path)), host_(std::move(host)) {}

  // Takes bytes of the stream, with its opening; whole frames are appended as requests.
  void write(ByteView bytes, Bytes& requests);
  // Takes bytes of the server's; the bodies of whole answers are appended as frames. kMalformed: it
  // is no answer, or a refusal without a transport error; kTooLarge: it has no end. problem() says
  // which.
  Result<void> receive(ByteView bytes, Bytes& stream);
  // Requests that have no answer.
  [[nodiscard]] size_t unanswered() const noexcept { return unanswered_; }
  [[nodiscard]] const std::string& problem() const noexcept { return problem_; }

 private:
  Error fail(Error error, std::string text);

  const std::string path_;
  const std::string host_;
  bool opened_ = false;
  size_t unanswered_ = 0;
  Bytes frame_;   // of the stream, not whole yet
  Bytes answer_;  // of the server, likewise
  std::string problem_;
};

}  // namespace ringway::client
