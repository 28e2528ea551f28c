// cluster/etcd_client: etcd's v3 API, one call after the other.
//
// An EtcdClient belongs to one thread that may wait, never a worker: each call blocks until etcd
// has answered or its deadline (kEtcdCallTimeoutNs) is over. It talks to one host of the cluster at
// a time; next_host() goes on to the next one with a new connection. With a user it logs in by
// itself, and again when its token is no longer good. Only interrupt() may be called on another
// thread.
//
// Passwords and tokens are never logged, and no status text contains them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ringway::cluster {

struct EtcdOptions {
  std::vector<std::string> hosts;  // host:port each, at least one
  std::string user;                // empty: no log-in
  std::string password;
  bool tls = false;
  // PEM files, read anew for each connection, so that renewed ones are taken up.
  std::string cert_file;  // the client's own, with key_file; empty: none
  std::string key_file;
  std::string ca_file;  // whom to trust; empty: the system's
  bool skip_verify = false;
};

// gRPC's status of a call.
struct EtcdStatus {
  int32_t code = 0;
  std::string text;

  [[nodiscard]] bool ok() const noexcept { return code == 0; }
  [[nodiscard]] bool not_found() const noexcept;
};

struct EtcdKeyValue {
  std::string key;
  std::string value;
  int64_t create_revision = 0;
};

struct EtcdRange {
  int64_t revision = 0;  // what the values were at
  std::vector<EtcdKeyValue> items;
  bool more = false;  // there are more than were asked for
};

struct EtcdEvent {
  bool deleted = false;  // else put
  EtcdKeyValue item;     // without a value when deleted
  int64_t revision = 0;
};

// One watch. It ends with its destructor; the client outlives it.
class EtcdWatch {
 public:
  enum class Outcome : uint8_t {
    kCreated,    // etcd watches from now on: the first outcome of a good watch
    kEvents,     // in the order in which they happened
    kCompacted,  // the revision to begin with is no longer there: look at the keys again
    kTimeout,    // the time given to the watch is over
    kBroken,     // see status()
  };
  virtual ~EtcdWatch() = default;
  // Waits for the next outcome. After one of the last three nothing more comes.
  [[nodiscard]] virtual Outcome next(std::vector<EtcdEvent>& events) = 0;
  [[nodiscard]] virtual const EtcdStatus& status() const noexcept = 0;
};

class EtcdClient {
 public:
  explicit EtcdClient(EtcdOptions options);
  ~EtcdClient();
  EtcdClient(const EtcdClient&) = delete;
  EtcdClient& operator=(const EtcdClient&) = delete;

  // Any thread: ends what is under way, and what comes later, with CANCELLED.
  void interrupt();
  // The owner: calls are made again.
  void resume();

  // Turns to the next host of the list; to the same one anew when there is one only.
  void next_host();
  [[nodiscard]] const std::string& host() const noexcept;
  [[nodiscard]] size_t host_count() const noexcept;

  // Keys from `key` up to `end` (`key` alone when that is empty), at most `limit`.
  [[nodiscard]] EtcdStatus range(const std::string& key, const std::string& end, int64_t limit,
                                 EtcdRange& out);
  // `revision` is the one that the value was written at.
  [[nodiscard]] EtcdStatus put(const std::string& key, const std::string& value, int64_t lease,
                               int64_t& revision);
  [[nodiscard]] EtcdStatus grant(int64_t ttl_seconds, int64_t& lease);
  // not_found() when the lease is gone.
  [[nodiscard]] EtcdStatus keep_alive(int64_t lease);
  [[nodiscard]] EtcdStatus revoke(int64_t lease, int64_t timeout_ns);
  // Changes of these keys, from `revision` on. A member of the cluster that has lost its leader
  // ends the watch, instead of leaving it without news. `timeout_ns` 0: no end.
  [[nodiscard]] std::unique_ptr<EtcdWatch> watch(const std::string& key, const std::string& end,
                                                 int64_t revision, int64_t timeout_ns);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace ringway::cluster
