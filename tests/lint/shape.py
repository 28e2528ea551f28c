"""The shape of files: their length, how they begin, and what no file may say."""

import re

import tree

LINES_MAX = 800
COLUMNS_MAX = 200

# Paths and hosts of one machine have no place in a project that others clone.
_FOREIGN = [
    (re.compile(r"(?<![\w.])/(?:home|Users|work)/\w+"), "a path of somebody's machine"),
    (re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b"), "unfinished work: finish it, or describe the limit in a sentence"),
]
_RULE_FILES = ("tests/lint/shape.py", "tests/lint/selftest.py")


def check_length(root):
    found = []
    for path in tree.files(root, tree.TEXT_FOLDERS, (".h", ".cc", ".py", ".js", ".sh", ".proto")):
        count = sum(1 for _ in tree.lines(path))
        if count >= LINES_MAX:
            found.append(tree.Finding(path, count, f"{count} lines; files stay under {LINES_MAX}: split it by what it is about"))
    return found


def check_headers(root):
    """A header opens with a comment that names it and says what it is for."""
    found = []
    for path in tree.files(root, ("src",), (".h",)):
        name = path.relative_to(root / "src").with_suffix("").as_posix()
        text = path.read_text(encoding="utf-8")
        if not text.startswith(f"// {name}: "):
            found.append(tree.Finding(path, 1, f'the first line must be "// {name}: what it is for"'))
        if "\n#pragma once\n" not in text:
            found.append(tree.Finding(path, 1, "#pragma once is missing"))
    return found


def check_words(root):
    found = []
    paths = tree.files(root, tree.TEXT_FOLDERS, (
        ".h", ".cc", ".inc", ".py", ".js", ".html", ".json", ".sh", ".proto", ".md", ".yaml", ".txt", ".build", "run", "test", "dev", "build", "quickstart"))
    paths += [path for path in sorted(root.glob("*")) if path.is_file() and path.suffix in (".md", ".build", ".txt")]
    for path in paths:
        if path.relative_to(root).as_posix() in _RULE_FILES or "__pycache__" in path.parts:
            continue
        for number, line in tree.lines(path):
            for pattern, what in _FOREIGN:
                match = pattern.search(line)
                if match:
                    found.append(tree.Finding(path, number, f'"{match.group()}": {what}'))
    return found
