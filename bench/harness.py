"""What every benchmark needs: programs pinned to cores, their processor time, the gateway's counters.

A `Stack` is a shard and a gateway with what connects them; `with Stack(...) as stack` leaves nothing
behind. Processor time is that of a whole process, all its threads included.
"""

import ctypes
import json
import os
import pathlib
import re
import resource
import signal
import socket
import statistics
import subprocess
import time

START_SECONDS = 60  # the programs, and all key exchanges of a load, on a slow and busy machine
DISTURBED = 0.1  # the share of the cores' time used by other programs from which on the reader is warned
GATHER_US = 500  # how long the light shard lets messages gather, where nobody waits for its answers
UNEQUAL = 1.5  # how many times as busy one server's core may be as the other's
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
CPUCLOCK_SCHED = 2

CONFIG = """\
Name: bench
ListenOn: 127.0.0.1:{service}
Gnetway:
  Server:
    - Proto: tcp
      Addresses: ["127.0.0.1:{clients}"]
Session:
  Endpoints: ["127.0.0.1:{shard}"]
Ringway:
  Workers: {{Count: {workers}}}
  Limits: {{HandshakesPerAddressPerSecond: 0, UnknownKeysPerAddressPerSecond: 0, TlsHandshakesPerAddressPerSecond: 0, CryptoJobsPerAddress: 0}}
"""


class Failure(Exception):
    """The benchmark cannot be run or its figures would mean nothing."""


class NotRun(Exception):
    """This machine lacks what a measurement needs; the others can still be made."""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def wait_until(condition, what, seconds=START_SECONDS, pause=0.01):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise Failure(f"{what}: not within {seconds} s")
        time.sleep(pause)


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def medians(runs):
    """Of each figure by itself, over runs that have the same figures."""
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def own_seconds():
    """Processor time of this program and of its children that have ended."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def busy_seconds(cores):
    """Time that the cores were not idle since the machine started, with what a hypervisor gave to others.

    Interrupts count: the loopback's share of a program's own time is booked as theirs here."""
    total = 0
    for line in pathlib.Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name in {f"cpu{core}" for core in cores}:
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, fields[:8])
            total += user + nice + system + irq + softirq + steal
    return total / TICKS


class Disturbance:
    """How much of the cores' time other programs took, from the making of this until share() is asked.

    Everything of ours is pinned to these cores and has ended by then."""

    def __init__(self, cores):
        self.cores = cores
        self.begin = time.monotonic(), busy_seconds(cores), own_seconds()

    def share(self):
        elapsed, busy, own = (now - then for now, then in zip(
            (time.monotonic(), busy_seconds(self.cores), own_seconds()), self.begin))
        return min(1, max(0, (busy - own) / (elapsed * len(self.cores))))


def like_with_like(one, other):
    """A server whose core is far from busy is woken for little, and pays more for each message."""
    busy = one["core_busy"], other["core_busy"]
    return max(busy) <= UNEQUAL * min(busy)


class Cores:
    """Which cores the servers have, and which the loads with the shard."""

    def __init__(self):
        self.allowed = sorted(os.sched_getaffinity(0))
        self.single = len(self.allowed) == 1
        self.server = [self.allowed[0]]
        self.load = self.allowed[1:2] or self.allowed

    def servers(self, count):
        """Cores for `count` workers, as many as there are beside the load's; they share them if need be."""
        spare = [core for core in self.allowed if core not in self.load] or self.server
        return spare[:count]

    def describe(self):
        if self.single:
            return "ONE CORE for servers, shard and load together: latencies mean little"
        return f"servers on core {self.server[0]}, load and shard on core {self.load[0]}"


