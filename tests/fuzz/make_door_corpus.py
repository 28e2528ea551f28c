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



def frame(first, payload, mask=b'\x37\xfa\x21\x3d'):
    length = len(payload)
    bit = 0x80 if mask else 0
    head = bytes([first, bit | min(length, 127 if length > 0xffff else 126 if length > 125 else length)])
    head += b'' if length <= 125 else struct.pack('>H', length) if length <= 0xffff else struct.pack('>Q', length)
    return head + mask + bytes(byte ^ mask[i % 4] if mask else byte for i, byte in enumerate(payload))


def served(seed, *frames):
    return bytes([0, seed]) + b''.join(frames)


WEBSOCKET = {
    'binary': served(1, frame(0x82, b'\xef' * 64), frame(0x82, b'')),
    'fragments': served(2, frame(0x02, b'abc'), frame(0x89, b'are you there'), frame(0x00, b''), frame(0x80, b'd' * 9)),
    'medium': served(3, frame(0x82, bytes(range(256)) * 2), frame(0x8a, b'x' * 125), frame(0x82, b'y' * 126)),
    'large': served(4, frame(0x82, b'z' * 0x7000), frame(0x02, b'w' * 300), frame(0x88, b'\x03\xe8bye')),
    'length64': served(5, bytes.fromhex('82ff000000000001000001020304') + b'q' * 40),
    'close': served(6, frame(0x88, b''), frame(0x82, b'ignored')),
    'close_one_byte': served(7, frame(0x88, b'\x03')),
    'text': served(8, frame(0x81, b'Hello')),
    'unmasked': served(9, frame(0x82, b'Hello', b'')),
    'reserved': served(10, frame(0xc2, b'Hello')),
    'overlong': served(11, bytes.fromhex('82fe000501020304') + b'Hello'),
    'lone_continuation': served(12, frame(0x80, b'Hello')),
    'from_server': b'\1\1' + frame(0x82, b'a' * 300, b'') + frame(0x89, b'ping', b'') + frame(0x88, b'\x03\xe9', b''),
}


def request(line, *fields):
    return b'\r\n'.join((line,) + fields) + b'\r\n\r\n'


HANDSHAKE = (b'Host: x', b'Upgrade: websocket', b'Connection: keep-alive, Upgrade', b'Sec-WebSocket-Version: 13',
             b'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', b'Sec-WebSocket-Protocol: chat, binary')

# Byte 0 seeds how the rest is cut.
HTTP_REQUEST = {
    'post': b'\1' + request(b'POST /apiw1 HTTP/1.1', b'Host: x', b'Content-Length: 4') + b'abcd'
            + request(b'OPTIONS /api?x HTTP/1.1', b'Origin: https://x'),
    'handshake': b'\2' + request(b'GET /apiws HTTP/1.1', *HANDSHAKE) + b'\x82\x80\0\0\0\0',
    'absolute': b'\3' + request(b'POST http://user@host:80/api?q#f HTTP/1.1', b'Content-Length: 8') + b'12345678',
    'http10': b'\4' + request(b'POST /api HTTP/1.0', b'Connection: keep-alive', b'Expect: 100-continue'),
    'chunked': b'\5' + request(b'POST /api HTTP/1.1', b'Transfer-Encoding: gzip, chunked') + b'4\r\nabcd\r\n0\r\n\r\n',
    'both_lengths': b'\6' + request(b'POST /api HTTP/1.1', b'Transfer-Encoding: chunked', b'Content-Length: 4'),
    'two_lengths': b'\7' + request(b'POST /api HTTP/1.1', b'Content-Length: 4', b'Content-Length: 8'),
    'space_in_name': b'\x08' + request(b'POST /api HTTP/1.1', b'Content-Length : 4'),
    'folded': b'\x09' + request(b'POST /api HTTP/1.1', b'Foo: x', b' bar'),
    'bare_lf': b'\x0a' + b'POST /api HTTP/1.1\nHost: x\n\n',
    'bare_cr': b'\x0b' + b'POST /api HTTP/1.1\r\nFoo:\rBar: x\r\n\r\n',
    'empty_line': b'\x0c' + b'\r\n' + request(b'OPTIONS /apiw_test1 HTTP/1.1'),
    'connect': b'\x0d' + request(b'CONNECT host:443 HTTP/1.1'),
    'version': b'\x0e' + request(b'PUT / HTTP/2.0'),
    'large': b'\x0f' + request(b'POST /api HTTP/1.1', b'Foo: ' + b'x' * 8200),
}

CORPORA = {'proxy_header': PROXY_HEADER, 'websocket': WEBSOCKET, 'http_request': HTTP_REQUEST}

for corpus, inputs in CORPORA.items():
    os.makedirs(os.path.join(HERE, corpus), exist_ok=True)
    for name, data in inputs.items():
        with open(os.path.join(HERE, corpus, name), 'wb') as out:
            out.write(data)
