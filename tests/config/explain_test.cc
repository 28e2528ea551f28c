#include "config/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <sstream>

#include "config/key_notes.h"

namespace ringway::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

const Machine kMachine{.allowed_cores = {0, 1}, .open_files = 20'000, .crypto_kernel = "vaes"};

LoadOutcome load(std::string_view text) {
  LoadOutcome outcome = load_text(text, "f.yaml");
  EXPECT_THAT(outcome.errors, IsEmpty()) << text;
  return outcome;
}

std::string explained(std::string_view text) { return explain(load(text), kMachine); }

// The keys that other keys are below.
bool is_section(const std::vector<std::string>& keys, const std::string& key) {
  return std::any_of(keys.begin(), keys.end(),
                     [&](const std::string& other) { return other.starts_with(key + "."); });
}

TEST(KeyNotes, StandForEveryKeyThatHasAnEffect) {
  const std::vector<std::string> keys = known_keys();
  const LoadOutcome outcome = load("");
  std::map<std::string, bool> ignored;
  for (const KeyValue& known : outcome.values) ignored[known.key] = known.ignored;
  for (const std::string& key : keys) {
    if (ignored[key]) {
      EXPECT_EQ(key_note(key), nullptr) << key << " is explained and has no effect";
    } else if (!is_section(keys, key)) {
      EXPECT_NE(key_note(key), nullptr) << key << " has no note";
    }
  }
  for (const KeyNote& note : key_notes()) {
    EXPECT_EQ(std::count(keys.begin(), keys.end(), note.key), 1) << note.key << " is no key";
    EXPECT_EQ(std::count_if(key_notes().begin(), key_notes().end(),
                            [&](const KeyNote& other) { return other.key == note.key; }),
              1)
        << note.key << " has two notes";
    EXPECT_TRUE(note.text.ends_with('.')) << note.key;
  }
}

// The table "Keys per core, and what each trades".
TEST(KeyNotes, TuningKeysAreInTheTableOfTheDocs) {
  std::ifstream file(RINGWAY_DOCS_DIR "/PERFORMANCE.md");
  std::stringstream docs;
  docs << file.rdbuf();
  const std::string text = docs.str();
  for (const std::string& key : known_keys()) {
    const bool tuning = key.starts_with("Ringway.Workers.") || key.starts_with("Ringway.Grpc.") ||
                        key.starts_with("Ringway.Crypto.") || key.starts_with("Ringway.Session.");
    if (!tuning || key.starts_with("Ringway.Workers.PerCore")) continue;
    const std::string name = key.starts_with("Ringway.Workers.")
                                 ? key.substr(std::string_view("Ringway.Workers.").size())
                                 : key.substr(std::string_view("Ringway.").size());
    EXPECT_THAT(text, HasSubstr("\n| `" + name + "`")) << key;
  }
}

TEST(Explain, NamesEveryKeyOnceInAStableOrder) {
  const std::string none = explained("");
  const std::string some = explained("Ringway: {Limits: {FrameBytes: 1MiB}}\nName: x\n");
  size_t before_none = 0;
  size_t before_some = 0;
  const std::vector<std::string> keys = known_keys();
  for (const std::string& key : keys) {
    if (key_note(key) == nullptr) continue;
    const std::string begin = "\n" + key + ": ";
    const size_t at = none.find(begin);
    ASSERT_NE(at, std::string::npos) << key;
    EXPECT_EQ(none.find(begin, at + 1), std::string::npos) << key;
    EXPECT_GT(at, before_none) << key;
    EXPECT_GT(some.find(begin), before_some) << key;
    before_none = at;
    before_some = some.find(begin);
  }
  for (const KeyValue& known : load("").values) {
    if (!known.ignored) continue;
    EXPECT_THAT(none, HasSubstr(known.path)) << "without effect, and named";
  }
}

TEST(Explain, TellsWhereAValueComesFrom) {
  const std::string text = explained(
      "Ringway:\n"
      "  Workers:\n"
      "    RingEntries: 128\n"
      "    MaxConnections: auto\n"
      "  Limits: {FrameBytes: 8MiB, KeysPerConnection: 0}\n"
      "  Timeouts: {Idle: 0, Drain: 1500ms}\n");
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.RingEntries: 128 entries  [f.yaml:3]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.Buffers: 2048 buffers  [default]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Limits.InputBytesPerConnection: 8388608 bytes  [as large "
                              "as FrameBytes]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Limits.KeysPerConnection: no limit  [f.yaml:5]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Timeouts.Idle: no limit  [f.yaml:6]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Timeouts.Drain: 1500ms  [f.yaml:6]\n"));
  EXPECT_THAT(text, HasSubstr("\nGnetway.Server: tcp 127.0.0.1:10443  [default]\n"));
}

