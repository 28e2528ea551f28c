#!/usr/bin/python3
"""What the verdict of chaos.py calls missing, reordered, doubled, and gone with a killed gateway."""
import collections
import os
import tempfile
import unittest

from chaos_judge import HELD_SECONDS, judge

Numbered = collections.namedtuple("Numbered", "number")
T = 1_700_000_000


def message(seconds):
    return int((T + seconds) * 2**32)


class FakeCluster:
    """Two gateways and two shards that have left these records."""

    def __init__(self, directory, acked, taken, kills=()):
        self.directory = directory
        self.gateways = self.shards = [Numbered(0), Numbered(1)]
        self.kills = [(gateway, T + seconds) for gateway, seconds in kills]
        for i in range(2):
            with open(self.acked_path(i), "w") as file:
                file.writelines(f"{session} {message(at)}\n" for session, at in acked[i])
            with open(self.path(f"record{i}"), "w") as file:
                file.writelines(f"send_data wire=batch session_id={session} msg_id={message(at)} bytes=1 "
                                f"outcome=ok at={when}\n" for session, at, when in taken[i])

    def path(self, name):
        return os.path.join(self.directory, name)

    def acked_path(self, i):
        return self.path(f"acked{i}")


class JudgeTest(unittest.TestCase):
    def judge(self, *arguments, **more):
        with tempfile.TemporaryDirectory() as directory:
            return judge(FakeCluster(directory, *arguments, **more))

    def test_all_is_well(self):
        verdict = self.judge([[(5, 1), (5, 2)], [(-6, 1)]], [[(5, 1, 10), (5, 1, 30)], [(5, 2, 20), (-6, 1, 20)]])
        self.assertTrue(verdict.good())
        self.assertEqual((verdict.acknowledged, verdict.doubles, verdict.held), (3, 1, 0))

    def test_nothing_acknowledged_is_no_success(self):
        self.assertFalse(self.judge([[], []], [[], []]).good())

    def test_first_deliveries_have_an_order(self):
        verdict = self.judge([[(5, 1), (5, 2)], []], [[(5, 2, 10)], [(5, 1, 20)]])
        self.assertEqual((verdict.reordered, verdict.missing), (1, 0))
        self.assertFalse(verdict.good())

    def test_missing_without_a_kill(self):
        verdict = self.judge([[(5, 1), (5, 2)], []], [[(5, 1, 10)], []])
        self.assertEqual((verdict.missing, verdict.held), (1, 0))
        self.assertFalse(verdict.good())

    def test_what_a_killed_gateway_held_is_apart(self):
        verdict = self.judge([[(5, 1), (5, 2), (5, 3)], []], [[(5, 1, 10)], []], kills=[(0, 3.5)])
        self.assertEqual((verdict.missing, verdict.held), (0, 2))
        self.assertTrue(verdict.good())

    def test_a_gap_before_a_delivery_is_not_excused_by_a_kill(self):
        verdict = self.judge([[(5, 1), (5, 2), (5, 3)], []], [[(5, 1, 10), (5, 3, 20)], []], kills=[(0, 3.5)])
        self.assertEqual((verdict.missing, verdict.held), (1, 0))

    def test_only_its_own_clients_and_only_what_it_can_have_held(self):
        for kill in [(1, 2.5), (0, 1.5), (0, 2 + HELD_SECONDS + 1)]:
            verdict = self.judge([[(5, 1), (5, 2)], []], [[(5, 1, 10)], []], kills=[kill])
            self.assertEqual((verdict.missing, verdict.held), (1, 0), kill)


if __name__ == "__main__":
    unittest.main()
