#include "door/http_server.h"

#include <http_parser.h>

#include <algorithm>
#include <array>

#include "base/assert.h"

namespace ringway::door {
namespace {

// The payload's transport error; 0 when it is a message.
int32_t error_of(ByteView payload) noexcept {
  if (payload.size() != sizeof(int32_t)) return 0;
  return std::min(load_le<int32_t>(payload.data()), 0);
}

}  // namespace

HttpStep HttpServer::take(ByteSpan bytes, size_t searched, Bytes& reply) {
  RW_ASSERT(state_ == State::kHead || state_ == State::kBody);
  if (state_ == State::kHead) return take_head(bytes, searched, reply);
  HttpStep step;
  step.kind = HttpStep::Kind::kFrame;
  step.consumed = std::min(bytes.size(), body_left_);
  step.frame = bytes.first(step.consumed);
  body_left_ -= step.consumed;
  if (body_left_ == 0) state_ = State::kAnswering;
  return step;
}

HttpStep HttpServer::take_head(ByteSpan bytes, size_t searched, Bytes& reply) {
  const HttpHead head = read_request_head(bytes, searched);
  if (head.state == HttpHead::State::kIncomplete) return {};
  if (head.state == HttpHead::State::kRefused) return refused(head.status, reply);
  const HttpRequest& request = head.request;
  const HttpVerdict verdict = judge_request(request, served_);
  keep_alive_ = request.keep_alive;
  HttpStep step;
  step.consumed = request.head_bytes;
  switch (verdict.kind) {
    case HttpVerdict::Kind::kRefused:
      return refused(verdict.status, reply);
    case HttpVerdict::Kind::kUpgrade:
      return take_upgrade(request, reply);
    case HttpVerdict::Kind::kOptions:
      write_head(verdict.status, 0, reply);
      step.kind = HttpStep::Kind::kAnswered;
      finish_request();
      break;
    case HttpVerdict::Kind::kPost: {
      const size_t there = std::min(bytes.size() - request.head_bytes, verdict.body_bytes);
      // Who sends the body without waiting needs no word that it may.
      if (request.expect_continue && there == 0) append(reply, as_bytes(kHttpContinue));
      step.kind = HttpStep::Kind::kFrame;
      step.consumed += there;
      // The views of the request lie here, and are done with.
      step.frame =
          bytes.subspan(request.head_bytes - kHttpFrameHeaderBytes, kHttpFrameHeaderBytes + there);
      store_le(step.frame.data(), static_cast<uint32_t>(verdict.body_bytes));
      body_left_ = verdict.body_bytes - there;
      state_ = body_left_ == 0 ? State::kAnswering : State::kBody;
      break;
    }
  }
  used_ = true;
  return step;
}

HttpStep HttpServer::take_upgrade(const HttpRequest& request, Bytes& reply) {
  if (used_) return refused(HTTP_STATUS_BAD_REQUEST, reply);
  HttpStep step;
  step.kind = HttpStep::Kind::kUpgrade;
  step.consumed = request.head_bytes;
  std::array<uint8_t, kHttpResponseBytesMax> answer{};
  append(reply, ByteView(answer).first(write_websocket_accept(request.ws_key, answer)));
  state_ = State::kEnded;
  return step;
}

HttpStep HttpServer::refused(uint16_t status, Bytes& reply) {
  refuse(status, reply);
  HttpStep step;
  step.kind = HttpStep::Kind::kRefused;
  return step;
}

void HttpServer::refuse(uint16_t status, Bytes& out) {
  keep_alive_ = false;
  write_head(status, 0, out);
  state_ = State::kEnded;
}

void HttpServer::answer(ByteView payload, Bytes& out) {
  RW_ASSERT(state_ == State::kAnswering);
  uint16_t status = HTTP_STATUS_OK;
  if (const int32_t error = error_of(payload); error != 0) {
    keep_alive_ = false;
    if (errors_by_status_) status = static_cast<uint16_t>(-error);
  }
  write_head(status, payload.size(), out);
  append(out, payload);
  finish_request();
}

void HttpServer::write_head(uint16_t status, size_t content_length, Bytes& out) const {
  std::array<uint8_t, kHttpResponseBytesMax> head{};
  HttpResponse response;
  response.status = status;
  response.content_length = content_length;
  response.keep_alive = keep_alive_;
  append(out, ByteView(head).first(write_http_response_head(response, head)));
}

}  // namespace ringway::door
