#!/usr/bin/env python3
"""Writes the corpora of tl_schema, tl_to_proto, tl_dynamic, proto_to_tl, proxy_request and json_call: small schemas,
known calls and answers, and random values of layer 71. The result is committed, so that only a change of the corpora needs this."""

import pathlib
import random
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
SCHEMA = (HERE.parent.parent / "proto/schema/layer71.tl").read_text().splitlines()
BOTH_LAYERS = (0, 1, 2, 3)  # what the choosing byte says: layer 71 and 228, extended and compatible


def save(corpus, name, data):
    folder = HERE / "corpus" / corpus
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


def read_schema():
    """Name -> (index, id, params), and type -> names of its constructors."""
    combinators, types, methods = {}, {}, False
    for index, line in enumerate(line for line in SCHEMA if not line.startswith("---") and line):
        methods = methods or "---functions---" in SCHEMA[:SCHEMA.index(line)]
        head, result = line.rstrip(";").split(" = ")
        words = head.split()
        name, number = words[0].split("#")
        params = [word.split(":") for word in words[1:] if not word.startswith("{")]
        combinators[("method " if methods else "") + name] = (index, int(number, 16), params)
        if not methods:
            types.setdefault(result, []).append(name)
    return combinators, types


COMBINATORS, TYPES = read_schema()


def string(value):
    head = bytes([len(value)]) if len(value) < 254 else b"\xfe" + struct.pack("<I", len(value))[:3]
    return head + value + bytes(-(len(head) + len(value)) % 4)


def value(kind, choose, depth):
    if kind.startswith("Vector<"):
        count = choose.randrange(3) if depth < 4 else 0
        return struct.pack("<II", 0x1CB5C415, count) + b"".join(value(kind[7:-1], choose, depth) for _ in range(count))
    if kind == "int":
        return struct.pack("<i", choose.choice((0, 1, -1, 300, 1500000000)))
    if kind == "long":
        return struct.pack("<q", choose.choice((0, 9, -2, 1 << 40)))
    if kind == "double":
        return struct.pack("<d", choose.choice((0.0, 1.5)))
    if kind in ("string", "bytes"):
        return string(choose.choice((b"", b"hi", "schön".encode(), b"x" * 260)))
    names = TYPES[kind]
    name = choose.choice(names) if depth < 4 else min(names, key=lambda one: len(COMBINATORS[one][2]))
    return combinator(name, choose, depth + 1)


def combinator(name, choose, depth=0):
    _, number, params = COMBINATORS[name]
    out, flags = struct.pack("<I", number), 0
    for _, kind in params:
        if kind == "#":
            flags = choose.getrandbits(32) if depth < 3 else 0
            out += struct.pack("<I", flags)
            continue
        match = re.match(r"flags\.(\d+)\?(.*)", kind)
        if match and (not flags >> int(match[1]) & 1 or match[2] == "true"):
            continue
        out += value(match[2] if match else kind, choose, depth)
    return out


def tl_to_proto():
    choose = random.Random(1)
    for name in ("message", "user", "channel", "updates", "messages.dialogs", "config", "botInlineResult", "peerSettings",
                 "pageFull", "method messages.sendMessage", "method channels.getAdminLog", "inputPeerSelf"):
        save("tl_to_proto", name.replace(" ", "_"), bytes([choose.choice((0, 1))]) + combinator(name, choose))
    call = bytes.fromhex("0d0d9bda470000006b18f9c4")
    for layer in BOTH_LAYERS:
        save("tl_to_proto", f"call_in_a_call_{layer}", bytes([layer]) + call)
    save("tl_to_proto", "wall_paper_228", bytes([2]) + bytes.fromhex("164180e0050000000000000002000000"))
    save("tl_to_proto", "huge_count", b"\0" + bytes.fromhex("b61d2f1a") + bytes.fromhex("15c4b51cffffff7f"))
    save("tl_to_proto", "not_utf8", b"\0" + bytes.fromhex("ccc6d80511000000020000000380ff3a31bb010000"))


