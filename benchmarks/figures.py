"""Write every table and figure of README and docs from the files in benchmarks/results.

    python benchmarks/figures.py            # or: make figures
    python benchmarks/figures.py --check    # writes nothing, exits with 1 where a figure differs

A document takes results in two ways. A table stands between `<!-- table: NAME -->` and
`<!-- end -->`, and a function of `document_tables.py` makes it. A figure in a sentence is a link to
its file, with its address there as the title: `[.904](FILE "systems.fused.all.ndcg@10")`; the
figure's form is kept ([published.py](published.py)). All else that looks measured is refused: a
decimal, a percentage, a number with a unit of time, size or rate. What is chosen and not measured
is marked: `<!-- settings -->` alone on a line is for the block below it, at the end of a line for
that line. Code is not looked at. All files of one table come from one commit, and the means of a
file are those of the per-query scores beside it.
"""

import argparse
import difflib
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from document_tables import TABLES
from kept_scores import disagreements
from published import Results, figure, markdown

from windowshop.errors import DataError

ROOT = Path(__file__).parents[1]
TOP = ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")
HISTORY = "log.md"
"""Page of docs that tells what was seen at its time; its figures have no files."""
FOLDER = "benchmarks/results"
TABLE = re.compile(r"<!-- table: (?P<name>\w+) -->\n(?P<content>.*?)<!-- end -->", re.DOTALL)
NUMBER = r"[+-]?(?:\d[\d,]*)?\.?\d+%?"
LINKED = re.compile(
    rf"\[(?P<text>{NUMBER}(?: \[[^\]]+\]| ±\.?\d+)?)\]"
    rf'\((?P<file>(?:\.\./)*{FOLDER}/[^\s)]+) "(?P<address>[^"]+)"\)'
)
SETTINGS = re.compile(r"^<!-- settings -->\n+(?:.+\n)+|^.*<!-- settings -->$", re.MULTILINE)
NOT_READ = (
    re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL),
    TABLE,
    SETTINGS,
    LINKED,
    re.compile(r"`[^`\n]+`"),
    re.compile(r"\]\([^)\n]*\)"),  # addresses of links
    re.compile(r"arXiv[ :][\d.]+|(?:Python|zvec|UBI) [\d.]+\d|95%(?! of)"),  # names with numbers
)
UNIT = r"(?:%|ms|s|seconds?|min|minutes?|hours?|[kKMG]i?B|times|[\w ]{0,24}a second)"
MEASURED = re.compile(
    rf"(?<![\w./:-])(?:[+-]?\d*\.\d+(?!\.?\d)|\d[\d,.]*(?<=\d) ?{UNIT}(?!\w)|±)[%\w]*"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """A figure of a document that no file gives, or gives otherwise."""

    place: str
    found: str
    expected: str

    def __str__(self) -> str:
        """Return one line: where, what was found, what was expected."""
        return f"{self.place}: found {self.found}, expected {self.expected}"


def documents(root: Path) -> list[Path]:
    """Return the documents whose figures are checked; all but the log and the changelog."""
    pages = sorted((root / "docs").glob("*.md"))
    return [root / name for name in TOP] + [page for page in pages if page.name != HISTORY]


def rendered(page: Path, root: Path) -> str:
    """Return a document with the tables and figures that the files give."""
    text = page.read_text(encoding="utf-8")
    up = "../" * (len(page.relative_to(root).parts) - 1)
    text = TABLE.sub(lambda block: _table(block["name"], root, up), text)
    results = Results(root / FOLDER)

    def current(link: re.Match[str]) -> str:
        value = results.at(link["file"].split(f"{FOLDER}/")[1], link["address"])
        return f'[{figure(value, link["text"])}]({link["file"]} "{link["address"]}")'

    return LINKED.sub(current, text)


def differences(page: Path, root: Path) -> Iterator[Problem]:
    """Yield lines of a document that differ from what the files give."""
    found = page.read_text(encoding="utf-8").splitlines()
    expected = rendered(page, root).splitlines()
    matcher = difflib.SequenceMatcher(None, found, expected, autojunk=False)
    for kind, start, end, from_, to in matcher.get_opcodes():
        if kind != "equal":
            place = f"{page.relative_to(root)}:{start + 1}"
            lines = (found[start:end], expected[from_:to])
            yield Problem(place, *("\n  ".join(part) or "nothing" for part in lines))


def unfounded(page: Path, root: Path) -> Iterator[Problem]:
    """Yield what looks measured in a document and comes from no file."""
    text = page.read_text(encoding="utf-8")
    for pattern in NOT_READ:
        text = pattern.sub(lambda part: re.sub(r"[^\n]", " ", part[0]), text)
    for number, line in enumerate(text.splitlines(), 1):
        for measured in MEASURED.finditer(line):
            place = f"{page.relative_to(root)}:{number}"
            yield Problem(
                place,
                measured[0].strip(),
                "a link to its file, or `<!-- settings -->` (figures.py)",
            )


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Write or check the documents; returns 1 where something is left to mend."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args(arguments).check
    problems: list[Problem] = []
    try:
        problems += [Problem(*told) for told in disagreements(root / FOLDER)]
    except DataError as error:
        problems.append(Problem(FOLDER, str(error), "what the scores are of"))
    for page in documents(root):
        problems += unfounded(page, root)
        try:
            if check:
                problems += differences(page, root)
            else:
                page.write_text(rendered(page, root), encoding="utf-8")
        except DataError as error:
            problems.append(Problem(str(page.relative_to(root)), str(error), "a file that has it"))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


def _table(name: str, root: Path, up: str) -> str:
    if name not in TABLES:
        raise DataError(f"table {name!r}: not in document_tables.py, which has {sorted(TABLES)}.")
    results = Results(root / FOLDER)
    lines = markdown(TABLES[name](results))
    return "\n".join(
        [f"<!-- table: {name} -->", "", *lines, "", _origin(name, results, up), "", "<!-- end -->"]
    )


def _origin(name: str, results: Results, up: str) -> str:
    """Return the line under a table: its files, and the commit and machine that they name."""
    found = results.environments()
    commits = {environment.get("commit", "") for environment in found.values()}
    if len(commits) > 1:
        listed = ", ".join(f"{file}: {e.get('commit') or 'none'}" for file, e in found.items())
        raise DataError(
            f"table {name!r}: its files come from several commits ({listed}). Measure them again "
            "from one checkout, or make several tables of it."
        )
    if not found:
        raise DataError(f"table {name!r}: no file of it is in {FOLDER}. Measure it first.")
    files = ", ".join(f"[{file}]({up}{FOLDER}/{file})" for file in found)
    commands = dict.fromkeys(e["command"] for e in found.values() if "command" in e)
    first = next(iter(found.values()))
    machine = (f"{key} {first[key]}" for key in ("commit", "cpu", "threads") if key in first)
    precision = [first["precision"]] if "precision" in first else []
    told = [*(f"`{command}`" for command in commands), ", ".join([*machine, *precision])]
    return f"From {files}" + (f": {'; '.join(told)}." if commands else ".")


if __name__ == "__main__":
    sys.exit(main())
