#!/usr/bin/python3
"""The full circle: Debian's Telethon signs in through the real gateway to the reference shard's
messenger, and two users send each other messages. On loopback only.

usage: messenger_test.py GATEWAY SHARD
"""
import asyncio
import logging
import os
import sys
import unittest

from shard_stack import ShardStack

try:
    from telethon import TelegramClient, errors, events, functions, types
    from telethon.crypto import rsa
    from telethon.network import ConnectionTcpAbridged, ConnectionTcpIntermediate
except ImportError as missing:
    sys.exit(f"messenger_test: {missing}: install Debian's python3-telethon")

GATEWAY = SHARD = None
CALL_SECONDS = 30
CODE = "24680"
ALICE, BOB, CAROL = "+15550001", "+15550002", "+15550003"
PASSWORD = "correct-horse"


def with_alice_and_bob(stack):
    with open(stack.path("users"), "w") as file:
        file.write(f"{ALICE} Alice alice\n{BOB} Bob bob_b {PASSWORD}\n")
    return ["--messenger", "--messenger-users", stack.path("users"), "--messenger-code", CODE]


class Heard:
    """The texts that a client was sent, in their order."""

    def __init__(self, client):
        self.texts = asyncio.Queue()
        client.add_event_handler(self.on_message, events.NewMessage(incoming=True))

    async def on_message(self, event):
        await self.texts.put((event.sender_id, event.raw_text))

    async def next(self):
        return await asyncio.wait_for(self.texts.get(), CALL_SECONDS)


