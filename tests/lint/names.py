"""Names that promise something: a counter that nobody counts, a limit that limits nothing."""

import re

import tree


def _uses(root, exceptions):
    """All identifiers that occur in src/, outside of these files."""
    used = set()
    for path in tree.code_files(root, ("src",)):
        if path.relative_to(root).as_posix() in exceptions:
            continue
        for _, line in tree.code_lines(path):
            used.update(re.findall(r"\bk[A-Z]\w*", line))
    return used


def check_counters(root):
    header = root / "src/base/counters.h"
    used = _uses(root, {"src/base/counters.h", "src/base/counters.cc"})
    found = []
    for number, line in tree.lines(header):
        match = re.match(r'\s*X\((k\w+), "\w+"\)', line)
        if match and match[1] not in used:
            found.append(tree.Finding(header, number, f"{match[1]} is never counted"))
    return found


def check_limits(root):
    header = root / "src/base/limits.h"
    used = _uses(root, {"src/base/limits.h"})
    definitions = {}
    for number, line in tree.code_lines(header):
        match = re.match(r"\s*inline constexpr \S+(?: \S+)* (k\w+) = (.*)", line)
        if match:
            definitions[match[1]] = (number, match[2])
    # A limit also serves when another one is made from it.
    for _, value in definitions.values():
        used.update(re.findall(r"\bk[A-Z]\w*", value))
    return [tree.Finding(header, number, f"{name} limits nothing")
            for name, (number, _) in definitions.items() if name not in used]
