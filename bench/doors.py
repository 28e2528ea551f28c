#!/usr/bin/env python3
"""Every door with a crowd at once: what an idle connection costs in memory, and what the door does with all of them
talking.

For each kind of listener a gateway with one worker and the reference shard are started; a few connections come and
talk, so that what a gateway needs once is there, then the crowd, and the growth of the gateway's resident memory is
what it costs; then a crowd of the same size has one echo each under way. All connections have to be there at the same
time, and no message may fail, or the run fails.
Prints one markdown table and ends by itself. What the columns mean is in docs/LISTENERS.md.
"""

import argparse
import contextlib
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import crowd  # noqa: E402
import harness  # noqa: E402
import suite  # noqa: E402
import table  # noqa: E402

DOMAIN = "www.example.com"
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
FAKE_TLS = f"ee{KEY}{DOMAIN.encode().hex()}"
KEYS = 16

# Name, the load's transport, the listener beside its address, more arguments of the load.
DOORS = (
    ("tcp, obfuscated", "obfuscated-intermediate", "Proto: tcp", ()),
    ("websocket", "ws", "Proto: websocket", ()),
    ("fake TLS", "faketls", f"Proto: tcp, Secrets: [{FAKE_TLS}]", ("--secret", FAKE_TLS)),
    ("TLS", "tls", "Proto: tcp, Tls: {{Cert: {cert}, Key: {key}}}", ("--insecure",)),
    ("websocket inside TLS", "wss", "Proto: websocket, Tls: {{Cert: {cert}, Key: {key}}}", ("--insecure",)),
    ("http", "http", "Proto: http", ()),
    ("http inside TLS", "https", "Proto: http, Tls: {{Cert: {cert}, Key: {key}}}", ("--insecure",)),
    ("unix socket, obfuscated", "obfuscated-intermediate", "", ()),
)


def make_certificate(directory):
    cert, key = directory / "cert.pem", directory / "key.pem"
    made = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=doors", "-keyout", key, "-out", cert], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        check=False)
    if made.returncode != 0:
        raise harness.Failure(made.stdout.decode(errors="replace"))
    return {"cert": cert, "key": key}


class DoorStack(harness.Stack):
    """A stack whose loads come through one door."""

    def __init__(self, options, directory, certificate, door):
        _, self.transport, listener, self.arguments = door
        if listener:
            port, = harness.free_ports(1)
            self.door = f"127.0.0.1:{port}"
            listener = f'Address: "{self.door}", {listener.format(**certificate)}'
        else:
            self.door = f"unix:{directory / 'clients.sock'}"
            listener = f'Address: "{self.door}"'
        super().__init__(options.build, directory, harness.Cores(),
                         ringway_yaml=f"  Listeners:\n    - {{{listener}}}\n")

    @property
    def address(self):
        return self.door

    def start_load(self, connections, **options):
        # A source is an address, and the peers of a unix socket have none.
        if self.door.startswith("unix:"):
            options["source"] = None
        # There are no quick acks over HTTP.
        if self.transport.startswith("http"):
            options["mode"] = "echo"
        options["transport"] = self.transport
        return super().start_load(connections, more=self.arguments, **options)


def measure(options, directory, certificate, door):
    """One row: bytes per idle connection, messages per second, processor time of one."""
    few = options.connections // 10
    with DoorStack(options, directory, certificate, door) as stack:
        # Each receive buffer has then been used once, and none of them counts for the crowd.
        stack.measure(few, options.settle, settle=options.settle, keys=KEYS, mode="echo", source=crowd.SOURCES)
        harness.wait_until(lambda: crowd.alive(stack) == 0, "the end of the first connections")
        crowd.start_crowd(stack, few, KEYS)
        crowd.wait_complete(stack, few)
        time.sleep(options.settle)
        small = stack.gateway.memory()
        crowd.start_crowd(stack, options.connections, KEYS)
        crowd.wait_complete(stack, few + options.connections)
        time.sleep(options.settle)
        crowd.check_crowd(stack, few + options.connections)
        memory = (stack.gateway.memory() - small) / options.connections
    with DoorStack(options, directory.with_name(directory.name + "-busy"), certificate, door) as stack:
        run = stack.measure(options.connections, options.seconds, settle=options.settle, keys=KEYS, mode="echo",
                            source=crowd.SOURCES)
    return (f"| {door[0]} | {memory / 1024:,.1f} KiB | {run['messages_per_second']:,.0f} | "
            f"{run['cpu_us_per_message']:.1f} us | {run['core_busy']:.0%} |")


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    root = pathlib.Path(__file__).resolve().parent.parent
    parser.add_argument("--build", type=pathlib.Path, metavar="DIR", default=root / "build-bench",
                        help="a build directory with the programs in it, best of -Dbuildtype=release (build-bench)")
    parser.add_argument("--connections", type=int, default=2000, help="of each door, at once (2000)")
    parser.add_argument("--seconds", type=float, default=3, help="of the messages (3)")
    parser.add_argument("--settle", type=float, default=1, help="seconds before each measurement (1)")
    parser.add_argument("--only", action="append", metavar="DOOR", choices=[door[0] for door in DOORS],
                        help="just this one; repeatable: " + "; ".join(door[0] for door in DOORS))
    options = parser.parse_args()
    options.build = options.build.resolve()
    return options


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    suite.raise_open_files()
    cores = harness.Cores()
    disturbance = harness.Disturbance(cores.allowed)
    print(f"{table.processor()}; {cores.describe()}; {options.connections:,} connections, {KEYS} keys, 128 bytes\n")
    print("| door | memory per idle connection | echoes per second | CPU per echo | core busy |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(prefix="ringway-doors-") as name, contextlib.suppress(KeyboardInterrupt):
        directory = pathlib.Path(name)
        certificate = make_certificate(directory)
        for number, door in enumerate(DOORS):
            if not options.only or door[0] in options.only:
                print(measure(options, directory / str(number), certificate, door), flush=True)
    print(f"\nOther programs took {disturbance.share():.0%} of these cores.")


if __name__ == "__main__":
    try:
        main()
    except harness.Failure as failure:
        sys.exit(f"doors.py: {failure}")
