"""Results read by address, and figures in the form that documents give them.

An address names a file of benchmarks/results and what is in it: keys of a JSON file joined by
dots, items of a list by their `name`, and all of it where there is no key; or in a study's
report.md a claim, or `ROW: COLUMN` of the first table that has both. An estimate is a mapping of
mean, low and high.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from windowshop.errors import DataError

SUFFIX = ".per_query.parquet"
"""Of the file of scores beside a file of figures."""
NUMBER = re.compile(r"[+-]?[\d,]*\.?\d+")
ESCAPED = re.compile(r"\\([\\`*<>|\]])")
CLAIM = re.compile(
    r"^- \*\*(.+?)\*\*: ([a-z ]+)\. (\S+) minus (\S+) is (.+?) \w+@\d+[^(]*"
    r"\(.*?p ([^,)]+)(?:[^)]*detectable ([.\d]+))?",
    re.MULTILINE,
)


class Claim(NamedTuple):
    """Answer of a study to a claim, as its report tells it."""

    claim: str
    answer: str
    better: str
    worse: str
    difference: str
    p: str
    detectable: str
    """Effect that the study would find; empty in reports that do not tell it."""


class Results:
    """Files of a results folder, read once each; `used` names those that were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.used: list[str] = []
        self._texts: dict[str, str] = {}

    def at(self, file: str, address: str) -> Any:  # noqa: ANN401
        """Return a value of a file; raises DataError where there is none."""
        try:
            if file.endswith(".md"):
                return self._in_report(file, address)
            value: Any = json.loads(self._text(file))
            for key in filter(None, address.split(".")):
                value = _inside(value, key)
        except (KeyError, IndexError, StopIteration, TypeError, ValueError):
            raise DataError(
                f"benchmarks/results/{file}: nothing at {address!r}. Correct the address, or "
                "measure again with the command that the file names."
            ) from None
        return value

    def claims(self, file: str) -> list[Claim]:
        """Return every claim of a report, in its order."""
        return [Claim(*found) for found in CLAIM.findall(_plain(self._text(file)))]

    def cell(self, file: str, row: str, column: str) -> str:
        """Return a cell of the first table of a report that has both row and column."""
        head: list[str] = []
        for line in _plain(self._text(file)).splitlines():
            cells = [cell.strip().strip("*") for cell in line.strip("|").split(" | ")]
            if line.startswith("| ") and not head:
                head = cells
            elif not line.startswith("| "):
                head = []
            elif cells[0] == row and column in head:
                return cells[head.index(column)]
        raise DataError(f"benchmarks/results/{file}: no row {row!r} with a column {column!r}.")

    def environments(self) -> dict[str, dict[str, str]]:
        """Return the environment of each used file; a report has that of its results.json."""
        found = {}
        for file in self.used:
            path = self.folder / file
            path = path.with_name("results.json") if file.endswith(".md") else path
            found[file] = json.loads(path.read_text(encoding="utf-8")).get("environment", {})
        return found

    def _in_report(self, file: str, address: str) -> dict[str, float]:
        row, _, column = address.rpartition(": ")
        if row:
            return estimate(self.cell(file, row, column))
        differences = {claim.claim: claim.difference for claim in self.claims(file)}
        return estimate(differences[address])

    def _text(self, file: str) -> str:
        if file not in self.used:
            self.used.append(file)
        if file not in self._texts:
            path = self.folder / file
            if not path.is_file():
                raise DataError(f"{path}: no such file. Measure it, or leave out what cites it.")
            self._texts[file] = path.read_text(encoding="utf-8")
        return self._texts[file]


def estimate(text: str) -> dict[str, float]:
    """Return the estimate that a text gives as `.1 [.0, .2]` or `.1 ±.1`; or its one number."""
    mean, *ends = (float(number.replace(",", "")) for number in NUMBER.findall(text))
    if "±" in text:
        ends = [mean - ends[0], mean + ends[0]]
    return {"mean": mean, **dict(zip(("low", "high"), ends, strict=False))}


def figure(value: Any, like: str) -> str:  # noqa: ANN401
    """Return a value or an estimate in the form of the figure `like`.

    Its first number tells decimals, percent and whether a zero stands before the point; a sign
    anywhere in it, that all are signed; `[` that the interval is given, `±` that half of it is.
    """
    number = NUMBER.search(like)
    first = number[0] if number else ".123"
    form = ("+" if "+" in like or "-" in like else "") + first.lstrip("+-")
    form += "%" if like.rstrip().endswith("%") else ""
    if not isinstance(value, dict):
        return written(value, form)
    mean = written(value["mean"], form)
    if "[" in like:
        return f"{mean} [{written(value['low'], form)}, {written(value['high'], form)}]"
    if "±" in like:
        half = (value["high"] - value["low"]) / 2
        return f"{mean} ±{written(half, form.lstrip('+'))}"
    return mean


def written(value: float, form: str = ".123") -> str:
    """Return a number in a form: `.123`, `+.123`, `0.12`, `1,234`, `12%`."""
    percent, (whole, _, decimals) = form.endswith("%"), form.rstrip("%").partition(".")
    text = f"{value * 100 if percent else value:,.{len(decimals)}f}"
    if decimals and whole in ("", "+"):
        text = re.sub(r"^(-?)0\.", r"\1.", text)
    if not re.search(r"[1-9]", text):
        text = text.lstrip("-")
    elif whole.startswith("+") and not text.startswith("-"):
        text = f"+{text}"
    return text + ("%" if percent else "")


def markdown(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table, its head first."""
    head, *body = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body)]


def _inside(value: Any, key: str) -> Any:  # noqa: ANN401
    if isinstance(value, list):
        return value[int(key)] if key.isdigit() else next(v for v in value if v["name"] == key)
    return value[key]


def _plain(text: str) -> str:
    return ESCAPED.sub(r"\1", text)