TEST(Explain, WorksOutWhatIsLeftToTheMachine) {
  const std::string text = explained("Ringway: {Workers: {MaxConnections: auto}}\n");
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.Count: 2 workers  [auto: one for each core that "
                              "this process may use (0-1)]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.MaxConnections: 9712 connections  [f.yaml:1, "
                              "auto: the limit of open files 20000, less 512 and 32 for each "
                              "worker, shared by 2]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.KeyCacheEntries: 10240 keys  [auto: "));
  EXPECT_THAT(text, HasSubstr("\nRingway.Grpc.Cores: any  [auto: no worker is pinned]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Crypto.Cores: any  [auto: 1 thread(s) on any core]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Crypto.Kernel: vaes  [auto: "));
  EXPECT_THAT(explained("MaxProc: 3\n"),
              HasSubstr("\nRingway.Workers.Count: 3 workers  [auto: MaxProc]\n"));
  const std::string pinned = explained("Ringway: {Workers: {Cores: 0}}\n");
  EXPECT_THAT(pinned, HasSubstr("\nRingway.Grpc.Cores: 1  [auto: those without a worker]\n"));
  EXPECT_THAT(explained("Ringway: {Workers: {Cores: 0-1}}\n"),
              HasSubstr("\nRingway.Grpc.Cores: any  [auto: no core is left by the workers]\n"));
}

// Relays to masks take files from the connections.
TEST(Explain, SetsFilesAsideForMasks) {
  const std::string listener =
      "  Listeners:\n"
      "    - Address: \":3\"\n"
      "      Mask: example.org:443\n";
  const std::string secrets =
      "      Secrets: [ee00112233445566778899aabbccddeeff6578616d706c652e636f6d]\n";
  const std::string limits = "Ringway:\n  Limits: {MaskConnections: 1000}\n";
  EXPECT_THAT(explained(limits + listener + secrets),
              HasSubstr("\nRingway.Workers.MaxConnections: 9212 connections  [auto: the limit of "
                        "open files 20000, less 512 and 32 for each worker and 1000 for relays to "
                        "masks, shared by 2]\n"));
  EXPECT_THAT(explained(limits + listener),
              HasSubstr("\nRingway.Workers.MaxConnections: 9712 connections"))
      << "a mask without ee secrets is none";
}

TEST(Explain, TellsWhatEachWorkerRunsWith) {
  const std::string text = explained(
      "Ringway:\n"
      "  Workers:\n"
      "    Cores: 0-1\n"
      "    PerCore:\n"
      "      - Core: 1\n"
      "        Buffers: 64\n"
      "        MaxConnections: auto\n");
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.PerCore[0].Core: 1  [f.yaml:5]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.PerCore[0].Buffers: 64 buffers  [f.yaml:6]\n"));
  EXPECT_THAT(text, HasSubstr("\nworker 0 on core 0: as above\n"));
  EXPECT_THAT(text, HasSubstr("\nworker 1 on core 1: Buffers=64 [f.yaml:6] MaxConnections=9712 "
                              "[f.yaml:7, auto: "));
}

TEST(Explain, KeepsSecretsAndNamesWhatHasNoEffect) {
  const LoadOutcome outcome = load(
      "Etcd: {Hosts: [\"a:1\"], User: u, Pass: hunter2}\n"
      "Auth: true\n"
      "Ringway: {Transports: {Secrets: [00112233445566778899aabbccddeeff]}}\n");
  const std::string text = explain(outcome, kMachine) + values_text(outcome);
  EXPECT_THAT(text, Not(HasSubstr("hunter2")));
  EXPECT_THAT(text, Not(HasSubstr("001122")));
  EXPECT_THAT(text, HasSubstr("\nRingway.Transports.Secrets: given, and not shown  [f.yaml:3]\n"));
  EXPECT_THAT(text, HasSubstr("in the file: Auth [f.yaml:2]\n"));
}

