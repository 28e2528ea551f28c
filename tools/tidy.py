#!/usr/bin/env python3
"""Runs clang-tidy over the sources: tidy.py ROOT BUILD_DIR. Exits with 1 on findings.

A file is looked at again only when it, a header of ours that it includes, its compile command or
.clang-tidy has changed since it was last found clean; what is clean is kept in BUILD_DIR/tidy-cache.
"""

import concurrent.futures
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

ARGUMENTS = ["--quiet", "--extra-arg=-Wno-unknown-warning-option", "--extra-arg=-Wno-unused-command-line-argument"]


def dependencies(build):
    """Object file -> the files that it was made from, as ninja recorded them."""
    text = subprocess.run(["ninja", "-C", str(build), "-t", "deps"], capture_output=True, text=True, check=True).stdout
    found, target = {}, None
    for line in text.splitlines():
        match = re.match(r"(\S+): #deps", line)
        if match:
            target = match[1]
            found[target] = []
        elif line.startswith("    ") and target:
            found[target].append(line.strip())
    return found


def fingerprint(root, build, entry, depends):
    digest = hashlib.sha256((root / ".clang-tidy").read_bytes() + entry["command"].encode())
    for name in sorted(depends.get(entry.get("output", ""), [entry["file"]])):
        path = (build / name).resolve()
        if path.is_relative_to(root) and path.exists():
            digest.update(name.encode() + path.read_bytes())
    return digest.hexdigest()


def tidy(root, build, source):
    result = subprocess.run(
        ["clang-tidy", *ARGUMENTS, f"--config-file={root / '.clang-tidy'}", "-p", str(build), str(source)],
        capture_output=True, text=True, check=False)
    return source, result.returncode, result.stdout, result.stderr


def main():
    root, build = (pathlib.Path(argument).resolve() for argument in sys.argv[1:3])
    cache_file = build / "tidy-cache.json"
    clean = json.loads(cache_file.read_text()) if cache_file.exists() else {}
    depends = dependencies(build)
    jobs = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        parts = source.relative_to(root).parts if source.is_relative_to(root) else ()
        if parts and parts[0] in ("src", "bench") and source not in jobs:
            jobs[source] = fingerprint(root, build, entry, depends)
    todo = [source for source, key in sorted(jobs.items()) if clean.get(str(source)) != key]
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, job in enumerate(pool.map(lambda source: tidy(root, build, source), todo), start=1):
            source, status, out, err = job
            if sys.stdout.isatty():
                print(f"\r{number}/{len(todo)} {source.relative_to(root)}\033[K", end="", flush=True)
            if status == 0:
                clean[str(source)] = jobs[source]
                continue
            failed += 1
            print(f"\n{out.strip()}\n{err.strip()}" if not out.strip() else f"\n{out.strip()}")
    cache_file.write_text(json.dumps(clean))
    print(f"\nclang-tidy: {len(todo)} of {len(jobs)} files looked at, {failed} with findings")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
