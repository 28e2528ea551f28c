#!/usr/bin/env python3
"""Each lint rule catches what it is for, and lets the rest pass: small trees, made for one rule each."""

import importlib.util
import json
import pathlib
import shutil
import sys
import tempfile
import unittest

import arrows
import banned
import layout
import names
import shape
import standalone

HEADER = "// {}: for the test.\n#pragma once\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp()).resolve()
        self.addCleanup(shutil.rmtree, self.root)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def texts(self, findings):
        return [finding.show(self.root) for finding in findings]

    def assert_one(self, findings, *parts):
        shown = self.texts(findings)
        self.assertEqual(len(shown), 1, shown)
        for part in parts:
            self.assertIn(part, shown[0])


class Arrows(Tree):
    def test_every_forbidden_arrow_between_rooms_is_caught(self):
        for room, allowed in arrows.ARROWS.items():
            for other in arrows.ARROWS.keys() - allowed - {room}:
                path = self.write(f"src/{room}/x.cc", f'#include "{other}/y.h"\n')
                self.assert_one(arrows.check(self.root), f"src/{room}/x.cc:1:", f'"{other}/y.h"')
                path.unlink()

    def test_the_rooms_that_must_never_meet(self):
        for one, other in [("net", "mtproto"), ("mtproto", "cluster"), ("cluster", "net"), ("door", "mtproto"), ("door", "net"), ("gateway", "client"),
                           ("client", "shard"), ("shard", "gateway"), ("tl", "mtproto"), ("tl", "gateway")]:
            self.assertNotIn(other, arrows.ARROWS[one])
            self.assertNotIn(one, arrows.ARROWS[other])

    def test_allowed_arrows_pass(self):
        self.write("src/gateway/x.cc", '#include "gateway/y.h"\n#include "net/z.h"\n#include <vector>\n')
        self.write("src/cluster/x.cc", '#include "session.grpc.pb.h"\n#include <grpcpp/grpcpp.h>\n')
        self.write("src/tl/x.cc", "#include <google/protobuf/descriptor.pb.h>\n#include <zlib.h>\n")
        self.assertEqual(arrows.check(self.root), [])

    def test_libraries_stay_in_their_rooms(self):
        self.write("src/mtproto/x.cc", "#include <sys/socket.h>\n")
        self.write("src/door/x.cc", "#include <arpa/inet.h>\n#include <http_parser.h>\n#include <sys/socket.h>\n")
        self.write("src/net/x.cc", "#include <arpa/inet.h>\n#include <http_parser.h>\n")
        self.write("src/crypto/x.cc", "#include <thread>\n")
        self.write("src/tl/x.cc", "#include <grpcpp/grpcpp.h>\n#include <google/protobuf/any.pb.h>\n")
        self.write("src/mtproto/y.cc", "#include <google/protobuf/any.pb.h>\n")
        self.write("src/gateway/x.cc", "#include <grpcpp/grpcpp.h>\n  #  include <liburing.h>\n")
        self.assertEqual(len(arrows.check(self.root)), 8)

    def test_generated_headers_belong_to_those_who_see_proto(self):
        self.write("src/gateway/x.cc", '#include "session.pb.h"\n')
        self.assert_one(arrows.check(self.root), 'gateway may not include "session.pb.h"')

    def test_includes_name_their_room_and_rooms_are_known(self):
        self.write("src/net/x.cc", '#include "y.h"\n')
        self.write("src/attic/x.cc", "")
        self.assertEqual(len(arrows.check(self.root)), 2)


