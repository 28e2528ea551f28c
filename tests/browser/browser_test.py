#!/usr/bin/env python3
"""GramJS, the library that web clients are made with, in Node and in a page of headless Chromium, against the real
gateway and the real reference shard, on loopback only.

usage: browser_test.py GATEWAY SHARD MODULES [NAME...]

MODULES is the node_modules that was installed from this folder's package.json; `tools/test --browser` does that. NAMEs
select tests as unittest's do. The last line counts single cases: "N passed, N failed, N skipped".
"""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "e2e"))

from programs import Program, free_port  # noqa: E402
from runners import Chromium, CommandFailed, Node  # noqa: E402

GATEWAY = SHARD = MODULES = None
STEP_SECONDS = 60
HOST = "127.0.0.1"
SECRET = "00112233445566778899aabbccddeeff"
OTHER_SECRET = "ffeeddccbbaa99887766554433221100"
# A part of a file: the largest that the protocol allows, in many reads and several frames of WebSocket.
UPLOAD_BYTES = 512 * 1024

CONFIG = """
Name: browser-test
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
    - {{Address: "127.0.0.1:{websocket}", Proto: websocket}}
    - {{Address: "127.0.0.1:{auto}", Proto: auto}}
    - {{Address: "127.0.0.1:{websocket_tls}", Proto: websocket, Tls: {{Cert: {known}.pem, Key: {known}.key}}}}
    - {{Address: "127.0.0.1:{auto_tls}", Proto: auto, Tls: {{Cert: {known}.pem, Key: {known}.key, MinVersion: "1.3"}}}}
    - {{Address: "127.0.0.1:{stranger}", Proto: websocket, Tls: {{Cert: {strange}.pem, Key: {strange}.key}}}}
"""

# name -> (transport of GramJS, listener, what else it is told)
WEB_DOORS = {
    "ws": ("ws", "websocket", {}),
    "ws_at_auto": ("ws", "auto", {}),
    "ws_of_test_servers": ("ws", "websocket", {"testServers": True}),
    "wss": ("wss", "websocket_tls", {}),
    "wss_at_auto": ("wss", "auto_tls", {}),
}
TCP_DOORS = {
    "tcp_full": ("full", "tcp", {}),
    "tcp_abridged": ("abridged", "tcp", {}),
    "tcp_obfuscated": ("obfuscated", "tcp", {}),
    "tcp_full_at_auto": ("full", "auto", {}),
    "tcp_abridged_at_auto": ("abridged", "auto", {}),
    "tcp_obfuscated_at_auto": ("obfuscated", "auto", {}),
    "mtproxy": ("mtproxy", "secret", {"secret": SECRET}),
    "mtproxy_dd": ("mtproxy", "secret", {"secret": "dd" + SECRET}),
}


def openssl(*arguments):
    return subprocess.run(["openssl", *arguments], check=True, timeout=STEP_SECONDS, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE).stdout


def server_key(path):
    """What a client has to know of the server's key: its numbers, and the fingerprint over them."""
    text = openssl("rsa", "-pubin", "-in", path, "-noout", "-modulus").decode()
    modulus, exponent = int(text.strip().split("=")[1], 16), 65537
    packed = b""
    for number in (modulus, exponent):
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        packed += bytes([len(data)]) if len(data) < 254 else b"\xfe" + len(data).to_bytes(3, "little")
        packed += data
        packed += bytes(-len(packed) % 4)
    fingerprint = int.from_bytes(hashlib.sha1(packed).digest()[12:20], "little", signed=True)
    return {"fingerprint": str(fingerprint), "n": str(modulus), "e": exponent}


def with_another_key(session):
    """A session of GramJS's is its version and the base64 of what ends with the key."""
    data = bytearray(base64.b64decode(session[1:]))
    data[-1] ^= 1
    return session[0] + base64.b64encode(data).decode()


