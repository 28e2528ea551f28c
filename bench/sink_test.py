#!/usr/bin/env python3
"""Whether the light shard of the benchmarks is a shard: it takes, counts, pushes and keeps keys as the reference does."""

import os
import pathlib
import socket
import sys
import tempfile
import unittest

import harness
import stress

BUILD = None
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
EMPTY_SETTINGS = b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"
CONNECTIONS = 8


class Sink(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory(prefix="ringway-sink-")
        self.addCleanup(directory.cleanup)
        self.stack = harness.Stack(BUILD, pathlib.Path(directory.name) / "stack", harness.Cores(), sink=True)
        self.addCleanup(self.stack.__exit__)

    def load(self, **options):
        return harness.check_report(self.stack.start_load(CONNECTIONS, warmup=0, seconds=1, keys=4, **options).result())

    def restart_gateway(self):
        """Another process in the place of the first, which knows nothing of its keys."""
        self.stack.gateway.process.kill()
        self.stack.gateway.process.wait()
        # The kernel may listen for a while on behalf of its ring.
        harness.wait_until(lambda: not harness.listens(self.stack.clients_port), "the port is free")
        self.stack.gateway = self.stack.start(
            "src/programs/ringway", "-f", "ringway.yaml", "--data", self.stack.directory,
            cores=self.stack.cores.server, port=self.stack.clients_port)

    def test_each_message_arrives_once_and_in_order_and_is_counted(self):
        verified = self.load(verify=True, window=32)["verified"]
        self.assertGreater(verified["acknowledged"], 0)
        self.assertEqual(verified["arrived"], verified["sent"])
        for wrong in ("lost", "surplus", "mixed_up", "out_of_order", "unasked"):
            self.assertEqual(verified[wrong], 0, wrong)
        counters = stress.drained(self.stack)
        self.assertEqual(counters["messages_lost"], 0)
        self.assertEqual(stress.taken_by_shard(self.stack), counters["messages_routed"])

    def test_messages_come_back_as_pushes(self):
        report = self.load(mode="echo")
        counters = self.stack.counters()
        self.assertGreaterEqual(counters["pushes_delivered"], report["completed"])

    def test_keys_are_kept_for_other_gateways_and_unknown_ones_are_denied(self):
        self.load()
        self.restart_gateway()
        self.load()
        self.assertEqual(self.stack.counters()["handshakes_done"], 0)
        flood = self.stack.start_flood("unknown-keys", threads=2)
        self.stack.wait_growth("key_queries_unknown", 0, 10, flood)
        result = flood.interrupt()
        self.assertGreater(result["done"], 0)
        self.assertEqual(result["failed"], 0)

    def test_bytes_that_are_no_calls_end_their_connection_alone(self):
        truncated_headers = b"\x00\x00\x04\x01\x04\x00\x00\x00\x01\xff\xff\xff\xff"
        for hostile in (b"GET / HTTP/1.1\r\n\r\n", bytes(64), PREFACE + b"\xff" * 64,
                        PREFACE + EMPTY_SETTINGS + truncated_headers, os.urandom(4096)):
            with socket.create_connection(("127.0.0.1", self.stack.shard_port), timeout=harness.START_SECONDS) as foe:
                foe.sendall(hostile)
                try:
                    while foe.recv(4096):  # its SETTINGS, why it goes, and the end
                        pass
                except ConnectionResetError:
                    pass
        self.stack.shard.check_running()
        self.load()


class Wrong(unittest.TestCase):
    def test_arguments_that_make_no_sense_are_refused(self):
        with tempfile.TemporaryDirectory() as directory, harness.Runner(
                BUILD, pathlib.Path(directory), harness.Cores()) as runner:
            for arguments in ((), ("--port",), ("--port", "70000"), ("--port", "1x"), ("--port", "1", "--gather", "1")):
                program = runner.start("bench/shard_sink", *arguments)
                self.assertEqual(program.process.wait(harness.START_SECONDS), 2, arguments)


if __name__ == "__main__":
    BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main()
