// Drives a fuzz harness without libFuzzer: every file of the given directories once, then seeded
// mutations of them.
//
//     x_fuzz [--runs N] [--seed S] FILE_OR_DIRECTORY...
//
// It finds less than coverage-guided fuzzing does; it is there so that every build runs every
// harness. The input at which a harness fails is written to ./crash-SEED-RUN, to be run again by
// naming it.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
// Present in sanitizer builds only.
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Input = std::vector<uint8_t>;
using Random = std::mt19937_64;

constexpr size_t kInputBytesMax = 64 * 1024;
constexpr int kMutationsMax = 5;

// The input under way, where the death handlers find it.
const Input* current_input = nullptr;
char crash_path[128];

void save_current_input() {
  const Input* input = current_input;
  if (input == nullptr) return;
  current_input = nullptr;  // once
  const int file = open(crash_path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0644);
  if (file < 0) return;
  if (write(file, input->data(), input->size()) != static_cast<ssize_t>(input->size())) {
    // Nothing to be done about it while dying.
  }
  close(file);
  constexpr std::string_view kNotice = "failing input saved as ";
  (void)!write(STDERR_FILENO, kNotice.data(), kNotice.size());
  (void)!write(STDERR_FILENO, crash_path, std::char_traits<char>::length(crash_path));
  (void)!write(STDERR_FILENO, "\n", 1);
}

void on_signal(int signal) {
  save_current_input();
  std::signal(signal, SIG_DFL);
  std::raise(signal);
}

void run(const Input& input, uint64_t seed, uint64_t number) {
  std::snprintf(crash_path, sizeof crash_path, "crash-%llu-%llu",
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(number));
  // A copy of exactly this size, so that AddressSanitizer sees a read behind its end.
  const Input exact(input.begin(), input.end());
  current_input = &exact;
  LLVMFuzzerTestOneInput(exact.data(), exact.size());
  current_input = nullptr;
}

size_t place(const Input& input, Random& random) {
  return input.empty() ? 0 : random() % input.size();
}

void put_number(Input& input, Random& random) {
  constexpr uint32_t kNumbers[] = {0,      1,      3,          4,          0x7e,       0x7f,
                                   0x80,   0xfe,   0xff,       0x100,      0xffff,     0xffffff,
                                   0x1000, 0x8000, 0x7fffffff, 0x80000000, 0xfffffffc, 0xffffffff};
  uint32_t value = kNumbers[random() % std::size(kNumbers)];
  if (random() % 4 == 0) value = static_cast<uint32_t>(input.size() + random() % 33 - 16);
  const size_t begin = place(input, random);
  const size_t width = size_t{1} << random() % 3;
  for (size_t i = 0; i < width && begin + i < input.size(); ++i) {
    input[begin + i] = static_cast<uint8_t>(value >> 8 * i);
  }
}

void insert_range(Input& input, const Input& from, Random& random) {
  if (from.empty()) return;
  const size_t begin = random() % from.size();
  const size_t bytes = 1 + random() % std::min<size_t>(from.size() - begin, 256);
  const Input range(from.begin() + static_cast<ptrdiff_t>(begin),
                    from.begin() + static_cast<ptrdiff_t>(begin + bytes));
  input.insert(input.begin() + static_cast<ptrdiff_t>(place(input, random)), range.begin(),
               range.end());
}

void erase_range(Input& input, Random& random) {
  if (input.empty()) return;
  const size_t begin = place(input, random);
  const size_t bytes = 1 + random() % std::min<size_t>(input.size() - begin, 64);
  input.erase(input.begin() + static_cast<ptrdiff_t>(begin),
              input.begin() + static_cast<ptrdiff_t>(begin + bytes));
}

void mutate(Input& input, const std::vector<Input>& corpus, Random& random) {
  for (int left = 1 + static_cast<int>(random() % kMutationsMax); left > 0; --left) {
    const size_t at = place(input, random);
    switch (random() % 8) {
      case 0:
        if (!input.empty()) input[at] = static_cast<uint8_t>(input[at] ^ 1u << random() % 8);
        break;
      case 1:
        if (!input.empty()) input[at] = static_cast<uint8_t>(random());
        break;
      case 2:
        put_number(input, random);
        break;
      case 3:
        erase_range(input, random);
        break;
      case 4:
        insert_range(input, Input(input), random);
        break;
      case 5:
        insert_range(input, corpus[random() % corpus.size()], random);
        break;
      case 6:
        input.resize(at);
        break;
      default:
        // The first bytes choose what a harness does.
        if (!input.empty())
          input[random() % std::min<size_t>(input.size(), 4)] = static_cast<uint8_t>(random());
    }
    if (input.size() > kInputBytesMax) input.resize(kInputBytesMax);
  }
}

bool load(const std::filesystem::path& path, std::vector<std::filesystem::path>& files) {
  std::error_code error;
  if (std::filesystem::is_regular_file(path, error)) {
    files.push_back(path);
    return true;
  }
  if (!std::filesystem::is_directory(path, error)) return false;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  return true;
}

bool parse(const char* text, uint64_t& value) {
  const std::string_view view(text);
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  return error == std::errc() && end == view.data() + view.size();
}

int usage(const char* program) {
  std::fprintf(stderr, "usage: %s [--runs N] [--seed S] FILE_OR_DIRECTORY...\n", program);
  return 2;
}

}  // namespace

int main(int argc, char** argv) {
  uint64_t runs = 0;
  uint64_t seed = 1;
  std::vector<std::filesystem::path> files;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument(argv[i]);
    if (argument == "--runs" || argument == "--seed") {
      uint64_t& value = argument == "--runs" ? runs : seed;
      if (i + 1 == argc || !parse(argv[++i], value)) return usage(argv[0]);
    } else if (!load(argument, files)) {
      std::fprintf(stderr, "%s: neither a file nor a directory\n", argv[i]);
      return 2;
    }
  }
  if (files.empty()) return usage(argv[0]);
  std::sort(files.begin(), files.end());  // the same order everywhere: a seed must mean the same

  std::signal(SIGABRT, on_signal);
  std::signal(SIGSEGV, on_signal);
  if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(save_current_input);

  std::vector<Input> corpus;
  for (const auto& path : files) {
    std::ifstream file(path, std::ios::binary);
    corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    if (file.bad()) {
      std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
      return 2;
    }
    run(corpus.back(), 0, corpus.size());
  }
  Random random(seed);
  for (uint64_t number = 0; number < runs; ++number) {
    Input input = corpus[random() % corpus.size()];
    mutate(input, corpus, random);
    run(input, seed, number);
  }
  std::printf("%zu files, %llu mutations with seed %llu: nothing found\n", corpus.size(),
              static_cast<unsigned long long>(runs), static_cast<unsigned long long>(seed));
  return 0;
}
