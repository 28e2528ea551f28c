// Keys in memory, for tests and throw-away runs; see key_store.h.
#include <mutex>
#include <unordered_map>

#include "shard/key_store.h"

namespace ringway::shard {
namespace {

class MemoryKeyStore final : public KeyStore {
 public:
  Result<KeyRecord> find(int64_t auth_key_id, int64_t unix_seconds) override {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(auth_key_id);
    if (found == records_.end()) return Error::kNotFound;
    const int64_t expires_at = found->second.expires_at;
    if (expires_at != 0 && expires_at <= unix_seconds) return Error::kNotFound;
    return found->second;
  }

  void insert(const KeyRecord& record, Done done) override {
    bool stored = false;
    {
      const std::lock_guard lock(mutex_);
      const auto [place, is_new] = records_.try_emplace(record.auth_key_id, record);
      stored = is_new || equal_constant_time(place->second.auth_key.view(), record.auth_key.view());
    }
    done(stored);
  }

  bool bind(int64_t temp_auth_key_id, int64_t perm_auth_key_id) override {
    const std::lock_guard lock(mutex_);
    const auto found = records_.find(temp_auth_key_id);
    if (found == records_.end()) return false;
    found->second.perm_auth_key_id = perm_auth_key_id;
    return true;
  }

  void stop() override {}

 private:
  std::mutex mutex_;
  std::unordered_map<int64_t, KeyRecord> records_;
};

}  // namespace

std::unique_ptr<KeyStore> make_memory_key_store() { return std::make_unique<MemoryKeyStore>(); }

}  // namespace ringway::shard
