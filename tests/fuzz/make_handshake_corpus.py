#!/usr/bin/env python3
"""Writes corpus/handshake/: programs for handshake_fuzz.cc, whose opcodes stand in its enum Op."""
import os

(REQ_PQ, REQ_DH, SET_CLIENT, RAW, REPEAT, WORK, STORED, MOVE, WAIT, REAL_WORK, SET_CLIENT_RAW,
 ANSWERS) = range(12)
UNCHANGED = b"\0"


def op(code, client=0):
    return bytes([code | client << 6])


def req_pq(client=0, change=UNCHANGED):
    return op(REQ_PQ, client) + change


def req_dh(client=0, change=UNCHANGED):
    return op(REQ_DH, client) + change


def server_dh_done(change=UNCHANGED):
    return op(WORK) + b"\1" + change  # 1: the inner data that the client meant


def set_client(client=0, inner=UNCHANGED, outer=UNCHANGED):
    return op(SET_CLIENT, client) + inner + outer


def stored(result=0):
    return op(STORED) + bytes([result])  # 0 stored, 1 retry, 2 failed


def move(noise=b""):
    return op(MOVE) + bytes([len(noise)]) + noise


def raw(code, text):
    data = bytes.fromhex(text)
    return op(code) + bytes([len(data) // 4]) + data


BEGUN = req_pq() + req_dh() + server_dh_done()
KEY_MADE = set_client() + op(WORK)
WHOLE = BEGUN + KEY_MADE + stored()
AGAIN = op(REPEAT)

# The first byte: 1 legacy padding, 2 configured dc, 4 temporary key, 8 dc -2.
SEEDS = {
    "complete": b"\x01" + WHOLE,
    "complete_temporary_media": b"\x0f" + WHOLE,
    "complete_dc": b"\x0b" + WHOLE,
    "repeats": b"\x01" + req_pq() + AGAIN + req_dh() + AGAIN + server_dh_done() + AGAIN
               + set_client() + AGAIN + op(WORK) + AGAIN + stored() + AGAIN,
    "retries": b"\x01" + BEGUN + (KEY_MADE + stored(1)) * 6 + AGAIN,
    "store_failed": b"\x05" + BEGUN + KEY_MADE + stored(2) + AGAIN,
    "moved": b"\x01" + move() + req_pq() + move() + req_dh() + server_dh_done() + move() + KEY_MADE
             + stored(1) + move() + KEY_MADE + stored() + move(b"\1" + bytes(8) + b"\1"),
    "four_clients": b"\x01" + b"".join(req_pq(i) for i in range(4))
                    + b"".join(req_dh(i) for i in range(4)) + server_dh_done() * 3,
    "interleaved": b"\x01" + req_pq(1) + req_pq(2) + req_dh(1) + req_dh(2) + server_dh_done() * 2
                   + set_client(2) + set_client(1) + op(WORK) * 2 + stored() * 2,
    "expired": b"\x01" + BEGUN + op(WAIT) + b"\x3d" + set_client(),
    "changed_outer": b"\x01" + req_pq() + req_dh(0, b"\x01\x00\x18\x01"),
    "changed_inner": b"\x01" + req_pq() + req_dh() + server_dh_done(b"\x01\x00\x30\x01"),
    "cut": b"\x01" + req_pq() + req_dh(0, b"\x04\x50"),
    "words_behind": b"\x01" + req_pq(0, b"\x08\x03") + req_dh(0, b"\x08\x05")
                    + server_dh_done(b"\x08\x02") + set_client(0, UNCHANGED, b"\x08\x0f") + op(WORK)
                    + stored(),
    "real_job": b"\x01" + req_pq() + req_dh() + op(REAL_WORK),
    "real_power": b"\x01" + BEGUN + set_client() + op(REAL_WORK) + stored(),
    "inner_out_of_input": b"\x01" + BEGUN + raw(SET_CLIENT_RAW, "00" * 80) + UNCHANGED,
    "raw_objects": b"\x01" + raw(RAW, "f18e7ebe" + "00" * 16) + raw(RAW, "78974660" + "00" * 16)
                   + raw(RAW, "59b4d66215c4b51c") + raw(RAW, ""),
    "answers": b"\x01" + raw(ANSWERS, "63241605" + "00" * 60) + raw(ANSWERS, "34f7cb3b" + "00" * 48),
    "skipped_step": b"\x01" + req_pq() + set_client() + req_dh(3),
}

directory = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "handshake")
os.makedirs(directory, exist_ok=True)
for name, program in SEEDS.items():
    with open(os.path.join(directory, name), "wb") as out:
        out.write(program)
