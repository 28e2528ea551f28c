#!/usr/bin/env python3
"""Writes the corpus of fake_tls: hellos and records as clients send them, with the harness's choosing byte
before each. The result is committed, so that only a change of the corpus needs this."""

import hmac
import os
import pathlib
import struct

FOLDER = pathlib.Path(__file__).resolve().parent / "corpus" / "fake_tls"
KEY = b"\x22" * 16
NOW = 1_800_000_000
CHANGE = bytes.fromhex("140303000101")


def vector16(content):
    return struct.pack(">H", len(content)) + content


def extension(kind, content):
    return struct.pack(">H", kind) + vector16(content)


def server_name(name):
    return extension(0, vector16(b"\x00" + vector16(name)))


def hello(name=b"b.example", session_id=b"\x5a" * 32, ciphers="3a3a130113021303c02bc02f", padding=0, key=KEY,
          seconds=NOW, extensions=None):
    if extensions is None:
        extensions = (extension(0x4A4A, b"") + server_name(name) + extension(23, b"")
                      + extension(43, bytes.fromhex("06aaaa03040303"))
                      + extension(51, vector16(struct.pack(">HH", 29, 32) + b"\x09" * 32)) + extension(21, bytes(padding)))
    body = (b"\x03\x03" + bytes(32) + bytes([len(session_id)]) + session_id + vector16(bytes.fromhex(ciphers))
            + b"\x01\x00" + vector16(extensions))
    record = b"\x16\x03\x01" + vector16(b"\x01\x00" + vector16(body))
    digest = hmac.new(key, record, "sha256").digest()
    random = digest[:28] + bytes(a ^ b for a, b in zip(digest[28:], struct.pack("<I", seconds)))
    return record[:11] + random + record[43:]


def record(payload):
    return b"\x17\x03\x03" + vector16(payload)


def save(name, first, data):
    os.makedirs(FOLDER, exist_ok=True)
    (FOLDER / name).write_bytes(bytes([first]) + data)


def main():
    stream = CHANGE + record(b"x" * 100) + record(b"") + record(b"y" * 300) + record(b"z")
    save("hello", 0, hello())
    save("hello_and_records", 5, hello() + stream)
    save("hello_of_large_clients", 9, hello(padding=1500) + stream)
    save("hello_without_session_id", 3, hello(session_id=b"") + stream)
    save("hello_cut_short", 3, hello()[:-1])
    save("hello_of_another_key", 0, hello(key=b"\x33" * 16))
    save("hello_too_old", 0, hello(seconds=NOW - 601))
    save("hello_for_another_name", 0, hello(name=b"c.example"))
    save("hello_without_name", 0, hello(extensions=extension(23, b"")))
    save("hello_with_two_names", 0, hello(extensions=server_name(b"b.example") * 2))
    save("hello_of_old_ciphers", 0, hello(ciphers="c02bc02f"))
    save("hello_to_be_signed", 0x85, hello(key=b"\x33" * 16) + stream)
    save("long_length_to_be_signed", 0x81, hello(extensions=extension(0, b"\xff\xff\x00\xff\xff")))
    save("records", 4, stream)
    save("empty_records", 7, CHANGE + record(b"") * 33)
    save("too_large", 7, CHANGE + b"\x17\x03\x03\x41\x01")
    save("alert", 2, CHANGE + bytes.fromhex("15030300020228"))
    save("other_transport", 1, b"\xef" * 20)


if __name__ == "__main__":
    main()
