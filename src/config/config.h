// config/config: the whole configuration as one plain, validated struct.
//
// A Config is made once, before any thread starts (by the loader, or as the built-in defaults), and
// is only read afterwards, by any thread. The loader guarantees every range named here, so that
// nobody checks a value twice. Sizes are bytes, durations nanoseconds unless the name says
// otherwise. "No limit" in the file arrives here as kNoLimit or kNoTimeoutNs: plain large numbers,
// so that comparing and adding need no special case.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/secret.h"
#include "config/listener.h"

namespace ringway::config {

inline constexpr uint32_t kNoLimit = UINT32_MAX;
// Ten years: beyond every process, and still safe to add to a clock.
inline constexpr int64_t kNoTimeoutNs = 3650LL * 86400 * kNsPerSecond;

struct RsaKey {
  std::string file;                    // as written: relative paths start at the working directory
  std::optional<int64_t> fingerprint;  // what clients have built in; unset: computed from the key

  friend bool operator==(const RsaKey&, const RsaKey&) = default;
};

// What carries streams and calls to the shards.
enum class LinkKind : uint8_t { kRing, kGrpc };
enum class WireKind : uint8_t { kAuto, kBatch, kStream, kUnary };

// An etcd cluster, and the key below which something is registered there.
struct Etcd {
  std::vector<std::string> hosts;  // host:port each; empty: etcd is not used
  std::string key;                 // such as interface.gateway, without the slash
  int64_t id = 0;                  // above 0: the last part of the own key, instead of the lease
  std::string user;                // empty: no log-in
  std::string password;
  bool tls = false;       // a certificate is given, or a host begins with https://
  std::string cert_file;  // PEM; relative paths start at the working directory
  std::string cert_key_file;
  std::string ca_cert_file;
  bool insecure_skip_verify = false;

  friend bool operator==(const Etcd&, const Etcd&) = default;
};

// Where the session shards are. As in go-zero, endpoints win over target, and target over etcd.
struct Session {
  std::vector<std::string> endpoints{"127.0.0.1:20120"};  // host:port each
  std::string target;                                     // a gRPC target; one shard per address
  Etcd etcd;                  // what it leaves out comes from the top; no hosts when others win
  int64_t timeout_ms = 2000;  // one call to a shard
  LinkKind link = LinkKind::kRing;                  // Ringway.Session.Link
  WireKind wire = WireKind::kAuto;                  // Ringway.Session.Wire
  int64_t no_shard_timeout_ns = 30 * kNsPerSecond;  // Ringway.Session.NoShardTimeout

  friend bool operator==(const Session&, const Session&) = default;
};

enum class LogMode : uint8_t { kConsole, kFile, kVolume };

struct Log {
  LogMode mode = LogMode::kConsole;
  LogLevel level = LogLevel::kInfo;
  std::string path = "logs";    // directory; log_options() says which file in it
  bool json = false;            // Encoding: json
  std::string service;          // ServiceName, else Name
  bool stat = true;             // a line about the process each minute
  bool rotate_by_size = false;  // Rotation: size
  uint32_t max_size_mib = 0;    // of a file; 0: no limit
  uint32_t max_backups = 0;     // files set aside by size; 0: all
  uint32_t keep_days = 0;       // of files set aside; 0: for ever
  bool compress = false;
  uint32_t max_content_bytes = 0;  // of a line's text; 0: kLogLineBytesMax

  friend bool operator==(const Log&, const Log&) = default;
};

// Where metrics and health are served. As in go-zero, without a host they are not.
struct Prometheus {
  std::string host;
  uint16_t port = 9101;
  std::string path = "/metrics";

