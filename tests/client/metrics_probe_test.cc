#include "client/metrics_probe.h"

#include <gtest/gtest.h>

namespace ringway::client {
namespace {

TEST(MetricsAddress, TakesAHostAPortAndMaybeAPath) {
  const auto parse = [](std::string_view text) { return *parse_metrics_address(text); };
  EXPECT_EQ(parse("10.0.0.1:9101"), (MetricsAddress{"10.0.0.1:9101", "/metrics"}));
  EXPECT_EQ(parse("edge:9101/"), (MetricsAddress{"edge:9101", "/metrics"}));
  EXPECT_EQ(parse("[::1]:9101/m/x"), (MetricsAddress{"[::1]:9101", "/m/x"}));
  EXPECT_EQ(parse("http://edge:80/m"), (MetricsAddress{"edge:80", "/m"}));
  for (const char* bad : {"", "edge", ":9101", "edge:", "/metrics", "edge:1/a b", "edge:1/\n"}) {
    EXPECT_FALSE(parse_metrics_address(bad).ok()) << bad;
  }
}

TEST(MetricsPage, GivesTheProcessorTimeAndTheMemory) {
  const auto use = parse_metrics_page(
      "# HELP process_cpu_seconds_total x\n"
      "process_cpu_seconds_total_of_another 7\n"
      "process_cpu_seconds_total 12.25\n"
      "process_resident_memory_bytes 1.5e+08\n");
  ASSERT_TRUE(use.has_value());
  EXPECT_EQ(use->cpu_ns, 12'250'000'000);
  EXPECT_EQ(use->resident_bytes, 150'000'000U);
}

TEST(MetricsPage, GivesNothingWhenOneIsMissingOrNoNumber) {
  const std::string memory = "process_resident_memory_bytes 5\n";
  EXPECT_FALSE(parse_metrics_page(memory));
  for (const char* value : {"", "x", "NaN", "+Inf", "-1"}) {
    EXPECT_FALSE(parse_metrics_page(memory + "process_cpu_seconds_total " + value + "\n")) << value;
  }
  EXPECT_TRUE(parse_metrics_page(memory + "process_cpu_seconds_total 1"));
}

}  // namespace
}  // namespace ringway::client
