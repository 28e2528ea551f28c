#!/usr/bin/env python3
"""Measures everything that has a target, and prints one markdown table of targets and results.

Each figure compares processes that are pinned to cores, in one run, by processor time of the whole
process, against a baseline on the same machine; what each row means is in docs/PERFORMANCE.md.
With --out, results.json, results.md and SVG plots are written there.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import resource
import signal
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import cost  # noqa: E402
import crowd  # noqa: E402
import floors  # noqa: E402
import harness  # noqa: E402
import stress  # noqa: E402
import table  # noqa: E402

# In the order of the table. Later ones use figures of window_one.
ROWS = (cost.window_one, cost.pipelined, cost.other_wires, cost.push_echo, crowd.crowds, floors.key_exchanges,
        stress.floods, stress.overload, floors.open_messages, floors.workers, stress.half_load)


@dataclasses.dataclass(frozen=True)
class Settings:
    quick: bool = False
    seconds: float = 2  # of one measurement
    settle: float = 0.7  # steady traffic before it
    rounds: int = 3
    rounds_few: int = 2  # where a run takes long or swings little
    keys: int = 16  # shared by a load's connections; making one costs a core some 10 ms
    worker_keys: int = 64  # keys have home workers: enough to spread evenly
    connections: tuple = (64, 1000)
    sizes: tuple = (128, 512)
    crowd: int = 18_000
    crowd_first: int = 2_000
    crowd_keys: int = 16
    settle_memory: float = 2
    idle_seconds: float = 8
    seconds_overload: float = 4


QUICK = Settings(quick=True, seconds=0.5, settle=0.1, rounds=1, rounds_few=1, keys=2, worker_keys=4,
                 connections=(16,), sizes=(128,), crowd=1800, crowd_first=200, crowd_keys=8, settle_memory=0.2,
                 idle_seconds=0.5, seconds_overload=0.5)


class Bench:
    """What the rows share: settings, cores, programs, and figures that later rows need."""

    def __init__(self, build, directory, settings, exits):
        self.build = build
        self.directory = directory
        self.settings = settings
        self.cores = harness.Cores()
        self.exits = exits
        self.open_files = raise_open_files()
        self.remembered = {}
        self.stacks = 0
        self.shared_stack = None
        self.shared_sinks = {}
        self.shared_figures = None

    def new_stack(self, **options):
        self.stacks += 1
        return harness.Stack(self.build, self.directory / f"stack{self.stacks}", self.cores, **options)

    def stack(self):
        """The gateway with one worker and the reference shard."""
        if self.shared_stack is None:
            self.shared_stack = self.new_stack()
            self.exits.append(self.shared_stack)
        return self.shared_stack

    def light_stack(self, gather_us=harness.GATHER_US):
        """The same with the shard that leaves the load's core to the load."""
        if gather_us not in self.shared_sinks:
            self.shared_sinks[gather_us] = self.new_stack(sink=True, gather_us=gather_us)
            self.exits.append(self.shared_sinks[gather_us])
        return self.shared_sinks[gather_us]

    def runner(self):
        """For programs that need no gateway."""
        return self.stack()

    def remember(self, row, case, figures):
        self.remembered[row, case] = figures

    def recall(self, row, case):
        if (row, case) not in self.remembered:
            raise harness.NotRun(f"it needs figures of the row '{row}'")
        return self.remembered[row, case]

    def half_rate(self, which="intermediate"):
        """Half of what the gateway does at best with one message per read; `which` of the row's runs says so."""
        best = self.recall("window 1", (self.settings.connections[0], self.settings.sizes[0]))
        return round(best[which]["messages_per_second"] / 2)

    def open_figures(self):
        """The counters of open_bench, by benchmark."""
        if self.shared_figures is None:
            result = self.directory / "open_bench.json"
            program = self.runner().start(
                "bench/open_bench", f"--benchmark_min_time={0.02 if self.settings.quick else 0.2}",
                f"--benchmark_out={result}", "--benchmark_out_format=json", cores=self.cores.server)
            if program.process.wait(harness.START_SECONDS) != 0:
                raise harness.Failure(f"open_bench failed:\n{program.tail()}")
            self.shared_figures = {each["name"]: each for each in json.loads(result.read_text())["benchmarks"]}
        return self.shared_figures


