#include "config/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <set>

namespace ringway::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

LoadOutcome load(std::string_view text) { return load_text(text, "f.yaml"); }

// The values of a text that must load.
Config good(std::string_view text) {
  LoadOutcome outcome = load(text);
  EXPECT_THAT(outcome.errors, IsEmpty()) << text;
  return outcome.config;
}

// The one error of a text that has one.
std::string bad(std::string_view text) {
  const LoadOutcome outcome = load(text);
  EXPECT_THAT(outcome.errors, SizeIs(1)) << text;
  return outcome.errors.empty() ? "" : outcome.errors[0];
}

TEST(Loader, AnEmptyFileIsTheDefaults) {
  EXPECT_EQ(good(""), defaults());
  EXPECT_EQ(good("# nothing\n"), defaults());
  EXPECT_EQ(good("---\n"), defaults());
  EXPECT_EQ(good("Ringway:\n  Workers:\n    Count:\n"), defaults());
}

TEST(Loader, MatchesKeysWithoutRegardToCase) {
  const Config config =
      good("RINGWAY:\n  workers: {cOuNt: 3}\nname: x\nGNETWAY: {sendbuf: 4KiB}\n");
  EXPECT_EQ(config.workers.count, 3U);
  EXPECT_EQ(config.name, "x");
  EXPECT_EQ(config.send_buf, 4096U);
}

TEST(Loader, NamesTheNearestKeyOfTheSection) {
  EXPECT_EQ(bad("Name: x\nRingway:\n  Workers:\n    Cout: 3\n"),
            "f.yaml:4: unknown key \"Cout\" in section Ringway.Workers (did you mean \"Count\"?)");
  EXPECT_EQ(bad("Nam: x\n"),
            "f.yaml:1: unknown key \"Nam\" in the top level (did you mean \"Name\"?)");
  EXPECT_EQ(bad("Gnetway:\n  Server:\n    - Adresses: [\":1\"]\n      Addresses: [\":2\"]\n"),
            "f.yaml:3: unknown key \"Adresses\" in section Gnetway.Server (did you mean "
            "\"Addresses\"?)");
  EXPECT_EQ(bad("Prometheus: {Hots: x}\n"),
            "f.yaml:1: unknown key \"Hots\" in section Prometheus (did you mean \"Host\"?)");
}

TEST(Loader, TellsWhereAMisplacedKeyBelongs) {
  EXPECT_EQ(bad("Ringway:\n  FrameBytes: 65536\n"),
            "f.yaml:2: unknown key \"FrameBytes\" in section Ringway (it belongs in section "
            "Ringway.Limits)");
  EXPECT_EQ(bad("Gnetway: {MaxProc: 2}\n"),
            "f.yaml:1: unknown key \"MaxProc\" in section Gnetway (it belongs in the top level)");
}

TEST(Loader, TellsWhatIsExpected) {
  EXPECT_EQ(bad("\nMaxProc: many\n"),
            "f.yaml:2: MaxProc: expected a number from 0 to 256, found \"many\"");
  EXPECT_EQ(bad("ListenOn: somewhere\n"),
            "f.yaml:1: ListenOn: expected host:port, found \"somewhere\"");
  EXPECT_EQ(bad("Ringway: {Workers: {Count: 0}}\n"),
            "f.yaml:1: Ringway.Workers.Count: expected \"auto\" or a number from 1 to 256, found "
            "\"0\"");
  EXPECT_EQ(bad("Log: {Level: loud}\n"),
            "f.yaml:1: Log.Level: expected one of debug info warning error severe, found \"loud\"");
  EXPECT_EQ(bad("Ringway: 5\n"), "f.yaml:1: Ringway: expected a section with keys, found \"5\"");
  EXPECT_EQ(bad("Name: [a]\n"), "f.yaml:1: Name: expected one value, found a list");
  EXPECT_EQ(bad("Session: {Endpoints: x}\n"),
            "f.yaml:1: Session.Endpoints: expected a list, found \"x\"");
  EXPECT_EQ(bad("Gnetway: {Server: {Proto: tcp}}\n"),
            "f.yaml:1: Gnetway.Server: expected a list, found a section");
}

