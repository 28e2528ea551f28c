#include "cluster/key_lines.h"

#include <algorithm>

#include "base/limits.h"
#include "cluster/verdict.h"

namespace ringway::cluster {

KeyLines::KeyLines(const DispatcherOptions& options, Nodes& nodes, CounterBlock& counters,
                   LinkOutput& output)
    : nodes_(nodes),
      counters_(counters),
      output_(output),
      errors_("(key lines)"),
      window_(options.server_id, options.window_messages_max, options.window_bytes_max) {}

bool KeyLines::send(const ClientMessage& message, bool may_enter) {
  const uint32_t entry = may_enter ? window_.append(message) : kNoEntry;
  if (entry == kNoEntry) {
    full_seen_ = true;
    return false;
  }
  lines_.at(message.perm_auth_key_id).places.push_back({.entry = entry});
  return true;
}

void KeyLines::close_session(const SessionClose& close) {
  lines_.at(close.perm_auth_key_id).places.push_back({.entry = window_.append_beyond(close)});
}

bool KeyLines::window_opened() {
  if (!full_seen_ || !window_.has_ample_room()) return false;
  full_seen_ = false;
  return true;
}

// --- how messages get here

void KeyLines::set_aside(LinkOutput::Aside aside, Now now) {
  const int64_t key = aside.item.perm_auth_key_id;
  const Place front{.link = aside.link, .serial = aside.item.serial};
  if (lines_.contains(key)) {
    arrive(std::move(aside.item), aside.link);
    return;
  }
  Line& line = make_line(key, aside);
  const uint32_t entry = window_.adopt(std::move(aside.item));
  line.places.push_front(front);
  line.places.front().entry = entry;
  if (aside.code == kStatusRedirect) {
    follow(line, aside.text, aside.code, now);
  } else {
    pause(line, now);
  }
  if (line.places.empty()) lines_.erase(key);
}

// The messages behind the first one: those that are not on their way come along.
KeyLines::Line& KeyLines::make_line(int64_t key, const LinkOutput::Aside& aside) {
  Line& line = lines_[key];
  ShardLink* link = nodes_.link_at(aside.link);
  if (link == nullptr) return line;
  std::vector<OwnedClose> closes;
  for (ShardLink::Withdrawn& behind : link->withdraw(key, closes)) {
    if (behind.on_its_way) {
      line.places.push_back(
          {.expected = true, .link = aside.link, .serial = behind.serial, .entry = behind.entry});
    } else {
      line.places.push_back({.link = aside.link,
                             .serial = behind.serial,
                             .entry = window_.adopt(std::move(behind.item))});
    }
  }
  for (const OwnedClose& owned : closes) close_session(owned.view());
  return line;
}

void KeyLines::arrive(WindowItem item, uint32_t link) {
  Line& line = lines_.at(item.perm_auth_key_id);
  const uint64_t serial = item.serial;
  const uint32_t entry = window_.adopt(std::move(item));
  const Place held{.link = link, .serial = serial, .entry = entry};
  // Whose call is on its way stays in front.
  const auto first = line.places.begin() + (line.call != 0 ? 1 : 0);
  const auto place = std::find_if(first, line.places.end(), [&](const Place& p) {
    return p.link != link || p.serial >= serial;
  });
  if (place != line.places.end() && place->expected && place->serial == serial) {
    *place = held;
  } else {
    line.places.insert(place, held);
  }
}

void KeyLines::forget_redirects() {
  for (auto& [key, line] : lines_) {
    line.redirect.clear();
    line.retry_at_ns = 0;
    for (const Place& place : line.places) {
      if (!place.expected) window_.marks(place.entry).redirects = 0;
    }
  }
  next_retry_ns_ = 0;
}

// --- calls

void KeyLines::run(Now now) {
  next_retry_ns_ = INT64_MAX;
  for (auto at = lines_.begin(); at != lines_.end();) {
    auto& [key, line] = *at;
    if (line.call == 0) drop_answered(line);
    if (line.places.empty()) {
      at = lines_.erase(at);
      continue;
    }
    if (line.call == 0 && !line.places.front().expected) {
      if (now.mono_ns < line.retry_at_ns) {
        next_retry_ns_ = std::min(next_retry_ns_, line.retry_at_ns);
      } else if (calls_.size() < kUnaryInFlightMax) {
        start_call(key, line, now);
      }
    }
    ++at;
  }
}

// Expected messages that their shard has taken after all.
void KeyLines::drop_answered(Line& line) {
  while (!line.places.empty() && line.places.front().expected) {
    const Place& place = line.places.front();
    const ShardLink* link = nodes_.link_at(place.link);
    if (link != nullptr && link->window().holds(place.entry, place.serial)) return;
    line.places.pop_front();
  }
}

void KeyLines::start_call(int64_t key, Line& line, Now now) {
  ShardLink* link = line.redirect.empty() ? nullptr : nodes_.node_named(line.redirect);
  if (link != nullptr && link->health().out()) link = nullptr;
  if (link == nullptr) link = nodes_.owner_of(key);
  if (link == nullptr) return;  // forget_redirects() looks again when somebody owns it
  line.call = ++last_cookie_;
  calls_.emplace(line.call, key);
  const uint32_t entry = line.places.front().entry;
  window_.marks(entry).sent = true;
  link->call_message(window_, entry, line.call, now);
}

void KeyLines::on_reply(const LinkOutput::CallReply& reply, Now now) {
  const auto call = calls_.find(reply.cookie);
  if (call == calls_.end()) return;
  Line& line = lines_.at(call->second);
  calls_.erase(call);
  line.call = 0;
  const uint32_t entry = line.places.front().entry;
  EntryMarks& marks = window_.marks(entry);
  switch (verdict_of(reply.code, reply.text, window_.body_size(entry))) {
    case Verdict::kServed:
      finish_front(line);
      break;
    case Verdict::kUnregistered:
      output_.unregistered.push_back(window_.auth_key_id(entry));
      finish_front(line);
      break;
    case Verdict::kRefused:
      refuse(line, reply.code, reply.text, now);
      break;
    case Verdict::kRedirected:
      follow(line, reply.text, reply.code, now);
      break;
    case Verdict::kRetryFew:
      if (++marks.objections >= kSuspectBreaksMax) {
        counters_.add(Counter::kMessagesLost);
        errors_.note(Trouble::kLost, reply.code, reply.text, now);
        finish_front(line);
        break;
      }
      pause(line, now);
      break;
    case Verdict::kRetry:
      pause(line, now);
      break;
  }
}

void KeyLines::follow(Line& line, std::string_view text, int32_t code, Now now) {
  const std::string_view target = redirect_target(text);
  const ShardLink* node = nodes_.node_named(target);
  EntryMarks& marks = window_.marks(line.places.front().entry);
  if (node == nullptr || marks.redirects > 0) {
    counters_.add(Counter::kRedirectsRefused);
    refuse(line, code, text, now);
    return;
  }
  line.redirect = target;
  if (node->health().out()) {
    pause(line, now);
    return;
  }
  counters_.add(Counter::kRedirectsFollowed);
  marks.redirects = 1;
  line.retry_at_ns = 0;
}

void KeyLines::refuse(Line& line, int32_t code, std::string_view text, Now now) {
  counters_.add(Counter::kMessagesRejected);
  errors_.note(Trouble::kRefused, code, text, now);
  finish_front(line);
}

void KeyLines::pause(Line& line, Now now) {
  line.pause_ns = std::clamp(line.pause_ns * 2, kReconnectBackoffMinNs, kReconnectBackoffMaxNs);
  line.retry_at_ns = now.mono_ns + line.pause_ns;
}

void KeyLines::finish_front(Line& line) {
  window_.release(line.places.front().entry);
  line.places.pop_front();
  line.pause_ns = 0;
  line.retry_at_ns = 0;
}

int64_t KeyLines::deadline_ns() const noexcept {
  return lines_.empty() ? INT64_MAX : next_retry_ns_;
}

}  // namespace ringway::cluster
