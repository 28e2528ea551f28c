"""A gateway and a shard behind it as two programs, on free ports, for the tests in Python."""

import os
import shutil
import tempfile

from programs import Program, free_port

CONFIG = """
Name: {name}
ListenOn: 127.0.0.1:{service}
Gnetway:
  Server:
    - Proto: tcp
      Addresses: ["127.0.0.1:{port}"]
Session:
  Endpoints: ["127.0.0.1:{shard}"]
Ringway:
  Workers: {{Count: 2, RingEntries: 1024, Buffers: 512}}
  Limits: {{{limits}}}
{more}
"""


class ShardStack:
    """`shard_options` gets the stack, whose directory and ports are there, and says what the shard is told besides. The
    gateway's file has `limits` and, as keys of their own, `more`, where {directory} is the stack's."""

    def __init__(self, name, gateway, shard, shard_options, limits="HandshakesPerAddressPerSecond: 0",
                 more=""):
        self.gateway_path, self.shard_path = gateway, shard
        self.directory = tempfile.mkdtemp(prefix=f"ringway-{name}-")
        self.port, self.service_port, self.shard_port = free_port(), free_port(), free_port()
        os.mkdir(self.path("shard"))
        with open(self.path("ringway.yaml"), "w") as file:
            file.write(CONFIG.format(name=name, service=self.service_port, port=self.port, shard=self.shard_port,
                                     limits=limits, more=more.format(directory=self.directory)))
        self.shard_options = shard_options(self)
        self.shard = self.gateway = None
        try:
            self.start_shard()
            self.start_gateway()
        except BaseException:
            self.close()
            raise

    def path(self, name):
        return os.path.join(self.directory, name)

    def start_shard(self):
        self.shard = Program(
            [self.shard_path, "--listen", f"127.0.0.1:{self.shard_port}", "--data", self.path("shard"), "--public",
             f"127.0.0.1:{self.port}", *self.shard_options], self.shard_port, self.path("shard.log"))

    def start_gateway(self):
        self.gateway = Program([self.gateway_path, "-f", self.path("ringway.yaml"), "--data", self.directory], self.port,
                               self.path("gateway.log"))

    def restart_both(self):
        self.gateway.stop()
        self.shard.stop()
        self.start_shard()
        self.start_gateway()

    def close(self):
        for program in (self.gateway, self.shard):
            if program is not None:
                program.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