TEST(Loader, ReportsEverythingInTheOrderOfLines) {
  const LoadOutcome outcome = load(
      "Ringway:\n"
      "  Limits: {FrameBytes: 1}\n"
      "  Timeouts: {Idle: soon}\n"
      "Bogus: 1\n"
      "MaxProc: -1\n");
  ASSERT_THAT(outcome.errors, SizeIs(4));
  EXPECT_THAT(outcome.errors[0], HasSubstr("f.yaml:2: Ringway.Limits.FrameBytes"));
  EXPECT_THAT(outcome.errors[1], HasSubstr("f.yaml:3: Ringway.Timeouts.Idle"));
  EXPECT_THAT(outcome.errors[2], HasSubstr("f.yaml:4: unknown key \"Bogus\""));
  EXPECT_THAT(outcome.errors[3], HasSubstr("f.yaml:5: MaxProc"));
}

TEST(Loader, RefusesWhatIsNotOneYamlMap) {
  EXPECT_THAT(bad("a: [1\n"), HasSubstr("not YAML"));
  EXPECT_THAT(bad("- a\n"), HasSubstr("f.yaml:1: the file: expected a section with keys"));
  EXPECT_THAT(bad("Name: a\n---\nName: b\n"), HasSubstr("f.yaml:2: expected one YAML document"));
  EXPECT_THAT(bad(","), HasSubstr("f.yaml:1: expected one YAML document"));
  EXPECT_EQ(good("---\nName: a\n...\n").name, "a");
  EXPECT_THAT(bad("Name: a\nNAME: b\n"), HasSubstr("f.yaml:2: key \"NAME\" stands twice"));
  EXPECT_THAT(bad(std::string(kConfigFileBytesMax + 1, '\n')), HasSubstr("larger than"));
}

TEST(Loader, MergesMapsAsYamlDoes) {
  const Config config = good(
      "Etcd: &e {Hosts: [\"a:1\"], Key: top}\n"
      "Session:\n"
      "  Etcd: {<<: *e, Key: sessions}\n");
  EXPECT_THAT(config.session.etcd.hosts, ElementsAre("a:1"));
  EXPECT_EQ(config.session.etcd.key, "sessions");
}

TEST(Loader, SaysWhyAFileCannotBeRead) {
  EXPECT_THAT(
      load_file("/nonexistent/ringway.yaml").errors,
      ElementsAre("/nonexistent/ringway.yaml: cannot be opened: No such file or directory"));
  EXPECT_THAT(load_file("/").errors, ElementsAre(HasSubstr("Is a directory")));
}

TEST(Loader, ReadsAFile) {
  char path[] = "/tmp/ringway-config-XXXXXX";
  const int fd = mkstemp(path);
  ASSERT_GE(fd, 0);
  close(fd);
  std::ofstream(path) << "Name: from-file\n";
  const LoadOutcome outcome = load_file(path);
  unlink(path);
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_EQ(outcome.config.name, "from-file");
}

TEST(RsaKeys, ComeFromTheListOrElseFromTheSingleForm) {
  EXPECT_THAT(good("KeyFile: a.key\nKeyFingerprint: 5\n").rsa_keys,
              ElementsAre(RsaKey{"a.key", 5}));
  EXPECT_THAT(good("KeyFile: a.key\n").rsa_keys, ElementsAre(RsaKey{"a.key", {}}));
  const Config both =
      good("RSAKey: [{KeyFile: b.key}, {KeyFile: c.key, KeyFingerprint: \"-1\"}]\nKeyFile: a\n");
  EXPECT_THAT(both.rsa_keys, ElementsAre(RsaKey{"b.key", {}}, RsaKey{"c.key", -1}));
  EXPECT_THAT(both.without_effect, ElementsAre("KeyFile (RSAKey is there)"));
  EXPECT_THAT(good("RSAKey: []\nKeyFile: a\n").rsa_keys, ElementsAre(RsaKey{"a", {}}));
  EXPECT_THAT(bad("RSAKey: [{KeyFingerprint: 1}]\n"),
              HasSubstr("RSAKey.KeyFile: expected the path"));
  EXPECT_THAT(bad("KeyFingerprint: 1\n"), HasSubstr("expected KeyFile or RSAKey beside it"));
  EXPECT_THAT(bad("KeyFile: a\nKeyFingerprint: x\n"),
              HasSubstr("f.yaml:2: KeyFingerprint: expected the 64-bit"));
}

