"""The real programs of a cluster on loopback, each of which can be killed, stopped and started again: session
shards, gateways, a load on each gateway, and etcd if it is wanted."""
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from programs import bound, free_port

SHARDS = 3
START_SECONDS = 30
STOP_SECONDS = 60
# A shard that died stays registered for so long.
SHARD_TTL_SECONDS = 3

CONFIG = """
Name: chaos
ListenOn: 127.0.0.1:{service}
{registration}
Gnetway:
  Server:
    - Proto: tcp
      Addresses: ["127.0.0.1:{port}"]
Session:
  {session}
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


class Component:
    """A program that listens on a port."""

    def __init__(self, kind, number, port, command, log_path):
        self.kind = kind
        self.number = number
        self.port = port
        self.command = command
        self.log_path = log_path
        self.process = None
        self.stopped = False

    def __str__(self):
        return f"{self.kind} {self.number}"

    def healthy(self):
        return self.process is not None and not self.stopped

    def ended(self):
        return self.process is not None and self.process.poll() is not None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(bound(self.command), stdout=log, stderr=log)
        self.stopped = False

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self):
        self.process.send_signal(signal.SIGSTOP)
        self.stopped = True

    def proceed(self):
        self.process.send_signal(signal.SIGCONT)
        self.stopped = False

    # Brings it back, however it is away.
    def help(self):
        if self.process is None:
            self.start()
            return f"start {self}"
        self.proceed()
        return f"continue {self}"

    # As an operator ends it: with its own idea of a good end, which must be one.
    def end(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(timeout=STOP_SECONDS + 60)
        self.process = None
        return status

    def log(self):
        try:
            with open(self.log_path, errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""


class Cluster:
    def __init__(self, arguments):
        self.arguments = arguments
        self.directory = tempfile.mkdtemp(prefix="ringway-chaos-")
        self.etcd = self.make_etcd() if arguments.etcd else None
        self.service_ports = [free_port() for _ in range(arguments.gateways)]
        self.gateways = [self.make_gateway(i) for i in range(arguments.gateways)]
        self.shards = [self.make_shard(i) for i in range(SHARDS)]
        self.loads = []
        self.kills = []  # (gateway, unix seconds) of each gateway that was killed

    def path(self, name):
        return os.path.join(self.directory, name)

    def component(self, kind, number, port, command):
        return Component(kind, number, port, command, self.path(f"{kind}{number}.log"))

    def components(self):
        return [*([self.etcd] if self.etcd else []), *self.gateways, *self.shards]

    # --- what there is

    def make_etcd(self):
        port = free_port()
        client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{free_port()}"
        return self.component("etcd", 0, port, [
            "etcd", "--name", "m0", "--data-dir", self.path("etcd"), "--listen-client-urls", client,
            "--advertise-client-urls", client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer,
            "--initial-cluster", f"m0={peer}", "--heartbeat-interval", "30", "--election-timeout", "300",
            "--logger", "zap", "--log-level", "error", "--log-outputs", "stderr"])

    def etcd_host(self):
        return f"127.0.0.1:{self.etcd.port}"

    # Shards share their keys, as Teamgram's share a database, and nothing else.
    def make_shard(self, i):
        port = free_port()
        command = [self.arguments.shard, "--listen", f"127.0.0.1:{port}", "--data", self.path("keys"), "--record",
                   self.path(f"record{i}"), "--public", f"127.0.0.1:{self.gateways[0].port}", "--log-level", "error"]
        if self.etcd:
            command += ["--etcd", self.etcd_host(), "--etcd-ttl", str(SHARD_TTL_SECONDS)]
        return self.component("shard", i, port, command)

    # Gateways share their RSA key.
    def make_gateway(self, i):
        return self.component("gateway", i, free_port(), [
            self.arguments.gateway, "-f", self.path(f"ringway{i}.yaml"), "--data", self.directory])

    def write_config(self, i):
        registration = session = ""
        if self.etcd:
            registration = f'Etcd: {{Hosts: ["{self.etcd_host()}"], Key: interface.gateway}}'
            session = f'Etcd: {{Hosts: ["{self.etcd_host()}"], Key: interface.session}}'
        else:
            endpoints = ", ".join(f'"127.0.0.1:{shard.port}"' for shard in self.shards)
            session = f"Endpoints: [{endpoints}]"
        with open(self.path(f"ringway{i}.yaml"), "w") as file:
            file.write(CONFIG.format(service=self.service_ports[i], port=self.gateways[i].port, session=session,
                                     registration=registration, wire=self.arguments.wire))

    # --- the beginning

    def start(self):
        os.mkdir(self.path("keys"))
        for component in self.components():
            if component.kind == "gateway":
                self.write_config(component.number)
            component.start()
            # One after the other: the first gateway makes the key of all.
            self.wait_until(lambda c=component: listens(c.port), component)
        if self.etcd:
            self.wait_until(self.all_registered, "the registration of shards and gateways")

    def start_loads(self, seconds):
        for gateway in self.gateways:
            i = gateway.number
            with open(self.path(f"load{i}.log"), "ab") as log:
                self.loads.append(subprocess.Popen(
                    bound([self.arguments.load, "--addr", f"127.0.0.1:{gateway.port}",
                           "--key", self.path("server_pub.pem"), "--keys-file", self.path(f"load{i}.keys"),
                           "--mode", "quick-ack", "--connections", "48", "--keys", "24",
                           "--rate", str(self.arguments.rate // len(self.gateways)), "--warmup", "0",
                           "--duration", f"{seconds}s", "--drain", "30s", "--acked", self.acked_path(i), "--json"]),
                    stdout=log, stderr=log))
            self.wait_until(
                lambda path=self.acked_path(i): os.path.exists(path) and os.path.getsize(path) > 0, f"load {i}")

    def acked_path(self, gateway):
        return self.path(f"acked{gateway}")

    def load_log(self, gateway):
        with open(self.path(f"load{gateway}.log"), errors="replace") as file:
            return file.read()

    def wait_until(self, done, what):
        deadline = time.monotonic() + START_SECONDS
        while not done():
            ended = [component for component in self.components() if component.ended()]
            if ended or time.monotonic() > deadline:
                logs = "\n".join(f"--- {c}\n{c.log()[-4000:]}" for c in ended or self.gateways)
                raise RuntimeError(f"{what} did not come up:\n{logs}")
            time.sleep(0.05)

    # --- what etcd knows

    def registered(self, key):
        """The addresses below a key, each once; nothing while etcd is away."""
        told = subprocess.run(["etcdctl", "--endpoints", self.etcd_host(), "get", "--prefix", "--print-value-only",
                               key + "/"], capture_output=True, text=True, check=False)
        return sorted({line for line in told.stdout.splitlines() if line}) if told.returncode == 0 else None

    def all_registered(self):
        return (self.registered("interface.session") == sorted(f"127.0.0.1:{s.port}" for s in self.shards)
                and self.registered("interface.gateway") == sorted(f"127.0.0.1:{p}" for p in self.service_ports))

    # --- the end

    def wait_for_loads(self, seconds):
        for load in self.loads:
            load.wait(timeout=seconds)

    # Whoever is in the middle of a long run stops sending, and waits for what it sent.
    def interrupt_loads(self):
        for load in self.loads:
            load.send_signal(signal.SIGINT)

    def close(self, keep):
        processes = [*self.loads, *(component.process for component in self.components())]
        for process in processes:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        if keep:
            print(f"logs and records are in {self.directory}")
        else:
            shutil.rmtree(self.directory)
