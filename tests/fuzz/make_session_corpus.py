#!/usr/bin/env python3
"""Writes the corpus of session: rows of messages as servers send them. The result is committed."""
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus', 'session')


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


MESSAGE, PACKED, CONTAINER, PACKED_CONTAINER, RESULT, ABOUT_US, BREAK, DROP = range(8)
ODD, MINUTE = 8, 16
PUSH = word(0xE317AF7E)


def bad_msg(code):
    return record(ABOUT_US, word(0xA7EFF811) + word(1) + word(code))


ROWS = {
    'push': record(MESSAGE | ODD, PUSH) + record(MESSAGE | MINUTE, PUSH),
    'packed': record(PACKED | ODD, PUSH) + record(PACKED_CONTAINER | ODD, PUSH) + record(CONTAINER, PUSH),
    'result': record(RESULT | ODD, PUSH) * 3 + record(RESULT, word(0x2144CA19) + word(400) + text(b'MSG_WAIT_FAILED')),
    'salt': record(ABOUT_US, word(0xEDAB447B) + word(1) + word(48) + long(7)) * 2,
    'clock': bad_msg(16) + bad_msg(17) + bad_msg(20),
    'faults': b''.join(bad_msg(code) for code in (18, 19, 32, 33, 34, 35, 64, 99)),
    'new_session': record(ABOUT_US | ODD, word(0x9EC20908) + long(5) + long(9)),
    'break': record(MESSAGE, PUSH) + record(BREAK, b'') + record(ABOUT_US, word(0x04DEB57D) + text(b'\x01\x04'))
    + record(BREAK, b'') + record(MESSAGE | MINUTE, PUSH),
    'drop': record(MESSAGE, PUSH) + record(DROP, b'') + record(RESULT, PUSH) * 2,
    'pong': record(ABOUT_US, word(0x347773C5) + long(1)),
    'future_salts': record(MESSAGE, PUSH) + record(ABOUT_US, word(0xAE500895) + word(1700000000) + word(2)
                                                   + (word(1699999000) + word(1700009000) + long(1)) * 2),
    'detailed': record(ABOUT_US, word(0x276D3EC6) + long(9) + word(100) + word(0))
    + record(MESSAGE, word(0x809DB6DF) + long(13) + word(100) + word(0)),
    'state_req': record(MESSAGE, word(0xDA69FB52) + ids(1, 5, (1700000000 << 32) + 5)),
    'resend_req': record(ABOUT_US, word(0x7D861A08)) + record(MESSAGE, word(0x7D861A08) + ids(4, 8)),
    'all_info': record(MESSAGE, word(0x8CC0D131) + ids(4, 8) + text(b'\x01\x01')),
    'ack': record(MESSAGE, word(0x62D6B459) + ids(4, 8)),
}


def main():
    os.makedirs(HERE, exist_ok=True)
    for name, content in ROWS.items():
        with open(os.path.join(HERE, name), 'wb') as out:
            out.write(content)


if __name__ == '__main__':
    main()
