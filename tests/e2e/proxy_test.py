#!/usr/bin/python3
"""ringway-proxy for real: it signs in through the gateway to the reference shard's messenger, and Python clients
call it with messages from `proto` and from reflection. On loopback only.

usage: proxy_test.py GATEWAY PROXY PROTOC EXAMPLES
"""
import concurrent.futures
import importlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest
import urllib.request

import proxy_stack
from proxy_stack import ALICE, API_HASH, BOB, CALL_SECONDS, CODE, GUESTS, PASSWORD, Contract, Proxy, WithStack, texts_of
from programs import Program, bound, find, free_port, run, wait_for

import grpc  # behind proxy_stack, which says what is to be installed
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory

PROXY = PROTOC = EXAMPLES = None


class Callers(WithStack):
    def setUp(self):
        self.alice = self.proxy("callers.json")
        self.channel = self.alice.channel

    def test_messages_made_by_protoc(self):
        tl = self.contract.tl
        config = self.contract.call(self.channel, "HelpGetConfig", tl.ReqHelpGetConfig(), tl.TypeConfig)
        self.assertEqual(config.Value.ThisDc, 2)
        self.assertEqual(self.contract.who(self.channel).FirstName, "Alice")
        # A method that answers whatever its query does.
        query = any_pb2.Any(type_url="type.googleapis.com/mtproto.l228.ReqHelpGetConfig")
        answer = self.contract.call(self.channel, "InvokeWithoutUpdates", tl.ReqInvokeWithoutUpdates(Query=query),
                                    any_pb2.Any)
        unpacked = tl.TypeConfig()
        self.assertTrue(answer.Unpack(unpacked), answer.type_url)
        self.assertEqual(unpacked.Value.ThisDc, 2)

    def test_the_example(self):
        folder = self.stack.path("example")
        self.assertEqual(run(PROXY, "proto", "--types-file", "tl.proto", "--out", folder)[0], 0)
        subprocess.run([PROTOC, "--python_out=.", "tl.proto"], cwd=folder, check=True, timeout=CALL_SECONDS)
        done = subprocess.run([sys.executable, os.path.join(EXAMPLES, "get_config.py"), f"127.0.0.1:{self.alice.port}"],
                              cwd=folder, capture_output=True, timeout=CALL_SECONDS, text=True)
        self.assertEqual(done.stdout, "DC 2, 1 addresses\nsigned in as Alice\n", done.stderr)

    def test_reflection_is_enough(self):
        folder = self.stack.path("reflection")
        os.makedirs(folder, exist_ok=True)
        text = ('syntax="proto3"; package grpc.reflection.v1alpha; message Q { string host = 1; oneof m { string '
                'file_by_filename = 3; string file_containing_symbol = 4; string list_services = 7; } } message F { '
                'repeated bytes files = 1; } message S { string name = 1; } message L { repeated S service = 1; } '
                'message E { int32 code = 1; string text = 2; } message A { F files = 4; L list = 6; E error = 7; }')
        pathlib.Path(folder, "reflect.proto").write_text(text)
        subprocess.run([PROTOC, "--python_out=.", "reflect.proto"], cwd=folder, check=True, timeout=CALL_SECONDS)
        sys.path.insert(0, folder)
        wire = importlib.import_module("reflect_pb2")
        for version in ("v1alpha", "v1"):
            stub = self.channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                                              request_serializer=wire.Q.SerializeToString,
                                              response_deserializer=wire.A.FromString)
            questions = [wire.Q(list_services="*"), wire.Q(file_containing_symbol="mtproto.l228.Mtproto"),
                         wire.Q(file_containing_symbol="no.such.Thing")]
            services, files, unknown = stub(iter(questions), timeout=CALL_SECONDS)
            names = {service.name for service in services.list.service}
            self.assertLessEqual({"mtproto.l228.Mtproto", "ringway.proxy.v1.Updates"}, names)
            self.assertEqual(unknown.error.code, grpc.StatusCode.NOT_FOUND.value[0])
        pool = descriptor_pool.DescriptorPool()
        for file in reversed(files.files.files):
            pool.Add(descriptor_pb2.FileDescriptorProto.FromString(file))
        method = pool.FindServiceByName("mtproto.l228.Mtproto").FindMethodByName("HelpGetNearestDc")
        factory = message_factory.MessageFactory(pool)
        stub = self.channel.unary_unary("/mtproto.l228.Mtproto/HelpGetNearestDc",
                                        request_serializer=lambda message: message.SerializeToString(),
                                        response_deserializer=factory.GetPrototype(method.output_type).FromString)
        answer = stub(factory.GetPrototype(method.input_type)(), timeout=CALL_SECONDS)
        self.assertEqual(answer.Value.NearestDc, 2)

    def test_errors_are_the_servers(self):
        tl = self.contract.tl
        peer = tl.TypeInputPeer(InputPeerUser=tl.PredInputPeerUser(UserId=77))
        error = self.refusal(self.contract.call, self.channel, "MessagesSendMessage",
                             tl.ReqMessagesSendMessage(Peer=peer, Message="x", RandomId=1), tl.TypeUpdates)
        self.assertEqual(error.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertRegex(error.details(), r"^mtproto RPC error: 400 [A-Z_]+$")
        trailers = dict(error.trailing_metadata())
        self.assertEqual(trailers["x-mtproto-error-code"], "400")
        self.assertIn(trailers["x-mtproto-error"], error.details())
        error = self.refusal(self.contract.call, self.channel, "MessagesSendMessage",
                             tl.ReqMessagesSendMessage(Message="x", RandomId=1), tl.TypeUpdates)
        self.assertEqual((error.code(), error.details()),
                         (grpc.StatusCode.INVALID_ARGUMENT, "messages.sendMessage: Peer: is missing"))

    def test_the_wrong_package_is_told_the_right_one(self):
        stub = self.channel.unary_unary("/mtproto.Mtproto/HelpGetConfig")
        error = self.refusal(stub, b"", timeout=CALL_SECONDS)
        self.assertEqual(error.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertIn("mtproto.l228", error.details())

    def test_many_callers_get_their_own_answers(self):
        tl = self.contract.tl

        def talk(number):
            with grpc.insecure_channel(f"127.0.0.1:{self.alice.port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
                for i in range(20):
                    if i % 2 == number % 2:
                        self.assertEqual(self.contract.who(channel).FirstName, "Alice")
                    else:
                        config = self.contract.call(channel, "HelpGetConfig", tl.ReqHelpGetConfig(), tl.TypeConfig)
                        self.assertEqual(config.Value.ThisDc, 2)
            return number

        with concurrent.futures.ThreadPoolExecutor(25) as pool:
            self.assertEqual(sorted(pool.map(talk, range(50))), list(range(50)))


def read_so_far(proxy):
    """How far a proxy has stored that it has read the updates; None before it has stored anything."""
    try:
        return json.loads(pathlib.Path(proxy.secrets + ".state").read_text())["updates"]
    except FileNotFoundError:
        return None


class Updates(WithStack):
    def test_each_message_once_and_in_order(self):
        contract = self.contract
        alice, bob = self.proxy("alice.json"), self.proxy("bob.json", phone=BOB)
        to_alice = contract.contact(bob.channel)
        events = contract.listen(alice.channel, types=["updateNewMessage"])
        compat = alice.channel.unary_stream("/proxy.l228.UpdateStreamer/ListenOnUpdates",
                                            response_deserializer=contract.compat.Update.FromString)
        old = compat(b"", timeout=2 * CALL_SECONDS)
        events.initial_metadata(), old.initial_metadata()
        for i in range(10):
            contract.send(bob.channel, to_alice, f"text {i}", i + 1)
        texts, cursor = texts_of(contract, events, 10)
        self.assertEqual(texts, [f"text {i}" for i in range(10)])
        arms = {next(old).WhichOneof("Value") for _ in range(10)}
        self.assertLessEqual(arms, {"Updates", "UpdateShort", "UpdateShortMessage"})
        events.cancel(), old.cancel()
        # What came while nobody listened is there for who has a cursor.
        for i in range(5):
            contract.send(bob.channel, to_alice, f"later {i}", i + 100)
        texts, _ = texts_of(contract, contract.listen(alice.channel, cursor=cursor), 5)
        self.assertEqual(texts, [f"later {i}" for i in range(5)])

    def test_what_came_while_it_was_away(self):
        contract = self.contract
        alice, bob = self.proxy("away.json"), self.proxy("away-bob.json", phone=BOB)
        to_alice = contract.contact(bob.channel)
        events = contract.listen(alice.channel)
        events.initial_metadata()
        stored = read_so_far(alice)
        contract.send(bob.channel, to_alice, "before", 1001)
        texts, cursor = texts_of(contract, events, 1)
        self.assertEqual(texts, ["before"])
        # That follows the event: without it, what was heard already would come once more.
        wait_for(lambda: read_so_far(alice) != stored, "its state to be stored")
        alice.process.kill()
        for i in range(3):
            contract.send(bob.channel, to_alice, f"missed {i}", 1002 + i)
        alice.start()
        # The journal is a new one: it says that the cursor is of the old one, and goes on from its begin.
        events = contract.listen(alice.channel, cursor=cursor)
        first = next(events)
        self.assertEqual(first.WhichOneof("event"), "gap")
        self.assertEqual(first.gap.reason, contract.updates.Gap.CURSOR_EXPIRED)
        texts, _ = texts_of(contract, events, 3)
        self.assertEqual(texts, [f"missed {i}" for i in range(3)])

    def test_restarts_of_the_gateway(self):
        contract = self.contract
        alice, bob = self.proxy("steady.json"), self.proxy("steady-bob.json", phone=BOB)
        to_alice = contract.contact(bob.channel)
        events = contract.listen(alice.channel)
        events.initial_metadata()
        for round_number, end in enumerate((self.stack.gateway.stop, self.stack.gateway.kill)):
            end = self.stack.gateway.stop if round_number == 0 else self.stack.gateway.kill
            end()
            self.stack.start_gateway()
            # No call is lost: this one waits for the connection.
            self.assertEqual(contract.who(alice.channel).FirstName, "Alice")
            contract.send(bob.channel, to_alice, f"round {round_number}", 2001 + round_number)
            texts, _ = texts_of(contract, events, 1)
            self.assertEqual(texts, [f"round {round_number}"])


class Sessions(WithStack):
    def test_a_file_serves_without_a_new_sign_in(self):
        first = Proxy(self.stack, "kept.json")
        first.close()
        with open(first.secrets) as file:
            before = json.load(file)
        self.assertEqual(list(before)[:7], ["phone", "api_id", "api_hash", "ip", "port", "salt", "auth_key"])
        codes = self.stack.codes_asked()
        again = self.proxy("kept.json")
        self.assertEqual(self.contract.who(again.channel).FirstName, "Alice")
        self.assertEqual(self.stack.codes_asked(), codes)
        again.process.stop()
        again.process = Program(again.arguments(), again.port, again.log_path)
        with open(first.secrets) as file:
            self.assertEqual(json.load(file)["auth_key"], before["auth_key"])

    def test_an_address_may_be_of_one_dc(self):
        address = f"127.0.0.1:{self.stack.port}"
        key = ["--server-key", self.stack.path("server_pub.pem")]
        secrets = self.stack.path("fourth.json")
        login = ["login", "--secrets", secrets, "--apiid", "1", "--apihash", API_HASH, "--phone", ALICE]
        os.environ.update(RINGWAY_CODE=CODE)
        status, said = run(PROXY, *login, "--addr", f"4={address}", "--addr", "2=127.0.0.1:9", *key)
        self.assertEqual(status, 0, said)
        with open(secrets) as file:
            self.assertEqual(json.load(file)["dc_id"], 4)
        status, said = run(PROXY, *login, "--addr", f"4:{address}", *key)
        self.assertEqual(status, 128)
        self.assertIn("expected HOST:PORT or DC=HOST:PORT", said)

    def test_a_sign_in_that_was_ended_is_not_begun_again_in_silence(self):
        tokens, token = self.stack.path("ended-tokens"), "0123456789abcdef" * 4
        with open(os.open(tokens, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(f"{token} admin allow=*,auth.logOut\n")
        first = Proxy(self.stack, "ended.json", "--token-file", tokens, phone=BOB)
        with open(first.secrets) as file:
            signed_in = file.read()
        self.contract.call(first.channel, "AuthLogOut", self.contract.tl.ReqAuthLogOut(),
                           self.contract.tl.TypeAuthLoggedOut, metadata=(("authorization", f"Bearer {token}"),))
        first.close()
        of_mtprotod = json.loads(signed_in)  # which does not say who it was
        for field in ("user_id", "dc_id", "layer", "pfs"):
            del of_mtprotod[field]
        codes = self.stack.codes_asked()
        for text in (signed_in, json.dumps(of_mtprotod)):
            with open(first.secrets, "w") as file:  # as if somebody else had ended it
                file.write(text)
            for _ in range(2):
                status, said = run(*first.arguments())
                self.assertEqual(status, 1, said)
                self.assertIn("the server has ended this sign-in", said)
                self.assertIn("AUTH_KEY_UNREGISTERED", said)
                self.assertNotIn("auth.sendCode", said)
                self.assertTrue(os.path.exists(first.secrets))
        self.assertEqual(self.stack.codes_asked(), codes)

    def test_two_layers_in_one_proxy(self):
        old = Proxy(self.stack, "old.json", layer="71")
        old.close()
        both = self.proxy("new.json", "--session", f"old={old.secrets}", phone=BOB, layer="")
        contract = Contract(71, self.stack.directory)
        metadata = (("x-ringway-session", "old"),)
        self.assertEqual(contract.who(both.channel, metadata=metadata).FirstName, "Alice")
        self.assertEqual(self.contract.who(both.channel).FirstName, "Bob")
        error = self.refusal(self.contract.who, both.channel, metadata=(("x-ringway-session", "nobody"),))
        self.assertIn("nobody", error.details())

    def test_sealed_credentials(self):
        passphrase = self.stack.path("passphrase")
        with open(os.open(passphrase, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("open sesame\n")
        sealed = Proxy(self.stack, "sealed.json", "--passphrase-file", passphrase)
        sealed.close()
        with open(sealed.secrets, "rb") as file:
            self.assertTrue(file.read().startswith(b"RWSEC1"))
        status, said = run(PROXY, "check", sealed.secrets)
        self.assertEqual(status, 1)
        self.assertIn("a passphrase is needed", said)
        status, said = run(PROXY, "check", sealed.secrets, "--passphrase-file", passphrase)
        self.assertEqual(status, 0, said)
        self.assertIn("credentials of api_id 1, DC 2", said)

    def test_secrets_stay_out_of_logs(self):
        proxy = self.proxy("quiet.json", "--log-level", "debug", phone=BOB)
        self.contract.who(proxy.channel)
        with open(proxy.secrets) as file:
            stored = json.load(file)
        log = proxy.process.log()
        for secret in (stored["auth_key"], stored["api_hash"], BOB, BOB[1:], PASSWORD, CODE):
            self.assertNotIn(secret, log)

    def test_starts_that_cannot_be(self):
        started = self.proxy("lock.json")
        mine = ["--secrets", started.secrets, *self.stack.server_options()]
        status, said = run(PROXY, "start", "--port", "0", *mine)
        self.assertEqual(status, 128)
        self.assertIn("in use by another", said)
        status, said = run(PROXY, "start")
        self.assertEqual(status, 1)
        self.assertIn("--port, --secrets are required", said)
        status, said = run(PROXY, "start", "--port", "0", "--secrets", self.stack.path("none.json"))
        self.assertEqual(status, 128)
        self.assertIn("give --apiid, --apihash, and --phone", said)
        free = Proxy(self.stack, "free.json")
        free.close()
        mine = ["--secrets", free.secrets, *self.stack.server_options()]
        # Judged before anybody would be asked for a code: the file of credentials is not there.
        nobody = ["start", "--port", "0", "--secrets", self.stack.path("none.json")]
        for options, fix in ((["--listen", "0.0.0.0"], "--insecure"), (["--tls-cert", "x.pem"], "--tls-key"),
                             (["--session", "a b=other.json"], "letters, digits"),
                             (["--metrics", "9300"], "must be HOST:PORT"),
                             (["--session", "main=other.json"], "take another name")):
            status, said = run(PROXY, *nobody, *options)
            self.assertEqual(status, 128, said)
            self.assertIn(fix, said)
        os.chmod(free.secrets, 0o644)
        status, said = run(PROXY, "start", "--port", "0", *mine)
        self.assertEqual(status, 128)
        self.assertIn("chmod 600", said)

    def test_metrics_and_health(self):
        port = free_port()
        proxy = self.proxy("metrics.json", "--metrics", f"127.0.0.1:{port}")
        self.contract.who(proxy.channel)

        def page(path):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=CALL_SECONDS) as answer:
                return answer.read().decode()

        self.assertEqual(page("/healthz"), "main: ready\n")
        # This machine is the server, too: its clock is ours.
        offset = r'ringway_proxy_time_offset_seconds\{session="main",dc="2"\} (-?[\d.e-]+)\n'
        wait_for(lambda: re.search(offset, page("/metrics")), "the server's clock")
        self.assertLess(abs(float(re.search(offset, page("/metrics"))[1])), 60)
        self.assertIn('ringway_proxy_bad_messages_total{session="main",code="32"} 0\n', page("/metrics"))
        self.assertIn('method="users.getUsers",status="OK"} 1\n', page("/metrics"))

    def certificate(self, name):
        key, certificate = self.stack.path(name + ".key"), self.stack.path(name + ".crt")
        run(find("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate,
            "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1")
        return key, certificate

    def secret_file(self, name, text):
        path = self.stack.path(name)
        with open(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        return path

    def test_files_are_judged_before_anybody_is_asked(self):
        key, certificate = self.certificate("judged")
        other_key, _ = self.certificate("other")
        missing, empty = self.stack.path("missing"), self.secret_file("empty", "")
        pair = lambda certificate, key: ["--tls-cert", certificate, "--tls-key", key]
        schema = self.secret_file("broken.tl", "// LAYER 9\na#1 = ;\n")
        second = self.secret_file("second.json", "{")
        server = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(server.close)
        start = [PROXY, "start", "--port", "0", "--secrets", self.stack.path("nobody.json"), "--apiid", "1", "--apihash",
                 API_HASH, "--phone", ALICE, "--addr", f"127.0.0.1:{server.getsockname()[1]}", "--server-key",
                 self.stack.path("server_pub.pem")]
        for options, parts in (
                (pair(certificate, other_key), ("--tls-key", "other.key", "does not belong to the certificate")),
                (pair(missing, key), ("--tls-cert", missing, "No such file", "as PEM")),
                (pair(certificate, missing), ("--tls-key", missing, "No such file", "as PEM")),
                (pair(key, key), ("--tls-cert", key, "no certificate")),
                (["--token-file", missing], ("--token-file", missing, "No such file")),
                (["--token-file", self.secret_file("bad", "short x\n")], ("--token-file", "bad:1:")),
                (["--server-key", missing], ("--server-key", missing, "No such file")),
                (["--server-key", certificate], ("--server-key", certificate, "RSA key in PEM")),
                (["--layer", schema], ("--layer", f"{schema}:2:")),
                (["--layer", missing], ("--layer", missing, "No such file")),
                (["--password-file", missing], ("--password-file", missing, "No such file")),
                (["--password-file", empty], ("--password-file", empty, "first line is empty")),
                (["--code-file", missing + "/code"], ("--code-file", missing, "make it")),
                (["--passphrase-file", missing], ("--passphrase-file", missing, "No such file")),
                (["--session", f"second={second}"], (second,))):
            status, said = run(*start, *options)
            self.assertEqual(status, 128, said)
            for part in parts:
                self.assertIn(part, said)
            # Whoever connects is in the queue at once, and stays there when it ends.
            server.setblocking(False)
            self.assertRaises(BlockingIOError, server.accept)
        self.assertFalse(os.path.exists(self.stack.path("nobody.json")))
        # With nothing wrong it would have come.
        child = subprocess.Popen(bound([*start, *pair(certificate, key)]), stdin=subprocess.DEVNULL,
                                 stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        server.settimeout(CALL_SECONDS)
        server.accept()[0].close()

    def test_tls_and_tokens(self):
        key, certificate = self.certificate("tls")
        tokens = self.secret_file("tokens", "# who may call\nreader-0123456789abcdef reader allow=users.*\n")
        proxy = self.proxy("tls.json", "--tls-cert", certificate, "--tls-key", key, "--token-file", tokens,
                           "--listen", "0.0.0.0", channel=False)
        with open(certificate, "rb") as file:
            credentials = grpc.ssl_channel_credentials(file.read())
        tl = self.contract.tl
        with grpc.secure_channel(f"127.0.0.1:{proxy.port}", credentials) as channel:
            error = self.refusal(self.contract.who, channel)
            self.assertEqual(error.code(), grpc.StatusCode.UNAUTHENTICATED)
            mine = (("authorization", "Bearer reader-0123456789abcdef"),)
            self.assertEqual(self.contract.who(channel, metadata=mine).FirstName, "Alice")
            error = self.refusal(self.contract.call, channel, "HelpGetConfig", tl.ReqHelpGetConfig(), tl.TypeConfig,
                                 metadata=mine)
            self.assertEqual(error.code(), grpc.StatusCode.PERMISSION_DENIED)
        environment = dict(os.environ, RINGWAY_TOKEN="reader-0123456789abcdef")
        done = subprocess.run(bound([PROXY, "test", "--proxy", f"localhost:{proxy.port}", "--ca", certificate]),
                              env=environment, capture_output=True, text=True, timeout=CALL_SECONDS)
        self.assertEqual(done.returncode, 1)
        self.assertIn("test failure:", done.stderr)

    def test_certificate_and_tokens_are_renewed(self):
        key, certificate = self.certificate("renewed")
        next_key, next_certificate = self.certificate("next")
        tokens = self.secret_file("renewed-tokens", "first-0123456789abcdef first\n")
        proxy = self.proxy("renewed.json", "--tls-cert", certificate, "--tls-key", key, "--token-file", tokens,
                           channel=False)

        def channel(path):
            options = [("grpc.use_local_subchannel_pool", 1)]
            return grpc.secure_channel(f"localhost:{proxy.port}",
                                       grpc.ssl_channel_credentials(pathlib.Path(path).read_bytes()), options)

        def reload(said):
            before = proxy.process.log().count(said)
            proxy.process.process.send_signal(signal.SIGHUP)
            wait_for(lambda: proxy.process.log().count(said) > before, said)

        first, second = ((("authorization", f"Bearer {name}-0123456789abcdef"),) for name in ("first", "second"))
        old = pathlib.Path(certificate).read_bytes()
        with channel(certificate) as open_channel:
            events = self.contract.listen(open_channel, metadata=first)
            self.assertEqual(self.contract.who(open_channel, metadata=first).FirstName, "Alice")
            # A certificate whose key is not there yet changes nothing, and holds up no other file.
            shutil.copy(next_certificate, certificate)
            self.secret_file("renewed-tokens", "first-0123456789abcdef first\nsecond-0123456789abcdef second\n")
            reload("the certificate stays as it was: --tls-key")
            old_file = self.stack.path("old.crt")
            pathlib.Path(old_file).write_bytes(old)
            with channel(old_file) as another:
                self.assertEqual(self.contract.who(another, metadata=second).FirstName, "Alice")
            shutil.copy(next_key, key)
            reload("new connections get the certificate")
            with channel(next_certificate) as another:
                self.assertEqual(self.contract.who(another, metadata=second).FirstName, "Alice")
            with channel(old_file) as another:
                error = self.refusal(self.contract.who, another, metadata=second)
                self.assertEqual(error.code(), grpc.StatusCode.UNAVAILABLE)
            # Who was there before was not dropped.
            self.assertEqual(self.contract.who(open_channel, metadata=first).FirstName, "Alice")
            self.assertTrue(events.is_active())
            events.cancel()


class SignIn(WithStack):
    """Codes for a sign-in that nobody sits at a terminal for."""

    phones = list(GUESTS)

    def setUp(self):
        self.phone = self.phones.pop()

    def begin(self, *options, code=None, command=("login",)):
        environment = {key: value for key, value in os.environ.items() if key not in ("RINGWAY_CODE", "RINGWAY_PASSWORD")}
        if code is not None:
            environment["RINGWAY_CODE"] = code
        self.secrets, self.log_path = self.stack.path(self.phone + ".json"), self.stack.path(self.phone + ".log")
        with open(self.log_path, "wb") as log:
            child = subprocess.Popen(
                bound([PROXY, *command, "--secrets", self.secrets, "--apiid", "1", "--apihash", API_HASH,
                       "--phone", self.phone, *self.stack.server_options(), *options]), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=environment)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def said(self):
        return pathlib.Path(self.log_path).read_text(errors="replace")

    def write(self, path, text, mode=0o600):
        """As a whole, as who writes codes should."""
        with open(os.open(path + ".new", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, mode), "w") as file:
            file.write(text)
        os.rename(path + ".new", path)

    def waiting(self, path, times=1):
        wait_for(lambda: self.said().count(f"waiting for the code in {path}") == times, "the wait for a code")

    def test_a_file_that_comes_later(self):
        path = self.stack.path("late-code")
        child = self.begin("--code-file", path)
        self.waiting(path)
        self.assertIsNone(child.poll())
        self.write(path, f"{CODE}\n")
        self.assertEqual(child.wait(timeout=CALL_SECONDS), 0, self.said())
        self.assertFalse(os.path.exists(path), "a code serves once")
        with open(self.secrets) as file:
            self.assertGreater(json.load(file)["user_id"], 0)

    def test_an_empty_file_is_no_code_yet(self):
        path = self.stack.path("empty-code")
        self.write(path, "")
        child = self.begin("--code-file", path)
        wait_for(lambda: "its first line is empty" in self.said(), "what is wrong with the file")
        self.assertIsNone(child.poll())
        self.write(path, CODE)
        self.assertEqual(child.wait(timeout=CALL_SECONDS), 0, self.said())

    def test_a_file_for_others_eyes_is_not_read(self):
        path = self.stack.path("open-code")
        self.write(path, CODE, 0o644)
        child = self.begin("--code-file", path)
        wait_for(lambda: f"chmod 600 {path}" in self.said(), "what is wrong with the file")
        self.assertIsNone(child.poll())
        os.chmod(path, 0o600)
        self.assertEqual(child.wait(timeout=CALL_SECONDS), 0, self.said())

    def test_a_wrong_code_and_then_the_right_one(self):
        path = self.stack.path("two-codes")
        self.write(path, "11111\n")
        child = self.begin("--code-file", path)
        self.waiting(path, 2)
        self.assertIn("that code was wrong", self.said())
        self.assertFalse(os.path.exists(path))
        self.write(path, f"{CODE}\n")
        self.assertEqual(child.wait(timeout=CALL_SECONDS), 0, self.said())

    def test_the_variable(self):
        self.assertEqual(self.begin(code=CODE).wait(timeout=CALL_SECONDS), 0, self.said())

    def test_a_wrong_variable_is_tried_once(self):
        codes = self.stack.codes_asked()
        self.assertEqual(self.begin(code="11111").wait(timeout=CALL_SECONDS), 1, self.said())
        self.assertEqual(self.said().count("that code was wrong"), 1)
        self.assertIn("no code was entered", self.said())
        self.assertEqual(self.stack.codes_asked(), codes + 1)

    def test_a_hangup_ends_no_sign_in(self):
        path = self.stack.path("hangup-code")
        child = self.begin("--code-file", path, command=("start", "--port", "0"))
        self.waiting(path)
        child.send_signal(signal.SIGHUP)
        self.write(path, CODE)
        wait_for(lambda: "listening on port" in self.said() or child.poll() is not None, "the proxy")
        child.send_signal(signal.SIGTERM)
        self.assertEqual(child.wait(timeout=CALL_SECONDS), 0, self.said())

    def test_files_are_judged_where_a_sign_in_was_begun(self):
        self.assertEqual(self.begin(code="11111").wait(timeout=CALL_SECONDS), 1, self.said())
        self.assertTrue(os.path.exists(self.secrets))
        codes = self.stack.codes_asked()
        missing = self.stack.path("none")
        child = self.begin("--password-file", missing, code=CODE)
        self.assertEqual(child.wait(timeout=CALL_SECONDS), 128, self.said())
        self.assertIn(f"--password-file: cannot read {missing}", self.said())
        self.assertEqual(self.stack.codes_asked(), codes)
        self.assertEqual(self.begin(code=CODE).wait(timeout=CALL_SECONDS), 0, self.said())

    def test_nobody_at_the_terminal(self):
        self.assertEqual(self.begin().wait(timeout=CALL_SECONDS), 1, self.said())
        self.assertIn("no code was entered", self.said())


class Commands(WithStack):
    def test_the_shell(self):
        arguments = [PROXY, "shell", "--secrets", self.stack.path("shell.json"), "--log", self.stack.path("ss.log"),
                     "--apiid", "1", "--apihash", API_HASH, "--phone", ALICE, *self.stack.server_options()]
        os.environ.update(RINGWAY_CODE=CODE)
        lines = b'dialogs\ncontacts\nnonsense\ncall help.getNearestDc\ncall users.getUsers {"Id": 7}\nexit\n'
        status, said = run(*arguments, data=lines)
        self.assertEqual(status, 0, said)
        for part in ('Signed in as "Alice"', '"MessagesDialogs"', '"ContactsContacts"', "Wrong command",
                     '"NearestDc": 2'):
            self.assertIn(part, said)

    def test_access(self):
        os.environ.update(RINGWAY_CODE=CODE, RINGWAY_PASSWORD=PASSWORD)
        chats, users = self.stack.path("chans.acc"), self.stack.path("users.acc")
        status, said = run(PROXY, "access", "--credentials", self.stack.path("access.json"), "--chans", chats,
                           "--users", users, "--apiid", "1", "--apihash", API_HASH, "--phone", BOB,
                           *self.stack.server_options())
        self.assertEqual(status, 0, said)
        self.assertIn(f"{chats} is generated\n{users} is generated\n", said)
        with open(users, "rb") as file:
            contacts = self.contract.tl.TypeContactsContacts.FromString(file.read())
        self.assertEqual(contacts.ContactsContacts.Users[0].User.FirstName, "Alice")

    def test_files_are_checked(self):
        schema = self.stack.path("twice.tl")
        with open(schema, "w") as file:
            file.write("// LAYER 9\na#00000001 = T;\nb#00000001 = T;\n---functions---\n")
        status, said = run(PROXY, "check", schema)
        self.assertEqual(status, 1)
        self.assertIn(f"{schema}:3:", said)
        tokens = self.stack.path("bad-tokens")
        with open(os.open(tokens, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("short x\n")
        status, said = run(PROXY, "check", tokens)
        self.assertEqual(status, 1)
        self.assertIn(f"{tokens}:1:", said)
        self.assertEqual(run(PROXY, "version")[0], 0)
        status, said = run(PROXY, "nonsense")
        self.assertNotEqual(status, 0)


if __name__ == "__main__":
    gateway, PROXY, PROTOC, EXAMPLES = (os.path.abspath(argument) for argument in sys.argv[1:5])
    vars(proxy_stack.PROGRAMS).update(gateway=gateway, proxy=PROXY, protoc=PROTOC)
    unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
