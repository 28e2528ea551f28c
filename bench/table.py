"""The results: cases with their targets, the markdown table, the plots, the block in the docs."""

import dataclasses
import pathlib
import platform
import re
import shutil
import subprocess

DOCS_BEGIN = "<!-- results: begin (written by tools/bench --write-docs) -->"
DOCS_END = "<!-- results: end -->"
PLOT_MAX = 3


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


def _bars(path, title, lines, series, more=""):
    """Horizontal bars, a group for each line of (label, value...), the first line on top."""
    path.with_suffix(".dat").write_text("".join(
        " ".join([_quoted(label), *(f"{value:.4f}" for value in values)]) + "\n" for label, *values in lines))
    thickness = 0.8 / len(series)
    bars = []
    for index, name in enumerate(series):
        top, bottom = (f"($0 + {-0.4 + thickness * edge:.3f})" for edge in (index, index + 1))
        bars.append(f"{_quoted(path.with_suffix('.dat').name)} using (0):0:(0):{index + 2}:{top}:{bottom}:ytic(1) "
                    f"with boxxyerror title {_quoted(name)}")
    script = (f"set terminal svg size 1100,{120 + 26 * len(lines)} background rgb 'white' font 'sans,12'\n"
              f"set output {_quoted(path.name)}\nset title {_quoted(title)}\nset style fill solid 0.8 noborder\n"
              f"set grid xtics\nset xrange [0:*]\nset yrange [{len(lines) - 0.4}:-0.6]\nset ytics scale 0\n"
              f"set key outside top right horizontal\n{more}\nplot " + ", ".join(bars) + "\n")
    subprocess.run(["gnuplot"], input=script, text=True, cwd=path.parent, check=True, timeout=60)


def plots(cases, directory):
    """SVG files: what a message costs beside its baseline, and how far each ratio is from its limit.

    Returns their names; none without gnuplot."""
    if not shutil.which("gnuplot"):
        return []
    made = []
    costs = [(f"{case.row}, {case.case}", case.figures["baseline_us"], case.figures["cpu_us"])
             for case in cases if {"cpu_us", "baseline_us"} <= case.figures.keys()]
    if costs:
        _bars(directory / "cost.svg", "CPU per message, microseconds", costs, ("baseline", "Ringway"))
        made.append("cost.svg")
    limited = [(f"{case.row}, {case.case}",
                min(PLOT_MAX, case.limit / case.ratio if case.at_least and case.ratio else case.ratio / case.limit))
               for case in cases if case.met is not None and case.limit]
    if limited:
        _bars(directory / "targets.svg", f"Each result as a share of its limit (cut at {PLOT_MAX})", limited, ("result / limit",),
              "set arrow from 1,graph 0 to 1,graph 1 nohead lw 2 front")
        made.append("targets.svg")
    return made
