#!/usr/bin/python3
"""Calls help.getConfig and users.getUsers through a running ringway-proxy, with messages that protoc made
from the proxy's own files:

    ringway-proxy proto --layer 228 --types-file tl.proto --out .
    protoc --python_out=. tl.proto
    python3 get_config.py [HOST:PORT]

Needs Debian's python3-grpcio and python3-protobuf, or PyPI's grpcio and protobuf.
"""
import os
import sys

import grpc

sys.path.insert(0, os.getcwd())
import tl_pb2 as tl  # noqa: E402  (made by the commands above)

PACKAGE = tl.DESCRIPTOR.package


def call(channel, method, request, answer_type):
    """One method: MessagesGetDialogs takes a ReqMessagesGetDialogs."""
    stub = channel.unary_unary(f"/{PACKAGE}.Mtproto/{method}",
                               request_serializer=type(request).SerializeToString,
                               response_deserializer=answer_type.FromString)
    return stub(request, timeout=30)


def main():
    address = sys.argv[1] if len(sys.argv) > 1 else "127.0.0.1:11011"
    with grpc.insecure_channel(address) as channel:
        try:
            config = call(channel, "HelpGetConfig", tl.ReqHelpGetConfig(), tl.TypeConfig).Value
            me = tl.TypeInputUser(InputUserSelf=tl.PredInputUserSelf())
            users = call(channel, "UsersGetUsers", tl.ReqUsersGetUsers(Id=[me]), tl.TypeVectorUser)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")
    print(f"DC {config.ThisDc}, {len(config.DcOptions)} addresses")
    print(f"signed in as {users.User[0].User.FirstName}")


if __name__ == "__main__":
    main()
