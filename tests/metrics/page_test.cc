#include "metrics/page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"

namespace ringway::metrics {
namespace {

using testing::HasSubstr;
using testing::Not;

gateway::WorkerStatus worker(uint64_t scale) {
  gateway::WorkerStatus status;
  status.counters[static_cast<size_t>(Counter::kQuickAcks)] = 10 * scale;
  status.counters[static_cast<size_t>(Counter::kHandshakesDone)] = 3 * scale;
  status.counters[static_cast<size_t>(Counter::kHandshakesFailed)] = scale;
  status.counters[static_cast<size_t>(Counter::kHandshakesLimited)] = scale;
  status.counters[static_cast<size_t>(Counter::kTimeoutIdle)] = 2 * scale;
  status.counters[static_cast<size_t>(Counter::kTimeoutDrain)] = 100;
  DistributionBlock block;
  block.observe(Distribution::kMessageDuration, 500'000, 4 * scale);
  block.observe(Distribution::kMessageDuration, 30 * kNsPerMs, scale);
  block.observe(Distribution::kMessageDuration, 60 * kNsPerSecond, 1);
  for (size_t i = 0; i < kDistributionCount; ++i) {
    status.distributions[i] = block.read(static_cast<Distribution>(i));
  }
  gateway::ListenerStatus& first = status.listeners.emplace_back();
  first.opened = 7 * scale;
  first.closed = 2 * scale;
  first.decode_errors[static_cast<size_t>(gateway::DecodeReason::kBadChecksum)] = scale;
  gateway::ListenerStatus& second = status.listeners.emplace_back();
  second.opened = 5;
  status.gauges.connections = 8 * scale;
  cluster::ShardStatus& link = status.gauges.links.emplace_back();
  link.address = "10.0.0.1:20120";
  link.reached = scale == 1;
  link.up = link.reached;
  link.wire = link.up ? "batch" : "connecting";
  link.window_messages = 6 * scale;
  link.tally = {.batches = 2, .messages = 9, .replays = scale, .breaks = 1};
  return status;
}

std::string page() {
  gateway::GatewayStatus status;
  status.listeners = {{"0.0.0.0:10443", "tcp"}, {"0.0.0.0:5222", "tcp"}};
  status.workers = {worker(1), worker(2)};
  ProcessUse process;
  process.cpu_seconds = 1.5;
  process.resident_bytes = 123456789;
  LogTally log;
  log.dropped = 11;
  HttpTally http;
  http.answers[1][3] = 4;
  return metrics_page(status, process, log, http, {"1.2.3", "vaes", "avx2"});
}

TEST(Page, KeepsGnetwaysNamesAndLabels) {
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("# TYPE gnetway_conn_open_total counter\n"));
  EXPECT_THAT(text, HasSubstr("\ngnetway_conn_open_total{proto=\"tcp\"} 31\n"));
  EXPECT_THAT(text, HasSubstr("\ngnetway_conn_close_total{proto=\"tcp\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("\ngnetway_conn_timeout_total 6\n")) << "draining is no time-out";
  EXPECT_THAT(text, HasSubstr("\ngnetway_handshake_total{result=\"ok\"} 9\n"));
  EXPECT_THAT(text, HasSubstr("\ngnetway_handshake_total{result=\"error\"} 6\n"));
  EXPECT_THAT(text, HasSubstr("\ngnetway_msg_quick_ack_total 30\n"));
  EXPECT_THAT(
      text, HasSubstr("\ngnetway_codec_decode_errors_total{proto=\"tcp\",reason=\"bad_crc\"} 3\n"));
}

TEST(Page, ShowsDurationsInTheBucketsOfGnetway) {
  const std::string text = page();
  const auto bucket = [](const char* bound, int count) {
    return HasSubstr("\ngnetway_msg_process_duration_ms_bucket{type=\"encrypted\",le=\"" +
                     std::string(bound) + "\"} " + std::to_string(count) + "\n");
  };
  EXPECT_THAT(text, bucket("1", 12));
  EXPECT_THAT(text, bucket("25", 12));
  EXPECT_THAT(text, bucket("50", 15));
  EXPECT_THAT(text, bucket("5000", 15));
  EXPECT_THAT(text, bucket("+Inf", 17));
  EXPECT_THAT(text, HasSubstr("\ngnetway_msg_process_duration_ms_count{type=\"encrypted\"} 17\n"));
  EXPECT_THAT(text,
              HasSubstr("\ngnetway_msg_process_duration_ms_sum{type=\"encrypted\"} 120096\n"));
}

TEST(Page, TellsWorkersListenersAndShardsApart) {
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("\nringway_connections{worker=\"1\"} 16\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_quick_acks_total{worker=\"0\"} 10\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_timeouts_total{worker=\"1\",kind=\"idle\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_listener_connections{listener=\"0.0.0.0:10443\","
                              "proto=\"tcp\"} 15\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_shard_links{shard=\"10.0.0.1:20120\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_shard_links_up{shard=\"10.0.0.1:20120\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_shard_links_by_wire{shard=\"10.0.0.1:20120\","
                              "wire=\"batch\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_shard_window_messages{shard=\"10.0.0.1:20120\"} 18\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_shard_replays_total{shard=\"10.0.0.1:20120\"} 3\n"));
}

TEST(Page, ShowsTheProcessTheLogAndTheBuild) {
  const std::string text = page();
  EXPECT_THAT(text, HasSubstr("\nprocess_cpu_seconds_total 1.5\n"));
  EXPECT_THAT(text, HasSubstr("\nprocess_resident_memory_bytes 123456789\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_log_lines_dropped_total 11\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_http_requests_total{path=\"healthz\",code=\"503\"} 4\n"));
  EXPECT_THAT(text, HasSubstr("\nringway_build_info{version=\"1.2.3\",aes_kernel=\"vaes\","
                              "sha_kernel=\"avx2\"} 1\n"));
}

TEST(Page, LeavesOutFamiliesWithoutSeries) {
  const std::string text =
      metrics_page({}, {}, {}, {}, {.version = "1", .aes_kernel = "a", .sha_kernel = "s"});
  EXPECT_THAT(text, Not(HasSubstr("ringway_shard_links")));
  EXPECT_THAT(text, HasSubstr("\nringway_workers 0\n"));
}

}  // namespace
}  // namespace ringway::metrics
