"""The arrows between the rooms of src/, and which room may see which library.

docs/ARCHITECTURE.md draws the same arrows and says why they are there.
"""

import re

import tree

# Room -> the rooms it may include. Nobody includes `programs`; tests may include everything.
ARROWS = {
    "base": set(),
    "crypto": {"base"},
    "door": {"base", "crypto"},
    "tls": {"base", "crypto"},
    "mtproto": {"base", "crypto"},
    "tl": {"base"},
    "tl/dynamic": {"base", "mtproto", "tl"},
    "net": {"base"},
    "cluster": {"base", "proto"},
    "config": {"base"},
    "gateway": {"base", "crypto", "door", "tls", "mtproto", "net", "cluster", "config"},
    "client": {"base", "crypto", "door", "tls", "mtproto", "net"},
    "client/account": {"base", "client", "crypto", "mtproto", "net", "tl", "tl/dynamic"},
    "caller": {"base", "client/account", "crypto", "tl", "tl/dynamic"},
    "proxy": {"base", "client", "client/account", "crypto", "metrics/http", "mtproto", "proto", "tl", "tl/dynamic", "tls"},
    "shard": {"base", "crypto", "mtproto", "proto", "shard/lmdb", "shard/messenger"},
    "shard/lmdb": {"base"},
    "shard/messenger": {"base", "crypto", "mtproto", "shard/lmdb", "tl", "tl/dynamic"},
    "metrics": {"base", "config", "gateway", "metrics/http"},
    "metrics/http": {"base"},
    "programs": {
        "base", "caller", "crypto", "tls", "config", "cluster", "gateway", "metrics", "client", "client/account", "mtproto",
        "proxy", "shard", "tl", "tl/dynamic"},
}

# Headers of libraries -> the only rooms that may include them.
LIBRARIES = {
    r"grpc(pp)?/": {"caller", "cluster", "proxy", "shard"},
    r"google/protobuf/": {"caller", "cluster", "proxy", "shard", "tl"},
    r"liburing\.h|linux/io_uring\.h": {"net"},
    r"openssl/": {"crypto", "tls"},
    r"yaml-cpp/": {"config"},
    r"lmdb\.h": {"shard", "shard/lmdb", "shard/messenger"},
    r"nlohmann/": {"client/account", "programs"},
    r"histedit\.h|editline/": {"programs"},
    r"zlib\.h": {"base", "mtproto", "tl"},
    r"murmurhash\.h": {"cluster"},
    r"nghttp2/": {"cluster"},
    r"http_parser\.h": {"door"},
    r"spdlog/": {"base"},
    r"CLI/": {"programs"},
    r"systemd/": {"programs"},
    r"prometheus/": {"metrics", "proxy"},
    r"civetweb\.h": {"metrics/http"},
    # Protocol and cryptography do no I/O and know no threads, so that tests can drive them by hand.
    r"sys/socket\.h|netinet/|poll\.h|sys/epoll\.h": {"net", "gateway", "client", "client/account", "shard", "programs"},
    # Text and bytes of addresses: pure functions.
    r"arpa/inet\.h": {"config", "door", "net", "gateway", "client", "client/account", "shard", "programs"},
    r"thread$|mutex$|condition_variable$|shared_mutex$|future$": {
        "caller", "cluster", "gateway", "metrics", "metrics/http", "net", "client", "client/account", "proxy", "shard",
        "shard/messenger",
        "programs", "base", "tls"},
}

_INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def _wrong_room(room, included):
    folder = included.rpartition("/")[0]
    target = "proto" if included.endswith(".pb.h") else included.split("/")[0]
    if folder in tree.NESTED_ROOMS:
        target = folder
    if "/" not in included and target != "proto":
        return f'"{included}": name the room too, as in "{room}/{included}"'
    if target == room or target in ARROWS[room]:
        return None
    allowed = ", ".join(sorted(ARROWS[room])) or "no other room"
    return f'{room} may not include "{included}": it sees {allowed}'


def _wrong_library(room, included):
    for pattern, rooms in LIBRARIES.items():
        if re.match(pattern, included) and room not in rooms:
            return f"{room} may not include <{included}>: only {', '.join(sorted(rooms))} may"
    return None


def check(root):
    found = []
    for path in tree.code_files(root, ("src",)):
        room = tree.room_of(root, path)
        if room not in ARROWS:
            found.append(tree.Finding(path, 1, f'"{room}" is no room of docs/ARCHITECTURE.md; add it there and to arrows.py'))
            continue
        for number, line in tree.lines(path):
            match = _INCLUDE.match(line)
            if not match:
                continue
            wrong = (_wrong_room if match[1] == '"' else _wrong_library)(room, match[2])
            if wrong:
                found.append(tree.Finding(path, number, wrong))
    return found
