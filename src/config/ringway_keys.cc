#include <fmt/format.h>

#include <algorithm>

#include "config/fields.h"
#include "config/keys.h"

namespace ringway::config {
namespace {

void read_per_core(Document& document, Section& section, Workers& workers) {
  section.children("PerCore", [&](Section& item) {
    CoreOverride found;
    found.core = -1;
    read_number(item, "Core", found.core, {0, kCoreNumberMax});
    read_number(item, "RingEntries", found.ring_entries, {kRingEntriesMin, kRingEntriesMax});
    read_number(item, "Buffers", found.buffers, {kReceiveBuffersMin, kReceiveBuffersMax});
    read_size(item, "BufferBytes", found.buffer_bytes,
              {kReceiveBufferBytesMin, kReceiveBufferBytesMax});
    read_auto(item, "MaxConnections", found.max_connections, kConnectionsPerWorkerMax);
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

void check_power_of_two(Document& document, const Section& section,
                        const std::optional<uint32_t>& buffers) {
  if (!buffers || (*buffers & (*buffers - 1)) == 0) return;
  document.error(section.mark_of("Buffers"), fmt::format("{}: expected a power of two, found {}",
                                                         section.path_of("Buffers"), *buffers));
}

void read_workers(Document& document, Section& ringway, Workers& workers) {
  Section section = ringway.child("Workers");
  read_auto(section, "Count", workers.count, kWorkersMax);
  section.value("Cores", workers.cores,
                fmt::format("core numbers up to {} such as \"0-3,8\", none twice", kCoreNumberMax),
                parse_cores);
  read_number(section, "RingEntries", workers.ring_entries, {kRingEntriesMin, kRingEntriesMax});
  read_number(section, "Buffers", workers.buffers, {kReceiveBuffersMin, kReceiveBuffersMax});
  read_size(section, "BufferBytes", workers.buffer_bytes,
            {kReceiveBufferBytesMin, kReceiveBufferBytesMax});
  read_auto(section, "MaxConnections", workers.max_connections, kConnectionsPerWorkerMax);
  check_power_of_two(document, section, workers.buffers);
  read_per_core(document, section, workers);
  for (const CoreOverride& entry : workers.per_core) {
    check_power_of_two(document, section, entry.buffers);
  }
  if (!workers.cores.empty() && workers.count > workers.cores.size()) {
    document.warning(section.mark_of("Count"),
                     fmt::format("Ringway.Workers.Count: {} workers share {} cores", workers.count,
                                 workers.cores.size()));
  }
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
  read_count_limit(section, "ConnectionsPerAddress", limits.connections_per_address);
  read_count_limit(section, "CryptoJobsPerAddress", limits.crypto_jobs_per_address);
  section.close();
  if (!section.has("InputBytesPerConnection")) {
    // A raised frame size takes its room along.
    limits.input_bytes_per_connection =
        std::max(limits.input_bytes_per_connection, limits.frame_bytes);
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
  section.value("Drain", timeouts.drain_ns, kDurationExpected, parse_bounded_duration);
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
    if (const auto secret = parse_transport_secret(text)) {
      transports.secrets.push_back(*secret);
    } else {
      document.error(section.mark_of("Secrets"),
                     "Ringway.Transports.Secrets: expected 32 hexadecimal digits, or dd and 32");
    }
    cleanse(reinterpret_cast<uint8_t*>(text.data()), text.size());
  }
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
  section.close();
}

}  // namespace

void read_ringway_keys(Document& document, Section& root, Config& config) {
  Section ringway = root.child("Ringway");
  read_workers(document, ringway, config.workers);
  read_link(ringway, config.session);
  read_limits(document, ringway, config.limits);
  read_timeouts(ringway, config.timeouts);
  read_transports(document, ringway, config.transports);
  read_crypto(ringway, config.crypto);
  ringway.close();
}

}  // namespace ringway::config