class Banned(Tree):
    CAUGHT = [
        "clock_gettime(CLOCK_MONOTONIC, &ts);", "auto t = std::chrono::steady_clock::now();", "time(nullptr);",
        "assert(x);", "rand();", "std::mt19937 g;", "strcpy(a, b);", "sprintf(a, b);", "atoi(x);", "thread.detach();",
        "std::this_thread::sleep_for(x);", "usleep(5);", "system(x);", "std::regex r;", "std::cerr << x;",
        "printf(x);", "std::exit(1);", "throw x;", "read_clocks();", "read_clock_ns(CLOCK_REALTIME);",
    ]
    PASSED = [
        "static_assert(true);", "RW_ASSERT(x);", "// assert(x)", 'log("throw assert(1)");', "random_bytes(x);",
        "x.time(0);", "fmt::format(x);", "snprintf(a, 5, b);", "deadline(now);", "impl->exit();", "std::fprintf(stderr, x);",
    ]

    def test_each_call_is_caught_with_its_replacement(self):
        for code in self.CAUGHT:
            self.write("src/mtproto/x.cc", f"void f() {{\n  {code}\n}}\n")
            self.assert_one(banned.check(self.root), "src/mtproto/x.cc:2: `", "`: use ")

    def test_what_only_looks_alike_passes(self):
        for code in self.PASSED:
            self.write("src/mtproto/x.cc", f"void f() {{\n  {code}\n}}\n")
            self.assertEqual(self.texts(banned.check(self.root)), [], code)

    def test_comments_over_lines_and_raw_strings_pass(self):
        self.write("src/net/x.cc", '/* rand();\n rand(); */ auto s = R"(assert(x))"; char c = \'"\';\nint n = 1\'000;\n')
        self.assertEqual(banned.check(self.root), [])

    def test_threads_read_the_clock_where_turns_may_not(self):
        self.write("src/client/x.cc", "read_clocks();\n")
        self.write("src/gateway/gateway.cc", "read_clocks();\n")
        self.write("src/base/clock.h", "clock_gettime(x, y);\n")
        self.assertEqual(banned.check(self.root), [])
        self.write("src/gateway/flow.cc", "read_clocks();\n")
        self.assert_one(banned.check(self.root), "flow.cc")


class Shape(Tree):
    def test_long_files_are_caught(self):
        self.write("src/net/long.cc", "\n" * 800)
        self.write("src/net/short.cc", "\n" * 799)
        self.assert_one(shape.check_length(self.root), "long.cc:800")

    def test_headers_open_with_their_purpose(self):
        self.write("src/net/good.h", HEADER.format("net/good"))
        self.assertEqual(shape.check_headers(self.root), [])
        self.write("src/net/bare.h", "\n#pragma once\n")
        self.assert_one(shape.check_headers(self.root), "bare.h", "// net/bare: ")

    def test_headers_name_themselves_and_are_guarded(self):
        self.write("src/net/a.h", HEADER.format("net/b"))
        self.assert_one(shape.check_headers(self.root), "// net/a: ")
        self.write("src/net/a.h", "// net/a: for the test.\n")
        self.assert_one(shape.check_headers(self.root), "#pragma once")

    def test_foreign_paths_and_unfinished_work_are_caught(self):
        self.write("docs/a.md", "see /home/somebody/notes\n")
        self.assert_one(shape.check_words(self.root), "docs/a.md:1", "somebody's machine")
        self.write("docs/a.md", "// TODO: later\n")
        self.assert_one(shape.check_words(self.root), "unfinished")
        self.write("docs/a.md", "network/work/queue and a hackneyed word\n")
        self.assertEqual(shape.check_words(self.root), [])


class Names(Tree):
    def test_a_counter_that_nobody_counts_is_caught(self):
        self.write("src/base/counters.h", 'X(kUsed, "used")  \\\n  X(kIdle, "idle")\n')
        self.write("src/net/x.cc", "add(Counter::kUsed);  // kIdle\n")
        self.assert_one(names.check_counters(self.root), "counters.h:2: kIdle")

    def test_a_limit_that_limits_nothing_is_caught(self):
        self.write("src/base/limits.h",
                   "inline constexpr size_t kUsed = 2 * kPart;\n"
                   "inline constexpr size_t kPart = 1;\n"
                   "inline constexpr long long kIdle = 1;\n"
                   "static_assert(kIdle > 0);\n")
        self.write("src/net/x.cc", "if (n > kUsed) return;\n")
        self.assert_one(names.check_limits(self.root), "limits.h:3: kIdle")


