#include "client/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "client/histogram_text.h"

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

TEST(Histogram, ResetForgetsEverything) {
  Histogram histogram;
  histogram.record(5);
  histogram.record(INT64_MAX);
  histogram.reset();
  EXPECT_EQ(histogram.count(), 0U);
  EXPECT_EQ(histogram.max(), 0);
  histogram.record(7);
  EXPECT_EQ(histogram.percentile(1), 7);
  EXPECT_EQ(histogram.mean(), 7);
}

TEST(Histogram, VisitsWhatWasRecordedInOrder) {
  Histogram histogram;
  for (const int64_t value : {9, 3, 3, 1'000'000}) histogram.record(value);
  std::vector<std::pair<int64_t, uint64_t>> seen;
  histogram.for_each([&seen](int64_t value, uint64_t count) { seen.emplace_back(value, count); });
  EXPECT_EQ(seen, (std::vector<std::pair<int64_t, uint64_t>>{{3, 2}, {9, 1}, {1'000'000, 1}}));
}

// The first lines follow from the definition: 5 levels to each halving of the distance to 100%.
TEST(HistogramText, IsWhatHdrHistogramPrints) {
  Histogram histogram;
  for (int64_t value = 1; value <= 10; ++value) histogram.record(value * 10);
  EXPECT_EQ(to_hgrm(histogram, 10),
            "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
            "    1.000000 0.000000000000          1           1.00\n"
            "    1.000000 0.100000000000          1           1.11\n"
            "    2.000000 0.200000000000          2           1.25\n"
            "    3.000000 0.300000000000          3           1.43\n"
            "    4.000000 0.400000000000          4           1.67\n"
            "    5.000000 0.500000000000          5           2.00\n"
            "    6.000000 0.550000000000          6           2.22\n"
            "    6.000000 0.600000000000          6           2.50\n"
            "    7.000000 0.650000000000          7           2.86\n"
            "    7.000000 0.700000000000          7           3.33\n"
            "    8.000000 0.750000000000          8           4.00\n"
            "    8.000000 0.775000000000          8           4.44\n"
            "    8.000000 0.800000000000          8           5.00\n"
            "    9.000000 0.825000000000          9           5.71\n"
            "    9.000000 0.850000000000          9           6.67\n"
            "    9.000000 0.875000000000          9           8.00\n"
            "    9.000000 0.887500000000          9           8.89\n"
            "    9.000000 0.900000000000          9          10.00\n"
            "   10.000000 1.000000000000         10\n"
            "#[Mean    =     5.500000, StdDeviation   =     2.872281]\n"
            "#[Max     =    10.000000, Total count    =           10]\n"
            "#[Buckets =           58, SubBuckets     =          128]\n");
}

TEST(HistogramText, OfNothingIsStillReadable) {
  const std::string text = to_hgrm(Histogram(), 1e6);
  EXPECT_NE(text.find("Value"), std::string::npos);
  EXPECT_NE(text.find("Total count    =            0]"), std::string::npos) << text;
}

}  // namespace
}  // namespace ringway::client