class MessengerTest(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        self.stack = ShardStack("messenger", GATEWAY, SHARD, with_alice_and_bob)
        self.addCleanup(self.stack.close)
        with open(self.stack.path("server_pub.pem"), "rb") as file:
            rsa.add_key(file.read(), old=False)

    def make_client(self, name, connection=ConnectionTcpAbridged, catch_up=False):
        client = TelegramClient(self.stack.path(name), 1, "0" * 32, connection=connection,
                                connection_retries=20, retry_delay=1, request_retries=3,
                                catch_up=catch_up, flood_sleep_threshold=0,
                                sequential_updates=True)
        client.session.set_dc(2, "127.0.0.1", self.stack.port)
        self.addAsyncCleanup(client.disconnect)
        return client

    async def within(self, awaitable):
        return await asyncio.wait_for(awaitable, CALL_SECONDS)

    async def start(self, client, phone, password=None, name="New"):
        await self.within(client.start(phone=phone, password=password, first_name=name,
                                       code_callback=lambda: CODE))
        return await self.within(client.get_me())

    async def alice_and_bob(self):
        alice, bob = self.make_client("alice"), self.make_client("bob", ConnectionTcpIntermediate)
        await self.start(alice, ALICE)
        await self.start(bob, BOB, PASSWORD)
        return alice, bob

    async def test_sign_in_by_code_by_password_and_sign_up(self):
        me = await self.start(self.make_client("alice"), ALICE)
        self.assertEqual((me.first_name, me.username, me.is_self), ("Alice", "alice", True))
        bob = self.make_client("bob", ConnectionTcpIntermediate)
        me = await self.start(bob, BOB, PASSWORD)
        self.assertEqual((me.first_name, me.phone), ("Bob", BOB[1:]))
        me = await self.start(self.make_client("carol"), CAROL, name="Carol")
        self.assertEqual((me.first_name, me.phone), ("Carol", CAROL[1:]))
        full = await self.within(bob(functions.users.GetFullUserRequest("alice")))
        self.assertEqual(full.users[0].first_name, "Alice")

    async def test_wrong_codes_and_wrong_passwords(self):
        client = self.make_client("bob")
        await self.within(client.connect())
        self.assertFalse(await self.within(client.is_user_authorized()))
        with self.assertRaises(errors.PhoneNumberInvalidError):
            await self.within(client(functions.auth.SendCodeRequest(
                "12x", 1, "0", types.CodeSettings())))
        await self.within(client.send_code_request(BOB))
        with self.assertRaises(errors.PhoneCodeInvalidError):
            await self.within(client.sign_in(BOB, "11111"))
        with self.assertRaises(errors.SessionPasswordNeededError):
            await self.within(client.sign_in(BOB, CODE))
        self.assertFalse(await self.within(client.is_user_authorized()))
        with self.assertRaises(errors.PasswordHashInvalidError):
            await self.within(client.sign_in(password="wrong"))
        me = await self.within(client.sign_in(password=PASSWORD))
        self.assertEqual(me.first_name, "Bob")

        guesser = self.make_client("guesser")
        await self.within(guesser.connect())
        await self.within(guesser.send_code_request(CAROL))
        with self.assertRaises(errors.FloodWaitError):
            for _ in range(10):
                try:
                    await self.within(guesser.sign_in(CAROL, "11111"))
                except errors.PhoneCodeInvalidError:
                    continue
        await guesser.disconnect()
        await client.disconnect()
        self.stack.shard.stop()
        self.assertRegex(self.stack.shard.log(), r"messenger: users_refused=0 .* code_waits=1 ")

    async def test_messages_both_ways_and_history(self):
        alice, bob = await self.alice_and_bob()
        bobs_other = self.make_client("bob2")
        await self.start(bobs_other, BOB, PASSWORD)
        alice_id, bob_id = (await alice.get_me()).id, (await bob.get_me()).id
        to_alice, to_bob, to_other = Heard(alice), Heard(bob), Heard(bobs_other)
        sent = await self.within(alice.send_message("bob_b", "hello Bob"))
        self.assertEqual((sent.out, sent.raw_text), (True, "hello Bob"))
        self.assertEqual(await to_bob.next(), (alice_id, "hello Bob"))
        self.assertEqual(await to_other.next(), (alice_id, "hello Bob"))
        await self.within(bob.send_message(ALICE, "hello Alice"))
        self.assertEqual(await to_alice.next(), (bob_id, "hello Alice"))
        for number in range(20):
            await self.within(alice.send_message(bob_id, f"number {number}"))
        for number in range(20):
            self.assertEqual(await to_bob.next(), (alice_id, f"number {number}"))

        dialogs = await self.within(alice.get_dialogs())
        self.assertEqual([(one.id, one.message.raw_text) for one in dialogs],
                         [(bob_id, "number 19")])
        history = await self.within(alice.get_messages(bob_id, limit=3))
        self.assertEqual([one.raw_text for one in history],
                         ["number 19", "number 18", "number 17"])
        self.assertEqual(history.total, 22)
        everything = [one.raw_text async for one in bob.iter_messages("alice", reverse=True)]
        self.assertEqual(everything[:3], ["hello Bob", "hello Alice", "number 0"])
        self.assertEqual(len(everything), 22)

    async def test_the_same_message_twice_is_one(self):
        alice, bob = await self.alice_and_bob()
        peer = await self.within(alice.get_input_entity("bob_b"))
        request = functions.messages.SendMessageRequest(peer, "once", random_id=77)
        first, second = await self.within(alice(request)), await self.within(alice(request))
        self.assertEqual(first.updates[0].id, second.updates[0].id)
        history = await self.within(bob.get_messages("alice", limit=10))
        self.assertEqual([one.raw_text for one in history], ["once"])

    async def test_missed_messages_come_after_a_reconnect(self):
        alice, bob = await self.alice_and_bob()
        to_bob = Heard(bob)
        alice_id = (await alice.get_me()).id
        await self.within(alice.send_message("bob_b", "seen"))
        self.assertEqual(await to_bob.next(), (alice_id, "seen"))
        await bob.disconnect()
        missed = [f"missed {number}" for number in range(230)]
        for text in missed:
            await self.within(alice.send_message("bob_b", text))
        bob = self.make_client("bob", catch_up=True)
        to_bob = Heard(bob)
        await self.within(bob.connect())
        self.assertEqual([(await to_bob.next())[1] for _ in missed], missed)

    async def test_all_is_there_after_a_restart_of_the_shard(self):
        alice, bob = await self.alice_and_bob()
        to_bob = Heard(bob)
        alice_id = (await alice.get_me()).id
        await self.within(alice.send_message("bob_b", "before"))
        self.assertEqual(await to_bob.next(), (alice_id, "before"))
        await bob.disconnect()
        await self.within(alice.send_message("bob_b", "missed"))
        # Killed: what was answered must be on the disk.
        self.stack.shard.kill()
        self.stack.start_shard()
        bob = self.make_client("bob", catch_up=True)
        to_bob = Heard(bob)
        await self.within(bob.connect())
        self.assertEqual(await to_bob.next(), (alice_id, "missed"))
        self.assertEqual((await self.within(bob.get_me())).first_name, "Bob")
        # Alice has been connected all the time, and never told the new shard her layer.
        await self.within(alice.send_message("bob_b", "after"))
        self.assertEqual(await to_bob.next(), (alice_id, "after"))
        history = await self.within(alice.get_messages("bob_b", limit=10))
        self.assertEqual([one.raw_text for one in history], ["after", "missed", "before"])

    async def test_who_signed_out_is_nobody(self):
        alice, bob = await self.alice_and_bob()
        await self.within(alice(functions.auth.LogOutRequest()))
        with self.assertRaises(errors.AuthKeyUnregisteredError):
            await self.within(alice(functions.updates.GetStateRequest()))
        await self.within(bob.send_message("alice", "are you there?"))

    async def test_other_methods_are_refused_by_name(self):
        alice, _ = await self.alice_and_bob()
        with self.assertRaises(errors.RPCError) as raised:
            await self.within(alice(functions.help.GetSupportRequest()))
        self.assertIn("METHOD_NOT_IMPLEMENTED: help.getSupport", str(raised.exception))
        with self.assertRaises(errors.MessageEmptyError):
            await self.within(alice(functions.messages.SendMessageRequest("bob_b", "")))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    # unittest runs the loop in debug mode, which reports every step above 100 ms: key exchanges.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    GATEWAY, SHARD = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=sys.argv[:1], verbosity=2)
