#include "cluster/http2_session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>

#include "base/assert.h"
#include "base/limits.h"
#include "cluster/http2_memory.h"
#include "cluster/shard_transport.h"

namespace ringway::cluster {
namespace {

constexpr size_t kFrameHeaderBytes = 9;

constexpr std::string_view kUserAgent = "ringway/" RINGWAY_VERSION;

// What a header field costs by HTTP/2's own reckoning, beside its text.
constexpr size_t kHeaderFieldBytes = 32;

nghttp2_nv header(std::string_view name, std::string_view value, uint8_t flags) noexcept {
  // nghttp2 reads them only.
  const auto text = [](std::string_view from) {
    return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(from.data()));
  };
  return {text(name), text(value), name.size(), value.size(), flags};
}
constexpr uint8_t kBorrowed = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_COPY_VALUE;
constexpr uint8_t kChanging = NGHTTP2_NV_FLAG_NO_COPY_NAME | NGHTTP2_NV_FLAG_NO_INDEX;

std::string authority_of(const std::string& address) {
  return address.starts_with("unix:") ? "localhost" : address;
}

}  // namespace

// nghttp2 calls these from inside mem_recv() and send(). The stream's user data is its Http2Stream,
// or null once the session has forgotten it.
struct Http2Session::Callbacks {
  static Http2Session& of(void* user) { return *static_cast<Http2Session*>(user); }

  static ssize_t on_send(nghttp2_session*, const uint8_t* data, size_t size, int, void* user) {
    Http2Session& session = of(user);
    const size_t count = std::min(size, session.pipe_->room());
    const ByteSpan space = count == 0 ? ByteSpan() : session.pipe_->reserve(count);
    if (space.empty()) return NGHTTP2_ERR_WOULDBLOCK;
    std::memcpy(space.data(), data, count);
    return static_cast<ssize_t>(count);
  }

  // How much the next DATA frame of a stream holds.
  static ssize_t on_read(nghttp2_session* http2, int32_t stream_id, uint8_t*, size_t length,
                         uint32_t* flags, nghttp2_data_source*, void*) {
    auto* stream =
        static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(http2, stream_id));
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;  // reset it
    const size_t left = stream->out.bytes_left();
    if (left == 0) {
      stream->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    const size_t count = std::min(left, length);
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (stream->is_call && count == left) *flags |= NGHTTP2_DATA_FLAG_EOF;
    return static_cast<ssize_t>(count);
  }

  // The frame itself: header and payload straight into the pipe.
  static int on_send_data(nghttp2_session* http2, nghttp2_frame* frame, const uint8_t* head,
                          size_t length, nghttp2_data_source*, void* user) {
    Http2Session& session = of(user);
    auto* stream =
        static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(http2, frame->hd.stream_id));
    if (stream == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (session.pipe_->room() < kFrameHeaderBytes + length) return NGHTTP2_ERR_WOULDBLOCK;
    const ByteSpan space = session.pipe_->reserve(kFrameHeaderBytes + length);
    if (space.empty()) return NGHTTP2_ERR_WOULDBLOCK;
    std::memcpy(space.data(), head, kFrameHeaderBytes);
    stream->out.copy(space.subspan(kFrameHeaderBytes));
    if (stream->writing && stream->out.bytes_left() == 0) {
      stream->writing = false;
      session.written_.push_back(stream);
    }
    return 0;
  }

  static ssize_t on_frame_length(nghttp2_session*, uint8_t, int32_t, int32_t, int32_t,
                                 uint32_t remote_max_frame_size, void*) {
    return std::min(remote_max_frame_size, kLinkFrameBytesMax);
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                       size_t name_size, const uint8_t* value, size_t value_size, uint8_t,
                       void* user) {
    Http2Stream* stream = of(user).stream_of(frame->hd.stream_id);
    if (stream == nullptr) return 0;
    of(user).take_header(*stream, as_text({name, name_size}), as_text({value, value_size}));
    return 0;
  }

