#!/usr/bin/python3
"""Masks: who knows no secret finds the server that the gateway hides behind, and who knows one finds the gateway.
OpenSSL's own server stands there, and curl and OpenSSL's client probe.

usage: mask_test.py GATEWAY SHARD LOAD
"""
import os
import random
import select
import shutil
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest

from programs import CALL_SECONDS, Program, find, free_port, fresh_counters, run, wait_for

GATEWAY = SHARD = LOAD = None
DOMAIN = "www.example.com"
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
FAKE_TLS = f"ee{KEY}{DOMAIN.encode().hex()}"
OTHER_FAKE_TLS = f"eeffffffffffffffffffffffffffffffff{DOMAIN.encode().hex()}"
SECRET = "dd00112233445566778899aabbccddeeff"
RELAYS_MAX = 8  # of one address, which is the sixteenth part of all

CONFIG = """
Name: mask-test
ListenOn: 127.0.0.1:{service}
Gnetway:
  Server:
    - Proto: tcp
      Addresses: ["127.0.0.1:{tcp}"]
Session:
  Endpoints: ["127.0.0.1:{shard}"]
Ringway:
  Workers: {{Count: 2, RingEntries: 1024, Buffers: 512}}
  Limits: {{HandshakesPerAddressPerSecond: 0, MaskConnections: {relays}}}
  Timeouts: {{FirstByte: 500ms, Detection: 500ms, Idle: {idle}}}
  Listeners:
    - {{Address: "127.0.0.1:{masked}", Secrets: [{fake}], Mask: "localhost:{site}"}}
    - {{Address: "127.0.0.1:{open}", Secrets: [{fake}, {secret}], Mask: "127.0.0.1:{site}"}}
    - {{Address: "127.0.0.1:{raw}", Secrets: [{fake}], Mask: "127.0.0.1:{mask}"}}
    - {{Address: "127.0.0.1:{open_raw}", Secrets: [{fake}, {secret}], Mask: "127.0.0.1:{mask}"}}
    - {{Address: "127.0.0.1:{nowhere}", Secrets: [{fake}], Mask: "127.0.0.1:{nobody}"}}
    - {{Address: "127.0.0.1:{unmasked}", Secrets: [{fake}]}}
"""


def read_all(connection):
    received = b""
    while chunk := connection.recv(65536):
        received += chunk
    return received