def raise_open_files():
    """The limit of open files, for this program and its children, as high as it may be."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1 << 20


def measure(bench, chosen):
    cases, failures = [], []
    for row in chosen:
        begin = time.monotonic()
        try:
            cases += row(bench)
            outcome = "done"
        except harness.NotRun as why:
            cases.append(table.not_run(row.__name__, why))
            outcome = f"not run: {why}"
        except harness.Failure as failure:
            cases.append(table.not_run(row.__name__, str(failure).splitlines()[0]))
            failures.append(f"{row.__name__}: {failure}")
            outcome = f"FAILED: {failure}"
        print(f"{row.__name__} ... {outcome} ({time.monotonic() - begin:.0f} s)", file=sys.stderr, flush=True)
    return cases, failures


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR", default=root / "build-bench",
                        help="a build directory with the benchmarks in it, best of -Dbuildtype=release (build-bench)")
    parser.add_argument("--quick", action="store_true",
                        help="everything small, short and once: whether it works; targets are not judged")
    parser.add_argument("--only", action="append", metavar="ROW", choices=[row.__name__ for row in ROWS],
                        help="just this row, and what it needs; repeatable: " + ", ".join(row.__name__ for row in ROWS))
    parser.add_argument("--rounds", type=int, help="measurements of each kind; the median counts")
    parser.add_argument("--out", type=pathlib.Path, metavar="DIR", help="where JSON, markdown and plots go")
    parser.add_argument("--write-docs", action="store_true", help="put the table into docs/PERFORMANCE.md")
    options = parser.parse_args()
    options.docs = root / "docs/PERFORMANCE.md"
    options.build = options.build.resolve()
    options.settings = QUICK if options.quick else Settings()
    if options.rounds is not None:
        if options.rounds < 1:
            parser.error("--rounds is at least 1")
        options.settings = dataclasses.replace(options.settings, rounds=options.rounds, rounds_few=options.rounds)
    if options.write_docs and (options.quick or options.only):
        parser.error("--write-docs wants a whole run, without --quick and --only")
    needs = {cost.pipelined: (), cost.window_one: (), floors.open_messages: (), floors.key_exchanges: (),
             floors.workers: (), stress.floods: (), stress.overload: (),
             cost.other_wires: (cost.window_one, cost.pipelined)}
    wanted = {row for row in ROWS if not options.only or row.__name__ in options.only}
    for row in tuple(wanted):
        wanted.update(needs.get(row, (cost.window_one,)))
    options.rows = [row for row in ROWS if row in wanted]
    return options


def describe(bench, options, seconds, others):
    text = (f"{table.processor()}, {len(bench.cores.allowed)} cores, Linux {os.uname().release}; "
            f"{bench.cores.describe()}. {datetime.date.today()}, {seconds:.0f} s in all, medians of "
            f"{options.settings.rounds} rounds of {options.settings.seconds:g} s. "
            f"Other programs took {others:.0%} of these cores")
    return text + (": a disturbed run, repeat it on a quiet machine." if others > harness.DISTURBED else ".")


def write_out(directory, cases, text, about):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "results.md").write_text(text)
    (directory / "results.json").write_text(json.dumps(
        {"about": about, "processor": table.processor(), "cases": [case.as_json() for case in cases]}, indent=1) + "\n")
    if not table.plots(cases, directory):
        print("no plots: gnuplot is not there", file=sys.stderr)


def main():
    options = parse_arguments()
    # Turned into an exception, so that the children are ended on the way out.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    begin, exits = time.monotonic(), []
    with tempfile.TemporaryDirectory(prefix="ringway-bench-") as directory:
        bench = Bench(options.build, pathlib.Path(directory), options.settings, exits)
        os.sched_setaffinity(0, set(bench.cores.load))
        disturbance = harness.Disturbance({*bench.cores.servers(4), *bench.cores.load})
        try:
            cases, failures = measure(bench, options.rows)
        finally:
            for stack in exits:
                stack.__exit__(None, None, None)
        others = disturbance.share()
    about = describe(bench, options, time.monotonic() - begin, others)
    text = table.markdown(cases, judged=not options.quick) + "\n" + about + "\n"
    print(text, end="")
    if options.out:
        write_out(options.out, cases, text, about)
    if options.write_docs and not failures:
        table.write_docs(options.docs, text)
    for failure in failures:
        print(f"suite: {failure}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (OSError, KeyError):
        traceback.print_exc()
        sys.exit(1)