TEST(RsaKeys, AreBoundedInNumber) {
  std::string text = "RSAKey:\n";
  for (size_t i = 0; i <= kServerKeysMax; ++i) text += "  - KeyFile: k\n";
  EXPECT_THAT(bad(text), HasSubstr("expected at most 64 keys"));
}

TEST(Session, HasTheShapesOfGoZero) {
  EXPECT_THAT(
      good("Session: {Endpoints: [\"a:1\", \"[::1]:2\"], Timeout: 5000}\n").session.endpoints,
      ElementsAre("a:1", "[::1]:2"));
  const Config target = good("Session: {Target: \"dns:///s:1\"}\n");
  EXPECT_THAT(target.session.endpoints, IsEmpty())
      << "the default is for files without the section";
  EXPECT_EQ(target.session.target, "dns:///s:1");
  const Config both = good("Session: {Endpoints: [\"a:1\"], Target: b}\n");
  EXPECT_THAT(both.without_effect, ElementsAre("Session.Target (Endpoints is there)"));
  EXPECT_THAT(bad("Session: {Endpoints: [\":1\"]}\n"),
              HasSubstr("Session.Endpoints: expected host:port"));
  EXPECT_THAT(bad("Session: {Endpoints: [\"a:0\"]}\n"), HasSubstr("expected host:port"));
  EXPECT_THAT(bad("Session: {Timeout: 0}\n"), HasSubstr("a number from 1 to 600000"));
}

TEST(Session, KnowsTheWiresAndHowLongToWaitForAShard) {
  const Config config = good("Ringway: {Session: {Wire: stream, NoShardTimeout: 2m}}\n");
  EXPECT_EQ(config.session.wire, WireKind::kStream);
  EXPECT_EQ(config.session.no_shard_timeout_ns, 120 * kNsPerSecond);
  EXPECT_EQ(good("UseStreamSession: false\n").session.wire, WireKind::kAuto);
  EXPECT_EQ(good("Ringway: {Session: {NoShardTimeout: 0}}\n").session.no_shard_timeout_ns,
            kNoTimeoutNs);
  EXPECT_THAT(bad("Ringway: {Session: {Wire: http}}\n"),
              HasSubstr("Ringway.Session.Wire: expected one of auto batch stream unary"));
}

TEST(EtcdKeys, SessionInheritsWhatItLeavesOut) {
  const Config config = good(
      "Etcd: {Hosts: [\"e:2379\"], Key: gw, ID: 7, User: u, Pass: p, InsecureSkipVerify: true,\n"
      "       CertFile: /dev/null, CertKeyFile: /dev/null, CACertFile: /dev/null}\n"
      "Session: {Etcd: {Key: s}}\n");
  EXPECT_THAT(config.etcd.hosts, ElementsAre("e:2379"));
  EXPECT_EQ(config.etcd.key, "gw");
  EXPECT_EQ(config.etcd.id, 7);
  const Etcd& session = config.session.etcd;
  EXPECT_THAT(session.hosts, ElementsAre("e:2379"));
  EXPECT_EQ(session.key, "s");
  EXPECT_EQ(session.id, 0);
  EXPECT_EQ(session.user, "u");
  EXPECT_EQ(session.password, "p");
  EXPECT_EQ(session.cert_file, "/dev/null");
  EXPECT_EQ(session.cert_key_file, "/dev/null");
  EXPECT_EQ(session.ca_cert_file, "/dev/null");
  EXPECT_TRUE(session.insecure_skip_verify);
  EXPECT_TRUE(session.tls);
  // What it has of its own counts.
  const Config own = good(
      "Etcd: {Hosts: [\"https://e:1\"], Key: gw, User: u, Pass: p}\n"
      "Session: {Etcd: {Hosts: [\"f:2\", \"http://[::1]:3\"], Key: s/, User: v, Pass: q}}\n");
  EXPECT_TRUE(own.etcd.tls);
  EXPECT_THAT(own.etcd.hosts, ElementsAre("e:1"));
  EXPECT_THAT(own.session.etcd.hosts, ElementsAre("f:2", "[::1]:3"));
  EXPECT_FALSE(own.session.etcd.tls);
  EXPECT_EQ(own.session.etcd.user, "v");
  EXPECT_EQ(own.session.etcd.password, "q");
  EXPECT_EQ(own.session.etcd.key, "s") << "the slash is ours";
}

