#!/usr/bin/python3
"""Reference shards behind real gateways, under load, while components are killed, stopped and restarted.

usage: chaos.py GATEWAY SHARD LOAD [--etcd] [--gateways N] [--rounds N] [--seed N] [--rate N]
                [--wire auto|batch|stream|unary] [--verbose] [--keep]

What a client was quick-acked must reach a shard, and the first deliveries of a session must come in the order
in which they were sent. The load writes down what was acknowledged to it, each shard what it took, before it
tells anybody; the clocks of processes on one machine agree. Prints what was acknowledged, missing, reordered and
delivered twice; the exit status is 1 when anything is missing or reordered. Loopback only.

Three shards that the gateway's file names: they are killed and stopped at random, several at a time.
With --etcd the shards are found through a real etcd, in which the gateways are registered as well; with
--gateways N each of N gateways has its share of the load. Then one component at a time is killed, stopped for a
while or restarted, in turn: a shard, a gateway, etcd. What a gateway held when it was killed is counted apart.
"""
import argparse
import random
import re
import signal
import sys
import time

from chaos_cluster import Cluster, listens
from chaos_judge import judge

# A shard or gateway that is away for the longer ones of these is noticed in every way there is.
AWAY_SECONDS = (0.2, 4.0)
PAUSE_SECONDS = (0.5, 1.5)
LONG_RUN_SECONDS = 24 * 3600


class ShardMishaps:
    """Any shard may go at any time; one is left most of the time."""

    def __init__(self, cluster, rng):
        self.shards = cluster.shards
        self.rng = rng

    def draw(self):
        shard = self.rng.choice(self.shards)
        if not shard.healthy():
            return shard.help()
        healthy = sum(1 for other in self.shards if other.healthy())
        if healthy == 1 and self.rng.random() < 0.7:
            return self.rng.choice([other for other in self.shards if not other.healthy()]).help()
        if self.rng.random() < 0.4:
            shard.stop()
            return f"stop {shard}"
        shard.kill()
        return f"kill {shard}"

    def round(self):
        what = self.draw()
        time.sleep(self.rng.uniform(0.2, 2.0))
        return what

    def heal(self):
        for shard in self.shards:
            if not shard.healthy():
                shard.help()


class OneAtATime:
    """Every kind of component meets every kind of mishap, each once before the next time around."""

    def __init__(self, cluster, rng):
        self.cluster = cluster
        self.rng = rng
        self.deck = []

    def round(self):
        if not self.deck:
            kinds = sorted({component.kind for component in self.cluster.components()})
            self.deck = [(kind, how) for kind in kinds for how in (self.kill, self.stop, self.restart)]
            self.rng.shuffle(self.deck)
        kind, how = self.deck.pop()
        component = self.rng.choice([c for c in self.cluster.components() if c.kind == kind])
        what = how(component)
        self.cluster.wait_until(lambda: listens(component.port), component)
        time.sleep(self.rng.uniform(*PAUSE_SECONDS))
        return what

    def stay_away(self):
        seconds = self.rng.uniform(*AWAY_SECONDS)
        time.sleep(seconds)
        return f"for {seconds:.1f} s"

    def kill(self, component):
        component.kill()
        if component.kind == "gateway":
            self.cluster.kills.append((component.number, time.time()))
        what = f"kill {component} {self.stay_away()}"
        component.start()
        return what

    def stop(self, component):
        component.stop()
        what = f"stop {component} {self.stay_away()}"
        component.proceed()
        return what

    # A gateway drains first: with the shards there, nothing may be left when it ends.
    def restart(self, component):
        status = component.end()
        if component.kind != "etcd" and status != 0:
            raise RuntimeError(f"{component} ended with status {status}:\n{component.log()[-4000:]}")
        component.start()
        return f"restart {component}"

    def heal(self):
        if self.cluster.etcd:
            self.cluster.wait_until(self.cluster.all_registered, "the registration of shards and gateways")


def counters_of(log):
    wanted = ("shards_taken_out", "shards_readmitted", "messages_handed_over", "shard_replays", "messages_lost",
              "closed_without_shard")
    lines = [line for line in log.splitlines() if "counters:" in line]
    found = dict(re.findall(r"(\w+)=(\d+)", lines[-1])) if lines else {}
    return ", ".join(f"{name} {found.get(name, '?')}" for name in wanted)


def run(cluster, arguments, rng):
    cluster.start()
    cluster.start_loads(LONG_RUN_SECONDS)
    one_at_a_time = arguments.etcd or arguments.gateways > 1
    mishaps = OneAtATime(cluster, rng) if one_at_a_time else ShardMishaps(cluster, rng)
    for _ in range(arguments.rounds):
        what = mishaps.round()
        if arguments.verbose:
            print(what, flush=True)
    mishaps.heal()
    time.sleep(8)  # the load goes on when all is well again
    cluster.interrupt_loads()
    cluster.wait_for_loads(120)
    time.sleep(2)
    for gateway in cluster.gateways:
        gateway.process.send_signal(signal.SIGUSR1)
    time.sleep(0.5)
    counters = [counters_of(gateway.log()) for gateway in cluster.gateways]
    # A drained gateway has had everything acknowledged; it says so with its exit status.
    drained = [gateway.end() == 0 for gateway in cluster.gateways]
    verdict = judge(cluster)
    print(f"rounds {arguments.rounds}, seed {arguments.seed}, wire {arguments.wire}: quick-acked "
          f"{verdict.acknowledged}, missing {verdict.missing}, reordered {verdict.reordered}, "
          f"doubles {verdict.doubles}")
    if one_at_a_time:
        print(f"gateways killed {len(cluster.kills)}, messages that went with their windows {verdict.held}")
    for gateway, text in zip(cluster.gateways, counters):
        print(f"{gateway}: {text}")
    if verdict.acknowledged == 0:
        print(f"nothing was acknowledged:\n{cluster.load_log(0)[-2000:]}\n{cluster.gateways[0].log()[-4000:]}")
    return verdict.good() and all(drained)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("gateway")
    parser.add_argument("shard")
    parser.add_argument("load")
    parser.add_argument("--etcd", action="store_true", help="find shards through etcd, and lose that as well")
    parser.add_argument("--gateways", type=int, default=1, help="gateways, each with its load (default 1)")
    parser.add_argument("--rounds", type=int, default=10, help="mishaps (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="of the mishaps; 0 takes one from the clock")
    parser.add_argument("--rate", type=int, default=2000, help="messages per second in all (default 2000)")
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
