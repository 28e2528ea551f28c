#!/usr/bin/python3
"""The C++ example, built as a reader would build it: it signs in over a connection of its own, comes back with
the stored key, and does the same through a proxy. On loopback only.

usage: cpp_example_test.py GATEWAY PROXY PROTOC EXAMPLE
"""
import os
import sys
import unittest

import proxy_test
from programs import run

EXAMPLE = None


class CppExample(unittest.TestCase):
    def test_directly_and_through_a_proxy(self):
        stack = proxy_test.Stack()
        self.addCleanup(stack.close)
        os.environ.update(RINGWAY_CODE=proxy_test.CODE)
        server = [EXAMPLE, "server", f"127.0.0.1:{stack.port}", stack.path("server_pub.pem"), stack.path("cpp.json"),
                  proxy_test.ALICE]
        expected = "newest message: hello from C++\nwith: Alice\n"
        for way in ("by a code", "by the stored key"):
            self.assertEqual(run(*server), (0, expected), way)
        self.assertEqual(stack.gateway.log().count("a sign-in code was asked for"), 1)
        proxy = proxy_test.Proxy(stack, "proxy.json", layer="71", channel=False)
        self.addCleanup(proxy.close)
        self.assertEqual(run(EXAMPLE, "proxy", f"127.0.0.1:{proxy.port}"), (0, expected))
        status, said = run(EXAMPLE, "proxy", "127.0.0.1:1")
        self.assertEqual(status, 1)
        self.assertIn("mtproto.ReqMessagesSendMessage: 0 ", said)
        self.assertEqual(run(EXAMPLE)[0], 1)


if __name__ == "__main__":
    proxy_test.GATEWAY, proxy_test.PROXY, proxy_test.PROTOC, EXAMPLE = (
        os.path.abspath(argument) for argument in sys.argv[1:5])
    unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