TEST(EtcdKeys, OthersWinOverEtcd) {
  const Config config =
      good("Etcd: {Hosts: [\"e:1\"], Key: gw}\nSession: {Endpoints: [\"a:1\"], Etcd: {Key: s}}\n");
  EXPECT_THAT(config.session.etcd.hosts, IsEmpty());
  EXPECT_THAT(config.without_effect, ElementsAre("Session.Etcd (Endpoints or Target is there)"));
  EXPECT_THAT(config.etcd.hosts, ElementsAre("e:1")) << "it registers all the same";
}

TEST(EtcdKeys, SayWhatIsMissingAndWhere) {
  EXPECT_THAT(bad("Name: a\nEtcd: {Key: gw}\n"),
              HasSubstr("f.yaml:2: Etcd.Hosts: expected a list of host:port"));
  EXPECT_THAT(bad("Session:\n  Etcd: {Key: s}\n"), HasSubstr("f.yaml:2: Session.Etcd.Hosts"));
  EXPECT_THAT(bad("Session:\n  Etcd: {Hosts: [\"e:1\"]}\n"),
              HasSubstr("f.yaml:2: Session.Etcd.Key: expected the key of the session service"));
  EXPECT_THAT(bad("Etcd:\n  Hosts: [\"nowhere\"]\n  Key: gw\n"),
              HasSubstr("f.yaml:2: Etcd.Hosts: expected host:port, found \"nowhere\""));
  EXPECT_THAT(bad("Etcd: {Hosts: [], Key: gw}\n"), HasSubstr("Etcd.Hosts: expected 1 to 64 hosts"));
  // Only a file's own load looks for other files.
  const std::string path = ::testing::TempDir() + "etcd_keys_test.yaml";
  std::ofstream(path)
      << "Etcd:\n  Hosts: [\"e:1\"]\n  Key: gw\n  CACertFile: /nonexistent/ca.pem\n";
  EXPECT_THAT(load_file(path).errors,
              ElementsAre(path + ":4: Etcd.CACertFile: cannot read /nonexistent/ca.pem: "
                                 "No such file or directory"));
  EXPECT_THAT(bad("Etcd: {Hosts: [\"e:1\"], Key: gw, CertFile: /dev/null}\n"),
              HasSubstr("Etcd.CertKeyFile: expected it too"));
  EXPECT_THAT(bad("Etcd: {Hosts: [\"e:1\"], Key: gw, ID: minus}\n"), HasSubstr("Etcd.ID"));
  const auto warns = [](std::string_view text) {
    const LoadOutcome outcome = load_text(text, "f.yaml");
    EXPECT_THAT(outcome.errors, IsEmpty());
    return outcome.warnings.empty() ? std::string() : outcome.warnings.front();
  };
  EXPECT_THAT(warns("Etcd: {Hosts: [\"e:1\"]}\n"), HasSubstr("does not register"));
  EXPECT_THAT(warns("Etcd: {Hosts: [\"e:1\"], Key: g, User: u}\n"), HasSubstr("no log-in"));
  EXPECT_THAT(warns("Etcd: {Hosts: [\"e:1\"], Key: g, InsecureSkipVerify: true}\n"),
              HasSubstr("without TLS"));
}

TEST(Log, KnowsTheModesLevelsAndEncodings) {
  const Config config = good("Log: {Mode: volume, Level: severe, Encoding: JSON, Path: /l}\n");
  EXPECT_EQ(config.log.mode, LogMode::kVolume);
  EXPECT_EQ(config.log.level, LogLevel::kError);
  EXPECT_TRUE(config.log.json);
  EXPECT_EQ(good("Log: {Mode: console}\n").log.mode, LogMode::kConsole);
  EXPECT_THAT(good("Log: {TimeFormat: x, FieldKeys: {LevelKey: l}}\n").without_effect,
              ElementsAre("Log.TimeFormat", "Log.FieldKeys"));
}