  static int on_data_chunk(nghttp2_session* http2, uint8_t, int32_t stream_id, const uint8_t* data,
                           size_t size, void* user) {
    Http2Session& session = of(user);
    // The connection's window is always given back: what is limited is each stream.
    if (nghttp2_session_consume_connection(http2, size) != 0) return NGHTTP2_ERR_CALLBACK_FAILURE;
    Http2Stream* stream = session.stream_of(stream_id);
    if (stream == nullptr) return 0;
    // The same bytes, as ours to overwrite.
    const auto offset = static_cast<size_t>(data - session.input_.data());
    session.take_data(*stream, session.input_.subspan(offset, size));
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& session = of(user);
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        if ((frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
          if (Http2Stream* stream = session.stream_of(frame->hd.stream_id)) {
            session.end_by_headers(*stream);
          }
        }
        break;
      case NGHTTP2_SETTINGS:
        session.reached_ = true;
        break;
      case NGHTTP2_GOAWAY:
        session.go_away();
        break;
      default:
        break;
    }
    return 0;
  }

  static int on_stream_close(nghttp2_session*, int32_t stream_id, uint32_t error_code, void* user) {
    Http2Session& session = of(user);
    Http2Stream* stream = session.stream_of(stream_id);
    if (stream == nullptr) return 0;
    session.end(*stream, {.status = status_of_reset(error_code),
                          .text = fmt::format("the stream was reset with {}",
                                              nghttp2_http2_strerror(error_code)),
                          .untouched = error_code == NGHTTP2_REFUSED_STREAM,
                          .refused = error_code == NGHTTP2_REFUSED_STREAM});
    return 0;
  }

  static nghttp2_session_callbacks* make() {
    nghttp2_session_callbacks* callbacks = nullptr;
    RW_ASSERT(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, on_frame_length);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    return callbacks;
  }
};

