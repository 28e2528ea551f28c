#include "client/account/updates_state.h"

#include <fmt/format.h>

#include <charconv>
#include <iterator>

#include "client/account/updates_limits.h"

namespace ringway::client {
namespace {

constexpr std::string_view kTitle = "ringway-updates 1";

std::string_view take_until(std::string_view& text, char end) {
  const size_t at = text.find(end);
  const std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + 1);
  return head;
}

template <typename Number>
bool take_number(std::string_view& line, Number& out) {
  const std::string_view word = take_until(line, ' ');
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), out);
  return error == std::errc() && end == word.data() + word.size();
}

bool read_line(std::string_view line, UpdatesState& state) {
  const std::string_view word = take_until(line, ' ');
  if (word == "state") {
    if (state.known) return false;
    state.known = true;
    return take_number(line, state.pts) && take_number(line, state.qts) &&
           take_number(line, state.date) && take_number(line, state.seq) && line.empty();
  }
  if (word != "channel") return false;
  int64_t id = 0;
  UpdatesState::Channel channel;
  if (!take_number(line, id) || !take_number(line, channel.pts) ||
      !take_number(line, channel.access_hash) || !line.empty()) {
    return false;
  }
  return state.channels.emplace(id, channel).second;
}

}  // namespace

std::string to_text(const UpdatesState& state) {
  std::string text(kTitle);
  text += '\n';
  const auto out = std::back_inserter(text);
  if (!state.known) return text;
  fmt::format_to(out, "state {} {} {} {}\n", state.pts, state.qts, state.date, state.seq);
  for (const auto& [id, channel] : state.channels) {
    fmt::format_to(out, "channel {} {} {}\n", id, channel.pts, channel.access_hash);
  }
  return text;
}

Result<UpdatesState> read_updates_state(std::string_view text) {
  if (text.size() > kUpdatesStateBytesMax) return Error::kTooLarge;
  if (take_until(text, '\n') != kTitle) return Error::kMalformed;
  UpdatesState state;
  while (!text.empty()) {
    if (!read_line(take_until(text, '\n'), state)) return Error::kMalformed;
    if (state.channels.size() > kUpdatesChannelsMax) return Error::kTooLarge;
  }
  if (!state.known && !state.channels.empty()) return Error::kMalformed;
  return state;
}

}  // namespace ringway::client
