#!/usr/bin/python3
"""Three reference shards behind the real gateway, under load, while shards are killed, stopped and restarted.

usage: chaos.py GATEWAY SHARD LOAD [--rounds N] [--seed N] [--rate N] [--wire auto|batch|stream|unary]

What a client was quick-acked must reach a shard, and the first deliveries of a session must come in the order
in which they were sent. The load writes down what was acknowledged to it, each shard what it took, before it
tells anybody; the clocks of processes on one machine agree. Prints what was acknowledged, missing, reordered and
delivered twice; the exit status is 1 when anything is missing or reordered. Loopback only.
"""
import argparse
import collections
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

from programs import die_with_parent, free_port

SHARDS = 3
START_SECONDS = 30
STOP_SECONDS = 60

CONFIG = """
Name: chaos
ListenOn: 127.0.0.1:{service}
Gnetway:
  Server:
    - Proto: tcp
      Addresses: ["127.0.0.1:{port}"]
Session:
  Endpoints: [{endpoints}]
  Timeout: 1000
Ringway:
  Workers: {{Count: 2, RingEntries: 1024, Buffers: 512}}
  Session: {{Wire: {wire}}}
  Timeouts: {{Drain: 30s}}
  Limits: {{HandshakesPerAddressPerSecond: 0, UnknownKeysPerAddressPerSecond: 0, CryptoJobsPerAddress: 0}}
"""


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


