"""Every header of src/ compiles alone, so that the order of includes never matters.

Each header is compiled with the flags that its own room is built with, by way of a source file that
includes nothing else.
"""

import concurrent.futures
import json
import os
import pathlib
import shlex
import subprocess

import tree


def _room_flags(root, build):
    """Room -> the command that compiles one of its files, without input and output."""
    flags = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        source = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        if not source.is_relative_to(root / "src"):
            continue
        words = shlex.split(entry["command"])
        kept, skip = [], False
        for word in words:
            if skip:
                skip = False
            elif word in ("-o", "-MF", "-MQ", "-MT", "-c"):
                skip = word != "-c"
            elif word not in ("-MD", entry["file"]) and not word.startswith("-O"):
                kept.append(word)
        flags.setdefault(tree.room_of(root, source), kept)
    return flags


def _compile(command, build, stub, header):
    result = subprocess.run(
        command + ["-O0", "-c", str(stub), "-o", str(stub.with_suffix(".o"))],
        cwd=build, capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return None
    first_error = next((line for line in result.stderr.splitlines() if "error" in line), result.stderr[:300])
    return tree.Finding(header, 1, f"does not compile alone: {first_error}")


def check(root, build):
    flags = _room_flags(root, build)
    stubs = build / "lint_headers"
    stubs.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = []
        for header in tree.files(root, ("src",), (".h",)):
            room = tree.room_of(root, header)
            if room not in flags:
                continue
            name = header.relative_to(root / "src").as_posix()
            stub = stubs / (name.replace("/", "_") + ".cc")
            text = f'#include "{name}"\n'
            if not stub.exists() or stub.read_text() != text:
                stub.write_text(text)
            jobs.append(pool.submit(_compile, flags[room], build, stub, header))
        return [found for found in (job.result() for job in jobs) if found]
