"""The results: cases with their targets, the markdown table, the plots, the block in the docs."""

import dataclasses
import pathlib
import platform
import re
import shutil
import subprocess

DOCS_BEGIN = "<!-- results: begin (written by tools/bench --write-docs) -->"
DOCS_END = "<!-- results: end -->"


@dataclasses.dataclass
class Case:
    """One line of the table. `ratio` is what the target limits; None where only figures are reported."""
    row: str
    case: str
    baseline: str
    result: str
    target: str = ""
    ratio: float | None = None
    limit: float | None = None
    at_least: bool = False
    extra_met: bool = True  # what the target asks for beside the ratio
    figures: dict = dataclasses.field(default_factory=dict)

    @property
    def met(self):
        if self.ratio is None or self.limit is None:
            return None
        within = self.ratio >= self.limit if self.at_least else self.ratio <= self.limit
        return within and self.extra_met

    def as_json(self):
        return {**dataclasses.asdict(self), "met": self.met}


def not_run(row, why):
    return Case(row, "", "", f"not run: {why}")


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def markdown(cases, judged):
    """`judged` False leaves out whether targets were met: short runs say nothing about that."""
    lines = ["| what | case | baseline | result | target |" + (" met |" if judged else ""),
             "|---|---|---|---|---|" + ("---|" if judged else "")]
    previous = None
    for case in cases:
        met = {None: "", True: " yes", False: " **no**"}[case.met]
        cells = [case.row if case.row != previous else "", case.case, case.baseline, case.result, case.target]
        lines.append("| " + " | ".join(cells) + " |" + (met + " |" if judged else ""))
        previous = case.row
    return "\n".join(lines) + "\n"


def write_docs(path, text):
    """Replaces what stands between the two marks."""
    docs = path.read_text()
    begin, end = docs.index(DOCS_BEGIN) + len(DOCS_BEGIN), docs.index(DOCS_END)
    path.write_text(docs[:begin] + "\n" + text + docs[end:])


def _quoted(text):
    return '"' + re.sub(r'["\\]', "'", text) + '"'


def _gnuplot(script, data, path):
    path.with_suffix(".dat").write_text(data)
    command = (f"set terminal svg size 960,540 dynamic background rgb 'white' font 'sans,13'\n"
               f"set output {_quoted(path.name)}\nset style fill solid 0.8\nset grid ytics\n"
               f"set xtics rotate by -25 scale 0\nset bmargin 8\nset key top left\n" + script)
    subprocess.run(["gnuplot"], input=command, text=True, cwd=path.parent, check=True, timeout=60)


def plots(cases, directory):
    """SVG files: what a message costs beside its baseline, and how far each ratio is from its limit.

    Returns their names; none without gnuplot."""
    if not shutil.which("gnuplot"):
        return []
    made = []
    costs = [case for case in cases if {"cpu_us", "baseline_us"} <= case.figures.keys()]
    if costs:
        data = "".join(f"{_quoted(case.row + ', ' + case.case)} {case.figures['baseline_us']:.4f} "
                       f"{case.figures['cpu_us']:.4f}\n" for case in costs)
        _gnuplot("set title 'CPU per message'\nset ylabel 'us'\nset yrange [0:*]\nset style data histogram\n"
                 "set style histogram cluster gap 1\n"
                 "plot 'cost.dat' using 2:xtic(1) title 'baseline', '' using 3 title 'Ringway'\n",
                 data, directory / "cost.svg")
        made.append("cost.svg")
    limited = [case for case in cases if case.met is not None and case.limit]
    if limited:
        share = [(case.limit / case.ratio if case.at_least and case.ratio else case.ratio / case.limit)
                 for case in limited]
        data = "".join(f"{_quoted(case.row + ', ' + case.case)} {value:.4f}\n" for case, value in zip(limited, share))
        _gnuplot("set title 'Each result as a share of its limit'\nset yrange [0:*]\nset style data histogram\n"
                 "plot 'targets.dat' using 2:xtic(1) title 'result / limit', 1 with lines lw 2 title 'limit'\n",
                 data, directory / "targets.svg")
        made.append("targets.svg")
    return made
