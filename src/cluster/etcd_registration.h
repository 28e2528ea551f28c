// cluster/etcd_registration: this process under its name in etcd, for as long as it lives.
//
//     no lease --granted--> leased --put--> registered --kept alive every third of the time--+
//        ^                    ^                  |   ^                                       |
//        |                    +-- key deleted ---+   +---------------------------------------+
//        +------------- lease lost -- anywhere
//
// The key is KEY/<lease id>, or KEY/<id> where an id is given, as go-zero writes it. The pauses
// between renewals are spent watching the key, so that one which somebody deletes is put back at
// once. When etcd was away, the first thing on its return is to renew the lease and to put the key.
//
// Runs on a thread of its own, "rw-etcd-lease".
#pragma once

#include <cstdint>
#include <string>

#include "cluster/etcd_task.h"

namespace ringway::cluster {

struct EtcdRegistrationOptions {
  std::string key;    // such as interface.gateway
  int64_t id = 0;     // above 0: the key's last part, instead of the lease's id
  std::string value;  // host:port
  int64_t ttl_seconds = 10;
};

class EtcdRegistration final : private EtcdTask {
 public:
  EtcdRegistration(EtcdOptions options, EtcdRegistrationOptions registration);
  ~EtcdRegistration() override { withdraw(); }

  void start() { EtcdTask::start(); }
  // Revokes the lease, and the key with it, within kEtcdRevokeTimeoutNs per host; when etcd is
  // away, the lease runs out. Twice is fine.
  void withdraw();

  // Any thread: the key is there, as far as we know.
  using EtcdTask::connected;
  using EtcdTask::counters;

 private:
  void run() override;
  [[nodiscard]] std::string when_away() const override;
  [[nodiscard]] std::string when_back() const override;

  [[nodiscard]] bool take_lease();
  [[nodiscard]] bool put_key(int64_t& revision);
  [[nodiscard]] bool renew();
  [[nodiscard]] bool stay(int64_t revision);
  [[nodiscard]] std::string key() const;

  const EtcdRegistrationOptions registration_;
  int64_t lease_ = 0;  // 0: none. The task's thread; after it ended, withdraw()'s.
};

}  // namespace ringway::cluster