TEST(Log, KnowsWhenFilesAreSetAside) {
  const Config config = good(
      "Log: {Stat: false, Rotation: size, MaxSize: 100, MaxBackups: 5, KeepDays: 3, "
      "Compress: true, MaxContentLength: 2000}\n");
  EXPECT_THAT(config.without_effect, IsEmpty());
  EXPECT_FALSE(config.log.stat);
  const LogOptions options = log_options(config);
  EXPECT_TRUE(options.rotation.by_size);
  EXPECT_EQ(options.rotation.size_max_bytes, 100U << 20);
  EXPECT_EQ(options.rotation.backups_max, 5U);
  EXPECT_EQ(options.rotation.keep_days, 3U);
  EXPECT_TRUE(options.rotation.compress);
  EXPECT_EQ(options.content_bytes_max, 2000U);
  EXPECT_THAT(bad("Log: {Rotation: weekly}\n"), HasSubstr("one of daily size"));
  EXPECT_THAT(bad("Log: {MaxSize: -1}\n"), HasSubstr("a number from 0 to"));
}

TEST(Prometheus, IsOffWithoutAHostOrAPort) {
  EXPECT_FALSE(good("").prometheus.enabled());
  EXPECT_FALSE(good("Prometheus: {Port: 9000}\n").prometheus.enabled());
  EXPECT_FALSE(good("Prometheus: {Host: 10.0.0.1, Port: 0}\n").prometheus.enabled());
  const Config config = good("Name: x\nPrometheus:\n  Host: 10.0.0.1\n");
  EXPECT_TRUE(config.prometheus.enabled());
  EXPECT_EQ(config.prometheus.port, 9101);
  EXPECT_EQ(config.prometheus.path, "/metrics");
}

TEST(Prometheus, ChecksPortAndPath) {
  EXPECT_THAT(bad("Prometheus: {Host: h, Port: 65536}\n"), HasSubstr("a number from 0 to 65535"));
  for (const char* path :
       {"metrics", "/healthz", "/readyz", "'/a b'", "'/a?b'", "'/a#b'", "'/%41'"}) {
    EXPECT_THAT(bad(fmt::format("Prometheus: {{Path: {}}}\n", path)),
                HasSubstr("Prometheus.Path: expected a path that begins with /"));
  }
  EXPECT_EQ(good("Prometheus: {Path: /m/x}\n").prometheus.path, "/m/x");
}

TEST(Workers, AreReadAndChecked) {
  const Config config = good(
      "Ringway:\n"
      "  Workers:\n"
      "    Count: 2\n"
      "    Cores: 0-3,8\n"
      "    RingEntries: 1024\n"
      "    Buffers: 256\n"
      "    BufferBytes: 8KiB\n"
      "    MaxConnections: 1000\n"
      "    PerCore:\n"
      "      - {Core: 8, MaxConnections: 50000, RingEntries: 64, Buffers: 32}\n");
  const Workers& workers = config.workers;
  EXPECT_EQ(workers.count, 2U);
  EXPECT_THAT(workers.cores, ElementsAre(0, 1, 2, 3, 8));
  WorkerSettings expected{
      .ring_entries = 1024, .buffers = 256, .buffer_bytes = 8192, .max_connections = 1000};
  EXPECT_EQ(workers.settings, expected);
  EXPECT_EQ(worker_config(config, 3), (WorkerConfig{3, expected}));
  expected.ring_entries = 64;
  expected.buffers = 32;
  expected.max_connections = 50000;
  EXPECT_EQ(worker_config(config, 4), (WorkerConfig{8, expected}))
      << "what an entry leaves out comes from Workers";

  EXPECT_THAT(bad("Ringway: {Workers: {Buffers: 100}}\n"),
              HasSubstr("expected a power of two, found 100"));
  EXPECT_THAT(bad("Ringway: {Workers: {PerCore: [{Core: 1, Buffers: 100}]}}\n"),
              HasSubstr("expected a power of two, found 100"));
  EXPECT_THAT(bad("Ringway: {Workers: {Cores: 3-1}}\n"),
              HasSubstr("expected none or core numbers"));
  EXPECT_THAT(bad("Ringway: {Workers: {PerCore: [{Buffers: 64}]}}\n"),
              HasSubstr("expected the key Core"));
  EXPECT_THAT(bad("Ringway: {Workers: {PerCore: [{Core: 1}, {Core: 1}]}}\n"),
              HasSubstr("core 1 stands twice"));
  EXPECT_THAT(bad("Ringway: {Workers: {Cores: 0-1, PerCore: [{Core: 2}]}}\n"),
              HasSubstr("core 2 is not one of Cores"));
}

