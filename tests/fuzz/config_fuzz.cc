// Any text is a configuration or a list of errors; what loads keeps the promises of
// config/config.h.
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "config/explain.h"

namespace {

// What config/listener.h promises of each.
void check_listeners(const ringway::config::Config& config) {
  using namespace ringway;
  const std::vector<config::Listener>& all = config.listeners;
  RW_ASSERT(all.size() <= kListenersMax);
  for (size_t i = 0; i < all.size(); ++i) {
    const config::Listener& listener = all[i];
    RW_ASSERT(!listener.tls || listener.fake_tls_secrets.empty());
    RW_ASSERT(listener.secrets.size() <= kTransportSecretsMax);
    RW_ASSERT(listener.fake_tls_secrets.size() <= kFakeTlsSecretsMax);
    for (const config::FakeTlsSecret& secret : listener.fake_tls_secrets) {
      RW_ASSERT(!secret.domain.empty() && secret.domain.size() <= kFakeTlsDomainBytesMax);
    }
    for (const config::Cidr& range : listener.proxy_protocol.from) {
      RW_ASSERT(range.prefix_bits <= 128);
      RW_ASSERT(range.contains(range.address) || range.prefix_bits < 96);
    }
    for (size_t j = 0; j < i; ++j) RW_ASSERT(!config::same_place(all[i], all[j]));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, size_t size) {
  using namespace ringway;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const config::LoadOutcome outcome = config::load_text(text, "fuzz.yaml");
  if (!outcome.ok()) return 0;
  const config::Config& loaded = outcome.config;
  RW_ASSERT(loaded.limits.input_bytes_per_connection >= loaded.limits.frame_bytes);
  RW_ASSERT(loaded.limits.frame_bytes <= kFrameBytesCeiling);
  RW_ASSERT(loaded.limits.output_bytes_per_connection >= kServerFrameBytesMax);
  RW_ASSERT(loaded.timeouts.idle_ns > 0 && loaded.timeouts.idle_ns <= config::kNoTimeoutNs);
  const uint32_t workers = config::worker_count(loaded, 2);
  RW_ASSERT(workers >= 1 && workers <= kWorkersMax);
  for (uint32_t index = 0; index < workers; ++index) {
    const config::WorkerConfig worker = config::worker_config(loaded, index);
    const uint32_t buffers = worker.settings.buffers;
    RW_ASSERT(buffers >= kReceiveBuffersMin && buffers <= kReceiveBuffersMax);
    RW_ASSERT((buffers & (buffers - 1)) == 0);
    RW_ASSERT(worker.settings.window_bytes >= kWindowBytesFloor);
  }
  check_listeners(loaded);
  RW_ASSERT(!config::values_text(outcome).empty());
  RW_ASSERT(!config::explain(outcome, {{0, 1}, 20'000, "openssl"}).empty());
  return 0;
}
