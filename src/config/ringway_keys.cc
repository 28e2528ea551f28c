#include <fmt/format.h>

#include <algorithm>

#include "config/client_secret.h"
#include "config/fields.h"
#include "config/keys.h"

namespace ringway::config {
namespace {

// Which thread of the kernel takes this worker's operations from its ring.
void read_submission_poll(Section& section, WorkerSettings& settings) {
  section.value(
      "SubmissionPoll", settings.submission_poll,
      fmt::format("off, any or the number of a core up to {}", kCoreNumberMax),
      [](std::string_view text) -> std::optional<int> {
        // YAML knows more words for it.
        if (same_word(text, "any")) return kAnyCore;
        if (parse_flag(text) == false) return kSubmissionPollOff;
        const auto core = in_range(parse_number(text), {0, kCoreNumberMax});
        return core ? std::optional(static_cast<int>(*core)) : std::nullopt;
      },
      [](int core) {
        if (core == kSubmissionPollOff) return std::string("off");
        return core == kAnyCore ? std::string("any") : shown(core);
      });
  read_number(section, "SubmissionPollIdleMilliseconds", settings.submission_poll_idle_ms,
              {1, kSubmissionPollIdleMsMax});
}

// The same keys stand in Workers and in each entry of PerCore, where they begin with what Workers
// says.
void read_worker_settings(Document& document, Section& section, WorkerSettings& settings) {
  read_number(section, "RingEntries", settings.ring_entries, {kRingEntriesMin, kRingEntriesMax});
  read_number(section, "Buffers", settings.buffers, {kReceiveBuffersMin, kReceiveBuffersMax});
  if (section.has("Buffers") && (settings.buffers & (settings.buffers - 1)) != 0) {
    document.error(section.mark_of("Buffers"),
                   fmt::format("{}: expected a power of two, found {}", section.path_of("Buffers"),
                               settings.buffers));
  }
  read_size(section, "BufferBytes", settings.buffer_bytes,
            {kReceiveBufferBytesMin, kReceiveBufferBytesMax});
  read_auto(section, "MaxConnections", settings.max_connections, kConnectionsPerWorkerMax);
  read_auto(section, "KeyCacheEntries", settings.key_cache_entries, kKeyCacheEntriesCeiling);
  read_number(section, "TurnCompletions", settings.turn_completions,
              {kTurnCompletionsFloor, kTurnCompletionsCeiling});
  read_number(section, "BatchMessages", settings.batch_messages, {1, kBatchMessagesCeiling});
  read_size(section, "BatchBytes", settings.batch_bytes, {kBatchBytesFloor, kBatchBytesCeiling});
  read_number(section, "BatchesPerTurn", settings.batches_per_turn, {1, kBatchesPerTurnCeiling});
  read_number(section, "WindowMessages", settings.window_messages,
              {kWindowMessagesFloor, kWindowMessagesCeiling});
  read_size(section, "WindowBytes", settings.window_bytes,
            {kWindowBytesFloor, kWindowBytesCeiling});
  read_number(section, "BusyPollMicroseconds", settings.busy_poll_us,
              {0, kBusyPollMicrosecondsMax});
  read_submission_poll(section, settings);
}

// A polling thread spins: on a worker's core the two take turns.
void warn_of_shared_core(Document& document, const Section& section, const Workers& workers,
                         const WorkerSettings& settings) {
  const int core = settings.submission_poll;
  if (!section.has("SubmissionPoll") || core < 0) return;
  if (std::find(workers.cores.begin(), workers.cores.end(), core) == workers.cores.end()) return;
  document.warning(
      section.mark_of("SubmissionPoll"),
      fmt::format("{}: core {} is a worker's, which the polling thread takes turns with",
                  section.path_of("SubmissionPoll"), core));
}

void read_per_core(Document& document, Section& section, Workers& workers) {
  section.children("PerCore", [&](Section& item) {
    CoreOverride found{-1, workers.settings};
    read_number(item, "Core", found.core, {0, kCoreNumberMax});
    read_worker_settings(document, item, found.settings);
    warn_of_shared_core(document, item, workers, found.settings);
    if (!item.present()) return;
    const auto same_core = [&](const CoreOverride& other) { return other.core == found.core; };
    if (!item.has("Core")) {
      document.error(item.mark(), "Ringway.Workers.PerCore: expected the key Core in each entry");
    } else if (std::any_of(workers.per_core.begin(), workers.per_core.end(), same_core)) {
      document.error(item.mark_of("Core"),
                     fmt::format("Ringway.Workers.PerCore: core {} stands twice", found.core));
    } else if (!workers.cores.empty() && std::find(workers.cores.begin(), workers.cores.end(),
                                                   found.core) == workers.cores.end()) {
      document.error(
          item.mark_of("Core"),
          fmt::format("Ringway.Workers.PerCore: core {} is not one of Cores", found.core));
    }
    workers.per_core.push_back(found);
  });
}

void read_workers(Document& document, Section& ringway, Workers& workers) {
  Section section = ringway.child("Workers");
  read_auto(section, "Count", workers.count, kWorkersMax);
  read_cores(section, "Cores", workers.cores, "none");
  read_worker_settings(document, section, workers.settings);
  warn_of_shared_core(document, section, workers, workers.settings);
  read_per_core(document, section, workers);
  if (!workers.cores.empty() && workers.count > workers.cores.size()) {
    document.warning(section.mark_of("Count"),
                     fmt::format("Ringway.Workers.Count: {} workers share {} cores", workers.count,
                                 workers.cores.size()));
  }
  section.close();
}

void read_grpc(Section& ringway, Grpc& grpc) {
  Section section = ringway.child("Grpc");
  read_cores(section, "Cores", grpc.cores, "auto");
  section.close();
}

void read_link(Section& ringway, Session& session) {
  Section section = ringway.child("Session");
  read_word<LinkKind>(section, "Link", session.link,
                      {{"ring", LinkKind::kRing}, {"grpc", LinkKind::kGrpc}});
  read_word<WireKind>(section, "Wire", session.wire,
                      {{"auto", WireKind::kAuto},
                       {"batch", WireKind::kBatch},
                       {"stream", WireKind::kStream},
                       {"unary", WireKind::kUnary}});
  read_timeout(section, "NoShardTimeout", session.no_shard_timeout_ns);
  section.close();
}

void read_limits(Document& document, Section& ringway, Limits& limits) {
  Section section = ringway.child("Limits");
  read_byte_limit(section, "FrameBytes", limits.frame_bytes,
                  {kFrameBytesFloor, kFrameBytesCeiling});
  read_byte_limit(section, "InputBytesPerConnection", limits.input_bytes_per_connection,
                  {kFrameBytesFloor, kConnectionBytesCeiling});
  read_byte_limit(section, "OutputBytesPerConnection", limits.output_bytes_per_connection,
                  {kServerFrameBytesMax, kConnectionBytesCeiling});
  read_count_limit(section, "KeysPerConnection", limits.keys_per_connection);
  read_count_limit(section, "ConnectionsPerKey", limits.connections_per_key);
  read_count_limit(section, "SessionsPerConnection", limits.sessions_per_connection);
  read_count_limit(section, "HandshakesPerConnection", limits.handshakes_per_connection);
  read_count_limit(section, "HandshakesPerAddressPerSecond",
                   limits.handshakes_per_address_per_second);
  read_count_limit(section, "UnknownKeysPerAddressPerSecond",
                   limits.unknown_keys_per_address_per_second);
  read_count_limit(section, "TlsHandshakesPerAddressPerSecond",
                   limits.tls_handshakes_per_address_per_second);
  read_count_limit(section, "ConnectionsPerAddress", limits.connections_per_address);
  read_number(section, "MaskConnections", limits.mask_connections, {1, kMaskConnectionsCeiling});
  read_count_limit(section, "CryptoJobsPerAddress", limits.crypto_jobs_per_address);
  section.close();
  if (!section.has("InputBytesPerConnection")) {
    // A raised frame size takes its room along.
    if (limits.input_bytes_per_connection < limits.frame_bytes) {
      limits.input_bytes_per_connection = limits.frame_bytes;
      document.amend(section.path_of("InputBytesPerConnection"), shown(limits.frame_bytes),
                     "as large as FrameBytes");
    }
  } else if (limits.input_bytes_per_connection < limits.frame_bytes) {
    document.error(section.mark_of("InputBytesPerConnection"),
                   fmt::format("Ringway.Limits.InputBytesPerConnection ({}): expected at least "
                               "FrameBytes ({})",
                               limits.input_bytes_per_connection, limits.frame_bytes));
  }
}

void read_timeouts(Section& ringway, Timeouts& timeouts) {
  Section section = ringway.child("Timeouts");
  read_timeout(section, "FirstByte", timeouts.first_byte_ns);
  read_timeout(section, "Detection", timeouts.detection_ns);
  read_timeout(section, "Frame", timeouts.frame_ns);
  read_timeout(section, "Handshake", timeouts.handshake_ns);
  read_timeout(section, "Idle", timeouts.idle_ns);
  // Without a limit a shutdown could last for ever: 0 means at once.
  section.value("Drain", timeouts.drain_ns, kDurationExpected, parse_bounded_duration,
                shown_duration);
  read_timeout(section, "KeyLookup", timeouts.key_lookup_ns);
  section.close();
}

void read_transports(Document& document, Section& ringway, Transports& transports) {
  Section section = ringway.child("Transports");
  section.flag("Abridged", transports.abridged);
  section.flag("Intermediate", transports.intermediate);
  section.flag("Padded", transports.padded);
  section.flag("Full", transports.full);
  section.flag("Obfuscated", transports.obfuscated);
  section.flag("LegacyRsaPadding", transports.legacy_rsa_padding);
  std::vector<std::string> secrets;
  section.texts("Secrets", secrets);
  for (std::string& text : secrets) {
    // The message does not repeat the text: it is a secret all the same.
    const auto secret = parse_client_secret(text);
    if (secret && secret->domain.empty()) {
      transports.secrets.push_back(secret->key);
    } else if (secret) {
      document.error(section.mark_of("Secrets"),
                     "Ringway.Transports.Secrets: an ee secret belongs to one listener: expected "
                     "it in Ringway.Listeners");
    } else {
      document.error(section.mark_of("Secrets"),
                     "Ringway.Transports.Secrets: expected 32 hexadecimal digits, or dd and 32, "
                     "or the same in base64url");
    }
    cleanse(reinterpret_cast<uint8_t*>(text.data()), text.size());
  }
  read_error_style(section, transports.http_error_style);
  section.close();
  if (transports.secrets.size() > kTransportSecretsMax) {
    document.error(
        section.mark_of("Secrets"),
        fmt::format("Ringway.Transports.Secrets: expected at most {}", kTransportSecretsMax));
  }
  if (!transports.abridged && !transports.intermediate && !transports.padded && !transports.full &&
      !transports.obfuscated) {
    document.error(section.mark(), "Ringway.Transports: expected at least one that is on");
  }
}

void read_crypto(Section& ringway, Crypto& crypto) {
  Section section = ringway.child("Crypto");
  read_word<CryptoKernel>(section, "Kernel", crypto.kernel,
                          {{"auto", CryptoKernel::kAuto},
                           {"openssl", CryptoKernel::kOpenssl},
                           {"aesni", CryptoKernel::kAesni},
                           {"vaes", CryptoKernel::kVaes}});
  read_cores(section, "Cores", crypto.cores, "auto");
  section.close();
}

}  // namespace

void read_ringway_keys(Document& document, Section& root, ListenerReader& listeners,
                       Config& config) {
  Section ringway = root.child("Ringway");
  listeners.read_listeners(ringway);
  read_workers(document, ringway, config.workers);
  read_link(ringway, config.session);
  read_limits(document, ringway, config.limits);
  read_timeouts(ringway, config.timeouts);
  read_transports(document, ringway, config.transports);
  read_crypto(ringway, config.crypto);
  read_grpc(ringway, config.grpc);
  ringway.close();
}

}  // namespace ringway::config
