#!/usr/bin/python3
"""What the operator sees of the real gateway: metrics, health, logs, and the load tool's view of them.

usage: operator_test.py GATEWAY SHARD LOAD
"""
import concurrent.futures
import ctypes
import glob
import gzip
import http.client
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import zlib

import exposition
from programs import bound, free_port
from shard_stack import ShardStack

GATEWAY = SHARD = LOAD = None
WAIT_SECONDS = 20
PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000

CONFIG = """
Prometheus:
  Host: 127.0.0.1
  Port: {metrics}
{more}
"""


class Stack(ShardStack):
    def __init__(self, more="", shard_arguments=()):
        self.metrics_port = free_port()
        super().__init__("operator", GATEWAY, SHARD, lambda _: shard_arguments,
                         "HandshakesPerAddressPerSecond: 0, UnknownKeysPerAddressPerSecond: 0",
                         CONFIG.format(metrics=self.metrics_port, more=more))

    def start_gateway(self):
        super().start_gateway()
        # The listeners open a moment before the metrics do.
        deadline = time.monotonic() + WAIT_SECONDS
        while self.request("/metrics")[0] != 200 and time.monotonic() < deadline:
            time.sleep(0.02)

    def request(self, path, method="GET", timeout=WAIT_SECONDS):
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=timeout)
        try:
            connection.request(method, path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def page(self):
        status, text = self.request("/metrics")
        if status != 200:
            raise RuntimeError(f"/metrics: {status} {text}")
        return exposition.read(text)

    def load(self, *arguments, seconds="0.5s"):
        done = subprocess.run(
            bound([LOAD, "--addr", f"127.0.0.1:{self.port}", "--key", self.path("server_pub.pem"), "--json",
                   "--warmup", "0", "--duration", seconds, *arguments]),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120)
        if done.returncode != 0:
            raise RuntimeError(f"{done.stderr.decode()}{self.gateway.log()}")
        return json.loads(done.stdout)

    def send(self, data):
        """On a connection of its own; waits until the gateway closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=WAIT_SECONDS) as client:
            client.sendall(data)
            while client.recv(4096):
                pass

    def resident_bytes(self):
        with open(f"/proc/{self.gateway.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


class OperatorTest(unittest.TestCase):
    def make(self, *arguments, **named):
        stack = Stack(*arguments, **named)
        self.addCleanup(stack.close)
        return stack

    def eventually(self, condition, what):
        deadline = time.monotonic() + WAIT_SECONDS
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def wait_health(self, stack, path, code, text=""):
        def fits():
            status, body = stack.request(path)
            return status == code and text in body
        self.eventually(fits, f"{path} does not become {code} {text}")


class MetricsTest(OperatorTest):
    def test_the_page_is_strict_and_complete(self):
        stack = self.make()
        self.wait_health(stack, "/readyz", 200)
        families = stack.page()
        for name in ("gnetway_conn_open_total", "gnetway_conn_close_total", "gnetway_conn_timeout_total",
                     "gnetway_handshake_total", "gnetway_msg_process_duration_ms", "gnetway_msg_quick_ack_total",
                     "gnetway_codec_decode_errors_total", "ringway_build_info", "ringway_turn_duration_seconds",
                     "ringway_shard_window_messages", "ringway_listener_connections",
                     "process_cpu_seconds_total", "process_resident_memory_bytes"):
            self.assertIn(name, families)
        for family in families.values():
            self.assertGreater(len(family.help), 10, family.name)
        self.assertEqual(exposition.total(families, "ringway_workers"), 2)
        self.assertEqual(exposition.total(families, "ringway_shard_links_up"), 2)
        self.assertEqual(stack.request("/")[0], 404)
        self.assertEqual(stack.request("/metrics", method="POST")[0], 405)
        self.assertEqual(stack.request("/metrics", method="HEAD"), (200, ""))
        families = stack.page()
        self.assertEqual(exposition.total(families, "ringway_http_requests_total", code="404"), 1)

    def test_values_move_with_traffic(self):
        stack = self.make()
        before = stack.page()
        result = stack.load("--mode", "quick-ack", "--connections", "8", "--keys", "4")
        after = stack.page()

        def grown(name, **labels):
            return exposition.total(after, name, **labels) - exposition.total(before, name, **labels)
        self.assertGreater(result["completed"], 0)
        self.assertGreaterEqual(grown("gnetway_conn_open_total", proto="tcp"), 8)
        self.assertEqual(grown("gnetway_handshake_total", result="ok"), 4)
        self.assertEqual(grown("gnetway_handshake_total", result="error"), 0)
        self.assertGreaterEqual(grown("gnetway_msg_quick_ack_total"), result["completed"])
        self.assertGreaterEqual(grown("gnetway_msg_process_duration_ms_count", type="encrypted"),
                                result["completed"])
        # Three messages of each of four key exchanges.
        self.assertEqual(grown("gnetway_msg_process_duration_ms_count", type="unencrypted"), 12)
        self.assertEqual(grown("gnetway_msg_process_duration_ms_count", type="encrypted"),
                         grown("ringway_messages_routed_total"))
        self.assertGreater(grown("ringway_listener_received_bytes_total"), 128 * result["completed"])
        self.assertGreater(grown("ringway_listener_sent_bytes_total"), 0)
        self.assertEqual(grown("ringway_listener_frames_total"), grown("ringway_frames_received_total"))
        self.assertGreater(grown("ringway_batch_messages_count"), 0)
        self.assertGreater(grown("ringway_worker_cpu_seconds_total"), 0)
        self.eventually(lambda: exposition.total(stack.page(), "ringway_shard_messages_total")
                        == exposition.total(stack.page(), "ringway_batched_messages_total"),
                        "what the links say comes a little later")

        def all_gone():
            page = stack.page()
            return (exposition.total(page, "gnetway_conn_open_total") == exposition.total(page, "gnetway_conn_close_total")
                    and exposition.total(page, "ringway_connections") == 0
                    and exposition.total(page, "ringway_sessions") == 0
                    and exposition.total(page, "ringway_listener_connections") == 0
                    and exposition.total(page, "ringway_shard_window_messages") == 0)
        self.eventually(all_gone, "the crowd has left")

    def test_hostile_bytes_are_counted_by_reason(self):
        stack = self.make()
        keys = stack.path("keys")
        stack.load("--mode", "ping", "--connections", "1", "--keys", "1", "--keys-file", keys)
        with open(keys) as file:
            key_id = bytes.fromhex(file.read().split("\n")[1].split(" ")[0].rjust(16, "0"))[::-1]
        full = struct.pack("<III", 20, 0, 7) + bytes(4)
        hostile = {
            "bad_magic": b"GET / HTTP/1.1\r\n\r\n",
            "bad_len": b"\xee\xee\xee\xee" + struct.pack("<I", 3),
            "bad_crc": full + struct.pack("<I", zlib.crc32(full) ^ 1),
            "decrypt": b"\xee\xee\xee\xee" + struct.pack("<I", 24 + 64) + key_id + bytes(16 + 64),
            "other": b"\xee\xee\xee\xee" + struct.pack("<IqqI", 20 + 4, 0, 2, 4) + bytes(4),
        }
        before = stack.page()
        for data in hostile.values():
            stack.send(data)
        # A good frame (req_pq_multi), and one that is not the next.
        request = struct.pack("<qqIIqq", 0, 4 << 32, 20, 0xbe7e8ef1, 1, 2)
        frame = struct.pack("<II", len(request) + 12, 0) + request
        stack.send(frame + struct.pack("<I", zlib.crc32(frame)) + struct.pack("<II", 52, 5) + bytes(44))
        with socket.create_connection(("127.0.0.1", stack.port)) as client:
            client.sendall(b"\xee\xee\xee\xee" + struct.pack("<I", 400) + bytes(10))

        def error_counts():
            page = stack.page()
            return {reason: exposition.total(page, "gnetway_codec_decode_errors_total", proto="tcp", reason=reason)
                    - exposition.total(before, "gnetway_codec_decode_errors_total", proto="tcp", reason=reason)
                    for reason in (*hostile, "bad_seq", "unexpected_eof")}
        expected = dict.fromkeys((*hostile, "bad_seq", "unexpected_eof"), 1)
        try:
            self.eventually(lambda: error_counts() == expected, "every reason once")
        except AssertionError:
            self.assertEqual(error_counts(), expected)

    def test_an_address_in_use_is_named_with_its_line(self):
        stack = self.make()
        yaml = stack.path("second.yaml")
        with open(stack.path("ringway.yaml")) as file:
            text = file.read()
        for used, other in ((stack.port, free_port()), (stack.service_port, free_port())):
            text = text.replace(f":{used}", f":{other}")
        with open(yaml, "w") as file:
            file.write(text)
        line = text.split("\n").index("  Host: 127.0.0.1") + 1
        second = subprocess.run(bound([GATEWAY, "-f", yaml, "--data", stack.directory]), stdout=subprocess.PIPE,
                                stderr=subprocess.STDOUT, timeout=60)
        self.assertEqual(second.returncode, 1)
        self.assertIn(f"{yaml}:{line}: Prometheus.Host", second.stdout.decode())
        self.assertIn("Address already in use", second.stdout.decode())

    def test_the_load_tool_watches_the_gateway_by_its_metrics(self):
        stack = self.make()
        result = stack.load("--mode", "ping", "--connections", "4", "--metrics", f"127.0.0.1:{stack.metrics_port}")
        self.assertGreater(result["gateway"]["cores"], 0)
        self.assertGreater(result["gateway"]["resident_end"], 1 << 20)
        for where, why in ((f"127.0.0.1:{free_port()}", "refused"),
                           (f"127.0.0.1:{stack.metrics_port}/else", "404"), ("nowhere", "no endpoint")):
            with self.assertRaisesRegex(RuntimeError, why):
                stack.load("--mode", "ping", "--metrics", where)


class HealthTest(OperatorTest):
    def test_ready_follows_the_shard(self):
        for wires in ("batch,stream,unary", "stream,unary"):
            with self.subTest(wires=wires):
                stack = self.make(shard_arguments=["--wire", wires])
                self.wait_health(stack, "/readyz", 200)
                stack.shard.stop()
                self.wait_health(stack, "/readyz", 503, "no session shard can be reached")
                self.assertEqual(stack.request("/healthz"), (200, "ok\n"))
                stack.start_shard()
                self.wait_health(stack, "/readyz", 200)

    def test_not_ready_while_draining(self):
        stack = self.make()
        self.wait_health(stack, "/readyz", 200)
        # A client that does not hang up holds the drain for a second.
        with socket.create_connection(("127.0.0.1", stack.port)) as client:
            client.sendall(b"\xee\xee\xee\xee")
            self.eventually(lambda: exposition.total(stack.page(), "ringway_connections") == 1, "connected")
            stack.gateway.process.terminate()
            self.wait_health(stack, "/readyz", 503, "draining")
            self.assertEqual(stack.request("/healthz"), (200, "ok\n"))
            self.assertEqual(exposition.total(stack.page(), "ringway_draining"), 1)
        self.assertEqual(stack.gateway.process.wait(timeout=30), 0, stack.gateway.log())

    def test_a_stuck_worker_is_not_healthy(self):
        stack = self.make()
        self.wait_health(stack, "/healthz", 200)
        pid = stack.gateway.process.pid
        threads = {}
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/comm") as file:
                threads[file.read().strip()] = int(thread)
        worker = threads["rw-worker-1"]
        libc = ctypes.CDLL(None, use_errno=True)
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(PTRACE_SEIZE, worker, None, None) != 0:
            self.skipTest(f"may not stop a thread: {os.strerror(ctypes.get_errno())}")
        self.assertEqual(libc.ptrace(PTRACE_INTERRUPT, worker, None, None), 0)
        os.waitpid(worker, WALL)
        self.wait_health(stack, "/healthz", 503, "worker 1 has not turned for")
        self.wait_health(stack, "/readyz", 503, "worker 1")
        stack.page()  # does not wait for the worker
        libc.ptrace(PTRACE_DETACH, worker, None, None)
        self.wait_health(stack, "/healthz", 200)


class HostileHttpTest(OperatorTest):
    MEMORY_BYTES = 32 << 20

    def test_slow_large_and_many(self):
        stack = self.make()
        self.wait_health(stack, "/readyz", 200)
        stack.load("--mode", "ping", "--connections", "4")
        before = stack.resident_bytes()
        address = ("127.0.0.1", stack.metrics_port)
        crowd = []
        self.addCleanup(lambda: [client.close() for client in crowd])

        def knock(data):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(address)
            crowd.append(client)
            return data
        for _ in range(1000):
            knock(b"")
        for client in crowd[::2]:
            try:
                client.send(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
            except OSError:
                pass  # still on its way to be accepted
        # Clients are served meanwhile.
        self.assertGreater(stack.load("--mode", "ping", "--connections", "4")["completed"], 0)
        for client in crowd:
            client.close()
        crowd.clear()

        def giant(data):
            with socket.create_connection(address, timeout=WAIT_SECONDS) as client:
                answer = b""
                try:
                    client.sendall(data)
                    while part := client.recv(4096):
                        answer += part
                except OSError:
                    pass  # reset while we send
                return answer
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for answer in pool.map(giant, [
                    b"GET /metrics HTTP/1.1\r\nX: " + b"a" * (8 << 20) + b"\r\n\r\n",
                    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
                    b"POST /metrics HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n" + b"a" * 1_000_000,
                    os.urandom(50_000) + b"\r\n\r\n", b"\r\n" * 10_000, b"GET\0/metrics HTTP/1.1\r\n\r\n"]):
                self.assertNotIn(b" 200 ", answer[:20])
        stack.page()
        self.assertLess(stack.resident_bytes() - before, self.MEMORY_BYTES)
        self.assertIsNone(stack.gateway.process.poll())
        self.assertGreater(stack.load("--mode", "ping", "--connections", "4")["completed"], 0)
        stack.gateway.stop()


class LogTest(OperatorTest):
    def test_files_are_set_aside_and_every_line_is_json(self):
        stack = self.make("Log: {{Mode: file, Path: '{directory}/logs', Level: debug, Encoding: json, "
                          "Rotation: size, MaxSize: 1, MaxBackups: 2, Compress: true, ServiceName: edge}}")

        def backups():
            return glob.glob(stack.path("logs/ringway-*.log.gz"))
        deadline = time.monotonic() + 3 * WAIT_SECONDS
        while not backups():
            self.assertLess(time.monotonic(), deadline, "a MiB of log is set aside")
            stack.load("--mode", "reconnect", "--connections", "64", "--keys", "4", seconds="2s")
        stack.gateway.stop()
        self.assertLessEqual(len(backups()), 3)
        with open(stack.path("logs/ringway.log")) as file:
            lines = file.read().split("\n")
        self.assertEqual(lines.pop(), "")
        with gzip.open(sorted(backups())[0], "rt") as file:
            packed = file.read()
        self.assertLessEqual(len(packed), 1 << 20)
        lines += packed.split("\n")[:-1]
        for line in lines:
            event = json.loads(line)
            self.assertEqual(event["service"], "edge")
            self.assertLessEqual({"@timestamp", "level", "room", "content"}, set(event))
        self.assertTrue(any('"content":"stopped"' in line for line in lines), "to the last line")
        with open(stack.path("gateway.log")) as file:
            self.assertNotIn("ready", file.read(), "nothing goes to the console")

    def test_a_file_that_was_moved_away_is_opened_anew(self):
        stack = self.make("Log: {{Mode: file, Path: '{directory}/logs', TimeFormat: x}}")
        path, moved = stack.path("logs/ringway.log"), stack.path("logs/moved")
        gateway = stack.gateway.process

        def text_of(name):
            with open(name) as file:
                return file.read()
        self.eventually(lambda: "ready" in text_of(path), "the first file")
        os.rename(path, moved)
        gateway.send_signal(signal.SIGUSR1)
        self.eventually(lambda: "counters:" in text_of(moved), "before the signal the old one goes on")
        gateway.send_signal(signal.SIGHUP)
        self.eventually(lambda: os.path.exists(path) and "opened anew" in text_of(path), "a new file")
        before = text_of(moved)
        gateway.send_signal(signal.SIGUSR1)
        self.eventually(lambda: "counters:" in text_of(path), "lines go there")
        stack.gateway.stop()
        self.assertEqual(text_of(moved), before)
        self.assertIn("stopped", text_of(path))
        self.assertRegex(before, r"these keys have no effect: \S+:\d+: Log.TimeFormat")

    def test_a_hangup_does_not_end_a_gateway_that_logs_to_the_console(self):
        stack = self.make("")
        stack.gateway.process.send_signal(signal.SIGHUP)
        self.eventually(lambda: "opened anew" in stack.gateway.log(), "the signal is taken")
        self.assertGreater(stack.load("--mode", "ping", "--connections", "2")["completed"], 0)
        stack.gateway.stop()

    def test_a_log_that_hangs_holds_up_nobody(self):
        directory = tempfile.mkdtemp(prefix="ringway-log-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        os.mkfifo(os.path.join(directory, "ringway.log"))
        reader = os.open(os.path.join(directory, "ringway.log"), os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        stack = self.make(f"Log: {{{{Mode: file, Path: '{directory}', Level: debug}}}}")
        deadline = time.monotonic() + 3 * WAIT_SECONDS
        while exposition.total(stack.page(), "ringway_log_lines_dropped_total") == 0:
            self.assertLess(time.monotonic(), deadline, "the queue is full at last")
            result = stack.load("--mode", "reconnect", "--connections", "64", "--keys", "4", seconds="2s")
            self.assertGreater(result["completed"], 0)
        self.wait_health(stack, "/healthz", 200)
        stack.gateway.stop()

    def test_a_full_disk_is_counted(self):
        directory = tempfile.mkdtemp(prefix="ringway-log-")
        self.addCleanup(shutil.rmtree, directory, ignore_errors=True)
        os.symlink("/dev/full", os.path.join(directory, "ringway.log"))
        stack = self.make(f"Log: {{{{Mode: file, Path: '{directory}'}}}}")
        self.eventually(lambda: exposition.total(stack.page(), "ringway_log_write_errors_total") > 0, "counted")
        self.assertGreater(stack.load("--mode", "ping", "--connections", "2")["completed"], 0)
        stack.gateway.stop()


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    GATEWAY, SHARD, LOAD = (os.path.abspath(path) for path in sys.argv[1:4])
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2)
