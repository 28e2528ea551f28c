"""Programs under test as child processes on free ports, for the tests in Python."""

import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

START_SECONDS = 20
STOP_SECONDS = 30
CALL_SECONDS = 30
SYSTEM_PATH = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
GIVEN_PORTS = set()  # one that was given may be free still, for its server comes later


def free_port():
    """Below the range from which the kernel takes ports for outgoing connections; never one twice."""
    while True:
        port = random.randrange(15000, 32000)
        if port in GIVEN_PORTS:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            GIVEN_PORTS.add(port)
            return port


def bound(arguments):
    """A command that ends with this process, and that is started without code of this process in the child: a process
    whose threads belong to a library (gRPC's) may not survive its fork."""
    return ["setpriv", "--pdeathsig", "KILL", *arguments]


def find(program):
    """The path of a program of Debian's; ends the test where it is not installed."""
    path = shutil.which(program, path=SYSTEM_PATH)
    if path is None:
        sys.exit(f"{pathlib.Path(sys.argv[0]).stem}: install Debian's {program}")
    return path


def run(*arguments, data=b""):
    """The exit status of a program and all that it said."""
    done = subprocess.run(bound(arguments), input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=CALL_SECONDS)
    return done.returncode, done.stdout.decode(errors="replace")


def wait_for(condition, what, seconds=CALL_SECONDS):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited in vain for {what}")
        time.sleep(0.02)


def fresh_counters(gateway):
    """All counters of a running gateway, by name."""
    before = len(gateway.log())
    gateway.process.send_signal(signal.SIGUSR1)
    found = []

    def whole_line():
        # A file being written may be read while it holds but the first pages of a line.
        found.extend(re.findall(r"counters:(.*)\n", gateway.log()[before:]))
        return found

    wait_for(whole_line, "counters")
    return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", found[0])}


class Program:
    """A child process that listens on a port."""

    def __init__(self, arguments, port, log_path):
        with open(log_path, "ab") as log:
            self.process = subprocess.Popen(bound(arguments), stdout=log, stderr=log)
        self.log_path = log_path
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    self.kill()
                    raise RuntimeError(f"{arguments[0]} did not start:\n{self.log()}")
                time.sleep(0.02)

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def stop(self):
        self.process.terminate()
        if self.process.wait(timeout=STOP_SECONDS) != 0:
            raise RuntimeError(f"exit status {self.process.returncode}:\n{self.log()}")

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
