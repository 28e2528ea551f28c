"""The layout of C++ files is what clang-format makes of them."""

import re
import subprocess

import tree

_WARNING = re.compile(r"^(.*?):(\d+):\d+: (?:warning|error): (.*)")


def check(root, clang_format="clang-format"):
    paths = tree.code_files(root)
    result = subprocess.run(
        [clang_format, "--dry-run", f"--style=file:{root / '.clang-format'}", *map(str, paths)],
        capture_output=True, text=True, check=False)
    found = {}
    for line in result.stderr.splitlines():
        match = _WARNING.match(line)
        if match:
            path = next((path for path in paths if str(path) == match[1]), root / match[1])
            # One line per file is enough: the remedy is the same for all.
            found.setdefault(path, tree.Finding(path, int(match[2]), "not as clang-format -i leaves it"))
    return list(found.values())