class Standalone(Tree):
    def check(self):
        build = self.root / "build"
        build.mkdir(exist_ok=True)
        command = "c++ -std=c++20 -I../src -MD -MQ x.o -MF x.d -O2 -o x.o -c ../src/net/x.cc"
        (build / "compile_commands.json").write_text(
            json.dumps([{"directory": str(build), "command": command, "file": "../src/net/x.cc"}]))
        return standalone.check(self.root, build)

    def test_a_header_that_leans_on_another_is_caught(self):
        self.write("src/net/x.cc", "")
        self.write("src/net/good.h", HEADER.format("net/good") + "#include <string>\ninline std::string a;\n")
        self.write("src/net/bad.h", HEADER.format("net/bad") + "inline std::string b;\n")
        self.assert_one(self.check(), "bad.h", "does not compile alone")


@unittest.skipUnless(shutil.which("clang-format"), "needs clang-format")
class Layout(Tree):
    def test_a_file_that_is_not_formatted_is_caught(self):
        self.write(".clang-format", "BasedOnStyle: Google\n")
        self.write("src/net/good.cc", "int a = 1;\n")
        self.write("src/net/bad.cc", "int   a=1 ;\nint   b=1 ;\n")
        self.assert_one(layout.check(self.root), "bad.cc:1")


class Counting(Tree):
    """tools/count_tests.py, whose last line CI goes by."""

    JUNIT = """<testsuites>
      <testsuite name="ringway.unit_a.Suite"><testcase name="good"/><testcase name="bad"><failure/></testcase></testsuite>
      <testsuite name="ringway.unit_a.Other"><testcase name="off"><skipped/></testcase></testsuite>
      <testsuite name="ringway.crashed.Suite"><testcase name="good"/></testsuite>
      <testsuite name="ringway"><testcase name="plain"/></testsuite>
    </testsuites>"""

    def count(self, results, junit=JUNIT):
        path = pathlib.Path(__file__).resolve().parents[2] / "tools/count_tests.py"
        spec = importlib.util.spec_from_file_location("count_tests", path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        lines = [json.dumps({"name": name, "result": result}) for name, result in results]
        self.write("logs/testlog.json", "\n".join(lines))
        self.write("logs/testlog.junit.xml", junit)
        return module.count(self.root / "logs")

    def test_cases_are_counted_where_there_are_cases(self):
        self.assertEqual(self.count([("unit_a", "FAIL"), ("plain", "OK")]), [2, 1, 1])

    def test_a_crash_or_a_time_out_is_one_failure(self):
        self.assertEqual(self.count([("crashed", "TIMEOUT")]), [1, 1, 0])
        self.assertEqual(self.count([("no_report", "ERROR")]), [0, 1, 0])

    def test_a_skipped_test_is_no_passed_one(self):
        self.assertEqual(self.count([("plain", "SKIP")]), [0, 0, 1])

    def test_nothing_run_is_nothing_passed(self):
        self.assertEqual(self.count([], "<testsuites/>"), [0, 0, 0])


class Order(unittest.TestCase):
    def test_the_arrows_have_no_cycle(self):
        ordered = []
        rest = dict(arrows.ARROWS)
        while rest:
            free = [room for room, seen in rest.items() if not (seen - {"proto"}) & rest.keys()]
            self.assertTrue(free, f"a cycle among {sorted(rest)}")
            ordered += free
            for room in free:
                del rest[room]
        self.assertEqual(ordered[0], "base")


if __name__ == "__main__":
    sys.exit(0 if unittest.main(exit=False).result.wasSuccessful() else 1)
