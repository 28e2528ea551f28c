"""Rows about latency and about too much: floods, uploads, overload, and half load."""

import contextlib
import os
import pathlib
import re
import statistics
import time

import harness
from table import Case, not_run

OTHERS = 16
OTHERS_RATE = 4000  # messages per second of the 16 clients together
UPLOAD_BYTES = 512 * 1024
ADDED_P50_US = 50
KEPT_MIN = 0.95  # of an offered rate, or its latency is that of a queue that grows
MEMORY_MAX = 256 * 2**20
QUOTA = 0.5  # of a core
OVERLOAD_WINDOW = 128  # per connection: more than the gateway can answer while its quota lasts
PERIOD_US = 100_000


def others(bench, stack):
    """The latency of 16 clients at a rate that leaves everything half empty."""
    settings = bench.settings
    load = stack.start_load(OTHERS, rate=OTHERS_RATE, keys=min(OTHERS, settings.keys), warmup=settings.settle,
                            window=64, seconds=settings.seconds)
    report = harness.check_report(load.result(2 * harness.START_SECONDS + settings.seconds))
    return {"p50_us": report["latency_us"]["p50"], "p99_us": report["latency_us"]["p99"],
            "messages_per_second": report["per_second"]}


@contextlib.contextmanager
def flood(stack, mode, counter):
    before = stack.counters()[counter]
    program = stack.start_flood(mode)
    stack.wait_growth(counter, before, 20, program)
    yield
    program.check_running()
    program.interrupt()


@contextlib.contextmanager
def upload(stack):
    before = stack.counters()["large_messages"]
    # Encrypting its parts would delay the others' clients by itself: it gets what their core has left.
    program = stack.start_load(1, size=UPLOAD_BYTES, idle=True)
    stack.wait_growth("large_messages", before, 3, program)
    yield
    program.check_running()
    harness.check_report(program.interrupt())


def floods(bench):
    settings, stack, cases = bench.settings, bench.stack(), []
    kinds = (
        ("a flood of key exchanges", "handshakes_started", "begun exchanges",
         lambda: flood(stack, "handshakes", "handshakes_started")),
        ("a flood of unknown keys", "key_queries_unknown", "questions",
         lambda: flood(stack, "unknown-keys", "key_queries_unknown")),
        ("one client uploading 512 KiB parts", "large_messages", "parts", lambda: upload(stack)),
    )
    for name, counter, unit, disturb in kinds:
        rounds = []
        for _ in range(settings.rounds):
            alone = others(bench, stack)
            with disturb():
                before, begin = stack.counters()[counter], time.monotonic()
                during = others(bench, stack)
                per_second = (stack.counters()[counter] - before) / (time.monotonic() - begin)
            rounds.append((alone, during, per_second))
        ratio = statistics.median(during["p99_us"] / alone["p99_us"] for alone, during, _ in rounds)
        alone = harness.medians([each[0] for each in rounds])
        during = harness.medians([each[1] for each in rounds])
        per_second = statistics.median(each[2] for each in rounds)
        cases.append(Case(
            "latency of others", f"under {name}: {per_second:,.0f} {unit}/s",
            f"alone: p50 {alone['p50_us']:.0f}, p99 {alone['p99_us']:.0f} us",
            f"**{ratio:.2f}x**: p50 {during['p50_us']:.0f}, p99 {during['p99_us']:.0f} us", "p99 at most 2x", ratio, 2.0,
            figures={"alone": alone, "during": during, "per_second": per_second}))
    return cases


def half_load_rounds(settings, stack, connections, rate, wire_bytes):
    rounds, echo = [], stack.start_echo()
    for _ in range(settings.rounds):
        load = stack.start_load(connections, rate=rate, keys=settings.keys, warmup=settings.settle,
                                seconds=settings.seconds)
        report = harness.check_report(load.result(2 * harness.START_SECONDS + settings.seconds))
        bare = harness.measure_echo(stack, echo, connections, round(wire_bytes), settings.seconds, rate=rate,
                                    warmup=settings.settle)
        for name, per_second in (("gateway", report["per_second"]), ("echo", bare["messages_per_second"])):
            if per_second < KEPT_MIN * rate:
                raise harness.NotRun(f"the {name} kept only {per_second:,.0f} of {rate:,} messages/s: no half load")
        rounds.append({"p50_us": report["latency_us"]["p50"], "p99_us": report["latency_us"]["p99"],
                       "echo_p50_us": bare["p50_us"], "echo_p99_us": bare["p99_us"]})
    return rounds


