"""Rows about what one message costs: by window, size, transport and wire, and by push."""

import statistics

import harness
from table import Case

PLAIN, OBFUSCATED = "intermediate", "obfuscated-intermediate"
TRANSPORTS = (PLAIN, OBFUSCATED)
SHORT = {PLAIN: "plain", OBFUSCATED: "obfuscated"}
WINDOW = 32
BATCH = 64
ECHO_BUFFER_BYTES = 32 * 1024  # a whole window of the larger messages in one read
# What a shard link carries for a message beside its body: msg_id, seq_no and length, and the fields of
# SessionClientData with their tags.
LINK_FIELD_BYTES = 16 + 80
REFERENCE = "reference shard"  # one case of each window is measured with it too, and reported
PUSH_GATHER_US = 50  # whoever waits for a push waits for the shard's gathering too


def body_limit(size):
    return 1.45 if size <= 128 else 1.6


def ratios(rounds, name, baseline):
    return statistics.median(each[name]["cpu_us_per_message"] / each[baseline]["cpu_us_per_message"]
                             for each in rounds)


def unequal_text(one, other):
    return "" if harness.like_with_like(one, other) else "; cores not equally busy, so not like with like"


def rate_text(run):
    return (f"{run['cpu_us_per_message']:.2f} us, {run['messages_per_second']:,.0f}/s, "
            f"core {run['core_busy']:.0%}")


def reference_case(row, where, run, light):
    ratio = run["cpu_us_per_message"] / light["cpu_us_per_message"]
    return Case(row, f"{where}, {REFERENCE}", f"light shard {light['cpu_us_per_message']:.2f} us",
                f"**{ratio:.2f}x**: {rate_text(run)}, {run['messages_per_turn']:.1f} a turn", "reported", ratio,
                figures={"cpu_us": run["cpu_us_per_message"], "baseline_us": light["cpu_us_per_message"]})


def is_first(settings, connections, size):
    return (connections, size) == (settings.connections[0], settings.sizes[0])


def window_one(bench):
    """One message per read and connection, each side at its own highest rate."""
    settings, cases, row = bench.settings, [], "CPU per message, window 1"
    stack = bench.light_stack()
    reference = bench.new_stack(shard_idle=True)
    bench.exits.append(reference)
    echo = stack.start_echo()
    for connections in settings.connections:
        for size in settings.sizes:
            rounds = []
            for _ in range(settings.rounds):
                runs = {transport: stack.measure(connections, settings.seconds, settings.settle, size=size,
                                                 keys=settings.keys, transport=transport)
                        for transport in TRANSPORTS}
                runs["echo"] = harness.measure_echo(stack, echo, connections, runs[PLAIN]["wire_bytes"],
                                                    settings.seconds, warmup=settings.settle)
                if is_first(settings, connections, size):
                    runs[REFERENCE] = reference.measure(connections, settings.seconds, settings.settle, size=size,
                                                        keys=settings.keys)
                rounds.append(runs)
            middle = {name: harness.medians([each[name] for each in rounds]) for name in rounds[0]}
            bench.remember("window 1", (connections, size), middle)
            limit = body_limit(size)
            for transport in TRANSPORTS:
                run, ratio = middle[transport], ratios(rounds, transport, "echo")
                cases.append(Case(
                    row, f"{connections:,} connections, {size} bytes, {SHORT[transport]}",
                    f"echo {rate_text(middle['echo'])}",
                    f"**{ratio:.2f}x**: {rate_text(run)}, {run['messages_per_turn']:.1f} a turn"
                    + unequal_text(run, middle["echo"]),
                    f"at most {limit}x", ratio, limit,
                    figures={"cpu_us": run["cpu_us_per_message"], "gateway": run, "echo": middle["echo"],
                             "baseline_us": middle["echo"]["cpu_us_per_message"]}))
            if REFERENCE in middle:
                cases.append(reference_case(row, f"{connections:,} connections, {size} bytes, plain",
                                            middle[REFERENCE], middle[PLAIN]))
    return cases


def kernels_us(bench, size, transport):
    """The crypto kernels alone, per message, in batches as large as the link's."""
    figures = bench.open_figures()
    opened = figures[f"open_against_hashes/{size}/{BATCH}"]["open_ns"]
    if transport == OBFUSCATED:
        opened += figures[f"deobfuscate/{size}/{BATCH}"]["ctr_ns"]
    return opened / 1e3


def grpc_us(bench, size):
    """A bare gRPC stream's client, per message."""
    runner = bench.runner()
    port, = harness.free_ports(1)
    server = runner.start("bench/grpc_floor", "--serve", port, port=port)
    figures = runner.run("bench/grpc_floor", "--target", port, "--messages", BATCH, "--bytes",
                         size + LINK_FIELD_BYTES, "--duration", bench.settings.seconds, cores=bench.cores.server)
    server.stop()
    return figures["cpu_us_per_message"]


