// Fuzzing of the heads of HTTP requests, and of what the gateway makes of them.
//
// Byte 0 seeds how the rest is cut: a connection's stream of requests with their bodies. Each head
// is read at once, and as it grows; both must see the same. Whatever is accepted lies inside the
// head, ends with the head's only empty line, and has no two lengths. Then the same stream goes
// through a server in pieces: the frames it gives are those of the requests' bodies.
#include <algorithm>

#include "door/http_server.h"
#include "fuzz_support.h"

namespace {

using namespace ringway;
using namespace ringway::door;
using fuzz::Choices;
using fuzz::require;
using State = HttpHead::State;

bool same(const HttpRequest& a, const HttpRequest& b) {
  return a.head_bytes == b.head_bytes && a.method == b.method && a.path == b.path &&
         a.http_1_1 == b.http_1_1 && a.keep_alive == b.keep_alive &&
         a.expect_continue == b.expect_continue && a.transfer_encoding == b.transfer_encoding &&
         a.content_length == b.content_length && a.upgrade_websocket == b.upgrade_websocket &&
         a.connection_upgrade == b.connection_upgrade && a.ws_version_ok == b.ws_version_ok &&
         a.ws_binary == b.ws_binary && a.ws_key == b.ws_key;
}

bool inside(std::string_view part, ByteView whole) {
  const auto* const begin = reinterpret_cast<const char*>(whole.data());
  return part.empty() ||
         (part.data() >= begin && part.data() + part.size() <= begin + whole.size());
}

// Reads a head that grows to `stream`, of memory that is as large as what is there.
void check_growing(ByteView stream, const HttpHead& whole, Choices& choices) {
  const size_t step_max = 1 + choices.below(100);
  size_t searched = 0;
  while (true) {
    const size_t count = std::min(stream.size(), searched + 1 + choices.below(step_max));
    const Bytes start(stream.begin(), stream.begin() + static_cast<ptrdiff_t>(count));
    const HttpHead head = read_request_head(start, searched);
    if (head.state == State::kIncomplete && count < stream.size()) {
      searched = count;
      continue;
    }
    require(head.state == whole.state && head.status == whole.status);
    require(same(head.request, whole.request));
    return;
  }
}

void check_request(ByteView head, const HttpRequest& request) {
  const std::string_view text = as_text(head);
  require(text.size() <= kHttpHeadBytesMax);
  require(text.find("\r\n\r\n") == text.size() - 4);
  require(std::count(text.begin(), text.end(), '\n') == std::count(text.begin(), text.end(), '\r'));
  require(text.find('\0') == std::string_view::npos);
  const std::string_view path = request.path == "/" ? std::string_view() : request.path;
  require(inside(path, head) && inside(request.ws_key, head));
  require(!request.transfer_encoding || !request.content_length);
}

// What a server makes of the stream when each request is answered at once: frames, and answers.
struct Served {
  Bytes frames;
  Bytes sent;
  bool ended = false;
};

Served serve(ByteView stream, size_t piece_max, Choices choices) {
  HttpServer server({}, true);
  Served served;
  Bytes kept;
  while (!stream.empty() && !server.ended()) {
    const size_t count = std::min(stream.size(), 1 + choices.below(piece_max));
    size_t searched = kept.size();
    kept.insert(kept.end(), stream.begin(), stream.begin() + static_cast<ptrdiff_t>(count));
    stream = stream.subspan(count);
    while (!kept.empty() && !server.ended()) {
      Bytes memory(kept);  // of exactly this size
      const HttpStep step = server.take(memory, searched, served.sent);
      searched = 0;
      if (step.kind == HttpStep::Kind::kNeedMore) break;
      require(step.consumed <= kept.size());
      served.frames.insert(served.frames.end(), step.frame.begin(), step.frame.end());
      kept.erase(kept.begin(), kept.begin() + static_cast<ptrdiff_t>(step.consumed));
      if (server.awaits_answer()) server.answer(ByteView(served.frames).last(4), served.sent);
    }
    require(kept.size() <= kHttpHeadBytesMax || server.ended());
  }
  served.ended = server.ended();
  return served;
}

void check_served(ByteView stream, Choices& choices) {
  const Served whole = serve(stream, 16, choices);
  const Served cut = serve(stream, 1 + choices.below(3000), choices);
  // Only a word to go on, which depends on what is there already, may differ.
  require(whole.ended == cut.ended && whole.frames == cut.frames);
  for (size_t at = 0; at + kHttpFrameHeaderBytes <= whole.frames.size();) {
    const size_t length = load_le<uint32_t>(whole.frames.data() + at);
    require(length > 0 && length % 4 == 0 && length <= kHttpBodyBytesMax);
    at += kHttpFrameHeaderBytes + length;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  Choices choices(data[0]);
  ByteView stream(data + 1, size - 1);
  check_served(stream, choices);
  while (!stream.empty()) {
    const HttpHead head = read_request_head(stream);
    check_growing(stream, head, choices);
    Bytes answer(kHttpResponseBytesMax);
    if (head.state == State::kIncomplete) {
      require(stream.size() < kHttpHeadBytesMax);
      return 0;
    }
    if (head.state == State::kRefused) {
      require(write_http_response_head({head.status}, answer) > 0);
      return 0;
    }
    check_request(stream.first(head.request.head_bytes), head.request);
    const HttpVerdict verdict = judge_request(head.request);
    if (verdict.kind == HttpVerdict::Kind::kUpgrade) {
      require(write_websocket_accept(head.request.ws_key, answer) > 0);
    }
    require(write_http_response_head({verdict.status}, answer) > 0);
    if (verdict.kind == HttpVerdict::Kind::kRefused) return 0;
    stream = stream.subspan(head.request.head_bytes);
    stream = stream.subspan(std::min(stream.size(), verdict.body_bytes));
  }
  return 0;
}