TEST(Workers, MayDifferInEveryKeyOfTheirTuning) {
  constexpr std::string_view kKeys =
      "KeyCacheEntries: 5000, TurnCompletions: 512, BatchMessages: 64, BatchBytes: 32KiB, "
      "BatchesPerTurn: 2, WindowMessages: 1024, WindowBytes: 1MiB, BusyPollMicroseconds: 30, "
      "SubmissionPoll: 3, SubmissionPollIdleMilliseconds: 7";
  WorkerSettings expected;
  expected.key_cache_entries = 5000;
  expected.turn_completions = 512;
  expected.batch_messages = 64;
  expected.batch_bytes = 32 * 1024;
  expected.batches_per_turn = 2;
  expected.window_messages = 1024;
  expected.window_bytes = 1024 * 1024;
  expected.busy_poll_us = 30;
  expected.submission_poll = 3;
  expected.submission_poll_idle_ms = 7;
  const Config all = good(fmt::format("Ringway: {{Workers: {{{}}}}}\n", kKeys));
  EXPECT_EQ(all.workers.settings, expected);
  EXPECT_EQ(worker_config(all, 1).settings, expected);
  const Config one =
      good(fmt::format("Ringway: {{Workers: {{PerCore: [{{Core: 1, {}}}]}}}}\n", kKeys));
  EXPECT_EQ(worker_config(one, 0).settings, WorkerSettings{});
  EXPECT_EQ(worker_config(one, 1).settings, expected);
}

TEST(Workers, SayWhatIsOutOfBounds) {
  const std::pair<const char*, const char*> cases[] = {
      {"KeyCacheEntries: 0", "expected \"auto\" or a number from 1 to 67108864"},
      {"TurnCompletions: 1", "expected a number from 16 to 65536"},
      {"BatchMessages: 0", "expected a number from 1 to 4096"},
      {"BatchBytes: 2MiB", "expected a size from 4096 to 1048576 bytes"},
      {"BatchesPerTurn: 65", "expected a number from 1 to 64"},
      {"WindowMessages: 63", "expected a number from 64 to 1048576"},
      {"WindowBytes: 64KiB", "expected a size from 131072 to 1073741824 bytes"},
      {"BusyPollMicroseconds: 10001", "expected a number from 0 to 10000"},
      {"SubmissionPoll: on", "expected off, any or the number of a core up to 4095, found \"on\""},
      {"SubmissionPollIdleMilliseconds: 0", "expected a number from 1 to 60000"}};
  for (const auto& [key, expected] : cases) {
    EXPECT_THAT(bad(fmt::format("Ringway:\n  Workers:\n    {}\n", key)),
                testing::AllOf(HasSubstr("f.yaml:3: Ringway.Workers."), HasSubstr(expected)));
    EXPECT_THAT(
        bad(fmt::format("Ringway: {{Workers: {{PerCore: [{{Core: 0, {}}}]}}}}\n", key)),
        testing::AllOf(HasSubstr("f.yaml:1: Ringway.Workers.PerCore."), HasSubstr(expected)));
  }
}

