#include "config/explain.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/key_notes.h"
#include "config/values.h"

namespace ringway::config {
namespace {

constexpr size_t kColumns = 96;
constexpr std::string_view kIndent = "    ";

bool is_number(std::string_view text) noexcept {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

// Whole words, in lines of kColumns.
void add_wrapped(std::string& out, std::string_view text) {
  size_t column = 0;
  while (!text.empty()) {
    const std::string_view word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(word.size() + 1, text.size()));
    if (column != 0 && column + 1 + word.size() <= kColumns) {
      out += ' ';
      ++column;
    } else {
      if (column != 0) out += '\n';
      out += kIndent;
      column = kIndent.size();
    }
    out += word;
    column += word.size();
  }
  out += '\n';
}

// What this machine makes of the keys that are left to it.
class Derived {
 public:
  Derived(const Config& config, const Machine& machine)
      : config_(config),
        machine_(machine),
        workers_(worker_count(config, machine.allowed_cores.size())) {}

  [[nodiscard]] uint32_t workers() const noexcept { return workers_; }

  // Changes value and origin of a key whose value is "auto" or its like.
  void apply(KeyValue& known) const {
    if (known.key == "Ringway.Workers.Count" && config_.workers.count == 0) {
      set(known, shown_count(workers_), why_count());
    } else if (known.key == "Ringway.Workers.MaxConnections" && known.value == "auto") {
      set(known, shown_count(auto_connections(config_, machine_.open_files, workers_)),
          why_connections());
    } else if (known.key == "Ringway.Workers.KeyCacheEntries" && known.value == "auto") {
      set(known, shown_count(auto_key_cache_entries(config_, workers_)), why_key_cache());
    } else if (known.key == "Ringway.Grpc.Cores" && config_.grpc.cores.empty()) {
      const std::vector<int> cores = grpc_cores(config_, machine_.allowed_cores);
      set(known, cores_text(cores), why_grpc(cores));
    } else if (known.key == "Ringway.Crypto.Cores" && config_.crypto.cores.empty()) {
      set(known, "any",
          fmt::format("auto: {} thread(s) on any core",
                      crypto_threads(config_, machine_.allowed_cores.size())));
    } else if (known.key == "Ringway.Crypto.Kernel" &&
               config_.crypto.kernel == CryptoKernel::kAuto) {
      set(known, machine_.crypto_kernel, "auto: the best that this processor runs");
    } else if (known.key == "Log.ServiceName" && config_.log.service.empty()) {
      set(known, config_.name, "Name");
    }
  }

 private:
  static std::string shown_count(uint64_t count) { return fmt::format("{}", count); }
  static void set(KeyValue& known, std::string value, std::string_view why) {
    known.value = std::move(value);
    // Where the file itself says auto, it is named too.
    known.why = known.in_file ? fmt::format("{}, {}", known.why, why) : std::string(why);
  }
  [[nodiscard]] std::string why_count() const {
    if (config_.max_proc != 0) return "auto: MaxProc";
    if (!config_.workers.cores.empty()) return "auto: one for each of Cores";
    return fmt::format("auto: one for each core that this process may use ({})",
                       cores_text(machine_.allowed_cores));
  }
  [[nodiscard]] std::string why_connections() const {
    const uint64_t masked = mask_files(config_, machine_.open_files);
    return fmt::format(
        "auto: the limit of open files {}, less {} and {} for each worker{}, shared by {}",
        machine_.open_files, kReservedFiles, kFilesPerWorker,
        masked == 0 ? "" : fmt::format(" and {} for relays to masks", masked), workers_);
  }
  [[nodiscard]] std::string why_key_cache() const {
    return fmt::format("auto: Gnetway.AuthKeyCacheM {} MiB in keys of {} bytes, shared by {}",
                       config_.auth_key_cache_bytes / (1024 * 1024), kKeyCacheEntryBytes, workers_);
  }
  [[nodiscard]] std::string why_grpc(const std::vector<int>& cores) const {
    if (config_.workers.cores.empty()) return "auto: no worker is pinned";
    return cores.empty() ? "auto: no core is left by the workers" : "auto: those without a worker";
  }

