"""Calls that src/ does without, each with what to use instead."""

import re

import tree

# The rooms behind the turn: they are given `now` and never ask for it.
_TURN_ROOMS = {"base", "crypto", "tls", "mtproto", "tl", "net", "cluster", "config", "gateway"}
# Where a rule does not hold, and why.
_EXEMPT = {
    "src/base/clock.h": {"clock", "turn clock", "sleep"},  # it is the clock, and threads that may wait have theirs from it
    "src/gateway/gateway.cc": {"turn clock", "sleep"},  # the top of the workers' threads; main waits here
    "src/net/uring_ring.cc": {"sleep"},  # the end of a ring waits for the kernel's own thread; no turn follows
    "src/net/unix_listener.cc": {"sleep"},  # the main thread, at the start, before there are turns
    "src/gateway/crypto_pool.cc": {"sleep", "turn clock"},  # the pool's own threads, which have no turns
}

# (name, pattern, what to use instead)
_EVERYWHERE = [
    ("clock", r"\bclock_gettime\s*\(|\bgettimeofday\s*\(|(?<![\w.>:])(?:std::)?time\s*\(\s*(?:nullptr|NULL|0|&)",
     "read_clocks() of base/clock.h, once per turn"),
    ("clock", r"\b\w*[cC]lock::now\s*\(", "the `now` that is handed down, or read_clocks() of base/clock.h"),
    ("assert", r"(?<![\w_])assert\s*\(", "RW_ASSERT for our own state, an Error for bytes from outside"),
    ("random", r"(?<![\w.>:])(?:std::)?s?rand\s*\(|\brandom_device\b|\bmt19937\w*|\bdrand48\b", "crypto/random.h"),
    ("text", r"\b(?:strcpy|strcat|sprintf|vsprintf|gets|strtok|alloca)\s*\(", "std::string, fmt::format or ByteWriter"),
    ("number", r"\bato(?:i|l|ll|f)\s*\(|\bstrto(?:l|ul|ll|ull)\s*\(", "std::from_chars, which says when it fails"),
    ("detach", r"\.\s*detach\s*\(\s*\)", "a joined thread with an owner"),
    ("process", r"(?<![\w.>:])(?:std::)?system\s*\(|\bpopen\s*\(", "a library call"),
    ("regex", r"\bstd::regex\b", "a written-out parser: a regex takes unbounded time and stack"),
]
_NOT_IN_PROGRAMS = [
    ("print", r"\bstd::(?:cout|cerr|clog)\b|(?<![\w_:])(?:std::)?(?:printf|puts)\s*\(", "base/log.h"),
    ("exit", r"\bstd::(?:quick_e|_E|e)xit\s*\(|\b_exit\s*\(", "an error that is returned to main"),
]
_IN_TURN_ROOMS = [
    ("sleep", r"\bsleep_for\s*\(|\bsleep_until\s*\(|(?<![\w.>:])u?sleep\s*\(|\bnanosleep\s*\(|\bsleep_ns\s*\(",
     "a deadline of the timing wheel, or a condition that is waited for"),
    ("throw", r"\bthrow\b", "Result and an Error: no exception crosses a turn"),
    ("turn clock", r"\bread_clocks?(?:_ns)?\s*\(", "the `now` that is handed down: a turn reads the clock once"),
]


def _rules(root, path):
    room = tree.room_of(root, path)
    rules = list(_EVERYWHERE)
    if room != "programs":
        rules += _NOT_IN_PROGRAMS
    if room in _TURN_ROOMS:
        rules += _IN_TURN_ROOMS
    exempt = _EXEMPT.get(path.relative_to(root).as_posix(), set())
    return [(re.compile(pattern), instead) for name, pattern, instead in rules if name not in exempt]


def check(root):
    found = []
    for path in tree.code_files(root, ("src",)):
        rules = _rules(root, path)
        for number, line in tree.code_lines(path):
            for pattern, instead in rules:
                match = pattern.search(line)
                if match:
                    found.append(tree.Finding(path, number, f"`{match.group().strip()}`: use {instead}"))
    return found
