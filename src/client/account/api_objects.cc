#include "client/account/api_objects.h"

#include <algorithm>
#include <array>
#include <utility>

#include "client/objects.h"
#include "mtproto/query.h"
#include "mtproto/tl.h"

namespace ringway::client {
namespace {

namespace dynamic = tl::dynamic;

constexpr std::array kSignIn = {"auth.signIn",
                                "auth.signUp",
                                "auth.checkPassword",
                                "auth.recoverPassword",
                                "auth.importBotAuthorization",
                                "auth.importLoginToken",
                                "auth.exportLoginToken",
                                "auth.sendCode",
                                "auth.importAuthorization"};
constexpr std::array kPeerFields = {"peer", "to_peer", "channel"};
// Ports of nonsense and addresses of one protocol only are no reason to fail: the others serve.
constexpr int64_t kPortMax = 65'535;

uint32_t id_of(const tl::Combinator* combinator) noexcept {
  return combinator == nullptr ? 0 : combinator->id;
}

bool has_number(const tl::Combinator& combinator, std::string_view name) {
  return std::any_of(combinator.params.begin(), combinator.params.end(), [name](const auto& param) {
    return param.name == name && param.value.kind == tl::Kind::kInt && !param.optional();
  });
}

// Of initConnection, whatever its form at this layer.
void write_init_parameter(const AccountOptions& options, const tl::Param& param,
                          ByteAppender& out) {
  const auto text = [&]() -> std::string_view {
    if (param.name == "device_model") return options.device_model;
    if (param.name == "system_version") return options.system_version;
    if (param.name == "app_version") return options.app_version;
    if (param.name == "system_lang_code") return options.system_lang_code;
    if (param.name == "lang_pack") return options.lang_pack;
    if (param.name == "lang_code") return options.lang_code;
    return {};
  };
  if (param.optional()) return;  // its bit is clear
  switch (param.value.kind) {
    case tl::Kind::kFlags:
      out.u32(0);
      return;
    case tl::Kind::kInt:
      out.i32(param.name == "api_id" ? options.api_id : 0);
      return;
    case tl::Kind::kString:
      mtproto::write_tl_string(out, as_bytes(text()));
      return;
    default:
      return;  // the query, which comes last
  }
}

int64_t user_of_object(const dynamic::Object& object) {
  if (const dynamic::Object* inner = object.object("authorization")) return user_of_object(*inner);
  if (object.name != "auth.authorization") return 0;
  const dynamic::Object* user = object.object("user");
  return user == nullptr ? 0 : user->number("id");
}

bool flag(const dynamic::Object& object, std::string_view name) {
  const dynamic::Value* value = object.find(name);
  return value != nullptr && std::holds_alternative<bool>(value->data) &&
         std::get<bool>(value->data);
}

// For calls, and one that this client can talk to.
bool is_usable(const dynamic::Object& option) {
  return !flag(option, "cdn") && !flag(option, "media_only") && option.text("secret").empty() &&
         !option.text("ip_address").empty() && option.number("port") > 0 &&
         option.number("port") <= kPortMax && option.number("id") > 0 &&
         option.number("id") <= INT16_MAX;
}

}  // namespace

ApiObjects::ApiObjects(const AccountOptions& options) : layer_(options.layer) {
  ByteAppender out(prefix_);
  out.u32(mtproto::constructor::kInvokeWithLayer);
  out.i32(layer_->number());
  if (const tl::Combinator* init = layer_->method("initConnection")) {
    out.u32(init->id);
    for (const tl::Param& param : init->params) write_init_parameter(options, param, out);
  }
  for (const uint32_t id : layer_->constructors_of("Updates")) updates_.insert(id);
  for (const char* name : kSignIn) {
    if (const uint32_t id = id_of(layer_->method(name)); id != 0) sign_in_.insert(id);
  }
  log_out_ = id_of(layer_->method("auth.logOut"));
  sort_results();
}

// Which results tell of updates, by the schema: what it names today, and what later layers add.
void ApiObjects::sort_results() {
  const tl::Schema& schema = layer_->schema();
  std::vector<bool> answered(schema.types.size());  // by some method
  std::vector<bool> holds(schema.types.size());     // Updates, or something that holds them
  for (const tl::Combinator& combinator : schema.combinators) {
    const bool is_method =
        schema.is_method(static_cast<uint32_t>(&combinator - schema.combinators.data()));
    if (is_method && combinator.result.kind == tl::Kind::kObject) {
      answered[combinator.result.type] = true;
    }
    if (updates_.contains(combinator.id)) holds[combinator.result.type] = true;
  }
  const auto carries = [&holds](const tl::Combinator& combinator) {
    return std::any_of(combinator.params.begin(), combinator.params.end(), [&](const auto& param) {
      return param.value.kind == tl::Kind::kObject && holds[param.value.type];
    });
  };
  for (bool more = true; std::exchange(more, false);) {
    for (uint32_t i = 0; i < schema.constructor_count; ++i) {
      const tl::Combinator& combinator = schema.combinators[i];
      if (holds[combinator.result.type] || !carries(combinator)) continue;
      holds[combinator.result.type] = true;
      more = true;
    }
  }
  for (uint32_t i = 0; i < schema.constructor_count; ++i) {
    const tl::Combinator& combinator = schema.combinators[i];
    if (!answered[combinator.result.type] || updates_.contains(combinator.id)) continue;
    if (carries(combinator)) carriers_.insert(combinator.id);
    if (has_number(combinator, "pts") && has_number(combinator, "pts_count")) {
      affected_.insert(combinator.id);
    }
  }
}

std::vector<ByteView> ApiObjects::updates_in(ByteView result) const {
  std::vector<ByteView> found;
  if (!carriers_.contains(constructor_of(result))) return found;
  const auto read = layer_->read_object(result);
  if (read.ok()) find_updates(*read, found);
  return found;
}

void ApiObjects::find_updates(const dynamic::Object& object, std::vector<ByteView>& found) const {
  if (updates_.contains(constructor_of(object.bytes))) {
    found.push_back(object.bytes);
    return;
  }
  for (const dynamic::Field& field : object.fields) {
    if (const auto* inner = std::get_if<dynamic::Object>(&field.value.data)) {
      find_updates(*inner, found);
    } else if (const auto* list = std::get_if<dynamic::List>(&field.value.data)) {
      for (const dynamic::Value& value : *list) {
        const auto* element = std::get_if<dynamic::Object>(&value.data);
        if (element != nullptr) find_updates(*element, found);
      }
    }
  }
}

Bytes ApiObjects::wrap(ByteView call) const {
  Bytes wrapped;
  wrapped.reserve(prefix_.size() + call.size());
  append(wrapped, prefix_);
  append(wrapped, call);
  return wrapped;
}

Bytes ApiObjects::call(const dynamic::Object& call) const {
  Bytes bytes;
  ByteAppender out(bytes);
  if (!layer_->write_call(call, out)) bytes.clear();
  return bytes;
}

Bytes ApiObjects::get_config() const { return call({"help.getConfig", {}, {}}); }

Bytes ApiObjects::export_authorization(int32_t dc) const {
  return call({"auth.exportAuthorization", {{"dc_id", dc}}, {}});
}

Bytes ApiObjects::import_authorization(ByteView exported) const {
  const auto read = layer_->read_object(exported);
  if (!read.ok() || read->name != "auth.exportedAuthorization") return {};
  return call({"auth.importAuthorization",
               {{"id", read->number("id")}, {"bytes", read->text("bytes")}},
               {}});
}

uint32_t ApiObjects::method_of(ByteView call) {
  const uint32_t outer = constructor_of(call);
  if (!mtproto::is_query_wrapper(outer)) return outer;
  mtproto::InflateBudget none;
  const auto query = mtproto::unwrap_query(call, false, none);
  return query.ok() ? query->constructor : 0;
}

std::string ApiObjects::peer_of(ByteView call) const {
  mtproto::InflateBudget none;
  const auto query = mtproto::unwrap_query(call, false, none);
  if (!query.ok()) return {};
  const auto read = layer_->read(query->constructor, query->arguments);
  if (!read.ok()) return {};
  for (const char* field : kPeerFields) {
    const dynamic::Object* peer = read->request.object(field);
    if (peer != nullptr) return std::string(as_text(peer->bytes));
  }
  return {};
}

int64_t ApiObjects::user_of(ByteView result) const {
  const auto read = layer_->read_object(result);
  return read.ok() ? user_of_object(*read) : 0;
}

std::optional<MovedLoginToken> ApiObjects::moved_login_token(ByteView result) const {
  const auto read = layer_->read_object(result);
  if (!read.ok() || read->name != "auth.loginTokenMigrateTo") return std::nullopt;
  MovedLoginToken moved;
  moved.call = call({"auth.importLoginToken", {{"token", read->text("token")}}, {}});
  const int64_t dc = read->number("dc_id");
  if (moved.call.empty() || dc <= 0 || dc > INT16_MAX) return std::nullopt;
  moved.dc = static_cast<int32_t>(dc);
  return moved;
}

int32_t ApiObjects::this_dc_of(ByteView config) const {
  const auto read = layer_->read_object(config);
  if (!read.ok() || read->name != "config") return 0;
  const int64_t dc = read->number("this_dc");
  return dc > 0 && dc <= INT16_MAX ? static_cast<int32_t>(dc) : 0;
}

std::vector<DcAddress> ApiObjects::addresses_of(ByteView config) const {
  std::vector<DcAddress> addresses;
  const auto read = layer_->read_object(config);
  if (!read.ok() || read->list("dc_options") == nullptr) return addresses;
  std::vector<DcAddress> of_ipv6;
  for (const dynamic::Value& value : *read->list("dc_options")) {
    const auto* option = std::get_if<dynamic::Object>(&value.data);
    if (option == nullptr || !is_usable(*option)) continue;
    DcAddress address;
    address.dc = static_cast<int32_t>(option->number("id"));
    address.host = option->text("ip_address");
    address.port = static_cast<uint16_t>(option->number("port"));
    address.obfuscated_only = flag(*option, "tcpo_only");
    (flag(*option, "ipv6") ? of_ipv6 : addresses).push_back(std::move(address));
  }
  addresses.insert(addresses.end(), of_ipv6.begin(), of_ipv6.end());
  return addresses;
}

}  // namespace ringway::client
