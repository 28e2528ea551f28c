#!/usr/bin/env python3
"""Runs one lint rule over the project: run.py RULE ROOT [BUILD_DIR]. Exits with 1 on findings."""

import pathlib
import sys

import arrows
import banned
import layout
import names
import shape
import standalone

RULES = {
    "arrows": lambda root, build: arrows.check(root),
    "banned": lambda root, build: banned.check(root),
    "counters": lambda root, build: names.check_counters(root),
    "format": lambda root, build: layout.check(root),
    "headers": lambda root, build: shape.check_headers(root),
    "length": lambda root, build: shape.check_length(root),
    "limits": lambda root, build: names.check_limits(root),
    "standalone": standalone.check,
    "words": lambda root, build: shape.check_words(root),
}


def main():
    rule, root = sys.argv[1], pathlib.Path(sys.argv[2]).resolve()
    build = pathlib.Path(sys.argv[3]).resolve() if len(sys.argv) > 3 else None
    found = RULES[rule](root, build)
    for finding in found:
        print(finding.show(root))
    print(f"{rule}: {len(found)} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
