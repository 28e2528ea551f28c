#include "client/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace ringway::client {
namespace {

// Nearest rank over the sorted values.
int64_t exact_percentile(std::vector<int64_t> values, double percent) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<size_t>(
      std::max(1.0, std::ceil(percent / 100.0 * static_cast<double>(values.size()))));
  return values[rank - 1];
}

TEST(Histogram, EmptyIsZero) {
  const Histogram histogram;
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.percentile(50), 0);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.max(), 0);
  EXPECT_EQ(histogram.mean(), 0);
}

TEST(Histogram, SmallValuesAreExact) {
  Histogram histogram;
  for (int64_t value = 0; value < 256; ++value) histogram.record(value);
  EXPECT_EQ(histogram.percentile(50), 127);
  EXPECT_EQ(histogram.percentile(100), 255);
  EXPECT_EQ(histogram.percentile(100.0 / 256), 0);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_DOUBLE_EQ(histogram.mean(), 127.5);
}

TEST(Histogram, PercentilesStayWithinTheirError) {
  std::mt19937_64 random(7);
  std::lognormal_distribution<double> latency(11, 2);
  Histogram histogram;
  std::vector<int64_t> values;
  for (int i = 0; i < 50'000; ++i) {
    values.push_back(static_cast<int64_t>(latency(random)));
    histogram.record(values.back());
  }
  for (const double percent : {1.0, 10.0, 50.0, 90.0, 99.0, 99.9, 99.99}) {
    const int64_t exact = exact_percentile(values, percent);
    const int64_t measured = histogram.percentile(percent);
    EXPECT_GE(measured, exact) << percent;
    EXPECT_LE(static_cast<double>(measured - exact), static_cast<double>(exact) / 128 + 1)
        << percent;
  }
  EXPECT_EQ(histogram.percentile(100), *std::max_element(values.begin(), values.end()));
}

TEST(Histogram, TakesTheExtremes) {
  Histogram histogram;
  histogram.record(INT64_MAX);
  histogram.record(-5);
  EXPECT_EQ(histogram.max(), INT64_MAX);
  EXPECT_EQ(histogram.min(), 0);
  EXPECT_EQ(histogram.percentile(100), INT64_MAX);
  EXPECT_EQ(histogram.percentile(50), 0);
}

TEST(Histogram, BucketBordersDoNotMix) {
  for (int bit = 8; bit < 62; ++bit) {
    Histogram histogram;
    const int64_t border = int64_t{1} << bit;
    histogram.record(border - 1);
    histogram.record(border);
    EXPECT_EQ(histogram.percentile(50), border - 1) << bit;
    EXPECT_EQ(histogram.percentile(100), border) << bit;
  }
}

TEST(Histogram, MergeIsTheSameAsRecordingEverythingInOne) {
  std::mt19937_64 random(8);
  Histogram parts[3];
  Histogram whole;
  for (int i = 0; i < 9'000; ++i) {
    const auto value = static_cast<int64_t>(random() % 10'000'000);
    parts[i % 3].record(value);
    whole.record(value);
  }
  Histogram merged;
  for (const Histogram& part : parts) merged.merge(part);
  EXPECT_EQ(merged.count(), whole.count());
  EXPECT_EQ(merged.min(), whole.min());
  EXPECT_EQ(merged.max(), whole.max());
  for (const double percent : {5.0, 50.0, 99.0}) {
    EXPECT_EQ(merged.percentile(percent), whole.percentile(percent));
  }
}

}  // namespace
}  // namespace ringway::client
