// What the tests of this room put in a worker's place: it remembers everything a dispatcher says.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cluster/dispatcher.h"

namespace ringway::cluster {

class CountingWaker final : public Waker {
 public:
  void wake() noexcept override { wakes_.fetch_add(1); }
  [[nodiscard]] int wakes() const { return wakes_.load(); }

 private:
  std::atomic<int> wakes_{0};
};

struct KeyResult {
  int64_t auth_key_id = 0;
  KeyAnswer answer = KeyAnswer::kFailed;
  AuthKeyRecord record;
};

class Recorder final : public DispatcherEvents {
 public:
  void on_window_open(uint32_t shard) override { opened.push_back(shard); }
  void on_key_answer(int64_t id, KeyAnswer answer, const AuthKeyRecord* record) override {
    keys.push_back({id, answer, record == nullptr ? AuthKeyRecord() : *record});
  }
  void on_store_answer(uint64_t cookie, StoreAnswer answer) override { stores[cookie] = answer; }
  void on_key_unregistered(int64_t id) override { unregistered.push_back(id); }
  void on_http_answer(uint64_t cookie, HttpAnswer answer, ByteView payload) override {
    http[cookie] = {answer, std::string(as_text(payload))};
    if (on_http) on_http(cookie);
  }
  void on_no_shard() override { ++no_shards; }
  void on_push(PushRequest push) override {
    pushes.push_back(std::move(push));
    if (deliver_pushes) {
      pushes.back().reply->done(*deliver_pushes);
      pushes.back().reply = nullptr;
    }
  }

  std::optional<bool> deliver_pushes;  // answered at once, or kept
  std::function<void(uint64_t cookie)> on_http;
  std::vector<uint32_t> opened;
  int no_shards = 0;
  std::map<uint64_t, std::pair<HttpAnswer, std::string>> http;
  std::vector<KeyResult> keys;
  std::map<uint64_t, StoreAnswer> stores;
  std::vector<int64_t> unregistered;
  std::vector<PushRequest> pushes;
};

inline AuthKeyRecord make_key(int64_t id, int32_t type = 0) {
  AuthKeyRecord record;
  record.auth_key_id = id;
  record.key_type = type;
  record.perm_auth_key_id = type == 0 ? id : 0;
  for (size_t i = 0; i < 256; ++i)
    record.key.data()[i] = static_cast<uint8_t>(i + static_cast<size_t>(id));
  return record;
}

// A message whose payload tells its number.
struct NumberedMessage {
  explicit NumberedMessage(int64_t key, uint32_t number, size_t size = 32) : payload(size) {
    store_le(payload.data(), number);
    message.auth_key_id = key;
    message.perm_auth_key_id = key;
    message.session_id = key * 10;
    message.client_ip = "192.0.2.1";
    message.payload = payload;
  }
  NumberedMessage(const NumberedMessage&) = delete;
  Bytes payload;
  ClientMessage message;
};

inline uint32_t number_of(ByteView payload) { return load_le<uint32_t>(payload.data()); }

}  // namespace ringway::cluster