class Stack:
    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="ringway-browser-")
        self.shard = self.gateway = None
        self.ports = {name: free_port() for name in (
            "tcp", "service", "shard", "secret", "websocket", "auto", "websocket_tls", "auto_tls", "stranger")}
        try:
            os.mkdir(self.path("shard"))
            self.make_certificates()
            with open(self.path("ringway.yaml"), "w") as file:
                file.write(CONFIG.format(**self.ports, key=SECRET, known=self.path("known"),
                                         strange=self.path("strange")))
            self.shard = Program([SHARD, "--listen", f"{HOST}:{self.ports['shard']}", "--data", self.path("shard"),
                                  "--record", self.path("record"), "--public", f"{HOST}:{self.ports['tcp']}"],
                                 self.ports["shard"], self.path("shard.log"))
            self.start_gateway()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.directory, name)

    def start_gateway(self):
        self.gateway = Program([GATEWAY, "-f", self.path("ringway.yaml"), "--data", self.directory],
                               self.ports["tcp"], self.path("gateway.log"))

    def make_certificates(self):
        """An authority and the certificate `known` that it signed; `strange` is signed by nobody but itself."""
        self.make_certificate("authority", "/CN=Authority of this test", "basicConstraints=critical,CA:TRUE")
        self.make_certificate("known", "/CN=known", f"subjectAltName=IP:{HOST}", "-CA", self.path("authority.pem"),
                              "-CAkey", self.path("authority.key"))
        self.make_certificate("strange", "/CN=strange", f"subjectAltName=IP:{HOST}")

    def make_certificate(self, name, subject, extension, *issuer):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                subject, "-addext", extension, "-keyout", self.path(f"{name}.key"), "-out", self.path(f"{name}.pem"),
                *issuer)

    def door(self, transport, listener, more):
        return {"transport": transport, "host": HOST, "port": self.ports[listener], **more}

    def pids(self):
        return [program.process.pid for program in (self.gateway, self.shard)]

    def keys_stored(self):
        with open(self.path("record")) as file:
            return sum("set_auth_key" in line for line in file)

    def close(self):
        for program in (self.gateway, self.shard):
            if program is not None:
                program.kill()
        shutil.rmtree(self.directory, ignore_errors=True)


