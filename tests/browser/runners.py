"""JavaScript that does what a test tells it, in Node or in a page of headless Chromium.

runner.js asks a server of ours on loopback for commands, client.js performs them, and the answers come back to the
same server. So the page needs no remote control, and the same commands drive both.
"""

import base64
import contextlib
import ctypes
import hashlib
import http.server
import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

from programs import bound

HERE = os.path.dirname(os.path.abspath(__file__))
# For one command. Chromium starts within it too.
CALL_SECONDS = 60
# How long runner.js waits for a command before it asks again.
POLL_SECONDS = 10
END_SECONDS = 10
PR_SET_CHILD_SUBREAPER = 36


class CommandFailed(Exception):
    """What a client threw; `code` and `message` are those of an error that the server answered."""

    def __init__(self, answer):
        super().__init__(answer["error"])
        self.code, self.message = answer.get("code"), answer.get("message")


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def reply(self, status, body=b"", content_type="application/json"):
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/next":
            try:
                self.reply(200, json.dumps(self.server.commands.get(timeout=POLL_SECONDS)).encode())
            except queue.Empty:
                self.reply(204)
        elif self.path in self.server.files:
            path, content_type = self.server.files[self.path]
            with open(path, "rb") as file:
                self.reply(200, file.read(), content_type)
        else:
            self.reply(404)

    def do_POST(self):
        answer = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.answers[answer["number"]].put(answer)
        self.reply(200, b"{}")


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        # A runner that ends, or a browser that closes what it kept open, is no error.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class Runner:
    """A process with its own server of commands. It and all that it started end with close()."""

    def __init__(self, log_path, files=()):
        self.log_path = log_path
        self.numbers = itertools.count(1)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.commands, self.server.answers, self.server.files = queue.Queue(), {}, dict(files)
        self.origin = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.process = None

    def start(self, arguments, **environment):
        # What it leaves behind becomes our child, so that close() finds it.
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(bound(arguments), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env={**os.environ, **environment}, start_new_session=True)

    def tell(self, action, **arguments):
        """Sends a command, and returns what answer() takes."""
        number = next(self.numbers)
        self.server.answers[number] = queue.Queue()
        self.server.commands.put({"number": number, "action": action, **arguments})
        return number

    def wait_taken(self):
        """Until the runner has everything that it was told."""
        deadline = time.monotonic() + CALL_SECONDS
        while not self.server.commands.empty():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{type(self).__name__} takes no commands:\n{self.log()}")
            time.sleep(0.02)

    def answer(self, number):
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                answer = self.server.answers[number].get(timeout=0.5)
                break
            except queue.Empty:
                if self.process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"no answer from {type(self).__name__}:\n{self.log()}") from None
        del self.server.answers[number]
        if "error" in answer:
            raise CommandFailed(answer)
        return answer.get("result")

    def do(self, action, **arguments):
        return self.answer(self.tell(action, **arguments))

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()[-8000:]

    def close(self, others):
        """`others` are the children of this process that the runner did not bring."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            end_orphans(others)
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def children():
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        return [int(pid) for pid in file.read().split()]


def end_orphans(others):
    """Ends and reaps the children that are not among `others`: what a runner left behind in sessions of its own."""
    deadline = time.monotonic() + END_SECONDS
    while True:
        orphans = [pid for pid in children() if pid not in others]
        if not orphans:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"processes {orphans} do not end")
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, os.WNOHANG)
        time.sleep(0.02)


class Node(Runner):
    def __init__(self, directory, modules, authority):
        super().__init__(os.path.join(directory, "node.log"))
        self.start(["node", os.path.join(HERE, "runner.js"), self.origin], NODE_PATH=modules,
                   NODE_EXTRA_CA_CERTS=authority)


class Chromium(Runner):
    """`certificate` is the one that the page trusts, by the hash of its public key; any other stays an error."""

    def __init__(self, directory, bundle, certificate):
        super().__init__(os.path.join(directory, "chromium.log"), {
            "/": (os.path.join(HERE, "page.html"), "text/html"),
            "/runner.js": (bundle, "text/javascript"),
        })
        home = os.path.join(directory, "chromium")
        os.mkdir(home)
        arguments = [
            "chromium", "--headless=new", f"--user-data-dir={home}", "--no-first-run", "--disable-gpu",
            "--disable-dev-shm-usage", "--disable-breakpad", "--disable-crash-reporter", "--disable-extensions",
            # The page is all that there is to do, and loopback all that there is to reach.
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-default-apps",
            "--no-proxy-server", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            # What the page says goes to the log.
            "--enable-logging=stderr",
            "--disable-background-timer-throttling", "--disable-renderer-backgrounding",
            f"--ignore-certificate-errors-spki-list={public_key_hash(certificate)}",
        ]
        # Its sandbox does not start under root, as in a container.
        arguments += ["--no-sandbox"] if os.geteuid() == 0 else []
        self.start(arguments + [f"{self.origin}/"], HOME=home, XDG_CONFIG_HOME=home, XDG_CACHE_HOME=home, TMPDIR=home)


def public_key_hash(certificate):
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", "-pubkey"], check=True,
                         stdout=subprocess.PIPE).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key, check=True,
                         stdout=subprocess.PIPE).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()