class Stack:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="ringway-mask-")
        self.programs = []
        self.ports = {name: free_port() for name in (
            "tcp", "service", "shard", "masked", "open", "raw", "open_raw", "nowhere", "unmasked", "site", "mask", "nobody")}
        os.mkdir(self.path("shard"))
        status, text = run(find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                           "-nodes", "-days", "2", "-subj", "/CN=the mask itself", "-addext",
                           f"subjectAltName=DNS:{DOMAIN}", "-keyout", self.path("key.pem"), "-out",
                           self.path("cert.pem"))
        if status != 0:
            raise RuntimeError(text)
        try:
            self.start([find("openssl"), "s_server", "-accept", str(self.ports["site"]), "-cert",
                        self.path("cert.pem"), "-key", self.path("key.pem"), "-www", "-quiet"], "site")
            self.start([SHARD, "--listen", f"127.0.0.1:{self.ports['shard']}", "--data", self.path("shard"),
                        "--load-methods"], "shard")
            self.start_gateway()
        except BaseException:
            self.close()
            raise

    def start(self, arguments, port):
        program = Program(arguments, self.ports[port], self.path(f"{port}.log"))
        self.programs.append(program)
        return program

    def start_gateway(self, idle="5m"):
        with open(self.path("ringway.yaml"), "w") as file:
            file.write(CONFIG.format(**self.ports, fake=FAKE_TLS, secret=SECRET, relays=16 * RELAYS_MAX, idle=idle))
        self.gateway = self.start([GATEWAY, "-f", self.path("ringway.yaml"), "--data", self.directory], "tcp")

    def path(self, name):
        return os.path.join(self.directory, name)

    def close(self):
        for program in reversed(self.programs):
            program.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class MaskTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()

    @classmethod
    def tearDownClass(cls):
        died = cls.stack.gateway.process.poll() is not None
        log = cls.stack.gateway.log()
        cls.stack.close()
        if died:
            raise RuntimeError(f"the gateway has died:\n{log[-4000:]}")

    def counter(self, name):
        return fresh_counters(self.stack.gateway)[name]

    def wait_counter(self, name, at_least):
        wait_for(lambda: self.counter(name) >= at_least, f"{name} >= {at_least}")

    def connect(self, door):
        connection = socket.create_connection(("127.0.0.1", self.stack.ports[door]), timeout=CALL_SECONDS)
        connection.settimeout(CALL_SECONDS)
        self.addCleanup(connection.close)
        return connection

    def mask(self):
        """A server where the raw door's mask is to be."""
        server = socket.create_server(("127.0.0.1", self.stack.ports["mask"]))
        server.settimeout(CALL_SECONDS)
        self.addCleanup(server.close)
        return server

    def relay(self, server, first, door="raw"):
        """Both ends of one, whose mask has received these bytes and no others."""
        client = self.connect(door)
        client.sendall(first)
        mask, _ = server.accept()
        mask.settimeout(CALL_SECONDS)
        self.addCleanup(mask.close)
        received = b""
        while len(received) < len(first):
            received += mask.recv(65536)
        self.assertEqual(received, first)
        return client, mask

    def load(self, door, secret=FAKE_TLS, transport="faketls"):
        return run(LOAD, "--addr", f"127.0.0.1:{self.stack.ports[door]}", "--key", self.stack.path("server_pub.pem"),
                   "--transport", transport, "--secret", secret, "--connections", "10", "--keys", "2", "--mode", "ping",
                   "--warmup", "0", "--duration", "0.3s", "--setup-timeout", "5s")

    # --- what a prober sees, and what a client

    def test_curl_sees_the_site(self):
        for door in ("masked", "open"):
            with self.subTest(door=door):
                port = self.stack.ports[door]
                status, text = run(find("curl"), "--silent", "--show-error", "--http1.1", "--max-time", "20", "--cacert",
                                   self.stack.path("cert.pem"), "--resolve", f"{DOMAIN}:{port}:127.0.0.1",
                                   f"https://{DOMAIN}:{port}/")
                self.assertEqual(status, 0, text)
                self.assertIn("s_server -accept", text)

    def test_openssl_sees_the_certificate(self):
        for option in ("-tls1_2", "-tls1_3"):
            with self.subTest(option=option):
                status, text = run(find("openssl"), "s_client", "-connect", f"127.0.0.1:{self.stack.ports['masked']}",
                                   "-servername", DOMAIN, "-CAfile", self.stack.path("cert.pem"),
                                   "-verify_return_error", option)
                self.assertEqual(status, 0, text)
                self.assertIn("the mask itself", text)
                self.assertIn("Verify return code: 0 (ok)", text)

    def test_clients_of_ours_find_us(self):
        relays = self.counter("mask_relays")
        for door, secret, transport in (("masked", FAKE_TLS, "faketls"), ("open", FAKE_TLS, "faketls"),
                                        ("open", SECRET, "obfuscated-padded")):
            with self.subTest(door=door, transport=transport):
                status, text = self.load(door, secret, transport)
                self.assertEqual(status, 0, text)
                self.assertIn("\nerrors       none\n", text)
        self.assertEqual(self.counter("mask_relays"), relays)

    def test_another_secret_finds_the_site(self):
        relays = self.counter("mask_relays")
        status, text = self.load("masked", OTHER_FAKE_TLS)
        self.assertNotEqual(status, 0, text)
        self.assertGreater(self.counter("mask_relays"), relays)

    # --- bytes

    def test_what_the_mask_gets_is_what_came(self):
        server = self.mask()
        hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.Random(1).randbytes(506)
        for first in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", hello, hello + b"and more", b"\xef", b"\xee" * 4,
                      random.Random(2).randbytes(700), b"\x16\x03\x02", b"\x16\x03\x01\xff\xff" + b"x" * 100):
            with self.subTest(first=first[:16]):
                client, mask = self.relay(server, first)
                mask.sendall(b"an answer")
                self.assertEqual(client.recv(9), b"an answer")
                client.sendall(b"a question")
                self.assertEqual(mask.recv(10), b"a question")
                mask.close()
                self.assertEqual(client.recv(1), b"")

    def test_what_is_not_whole_goes_there_in_the_end(self):
        server = self.mask()
        client, _ = self.relay(server, b"\x16\x03\x01\x02\x00\x01\x00")
        silent = self.connect("raw")
        mask, _ = server.accept()
        self.addCleanup(mask.close)
        mask.sendall(b"speak up")
        self.assertEqual(silent.recv(8), b"speak up")
        client.close()

    def test_what_an_open_listener_cannot_read_comes_whole(self):
        # Obfuscation takes 64 bytes to tell that it is none of ours, and changes them.
        server = self.mask()
        for first in (b"GET /index.html HTTP/1.0\r\n" + b"X: y\r\n" * 20 + b"\r\n", random.Random(2).randbytes(700),
                      b"short", b"\xef" + bytes(63), b"\xee\xee\xee\xee" + bytes(60), b"\xdd\xdd\xdd\xdd" + bytes(60)):
            with self.subTest(first=first[:16]):
                client, mask = self.relay(server, first, "open_raw")
                mask.sendall(b"an answer")
                self.assertEqual(client.recv(9), b"an answer")

    def test_ends_are_carried(self):
        server = self.mask()
        client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        self.assertEqual(mask.recv(1), b"")
        mask.sendall(b"still here")
        self.assertEqual(client.recv(10), b"still here")
        mask.close()
        self.assertEqual(client.recv(1), b"")
        # The other way round.
        client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        mask.sendall(b"all of it")
        mask.shutdown(socket.SHUT_WR)
        self.assertEqual(read_all(client), b"all of it")
        client.sendall(b"still here")
        self.assertEqual(mask.recv(10), b"still here")
        client.close()
        self.assertEqual(mask.recv(1), b"")
        # The end may come with the bytes that decide.
        client = self.connect("raw")
        client.sendall(b"\x16\x03")
        client.shutdown(socket.SHUT_WR)
        mask, _ = server.accept()
        self.addCleanup(mask.close)
        self.assertEqual(read_all(mask), b"\x16\x03")

    def test_much_each_way(self):
        server = self.mask()
        client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        up, down = random.Random(3).randbytes(24 << 20), random.Random(4).randbytes(24 << 20)
        received = {}

        def send(connection, data):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)

        def receive(name, connection):
            received[name] = read_all(connection)
        threads = [threading.Thread(target=send, args=(client, up)), threading.Thread(target=send, args=(mask, down)),
                   threading.Thread(target=receive, args=("up", mask)),
                   threading.Thread(target=receive, args=("down", client))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CALL_SECONDS)
        self.assertTrue(received["up"] == up)
        self.assertTrue(received["down"] == down)

    def resident_kib(self):
        with open(f"/proc/{self.stack.gateway.process.pid}/status") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    def test_a_mask_that_does_not_read_is_not_written_to_for_ever(self):
        server = self.mask()
        client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        before = self.resident_kib()
        client.setblocking(False)
        sent, idle = 0, 0
        # Until nothing moves: what is on its way lies in the kernel's buffers.
        while idle < 20:
            try:
                sent += client.send(bytes(1 << 20))
                idle = 0
            except BlockingIOError:
                idle += 1
                time.sleep(0.02)
            self.assertLess(sent, 256 << 20)
        self.assertLess(self.resident_kib() - before, 4096)
        mask.close()

    def test_a_reset_is_a_reset(self):
        server = self.mask()
        client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        mask.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        mask.close()
        with self.assertRaises(ConnectionResetError):
            client.recv(1)
        client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        with self.assertRaises(ConnectionResetError):
            mask.recv(1)

    # --- masks that fail, and floods

    def test_no_mask_no_answer(self):
        failed = self.counter("mask_relays_failed")
        for door in ("nowhere", "unmasked"):
            with self.subTest(door=door):
                connection = self.connect(door)
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                self.assertEqual(connection.recv(1), b"", "an end in order, and no reset")
                connection.sendall(b"is anybody there?")
                self.assertEqual(connection.recv(1), b"")
        self.assertEqual(self.counter("mask_relays_failed"), failed + 1)

    def test_a_flood_of_probes_is_bounded(self):
        server = self.mask()
        server.listen(64)
        before = {name: self.counter(name) for name in ("mask_relays", "mask_relays_refused")}
        probes = [self.connect("raw") for _ in range(5 * RELAYS_MAX)]
        for probe in probes:
            probe.sendall(b"GET / HTTP/1.0\r\n\r\n")
        self.wait_counter("mask_relays_refused", before["mask_relays_refused"] + 4 * RELAYS_MAX)
        self.assertEqual(self.counter("mask_relays"), before["mask_relays"] + RELAYS_MAX)
        # Who is one too many is told by an end, as everybody is who is refused, and not by a reset.
        waiting, ended = set(probes), 0
        while ended < 4 * RELAYS_MAX:
            readable = select.select(waiting, [], [], CALL_SECONDS)[0]
            self.assertTrue(readable)
            for probe in readable:
                self.assertEqual(probe.recv(1), b"")
            waiting.difference_update(readable)
            ended += len(readable)
        # Clients of ours come in meanwhile, and probers again once there is room.
        status, text = self.load("masked")
        self.assertEqual(status, 0, text)
        closed = self.counter("mask_sockets_closed")
        for probe in probes:
            probe.close()
        for _ in range(RELAYS_MAX):
            server.accept()[0].close()
        self.wait_counter("mask_sockets_closed", closed + 2 * RELAYS_MAX)
        client, _ = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        client.close()

    def test_a_mask_that_says_nothing_and_the_end(self):
        # Both ways to end a relay that would stay: its time, and the gateway's end.
        self.stack.gateway.stop()
        self.stack.start_gateway(idle="1s")
        try:
            server = self.mask()
            client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
            self.assertEqual(client.recv(1), b"")
            self.assertEqual(mask.recv(1), b"")
            self.assertEqual(self.counter("mask_relays_timed_out"), 1)
        finally:
            self.stack.gateway.stop()
            self.stack.start_gateway()
        client, mask = self.relay(server, b"GET / HTTP/1.0\r\n\r\n")
        self.stack.gateway.stop()
        self.assertEqual(client.recv(1), b"")
        self.assertEqual(mask.recv(1), b"")
        self.stack.start_gateway()


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    GATEWAY, SHARD, LOAD = (os.path.abspath(path) for path in sys.argv[1:4])
    for needed in ("openssl", "curl"):
        find(needed)
    unittest.main(argv=sys.argv[:1], verbosity=2)
