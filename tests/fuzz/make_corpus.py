#!/usr/bin/env python3
"""Writes the corpora of transport, client_transport and tl: streams as clients and servers send them, each
with the harness's choosing bytes before it. Needs the cryptography package; the result is committed, so
that only a change of the corpora needs this."""

import hashlib
import os
import pathlib
import struct
import zlib

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

HERE = pathlib.Path(__file__).resolve().parent / "corpus"

PING = bytes.fromhex(
    "32d1586ea457dfc8c26b2e5c913b4a73921a60d185bcf769262d084294092cb96131ab50dc3d3b69e3a26bbb9ab9abcb"
    "24b912008bd45250e4b38aff5065e66d63e0cc9fd863a5c579b0e5dc64f1787ea5dd49e1d6da43b6")
REQ_PQ = bytes.fromhex(
    "000000000000000064f70d00fcc0ab6514000000f18e7ebe15a084b3b9ca2a17f03925f44b78fe68")
LONG = PING[:24] + bytes(range(256)) * 3
TOKEN = 0xAFA37404
MAGIC = {"abridged": b"\xef", "intermediate": b"\xee" * 4, "padded": b"\xdd" * 4, "full": b""}


class Framer:
    """One direction of a plain stream."""

    def __init__(self, kind):
        self.kind = kind
        self.sequence = 0

    def frame(self, payload, quick_ack=False, padding=0):
        top = 0x80000000 if quick_ack else 0
        if self.kind == "abridged":
            words = len(payload) // 4
            if words < 0x7F:
                return bytes([words | (0x80 if quick_ack else 0)]) + payload
            return bytes([0xFF if quick_ack else 0x7F]) + struct.pack("<I", words)[:3] + payload
        if self.kind == "intermediate":
            return struct.pack("<I", len(payload) | top) + payload
        if self.kind == "padded":
            return struct.pack("<I", len(payload) + padding | top) + payload + b"\xa5" * padding
        head = struct.pack("<II", len(payload) + 12, self.sequence) + payload
        self.sequence += 1
        return head + struct.pack("<I", zlib.crc32(head))


def ctr(seed, secret):
    key, iv = seed[:32], seed[32:48]
    if secret:
        key = hashlib.sha256(key + secret).digest()
    return Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()


def obfuscate(kind, stream, secret=b"", dc=2):
    """The client's stream inside obfuscation; the drawn bytes are fixed."""
    init = bytes([0x41 + i % 50 for i in range(56)]) + MAGIC[kind][:1] * 4 + struct.pack("<h", dc) + b"zz"
    cipher = ctr(init[8:56], secret)
    sealed = init[:56] + cipher.update(init)[56:]
    return sealed + cipher.update(stream)


def from_server(stream):
    """What a server sends to the client_transport harness, which draws 64 times 41."""
    return ctr((b"\x41" * 48)[::-1], b"").update(stream)


def save(corpus, name, data):
    folder = HERE / corpus
    os.makedirs(folder, exist_ok=True)
    (folder / name).write_bytes(data)


def client_stream(kind):
    framer = Framer(kind)
    return (framer.frame(REQ_PQ, padding=3) + framer.frame(PING, quick_ack=True, padding=15)
            + framer.frame(LONG) + framer.frame(PING) + framer.frame(PING)[:20])


def transport():
    for kind, magic in MAGIC.items():
        stream = client_stream(kind)
        save("transport", kind, bytes([0, 7]) + magic + stream)
        save("transport", kind + "_small_limit", bytes([64, 9]) + magic + stream)
        if kind == "full":
            continue
        save("transport", "obfuscated_" + kind, bytes([0, 3]) + obfuscate(kind, stream))
        save("transport", "secret_" + kind, bytes([32, 5]) + obfuscate(kind, stream, b"\x22" * 16, -10002))
    save("transport", "wrong_secret", bytes([32, 1]) + obfuscate("padded", b"", b"\x33" * 16))
    save("transport", "all_off", bytes([31, 1]) + b"\xee" * 4 + Framer("intermediate").frame(PING))
    save("transport", "http", bytes([0, 1]) + b"POST /api HTTP/1.1\r\nContent-Length: 40\r\n\r\n" + REQ_PQ)
    save("transport", "tls_hello", bytes([0, 1]) + bytes.fromhex("1603010200010001fc0303") + b"r" * 60)
    save("transport", "abridged_zero", bytes([0, 1]) + b"\xef\x00")
    save("transport", "abridged_overlong", bytes([0, 1]) + b"\xef\x7f\x01\x00\x00")
    save("transport", "intermediate_huge", bytes([0, 1]) + b"\xee" * 4 + b"\xfc\xff\xff\x7f")
    save("transport", "full_bad_crc", bytes([0, 1]) + Framer("full").frame(PING)[:-1] + b"\x00")
    save("transport", "tiny_frames", bytes([0, 200]) + b"\xef" + b"\x01abcd\x81efgh" * 40)


def client_transport():
    for number, kind in enumerate(MAGIC):
        framer = Framer(kind)
        ack = {"abridged": struct.pack(">I", TOKEN), "intermediate": struct.pack("<I", TOKEN), "full": b"",
               "padded": struct.pack("<IiI", 10, -1, TOKEN) + b"xy" + struct.pack("<I", TOKEN)}[kind]
        stream = (framer.frame(PING, padding=4) + ack + framer.frame(LONG) + framer.frame(bytes(4)) + ack
                  + framer.frame(struct.pack("<i", -404), padding=3))
        save("client_transport", kind, bytes([number, 7]) + stream)
        if kind != "full":
            save("client_transport", "obfuscated_" + kind, bytes([number + 4, 7]) + from_server(stream))


def tl():
    def string(value):
        head = bytes([len(value)]) if len(value) < 254 else b"\xfe" + struct.pack("<I", len(value))[:3]
        return head + value + bytes(-(len(head) + len(value)) % 4)
    save("tl", "strings", b"".join(string(b"s" * n) for n in (0, 1, 2, 3, 4, 253, 254, 255, 256, 600)))
    save("tl", "long_form_of_short", b"\xfe\x03\x00\x00abc\x00" + string(b"after"))
    save("tl", "reserved_length", b"\xff" * 16)
    save("tl", "runs_past_the_end", b"\xfe\xff\xff\xff" + b"x" * 40)
    save("tl", "req_pq", REQ_PQ)
    save("tl", "req_pq_with_words_inside", REQ_PQ[:16] + b"\x1c\x00\x00\x00" + REQ_PQ[20:] + b"randword")
    save("tl", "req_pq_with_bytes_behind", REQ_PQ + b"\xee" * 256)
    save("tl", "declared_too_long", REQ_PQ[:16] + b"\xff\xff\xff\xff" + REQ_PQ[20:])


if __name__ == "__main__":
    transport()
    client_transport()
    tl()