  const Config& config_;
  const Machine& machine_;
  const uint32_t workers_;
};

void add_key(std::string& out, const KeyValue& known, const KeyNote* note) {
  out += fmt::format("{}: {}", known.path, known.value);
  if (note != nullptr && !note->unit.empty() && is_number(known.value)) {
    out += fmt::format(" {}", note->unit);
  }
  out += fmt::format("  [{}]\n", known.why);
}

// What one worker runs with, where PerCore may say otherwise.
void add_worker(std::string& out, const LoadOutcome& outcome, const Derived& derived,
                uint32_t index) {
  const WorkerConfig worker = worker_config(outcome.config, index);
  const auto& per_core = outcome.config.workers.per_core;
  const int named = outcome.config.workers.cores.empty() ? static_cast<int>(index) : worker.core;
  const auto entry = std::find_if(per_core.begin(), per_core.end(),
                                  [named](const auto& override) { return override.core == named; });
  const std::string place = entry == per_core.end() ? std::string()
                                                    : fmt::format("Ringway.Workers.PerCore[{}].",
                                                                  entry - per_core.begin());
  out += fmt::format("worker {} on {}:", index,
                     worker.core == kAnyCore ? "any core" : fmt::format("core {}", worker.core));
  if (place.empty()) out += " as above";
  for (KeyValue known : outcome.values) {
    if (place.empty() || !known.path.starts_with(place) || known.path.ends_with(".Core")) continue;
    known.key = "Ringway.Workers." + known.path.substr(place.size());
    derived.apply(known);
    out += fmt::format(" {}={} [{}]", known.path.substr(place.size()), known.value, known.why);
  }
  out += '\n';
}

void add_without_effect(std::string& out, const LoadOutcome& outcome) {
  std::string names;
  std::string given;
  for (const KeyValue& known : outcome.values) {
    if (!known.ignored) continue;
    std::string& list = known.in_file ? given : names;
    list += fmt::format("{}{}", list.empty() ? "" : " ", known.path);
    if (known.in_file) list += fmt::format(" [{}]", known.why);
  }
  out += "\n# Known from gnetway and go-zero, without effect\n";
  add_wrapped(out, "in the file: " + (given.empty() ? "none" : given));
  add_wrapped(out, "not in the file: " + (names.empty() ? "none" : names));
}

std::string_view group_of(std::string_view key) noexcept {
  const size_t first = key.find('.');
  if (first == std::string_view::npos) return "The service";
  const std::string_view top = key.substr(0, first);
  if (top == "RSAKey") return "The service";
  if (top != "Ringway") return top;
  return key.substr(0, key.find('.', first + 1));
}

const KeyValue* find(const LoadOutcome& outcome, std::string_view path) noexcept {
  const auto found = std::find_if(outcome.values.begin(), outcome.values.end(),
                                  [path](const KeyValue& known) { return known.path == path; });
  return found == outcome.values.end() ? nullptr : &*found;
}

}  // namespace

std::string explain(const LoadOutcome& outcome, const Machine& machine) {
  const Derived derived(outcome.config, machine);
  std::string out = "# Every key: its value in effect  [where it comes from], and what it trades\n";
  std::string_view group;
  for (const std::string& key : known_keys()) {
    const KeyNote* note = key_note(key);
    if (note == nullptr) continue;
    if (group_of(note->key) != group) {
      group = group_of(note->key);
      out += fmt::format("\n# {}\n", group);
    }
    bool told = false;
    for (KeyValue known : outcome.values) {
      if (known.key != key || known.ignored) continue;
      derived.apply(known);
      add_key(out, known, note);
      told = true;
    }
    // A key of list entries that no entry has.
    if (!told) add_key(out, {key, key, "none", "in no entry"}, note);
    // Once for all entries of a list; those of PerCore share the notes of Workers, which stand
    // above.
    if (note->key == key) add_wrapped(out, note->text);
  }
  out += "\n# Each worker\n";
  for (uint32_t i = 0; i < derived.workers(); ++i) add_worker(out, outcome, derived, i);
  add_without_effect(out, outcome);
  return out;
}

std::string values_text(const LoadOutcome& outcome) {
  std::string out;
  for (const KeyValue& known : outcome.values) {
    if (!known.ignored) out += fmt::format("{}: {}\n", known.path, known.value);
  }
  return out;
}

std::string place_of(const LoadOutcome& outcome, std::string_view key) {
  const KeyValue* known = find(outcome, key);
  if (known == nullptr || !known->in_file) return std::string(key);
  return fmt::format("{}: {}", known->why, key);
}

std::vector<std::string> check_cores(const LoadOutcome& outcome, const std::vector<int>& online) {
  std::vector<std::string> errors;
  const auto check = [&](const std::string& path, const std::vector<int>& cores) {
    for (const int core : cores) {
      if (std::find(online.begin(), online.end(), core) != online.end()) continue;
      errors.push_back(fmt::format("{}: core {} is not there: this machine has {}",
                                   place_of(outcome, path), core, cores_text(online)));
    }
  };
  const auto polling = [](const WorkerSettings& settings) {
    return settings.submission_poll >= 0 ? std::vector<int>{settings.submission_poll}
                                         : std::vector<int>{};
  };
  const Config& config = outcome.config;
  check("Ringway.Workers.Cores", config.workers.cores);
  check("Ringway.Workers.SubmissionPoll", polling(config.workers.settings));
  for (size_t i = 0; i < config.workers.per_core.size(); ++i) {
    const std::string path = fmt::format("Ringway.Workers.PerCore[{}].SubmissionPoll", i);
    if (find(outcome, path) != nullptr) check(path, polling(config.workers.per_core[i].settings));
  }
  check("Ringway.Crypto.Cores", config.crypto.cores);
  check("Ringway.Grpc.Cores", config.grpc.cores);
  return errors;
}

}  // namespace ringway::config