def proto_to_tl():
    known = {
        "messages.sendMessage": ("0821320212003807420268694805", "4805420268693807320212000821", "0821320012003202120038"),
        "invokeWithLayer": ("0847122e0a2c747970652e676f6f676c65617069732e636f6d2f6d7470726f746f2e52657148656c70476574436f6e666967",),
        "messages.getDialogs": ("22021200", "08022202120028057801",),
    }
    for name, messages in known.items():
        index = COMBINATORS["method " + name][0]
        for number, message in enumerate(messages):
            for mode in (0, 1):
                save("proto_to_tl", f"{name}_{number}_{mode}", bytes([mode]) + struct.pack("<H", index) + bytes.fromhex(message))
    short = COMBINATORS["updateShort"][0]
    for mode in (0, 1):
        save("proto_to_tl", f"updateShort_{mode}",
             bytes([mode]) + struct.pack("<H", short) + bytes.fromhex("0a082206080912020a001080dea0cb05"))
        save("proto_to_tl", f"updateShort_split_{mode}",
             bytes([mode]) + struct.pack("<H", short) + bytes.fromhex("0a0422020809" + "1080dea0cb05" + "0a06220412020a00"))
    dc_option = COMBINATORS["dcOption"][0]
    save("proto_to_tl", "dcOption", b"\0" + struct.pack("<H", dc_option) + bytes.fromhex("0811380242033a3a3148bb03"))
    update = COMBINATORS["updateDeleteMessages"][0]
    save("proto_to_tl", "packed", b"\0" + struct.pack("<H", update) + bytes.fromhex("0a0301ac0208050a000a0105"))


FIRST_METHOD = min(index for name, (index, _, _) in COMBINATORS.items() if name.startswith("method "))


def method_place(name):
    """How the harnesses choose a method: its place among those of its layer."""
    return struct.pack("<H", COMBINATORS["method " + name][0] - FIRST_METHOD)


def tl_dynamic():
    choose = random.Random(2)
    objects, answers, queries = 0, 1 << 2, 2 << 2
    for name in ("message", "user", "updates", "messages.dialogs", "config", "pageFull", "auth.sentCode"):
        save("tl_dynamic", name, bytes([objects, 0, 0]) + combinator(name, choose))
    for method, answer in (("messages.getDialogs", "messages.dialogs"), ("updates.getDifference", "updates.difference"),
                           ("help.getConfig", "config"), ("account.getPassword", "account.password")):
        save("tl_dynamic", f"answer_{method}", bytes([answers]) + method_place(method) + combinator(answer, choose))
    users = value("Vector<User>", choose, 0)
    save("tl_dynamic", "answer_users.getUsers", bytes([answers]) + method_place("users.getUsers") + users)
    for method in ("messages.sendMessage", "auth.signIn", "channels.getAdminLog", "contacts.importContacts"):
        save("tl_dynamic", f"query_{method}", bytes([queries]) + method_place(method) + combinator("method " + method, choose)[4:])
    save("tl_dynamic", "huge_count", bytes([answers]) + method_place("users.getUsers") + bytes.fromhex("15c4b51cffffff7f"))
    save("tl_dynamic", "deep", bytes([objects, 0, 0]) + struct.pack("<I", COMBINATORS["textBold"][1]) * 4000)


