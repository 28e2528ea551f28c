"""A strict reader of Prometheus' text format, as `promtool check metrics` is one.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

import math
import re

_NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
_HELP = re.compile(rf"# HELP ({_NAME}) (.+)")
_TYPE = re.compile(rf"# TYPE ({_NAME}) (counter|gauge|histogram|summary|untyped)")
_SAMPLE = re.compile(rf"({_NAME})(?:\{{(.*)\}})? (\S+)")
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(,|$)')


class Malformed(Exception):
    pass


class Family:
    def __init__(self, name, help_text):
        self.name, self.help, self.type = name, help_text, None
        self.samples = {}  # (sample name, sorted labels) -> value


def _labels(text):
    labels, at = {}, 0
    while at < len(text):
        match = _LABEL.match(text, at)
        if not match or match[1] in labels:
            raise Malformed(f"labels {{{text}}}")
        labels[match[1]] = match[2]
        at = match.end()
    return labels


def _value(text):
    if text in ("+Inf", "-Inf", "NaN"):
        return float(text)
    if not re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", text):
        raise Malformed(f"value {text}")
    return float(text)


def _check_histogram(family):
    series = {}
    for (name, labels), value in family.samples.items():
        plain = tuple(pair for pair in labels if pair[0] != "le")
        parts = series.setdefault(plain, {"buckets": []})
        if name == family.name + "_bucket":
            parts["buckets"].append((_value(dict(labels)["le"]), value))
        elif name in (family.name + "_sum", family.name + "_count"):
            parts[name[len(family.name) + 1:]] = value
        else:
            raise Malformed(f"{name} in histogram {family.name}")
    for labels, parts in series.items():
        bounds = [bound for bound, _ in parts["buckets"]]
        counts = [count for _, count in parts["buckets"]]
        if bounds != sorted(set(bounds)) or counts != sorted(counts) or not bounds:
            raise Malformed(f"buckets of {family.name} {labels}")
        if not math.isinf(bounds[-1]) or counts[-1] != parts["count"] or "sum" not in parts:
            raise Malformed(f"the end of {family.name} {labels}")


def _check(family):
    if family.type is None or not family.samples:
        raise Malformed(f"{family.name} has no type or no sample")
    if family.type == "histogram":
        _check_histogram(family)
        return
    for (name, _), value in family.samples.items():
        if name != family.name:
            raise Malformed(f"{name} in family {family.name}")
        if family.type == "counter" and not 0 <= value < math.inf:
            raise Malformed(f"counter {name} is {value}")
    if (family.type == "counter") != family.name.endswith("_total"):
        raise Malformed(f"{family.name} is a {family.type}")


def read(page):
    """The families of a page by name; raises Malformed."""
    if not page.endswith("\n"):
        raise Malformed("the last line has no end")
    families, current = {}, None
    for line in page[:-1].split("\n"):
        if match := _HELP.fullmatch(line):
            if match[1] in families:
                raise Malformed(f"{match[1]} comes twice")
            current = families[match[1]] = Family(match[1], match[2])
        elif match := _TYPE.fullmatch(line):
            if current is None or match[1] != current.name or current.samples:
                raise Malformed(f"TYPE of {match[1]} stands in the wrong place")
            current.type = match[2]
        elif match := _SAMPLE.fullmatch(line):
            if current is None or not match[1].startswith(current.name):
                raise Malformed(f"{line}: not in its family")
            key = (match[1], tuple(sorted(_labels(match[2] or "").items())))
            if key in current.samples:
                raise Malformed(f"{line}: comes twice")
            current.samples[key] = _value(match[3])
        else:
            raise Malformed(line)
    for family in families.values():
        _check(family)
    return families


def total(families, name, **labels):
    """The sum of the samples that have these labels."""
    family = families.get(name) or families[re.sub(r"_(bucket|sum|count)$", "", name)]
    found = [value for (sample, of), value in family.samples.items()
             if sample == name and all((key, text) in of for key, text in labels.items())]
    if not found:
        raise KeyError(f"{name} {labels}")
    return sum(found)
