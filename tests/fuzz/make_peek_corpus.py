#!/usr/bin/env python3
"""Writes the corpus of peek: bodies of messages under a key that is not bound. The result is committed."""
import gzip
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus', 'peek')


def word(value):
    return struct.pack('<I', value & 0xFFFFFFFF)


def long(value):
    return struct.pack('<q', value)


def text(value):
    raw = (bytes([len(value)]) if len(value) < 254 else b'\xfe' + struct.pack('<I', len(value))[:3]) + value
    return raw + bytes(-len(raw) % 4)


def packed(plain):
    return word(0x3072CFA1) + text(gzip.compress(plain, mtime=0))


def message(msg_id, body):
    return long(msg_id) + word(1) + word(len(body)) + body


def container(*bodies):
    return word(0x73F1F8DC) + word(len(bodies)) + b''.join(message(4 * i, b) for i, b in enumerate(bodies))


ACK = word(0x62D6B459) + word(0x1CB5C415) + word(1) + long(1)
PING = word(0x7ABE77EC) + long(1)
CALL = word(0x1FB33026)
BIND = word(0xCDD42A05) + long(0x1234) + long(77) + word(1800000000) + text(bytes(range(104)))
INIT = word(0xC1CD5EA9) + word(0) + word(4) + text(b'text') * 6
JSON = word(0x99C1D49D) + word(0x1CB5C415) + word(1) + word(0xC0DE1BD9) + text(b'tz') + word(0x2BE0DFA4) + long(0)
INIT_JSON = word(0xC1CD5EA9) + word(3) + word(4) + text(b'') * 6 + word(0x75588B3F) + text(b'host') + word(443) + JSON
LAYER = word(0xDA9B0D0D) + word(200)
RESULT = word(0xF35C6D01) + long(0x1234) + word(0x997275B5)
SESSION = word(0x9EC20908) + long(1) + long(2) + long(3)

BODIES = {
    'ack': ACK,
    'bind': BIND,
    'bind_in_container': container(ACK, BIND, PING),
    'bind_in_gzip': packed(BIND),
    'bind_in_layer': LAYER + INIT + BIND,
    'bind_in_params': LAYER + INIT_JSON + BIND,
    'bind_in_gzip_in_layer': LAYER + packed(INIT + BIND),
    'bind_trailing': packed(BIND + bytes(400)),
    'bomb': packed(bytes(1 << 20)),
    'call': LAYER + INIT + CALL,
    'count': word(0x73F1F8DC) + word(0x80000000) + message(4, PING),
    'nested': container(PING, container(PING)),
    'nested_in_gzip': packed(container(BIND)),
    'packed_in_packed': packed(packed(BIND)),
    'ping': PING,
    'push_result': container(SESSION, RESULT),
    'push_update': container(RESULT, word(0x74AE4240) + word(0)),
    'whole': message(4, container(ACK, BIND)),
    'wrappers': word(0xBF9459B7) * 9 + BIND,
}

os.makedirs(HERE, exist_ok=True)
for name, body in BODIES.items():
    with open(os.path.join(HERE, name), 'wb') as out:
        out.write(body)
