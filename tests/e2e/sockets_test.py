#!/usr/bin/python3
"""Sockets that the gateway has once: unix sockets, and those that systemd hands over; with HAProxy in front, and
with Debian's systemd-socket-activate in systemd's place. And what is counted for an address, which peers of unix
sockets do not have.

usage: sockets_test.py GATEWAY SHARD LOAD
"""
import os
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
import threading
import unittest

from programs import CALL_SECONDS, Program, bound, find, free_port, fresh_counters, wait_for

GATEWAY = SHARD = LOAD = None

CONFIG = """
Name: sockets-test
ListenOn: 127.0.0.1:{service}
Gnetway:
  Server:
    - Proto: tcp
      Addresses: ["127.0.0.1:{tcp}"]
Session:
  Endpoints: ["127.0.0.1:{shard}"]
Ringway:
  Workers: {{Count: 2, RingEntries: 1024, Buffers: 512}}
  Limits: {{{limits}}}
  Listeners:
{listeners}
"""

HAPROXY = """
defaults
  mode tcp
  timeout connect 5s
  timeout client 30s
  timeout server 30s
listen plain
  bind 127.0.0.1:{plain}
  server gateway unix@{path}
listen two
  bind 127.0.0.1:{two}
  server gateway unix@{proxied} send-proxy-v2
"""


