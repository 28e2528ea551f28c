#!/usr/bin/python3
"""Debian's Telethon against the real gateway and the real reference shard, on loopback only.

usage: telethon_test.py GATEWAY SHARD
"""
import asyncio
import logging
import os
import sys
import time
import unittest

from shard_stack import ShardStack

try:
    from telethon import TelegramClient, functions
    from telethon.crypto import rsa
    from telethon.errors import RPCError
    from telethon.network import (ConnectionTcpAbridged, ConnectionTcpFull,
                                  ConnectionTcpIntermediate, ConnectionTcpObfuscated)
    from telethon.sessions import StringSession
except ImportError as missing:
    sys.exit(f"telethon_test: {missing}: install Debian's python3-telethon")

CONNECTIONS = {
    "abridged": ConnectionTcpAbridged,
    "intermediate": ConnectionTcpIntermediate,
    "full": ConnectionTcpFull,
    "obfuscated": ConnectionTcpObfuscated,
}
GATEWAY = SHARD = None
CALL_SECONDS = 30


def with_record(stack):
    return ["--record", stack.path("record")]


def keys_stored(stack):
    with open(stack.path("record")) as file:
        return sum("set_auth_key" in line for line in file)


class TelethonTest(unittest.IsolatedAsyncioTestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = ShardStack("telethon", GATEWAY, SHARD, with_record)
        with open(cls.stack.path("server_pub.pem"), "rb") as file:
            rsa.add_key(file.read(), old=False)

    @classmethod
    def tearDownClass(cls):
        cls.stack.close()

    def make_client(self, connection, saved="", receive_updates=False):
        session = StringSession(saved)
        session.set_dc(2, "127.0.0.1", self.stack.port)
        client = TelegramClient(session, 1, "0" * 32, connection=CONNECTIONS[connection],
                                connection_retries=10, retry_delay=1, request_retries=3,
                                receive_updates=receive_updates)
        self.addAsyncCleanup(client.disconnect)
        return client

    async def within(self, awaitable):
        return await asyncio.wait_for(awaitable, CALL_SECONDS)

    async def connect(self, client):
        await self.within(client.connect())
        self.assertTrue(client.is_connected())

    async def check_config(self, client):
        config = await self.within(client(functions.help.GetConfigRequest()))
        self.assertEqual(config.this_dc, 2)
        ports = [option.port for option in config.dc_options if option.ip_address == "127.0.0.1"]
        self.assertIn(self.stack.port, ports)

    async def check_ping(self, client, ping_id):
        pong = await self.within(client(functions.PingRequest(ping_id)))
        self.assertEqual(pong.ping_id, ping_id)

    async def test_every_transport(self):
        for name in CONNECTIONS:
            for receive_updates in (False, True):
                with self.subTest(transport=name, receive_updates=receive_updates):
                    client = self.make_client(name, receive_updates=receive_updates)
                    await self.connect(client)
                    await self.check_config(client)
                    for ping_id in (1, -1, 2**62):
                        await self.check_ping(client, ping_id)
                    pong = await self.within(client(functions.PingDelayDisconnectRequest(7, 75)))
                    self.assertEqual(pong.ping_id, 7)
                    nearest = await self.within(client(functions.help.GetNearestDcRequest()))
                    self.assertEqual(nearest.this_dc, 2)
                    await client.disconnect()

    async def test_unknown_methods_are_refused_by_name(self):
        client = self.make_client("intermediate")
        await self.connect(client)
        with self.assertRaises(RPCError) as raised:
            await self.within(client(functions.help.GetSupportRequest()))
        self.assertEqual(raised.exception.code, 400)
        self.assertIn("METHOD_NOT_IMPLEMENTED", str(raised.exception))
        await self.check_ping(client, 5)

    async def test_large_and_compressed_messages(self):
        client = self.make_client("full")
        await self.connect(client)
        for part in (os.urandom(512 * 1024), b"a" * (512 * 1024)):
            with self.assertRaises(RPCError) as raised:
                await self.within(client(functions.upload.SaveFilePartRequest(1, 0, part)))
            self.assertEqual(raised.exception.code, 400)
        await self.check_ping(client, 6)

    async def test_stored_key_outlives_gateway_and_shard(self):
        saved = {}
        for name in CONNECTIONS:
            client = self.make_client(name)
            await self.connect(client)
            await self.check_config(client)
            saved[name] = client.session.save()
            await client.disconnect()
        self.stack.restart_both()
        keys = keys_stored(self.stack)
        for name, session in saved.items():
            with self.subTest(transport=name):
                client = self.make_client(name, session)
                await self.connect(client)
                await self.check_config(client)
                await self.check_ping(client, 11)
                await client.disconnect()
        self.assertEqual(keys_stored(self.stack), keys, "no client may have made a new key")

    async def test_connected_client_survives_a_restart(self):
        client = self.make_client("abridged")
        await self.connect(client)
        await self.check_ping(client, 1)
        keys = keys_stored(self.stack)
        # On this thread: a child dies with the thread that started it.
        self.stack.restart_both()
        deadline = time.monotonic() + CALL_SECONDS
        while True:
            try:
                await self.check_ping(client, 2)
                break
            except (ConnectionError, asyncio.TimeoutError):
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(0.5)
        await self.check_config(client)
        self.assertEqual(keys_stored(self.stack), keys)

    async def test_clients_at_once(self):
        async def work(name, number):
            client = self.make_client(name)
            await self.connect(client)
            for i in range(20):
                await self.check_ping(client, number * 1000 + i)
                await self.check_config(client)
            # Several requests in one container.
            pongs = await self.within(asyncio.gather(
                *(client(functions.PingRequest(number * 1000 + i)) for i in range(10))))
            self.assertEqual([pong.ping_id for pong in pongs],
                             [number * 1000 + i for i in range(10)])

        await asyncio.gather(*(work(name, number)
                               for number, name in enumerate(2 * list(CONNECTIONS), 1)))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    # unittest runs the loop in debug mode, which reports every step above 100 ms: key exchanges.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    GATEWAY, SHARD = (os.path.abspath(path) for path in sys.argv[1:3])
    unittest.main(argv=sys.argv[:1], verbosity=2)
