#!/usr/bin/python3
"""Clients that others wrote, at the doors of the real gateway: Telethon as behind an MTProxy, OpenSSL, curl,
and HAProxy between them and us.

usage: door_clients_test.py GATEWAY SHARD LOAD
"""
import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from programs import CALL_SECONDS, Program, bound, find, free_port, run

try:
    from telethon import TelegramClient, functions
    from telethon.crypto import rsa
    from telethon.network import (ConnectionTcpAbridged, ConnectionTcpMTProxyAbridged,
                                  ConnectionTcpMTProxyIntermediate, ConnectionTcpMTProxyRandomizedIntermediate)
    from telethon.sessions import StringSession
except ImportError as missing:
    sys.exit(f"door_clients_test: {missing}: install Debian's python3-telethon")

GATEWAY = SHARD = LOAD = None
SECRET = "dd00112233445566778899aabbccddeeff"
OTHER_SECRET = "ddffeeddccbbaa99887766554433221100"

CONFIG = """
Name: door-clients-test
ListenOn: 127.0.0.1:{service}
Gnetway:
  Server:
    - Proto: tcp
      Addresses: ["127.0.0.1:{tcp}"]
Session:
  Endpoints: ["127.0.0.1:{shard}"]
Ringway:
  Workers: {{Count: 2, RingEntries: 1024, Buffers: 512}}
  Limits: {{HandshakesPerAddressPerSecond: 0}}
  Listeners:
    - {{Address: "127.0.0.1:{secret}", Proto: tcp, Secrets: [{key}]}}
    - {{Address: "127.0.0.1:{ws}", Proto: websocket}}
    - {{Address: "127.0.0.1:{post}", Proto: http}}
    - {{Address: "127.0.0.1:{tls12}", Proto: auto, Tls: {{Cert: {cert}, Key: {cert_key}}}}}
    - {{Address: "127.0.0.1:{tls13}", Proto: auto, Tls: {{Cert: {cert}, Key: {cert_key}, MinVersion: "1.3"}}}}
    - {{Address: "127.0.0.1:{proxy}", Proto: auto, ProxyProtocol: {{From: [127.0.0.1], Require: true}}}}
"""

# Each frontend passes its clients on with another form of the header.
HAPROXY = """
defaults
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen one
  mode tcp
  bind 127.0.0.1:{one}
  server gateway 127.0.0.1:{proxy} send-proxy
listen two
  mode tcp
  bind 127.0.0.1:{two}
  server gateway 127.0.0.1:{proxy} send-proxy-v2
listen http
  mode http
  timeout tunnel 30s
  bind 127.0.0.1:{http}
  server gateway 127.0.0.1:{proxy} send-proxy-v2
"""

UPGRADE = ["-H", "Connection: Upgrade", "-H", "Upgrade: websocket", "-H", "Sec-WebSocket-Version: 13",
           "-H", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "-H", "Sec-WebSocket-Protocol: binary"]


