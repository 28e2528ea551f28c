#!/usr/bin/env python3
"""Writes the corpora of the doors: proxy_header, websocket, http_request. The result is committed."""
import os
import struct

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), 'corpus')

SIGNATURE = b'\r\n\r\n\0\r\nQUIT\n'
V4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack('>HH', 56324, 443)
V6 = bytes.fromhex('20010db8000000000000000000000007' '20010db8000000000000000000000001') + struct.pack('>HH', 1, 2)


def v2(command, family, payload):
    return SIGNATURE + bytes([command, family]) + struct.pack('>H', len(payload)) + payload


PROXY_HEADER = {
    'v1_tcp4': b'PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n\xef',
    'v1_tcp6': b'PROXY TCP6 2001:db8::7 ::ffff:1.2.3.4 0 65535\r\n',
    'v1_unknown': b'PROXY UNKNOWN ffff:f...f:ffff 65535\r\n',
    'v1_too_long': b'PROXY UNKNOWN ' + b'x' * 92 + b'\r\n',
    'v2_tcp4': v2(0x21, 0x11, V4) + b'\xef',
    'v2_tcp6_tlvs': v2(0x21, 0x21, V6 + b'\x03\0\x04\1\2\3\4'),
    'v2_local': v2(0x20, 0x00, b''),
    'v2_unix': v2(0x21, 0x31, b'/' * 216),
    'v2_datagram': v2(0x21, 0x12, V4),
    'neither': b'\xef\x01',
}

CORPORA = {'proxy_header': PROXY_HEADER}

for corpus, inputs in CORPORA.items():
    os.makedirs(os.path.join(HERE, corpus), exist_ok=True)
    for name, data in inputs.items():
        with open(os.path.join(HERE, corpus, name), 'wb') as out:
            out.write(data)
