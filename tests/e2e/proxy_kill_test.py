#!/usr/bin/python3
"""ringway-proxy while everything is killed: a proxy for each of two users, the gateway and the reference shard behind
it are four programs, several callers send at once, and who listens resumes by cursor. On loopback only.

usage: proxy_kill_test.py GATEWAY SHARD PROXY PROTOC
"""
import collections
import concurrent.futures
import os
import sys
import threading
import time
import unittest

from proxy_stack import ALICE, BOB, CALL_SECONDS, CODE, PASSWORD, PROGRAMS, Contract, Proxy
from programs import wait_for
from shard_stack import ShardStack

import grpc  # behind proxy_stack, which says what is to be installed

SENDERS, ROUNDS, PAGE = 6, 2, 100
# Of each sender: all together are fewer than a user's box keeps.
MESSAGES_MAX = 300
TRIES_MAX = 100
FIRST_RANDOM_ID = 1 << 40
# Who just listens is not known to a shard that was started anew until it acknowledges something or sends its ping, once a
# minute: only then is it told that it may have missed something.
IDLE_SECONDS = 60 + CALL_SECONDS
# What the loss of a program may be called; docs/PROXY.md has when which.
LOST = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.ABORTED, grpc.StatusCode.DEADLINE_EXCEEDED)


def until_it_works(call, lost):
    for _ in range(TRIES_MAX):
        try:
            return call()
        except grpc.RpcError as error:
            if error.code() not in LOST:
                raise
            lost[error.code().name] += 1
            time.sleep(0.2)
    raise RuntimeError("it went on failing")


class FourPrograms(ShardStack):
    def __init__(self):
        super().__init__("proxy-kill", PROGRAMS.gateway, PROGRAMS.shard, self.messenger)

    def messenger(self, _):
        with open(self.path("users"), "w") as file:
            file.write(f"{ALICE} Alice alice\n{BOB} Bob bob_b {PASSWORD}\n")
        return ["--messenger", "--messenger-users", self.path("users"), "--messenger-code", CODE]

    def server_options(self):
        return ["--addr", f"127.0.0.1:{self.port}", "--server-key", self.path("server_pub.pem")]


class Listener:
    """Keeps a box as programs do: it resumes behind the last event that it dealt with, and reads the history when it
    is told of a gap."""

    def __init__(self, contract, channel, peer):
        self.contract, self.channel, self.peer = contract, channel, peer
        self.cursor, self.stream, self.breaks, self.problem = b"", None, 0, None
        self.box = {}     # texts by the messages' ids
        self.runs = [[]]  # the ids that the stream brought, cut where it told of a gap
        self.gaps = []
        self.lost = collections.Counter()
        self.stopping = False
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while not self.stopping:
            try:
                self.stream = self.contract.listen(self.channel, cursor=self.cursor)
                for event in self.stream:
                    self.take(event)
                    self.cursor = event.cursor
            except grpc.RpcError as error:
                if error.code() not in (*LOST, grpc.StatusCode.CANCELLED):
                    self.problem = error
                    return
                self.breaks += 1
                time.sleep(0.05)
            except Exception as error:  # judged by who started it
                self.problem = error
                return

    def take(self, event):
        if event.WhichOneof("event") == "gap":
            self.gaps.append(event.gap.reason)
            self.runs.append([])
            self.box.update(until_it_works(self.history, self.lost))
            return
        update = self.contract.tl.TypeUpdate()
        if event.WhichOneof("event") == "update" and event.update.Unpack(update):
            message = update.UpdateNewMessage.Message.Message
            if message.Message:
                self.runs[-1].append(message.Id)
                self.box[message.Id] = message.Message

    def history(self):
        """Every text of the box by its id."""
        tl, found, offset = self.contract.tl, {}, 0
        peer = tl.PredInputPeerUser(UserId=self.peer.Id, AccessHash=self.peer.AccessHash)
        while True:
            page = self.contract.call(
                self.channel, "MessagesGetHistory",
                tl.ReqMessagesGetHistory(Peer=tl.TypeInputPeer(InputPeerUser=peer), OffsetId=offset, Limit=PAGE),
                tl.TypeMessagesMessages)
            messages = page.MessagesMessages.Messages or page.MessagesMessagesSlice.Messages
            if not messages:
                return found
            found.update((one.Message.Id, one.Message.Message) for one in messages)
            offset = min(found)

    def stop(self):
        self.stopping = True
        while self.thread.is_alive():
            if self.stream is not None:
                self.stream.cancel()
            self.thread.join(0.1)