def proxy_request():
    answer, few_rights = 8, 4
    send_message = bytes.fromhex("0821320212003807420268694805")
    config = bytes.fromhex("0a2c747970652e676f6f676c65617069732e636f6d2f6d7470726f746f2e52657148656c70476574436f6e666967")

    def field(number, data):
        return bytes([number << 3 | 2, len(data)]) + data

    def any_of(name, data=b""):
        return field(1, b"type.googleapis.com/mtproto.Req" + name) + (field(2, data) if data else b"")

    in_layer = b"\x08\x47" + field(2, config)
    foreign = b"\x08\x48" + field(2, config)
    nested = field(1, any_of(b"InvokeWithLayer", b"\x08\x47" + field(2, any_of(b"HelpGetConfig"))))
    for mode in (0, 1):
        for rights in (0, few_rights):
            head = bytes([mode | rights])
            for name, method, data in (("send", "messages.sendMessage", send_message), ("in_layer", "invokeWithLayer", in_layer),
                                       ("foreign_layer", "invokeWithLayer", foreign), ("log_out", "auth.logOut", b""),
                                       ("layer_inside", "invokeWithoutUpdates", nested), ("no_query", "invokeWithLayer", b"\x08\x47"),
                                       ("after", "invokeAfterMsg", b"\x08\x01" + field(2, config))):
                save("proxy_request", f"{name}_{mode}_{rights}", head + method_place(method) + data)
    choose = random.Random(3)
    for method, name in (("help.getConfig", "config"), ("messages.getDialogs", "messages.dialogs")):
        save("proxy_request", f"answer_{method}", bytes([answer]) + method_place(method) + combinator(name, choose))
    save("proxy_request", "answer_wrapped", bytes([answer]) + method_place("invokeWithoutUpdates") + combinator("config", choose))


def json_call():
    texts = {
        "messages.sendMessage": ('{"Peer": {"InputPeerSelf": {}}, "Message": "hi \\u00fc", "RandomId": "7"}', '{"Peer": 1}',
                                 '{"Peer": {"InputPeerSelf": {}, "InputPeerEmpty": {}}}', '{"RandomId": 1e400}'),
        "users.getUsers": ('{"Id": [{"InputUserSelf": {}}, {"InputUser": {"UserId": 1, "AccessHash": "-9"}}]}', '{"Id": [null]}'),
        "invokeWithLayer": ('{"Layer": 71, "Query": {"@type": "type.googleapis.com/mtproto.ReqHelpGetConfig"}}',
                            '{"Layer": 71, "Query": {"@type": "nothing"}}'),
        "help.getConfig": ("", "{}", "{", "[]", "null", '{"No": 1}', '{"a":' * 300, "[" * 4000),
        "upload.saveFilePart": ('{"FileId": 1, "FilePart": 0, "Bytes": "AAEC"}', '{"Bytes": "?"}', '{"FilePart": 2147483648}'),
    }
    for method, all_texts in texts.items():
        for number, text in enumerate(all_texts):
            for mode in (0, 1):
                save("json_call", f"{method}_{number}_{mode}", bytes([mode]) + method_place(method) + text.encode())


def tl_schema():
    lines = [line for line in SCHEMA if line]
    save("tl_schema", "calls", "\n".join(line for line in lines if "#" in line and len(line) < 45)[:2000].encode())
    save("tl_schema", "everything", b"""// a comment
boolFalse#bc799737 = Bool;
boolTrue#997275b5 = Bool;
int ? = Int;
vector#1cb5c415 {t:Type} # [ t ] = Vector t;
leaf#1 number:int = Leaf;
opt#6 flags:# on:flags.0?true text:flags.1?string leaf:flags.2?Leaf list:flags.3?Vector<int> key:flags.4?int128 = Opt;
all#7 i:int l:long d:double s:string b:bytes k:int256 v:Vector<string> o:Vector<Leaf> flag:Bool = ns.All;
---functions---
ns.ask#11 choice:Leaf = Bool;
askMany#12 leaves:Vector<ns.All> = Vector<Leaf>;
wrap#13 {X:Type} id:int query:!X = X;
""")
    for number, line in enumerate((
            "a#1 x:Vector<Vector<int>> = A;", "a#1 x:flags.1?int flags:# = A;", "a#1 flags:# x:flags.32?int = A;",
            "a#1 = A;\nb#1 = B;", "a#1 x:%A = A;", "foo_bar#1 = A;\nfooBar#2 = A;", "a#1 x:! = A;", "a#1 {:Type} = A;",
            "---functions---\nf#1 {X:Type} q:!X = X;", "= ;", "a#ffffffff = A;", "value#1 = A;\nb#2 = A;")):
        save("tl_schema", f"line_{number}", line.encode())


if __name__ == "__main__":
    tl_to_proto()
    tl_dynamic()
    proto_to_tl()
    proxy_request()
    json_call()
    tl_schema()