class Program:
    """A child on the given cores; its standard error, and its output unless that is read, go to a file."""

    def __init__(self, command, cores, log, read_output=False, cgroup=None, idle=False):
        self.name = pathlib.Path(command[0]).name
        self.log = log

        def prepare():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.sched_setaffinity(0, set(cores))
            if cgroup:
                cgroup.enter()
            if idle:
                os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))

        with open(log, "ab") as file:
            self.process = subprocess.Popen(
                list(map(str, command)), stdin=subprocess.DEVNULL, stderr=file,
                stdout=subprocess.PIPE if read_output else file, cwd=log.parent, preexec_fn=prepare)

    def check_running(self):
        if self.process.poll() is not None:
            raise Failure(f"{self.name} ended by itself with status {self.process.returncode}:\n{self.tail()}")

    def tail(self):
        return self.log.read_text(errors="replace")[-2000:]

    def cpu_seconds(self):
        """User and system time of all threads so far, ended ones included, from the process's CPU clock."""
        self.check_running()
        return time.clock_gettime((~self.process.pid << 3) | CPUCLOCK_SCHED)

    def memory(self, field="VmRSS"):
        """Bytes: VmRSS now, VmHWM the most there ever was."""
        self.check_running()
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.M)[1]) * 1024

    def wait_line(self, text):
        """Until the program prints this line, which comes before its result."""
        line = self.process.stdout.readline().decode().strip()
        if line != text:
            raise Failure(f"{self.name} printed '{line}' instead of '{text}':\n{self.tail()}")

    def interrupt(self):
        """Ends a load before its time; its result."""
        self.process.send_signal(signal.SIGINT)
        return self.result(START_SECONDS)

    def result(self, seconds=START_SECONDS):
        """The last line of the output as JSON, once the program has ended by itself."""
        try:
            output, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired as late:
            raise Failure(f"{self.name} does not end") from late
        lines = output.decode().strip().splitlines()
        if not lines:
            raise Failure(f"{self.name} printed no result, status {self.process.returncode}:\n{self.tail()}")
        return json.loads(lines[-1])

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()


class Runner:
    """Starts programs of a build directory, with logs in `directory`, and ends them."""

    def __init__(self, build, directory, cores):
        self.build = build
        self.directory = directory
        self.cores = cores
        self.programs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in reversed(self.programs):
            program.stop()

    def start(self, name, *arguments, cores=None, port=None, **options):
        """Starts a program of the build; with `port`, returns once it listens there."""
        path = self.build / name
        if not os.access(path, os.X_OK):
            raise Failure(f"{path} is not there: build it, or name the directory with --build")
        log = self.directory / f"{path.name}.{len(self.programs)}.log"
        program = Program([path, *arguments], cores or self.cores.load, log, **options)
        self.programs.append(program)
        if port:
            def ready():
                program.check_running()
                return listens(port)
            wait_until(ready, f"{program.name} listens")
        return program

    def run(self, name, *arguments, seconds=START_SECONDS, **options):
        """Runs a program to its end; its result."""
        return self.start(name, *arguments, read_output=True, **options).result(seconds)

    def start_echo(self, buffer_bytes=2048):
        port, = free_ports(1)
        echo = self.start("bench/echo_server", "--port", port, "--buffer-bytes", buffer_bytes,
                          cores=self.cores.server, port=port)
        echo.port = port
        return echo


def check_report(report):
    if report["failure"] or report["errors"] or report["connections_failed"] or not report["completed"]:
        raise Failure(f"the load went wrong: {json.dumps(report)}")
    return report