class SocketsTest(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.mkdtemp(prefix="ringway-sockets-")
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.ports = {name: free_port() for name in ("tcp", "service", "shard")}
        os.mkdir(self.path("shard"))
        shard = Program([SHARD, "--listen", f"127.0.0.1:{self.ports['shard']}", "--data", self.path("shard"),
                         "--record", self.path("record"), "--load-methods"], self.ports["shard"],
                        self.path("shard.log"))
        self.addCleanup(shard.kill)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write_config(self, *listeners, limits="HandshakesPerAddressPerSecond: 0"):
        lines = "\n".join(f"    - {{{listener}}}" for listener in listeners)
        with open(self.path("ringway.yaml"), "w") as file:
            file.write(CONFIG.format(**self.ports, listeners=lines, limits=limits))

    def arguments(self):
        return [GATEWAY, "-f", self.path("ringway.yaml"), "--data", self.directory]

    def start(self, *listeners, **options):
        self.write_config(*listeners, **options)
        gateway = Program(self.arguments(), self.ports["tcp"], self.path("gateway.log"))
        self.addCleanup(gateway.kill)
        return gateway

    def start_in_vain(self, *listeners):
        """What it says."""
        self.write_config(*listeners)
        done = subprocess.run(bound(self.arguments()), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=CALL_SECONDS)
        self.assertNotEqual(done.returncode, 0)
        text = done.stdout.decode()
        with open(self.path("ringway.yaml")) as file:
            line = next(number for number, line in enumerate(file, 1) if "- {Address:" in line)
        self.assertIn(f"ringway.yaml:{line}: Ringway.Listeners.Address: ", text)
        return text

    def load(self, address, *arguments, transport="intermediate"):
        done = subprocess.run(bound([LOAD, "--addr", address, "--key", self.path("server_pub.pem"),
                                     "--transport", transport, "--connections", "20", "--keys", "4", "--mode", "ping",
                                     "--warmup", "0", "--duration", "0.3s", *arguments]),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=CALL_SECONDS)
        text = done.stdout.decode()
        self.assertEqual(done.returncode, 0, text)
        self.assertIn("\nerrors       none\n", text)

    # --- unix sockets

    def test_clients_of_a_unix_socket(self):
        path, web = self.path("clients.sock"), self.path("web.sock")
        # Clients without an address are not counted together: many more key exchanges than one address may make.
        gateway = self.start(f'Address: "unix:{path}"', f'Address: "unix:{web}", Proto: websocket, Mode: "0600"',
                             limits="HandshakesPerAddressPerSecond: 1, ConnectionsPerAddress: 2")
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o660)
        self.assertEqual(stat.S_IMODE(os.stat(web).st_mode), 0o600)
        self.load(f"unix:{path}")
        self.load(f"unix:{web}", transport="ws")
        counters = fresh_counters(gateway)
        self.assertGreaterEqual(counters["connections_dealt"], 40)
        self.assertEqual(counters["connections_refused_address"], 0)
        self.assertEqual(counters["handshakes_limited"], 0)
        gateway.stop()
        self.assertFalse(os.path.exists(path))
        self.assertFalse(os.path.exists(web))

    def test_a_stale_socket_is_replaced_and_nothing_else(self):
        path = self.path("clients.sock")
        listener = f'Address: "unix:{path}"'
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(path)
        gateway = self.start(listener)
        self.load(f"unix:{path}")
        # A second gateway leaves the first one's alone.
        self.ports["tcp"], self.ports["service"] = free_port(), free_port()
        self.assertIn("another program listens there already", self.start_in_vain(listener))
        self.load(f"unix:{path}")
        # One that another has taken the place of is not ours to remove.
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            gateway.stop()
            self.assertTrue(os.path.exists(path))
        os.unlink(path)
        with open(path, "w") as file:
            file.write("precious")
        self.assertIn("there is a file that is no socket", self.start_in_vain(listener))
        with open(path) as file:
            self.assertEqual(file.read(), "precious")
        self.assertIn("its directory has to be there",
                      self.start_in_vain(f'Address: "unix:{self.path("nowhere/clients.sock")}"'))

    def test_limits_of_a_unix_socket(self):
        path = self.path("clients.sock")
        gateway = self.start(f'Address: "unix:{path}", MaxConnections: 2')
        clients = [socket.socket(socket.AF_UNIX) for _ in range(6)]
        for client in clients:
            self.addCleanup(client.close)
            client.settimeout(CALL_SECONDS)
            client.connect(path)
        wait_for(lambda: fresh_counters(gateway)["connections_refused_listener"] == 4, "four refusals")

    def test_haproxy_over_a_unix_socket(self):
        path, proxied = self.path("clients.sock"), self.path("proxied.sock")
        self.start(f'Address: "unix:{path}"', f'Address: "unix:{proxied}", ProxyProtocol: {{Require: true}}')
        ports = {"plain": free_port(), "two": free_port()}
        with open(self.path("haproxy.cfg"), "w") as file:
            file.write(HAPROXY.format(path=path, proxied=proxied, **ports))
        haproxy = Program([find("haproxy"), "-db", "-f", self.path("haproxy.cfg")], ports["two"],
                          self.path("haproxy.log"))
        self.addCleanup(haproxy.kill)
        for door, source, known in (("plain", "127.0.46.1", "::"), ("two", "127.0.46.2", "127.0.46.2")):
            with self.subTest(door=door):
                self.load(f"127.0.0.1:{ports[door]}", "--source", source)
                with open(self.path("record")) as record:
                    self.assertTrue(any(f" client_ip={known} " in line for line in record))

    def make_certificate(self):
        subprocess.run([find("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=sockets", "-keyout", self.path("key.pem"), "-out",
                        self.path("cert.pem")], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return f"Tls: {{Cert: {self.path('cert.pem')}, Key: {self.path('key.pem')}}}"

    def test_tls_handshakes_count_for_an_address(self):
        tls, path, port = self.make_certificate(), self.path("tls.sock"), free_port()
        gateway = self.start(f'Address: "127.0.0.1:{port}", {tls}', f'Address: "unix:{path}", {tls}',
                             limits="HandshakesPerAddressPerSecond: 0, TlsHandshakesPerAddressPerSecond: 3")
        # Peers of a unix socket have no address to count for.
        self.load(f"unix:{path}", "--insecure", transport="tls")
        self.assertEqual(fresh_counters(gateway)["tls_handshakes_refused"], 0)
        context = ssl.create_default_context(cafile=self.path("cert.pem"))
        context.check_hostname = False
        outcomes = []

        def knock(source):
            with socket.create_connection(("127.0.0.1", port), CALL_SECONDS, (source, 0)) as plain:
                try:
                    context.wrap_socket(plain).close()
                    outcomes.append((source, True))
                except OSError:
                    outcomes.append((source, False))
        # More at once than a second's worth; another address has its own.
        threads = [threading.Thread(target=knock, args=("127.0.47.1",)) for _ in range(40)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(CALL_SECONDS)
        knock("127.0.47.2")
        self.assertIn(("127.0.47.1", True), outcomes)
        self.assertIn(("127.0.47.1", False), outcomes)
        self.assertIn(("127.0.47.2", True), outcomes)
        self.assertEqual(fresh_counters(gateway)["tls_handshakes_refused"], outcomes.count(("127.0.47.1", False)))

    # --- systemd

    def activate(self, name, *listen):
        """Starts the gateway as systemd does, at the first connection."""
        arguments = [find("systemd-socket-activate"), f"--fdname={name}"]
        for place in listen:
            arguments += ["-l", place]
        gateway = Program(arguments + self.arguments(), self.ports["tcp"], self.path("gateway.log"))
        self.addCleanup(gateway.kill)
        wait_for(lambda: "ready: clients on" in gateway.log(), "the gateway")
        return gateway

    def test_sockets_of_systemd_by_name(self):
        path, port = self.path("handed.sock"), free_port()
        self.write_config('Address: "systemd:clients"')
        # The last one is Gnetway.Server's own address, which is found without its name.
        gateway = self.activate("clients:clients:other", f"127.0.0.1:{port}", path, f"127.0.0.1:{self.ports['tcp']}")
        log = gateway.log()
        self.assertIn(f"systemd:clients: listening on what systemd has handed over: 127.0.0.1:{port}+unix:{path}", log)
        self.assertIn(f"listening on what systemd has handed over: 127.0.0.1:{self.ports['tcp']}\n", log)
        self.load(f"127.0.0.1:{port}")
        self.load(f"unix:{path}")
        self.load(f"127.0.0.1:{self.ports['tcp']}")
        self.assertGreaterEqual(fresh_counters(gateway)["connections_dealt"], 60)
        gateway.stop()
        self.assertTrue(os.path.exists(path), "it is systemd's")

    def test_a_socket_that_nobody_asks_for(self):
        self.write_config()
        gateway = self.activate("mine:surplus", f"127.0.0.1:{self.ports['tcp']}", f"127.0.0.1:{free_port()}")
        self.assertIn('systemd has handed over the socket "surplus"', gateway.log())
        self.load(f"127.0.0.1:{self.ports['tcp']}")

    def test_a_name_that_was_not_handed_over(self):
        text = self.start_in_vain('Address: "systemd:clients"')
        self.assertIn("systemd has handed over no socket of this name: expected FileDescriptorName=clients", text)

    def test_systemd_hears_of_it(self):
        path = self.path("notify.sock")
        self.write_config()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(path)
            manager.settimeout(CALL_SECONDS)
            os.environ["NOTIFY_SOCKET"] = path
            try:
                gateway = self.start()
            finally:
                del os.environ["NOTIFY_SOCKET"]
            self.assertEqual(manager.recv(4096), b"READY=1")
            gateway.process.send_signal(signal.SIGHUP)
            self.assertRegex(manager.recv(4096).decode(), r"^RELOADING=1\nMONOTONIC_USEC=\d+$")
            self.assertEqual(manager.recv(4096), b"READY=1")
            gateway.stop()
            self.assertEqual(manager.recv(4096), b"STOPPING=1")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    GATEWAY, SHARD, LOAD = (os.path.abspath(path) for path in sys.argv[1:4])
    for needed in ("haproxy", "openssl", "systemd-socket-activate"):
        find(needed)
    unittest.main(argv=sys.argv[:1], verbosity=2)