def pipelined(bench):
    """Many messages per read."""
    settings, cases, row = bench.settings, [], f"CPU per message, window {WINDOW}"
    stack = bench.light_stack()
    echo = stack.start_echo(ECHO_BUFFER_BYTES)
    connections = settings.connections[0]
    for size in settings.sizes:
        rounds, floors = [], []
        for _ in range(settings.rounds):
            runs = {transport: stack.measure(connections, settings.seconds, settings.settle, size=size,
                                             window=WINDOW, keys=settings.keys, transport=transport)
                    for transport in TRANSPORTS}
            runs["echo"] = harness.measure_echo(stack, echo, connections, runs[PLAIN]["wire_bytes"],
                                                settings.seconds, WINDOW, warmup=settings.settle)
            if is_first(settings, connections, size):
                runs[REFERENCE] = bench.stack().measure(connections, settings.seconds, settings.settle, size=size,
                                                        window=WINDOW, keys=settings.keys)
            rounds.append(runs)
            floors.append(grpc_us(bench, size))
        middle = {name: harness.medians([each[name] for each in rounds]) for name in rounds[0]}
        bench.remember("window 32", (connections, size), middle)
        for transport in TRANSPORTS:
            kernels = kernels_us(bench, size, transport)
            sums = [each["echo"]["cpu_us_per_message"] + kernels + grpc for each, grpc in zip(rounds, floors)]
            ratio = statistics.median(each[transport]["cpu_us_per_message"] / total
                                      for each, total in zip(rounds, sums))
            run = middle[transport]
            echo_us, grpc = middle["echo"]["cpu_us_per_message"], statistics.median(floors)
            cases.append(Case(
                row, f"{connections:,} connections, {size} bytes, {SHORT[transport]}",
                f"echo {echo_us:.2f} + crypto {kernels:.2f} + gRPC {grpc:.2f} = {statistics.median(sums):.2f} us",
                f"**{ratio:.2f}x**: {rate_text(run)}, {run['messages_per_turn']:.1f} a turn",
                "at most 1.3x", ratio, 1.3,
                figures={"cpu_us": run["cpu_us_per_message"], "baseline_us": statistics.median(sums),
                         "echo_us": echo_us, "kernels_us": kernels, "grpc_us": grpc, "gateway": run}))
        if REFERENCE in middle:
            cases.append(reference_case(row, f"{connections:,} connections, {size} bytes, plain", middle[REFERENCE],
                                        middle[PLAIN]))
    return cases


def other_wires(bench):
    """Teamgram's own wires, against the batched stream, all of them of the reference shard."""
    settings, cases = bench.settings, []
    connections, size = settings.connections[0], settings.sizes[0]
    for wire, limit in (("stream", 2.0), ("unary", None)):
        for window in (1, WINDOW):
            with bench.new_stack(wire=wire, shard_idle=window == 1) as stack:
                batched = bench.recall(f"window {window}", (connections, size))[REFERENCE]
                # A unary link has one call per key under way, so each connection has a key of its own.
                runs = [stack.measure(connections, settings.seconds, settings.settle, size=size, window=window,
                                      keys=settings.keys if settings.quick else connections)
                        for _ in range(settings.rounds_few)]
                run = harness.medians(runs)
                ratio = run["cpu_us_per_message"] / batched["cpu_us_per_message"]
                cases.append(Case(
                    "same, through Teamgram's wires", f"{wire}, window {window}, {size} bytes, plain",
                    f"batched {batched['cpu_us_per_message']:.2f} us", f"**{ratio:.2f}x**: {rate_text(run)}",
                    f"at most {limit:g}x" if limit else "reported", ratio, limit,
                    figures={"cpu_us": run["cpu_us_per_message"], "gateway": run,
                             "baseline_us": batched["cpu_us_per_message"]}))
    return cases


def push_echo(bench):
    """Message up, push down; both sealed and opened, no quick acks."""
    settings, cases = bench.settings, []
    stack = bench.light_stack(PUSH_GATHER_US)
    connections, size = settings.connections[0], settings.sizes[0]
    echo = stack.start_echo()
    wire_bytes = bench.recall("window 1", (connections, size))[PLAIN]["wire_bytes"]
    rounds = []
    for _ in range(settings.rounds):
        runs = {transport: stack.measure(connections, settings.seconds, settings.settle, size=size, mode="echo",
                                         keys=settings.keys, transport=transport, per="pushes_delivered")
                for transport in TRANSPORTS}
        runs["echo"] = harness.measure_echo(stack, echo, connections, round(wire_bytes), settings.seconds,
                                            warmup=settings.settle)
        rounds.append(runs)
    middle = {name: harness.medians([each[name] for each in rounds]) for name in rounds[0]}
    for transport in TRANSPORTS:
        run, ratio = middle[transport], ratios(rounds, transport, "echo")
        cases.append(Case(
            "echo by push", f"{connections} connections, {size} bytes, {SHORT[transport]}",
            f"echo {rate_text(middle['echo'])}", f"**{ratio:.2f}x**: {rate_text(run)}" + unequal_text(run, middle["echo"]), "at most 1.8x", ratio, 1.8,
            figures={"cpu_us": run["cpu_us_per_message"], "gateway": run,
                     "baseline_us": middle["echo"]["cpu_us_per_message"]}))
    return cases
