#!/usr/bin/python3
"""Calls help.getConfig and messages.getDialogs through a running ringway-proxy, with messages that
protoc made from the proxy's own files:

    ringway-proxy proto --layer 228 --out .
    protoc --python_out=. types.tl.proto
    python3 get_config.py [HOST:PORT]

Needs Debian's python3-grpcio and python3-protobuf, or PyPI's grpcio and protobuf.
"""
import sys

import grpc
import types.tl_pb2 as tl  # noqa: F401
