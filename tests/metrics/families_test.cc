#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "metrics/counter_families.h"

namespace ringway::metrics {
namespace {

TEST(CounterFamilies, DescribeEveryCounterOnce) {
  std::map<Counter, int> times;
  for (const Counter counter : described_counters()) ++times[counter];
  for (size_t i = 0; i < kCounterCount; ++i) {
    const auto counter = static_cast<Counter>(i);
    EXPECT_EQ(times[counter], 1) << counter_name(counter)
                                 << ": give it a place in metrics/counter_families.cc";
  }
}

TEST(CounterFamilies, FollowPrometheusNaming) {
  std::set<std::string> names;
  for (const CounterFamily& family : counter_families()) {
    EXPECT_TRUE(names.insert(family.name).second) << family.name << " stands twice";
    EXPECT_TRUE(family.name.starts_with("ringway_")) << family.name;
    EXPECT_TRUE(family.name.ends_with("_total")) << family.name;
    EXPECT_TRUE(std::all_of(family.name.begin(), family.name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || c == '_';
    })) << family.name;
    EXPECT_TRUE(family.help.ends_with('.')) << family.help;
    std::set<std::string_view> values;
    for (const auto& series : family.series) {
      EXPECT_EQ(series.label_value.empty(), family.label.empty()) << family.name;
      EXPECT_TRUE(values.insert(series.label_value).second) << family.name;
    }
  }
}

}  // namespace
}  // namespace ringway::metrics
