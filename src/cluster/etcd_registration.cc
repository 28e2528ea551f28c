#include "cluster/etcd_registration.h"

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

namespace ringway::cluster {

EtcdRegistration::EtcdRegistration(EtcdOptions options, EtcdRegistrationOptions registration)
    : EtcdTask(std::move(options), "rw-etcd-lease"), registration_(std::move(registration)) {}

std::string EtcdRegistration::key() const {
  const int64_t id = registration_.id > 0 ? registration_.id : lease_;
  return fmt::format("{}/{}", registration_.key, id);
}

void EtcdRegistration::run() {
  while (!stopping()) {
    int64_t revision = 0;
    if (!take_lease() || !put_key(revision)) continue;
    succeeded();
    while (!stopping() && stay(revision)) {
    }
  }
}

// True with a lease that etcd knows: the one there is, or a new one.
bool EtcdRegistration::take_lease() {
  if (lease_ != 0) return renew();
  const EtcdStatus status = client_.grant(registration_.ttl_seconds, lease_);
  if (!status.ok()) {
    lease_ = 0;
    failed(status);
    return false;
  }
  counters_.add(Counter::kEtcdLeases);
  return true;
}

bool EtcdRegistration::put_key(int64_t& revision) {
  const EtcdStatus status = client_.put(key(), registration_.value, lease_, revision);
  if (status.ok()) {
    counters_.add(Counter::kEtcdRegistrations);
    log_info("etcd", "registered as {} = {}", key(), registration_.value);
    return true;
  }
  if (status.not_found()) lease_ = 0;  // it ended between the two calls
  failed(status);
  return false;
}

// False when the lease is gone, or etcd is away.
bool EtcdRegistration::renew() {
  const EtcdStatus status = client_.keep_alive(lease_);
  if (status.ok()) return true;
  if (status.not_found()) {
    log_warning("etcd", "the lease of {} is lost: taking a new one", key());
    lease_ = 0;
    breathe();
  } else {
    failed(status);
  }
  return false;
}

// Watches the key until it is time to renew, and renews. False when the key has to be put again.
bool EtcdRegistration::stay(int64_t revision) {
  const int64_t until_renewal_ns = registration_.ttl_seconds * kNsPerSecond / 3;
  const auto watch = client_.watch(key(), "", revision + 1, until_renewal_ns);
  std::vector<EtcdEvent> events;
  for (;;) {
    switch (watch->next(events)) {
      case EtcdWatch::Outcome::kCreated:
        break;
      case EtcdWatch::Outcome::kEvents:
        // Only the last one counts: what it left behind is what there is.
        if (!events.back().deleted) break;
        log_warning("etcd", "{} was deleted: putting it back", key());
        breathe();
        return false;
      case EtcdWatch::Outcome::kTimeout:
        return renew();
      case EtcdWatch::Outcome::kCompacted:
        return false;
      case EtcdWatch::Outcome::kBroken:
        failed(watch->status());
        return false;
    }
  }
}

void EtcdRegistration::withdraw() {
  stop();
  if (lease_ == 0) return;
  client_.resume();
  EtcdStatus status;
  for (size_t tries = 0; tries < client_.host_count(); ++tries) {
    if (tries > 0) client_.next_host();
    status = client_.revoke(lease_, kEtcdRevokeTimeoutNs);
    if (status.ok() || status.not_found()) break;
  }
  if (status.ok() || status.not_found()) {
    log_info("etcd", "{} is withdrawn", key());
  } else {
    log_warning("etcd", "{} cannot be withdrawn ({} {}): it goes when its lease runs out", key(),
                status.code, status.text);
  }
  lease_ = 0;
}

std::string EtcdRegistration::when_away() const {
  return fmt::format("{} is not registered", registration_.value);
}

std::string EtcdRegistration::when_back() const {
  return fmt::format("{} is registered again", registration_.value);
}

}  // namespace ringway::cluster