TEST(Cores, AreAListOrRangesOrAWord) {
  EXPECT_THAT(good("Ringway: {Grpc: {Cores: [1, 3-4]}}\n").grpc.cores, ElementsAre(1, 3, 4));
  EXPECT_THAT(good("Ringway: {Grpc: {Cores: \"1,3-4\"}}\n").grpc.cores, ElementsAre(1, 3, 4));
  EXPECT_THAT(good("Ringway: {Grpc: {Cores: auto}}\n").grpc.cores, IsEmpty());
  EXPECT_THAT(good("Ringway: {Grpc: {Cores: []}}\n").grpc.cores, IsEmpty());
  EXPECT_THAT(good("Ringway: {Workers: {Cores: [0, 2]}}\n").workers.cores, ElementsAre(0, 2));
  EXPECT_THAT(good("Ringway: {Workers: {Cores: none}}\n").workers.cores, IsEmpty());
  EXPECT_THAT(good("Ringway: {Crypto: {Cores: 1}}\n").crypto.cores, ElementsAre(1));
  for (const char* wrong : {"[1, 1]", "[1, x]", "[[1]]", "-1", "4096", "none"}) {
    EXPECT_THAT(bad(fmt::format("Ringway: {{Grpc: {{Cores: {}}}}}\n", wrong)),
                HasSubstr("f.yaml:1: Ringway.Grpc.Cores: expected auto or core numbers"));
  }
}

TEST(Workers, WarnWhenTheyShareCores) {
  const LoadOutcome outcome = load("Ringway: {Workers: {Count: 3, Cores: 0-1}}\n");
  EXPECT_THAT(outcome.errors, IsEmpty());
  EXPECT_THAT(outcome.warnings,
              ElementsAre("f.yaml:1: Ringway.Workers.Count: 3 workers share 2 cores"));
  EXPECT_THAT(
      load("Ringway: {Workers: {Cores: 0-1, PerCore: [{Core: 0, SubmissionPoll: 1}]}}\n").warnings,
      ElementsAre(
          "f.yaml:1: Ringway.Workers.PerCore.SubmissionPoll: core 1 is a worker's, which the "
          "polling thread takes turns with"));
  EXPECT_THAT(load("Ringway: {Workers: {Cores: 0, SubmissionPoll: 1}}\n").warnings, IsEmpty());
}

TEST(Limits, ZeroMeansNoLimitForCountsAndTheLargestForSizes) {
  const Limits limits =
      good(
          "Ringway:\n"
          "  Limits: {FrameBytes: 0, InputBytesPerConnection: 0, OutputBytesPerConnection: 0,\n"
          "           KeysPerConnection: 0, HandshakesPerConnection: 0, "
          "HandshakesPerAddressPerSecond: 0,\n"
          "           UnknownKeysPerAddressPerSecond: 0, SessionsPerConnection: 0,\n"
          "           ConnectionsPerKey: 0, ConnectionsPerAddress: 0, CryptoJobsPerAddress: 0,\n"
          "           TlsHandshakesPerAddressPerSecond: 0}\n")
          .limits;
  EXPECT_EQ(limits.frame_bytes, kFrameBytesCeiling);
  EXPECT_EQ(limits.input_bytes_per_connection, kConnectionBytesCeiling);
  EXPECT_EQ(limits.output_bytes_per_connection, kConnectionBytesCeiling);
  for (const uint32_t count :
       {limits.keys_per_connection, limits.handshakes_per_connection,
        limits.handshakes_per_address_per_second, limits.unknown_keys_per_address_per_second,
        limits.sessions_per_connection, limits.connections_per_address,
        limits.crypto_jobs_per_address, limits.tls_handshakes_per_address_per_second,
        limits.connections_per_key}) {
    EXPECT_EQ(count, kNoLimit);
  }
}

TEST(Limits, HoldTogether) {
  EXPECT_EQ(good("Ringway: {Limits: {FrameBytes: 16MiB}}\n").limits.input_bytes_per_connection,
            kFrameBytesCeiling)
      << "the input's room grows with the frame when it is not given";
  EXPECT_THAT(bad("Ringway: {Limits: {FrameBytes: 1MiB, InputBytesPerConnection: 512KiB}}\n"),
              HasSubstr("expected at least FrameBytes"));
  EXPECT_THAT(bad("Ringway: {Limits: {FrameBytes: 17MiB}}\n"), HasSubstr("FrameBytes"));
  EXPECT_THAT(bad("Ringway: {Limits: {OutputBytesPerConnection: 1MiB}}\n"),
              HasSubstr("OutputBytes"));
}