class Senders:
    """Bob's programs: each sends its own texts, one after the other, until all have been told that it is enough."""

    def __init__(self, contract, channel, peer):
        self.contract, self.channel, self.peer = contract, channel, peer
        self.sent, self.lost = [], collections.Counter()
        self.enough = threading.Event()
        self.pool = concurrent.futures.ThreadPoolExecutor(SENDERS)
        self.running = [self.pool.submit(self.send, number) for number in range(SENDERS)]

    def send(self, sender):
        for number in range(MESSAGES_MAX):
            if self.enough.is_set():
                return
            text, random_id = f"{sender}:{number}", 1 + sender * MESSAGES_MAX + number
            # The same random_id is the same message: a call whose effect is not known may be repeated.
            until_it_works(lambda: self.contract.send(self.channel, self.peer, text, random_id), self.lost)
            self.sent.append(text)
            time.sleep(0.05)
        raise RuntimeError("the others took too long")

    def more(self, count):
        at = len(self.sent)

        def came():
            self.judge([one for one in self.running if one.done()])
            return len(self.sent) >= at + count

        wait_for(came, "messages on their way")

    def judge(self, running):
        for one in running:
            one.result(timeout=TRIES_MAX * CALL_SECONDS)

    def finish(self):
        self.enough.set()
        self.judge(self.running)

    def close(self):
        self.enough.set()
        self.pool.shutdown()


class Kills(unittest.TestCase):
    def setUp(self):
        self.stack = FourPrograms()
        self.addCleanup(self.stack.close)
        self.contract = Contract(228, self.stack.directory)

    def proxy(self, secrets, phone):
        proxy = Proxy(self.stack, secrets, phone=phone)
        self.addCleanup(proxy.close)
        return proxy

    def listener(self, proxy):
        listener = Listener(self.contract, proxy.channel, self.contract.contact(proxy.channel))
        self.addCleanup(listener.stop)
        return listener

    def in_turn(self, alice, bob):
        """What is killed, and how it comes back; the shard last, for its loss breaks no connection of a proxy's."""
        yield bob.process, bob.start
        yield alice.process, alice.start
        yield self.stack.gateway, self.stack.start_gateway
        yield self.stack.shard, self.stack.start_shard

    def test_everything_is_killed_in_turn_under_load(self):
        contract = self.contract
        alice, bob = self.proxy("alice.json", ALICE), self.proxy("bob.json", BOB)
        to_alice = contract.contact(bob.channel)
        listeners = {"Alice": self.listener(alice), "Bob": self.listener(bob)}
        for name, listener in listeners.items():
            wait_for(lambda: listener.stream is not None, f"{name}'s stream")
            listener.stream.initial_metadata()
        contract.send(bob.channel, to_alice, "first", FIRST_RANDOM_ID)
        for name, listener in listeners.items():
            wait_for(lambda: listener.box, f"the first message at {name}'s")
        senders = Senders(contract, bob.channel, to_alice)
        self.addCleanup(senders.close)
        for number in range(1, 1 + ROUNDS):
            for program, start in self.in_turn(alice, bob):
                senders.more(20)
                self.assertIsNone(program.process.poll(), program.log())
                program.kill()
                start()
            for name, listener in listeners.items():
                wait_for(lambda: listener.problem or len(listener.gaps) == number, f"the gap at {name}'s")
        senders.more(20)
        senders.finish()
        expected = sorted(["first", *senders.sent])
        for name, listener in listeners.items():
            with self.subTest(name):
                # It asks for nothing until it has heard all by itself.
                wait_for(lambda: listener.problem or len(listener.box) >= len(expected), "all messages", IDLE_SECONDS)
                self.assertIsNone(listener.problem)
                history = listener.history()
                self.assertEqual(sorted(history.values()), expected, "each message once in the history")
                self.assertEqual(listener.box, history)
                self.assertEqual(listener.gaps, ROUNDS * [contract.updates.Gap.CURSOR_EXPIRED])
                self.assertGreaterEqual(listener.breaks, ROUNDS)
                ids = sorted(history)
                for run in listener.runs:
                    at = ids.index(run[0]) if run else 0
                    self.assertEqual(run, ids[at:at + len(run)], "between gaps, each message once and in order")


if __name__ == "__main__":
    vars(PROGRAMS).update(zip(("gateway", "shard", "proxy", "protoc"), map(os.path.abspath, sys.argv[1:5])))
    unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
