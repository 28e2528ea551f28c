"""Compares what clients were told with what shards recorded."""
import bisect
import collections
import re

# What a gateway's windows hold is younger than this, as long as somebody serves.
HELD_SECONDS = 15

DELIVERY = re.compile(r" session_id=(-?\d+) msg_id=(-?\d+) .* outcome=ok at=(\d+)$")


class Verdict:
    acknowledged = 0
    missing = 0
    reordered = 0
    doubles = 0
    held = 0  # missing as well, but gone with the gateway that was killed while it held them

    def good(self):
        return self.acknowledged > 0 and self.missing == 0 and self.reordered == 0


def acknowledged(path):
    acked = collections.defaultdict(set)
    with open(path) as file:
        for line in file:
            session, msg_id = line.split()
            acked[int(session)].add(int(msg_id))
    return acked


def deliveries(paths):
    """(session, msg_id) of everything that a shard took, in the order in which it was taken."""
    found = []
    for path in paths:
        with open(path, errors="replace") as file:
            for number, line in enumerate(file):
                match = DELIVERY.search(line) if line.startswith("send_data ") else None
                if match:
                    session, msg_id, when = (int(text) for text in match.groups())
                    found.append((when, number, session, msg_id))
    found.sort()
    return [(session, msg_id) for _, _, session, msg_id in found]


def sent_at(msg_id):
    """In unix seconds: that is how clients make these numbers."""
    return (msg_id & (2**64 - 1)) / 2**32


def was_held(msg_id, newest_taken, kills):
    """A killed gateway takes its windows with it: the last messages of its clients, of moments ago. What stands
    before a message that was delivered had its turn and is never excused."""
    if msg_id < newest_taken:
        return False
    after = bisect.bisect_left(kills, sent_at(msg_id))
    return after < len(kills) and kills[after] - sent_at(msg_id) <= HELD_SECONDS


def judge(cluster):
    verdict = Verdict()
    taken = collections.defaultdict(set)
    newest = collections.defaultdict(int)
    for session, msg_id in deliveries(cluster.path(f"record{shard.number}") for shard in cluster.shards):
        if msg_id in taken[session]:
            verdict.doubles += 1
            continue
        taken[session].add(msg_id)
        verdict.reordered += msg_id < newest[session]
        newest[session] = max(newest[session], msg_id)
    for gateway in cluster.gateways:
        kills = [when for number, when in cluster.kills if number == gateway.number]
        for session, msg_ids in acknowledged(cluster.acked_path(gateway.number)).items():
            verdict.acknowledged += len(msg_ids)
            for msg_id in msg_ids - taken[session]:
                if was_held(msg_id, newest[session], kills):
                    verdict.held += 1
                else:
                    verdict.missing += 1
    return verdict
