#!/usr/bin/env python3
"""Writes the corpus of service: rows of messages as clients send them. The result is committed."""
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus', 'service')


def word(value):
    return struct.pack('<I', value & 0xFFFFFFFF)


def long(value):
    return struct.pack('<q', value)


def text(value):
    raw = bytes([len(value)]) + value
    return raw + bytes(-len(raw) % 4)


def ids(*values):
    return word(0x1CB5C415) + word(len(values)) + b''.join(long(v) for v in values)


def record(choice, body):
    assert len(body) % 4 == 0
    return bytes([choice, len(body) // 4]) + body


PING = word(0x7ABE77EC) + long(1)
CONFIG = word(0xC4F9186B)
INIT = word(0xC1CD5EA9) + word(0) + word(4) + text(b'device') + text(b'system') + text(b'app') + text(b'en') \
    + text(b'') + text(b'en')
JSON = word(0x99C1D49D) + word(0x1CB5C415) + word(1) + word(0xC0DE1BD9) + text(b'tz') + word(0x2BE0DFA4) + long(0)
INIT_JSON = word(0xC1CD5EA9) + word(3) + word(4) + text(b'') * 6 + word(0x75588B3F) + text(b'host') + word(443) + JSON
LAYER = word(0xDA9B0D0D) + word(160)

ROWS = {
    'ping': record(64, PING) + record(0, PING),
    'ping_delay': record(0, word(0xF3427B8C) + long(2) + word(75)),
    'config': record(65, LAYER + INIT + CONFIG) + record(17, CONFIG),
    'config_json': record(1, LAYER + INIT_JSON + CONFIG),
    'packed': record(5, CONFIG) + record(13, LAYER + CONFIG),
    'container': record(8, PING) + record(9, CONFIG) + record(24, PING),
    'nested': record(8, word(0x73F1F8DC) + word(1) + long(4) + word(0) + word(4) + CONFIG),
    'ack': record(1, CONFIG) + record(0, word(0x62D6B459) + ids(1, 5, 9)) + record(128, PING),
    'state': record(0, word(0xDA69FB52) + ids(4, 8, 1 << 62)),
    'resend': record(1, CONFIG) + record(0, word(0x7D861A08) + ids(1)) + record(0, word(0x8610BAEB) + ids(4)),
    'salts': record(0, word(0xB921BD04) + word(64)),
    'destroy': record(0, word(0xE7512126) + long(7)) + record(1, word(0xD1435160)),
    'drop': record(1, CONFIG) + record(1, word(0x58E4A740) + long(4)),
    'http_wait': record(0, word(0x9299359F) + word(0) + word(0) + word(25000)),
    'echo': record(0, word(0x72776563) + long(3)),
    'wrappers': record(1, word(0x3DC4B4F0) + ids(1, 2) + word(0xBF9459B7) + word(0x365275F2) + word(0x0AE30253)
                       + word(1) + word(2) + word(0xACA9FD2E) + long(1) + word(0x1DF92984) + text(b'n') + text(b't')
                       + word(0x1FB33026)),
    'raw': record(2, long(1_700_000_000 << 32) + word(0) + word(12) + PING + bytes(16)),
    'unknown': record(1, word(0xCDD42A05) + long(1)) + record(1, word(0x0BADF00D)),
}

os.makedirs(HERE, exist_ok=True)
for name, row in ROWS.items():
    with open(os.path.join(HERE, name), 'wb') as out:
        out.write(row)
