#include "client/histogram_text.h"

#include <fmt/format.h>

#include <cmath>

namespace ringway::client {
namespace {

constexpr int kTicksPerHalfDistance = 5;

double next_level(double level) noexcept {
  const double halvings = std::floor(std::log2(100.0 / (100.0 - level))) + 1;
  return level + 100.0 / (kTicksPerHalfDistance * std::exp2(halvings));
}

}  // namespace

std::string to_hgrm(const Histogram& histogram, double unit) {
  std::string out = fmt::format("{:>12} {:>14} {:>10} {:>14}\n\n", "Value", "Percentile",
                                "TotalCount", "1/(1-Percentile)");
  const auto total = static_cast<double>(histogram.count());
  uint64_t seen = 0;
  double level = 0;
  double squares = 0;
  const double mean = histogram.mean();
  histogram.for_each([&](int64_t value, uint64_t count) {
    const auto at = static_cast<double>(value);
    squares += (at - mean) * (at - mean) * static_cast<double>(count);
    seen += count;
    if (seen == histogram.count()) return;  // the last line is the maximum's
    while (100.0 * static_cast<double>(seen) / total >= level) {
      out += fmt::format("{:12.6f} {:2.12f} {:10} {:14.2f}\n", at / unit, level / 100, seen,
                         1 / (1 - level / 100));
      level = next_level(level);
    }
  });
  if (histogram.count() > 0) {
    out += fmt::format("{:12.6f} {:2.12f} {:10}\n", static_cast<double>(histogram.max()) / unit,
                       1.0, histogram.count());
  }
  const double deviation = total > 0 ? std::sqrt(squares / total) : 0;
  out += fmt::format("#[Mean    = {:12.6f}, StdDeviation   = {:12.6f}]\n", mean / unit,
                     deviation / unit);
  out += fmt::format("#[Max     = {:12.6f}, Total count    = {:12}]\n",
                     static_cast<double>(histogram.max()) / unit, histogram.count());
  out += fmt::format("#[Buckets = {:12}, SubBuckets     = {:12}]\n", Histogram::kPowers,
                     Histogram::kSubBuckets);
  return out;
}

}  // namespace ringway::client
