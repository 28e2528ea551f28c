#!/usr/bin/python3
"""The C++ example, built as a reader would build it: it signs in over a connection of its own, comes back with
the stored key, and does the same through a proxy. On loopback only.

usage: cpp_example_test.py GATEWAY PROXY PROTOC EXAMPLE
"""
import os
import sys
import unittest

import proxy_stack
from programs import run

EXAMPLE = None


class CppExample(unittest.TestCase):
    def test_directly_and_through_a_proxy(self):
        stack = proxy_stack.Stack()
        self.addCleanup(stack.close)
        os.environ.update(RINGWAY_CODE=proxy_stack.CODE)
        server = [EXAMPLE, "server", f"127.0.0.1:{stack.port}", stack.path("server_pub.pem"), stack.path("cpp.json"),
                  proxy_stack.ALICE]
        expected = "newest message: hello from C++\nwith: Alice\n"
        for way in ("by a code", "by the stored key"):
            self.assertEqual(run(*server), (0, expected), way)
        self.assertEqual(stack.codes_asked(), 1)
        proxy = proxy_stack.Proxy(stack, "proxy.json", layer="71", channel=False)
        self.addCleanup(proxy.close)
        self.assertEqual(run(EXAMPLE, "proxy", f"127.0.0.1:{proxy.port}"), (0, expected))
        status, said = run(EXAMPLE, "proxy", "127.0.0.1:1")
        self.assertEqual(status, 1)
        self.assertIn("mtproto.ReqMessagesSendMessage: 0 ", said)
        self.assertEqual(run(EXAMPLE)[0], 1)


if __name__ == "__main__":
    gateway, proxy, protoc, EXAMPLE = (os.path.abspath(argument) for argument in sys.argv[1:5])
    vars(proxy_stack.PROGRAMS).update(gateway=gateway, proxy=proxy, protoc=protoc)
    unittest.main(argv=sys.argv[:1] + sys.argv[5:], verbosity=2)