Http2Session::Http2Session(const std::string& address, LinkPipes& pipes, Events& events,
                           const TurnClock& clock)
    : events_(events),
      authority_(authority_of(address)),
      clock_(clock),
      memory_(std::make_unique<Http2Memory>()) {
  nghttp2_session_callbacks* callbacks = Callbacks::make();
  nghttp2_option* option = nullptr;
  RW_ASSERT(nghttp2_option_new(&option) == 0);
  nghttp2_option_set_no_auto_window_update(option, 1);
  RW_ASSERT(nghttp2_session_client_new3(&http2_, callbacks, this, option, memory_->functions()) ==
            0);
  nghttp2_option_del(option);
  nghttp2_session_callbacks_del(callbacks);
  const std::array<nghttp2_settings_entry, 4> settings = {
      {{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
       {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(kLinkStreamWindow)},
       {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kLinkFrameBytesMax},
       {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, static_cast<uint32_t>(kLinkHeaderBytesMax)}}};
  RW_ASSERT(nghttp2_submit_settings(http2_, NGHTTP2_FLAG_NONE, settings.data(), settings.size()) ==
            0);
  RW_ASSERT(nghttp2_session_set_local_window_size(http2_, NGHTTP2_FLAG_NONE, 0,
                                                  kLinkConnectionWindow) == 0);
  needs_pump_ = true;
  pipe_ = pipes.connect(address, *this);
}

Http2Session::~Http2Session() {
  pipe_.reset();
  nghttp2_session_del(http2_);
}

void Http2Session::set_state(State to) noexcept {
  RW_ASSERT(state_ != State::kDead);
  RW_ASSERT(to > state_);
  state_ = to;
}

// --- streams

bool Http2Session::start(Http2Stream& stream, std::string_view path, int64_t timeout_ns) {
  RW_ASSERT(stream.session == nullptr);
  if (!usable()) return false;
  const std::string timeout = timeout_ns == 0 ? std::string() : grpc_timeout(timeout_ns);
  const std::array<nghttp2_nv, 8> headers = {{
      header(":method", "POST", kBorrowed),
      header(":scheme", "http", kBorrowed),
      header(":path", path, kBorrowed),
      header(":authority", authority_, kBorrowed),
      header("te", "trailers", kBorrowed),
      header("content-type", "application/grpc", kBorrowed),
      header("user-agent", kUserAgent, kBorrowed),
      header("grpc-timeout", timeout, kChanging),
  }};
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::on_read;
  const int32_t stream_id =
      nghttp2_submit_request(http2_, nullptr, headers.data(),
                             timeout.empty() ? headers.size() - 1 : headers.size(), &body, &stream);
  if (stream_id < 0) {
    go_away();  // out of stream ids, most likely: a new connection has them
    return false;
  }
  stream.session = this;
  stream.stream_id = stream_id;
  stream.index = streams_.size();
  streams_.push_back(&stream);
  needs_pump_ = true;
  return true;
}

void Http2Session::resume(Http2Stream& stream) {
  RW_ASSERT(stream.session == this);
  stream.writing = true;
  needs_pump_ = true;
  if (!stream.deferred) return;
  stream.deferred = false;
  // It fails for a stream that is closing; its end is on the way then.
  (void)nghttp2_session_resume_data(http2_, stream.stream_id);
}

void Http2Session::cancel(Http2Stream& stream) {
  const int32_t stream_id = stream.stream_id;
  forget(stream);
  (void)nghttp2_submit_rst_stream(http2_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
  needs_pump_ = true;
}

void Http2Session::give_window(Http2Stream& stream) {
  const size_t owed = std::exchange(stream.owed_bytes, 0);
  if (owed == 0) return;
  (void)nghttp2_session_consume_stream(http2_, stream.stream_id, owed);
  needs_pump_ = true;
}

Http2Stream* Http2Session::stream_of(int32_t stream_id) noexcept {
  return static_cast<Http2Stream*>(nghttp2_session_get_stream_user_data(http2_, stream_id));
}

void Http2Session::forget(Http2Stream& stream) noexcept {
  RW_ASSERT(stream.session == this);
  (void)nghttp2_session_set_stream_user_data(http2_, stream.stream_id, nullptr);
  streams_[stream.index] = streams_.back();
  streams_[stream.index]->index = stream.index;
  streams_.pop_back();
  std::erase(written_, &stream);
  stream.session = nullptr;
}

void Http2Session::end(Http2Stream& stream, Http2End end) {
  forget(stream);
  events_.on_end(stream, std::move(end));
}

void Http2Session::end_by_headers(Http2Stream& stream) {
  const int32_t stream_id = stream.stream_id;
  Http2End how;
  if (stream.has_grpc_status) {
    how.status = stream.grpc_status;
    how.text = percent_decode(stream.grpc_message);
    if (how.status == kStatusOk && stream.in.mid_message()) {
      how = {.status = kStatusInternal, .text = "the stream ended inside a message"};
    }
  } else if (stream.http_status != 200) {
    how.status = status_of_http(stream.http_status);
    how.text = fmt::format("HTTP status {}", stream.http_status);
  } else {
    how.status = kStatusUnknown;
    how.text = "the stream ended without a status";
  }
  end(stream, std::move(how));
  // The shard has said all; what we still had to say is of no use.
  if (nghttp2_session_get_stream_local_close(http2_, stream_id) == 0) {
    (void)nghttp2_submit_rst_stream(http2_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_NO_ERROR);
    needs_pump_ = true;
  }
}

void Http2Session::take_header(Http2Stream& stream, std::string_view name, std::string_view value) {
  stream.header_bytes += name.size() + value.size() + kHeaderFieldBytes;
  if (stream.header_bytes > kLinkHeaderBytesMax) {
    const int32_t stream_id = stream.stream_id;
    end(stream, {.status = kStatusResourceExhausted, .text = "the shard's headers are too large"});
    (void)nghttp2_submit_rst_stream(http2_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
    return;
  }
  if (name == "grpc-status") {
    stream.has_grpc_status = true;
    stream.grpc_status = parse_grpc_status(value);
  } else if (name == "grpc-message") {
    stream.grpc_message = value;
  } else if (name == ":status") {
    stream.http_status = 0;
    std::from_chars(value.data(), value.data() + value.size(), stream.http_status);
  }
}

void Http2Session::take_data(Http2Stream& stream, ByteSpan bytes) {
  const int32_t stream_id = stream.stream_id;
  const bool is_call = stream.is_call;
  // The body of a plain HTTP error is for people with browsers.
  ByteView rest = stream.http_status == 200 ? ByteView(bytes) : ByteView();
  bool more = true;
  while (!rest.empty() && stream_of(stream_id) == &stream) {
    const Result<bool> whole = stream.in.read(rest);
    if (!whole) {
      const bool large = whole.error() == Error::kTooLarge;
      end(stream, {.status = large ? kStatusResourceExhausted : kStatusInternal,
                   .text = large ? "the shard's message is too large"
                                 : "the shard's message is compressed"});
      (void)nghttp2_submit_rst_stream(http2_, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_CANCEL);
    } else if (*whole) {
      more = events_.on_message(stream, stream.in.take());
    }
  }
  if (is_call) cleanse(bytes.data(), bytes.size());
  if (stream_of(stream_id) != &stream) return;
  if (more) {
    (void)nghttp2_session_consume_stream(http2_, stream_id, bytes.size());
  } else {
    stream.owed_bytes += bytes.size();
  }
}

// --- the connection

void Http2Session::on_opened() {
  if (state_ == State::kConnecting) set_state(State::kOpen);
  heard_ns_ = clock_.now_ns;
  needs_pump_ = true;
}

void Http2Session::on_bytes(ByteSpan bytes) {
  if (dead()) return;
  heard_ns_ = clock_.now_ns;
  ping_ns_ = 0;
  needs_pump_ = true;
  input_ = bytes;
  const ssize_t taken = nghttp2_session_mem_recv(http2_, bytes.data(), bytes.size());
  input_ = {};
  if (taken < 0) die(nghttp2_strerror(static_cast<int>(taken)));
}

void Http2Session::on_drained() {
  needs_pump_ = true;
  telling_.swap(written_);
  for (size_t i = 0; i < telling_.size(); ++i) events_.on_written(*telling_[i]);
  telling_.clear();
}

void Http2Session::on_closed(std::string_view why) {
  if (!dead()) die(why);
}

void Http2Session::go_away() {
  if (state_ != State::kConnecting && state_ != State::kOpen) return;
  set_state(State::kGoingAway);
  events_.on_going_away(*this);
}

void Http2Session::die(std::string_view why) {
  const std::string reason(why);
  set_state(State::kDead);
  pipe_.reset();
  written_.clear();
  while (!streams_.empty()) {
    end(*streams_.back(),
        {.status = kStatusUnavailable, .text = reason, .untouched = !reached_, .cut = reached_});
  }
  events_.on_dead(*this, reached_, reason);
}

size_t Http2Session::streams_max() const noexcept {
  if (dead() || !reached_) return SIZE_MAX;
  return nghttp2_session_get_remote_settings(http2_, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

void Http2Session::pump() {
  if (!needs_pump_ || dead() || pipe_->room() == 0) return;
  needs_pump_ = false;
  const int result = nghttp2_session_send(http2_);
  pipe_->commit();
  if (result != 0) {
    die(nghttp2_strerror(result));
  } else if (nghttp2_session_want_read(http2_) == 0 && nghttp2_session_want_write(http2_) == 0) {
    die(state_ == State::kGoingAway ? "the shard closed the connection"
                                    : "the shard's frames are malformed");
  } else if (state_ == State::kGoingAway && streams_.empty()) {
    die("the shard goes away");
  }
}

void Http2Session::check_alive() {
  if (clock_.now_ns < deadline_ns()) return;
  if (ping_ns_ != 0) {
    die("no answer to a ping");
    return;
  }
  ping_ns_ = clock_.now_ns;
  (void)nghttp2_submit_ping(http2_, NGHTTP2_FLAG_NONE, nullptr);
  needs_pump_ = true;
}

int64_t Http2Session::deadline_ns() const noexcept {
  if (dead() || state_ == State::kConnecting || streams_.empty()) return INT64_MAX;
  return ping_ns_ != 0 ? ping_ns_ + kLinkPingAnswerNs : heard_ns_ + kLinkPingNs;
}

}  // namespace ringway::cluster
