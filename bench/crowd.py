"""Rows about connections that are there and say little: their memory, their processor time, and what
they cost the others."""

import time

import harness
from cost import REFERENCE
from table import Case

OBFUSCATED = "obfuscated-intermediate"
FILES_BESIDE = 1500  # open files that the gateway and a load need beside the crowd
IDLE_SHARE_MAX = 0.001
CROWD_SECONDS = 120  # to connect them all
NEARLY_NEVER = 0.001  # messages per second of a whole idle crowd
# From one address, the kernel seeks each port among thousands in use once half of its range is taken.
SOURCES = "127.0.1.1-127.0.1.8"


def crowd_size(bench):
    """As many as asked for, or what one process may have open."""
    return min(bench.settings.crowd, bench.open_files - FILES_BESIDE)


def start_crowd(stack, connections, keys):
    """Connections that have made or taken their key, sent one message, and wait. Returns once all do."""
    before = stack.counters()["messages_opened"]
    load = stack.start_load(connections, rate=NEARLY_NEVER, keys=keys, transport=OBFUSCATED, warmup=0,
                            source=SOURCES)
    stack.wait_growth("messages_opened", before, connections, load, CROWD_SECONDS)
    return load


def alive(stack):
    counters = stack.counters()
    return counters["connections_accepted"] - counters["connections_closed"]


def wait_complete(stack, count):
    """A connection whose first message took too long is made anew by the load."""
    harness.wait_until(lambda: alive(stack) >= count, f"all {count} connections", CROWD_SECONDS, pause=0.2)


def check_crowd(stack, count):
    if (left := alive(stack)) < count:
        raise harness.Failure(f"of {count} idle connections only {left} are left")


def idle_share(stack, seconds):
    """Of a core, and turns per second; asking for the counters, which is work too, stays outside."""
    first, begin, cpu_begin = stack.counters(), time.monotonic(), stack.gateway.cpu_seconds()
    time.sleep(seconds)
    cpu, elapsed = stack.gateway.cpu_seconds() - cpu_begin, time.monotonic() - begin
    return cpu / elapsed, (stack.counters()["turns"] - first["turns"]) / elapsed


def crowds(bench):
    """One gateway for all of them: memory, then idle time, then the active ones among the idle."""
    settings = bench.settings
    total = crowd_size(bench)
    first = min(settings.crowd_first, total // 9)
    active = max(1, total // 20)
    # A gateway lets a key have so many connections; it closes the oldest beyond that.
    keys = settings.crowd_keys
    with bench.new_stack() as stack:
        loads = [start_crowd(stack, first, keys)]
        time.sleep(settings.settle_memory)
        small = stack.gateway.memory()
        loads.append(start_crowd(stack, total - first - active, keys))
        loads.append(start_crowd(stack, active, keys))
        wait_complete(stack, total)
        time.sleep(settings.settle_memory)
        growth = (stack.gateway.memory() - small) / (total - first)
        idle, turns = idle_share(stack, settings.idle_seconds)
        check_crowd(stack, total)
        loads.pop().interrupt()
        cases = [
            Case("user-space memory per idle connection", f"{first:,} to {total:,} obfuscated connections, {keys} keys",
                 "", f"**{growth:,.0f} bytes** (connection and session; a key's entry costs 512 more, once)",
                 "at most 1,024 bytes", growth, 1024, figures={"bytes": growth}),
            Case("idle gateway", f"{total:,} connections", "",
                 f"**{idle:.3%}** of a core, {turns:.1f} turns/s", "at most 0.1% of a core", idle,
                 IDLE_SHARE_MAX, figures={"share": idle}),
        ]
        cases.append(active_among_idle(bench, stack, loads, total, active))
    return cases


def active_among_idle(bench, stack, loads, total, active):
    settings = bench.settings
    rate = bench.half_rate(REFERENCE)  # whose shard serves here

    def run():
        return stack.measure(active, settings.seconds, settings.settle, rate=rate, keys=settings.crowd_keys,
                             transport=OBFUSCATED, source=SOURCES)
    among = harness.medians([run() for _ in range(settings.rounds_few)])
    for load in loads:
        load.check_running()
        load.interrupt()
    harness.wait_until(lambda: stack.counters()["connections_accepted"] == stack.counters()["connections_closed"],
                       "the idle connections leave", pause=0.2)
    alone = harness.medians([run() for _ in range(settings.rounds_few)])
    ratio = among["cpu_us_per_message"] / alone["cpu_us_per_message"]
    return Case("CPU per message, many idle", f"{total:,} connections, {active:,} active, {rate:,}/s",
                f"{active:,} connections, all active: {alone['cpu_us_per_message']:.2f} us",
                f"**{ratio:.2f}x**: {among['cpu_us_per_message']:.2f} us", "at most 1.25x", ratio, 1.25,
                figures={"cpu_us": among["cpu_us_per_message"], "baseline_us": alone["cpu_us_per_message"]})