TEST(Explain, DescribesTheListeners) {
  const LoadOutcome outcome = load(
      "Gnetway: {Server: [{Addresses: [\":1\"]}, {Proto: http, Addresses: [\":2\"]}]}\n"
      "Ringway:\n"
      "  Listeners:\n"
      "    - Address: unix:/s\n"
      "      ProxyProtocol: {Require: true}\n"
      "    - Address: \":3\"\n"
      "      Proto: auto\n"
      "      Secrets: [00112233445566778899aabbccddeeff,\n"
      "                ee00112233445566778899aabbccddeeff6578616d706c652e636f6d]\n"
      "      Mask: example.org:443\n");
  const std::string text = explain(outcome, kMachine);
  EXPECT_THAT(text, HasSubstr("\nGnetway.Server: tcp :1, http :2  [f.yaml:1]\n"));
  EXPECT_THAT(text,
              HasSubstr("\nRingway.Listeners: tcp unix:/s (PROXY protocol), auto :3 (secrets, fake "
                        "TLS)  [f.yaml:3]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Listeners[0].ProxyProtocol.Require: true  [f.yaml:5]\n"));
  EXPECT_THAT(text,
              HasSubstr("\nRingway.Listeners[1].Secrets: given, and not shown  [f.yaml:8]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Listeners[1].Mask: example.org:443  [f.yaml:10]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Listeners.Tls.Cert: none  [in no entry]\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Listeners[0].Address: unix:/s  [f.yaml:4]\n"
                              "Ringway.Listeners[1].Address: :3  [f.yaml:6]\n    host:port"))
      << "what a key is for stands once, behind all entries";
  EXPECT_THAT(text + values_text(outcome), Not(HasSubstr("001122")));
  EXPECT_THAT(explained("Ringway: {Listeners: [{Address: \":3\"}]}\n"),
              testing::AllOf(HasSubstr("\nGnetway.Server: none  [Ringway.Listeners is there]\n"),
                             HasSubstr("\nRingway.Listeners: tcp :3  [f.yaml:1]\n")));
}

TEST(Explain, SaysWhatIsInherited) {
  const LoadOutcome outcome = load(
      "Etcd: {Hosts: [\"a:1\"], Key: g, User: u, Pass: hunter2}\n"
      "Session: {Etcd: {Key: s}}\n");
  const std::string text = explain(outcome, kMachine) + values_text(outcome);
  EXPECT_THAT(text, Not(HasSubstr("hunter2"))) << "nor where it is inherited";
  EXPECT_THAT(text, HasSubstr("\nSession.Etcd.Hosts: a:1  [from Etcd]\n"));
  EXPECT_THAT(text, HasSubstr("\nSession.Etcd.Key: s  [f.yaml:2]\n"));
  EXPECT_THAT(text, HasSubstr("\nSession.Etcd.Pass: given, and not shown  [from Etcd]\n"));
  EXPECT_THAT(text, HasSubstr("\nSession.Etcd.CertFile: none  [default]\n"));
}

TEST(Explain, FitsATerminal) {
  std::istringstream lines(explained(""));
  for (std::string line; std::getline(lines, line);) {
    EXPECT_LE(line.size(), line.starts_with("    ") ? 96U : 180U) << line;
  }
}

TEST(ValuesText, IsALineForEachKeyInEffect) {
  const std::string text = values_text(load("Ringway: {Crypto: {Kernel: aesni}}\n"));
  EXPECT_THAT(text, HasSubstr("Name: ringway\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Crypto.Kernel: aesni\n"));
  EXPECT_THAT(text, HasSubstr("\nRingway.Workers.SubmissionPoll: off\n"));
}

TEST(CheckCores, NamesTheLineAndTheKey) {
  EXPECT_THAT(check_cores(load(""), {0, 1}), IsEmpty());
  const LoadOutcome outcome = load(
      "Ringway:\n"
      "  Workers:\n"
      "    Cores: 0-2\n"
      "    SubmissionPoll: 5\n"
      "    PerCore: [{Core: 1, SubmissionPoll: 6}, {Core: 2}]\n"
      "  Crypto: {Cores: 7}\n"
      "  Grpc: {Cores: [1, 8]}\n");
  EXPECT_THAT(
      check_cores(outcome, {0, 1}),
      ElementsAre(
          "f.yaml:3: Ringway.Workers.Cores: core 2 is not there: this machine has 0-1",
          "f.yaml:4: Ringway.Workers.SubmissionPoll: core 5 is not there: this machine has 0-1",
          "f.yaml:5: Ringway.Workers.PerCore[0].SubmissionPoll: core 6 is not there: this machine "
          "has 0-1",
          "f.yaml:6: Ringway.Crypto.Cores: core 7 is not there: this machine has 0-1",
          "f.yaml:7: Ringway.Grpc.Cores: core 8 is not there: this machine has 0-1"));
}

TEST(PlaceOf, IsTheLineOrTheKeyAlone) {
  const LoadOutcome outcome = load("Ringway:\n  Crypto: {Kernel: vaes}\n");
  EXPECT_EQ(place_of(outcome, "Ringway.Crypto.Kernel"), "f.yaml:2: Ringway.Crypto.Kernel");
  EXPECT_EQ(place_of(outcome, "Ringway.Grpc.Cores"), "Ringway.Grpc.Cores");
}

}  // namespace
}  // namespace ringway::config