TEST(Timeouts, AreDurations) {
  const Timeouts timeouts = good(
                                "Ringway: {Timeouts: {FirstByte: 5, Detection: 500ms, Frame: 1m, "
                                "Handshake: 0, Idle: 1h,\n"
                                "                     Drain: 0, KeyLookup: 2s}}\n")
                                .timeouts;
  EXPECT_EQ(timeouts.first_byte_ns, 5 * kNsPerSecond);
  EXPECT_EQ(timeouts.detection_ns, 500 * kNsPerMs);
  EXPECT_EQ(timeouts.frame_ns, 60 * kNsPerSecond);
  EXPECT_EQ(timeouts.handshake_ns, kNoTimeoutNs);
  EXPECT_EQ(timeouts.idle_ns, 3600 * kNsPerSecond);
  EXPECT_EQ(timeouts.drain_ns, 0);
  EXPECT_EQ(timeouts.key_lookup_ns, 2 * kNsPerSecond);
  EXPECT_THAT(bad("Ringway: {Timeouts: {Idle: 31d}}\n"),
              HasSubstr("expected a duration up to 30 days"));
  EXPECT_THAT(bad("Ringway: {Timeouts: {Drain: 800h}}\n"),
              HasSubstr("expected a duration up to 30 days"));
}

TEST(Transports, AreSwitchesAndSecrets) {
  const Transports transports =
      good(
          "Ringway:\n"
          "  Transports: {Abridged: off, Full: false, LegacyRsaPadding: no,\n"
          "               Secrets: [dd00112233445566778899aabbccddeeff]}\n")
          .transports;
  EXPECT_FALSE(transports.abridged);
  EXPECT_TRUE(transports.intermediate);
  EXPECT_FALSE(transports.full);
  EXPECT_FALSE(transports.legacy_rsa_padding);
  ASSERT_THAT(transports.secrets, SizeIs(1));
  EXPECT_EQ(transports.secrets[0].data()[1], 0x11);
  EXPECT_THAT(
      bad("Ringway: {Transports: {Abridged: off, Intermediate: off, Padded: off, Full: off, "
          "Obfuscated: off}}\n"),
      HasSubstr("expected at least one that is on"));
  const std::string message = bad("Ringway: {Transports: {Secrets: [c0ffee]}}\n");
  EXPECT_THAT(message, HasSubstr("expected 32 hexadecimal digits"));
  EXPECT_THAT(message, testing::Not(HasSubstr("c0ffee"))) << "a secret is never repeated";
  EXPECT_EQ(bad("Ringway: {Transports: {Secrets: c0ffee}}\n"),
            "f.yaml:1: Ringway.Transports.Secrets: expected a list, found one value")
      << "nor when the list was forgotten";
  EXPECT_THAT(bad("Ringway: {Transports: {Secrets: [ee00112233445566778899aabbccddeeff61]}}\n"),
              HasSubstr("an ee secret belongs to one listener: expected it in Ringway.Listeners"));
}

TEST(Crypto, KernelIsOneOfTheKnownOnes) {
  EXPECT_EQ(good("").crypto.kernel, CryptoKernel::kAuto);
  for (const CryptoKernel kernel :
       {CryptoKernel::kAuto, CryptoKernel::kOpenssl, CryptoKernel::kAesni, CryptoKernel::kVaes}) {
    const std::string name(to_string(kernel));
    const Config config = good("Ringway: {Crypto: {Kernel: " + name + "}}\n");
    EXPECT_EQ(config.crypto.kernel, kernel);
  }
  EXPECT_THAT(bad("Ringway: {Crypto: {Kernel: avx512}}\n"),
              HasSubstr("expected one of auto openssl aesni vaes"));
}

TEST(KnownKeys, HaveNoDoubleAndNameEveryDepth) {
  const std::vector<std::string> keys = known_keys();
  EXPECT_THAT(keys, testing::IsSupersetOf({"Name", "RSAKey.KeyFile", "Gnetway.Server.Proto",
                                           "Session.Etcd.Hosts", "Ringway.Workers.PerCore.Core",
                                           "Ringway.Limits.FrameBytes", "Telemetry.Sampler"}));
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()).size(), keys.size());
}

}  // namespace
}  // namespace ringway::config