class Cases:
    """The cases of both runners. Of each door in DOORS there is a case of its own, made below."""

    DOORS = {}

    @classmethod
    def start_runner(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.addClassCleanup(cls.stack.close)
        cls.runner = cls.start_runner()
        cls.addClassCleanup(lambda: cls.runner.close(cls.stack.pids()))
        cls.runner.do("trust", **server_key(cls.stack.path("server_pub.pem")))

    def open(self, name, **options):
        door = self.stack.door(*self.DOORS[name])
        self.addCleanup(self.runner.do, "forget", client=name)
        opened = self.runner.do("open", client=name, door=door, **options)
        self.assertTrue(opened["connected"])
        return opened["session"]

    def check_config(self, config):
        self.assertEqual(config, {"dc": 2, "options": [{"id": 2, "host": HOST, "port": self.stack.ports["tcp"]}]})

    def check(self, name):
        self.check_config(self.runner.do("config", client=name))
        # Around the edges of what the numbers of JavaScript hold, and in one container.
        numbers = [str(number) for number in (1, -1, 2**53 + 1, 2**62, -2**63, 7, 8, 9)]
        self.assertEqual(self.runner.do("pings", client=name, numbers=numbers), numbers)

    def check_upload(self, name):
        with self.assertRaises(CommandFailed) as raised:
            self.runner.do("upload", client=name, size=UPLOAD_BYTES)
        # The reference shard knows no files; that it says so shows that it got the request.
        self.assertEqual(raised.exception.code, 400, raised.exception)
        self.assertIn("METHOD_NOT_IMPLEMENTED", raised.exception.message)

    def check_door(self, name):
        session = self.open(name)
        self.check(name)
        self.check_upload(name)
        self.check(name)
        self.runner.do("forget", client=name)
        keys = self.stack.keys_stored()
        self.open(name, session=session)
        self.check(name)
        self.assertEqual(self.stack.keys_stored(), keys, "the session has its key already")
        return session

    def restart(self, end):
        """Ends the gateway with clients at all doors, calls, and starts it again: they come back by themselves."""
        for name in self.DOORS:
            self.open(name)
        for name in self.DOORS:
            self.check(name)
        keys = self.stack.keys_stored()
        end()
        # Nobody is there to answer these; some clients do not know that yet.
        calls = {name: self.runner.tell("config", client=name) for name in self.DOORS}
        self.runner.wait_taken()
        self.stack.start_gateway()
        for name, call in calls.items():
            with self.subTest(door=name):
                self.check_config(self.runner.answer(call))
                self.check(name)
        self.assertEqual(self.stack.keys_stored(), keys, "no client may have made a new key")

    def test_restart_in_order(self):
        self.restart(self.stack.gateway.stop)

    def test_restart_after_a_crash(self):
        self.restart(self.stack.gateway.kill)

    def test_restarts_in_a_row(self):
        name = next(iter(self.DOORS))
        self.open(name)
        for end in (signal.SIGTERM, signal.SIGKILL, signal.SIGTERM):
            self.stack.gateway.process.send_signal(end)
            self.stack.gateway.process.wait(timeout=STEP_SECONDS)
            self.stack.start_gateway()
            self.check(name)

    def test_a_certificate_that_nobody_knows_is_refused(self):
        door = self.stack.door("wss", "stranger", {})
        # Who knows it comes in.
        openssl("s_client", "-connect", f"{HOST}:{door['port']}", "-CAfile", self.stack.path("strange.pem"),
                "-verify_ip", HOST, "-verify_return_error")
        self.addCleanup(self.runner.do, "forget", client="refused")
        opened = self.runner.do("open", client="refused", door=door, attempts=1)
        self.assertFalse(opened["connected"])


class NodeTest(Cases, unittest.TestCase):
    DOORS = {**TCP_DOORS, **WEB_DOORS}

    @classmethod
    def start_runner(cls):
        return Node(cls.stack.directory, MODULES, cls.stack.path("authority.pem"))

    # Not in a page: there the library takes a while to unpack a message, and drops it when the connection is closed
    # meanwhile, as it is behind a transport error. It hears of it in one of its next attempts, or the one after.
    def check_door(self, name):
        session = super().check_door(name)
        self.runner.do("forget", client=name)
        door = self.stack.door(*self.DOORS[name])
        self.runner.do("hearOfLostKey", client=name, door=door, session=with_another_key(session))

    def test_another_secret_is_refused(self):
        door = self.stack.door("mtproxy", "secret", {"secret": OTHER_SECRET})
        self.addCleanup(self.runner.do, "forget", client="refused")
        opened = self.runner.do("open", client="refused", door=door, attempts=1)
        self.assertFalse(opened["connected"])


class ChromiumTest(Cases, unittest.TestCase):
    DOORS = WEB_DOORS

    @classmethod
    def start_runner(cls):
        bundle = cls.stack.path("runner.js")
        subprocess.run(["node", os.path.join(HERE, "bundle.js"), bundle], check=True, timeout=STEP_SECONDS,
                       env={**os.environ, "NODE_PATH": MODULES})
        return Chromium(cls.stack.directory, bundle, cls.stack.path("known.pem"))


def make_door_cases(tests):
    for name in tests.DOORS:
        setattr(tests, f"test_{name}", lambda self, name=name: self.check_door(name))


make_door_cases(NodeTest)
make_door_cases(ChromiumTest)


class Result(unittest.TextTestResult):
    """Counts cases: a case with several failed subtests has failed once."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.ran = set()

    def startTest(self, test):
        super().startTest(test)
        self.ran.add(test)

    def totals(self):
        # What failed without having run is a class that could not be set up.
        failed = {getattr(test, "test_case", test) for test, _ in self.failures + self.errors}
        return len(self.ran - failed) - len(self.skipped), len(failed), len(self.skipped)


def main():
    global GATEWAY, SHARD, MODULES
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    GATEWAY, SHARD, MODULES = (os.path.abspath(path) for path in sys.argv[1:4])
    program = unittest.main(argv=sys.argv[:1] + sys.argv[4:], verbosity=2, exit=False, failfast=False,
                            testRunner=unittest.TextTestRunner(resultclass=Result, verbosity=2, stream=sys.stdout))
    passed, failed, skipped = program.result.totals()
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    sys.exit(1 if failed or not passed else 0)


if __name__ == "__main__":
    main()
