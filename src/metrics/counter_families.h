// metrics/counter_families: how the counters of base/counters.h are shown.
//
// A family has a name, a help text and, where it joins several counters, a label that tells them
// apart. Names follow Prometheus: base units, the unit and then _total at the end.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/counters.h"

namespace ringway::metrics {

struct CounterFamily {
  struct Series {
    Counter counter;
    std::string_view label_value = {};
  };
  std::string name;
  std::string help;
  std::string_view label;  // empty: one counter
  std::vector<Series> series;
  bool of_process = false;  // counted beside the workers: one series, without their label
};

// Every counter stands in exactly one family. One that nobody has described here yet is shown under
// its own name.
[[nodiscard]] const std::vector<CounterFamily>& counter_families();

// The counters that are described, for the test that none is forgotten.
[[nodiscard]] std::vector<Counter> described_counters();

}  // namespace ringway::metrics
