"""Rows about key exchanges, opening messages, and several workers."""

import contextlib
import time

import harness
from table import Case

EXCHANGE_SHARE_MIN = 0.8
OPEN_BATCH = 16
WORKER_CONNECTIONS = 256


def key_exchanges(bench):
    settings, stack = bench.settings, bench.stack()
    rounds = []
    for _ in range(settings.rounds_few):
        floor = stack.run("bench/handshake_floor", settings.seconds, cores=bench.cores.server)
        before = stack.counters()["handshakes_done"]
        load = stack.start_load(16, mode="handshake", warmup=0)
        stack.wait_growth("handshakes_done", before, 4, load)
        grown, cpu, _elapsed = stack.watch(max(settings.seconds, 2))
        load.check_running()
        load.interrupt()
        if grown["handshakes_done"] == 0:
            raise harness.Failure("no key was made within the window")
        rounds.append({"per_cpu_second": grown["handshakes_done"] / cpu,
                       "ratio": grown["handshakes_done"] / cpu / floor["per_cpu_second"],
                       **{f"floor_{name}": value for name, value in floor.items()}})
    middle = harness.medians(rounds)
    return [Case(
        "key exchanges", "per second and core",
        f"OpenSSL alone: RSA {middle['floor_rsa_us']:,.0f} + exponentiation {middle['floor_exponentiation_us']:,.0f} us: "
        f"{middle['floor_per_cpu_second']:,.0f}/s",
        f"**{middle['ratio']:.0%}**: {middle['per_cpu_second']:,.0f}/s", "at least 80% of that rate", middle["ratio"],
        EXCHANGE_SHARE_MIN, at_least=True, figures=middle)]


def open_messages(bench):
    cases = []
    for size in (128, 512, 1024):
        figures = bench.open_figures()[f"open_against_hashes/{size}/{OPEN_BATCH}"]
        cases.append(Case(
            f"open {OPEN_BATCH} messages, per message", f"{size} bytes",
            f"its three hashes: {figures['hashes_ns']:,.0f} ns",
            f"**{figures['ratio']:.2f}x**: {figures['open_ns']:,.0f} ns", "at most 1.0x", figures["ratio"], 1.0,
            figures=figures))
    return cases


def workers(bench):
    """The same load on one, two and four workers, in turns. The workers have all cores but the load's."""
    settings, cases = bench.settings, []
    counts = (1, 2, 4)
    with contextlib.ExitStack() as exits:
        stacks = {count: exits.enter_context(bench.new_stack(workers=count, shard_idle=True)) for count in counts}
        rounds = []
        for _ in range(settings.rounds):
            rounds.append({count: stacks[count].measure(WORKER_CONNECTIONS, settings.seconds, settings.settle,
                                                        keys=settings.worker_keys) for count in counts})
            time.sleep(0.1)
    middle = {count: harness.medians([each[count] for each in rounds]) for count in counts}
    for few, many in ((1, 2), (2, 4)):
        ratio = sorted(each[many]["cpu_us_per_message"] / each[few]["cpu_us_per_message"] for each in rounds)[
            len(rounds) // 2]
        shared = "" if len(bench.cores.servers(many)) == many else f", sharing {len(bench.cores.servers(many))} core(s)"
        cases.append(Case(
            "more workers", f"{many} against {few}{shared}",
            f"{few}: {middle[few]['cpu_us_per_message']:.2f} us, {middle[few]['messages_per_turn']:.1f} a turn",
            f"**{ratio:.2f}x**: {middle[many]['cpu_us_per_message']:.2f} us, {middle[many]['messages_per_turn']:.1f} a turn",
            "at most 1.1x", ratio, 1.1,
            figures={"cpu_us": middle[many]["cpu_us_per_message"], "baseline_us": middle[few]["cpu_us_per_message"]}))
    return cases
