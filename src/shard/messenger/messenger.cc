#include "shard/messenger/messenger.h"

#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "shard/messenger/users_file.h"
#include "tl/embedded.h"

namespace ringway::shard::messenger {
namespace {

constexpr int32_t kUnauthorized = 401;
constexpr int32_t kInternal = 500;

struct Found {
  const Layer* layer = nullptr;  // null: no layer has this method
  Result<Query> query = Error::kNotFound;
};

// As the client's layer has it. A client between two layers may know newer methods than the lower
// one has: those are read and answered as the layer that has them.
Found read_query(int32_t client_layer, uint32_t constructor, ByteView arguments) {
  for (const int number :
       {int{client_layer}, tl::kModernLayer, tl::kMiddleLayer, tl::kCompatLayer}) {
    const Layer& layer = Layers::nearest(number);
    auto query = layer.read(constructor, arguments);
    if (query.ok() || query.error() != Error::kNotFound) return {&layer, std::move(query)};
  }
  return {};
}

}  // namespace

Messenger::Opened Messenger::open(const MessengerOptions& options) {
  std::unique_ptr<Store> store;
  if (options.data_dir.empty()) {
    store = make_memory_store();
  } else {
    OpenedStore opened = open_lmdb_store(options.data_dir);
    if (opened.store == nullptr) return {nullptr, opened.failure};
    store = std::move(opened.store);
  }
  std::unique_ptr<Messenger> messenger(new Messenger(options, std::move(store)));
  Room& room = messenger->room_;
  if (const std::string wrong = room.ledger.load(); !wrong.empty()) {
    return {nullptr, fmt::format("{}/messenger.mdb: {}", options.data_dir, wrong)};
  }
  if (!options.users_path.empty()) {
    const std::string wrong = add_users_of_file(options.users_path, room.ledger);
    if (!wrong.empty()) return {nullptr, wrong};
  }
  log_info("messenger", "messenger: {} users, state {}", room.ledger.users().size(),
           options.data_dir.empty() ? "in memory" : "in " + options.data_dir);
  return {std::move(messenger), ""};
}

std::optional<Messenger::Reply> Messenger::serve(const Caller& told, uint32_t constructor,
                                                 ByteView arguments) {
  const std::lock_guard lock(mutex_);
  const Authorization* authorization = room_.ledger.authorization(told.perm_auth_key_id);
  Caller caller = told;
  // A shard that was restarted has not heard it again.
  if (caller.layer == 0 && authorization != nullptr) caller.layer = authorization->layer;
  Found found = read_query(caller.layer, constructor, arguments);
  if (found.layer == nullptr) return std::nullopt;
  if (!found.query.ok()) {
    ++room_.counts.requests_unreadable;
    return bad_request("INPUT_REQUEST_INVALID");
  }
  const MethodRow* row = find_method(found.query->method->name);
  if (row == nullptr) return std::nullopt;
  if (authorization == nullptr && !row->for_all) {
    return RpcError{kUnauthorized, "AUTH_KEY_UNREGISTERED"};
  }
  const int64_t user_id = authorization == nullptr ? 0 : authorization->user_id;
  if (authorization != nullptr) note_layer(caller, *authorization);
  Call call{room_, *found.layer, *found.query->method, found.query->request, caller, user_id};
  return answer(*row, call);
}

Messenger::Reply Messenger::answer(const MethodRow& row, Call& call) {
  Answer answer = row.method(call);
  if (auto* error = std::get_if<RpcError>(&answer)) return std::move(*error);
  Bytes body;
  ByteAppender out(body);
  if (!call.layer.write_answer(call.method, std::get<Value>(answer), out)) {
    log_error("messenger", "the answer to {} does not fit layer {}", row.name, call.layer.number());
    return RpcError{kInternal, "ANSWER_NOT_OF_LAYER"};
  }
  return body;
}

void Messenger::note_layer(const Caller& caller, const Authorization& authorization) {
  room_.listeners.add(authorization.user_id, caller.listener());
  if (caller.layer == authorization.layer) return;
  // If it cannot be stored, the client is taken for one of the old layer after a restart.
  const auto stored =
      room_.ledger.authorize(caller.perm_auth_key_id, {authorization.user_id, caller.layer});
  if (!stored.ok()) log_warning("messenger", "a client's layer was not stored");
}

void Messenger::session_started(const Caller& told) {
  const std::lock_guard lock(mutex_);
  const Authorization* authorization = room_.ledger.authorization(told.perm_auth_key_id);
  if (authorization == nullptr) return;
  Caller caller = told;
  if (caller.layer == 0) caller.layer = authorization->layer;
  room_.listeners.add(authorization->user_id, caller.listener());
}

Counts Messenger::counts() const {
  const std::lock_guard lock(mutex_);
  return room_.counts;
}

void Messenger::deliver(const std::function<bool(const Push&)>& push) {
  const std::lock_guard in_order(delivery_);
  std::vector<Push> pushes;
  {
    const std::lock_guard lock(mutex_);
    pushes.swap(room_.pushes);
  }
  for (const Push& one : pushes) {
    if (push(one)) continue;
    const std::lock_guard lock(mutex_);
    room_.listeners.drop_session(one.auth_key_id, one.session_id);
  }
}

}  // namespace ringway::shard::messenger
