#!/usr/bin/env python3
"""Prints "N passed, N failed, N skipped" for the last `meson test` run.

Usage: count_tests.py MESON_LOGS_DIR

Counts single cases where a test reports them (GoogleTest does) and whole tests otherwise. A test that
crashed or timed out without saying which case it was in counts as one failure. Exits with 1 when
anything failed, or when nothing ran at all.
"""

import json
import pathlib
import sys
import xml.etree.ElementTree as ElementTree

PASSED_RESULTS = {"OK", "EXPECTEDFAIL"}


def cases_by_test(junit):
    """Maps the name of a meson test to [passed, failed, skipped] of its cases."""
    counts = {}
    if not junit.exists():
        return counts
    for suite in ElementTree.parse(junit).getroot().iter("testsuite"):
        # Meson names the suites of a test with cases "project.test.suite"; those without are "project".
        parts = suite.get("name", "").split(".", 2)
        if len(parts) < 3:
            continue
        count = counts.setdefault(parts[1], [0, 0, 0])
        for case in suite.iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                count[1] += 1
            elif case.find("skipped") is not None or case.get("status") == "notrun":
                count[2] += 1
            else:
                count[0] += 1
    return counts


def count(logs):
    cases = cases_by_test(logs / "testlog.junit.xml")
    total = [0, 0, 0]
    log = logs / "testlog.json"
    for line in log.read_text().splitlines() if log.exists() else []:
        test = json.loads(line)
        failed = test["result"] not in PASSED_RESULTS | {"SKIP"}
        single = [0, 1, 0] if failed else [0, 0, 1] if test["result"] == "SKIP" else [1, 0, 0]
        found = cases.get(test["name"], single)
        if failed and found[1] == 0:
            found = [found[0], 1, found[2]]
        total = [a + b for a, b in zip(total, found)]
    return total


def main():
    passed, failed, skipped = count(pathlib.Path(sys.argv[1]))
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed or passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