  [[nodiscard]] bool enabled() const noexcept { return !host.empty() && port != 0; }
  friend bool operator==(const Prometheus&, const Prometheus&) = default;
};

inline constexpr int kAnyCore = -1;
inline constexpr int kSubmissionPollOff = -2;

// What may differ from worker to worker.
struct WorkerSettings {
  uint32_t ring_entries = 4096;
  uint32_t buffers = 2048;  // a power of two, as the kernel's buffer ring needs
  uint32_t buffer_bytes = 4096;
  uint32_t max_connections = 0;    // 0: what the open-files limit allows
  uint32_t key_cache_entries = 0;  // 0: this worker's share of AuthKeyCacheM
  uint32_t turn_completions = kTurnCompletionsMax;
  uint32_t batch_messages = kBatchMessagesMax;
  uint32_t batch_bytes = kBatchBytesMax;
  uint32_t batches_per_turn = kBatchesPerWriteMax;
  uint32_t window_messages = kWindowMessagesMax;  // towards one shard
  uint32_t window_bytes = kWindowBytesMax;
  uint32_t busy_poll_us = 0;                 // 0: off
  int submission_poll = kSubmissionPollOff;  // else the core of the polling thread, or kAnyCore
  uint32_t submission_poll_idle_ms = 50;

  friend bool operator==(const WorkerSettings&, const WorkerSettings&) = default;
};

struct CoreOverride {
  int core = 0;  // a CPU number when Cores is set, else a worker's index
  WorkerSettings settings;

  friend bool operator==(const CoreOverride&, const CoreOverride&) = default;
};

struct Workers {
  uint32_t count = 0;       // 0: see worker_count()
  std::vector<int> cores;   // empty: not pinned; worker i runs on cores[i % size]
  WorkerSettings settings;  // of workers that per_core does not name
  std::vector<CoreOverride> per_core;

  friend bool operator==(const Workers&, const Workers&) = default;
};

// What one worker runs with, after PerCore.
struct WorkerConfig {
  int core = kAnyCore;
  WorkerSettings settings;

  friend bool operator==(const WorkerConfig&, const WorkerConfig&) = default;
};

// Budgets "per address" hold for the whole process.
struct Limits {
  uint32_t frame_bytes = kFrameBytesMax;
  uint32_t input_bytes_per_connection = kInputBytesPerConnection;    // >= frame_bytes
  uint32_t output_bytes_per_connection = kOutputBytesPerConnection;  // >= kServerFrameBytesMax
  uint32_t keys_per_connection = kKeysPerConnection;
  uint32_t connections_per_key = kConnectionsPerKey;  // a further one closes an older one
  uint32_t sessions_per_connection = kSessionsPerConnection;
  uint32_t handshakes_per_connection = 8;
  uint32_t handshakes_per_address_per_second = 50;
  uint32_t unknown_keys_per_address_per_second = 100;
  uint32_t tls_handshakes_per_address_per_second = 100;
  uint32_t connections_per_address = kNoLimit;
  uint32_t mask_connections = 1000;  // relayed to masks at once; at least 1
  uint32_t crypto_jobs_per_address = kCryptoPoolJobsPerAddress;

  friend bool operator==(const Limits&, const Limits&) = default;
};

struct Timeouts {
  int64_t first_byte_ns = 30 * kNsPerSecond;  // connected, nothing sent
  int64_t detection_ns = 10 * kNsPerSecond;   // first byte to a recognised transport
  int64_t frame_ns = 60 * kNsPerSecond;       // first to last byte of one frame
  int64_t handshake_ns = 60 * kNsPerSecond;   // first request to dh_gen_ok
  int64_t idle_ns = 300 * kNsPerSecond;       // no frame from the client
  int64_t drain_ns = 10 * kNsPerSecond;       // flushing at shutdown and at close
  int64_t key_lookup_ns = 5 * kNsPerSecond;   // a shard's answer to a key query

  friend bool operator==(const Timeouts&, const Timeouts&) = default;
};

struct Transports {
  bool abridged = true;
  bool intermediate = true;
  bool padded = true;
  bool full = true;
  bool obfuscated = true;
  bool legacy_rsa_padding = true;  // RSA with SHA-1 padding in the key exchange
  // What listeners have that name none themselves; see secrets_of().
  std::vector<Secret<kTransportSecretBytes>> secrets;
  HttpErrorStyle http_error_style = HttpErrorStyle::kStatus;  // stands in each listener already