class Stack(Runner):
    """A shard on the load's core and a gateway on the servers'.

    With `sink` the shard is bench/shard_sink, which leaves the core to the load; it knows the batched stream alone,
    and takes what has come in `gather_us`.
    With `shard_idle` the reference shard runs at idle priority and takes what has gathered since, so that the gateway
    and not the shard limits a closed loop of small batches. Beside a load that does not wait for it, it would get
    nothing."""

    def __init__(self, build, directory, cores, workers=1, wire="batch,stream,unary", cgroup=None, shard_idle=False,
                 sink=False, gather_us=GATHER_US, ringway_yaml=""):
        directory.mkdir(parents=True)
        super().__init__(build, directory, cores)
        self.clients_port, service, self.shard_port = free_ports(3)
        (directory / "shard").mkdir()
        (directory / "ringway.yaml").write_text(CONFIG.format(
            clients=self.clients_port, service=service, shard=self.shard_port, workers=workers) + ringway_yaml)
        try:
            if sink:
                self.shard = self.start("bench/shard_sink", "--port", self.shard_port, "--gather-us", gather_us,
                                        port=self.shard_port, idle=shard_idle)
            else:
                self.shard = self.start(
                    "src/programs/ringway-shard", "--listen", f"127.0.0.1:{self.shard_port}", "--data",
                    directory / "shard", "--wire", wire, "--load-methods", "--log-level", "info", port=self.shard_port,
                    idle=shard_idle)
            self.gateway = self.start(
                "src/programs/ringway", "-f", "ringway.yaml", "--data", directory,
                cores=cores.servers(workers), port=self.clients_port, cgroup=cgroup)
        except BaseException:
            self.__exit__()
            raise

    def counters(self):
        """The gateway's counters of this moment, by name."""
        self.gateway.check_running()
        with open(self.gateway.log, "rb") as log:
            log.seek(0, os.SEEK_END)
            self.gateway.process.send_signal(signal.SIGUSR1)
            text = ""

            def fresh():
                nonlocal text
                text += log.read().decode(errors="replace")
                found = re.search(r"counters:(.*)\n", text)
                return found and found[1]
            line = wait_until(fresh, "the gateway's counters", pause=0.001)
        return {name: int(value) for name, value in (each.split("=") for each in line.split())}

    @property
    def address(self):
        return f"127.0.0.1:{self.clients_port}"

    def start_load(self, connections, mode="quick-ack", size=128, window=1, rate=0, keys=8, warmup=0.1,
                   seconds=600, transport="intermediate", threads=1, verify=False, source=None, idle=False, more=()):
        # Keys are made once for each gateway: making one costs the load's core more than all the rest of a set-up.
        more = list(more)
        if mode != "handshake":
            more += ["--keys-file", self.directory / "keys", "--keys", min(connections, keys)]
        if verify:
            more.append("--verify")
        if source:
            more += ["--source", source]
        return self.start(
            "src/programs/ringway-load", "--addr", self.address, "--key", self.directory / "server_pub.pem",
            "--mode", mode, "--transport", transport, "--connections", connections, "--size", size, "--window", window,
            "--rate", rate, "--threads", threads, "--warmup", f"{warmup}s", "--duration", f"{seconds}s",
            "--setup-timeout", f"{2 * START_SECONDS}s", "--json", *more, read_output=True, idle=idle)

    def start_flood(self, mode, threads=16):
        """Strangers that get only what the load's core has left, so that they delay no client by themselves."""
        return self.start("bench/flood", "--mode", mode, "--addr", self.address, "--key",
                          self.directory / "server_pub.pem", "--threads", threads, read_output=True, idle=True)

    def wait_growth(self, name, before, amount, program, seconds=START_SECONDS):
        """Until the gateway's counter has grown by `amount`."""
        def grown():
            program.check_running()
            return self.counters()[name] - before >= amount
        wait_until(grown, f"{name} of {program.name}", seconds, pause=0.05)

    def watch(self, seconds, load=None, per=None):
        """What the gateway does within a time: how its counters grow, and the processor time it takes.

        With a load, the time goes on until there was a message: a link that waits takes them in bursts."""
        begin, cpu_begin, first = time.monotonic(), self.gateway.cpu_seconds(), self.counters()
        time.sleep(seconds)
        if load:
            self.wait_growth(per, first[per], 1, load)
        end, cpu_end, last = time.monotonic(), self.gateway.cpu_seconds(), self.counters()
        grown = {name: last[name] - first[name] for name in last}
        return grown, cpu_end - cpu_begin, end - begin

    def measure(self, connections, seconds, settle=0.5, per="messages_opened", **load_options):
        """What a message costs under a load, from a window within its steady traffic; `per` counts messages."""
        before = self.counters()[per]
        load = self.start_load(connections, **{"warmup": 0, **load_options})
        # Beyond the first messages, and beyond what is sent at once to fill the windows.
        self.wait_growth(per, before, (2 + load_options.get("window", 1)) * connections, load)
        time.sleep(settle)
        grown, cpu, elapsed = self.watch(seconds, load, per)
        load.check_running()
        report = check_report(load.interrupt())
        messages = grown[per]
        return {
            "cpu_us_per_message": cpu * 1e6 / messages,
            "messages_per_second": messages / elapsed,
            "core_busy": cpu / elapsed,
            "messages_per_turn": messages / max(1, grown["turns"]),
            "wire_bytes": round(grown["bytes_received"] / messages),
            "load_cpu_us_per_message": report["cpu_us_per_message"],
            "p50_us": report["latency_us"]["p50"],
            "p99_us": report["latency_us"]["p99"],
        }


def measure_echo(runner, echo, connections, wire_bytes, seconds, window=1, rate=0, warmup=0.5):
    """The same for the bare echo."""
    client = runner.start(
        "bench/echo_client", "--port", echo.port, "--connections", connections, "--bytes", wire_bytes,
        "--window", window, "--rate", round(rate), "--warmup", warmup, "--duration", seconds, read_output=True)
    client.wait_line("measuring")
    cpu_begin = echo.cpu_seconds()
    report = client.result(seconds + START_SECONDS)
    cpu = echo.cpu_seconds() - cpu_begin
    if report["messages"] == 0:
        raise Failure("nothing was echoed")
    return {
        "cpu_us_per_message": cpu * 1e6 / report["messages"],
        "messages_per_second": report["messages"] / report["seconds"],
        "core_busy": cpu / report["seconds"],
        "p50_us": report["latency_us"]["p50"],
        "p99_us": report["latency_us"]["p99"],
    }
