"""What tests of ringway-proxy have in common: a server to sign in at, the proxy, and what protoc makes of its contract.

Who starts them says where the programs are: proxy_stack.PROGRAMS.
"""
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import types
import unittest

from programs import Program, free_port, fresh_counters, run

# Children are programs of their own: gRPC need not stop its threads for them, which it can wait for in vain.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
try:
    import grpc
except ImportError as missing:
    sys.exit(f"{os.path.basename(sys.argv[0])}: {missing}: install Debian's python3-grpcio and python3-protobuf")

PROGRAMS = types.SimpleNamespace(gateway=None, shard=None, proxy=None, protoc=None)
CALL_SECONDS = 30
CODE = "24680"
ALICE, BOB, PASSWORD = "+15550001", "+15550002", "correct-horse"
API_HASH = "0123456789abcdef0123456789abcdef"
# For sign-ins that go wrong first: the server remembers that of a number.
GUESTS = [f"+1555100{i}" for i in range(10)]


class Stack:
    """The gateway with its shard and messenger, which has Alice and Bob."""

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="ringway-proxy-")
        self.port = free_port()
        with open(self.path("ringway.yaml"), "w") as file:
            file.write("Name: proxy-test\nListenOn: 127.0.0.1:0\n"
                       f'Gnetway: {{Server: [{{Proto: tcp, Addresses: ["127.0.0.1:{self.port}"]}}]}}\n'
                       "Ringway: {Workers: {Count: 2}, Limits: {HandshakesPerAddressPerSecond: 0}}\n")
        with open(self.path("users"), "w") as file:
            file.write(f"{ALICE} Alice alice\n{BOB} Bob bob_b {PASSWORD}\n")
            file.writelines(f"{phone} Guest{phone[-1]} -\n" for phone in GUESTS)
        self.gateway = None
        self.start_gateway()

    def path(self, name):
        return os.path.join(self.directory, name)

    def start_gateway(self):
        self.gateway = Program(
            [PROGRAMS.gateway, "-f", self.path("ringway.yaml"), "--standalone", "--data", self.directory, "--messenger",
             "--messenger-users", self.path("users"), "--messenger-code", CODE], self.port, self.path("gateway.log"))

    def server_options(self):
        return ["--addr", f"127.0.0.1:{self.port}", "--server-key", self.path("server_pub.pem")]

    def codes_asked(self):
        """How many sign-in codes were asked for. Lines are written in their order: those before the counters are there."""
        fresh_counters(self.gateway)
        return self.gateway.log().count("a sign-in code was asked for")

    def close(self):
        self.gateway.stop()
        shutil.rmtree(self.directory)


class Proxy:
    """A ringway-proxy and a channel to it."""

    def __init__(self, stack, secrets, *more, phone=ALICE, layer="228", channel=True):
        self.stack, self.secrets, self.phone, self.layer = stack, stack.path(secrets), phone, layer
        self.more, self.log_path = list(more), stack.path(secrets + ".log")
        self.port, self.process, self.channel = free_port(), None, None
        self.start()
        if channel:
            self.channel = grpc.insecure_channel(f"127.0.0.1:{self.port}",
                                                 [("grpc.initial_reconnect_backoff_ms", 100),
                                                  ("grpc.max_reconnect_backoff_ms", 500)])

    def arguments(self):
        return [PROGRAMS.proxy, "start", "--port", str(self.port), "--secrets", self.secrets, "--layer", self.layer,
                "--apiid", "1", "--apihash", API_HASH, "--phone", self.phone, *self.stack.server_options(), *self.more]

    def start(self):
        os.environ.update(RINGWAY_CODE=CODE, RINGWAY_PASSWORD=PASSWORD)
        self.process = Program(self.arguments(), self.port, self.log_path)

    def close(self):
        if self.channel is not None:
            self.channel.close()
        self.process.stop()


class Contract:
    """What protoc makes of `proto`'s files, as a Python module."""

    def __init__(self, layer, folder):
        self.folder = os.path.join(folder, f"layer{layer}")
        status, said = run(PROGRAMS.proxy, "proto", "--layer", str(layer), "--types-file", f"tl{layer}.proto", "--out",
                           self.folder)
        assert status == 0, said
        for name in (f"tl{layer}.proto", "tl_update.proto", "ringway_proxy.proto"):
            done = subprocess.run([PROGRAMS.protoc, f"--python_out={self.folder}", name], cwd=self.folder, check=True,
                                  capture_output=True, timeout=CALL_SECONDS)
            assert done.returncode == 0
        sys.path.insert(0, self.folder)
        self.tl = importlib.import_module(f"tl{layer}_pb2")
        if layer == 228:
            self.updates = importlib.import_module("ringway_proxy_pb2")
            self.compat = importlib.import_module("tl_update_pb2")
        self.package = self.tl.DESCRIPTOR.package

    def call(self, channel, method, request, answer, metadata=(), timeout=CALL_SECONDS):
        stub = channel.unary_unary(f"/{self.package}.Mtproto/{method}",
                                   request_serializer=lambda message: message.SerializeToString(),
                                   response_deserializer=answer.FromString)
        return stub(request, timeout=timeout, metadata=metadata)

    def who(self, channel, **options):
        me = self.tl.TypeInputUser(InputUserSelf=self.tl.PredInputUserSelf())
        users = self.call(channel, "UsersGetUsers", self.tl.ReqUsersGetUsers(Id=[me]), self.tl.TypeVectorUser, **options)
        return users.User[0].User

    def send(self, channel, peer, text, random_id):
        tl = self.tl
        request = tl.ReqMessagesSendMessage(
            Peer=tl.TypeInputPeer(InputPeerUser=tl.PredInputPeerUser(UserId=peer.Id, AccessHash=peer.AccessHash)),
            Message=text, RandomId=random_id)
        return self.call(channel, "MessagesSendMessage", request, tl.TypeUpdates)

    def contact(self, channel):
        tl = self.tl
        contacts = self.call(channel, "ContactsGetContacts", tl.ReqContactsGetContacts(), tl.TypeContactsContacts)
        return contacts.ContactsContacts.Users[0].User

    def listen(self, channel, cursor=b"", metadata=(), **options):
        stub = channel.unary_stream("/ringway.proxy.v1.Updates/Listen",
                                    request_serializer=lambda message: message.SerializeToString(),
                                    response_deserializer=self.updates.Event.FromString)
        return stub(self.updates.ListenRequest(cursor=cursor, **options), timeout=2 * CALL_SECONDS, metadata=metadata)


def texts_of(contract, events, count):
    """The texts of the next new messages of others, and the cursor behind the last one."""
    found, cursor = [], b""
    for event in events:
        cursor = event.cursor
        update = contract.tl.TypeUpdate()
        if event.WhichOneof("event") != "update" or not event.update.Unpack(update):
            continue
        message = update.UpdateNewMessage.Message.Message
        if message.Message and not message.Out:
            found.append(message.Message)
        if len(found) == count:
            break
    return found, cursor


class WithStack(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = Stack()
        cls.contract = Contract(228, cls.stack.directory)

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def proxy(self, *arguments, **options):
        proxy = Proxy(self.stack, *arguments, **options)
        self.addCleanup(proxy.close)
        return proxy

    def refusal(self, function, *arguments, **options):
        with self.assertRaises(grpc.RpcError) as caught:
            function(*arguments, **options)
        return caught.exception
