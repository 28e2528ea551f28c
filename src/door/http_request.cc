#include "door/http_request.h"

#include <http_parser.h>

#include <algorithm>

namespace ringway::door {
namespace {

constexpr size_t kWsKeyChars = 24;

char lower(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// `name` is in lower case.
bool equal_ignoring_case(std::string_view text, std::string_view name) noexcept {
  return std::equal(text.begin(), text.end(), name.begin(), name.end(),
                    [](char a, char b) { return lower(a) == b; });
}

std::string_view trim(std::string_view text) noexcept {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// Whether a field's value, a list with commas, has an element that `is` accepts.
template <typename Predicate>
bool list_has(std::string_view list, Predicate is) noexcept {
  while (!list.empty()) {
    const size_t end = std::min(list.find(','), list.size());
    if (is(trim(list.substr(0, end)))) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

bool list_has_name(std::string_view list, std::string_view name) noexcept {
  return list_has(list, [&](std::string_view one) { return equal_ignoring_case(one, name); });
}

bool is_base64(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' ||
         c == '/';
}

bool is_ws_key(std::string_view text) noexcept {
  return text.size() == kWsKeyChars && text.ends_with("==") &&
         std::all_of(text.begin(), text.end() - 2, is_base64);
}

// What the parser's callbacks collect.
struct Collector {
  HttpRequest request;
  std::string_view uri;
  std::string_view name;  // of the field that is being read
  std::string_view value;
  bool in_value = false;
  bool faulty = false;
  bool complete = false;
  int ws_keys = 0;
  int ws_versions = 0;

  void end_field() noexcept;
};

void Collector::end_field() noexcept {
  if (!in_value) return;
  in_value = false;
  // The parser takes these for the name that they surround; others take them for another one.
  if (name.find(' ') != std::string_view::npos) faulty = true;
  value = trim(value);
  if (equal_ignoring_case(name, "transfer-encoding")) {
    request.transfer_encoding = true;
  } else if (equal_ignoring_case(name, "expect")) {
    request.expect_continue = equal_ignoring_case(value, "100-continue");
  } else if (equal_ignoring_case(name, "upgrade")) {
    request.upgrade_websocket |= list_has_name(value, "websocket");
  } else if (equal_ignoring_case(name, "connection")) {
    request.connection_upgrade |= list_has_name(value, "upgrade");
  } else if (equal_ignoring_case(name, "sec-websocket-version")) {
    request.ws_version_ok = ++ws_versions == 1 && value == "13";
  } else if (equal_ignoring_case(name, "sec-websocket-protocol")) {
    request.ws_binary |= list_has(value, [](std::string_view one) { return one == "binary"; });
  } else if (equal_ignoring_case(name, "sec-websocket-key")) {
    request.ws_key = ++ws_keys == 1 && is_ws_key(value) ? value : std::string_view();
  }
}

Collector& collector_of(http_parser* parser) noexcept {
  return *static_cast<Collector*>(parser->data);
}

// The parser may hand a text over in parts, which lie one behind the other.
void extend(std::string_view& text, const char* at, size_t length) noexcept {
  const bool goes_on = !text.empty() && text.data() + text.size() == at;
  text =
      goes_on ? std::string_view(text.data(), text.size() + length) : std::string_view(at, length);
}

int on_url(http_parser* parser, const char* at, size_t length) noexcept {
  extend(collector_of(parser).uri, at, length);
  return 0;
}

int on_header_field(http_parser* parser, const char* at, size_t length) noexcept {
  Collector& collector = collector_of(parser);
  collector.end_field();
  extend(collector.name, at, length);
  collector.value = {};
  return 0;
}

int on_header_value(http_parser* parser, const char* at, size_t length) noexcept {
  Collector& collector = collector_of(parser);
  collector.in_value = true;
  extend(collector.value, at, length);
  return 0;
}

int on_headers_complete(http_parser* parser) noexcept {
  Collector& collector = collector_of(parser);
  collector.end_field();
  collector.complete = true;
  return -1;  // stop: the body is not the parser's business
}

constexpr http_parser_settings kSettings = {.on_url = on_url,
                                            .on_header_field = on_header_field,
                                            .on_header_value = on_header_value,
                                            .on_headers_complete = on_headers_complete};

HttpMethod method_of(unsigned method) noexcept {
  switch (method) {
    case HTTP_POST:
      return HttpMethod::kPost;
    case HTTP_GET:
      return HttpMethod::kGet;
    case HTTP_HEAD:
      return HttpMethod::kHead;
    case HTTP_OPTIONS:
      return HttpMethod::kOptions;
    default:
      return HttpMethod::kOther;
  }
}

HttpHead refuse(unsigned status) noexcept {
  HttpHead head;
  head.state = HttpHead::State::kRefused;
  head.status = static_cast<uint16_t>(status);
  return head;
}

// Looks for the empty line that ends the head.
struct Search {
  size_t head_bytes = 0;  // 0: it is not there
  bool faulty = false;    // a line ends with a bare LF
};

Search find_head_end(ByteView start, size_t searched) noexcept {
  const std::string_view text = as_text(start);
  for (size_t at = text.find('\n', searched); at != std::string_view::npos;
       at = text.find('\n', at + 1)) {
    if (at == 0 || text[at - 1] != '\r') return {0, true};
    if (at >= 3 && text[at - 2] == '\n') return {at + 1, false};
  }
  return {};
}

// Every CR is part of a line end, no line goes on in the next one, and there are no other control
// bytes: the parser lets some of each pass, such as a zero byte at the start of a value.
bool has_strict_lines(std::string_view head) noexcept {
  const auto at = [&](size_t place) { return place < head.size() ? head[place] : '\0'; };
  for (size_t i = 0; i < head.size(); ++i) {
    const char c = head[i];
    if (c == '\x7f') return false;
    if (static_cast<unsigned char>(c) >= ' ' || c == '\t') continue;
    if (c != '\r' || at(i + 1) != '\n') return false;
    if (at(i + 2) == ' ' || at(i + 2) == '\t') return false;
    ++i;  // the LF
  }
  return true;
}

// Sets the path; false for a URI that is none. CONNECT's is the name of a host and has no path.
bool read_uri(const http_parser& parser, std::string_view uri, std::string_view& path) noexcept {
  if (parser.method == HTTP_CONNECT) return true;
  http_parser_url url;
  http_parser_url_init(&url);
  if (http_parser_parse_url(uri.data(), uri.size(), 0, &url) != 0) return false;
  path = "/";
  if ((url.field_set & (1u << UF_PATH)) != 0) {
    path = uri.substr(url.field_data[UF_PATH].off, url.field_data[UF_PATH].len);
  }
  return true;
}

HttpHead parse(std::string_view head) noexcept {
  Collector collector;
  http_parser parser;
  http_parser_init(&parser, HTTP_REQUEST);
  parser.data = &collector;
  const size_t parsed = http_parser_execute(&parser, &kSettings, head.data(), head.size());
  if (!collector.complete && HTTP_PARSER_ERRNO(&parser) == HPE_INVALID_METHOD) {
    return refuse(HTTP_STATUS_METHOD_NOT_ALLOWED);
  }
  // Stopped at the last byte: for the parser too the head ends where it does for us.
  const bool whole = collector.complete && parsed + 1 >= head.size();
  if (!whole || collector.faulty) return refuse(HTTP_STATUS_BAD_REQUEST);
  if (parser.http_major != 1) return refuse(HTTP_STATUS_HTTP_VERSION_NOT_SUPPORTED);
  if (collector.uri.size() > kHttpUriBytesMax) return refuse(HTTP_STATUS_URI_TOO_LONG);

  HttpHead result;
  HttpRequest& request = result.request;
  request = collector.request;
  if (!read_uri(parser, collector.uri, request.path)) return refuse(HTTP_STATUS_BAD_REQUEST);
  request.head_bytes = head.size();
  request.method = method_of(parser.method);
  request.http_1_1 = parser.http_minor >= 1;
  request.expect_continue = request.expect_continue && request.http_1_1;
  request.keep_alive = http_should_keep_alive(&parser) != 0;
  if ((parser.flags & F_CONTENTLENGTH) != 0) request.content_length = parser.content_length;
  result.state = HttpHead::State::kComplete;
  return result;
}

}  // namespace

HttpHead read_request_head(ByteView start, size_t searched) noexcept {
  // What is not even text, such as a TLS hello on a plain port, needs no line end to be refused.
  const bool upper = !start.empty() && start[0] >= 'A' && start[0] <= 'Z';
  if (!start.empty() && !upper && start[0] != '\r') return refuse(HTTP_STATUS_BAD_REQUEST);
  const ByteView looked_at = start.first(std::min(start.size(), kHttpHeadBytesMax));
  const Search search = find_head_end(looked_at, std::min(searched, looked_at.size()));
  if (search.faulty) return refuse(HTTP_STATUS_BAD_REQUEST);
  if (search.head_bytes == 0) {
    if (start.size() < kHttpHeadBytesMax) return {};
    return refuse(HTTP_STATUS_REQUEST_HEADER_FIELDS_TOO_LARGE);
  }
  const std::string_view head = as_text(start.first(search.head_bytes));
  if (!has_strict_lines(head)) return refuse(HTTP_STATUS_BAD_REQUEST);
  return parse(head);
}

}  // namespace ringway::door