def half_load(bench):
    """Open loop, latency from the intended time, the echo at the gateway's rate."""
    settings = bench.settings
    rate, connections = bench.half_rate(), settings.connections[0]
    wire_bytes = bench.recall("window 1", (connections, settings.sizes[0]))["intermediate"]["wire_bytes"]
    with bench.new_stack(sink=True) as stack:
        rounds = half_load_rounds(settings, stack, connections, rate, wire_bytes)
    middle = harness.medians(rounds)
    added = statistics.median(each["p50_us"] - each["echo_p50_us"] for each in rounds)
    ratio = statistics.median(each["p99_us"] / each["echo_p99_us"] for each in rounds)
    where = f"{connections} connections, {rate:,}/s"
    bare = f"echo: p50 {middle['echo_p50_us']:.0f}, p99 {middle['echo_p99_us']:.0f} us"
    return [
        Case("added latency at half load", where, bare, f"**{added:+.0f} us**: p50 {middle['p50_us']:.0f} us",
             f"p50 + {ADDED_P50_US} us", added, ADDED_P50_US, figures=middle),
        Case("added latency at half load", where, bare, f"**{ratio:.2f}x**: p99 {middle['p99_us']:.0f} us",
             "p99 at most 3x", ratio, 3.0, figures=middle),
    ]


class CpuQuota:
    """A control group that holds its processes to a share of one core; version 1 or 2, whichever is there."""

    def __init__(self, share):
        quota = int(share * PERIOD_US)
        name = f"ringway-bench-{os.getpid()}"
        first, second = pathlib.Path("/sys/fs/cgroup/cpu"), pathlib.Path("/sys/fs/cgroup")
        try:
            if (first / "cpu.cfs_quota_us").exists() or (first / "cgroup.procs").exists():
                self.path = first / name
                self.path.mkdir()
                (self.path / "cpu.cfs_period_us").write_text(str(PERIOD_US))
                (self.path / "cpu.cfs_quota_us").write_text(str(quota))
            else:
                self.path = second / name
                if "cpu" not in (second / "cgroup.subtree_control").read_text().split():
                    raise harness.NotRun("the cpu controller is not delegated to us")
                self.path.mkdir()
                (self.path / "cpu.max").write_text(f"{quota} {PERIOD_US}")
        except OSError as error:
            raise harness.NotRun(f"no control group can be made ({error.strerror})") from error

    def enter(self):
        """In the child, before it becomes the program."""
        (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # The group is empty once the kernel has cleared the ended process away.
        for _ in range(100):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.02)


def taken_by_shard(stack):
    """Messages that the shard took in its life, told when it ends."""
    stack.shard.stop()
    found = re.search(r"stopping: (\d+) messages", stack.shard.tail())
    if not found:
        raise harness.Failure(f"the shard did not say what it took:\n{stack.shard.tail()}")
    return int(found[1])


def drained(stack):
    """Waits until nothing moves any more; the gateway's last counters."""
    last = {}

    def still():
        nonlocal last
        before, last = last, stack.counters()
        return before and all(before[name] == last[name] for name in ("messages_routed", "shard_messages"))
    harness.wait_until(still, "the gateway hands on what it took", pause=0.5)
    return last


def overload(bench):
    row = "overload"
    settings, connections = bench.settings, bench.settings.connections[0]
    try:
        quota = CpuQuota(QUOTA)
    except harness.NotRun as why:
        return [not_run(row, why)]
    with quota, bench.new_stack(cgroup=quota, sink=True) as stack:
        best = stack.measure(connections, settings.seconds_overload, settings.settle, window=OVERLOAD_WINDOW,
                             keys=settings.keys)
        rate = 2 * best["messages_per_second"]
        before = stack.counters()["messages_opened"]
        load = stack.start_load(connections, rate=rate, window=OVERLOAD_WINDOW, keys=settings.keys, warmup=0,
                                verify=True)
        stack.wait_growth("messages_opened", before, 3 * connections, load)
        time.sleep(settings.settle)
        grown, _cpu, elapsed = stack.watch(settings.seconds_overload)
        load.check_running()
        report = harness.check_report(load.interrupt())
        counters, memory = drained(stack), stack.gateway.memory("VmHWM")
        # Three witnesses: the gateway's counter, the shard's, and the client, which numbers its messages.
        lost = (max(0, counters["messages_routed"] - taken_by_shard(stack)) + counters["messages_lost"]
                + report["verified"]["lost"])
    throughput = grown["messages_opened"] / elapsed
    ratio = throughput / best["messages_per_second"]
    held = f"gateway held to {QUOTA:g} of a core, {rate:,.0f}/s offered"
    return [
        Case(row, held, f"its best rate: {best['messages_per_second']:,.0f}/s",
             f"**{ratio:.2f}x**: {throughput:,.0f}/s, p99 {report['latency_us']['p99'] / 1e3:,.0f} ms, {lost} lost",
             "at least 0.9x, nothing acknowledged lost", ratio, 0.9, at_least=True, extra_met=lost == 0,
             figures={"best": best, "throughput": throughput, "lost": lost, "quick_acks": counters["quick_acks"]}),
        Case(row, "the most memory it ever had", "", f"**{memory / 2**20:.0f} MiB**", "at most 256 MiB",
             memory, MEMORY_MAX, figures={"bytes": memory}),
    ]