  friend bool operator==(const Transports& a, const Transports& b) noexcept;
};

// Which code does the work of AES; what this processor cannot run is refused at start-up.
enum class CryptoKernel : uint8_t { kAuto, kOpenssl, kAesni, kVaes };
[[nodiscard]] std::string_view to_string(CryptoKernel kernel) noexcept;

struct Crypto {
  CryptoKernel kernel = CryptoKernel::kAuto;
  std::vector<int> cores;  // of the pool for key exchanges; empty: any

  friend bool operator==(const Crypto&, const Crypto&) = default;
};

struct Grpc {
  std::vector<int> cores;  // empty: see grpc_cores()

  friend bool operator==(const Grpc&, const Grpc&) = default;
};

struct Config {
  std::string name = "ringway";
  Endpoint listen_on{"127.0.0.1", 20110};  // the gateway's own gRPC service
  std::vector<RsaKey> rsa_keys;            // empty: the key of the data directory
  // Never two at one place.
  std::vector<Listener> listeners{{Protocol::kTcp, {"127.0.0.1", 10443}}};
  uint32_t send_buf = 0;  // socket buffers; 0: the kernel's choice
  uint32_t receive_buf = 0;
  uint64_t auth_key_cache_bytes = 10ULL * 1024 * 1024;  // all workers together
  uint32_t max_proc = 0;                                // 0: not given
  Etcd etcd;  // where the gateway registers; without hosts or key it does not
  Session session;
  Log log;
  Prometheus prometheus;
  Workers workers;
  Limits limits;
  Timeouts timeouts;
  Transports transports;
  Crypto crypto;
  Grpc grpc;

  // For the start-up log: keys that the file has and that change nothing.
  std::vector<std::string> without_effect;

  friend bool operator==(const Config&, const Config&) = default;
};

// What runs without a file.
[[nodiscard]] Config defaults();

// The secrets of obfuscation that hold on this listener: its own, or those of Ringway.Transports
// when it has none of any kind. Empty, and no fake-TLS secrets either: obfuscation without a
// secret. Empty beside fake-TLS secrets: obfuscation inside fake TLS alone.
[[nodiscard]] const std::vector<Secret<kTransportSecretBytes>>& secrets_of(
    const Config& config, const Listener& listener) noexcept;

// Lists of cores are in ascending order where they are "allowed": what the scheduler lets this
// process use.

// How many workers to start: Workers.Count, else MaxProc, else one per listed core, else one per
// allowed core. At least 1.
[[nodiscard]] uint32_t worker_count(const Config& config, size_t allowed_cores) noexcept;

// The settings of worker `index`.
[[nodiscard]] WorkerConfig worker_config(const Config& config, uint32_t index) noexcept;

// Where gRPC's threads run: Grpc.Cores, else the allowed cores that no worker is pinned to. Empty:
// anywhere, because no worker is pinned or no core is left.
[[nodiscard]] std::vector<int> grpc_cores(const Config& config, const std::vector<int>& allowed);

// How many threads make key exchanges: one for each of Crypto.Cores, else half of the allowed ones.
[[nodiscard]] uint32_t crypto_threads(const Config& config, size_t allowed_cores) noexcept;

[[nodiscard]] bool any_mask(const Config& config) noexcept;
// Files beside the clients' own: of the process and its workers, and the second sockets of relays.
[[nodiscard]] uint64_t reserved_files(const Config& config, uint32_t workers) noexcept;
// Of a limit of `open_files` what is set aside for those second sockets: at most half.
[[nodiscard]] uint64_t mask_files(const Config& config, uint64_t open_files) noexcept;

// What `auto` is: a worker's connections when the process may open `open_files` files, and the keys
// that it keeps.
[[nodiscard]] uint32_t auto_connections(const Config& config, uint64_t open_files,
                                        uint32_t workers) noexcept;
[[nodiscard]] uint32_t auto_key_cache_entries(const Config& config, uint32_t workers) noexcept;

// What base/log's log_setup() takes. The file is PATH/ringway.log, and with Mode volume, where many
// containers share a directory, PATH/SERVICE/HOSTNAME/ringway.log as in go-zero.
[[nodiscard]] LogOptions log_options(const Config& config);

}  // namespace ringway::config