class Stack:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="ringway-doors-")
        self.shard = self.gateway = self.haproxy = None
        self.ports = {name: free_port() for name in (
            "tcp", "service", "shard", "secret", "ws", "tls12", "tls13", "proxy", "one", "two", "http", "post")}
        os.mkdir(self.path("shard"))
        self.make_certificate()
        with open(self.path("ringway.yaml"), "w") as file:
            file.write(CONFIG.format(**self.ports, key=SECRET, cert=self.path("cert.pem"),
                                     cert_key=self.path("key.pem")))
        with open(self.path("haproxy.cfg"), "w") as file:
            file.write(HAPROXY.format(**self.ports))
        try:
            self.shard = Program([SHARD, "--listen", f"127.0.0.1:{self.ports['shard']}", "--data",
                                  self.path("shard"), "--record", self.path("record"), "--public",
                                  f"127.0.0.1:{self.ports['tcp']}"], self.ports["shard"], self.path("shard.log"))
            self.gateway = Program([GATEWAY, "-f", self.path("ringway.yaml"), "--data", self.directory],
                                   self.ports["tcp"], self.path("gateway.log"))
            self.haproxy = Program([find("haproxy"), "-db", "-f", self.path("haproxy.cfg")], self.ports["one"],
                                   self.path("haproxy.log"))
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.directory, name)

    def make_certificate(self):
        status, text = run(find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                           "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=doors", "-addext",
                           "subjectAltName=DNS:localhost", "-keyout", self.path("key.pem"), "-out",
                           self.path("cert.pem"))
        if status != 0:
            raise RuntimeError(text)

    def address(self, name):
        return f"127.0.0.1:{self.ports[name]}"

    def record(self):
        with open(self.path("record")) as file:
            return file.read().splitlines()

    def reload(self, expected):
        """SIGHUP; waits for what the log is to say."""
        before = len(self.gateway.log())
        self.gateway.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + CALL_SECONDS
        while expected not in self.gateway.log()[before:]:
            if time.monotonic() > deadline:
                raise RuntimeError(f"the log does not say '{expected}': {self.gateway.log()[before:]}")
            time.sleep(0.02)

    def close(self):
        for program in (self.haproxy, self.gateway, self.shard):
            if program is not None:
                program.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class DoorClientsTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        with open(cls.stack.path("server_pub.pem"), "rb") as file:
            rsa.add_key(file.read(), old=False)

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def make_client(self, door, connection, **options):
        session = StringSession()
        session.set_dc(2, "127.0.0.1", self.stack.ports[door])
        client = TelegramClient(session, 1, "0" * 32, connection=connection, connection_retries=1,
                                request_retries=1, receive_updates=False, **options)
        self.addAsyncCleanup(client.disconnect)
        return client

    async def within(self, awaitable):
        return await asyncio.wait_for(awaitable, CALL_SECONDS)

    async def check(self, client):
        await self.within(client.connect())
        config = await self.within(client(functions.help.GetConfigRequest()))
        self.assertEqual(config.this_dc, 2)
        pong = await self.within(client(functions.PingRequest(77)))
        self.assertEqual(pong.ping_id, 77)
        await client.disconnect()

    # --- Telethon

    def proxy(self, secret):
        return "127.0.0.1", self.stack.ports["secret"], secret

    async def test_telethon_as_behind_an_mtproxy(self):
        # Telethon takes the prefix dd with the padded transport alone, as the apps do, and the secret itself with all.
        plain = SECRET.removeprefix("dd")
        ways = [(ConnectionTcpMTProxyRandomizedIntermediate, SECRET)] + [(connection, plain) for connection in (
            ConnectionTcpMTProxyRandomizedIntermediate, ConnectionTcpMTProxyIntermediate, ConnectionTcpMTProxyAbridged)]
        # At once, because it gives every proxy two seconds to hang up.
        done = await asyncio.gather(*(self.check(self.make_client("tcp", connection, proxy=self.proxy(secret)))
                                      for connection, secret in ways), return_exceptions=True)
        for (connection, secret), error in zip(ways, done):
            with self.subTest(connection=connection.__name__, prefix=secret != plain):
                self.assertIsNone(error)

    async def test_telethon_with_another_secret_is_refused(self):
        client = self.make_client("tcp", ConnectionTcpMTProxyRandomizedIntermediate,
                                  proxy=self.proxy(OTHER_SECRET))
        with self.assertRaises(ConnectionError):
            await self.within(client.connect())

    # --- HAProxy

    async def test_telethon_behind_haproxy(self):
        for door, source in (("one", "127.0.44.1"), ("two", "127.0.44.2")):
            with self.subTest(door=door):
                await self.check(self.make_client(door, ConnectionTcpAbridged, local_addr=source))
                self.assertTrue(any(f" client_ip={source} " in line for line in self.stack.record()),
                                "the shard hears of the client, and not of HAProxy")

    def load(self, door, transport, source, *arguments):
        status, text = run(LOAD, "--addr", self.stack.address(door), "--key", self.stack.path("server_pub.pem"),
                           "--transport", transport, "--source", source, "--connections", "20", "--keys", "4",
                           "--mode", "ping", "--warmup", "0", "--duration", "0.3s", *arguments)
        self.assertEqual(status, 0, text)
        self.assertIn("\nerrors       none\n", text)
        self.assertTrue(any(f" client_ip={source} " in line for line in self.stack.record()), source)

    def test_crowds_behind_haproxy(self):
        number = 0
        for door in ("one", "two"):
            for transport in ("intermediate", "obfuscated-padded", "ws"):
                with self.subTest(door=door, transport=transport):
                    number += 1
                    self.load(door, transport, f"127.0.45.{number}")
        # HAProxy reads HTTP here, and passes on what it made of the upgrade.
        self.load("http", "ws", "127.0.45.100")

    def test_nobody_else_is_believed(self):
        status, text = run(LOAD, "--addr", self.stack.address("proxy"), "--key",
                           self.stack.path("server_pub.pem"), "--connections", "1", "--setup-timeout", "2s",
                           "--warmup", "0", "--duration", "0.1s")
        self.assertNotEqual(status, 0, text)

    # --- OpenSSL

    def s_client(self, door, *arguments, data=b""):
        return run(find("openssl"), "s_client", "-connect", self.stack.address(door), "-servername", "localhost",
                   "-CAfile", self.stack.path("cert.pem"), "-verify_return_error", *arguments, data=data)

    def test_versions(self):
        for door, option, version in (("tls12", "-tls1_2", "TLSv1.2"), ("tls12", "-tls1_3", "TLSv1.3"),
                                      ("tls13", "-tls1_3", "TLSv1.3")):
            with self.subTest(door=door, option=option):
                status, text = self.s_client(door, option)
                self.assertEqual(status, 0, text)
                self.assertIn(f"New, {version}, Cipher is", text)
                self.assertIn("Verify return code: 0 (ok)", text)
        for door, option in (("tls12", "-tls1"), ("tls12", "-tls1_1"), ("tls13", "-tls1_1"), ("tls13", "-tls1_2")):
            with self.subTest(door=door, option=option):
                # The client has to be talked into saying such a version at all.
                status, text = self.s_client(door, option, "-cipher", "DEFAULT@SECLEVEL=0")
                self.assertNotEqual(status, 0, text)
                self.assertIn("alert protocol version", text)

    def test_application_protocol(self):
        for offered, answer in (("h2,http/1.1", "ALPN protocol: http/1.1"), ("http/1.1", "ALPN protocol: http/1.1"),
                                ("h2", "No ALPN negotiated")):
            for option in ("-tls1_2", "-tls1_3"):
                with self.subTest(offered=offered, option=option):
                    status, text = self.s_client("tls12", option, "-alpn", offered)
                    self.assertEqual(status, 0, text)
                    self.assertIn(answer, text)

    def make_session(self, option):
        """The file of a session: its ticket may come after the handshake, so standard input stays open."""
        path = os.path.join(tempfile.mkdtemp(dir=self.stack.directory), "session")
        with subprocess.Popen(bound([find("openssl"), "s_client", "-connect", self.stack.address("tls12"), option,
                                     "-sess_out", path]), stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as client:
            deadline = time.monotonic() + CALL_SECONDS
            while not os.path.exists(path) or os.path.getsize(path) == 0:
                self.assertLess(time.monotonic(), deadline, "no session")
                time.sleep(0.02)
        return path

    def check_resumed(self, option, path, expected="Reused"):
        status, text = self.s_client("tls12", option, "-sess_in", path)
        self.assertEqual(status, 0, text)
        self.assertIn(f"{expected}, TLSv1.", text)

    def test_sessions_outlast_a_reload(self):
        read_anew = "certificates of 2 listeners were read anew"
        sessions = {option: self.make_session(option) for option in ("-tls1_2", "-tls1_3")}

        def check(when, expected="Reused"):
            for option, path in sessions.items():
                with self.subTest(option=option, when=when):
                    self.check_resumed(option, path, expected)
        check("at once")
        self.stack.reload(read_anew)
        check("after a reload")
        # A reload that fails leaves everything as it was, the keys of the tickets too.
        sessions = {option: self.make_session(option) for option in sessions}
        cert = self.stack.path("cert.pem")
        os.rename(cert, cert + ".aside")
        try:
            self.stack.reload("certificates stay as they were")
        finally:
            os.rename(cert + ".aside", cert)
        check("after one that failed")
        self.stack.reload(read_anew)
        check("after that and another")
        # And they do not live for ever.
        self.stack.reload(read_anew)
        check("after two", "New")

    # --- curl

    def curl(self, url, *arguments):
        return run(find("curl"), "--silent", "--show-error", "--include", "--http1.1", "--max-time", "3",
                   "--cacert", self.stack.path("cert.pem"), "--resolve",
                   f"localhost:{self.stack.ports['tls12']}:127.0.0.1", *UPGRADE, *arguments, url)

    def test_curl(self):
        for base in (f"http://{self.stack.address('ws')}", f"https://localhost:{self.stack.ports['tls12']}"):
            with self.subTest(base=base):
                # The connection stays open, as a WebSocket; curl then gives up by itself.
                _, text = self.curl(base + "/apiws")
                self.assertIn("HTTP/1.1 101 Switching Protocols\r\n", text)
                self.assertIn("\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", text)
                self.assertIn("\r\nSec-WebSocket-Protocol: binary\r\n", text)
                status, text = self.curl(base + "/elsewhere")
                self.assertEqual(status, 0, text)
                self.assertTrue(text.startswith("HTTP/1.1 404 Not Found\r\n"), text)
                status, text = self.curl(base + "/apiws", "--head")
                self.assertEqual(status, 0, text)
                self.assertTrue(text.startswith("HTTP/1.1 405 Method Not Allowed\r\n"), text)

    # What curl posts: a request for the first step of a key exchange, which a client may make by any connection.
    REQ_PQ = bytes(8) + (4).to_bytes(8, "little") + (20).to_bytes(4, "little") + bytes.fromhex("f18e7ebe") + bytes(16)

    def post(self, base, *arguments, data=None):
        return run(find("curl"), "--silent", "--show-error", "--include", "--http1.1", "--max-time", "10",
                   "--cacert", self.stack.path("cert.pem"), "--resolve",
                   f"localhost:{self.stack.ports['tls12']}:127.0.0.1", "-H", "Content-Type: application/octet-stream",
                   "--data-binary", "@-", *arguments, data=self.REQ_PQ if data is None else data)

    def test_curl_posts(self):
        for base in (f"http://{self.stack.address('post')}", f"https://localhost:{self.stack.ports['tls12']}",
                     f"http://{self.stack.address('http')}"):
            with self.subTest(base=base):
                # Two on one connection, and one that waits to be told to go on.
                status, text = self.post(base, base + "/apiw1", base + "/api")
                self.assertEqual(status, 0, text)
                self.assertEqual(text.count("HTTP/1.1 200 OK\r\n"), 2, text)
                self.assertEqual(text.lower().count("content-length: 84"), 2, text)
                self.assertIn("cache-control: no-store\r\n", text.lower())
                self.assertIn("access-control-allow-origin: *\r\n", text.lower())
                status, text = self.post(base, "-H", "Expect: 100-continue", base + "/apiw1")
                self.assertEqual(status, 0, text)
                self.assertIn("HTTP/1.1 200 OK\r\n", text)
                # With "auto", words that none of our requests begins with are taken for another transport.
                for arguments, answer in (
                        (["-X", "OPTIONS"], "200"), (["--request", "GET"], "405"),
                        (["-H", "Transfer-Encoding: chunked"], "501")):
                    data = b"" if "OPTIONS" in arguments else None
                    status, text = self.post(base, *arguments, base + "/apiw1", data=data)
                    self.assertTrue(text.startswith(f"HTTP/1.1 {answer} "), f"{arguments}: {text}")
                status, text = self.post(base, base + "/nowhere")
                self.assertTrue(text.startswith("HTTP/1.1 404 "), text)
                status, text = self.post(base, base + "/apiw1", data=bytes(2 << 20))
                self.assertIn("HTTP/1.1 413 ", text)
                # A key that nobody has.
                status, text = self.post(base, base + "/apiw1", data=b"x" * 72)
                self.assertTrue(text.startswith("HTTP/1.1 404 "), text)
                self.assertIn("content-length: 4\r\n", text.lower())


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    # unittest runs the loop in debug mode, which reports every step above 100 ms: key exchanges.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    GATEWAY, SHARD, LOAD = (os.path.abspath(path) for path in sys.argv[1:4])
    for needed in ("openssl", "curl", "haproxy"):
        find(needed)
    unittest.main(argv=sys.argv[:1], verbosity=2)
