"""What the lint rules share: the files of the project, and findings about them."""

import dataclasses
import pathlib
import re

CODE_FOLDERS = ("src", "tests", "bench")
TEXT_FOLDERS = ("src", "tests", "bench", "conf", "docs", "proto", "tools", ".ci")


@dataclasses.dataclass(frozen=True)
class Finding:
    path: pathlib.Path
    line: int
    text: str

    def show(self, root):
        return f"{self.path.relative_to(root)}:{self.line}: {self.text}"


def files(root, folders, suffixes):
    """Every file of these folders whose name ends in one of the suffixes, in a stable order."""
    found = []
    for folder in folders:
        found += [path for path in (root / folder).rglob("*") if path.is_file() and path.name.endswith(suffixes)]
    return sorted(found)


def code_files(root, folders=CODE_FOLDERS):
    return files(root, folders, (".h", ".cc"))


def lines(path):
    """The lines of a text file with their numbers, from 1."""
    return enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), start=1)


_NOT_CODE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"' r"|(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'",
    re.DOTALL,
)


def code_lines(path):
    """The same, with comments, strings and characters blanked out. Lines keep their numbers."""
    text = path.read_text(encoding="utf-8", errors="replace")
    blanked = _NOT_CODE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)
    return enumerate(blanked.splitlines(), start=1)


# Rooms that lie in another room's folder.
NESTED_ROOMS = ("client/account", "metrics/http", "shard/lmdb", "shard/messenger", "tl/dynamic")


def room_of(root, path):
    """The room of a file under src/: the name of its folder. Empty for anything else."""
    parts = path.relative_to(root).parts
    nested = "/".join(parts[1:3])
    if parts[0] == "src" and nested in NESTED_ROOMS:
        return nested
    return parts[1] if len(parts) > 2 and parts[0] == "src" else ""