class Cluster:
    def __init__(self, arguments):
        self.arguments = arguments
        self.directory = tempfile.mkdtemp(prefix="ringway-chaos-")
        self.port, self.service_port = free_port(), free_port()
        self.shard_ports = [free_port() for _ in range(SHARDS)]
        self.shards = [None] * SHARDS
        self.stopped = [False] * SHARDS
        self.gateway = self.load = None

    def path(self, name):
        return os.path.join(self.directory, name)

    def spawn(self, name, command):
        with open(self.path(name + ".log"), "ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, preexec_fn=die_with_parent)

    def log(self, name):
        try:
            with open(self.path(name + ".log"), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    # Shards share their keys, as Teamgram's share a database, and nothing else.
    def start_shard(self, i):
        self.shards[i] = self.spawn(f"shard{i}", [
            self.arguments.shard, "--listen", f"127.0.0.1:{self.shard_ports[i]}", "--data", self.path("keys"),
            "--record", self.path(f"record{i}"), "--public", f"127.0.0.1:{self.port}", "--log-level", "error"])
        self.stopped[i] = False

    def kill_shard(self, i):
        self.shards[i].kill()
        self.shards[i].wait()
        self.shards[i] = None

    def start(self):
        os.mkdir(self.path("keys"))
        for i in range(SHARDS):
            self.start_shard(i)
        self.wait_until(lambda: all(listens(port) for port in self.shard_ports), "the shards")
        endpoints = ", ".join(f'"127.0.0.1:{port}"' for port in self.shard_ports)
        with open(self.path("ringway.yaml"), "w") as file:
            file.write(CONFIG.format(service=self.service_port, port=self.port, endpoints=endpoints,
                                     wire=self.arguments.wire))
        self.gateway = self.spawn("gateway", [self.arguments.gateway, "-f", self.path("ringway.yaml"),
                                              "--data", self.directory])
        self.wait_until(lambda: listens(self.port), "the gateway")

    def start_load(self, seconds):
        self.load = self.spawn("load", [
            self.arguments.load, "--addr", f"127.0.0.1:{self.port}", "--key", self.path("server_pub.pem"),
            "--keys-file", self.path("load.keys"), "--mode", "quick-ack", "--connections", "48", "--keys", "24",
            "--rate", str(self.arguments.rate), "--warmup", "0", "--duration", f"{seconds}s", "--drain", "30s",
            "--acked", self.path("acked"), "--json"])
        self.wait_until(lambda: os.path.exists(self.path("acked")) and os.path.getsize(self.path("acked")) > 0,
                        "the load")

    def wait_until(self, done, what):
        deadline = time.monotonic() + START_SECONDS
        while not done():
            ended = self.gateway is not None and self.gateway.poll() is not None
            if ended or time.monotonic() > deadline:
                raise RuntimeError(f"{what} did not start:\n{self.log('gateway')}\n{self.log('load')}")
            time.sleep(0.05)

    # --- mishaps

    def mishap(self, rng):
        i = rng.randrange(SHARDS)
        if self.shards[i] is None:
            self.start_shard(i)
            return f"start {i}"
        if self.stopped[i]:
            self.shards[i].send_signal(signal.SIGCONT)
            self.stopped[i] = False
            return f"continue {i}"
        if self.healthy() == 1 and rng.random() < 0.7:
            return self.help_one(rng)
        if rng.random() < 0.4:
            self.shards[i].send_signal(signal.SIGSTOP)
            self.stopped[i] = True
            return f"stop {i}"
        self.kill_shard(i)
        return f"kill {i}"

    def help_one(self, rng):
        i = rng.choice([i for i in range(SHARDS) if self.shards[i] is None or self.stopped[i]])
        if self.shards[i] is None:
            self.start_shard(i)
            return f"start {i}"
        self.shards[i].send_signal(signal.SIGCONT)
        self.stopped[i] = False
        return f"continue {i}"

    def healthy(self):
        return sum(1 for i in range(SHARDS) if self.shards[i] is not None and not self.stopped[i])

    def heal(self):
        for i in range(SHARDS):
            if self.shards[i] is None:
                self.start_shard(i)
            elif self.stopped[i]:
                self.shards[i].send_signal(signal.SIGCONT)
                self.stopped[i] = False

    # A drained gateway has had everything acknowledged; it says so with its exit status and log.
    def stop(self):
        self.load.wait(timeout=STOP_SECONDS + 60)
        self.gateway.send_signal(signal.SIGTERM)
        self.gateway.wait(timeout=STOP_SECONDS + 60)

    def close(self, keep):
        for process in [self.load, self.gateway, *self.shards]:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if keep:
            print(f"logs and records are in {self.directory}")
        else:
            shutil.rmtree(self.directory)

    # --- the verdict

    def acknowledged(self):
        acked = collections.defaultdict(set)
        with open(self.path("acked")) as file:
            for line in file:
                session, msg_id = line.split()
                acked[int(session)].add(int(msg_id))
        return acked

    def deliveries(self):
        """(when, session, msg_id) of everything that a shard took, in the order in which it was taken."""
        fields = re.compile(r" session_id=(-?\d+) msg_id=(-?\d+) .* outcome=ok at=(\d+)$")
        found = []
        for i in range(SHARDS):
            with open(self.path(f"record{i}"), errors="replace") as file:
                for number, line in enumerate(file):
                    match = fields.search(line) if line.startswith("send_data ") else None
                    if match:
                        session, msg_id, when = (int(text) for text in match.groups())
                        found.append((when, number, session, msg_id))
        found.sort()
        return found


def judge(cluster):
    acked = cluster.acknowledged()
    taken = collections.defaultdict(set)
    newest = collections.defaultdict(int)
    reordered = doubles = 0
    for _, _, session, msg_id in cluster.deliveries():
        if msg_id in taken[session]:
            doubles += 1
            continue
        taken[session].add(msg_id)
        reordered += msg_id < newest[session]
        newest[session] = max(newest[session], msg_id)
    missing = sum(len(msg_ids - taken[session]) for session, msg_ids in acked.items())
    return sum(len(msg_ids) for msg_ids in acked.values()), missing, reordered, doubles


def counters_of(log):
    wanted = ("shards_taken_out", "shards_readmitted", "messages_handed_over", "shard_replays", "messages_lost",
              "closed_without_shard")
    lines = [line for line in log.splitlines() if "counters:" in line]
    found = dict(re.findall(r"(\w+)=(\d+)", lines[-1])) if lines else {}
    return ", ".join(f"{name} {found.get(name, '?')}" for name in wanted)


def run(cluster, arguments, rng):
    # Mishaps come 0.2 to 2 s apart, 1.1 s on average.
    seconds = int(arguments.rounds * 1.1) + 8
    cluster.start()
    cluster.start_load(seconds)
    for _ in range(arguments.rounds):
        what = cluster.mishap(rng)
        if arguments.verbose:
            print(what, flush=True)
        time.sleep(rng.uniform(0.2, 2.0))
    cluster.heal()
    cluster.load.wait(timeout=seconds + 120)
    time.sleep(2)
    cluster.gateway.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    counters = counters_of(cluster.log("gateway"))
    cluster.stop()
    acknowledged, missing, reordered, doubles = judge(cluster)
    print(f"rounds {arguments.rounds}, seed {arguments.seed}, wire {arguments.wire}: quick-acked {acknowledged}, "
          f"missing {missing}, reordered {reordered}, doubles {doubles}")
    print(f"gateway: {counters}")
    if acknowledged == 0:
        print(f"nothing was acknowledged:\n{cluster.log('load')[-2000:]}\n{cluster.log('gateway')[-4000:]}")
    return acknowledged > 0 and missing == 0 and reordered == 0 and cluster.gateway.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gateway")
    parser.add_argument("shard")
    parser.add_argument("load")
    parser.add_argument("--rounds", type=int, default=10, help="mishaps (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the mishaps; 0 takes one from the clock")
    parser.add_argument("--rate", type=int, default=2000, help="messages per second (default 2000)")
    parser.add_argument("--wire", default="auto", choices=["auto", "batch", "stream", "unary"])
    parser.add_argument("--verbose", action="store_true", help="print each mishap")
    parser.add_argument("--keep", action="store_true", help="leave logs and records behind")
    arguments = parser.parse_args()
    arguments.seed = arguments.seed or time.time_ns() % 1_000_000
    cluster = Cluster(arguments)
    good = False
    try:
        good = run(cluster, arguments, random.Random(arguments.seed))
    finally:
        cluster.close(keep=arguments.keep or not good)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
